// The model file: what was written comes back bit for bit, and nothing else is believed.
#include "models/content_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "base/crypto.h"
#include "base/file.h"
#include "models/stack.h"
#include "planted_data.h"

namespace rapport {
namespace {

class ContentModelTest : public testing::Test {
 protected:
  ContentModelTest()
      : folder_(std::filesystem::path(testing::TempDir()) / ("rapport_model_" + std::to_string(getpid()))),
        path_((folder_ / "model.rapport").string()) {
    std::filesystem::create_directories(folder_);
  }
  ~ContentModelTest() override { std::filesystem::remove_all(folder_); }

  static ContentModel SmallModel() {
    const Interactions data = PlantedInteractions({.customers = 60, .items = 40});
    AlsOptions options;
    options.factors = 8;
    options.epochs = 2;
    ContentModel model;
    model.als = FitAls(data, options).Take().model;
    model.similar = FitNeighbours(data, {.neighbours = 5}).Take();
    model.bought_together = FitNeighbours(data, {.neighbours = 3, .support_min = 4}).Take();
    model.popularity = FitPopularity(40, std::vector<PopularityEvent>{{3, 1, {1000}}, {5, 2, {2000}}}, {5000}, {});
    model.trained_until = {123456789};
    model.history_half_life_days = 45;
    for (uint64_t i = 0; i < 40; ++i) model.item_ids.push_back(3 * i + 7);
    model.stack.recent14.assign(40, 0.5f);
    model.stack.recent7.assign(40, 0.25f);
    model.stack.shallow = model.similar;
    model.stack.repeats_theta.assign(kStackFeatures, 1.5);
    model.stack.new_theta.assign(kStackFeatures, -0.5);
    AddParts(model);
    return model;
  }
  // What came with version 3.
  static void AddParts(ContentModel& model) {
    model.stack.season.assign(40, 0.125f);
    model.stack.cold_theta.assign(kStackFeatures, 0.75);
    model.stack.session_theta.assign(kStackFeatures, 0.25);
    std::vector<AttributeItem> items(40);
    for (uint64_t i = 0; i < 40; ++i) {
      items[i] = {{i % 5, 100 + i % 7}, {1, static_cast<float>(i)}, static_cast<float>(i), i % 3};
    }
    model.attributes = FitAttributes(items, {});
    model.attributes.map.assign((model.attributes.width() + 1) * 8, 0.5f);
    model.sessions = FitSessions(40, {{1, {1, 2, 3}}, {2, {3, 4}}}, {});
    model.repurchase.terms.assign(40, {0.5f, 3.0f, 0.7f});
    model.traits = {{5, 9}, {0, 2, 3}, {{1, 0.5f}, {2, 0.25f}, {3, 0.125f}}};
  }

  std::string ReadBytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void WriteBytes(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  // Bytes with a checksum that fits: what a broken writer would leave.
  static std::string Signed(std::string bytes) {
    bytes.resize(bytes.size() - 32);
    const Digest256 digest = Sha256(bytes);
    return bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  StatusCode ReadCode() const { return ReadContentModel(path_).status().code(); }
  static StatusCode ParseCode(std::string_view bytes) { return ParseContentModel(bytes, "test").status().code(); }

  const std::filesystem::path folder_;
  const std::string path_;
};

bool SameLists(const NeighbourLists& a, const NeighbourLists& b) {
  return a.items == b.items && a.offsets == b.offsets && a.neighbours.size() == b.neighbours.size() &&
         std::memcmp(a.neighbours.data(), b.neighbours.data(), a.neighbours.size() * sizeof(Neighbour)) == 0;
}

TEST_F(ContentModelTest, ComesBackBitForBit) {
  const ContentModel model = SmallModel();
  ASSERT_TRUE(WriteContentModel(model, path_).ok());
  const Result<ContentModel> read = ReadContentModel(path_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->item_ids, model.item_ids);
  EXPECT_EQ(read->als.item_factors, model.als.item_factors);
  EXPECT_EQ(read->als.gram, model.als.gram);
  EXPECT_EQ(read->als.customers, model.als.customers);
  EXPECT_EQ(read->als.options.seed, model.als.options.seed);
  EXPECT_EQ(read->als.options.epochs, model.als.options.epochs);
  EXPECT_EQ(read->als.options.regularization, model.als.options.regularization);
  EXPECT_EQ(read->trained_until, model.trained_until);
  EXPECT_EQ(read->history_half_life_days, 45);
  EXPECT_TRUE(SameLists(read->similar, model.similar));
  EXPECT_TRUE(SameLists(read->bought_together, model.bought_together));
  EXPECT_EQ(read->popularity.popular, model.popularity.popular);
  EXPECT_EQ(read->popularity.trending, model.popularity.trending);
  EXPECT_EQ(read->popularity.as_of, model.popularity.as_of);
  EXPECT_EQ(read->stack.recent14, model.stack.recent14);
  EXPECT_EQ(read->stack.recent7, model.stack.recent7);
  EXPECT_TRUE(SameLists(read->stack.shallow, model.stack.shallow));
  EXPECT_EQ(read->stack.repeats_theta, model.stack.repeats_theta);
  EXPECT_EQ(read->stack.new_theta, model.stack.new_theta);
  EXPECT_EQ(read->stack.cold_theta, model.stack.cold_theta);
  EXPECT_EQ(read->stack.session_theta, model.stack.session_theta);
  EXPECT_EQ(read->stack.season, model.stack.season);
  EXPECT_EQ(read->attributes.tokens, model.attributes.tokens);
  EXPECT_EQ(read->attributes.values, model.attributes.values);
  EXPECT_EQ(read->attributes.map, model.attributes.map);
  EXPECT_EQ(read->attributes.embedding, 2u);
  EXPECT_EQ(read->attributes.categories, model.attributes.categories);
  EXPECT_TRUE(SameLists(read->attributes.kin, model.attributes.kin));
  EXPECT_EQ(read->sessions.rows, model.sessions.rows);
  EXPECT_EQ(read->sessions.by_item, model.sessions.by_item);
  EXPECT_EQ(read->sessions.idf, model.sessions.idf);
  EXPECT_EQ(read->repurchase.terms.size(), model.repurchase.terms.size());
  EXPECT_EQ(read->traits.tokens, model.traits.tokens);
  EXPECT_EQ(read->traits.liked.size(), model.traits.liked.size());
  const std::string first = ReadBytes();
  ASSERT_TRUE(WriteContentModel(*read, path_).ok());
  EXPECT_EQ(ReadBytes(), first);
}

TEST_F(ContentModelTest, FoldsInTheSameAfterLoading) {
  const ContentModel model = SmallModel();
  ASSERT_TRUE(WriteContentModel(model, path_).ok());
  const Result<ContentModel> read = ReadContentModel(path_);
  ASSERT_TRUE(read.ok());
  const std::vector<uint32_t> items{2, 9, 31};
  const std::vector<float> weights{1, 1, 3};
  FoldInScratch scratch;
  std::vector<float> before(8), after(8);
  FoldIn(model.als, items, weights, scratch, before);
  FoldIn(read->als, items, weights, scratch, after);
  EXPECT_EQ(before, after);
}

TEST_F(ContentModelTest, FindsRows) {
  const ContentModel model = SmallModel();
  for (uint32_t row = 0; row < model.rows(); ++row) EXPECT_EQ(model.RowOf(ItemId{model.item_ids[row]}), row);
  for (uint64_t id : {0ull, 1ull, 8ull, 1000000ull, ~0ull}) EXPECT_EQ(model.RowOf(ItemId{id}), kNoRow);
}

TEST_F(ContentModelTest, EveryFlippedBitIsRefused) {
  const std::string good = SerializeContentModel(SmallModel());
  Random random(1);
  for (size_t round = 0; round < 4000; ++round) {
    const size_t header_bits = 8 * (24 + 9 * 24);  // every bit of the header first, then anywhere
    const size_t bit = round < header_bits ? round : random.Below(good.size() * 8);
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(ParseCode(bad), StatusCode::kDataLoss) << "bit " << bit;
  }
}

TEST_F(ContentModelTest, EveryTruncationIsRefused) {
  const std::string good = SerializeContentModel(SmallModel());
  for (size_t length = 0; length < good.size(); ++length) {
    ASSERT_EQ(ParseCode(std::string_view(good).substr(0, length)), StatusCode::kDataLoss) << "length " << length;
  }
  EXPECT_EQ(ParseCode(good + "x"), StatusCode::kDataLoss);
  EXPECT_EQ(ParseCode(good), StatusCode::kOk);
}

TEST_F(ContentModelTest, DamagedFilesOnDiskAreRefused) {
  ASSERT_TRUE(WriteContentModel(SmallModel(), path_).ok());
  const std::string good = ReadBytes();
  WriteBytes(good.substr(0, good.size() / 2));
  EXPECT_EQ(ReadCode(), StatusCode::kDataLoss);
  WriteBytes("");
  EXPECT_EQ(ReadCode(), StatusCode::kDataLoss);
  std::string bad = good;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 4);
  WriteBytes(bad);
  EXPECT_EQ(ReadCode(), StatusCode::kDataLoss);
  WriteBytes(good);
  EXPECT_EQ(ReadCode(), StatusCode::kOk);
}

// Past the checksum: a writer that signs rubbish. A changed header is refused, changed contents are refused or are
// another valid model; nothing crashes.
TEST_F(ContentModelTest, SignedRubbishIsRefused) {
  const std::string good = SerializeContentModel(SmallModel());
  Random random(2);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string bad = good;
    const size_t at = round % 2 == 0 ? random.Below(24 + 9 * 24 + 96) : random.Below(bad.size() - 32);
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.Below(8)));
    const Result<ContentModel> read = ParseContentModel(Signed(bad), "test");
    if (read.ok()) {
      EXPECT_TRUE(CheckContentModel(*read).ok());
      EXPECT_GE(at, 24u + 9 * 24) << "a changed header was believed";
      continue;
    }
    ++refused;
    const bool version = at / 4 == 2;
    EXPECT_TRUE(read.status().code() == StatusCode::kDataLoss || version) << read.status().ToString();
  }
  EXPECT_GT(refused, 1000);
}

// A file as version 2 wrote it, from the sections of today's: the first fifteen, with its 21 weights.
std::string AsVersion2(const std::string& today, std::vector<double> repeats, std::vector<double> only_new) {
  const auto entry = [&](uint32_t section, size_t field) {
    uint64_t value = 0;
    std::memcpy(&value, today.data() + 24 + (section - 1) * 24 + field, 8);
    return value;
  };
  std::vector<std::string> sections;
  for (uint32_t section = 1; section <= 15; ++section) {
    sections.push_back(today.substr(entry(section, 8), entry(section, 16)));
  }
  sections[13].assign(reinterpret_cast<const char*>(repeats.data()), repeats.size() * 8);
  sections[14].assign(reinterpret_cast<const char*>(only_new.data()), only_new.size() * 8);
  const auto append = [](std::string& out, auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  uint64_t total = 24 + 15 * 24 + 32;
  for (const std::string& section : sections) total += section.size();
  std::string file = "RAPPORTM";
  append(file, uint32_t{2});
  append(file, uint32_t{15});
  append(file, total);
  uint64_t offset = 24 + 15 * 24;
  for (uint32_t i = 0; i < 15; ++i) {
    append(file, i + 1);
    append(file, uint32_t{0});
    append(file, offset);
    append(file, uint64_t{sections[i].size()});
    offset += sections[i].size();
  }
  for (const std::string& section : sections) file += section;
  const Digest256 digest = Sha256(file);
  return file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

TEST_F(ContentModelTest, AVersion2FileLoadsWithoutTheNewParts) {
  const ContentModel model = SmallModel();
  std::vector<double> weights(21);
  for (size_t k = 0; k < weights.size(); ++k) weights[k] = static_cast<double>(k) + 1;
  const Result<ContentModel> read = ParseContentModel(AsVersion2(SerializeContentModel(model), weights, {}), "old");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->als.item_factors, model.als.item_factors);
  EXPECT_EQ(read->stack.recent14, model.stack.recent14);
  ASSERT_EQ(read->stack.repeats_theta.size(), kStackFeatures);
  for (size_t k = 0; k < kStackFeatures; ++k) {
    const double expected = k < 20 ? static_cast<double>(k) + 1 : k == MarkAt(StackMark::kHad) ? 21 : 0;
    EXPECT_EQ(read->stack.repeats_theta[k], expected) << k;
  }
  EXPECT_TRUE(read->stack.new_theta.empty() && read->stack.cold_theta.empty() && read->stack.season.empty());
  EXPECT_EQ(read->attributes.rows(), 0u);
  EXPECT_EQ(read->sessions.sessions(), 0u);
  EXPECT_TRUE(read->traits.tokens.empty());
  EXPECT_TRUE(ParseContentModel(SerializeContentModel(*read), "again").ok()) << "and is written as version 3";
  weights.pop_back();
  EXPECT_EQ(ParseCode(AsVersion2(SerializeContentModel(model), weights, {})), StatusCode::kDataLoss);
}

TEST_F(ContentModelTest, ANewerFormatSaysSo) {
  std::string bytes = SerializeContentModel(SmallModel());
  bytes[8] = 99;
  EXPECT_EQ(ParseCode(Signed(bytes)), StatusCode::kFailedPrecondition);
}

TEST_F(ContentModelTest, WrongModelsAreNotWritten) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::function<void(ContentModel&)>> damages = {
      [](ContentModel& m) { m.item_ids.clear(); },
      [](ContentModel& m) { m.item_ids.pop_back(); },
      [](ContentModel& m) { m.stack.recent7.pop_back(); },
      [&](ContentModel& m) { m.stack.recent14[1] = nan; },
      [](ContentModel& m) { m.stack.repeats_theta.pop_back(); },
      [&](ContentModel& m) { m.stack.new_theta[0] = nan; },
      [&](ContentModel& m) { m.stack.cold_theta[0] = nan; },
      [](ContentModel& m) { m.stack.session_theta.pop_back(); },
      [&](ContentModel& m) { m.stack.season[3] = nan; },
      [](ContentModel& m) { m.attributes.columns[0] = 1u << 20; },
      [&](ContentModel& m) { m.attributes.map[5] = nan; },
      [](ContentModel& m) { m.attributes.map.pop_back(); },
      [](ContentModel& m) { m.attributes.prices.pop_back(); },
      [](ContentModel& m) { std::swap(m.attributes.tokens[0], m.attributes.tokens[1]); },
      [](ContentModel& m) { m.attributes.offsets[1] = 1u << 30; },
      [](ContentModel& m) { m.attributes.offsets.clear(); },
      [](ContentModel& m) { m.attributes.kin.neighbours[0].item = 40; },
      [](ContentModel& m) { m.sessions.rows[0] = 40; },
      [](ContentModel& m) { m.sessions.offsets.clear(); },
      [](ContentModel& m) { m.sessions.items = 7; },
      [](ContentModel& m) { m.repurchase.terms[0].share = 2; },
      [](ContentModel& m) { m.repurchase.terms.pop_back(); },
      [](ContentModel& m) { m.traits.tokens[1] = m.traits.tokens[0]; },
      [](ContentModel& m) { m.traits.liked[0].item = 40; },
      [](ContentModel& m) { m.traits.offsets.clear(); },
      [](ContentModel& m) { m.item_ids[4] = m.item_ids[3]; },
      [](ContentModel& m) { m.item_ids[0] = 0; },
      [&](ContentModel& m) { m.als.item_factors[17] = nan; },
      [](ContentModel& m) { m.als.item_factors.pop_back(); },
      [](ContentModel& m) { m.als.options.factors = 7; },
      [](ContentModel& m) { m.als.gram.clear(); },
      [&](ContentModel& m) { m.similar.neighbours[0].score = nan; },
      [](ContentModel& m) { m.similar.neighbours[0].item = 40; },
      [](ContentModel& m) { std::swap(m.similar.neighbours[0], m.similar.neighbours[1]); },
      [](ContentModel& m) { m.similar.offsets[1] = 1u << 30; },
      [](ContentModel& m) { m.bought_together.offsets.pop_back(); },
      [](ContentModel& m) { m.bought_together.items = 39; },
      [&](ContentModel& m) { m.popularity.popular[2] = nan; },
      [](ContentModel& m) { m.popularity.trending.clear(); },
      [](ContentModel& m) { m.history_half_life_days = 0; },
  };
  const ContentModel good = SmallModel();
  ASSERT_TRUE(CheckContentModel(good).ok());
  for (size_t i = 0; i < damages.size(); ++i) {
    ContentModel bad = good;
    damages[i](bad);
    EXPECT_EQ(CheckContentModel(bad).code(), StatusCode::kDataLoss) << "damage " << i;
    EXPECT_EQ(WriteContentModel(bad, path_).code(), StatusCode::kDataLoss) << "damage " << i;
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
}

TEST_F(ContentModelTest, MissingFilesAndFoldersAreErrors) {
  EXPECT_EQ(ReadCode(), StatusCode::kNotFound);
  EXPECT_FALSE(WriteContentModel(SmallModel(), (folder_ / "nowhere" / "model").string()).ok());
}

TEST_F(ContentModelTest, WritingLeavesNoOtherFile) {
  ASSERT_TRUE(WriteContentModel(SmallModel(), path_).ok());
  ASSERT_TRUE(WriteContentModel(SmallModel(), path_).ok());
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 1u);
}

}  // namespace
}  // namespace rapport

// The model file, little endian:
//   "RAPPORTM"  u32 version  u32 sections  u64 file bytes            24 bytes
//   sections x { u32 id  u32 reserved (0)  u64 offset  u64 bytes }   in ascending id, contiguous, offsets from the
//   start the sections' bytes SHA-256 of everything before                                     32 bytes, in every
//   version
#include "models/content_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/crypto.h"
#include "base/file.h"
#include "base/limits.h"
#include "models/stack.h"

namespace rapport {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as it lies in memory");

constexpr std::string_view kMagic = "RAPPORTM";
// 2: the blend; 3: attributes, sessions, repurchase, traits, and weights for newcomers. Version 2 is read still.
constexpr uint32_t kVersion = 3, kVersionMin = 2;
constexpr size_t kHeaderBytes = 24, kEntryBytes = 24, kDigestBytes = 32;
constexpr uint64_t kFileBytesMax = uint64_t{16} << 30;

// On disk: never renumbered.
enum Section : uint32_t {
  kMeta = 1,
  kItemIds = 2,
  kItemFactors = 3,
  kSimilarOffsets = 4,
  kSimilarNeighbours = 5,
  kBoughtOffsets = 6,
  kBoughtNeighbours = 7,
  kPopular = 8,
  kTrending = 9,
  kRecent14 = 10,
  kRecent7 = 11,
  kShallowOffsets = 12,
  kShallowNeighbours = 13,
  kRepeatsTheta = 14,
  kNewTheta = 15,
  kVersion2End = 16,
  kSeason = 16,
  kRepurchase = 17,
  kSessionOffsets = 18,
  kSessionRows = 19,
  kAttributeTokens = 20,
  kAttributeIdf = 21,
  kAttributeOffsets = 22,
  kAttributeColumns = 23,
  kAttributeValues = 24,
  kAttributePrices = 25,
  kAttributeCategories = 26,
  kAttributeMap = 27,
  kKinOffsets = 28,
  kKinNeighbours = 29,
  kTraitTokens = 30,
  kTraitOffsets = 31,
  kTraitLiked = 32,
  kColdTheta = 33,
  kSessionTheta = 34,
  kEmbedding = 35,  // one u32: its length
  kSectionEnd = 36,
};
constexpr uint32_t kSections = kSectionEnd - kMeta;
uint32_t SectionsOf(uint32_t version) { return (version == 2 ? kVersion2End : kSectionEnd) - kMeta; }

// Version 2 weighed ten sources and "had".
constexpr size_t kVersion2Sources = 10;

// Fixed-size numbers of the model; every field 8 bytes, so that there is no padding.
struct Meta {
  int64_t trained_until_ms;
  int64_t popularity_as_of_ms;
  double history_half_life_days;
  uint64_t items;
  uint64_t customers;
  int64_t factors;
  int64_t epochs;
  uint64_t seed;
  double unobserved_weight;
  double regularization;
  double regularization_power;
  double init_scale;
};
static_assert(sizeof(Meta) == 96);
static_assert(sizeof(Neighbour) == 8 && offsetof(Neighbour, score) == 4);
static_assert(sizeof(RepurchaseTerms) == 12 && kStackSources >= kVersion2Sources);

template <typename T>
std::string_view BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
template <typename T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
template <typename T>
T Load(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}
template <typename T>
Status LoadVector(std::string_view bytes, std::vector<T>& out) {
  if (bytes.size() % sizeof(T) != 0) return Status::DataLoss("model file: a section has half a number");
  out.resize(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return {};
}

Meta MetaOf(const ContentModel& model) {
  const AlsOptions& o = model.als.options;
  return {model.trained_until.ms,
          model.popularity.as_of.ms,
          model.history_half_life_days,
          model.als.items,
          model.als.customers,
          o.factors,
          o.epochs,
          o.seed,
          o.unobserved_weight,
          o.regularization,
          o.regularization_power,
          o.init_scale};
}

Status ApplyMeta(const Meta& meta, ContentModel& model) {
  const bool fits = meta.items <= UINT32_MAX && meta.customers <= UINT32_MAX && meta.factors > 0 &&
                    meta.factors <= INT32_MAX && meta.epochs > 0 && meta.epochs <= INT32_MAX;
  if (!fits) return Status::DataLoss("model file: its numbers are out of range");
  model.trained_until.ms = meta.trained_until_ms;
  model.popularity.as_of.ms = meta.popularity_as_of_ms;
  model.history_half_life_days = meta.history_half_life_days;
  model.als.items = static_cast<uint32_t>(meta.items);
  model.als.customers = static_cast<uint32_t>(meta.customers);
  AlsOptions& o = model.als.options;
  o.factors = static_cast<int>(meta.factors);
  o.epochs = static_cast<int>(meta.epochs);
  o.seed = meta.seed;
  o.unobserved_weight = meta.unobserved_weight;
  o.regularization = meta.regularization;
  o.regularization_power = meta.regularization_power;
  o.init_scale = meta.init_scale;
  model.similar.items = model.bought_together.items = model.stack.shallow.items = model.als.items;
  return {};
}

Status CheckLists(const NeighbourLists& lists, size_t rows, const std::string& name) {
  const auto bad = [&](const char* what) { return Status::DataLoss("model: " + name + ": " + what); };
  if (lists.items != rows || lists.offsets.size() != rows + 1) return bad("wrong number of lists");
  if (lists.offsets.front() != 0 || lists.offsets.back() != lists.neighbours.size())
    return bad("offsets do not cover it");
  if (!std::is_sorted(lists.offsets.begin(), lists.offsets.end())) return bad("offsets do not ascend");
  for (size_t item = 0; item < rows; ++item) {
    for (uint64_t k = lists.offsets[item]; k < lists.offsets[item + 1]; ++k) {
      const Neighbour& n = lists.neighbours[k];
      if (n.item >= rows || n.item == item || !std::isfinite(n.score)) return bad("a neighbour is not valid");
      if (k == lists.offsets[item]) continue;
      const Neighbour& before = lists.neighbours[k - 1];
      const bool ordered = before.score > n.score || (before.score == n.score && before.item < n.item);
      if (!ordered) return bad("a list is not in order");
    }
  }
  return {};
}

Status CheckBoard(std::span<const float> board, size_t rows, const std::string& name) {
  if (board.size() != rows) return Status::DataLoss("model: " + name + ": wrong number of scores");
  const bool finite = std::all_of(board.begin(), board.end(), [](float v) { return std::isfinite(v); });
  return finite ? Status{} : Status::DataLoss("model: " + name + ": a score is not a finite number");
}

// Parts that were not fitted are empty.
Status CheckStack(const StackModel& stack, size_t rows) {
  for (const auto& [board, name] : {std::pair{&stack.recent14, "recent 14"}, std::pair{&stack.recent7, "recent 7"},
                                    std::pair{&stack.season, "season"}}) {
    if (!board->empty()) RAPPORT_RETURN_IF_ERROR(CheckBoard(*board, rows, name));
  }
  if (!stack.shallow.neighbours.empty()) RAPPORT_RETURN_IF_ERROR(CheckLists(stack.shallow, rows, "shallow"));
  for (const std::vector<double>* theta :
       {&stack.repeats_theta, &stack.new_theta, &stack.cold_theta, &stack.session_theta}) {
    const bool finite = std::all_of(theta->begin(), theta->end(), [](double v) { return std::isfinite(v); });
    if ((!theta->empty() && theta->size() != kStackFeatures) || !finite) {
      return Status::DataLoss("model: the weights of the blend are not valid");
    }
  }
  return {};
}

// What is made from the rest and not stored must be made from what is there now.
Status CheckDerived(const ContentModel& model) {
  const StackModel& stack = model.stack;
  if (!IsBoardOrder(stack.popular_order, model.popularity.popular) ||
      !IsBoardOrder(stack.recent14_order, stack.recent14) || !IsBoardOrder(stack.recent7_order, stack.recent7) ||
      !IsBoardOrder(stack.season_order, stack.season)) {
    return Status::DataLoss("model: a board has changed since it was sorted; call SortBoards");
  }
  const QuantizedItems& copy = model.als.quantized;
  if (copy.items != 0 && copy != Quantize(model.als.item_factors, static_cast<size_t>(model.als.options.factors))) {
    return Status::DataLoss("model: the factors have changed since they were copied; call CheckAndPrepare");
  }
  return {};
}

// Offsets that ascend from 0 to `entries`, for `lists` lists.
bool OffsetsFit(std::span<const uint64_t> offsets, size_t lists, size_t entries) {
  return offsets.size() == lists + 1 && offsets.front() == 0 && offsets.back() == entries &&
         std::is_sorted(offsets.begin(), offsets.end());
}
bool Ascending(std::span<const uint64_t> values) {
  return std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
}
bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}
bool AllBelow(std::span<const uint32_t> values, size_t end) {
  return std::all_of(values.begin(), values.end(), [end](uint32_t v) { return v < end; });
}

Status CheckAttributes(const AttributeModel& model, size_t rows, size_t factors) {
  const auto bad = [](const char* what) { return Status::DataLoss(std::string("model: attributes: ") + what); };
  if (model.rows() == 0) {
    const bool empty = model.tokens.empty() && model.columns.empty() && model.map.empty() && model.prices.empty();
    return empty ? Status{} : bad("parts without rows");
  }
  const size_t width = model.width();
  if (model.rows() != rows || model.prices.size() != rows || model.categories.size() != rows ||
      model.idf.size() != model.tokens.size() || model.values.size() != model.columns.size()) {
    return bad("wrong sizes");
  }
  if (!Ascending(model.tokens)) return bad("the tokens do not ascend");
  if (!OffsetsFit(model.offsets, rows, model.columns.size())) return bad("the offsets do not fit");
  if (!AllBelow(model.columns, width)) return bad("a column is out of range");
  if (!model.map.empty() && model.map.size() != (width + 1) * factors) return bad("the map has the wrong shape");
  for (const std::vector<float>* values : {&model.idf, &model.values, &model.prices, &model.map}) {
    if (!AllFinite(*values)) return bad("a number is not finite");
  }
  return CheckLists(model.kin, rows, "kin");
}

Status CheckSessions(const SessionModel& model, size_t rows) {
  const bool valid = (model.items == rows || (model.items == 0 && model.rows.empty())) && !model.offsets.empty() &&
                     model.offsets.size() < kNoRow &&
                     OffsetsFit(model.offsets, model.offsets.size() - 1, model.rows.size()) &&
                     AllBelow(model.rows, rows);
  return valid ? Status{} : Status::DataLoss("model: the sessions are not valid");
}

Status CheckTerms(const RepurchaseModel& model, size_t rows) {
  if (model.terms.empty()) return {};
  const bool valid = std::all_of(model.terms.begin(), model.terms.end(), [](const RepurchaseTerms& one) {
    return one.share >= 0 && one.share <= 1 && std::isfinite(one.log_gap) && std::isfinite(one.deviation) &&
           one.deviation > 0;
  });
  return valid && model.terms.size() == rows ? Status{} : Status::DataLoss("model: the repurchase terms are not valid");
}

Status CheckTraits(const TraitModel& model, size_t rows) {
  const bool valid = Ascending(model.tokens) && OffsetsFit(model.offsets, model.tokens.size(), model.liked.size()) &&
                     std::all_of(model.liked.begin(), model.liked.end(),
                                 [rows](const Neighbour& one) { return one.item < rows && std::isfinite(one.score); });
  return valid ? Status{} : Status::DataLoss("model: the traits are not valid");
}

Status CheckFrame(std::string_view file, const std::string& name) {
  const auto bad = [&](const char* what) { return Status::DataLoss("model file " + name + ": " + what); };
  if (file.size() < kHeaderBytes + kDigestBytes || file.substr(0, kMagic.size()) != kMagic)
    return bad("not a model file");
  const Digest256 digest = Sha256(file.substr(0, file.size() - kDigestBytes));
  if (std::memcmp(digest.data(), file.data() + file.size() - kDigestBytes, kDigestBytes) != 0) {
    return bad("its checksum does not match: truncated or damaged");
  }
  const auto version = Load<uint32_t>(file, 8);
  if (version > kVersion) {
    return Status::FailedPrecondition("model file " + name + ": format " + std::to_string(version) +
                                      " is newer than this program's " + std::to_string(kVersion) +
                                      "; upgrade, or train again");
  }
  if (version < kVersionMin || Load<uint32_t>(file, 12) != SectionsOf(version) ||
      Load<uint64_t>(file, 16) != file.size()) {
    return bad("its header is not valid");
  }
  const bool cut = file.size() < kHeaderBytes + SectionsOf(version) * kEntryBytes + kDigestBytes;
  return cut ? bad("its section table is cut") : Status{};
}

// The bytes of section `id`; sections must lie one after the other, without gap or overlap. REQUIRES CheckFrame.
Status SplitSections(std::string_view file, std::string_view (&sections)[kSectionEnd]) {
  const uint32_t count = SectionsOf(Load<uint32_t>(file, 8));
  uint64_t expected = kHeaderBytes + count * kEntryBytes;
  const uint64_t end = file.size() - kDigestBytes;
  for (uint32_t id = kMeta; id < kMeta + count; ++id) {
    const size_t entry = kHeaderBytes + (id - kMeta) * kEntryBytes;
    const auto offset = Load<uint64_t>(file, entry + 8), bytes = Load<uint64_t>(file, entry + 16);
    const bool valid = Load<uint32_t>(file, entry) == id && Load<uint32_t>(file, entry + 4) == 0 &&
                       offset == expected && bytes <= end - expected;
    if (!valid) return Status::DataLoss("model file: its section table is not valid");
    sections[id] = file.substr(offset, bytes);
    expected += bytes;
  }
  return expected == end ? Status{} : Status::DataLoss("model file: bytes that belong to no section");
}

// What version 2 has too.
Status ParseFirst(const std::string_view (&sections)[kSectionEnd], ContentModel& model) {
  if (sections[kMeta].size() != sizeof(Meta)) return Status::DataLoss("model file: wrong size of the first section");
  RAPPORT_RETURN_IF_ERROR(ApplyMeta(Load<Meta>(sections[kMeta], 0), model));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kItemIds], model.item_ids));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kItemFactors], model.als.item_factors));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kSimilarOffsets], model.similar.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kSimilarNeighbours], model.similar.neighbours));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kBoughtOffsets], model.bought_together.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kBoughtNeighbours], model.bought_together.neighbours));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kPopular], model.popularity.popular));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kTrending], model.popularity.trending));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kRecent14], model.stack.recent14));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kRecent7], model.stack.recent7));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kShallowOffsets], model.stack.shallow.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kShallowNeighbours], model.stack.shallow.neighbours));
  if (model.stack.shallow.neighbours.empty()) model.stack.shallow = {};  // not fitted
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kRepeatsTheta], model.stack.repeats_theta));
  return LoadVector(sections[kNewTheta], model.stack.new_theta);
}

Status ParseAttributes(const std::string_view (&sections)[kSectionEnd], AttributeModel& model) {
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeTokens], model.tokens));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeIdf], model.idf));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeOffsets], model.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeColumns], model.columns));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeValues], model.values));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributePrices], model.prices));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeCategories], model.categories));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kAttributeMap], model.map));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kKinOffsets], model.kin.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kKinNeighbours], model.kin.neighbours));
  if (sections[kEmbedding].size() != sizeof(uint32_t)) {
    return Status::DataLoss("model file: the length of the embedding is missing");
  }
  model.embedding = Load<uint32_t>(sections[kEmbedding], 0);
  if (model.embedding > limits::kEmbeddingMax) return Status::DataLoss("model file: the embedding is too long");
  model.kin.items = model.rows();
  return {};
}

// What came with version 3.
Status ParseSecond(const std::string_view (&sections)[kSectionEnd], ContentModel& model) {
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kSeason], model.stack.season));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kRepurchase], model.repurchase.terms));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kSessionOffsets], model.sessions.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kSessionRows], model.sessions.rows));
  model.sessions.items = model.sessions.rows.empty() ? 0 : model.rows();
  RAPPORT_RETURN_IF_ERROR(CheckSessions(model.sessions, model.rows()));
  PrepareSessions(model.sessions);
  RAPPORT_RETURN_IF_ERROR(ParseAttributes(sections, model.attributes));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kTraitTokens], model.traits.tokens));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kTraitOffsets], model.traits.offsets));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kTraitLiked], model.traits.liked));
  RAPPORT_RETURN_IF_ERROR(LoadVector(sections[kColdTheta], model.stack.cold_theta));
  return LoadVector(sections[kSessionTheta], model.stack.session_theta);
}

// The weights of version 2 at their places among today's; what came later weighs nothing.
Status WidenTheta(std::vector<double>& theta) {
  if (theta.empty()) return {};
  if (theta.size() != 2 * kVersion2Sources + 1) {
    return Status::DataLoss("model: the weights of the blend are not valid");
  }
  const double had = theta.back();
  theta.pop_back();
  theta.resize(kStackFeatures, 0.0);
  theta[MarkAt(StackMark::kHad)] = had;
  return {};
}

Result<ContentModel> Parse(uint32_t version, const std::string_view (&sections)[kSectionEnd]) {
  ContentModel model;
  RAPPORT_RETURN_IF_ERROR(ParseFirst(sections, model));
  if (version == 2) {
    RAPPORT_RETURN_IF_ERROR(WidenTheta(model.stack.repeats_theta));
    RAPPORT_RETURN_IF_ERROR(WidenTheta(model.stack.new_theta));
  } else {
    RAPPORT_RETURN_IF_ERROR(ParseSecond(sections, model));
  }
  const Status prepared = CheckAndPrepare(model.als);
  if (!prepared.ok()) return Status::DataLoss("model file: " + prepared.message());
  SortBoards(model);
  RAPPORT_RETURN_IF_ERROR(CheckContentModel(model));
  return model;
}

}  // namespace

uint32_t ContentModel::RowOf(ItemId item) const {
  const auto at = std::lower_bound(item_ids.begin(), item_ids.end(), item.value);
  return at != item_ids.end() && *at == item.value ? static_cast<uint32_t>(at - item_ids.begin()) : kNoRow;
}

Status CheckContentModel(const ContentModel& model) {
  const size_t rows = model.item_ids.size();
  if (rows == 0 || rows >= kNoRow) return Status::DataLoss("model: no items, or too many");
  if (model.item_ids.front() == 0) return Status::DataLoss("model: item id 0 means none");
  for (size_t i = 1; i < rows; ++i) {
    if (model.item_ids[i] <= model.item_ids[i - 1]) return Status::DataLoss("model: item ids do not ascend");
  }
  const AlsModel& als = model.als;
  const auto d = static_cast<size_t>(std::max(0, als.options.factors));
  if (d == 0 || als.items != rows || als.item_factors.size() != rows * d || als.gram.size() != d * d) {
    return Status::DataLoss("model: the factors have the wrong shape");
  }
  const auto is_finite = [](auto v) { return std::isfinite(v); };
  if (!std::all_of(als.item_factors.begin(), als.item_factors.end(), is_finite) ||
      !std::all_of(als.gram.begin(), als.gram.end(), is_finite)) {
    return Status::DataLoss("model: a factor is not a finite number");
  }
  if (!std::isfinite(model.history_half_life_days) || model.history_half_life_days <= 0) {
    return Status::DataLoss("model: the half-life of history is not above 0");
  }
  RAPPORT_RETURN_IF_ERROR(CheckLists(model.similar, rows, "similar"));
  RAPPORT_RETURN_IF_ERROR(CheckLists(model.bought_together, rows, "bought together"));
  RAPPORT_RETURN_IF_ERROR(CheckBoard(model.popularity.popular, rows, "popular"));
  RAPPORT_RETURN_IF_ERROR(CheckBoard(model.popularity.trending, rows, "trending"));
  RAPPORT_RETURN_IF_ERROR(CheckAttributes(model.attributes, rows, d));
  RAPPORT_RETURN_IF_ERROR(CheckSessions(model.sessions, rows));
  RAPPORT_RETURN_IF_ERROR(CheckTerms(model.repurchase, rows));
  RAPPORT_RETURN_IF_ERROR(CheckTraits(model.traits, rows));
  RAPPORT_RETURN_IF_ERROR(CheckStack(model.stack, rows));
  return CheckDerived(model);
}

std::string SerializeContentModel(const ContentModel& model) {
  const Meta meta = MetaOf(model);
  const std::string_view sections[kSections] = {
      {reinterpret_cast<const char*>(&meta), sizeof(meta)},
      BytesOf(model.item_ids),
      BytesOf(model.als.item_factors),
      BytesOf(model.similar.offsets),
      BytesOf(model.similar.neighbours),
      BytesOf(model.bought_together.offsets),
      BytesOf(model.bought_together.neighbours),
      BytesOf(model.popularity.popular),
      BytesOf(model.popularity.trending),
      BytesOf(model.stack.recent14),
      BytesOf(model.stack.recent7),
      BytesOf(model.stack.shallow.offsets),
      BytesOf(model.stack.shallow.neighbours),
      BytesOf(model.stack.repeats_theta),
      BytesOf(model.stack.new_theta),
      BytesOf(model.stack.season),
      BytesOf(model.repurchase.terms),
      BytesOf(model.sessions.offsets),
      BytesOf(model.sessions.rows),
      BytesOf(model.attributes.tokens),
      BytesOf(model.attributes.idf),
      BytesOf(model.attributes.offsets),
      BytesOf(model.attributes.columns),
      BytesOf(model.attributes.values),
      BytesOf(model.attributes.prices),
      BytesOf(model.attributes.categories),
      BytesOf(model.attributes.map),
      BytesOf(model.attributes.kin.offsets),
      BytesOf(model.attributes.kin.neighbours),
      BytesOf(model.traits.tokens),
      BytesOf(model.traits.offsets),
      BytesOf(model.traits.liked),
      BytesOf(model.stack.cold_theta),
      BytesOf(model.stack.session_theta),
      {reinterpret_cast<const char*>(&model.attributes.embedding), sizeof(uint32_t)},
  };
  uint64_t total = kHeaderBytes + kSections * kEntryBytes + kDigestBytes;
  for (std::string_view section : sections) total += section.size();
  std::string file(kMagic);
  file.reserve(total);
  Append(file, kVersion);
  Append(file, kSections);
  Append(file, total);
  uint64_t offset = kHeaderBytes + kSections * kEntryBytes;
  for (uint32_t i = 0; i < kSections; ++i) {
    Append(file, kMeta + i);
    Append(file, uint32_t{0});
    Append(file, offset);
    Append(file, uint64_t{sections[i].size()});
    offset += sections[i].size();
  }
  for (std::string_view section : sections) file.append(section);
  const Digest256 digest = Sha256(file);
  file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return file;
}

Status WriteContentModel(const ContentModel& model, const std::string& path) {
  RAPPORT_RETURN_IF_ERROR(CheckContentModel(model));
  const std::string file = SerializeContentModel(model);
  if (file.size() > kFileBytesMax) return Status::ResourceExhausted("model: the file would be larger than 16 GiB");
  return WriteFileAtomically(path, file, FileMode::kPublic);
}

Result<ContentModel> ReadContentModel(const std::string& path) {
  const Result<std::string> file = ReadFile(path, kFileBytesMax);
  return file.ok() ? ParseContentModel(*file, path) : file.status();
}

Result<ContentModel> ParseContentModel(std::string_view file, const std::string& name) {
  RAPPORT_RETURN_IF_ERROR(CheckFrame(file, name));
  std::string_view sections[kSectionEnd];
  RAPPORT_RETURN_IF_ERROR(SplitSections(file, sections));
  return Parse(Load<uint32_t>(file, 8), sections);
}

}  // namespace rapport

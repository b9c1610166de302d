// One flipped bit anywhere on the disk: the store gives the right answers or refuses, and never gives wrong ones or
// fewer without a word. RAPPORT_FLIPS=10000 flips as many bits; without it some tens, since each one opens a store.
//
// The folder is what a kill -9 leaves: tables, a manifest, and a write-ahead log of acknowledged groups.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/file.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/codec.h"
#include "data/log_check.h"
#include "data/store.h"

namespace rapport {
namespace {

namespace fs = std::filesystem;

constexpr Timestamp kNow{1'300'000'000'000};
constexpr int kCustomers = 12, kMessages = 60;

CustomerRef User(int n) { return {CustomerNamespace::kUser, "user-" + std::to_string(n)}; }

AppendEvent EventOf(int n) {
  AppendEvent op;
  op.customer = User(n % kCustomers);
  op.event.type = n % 5 == 0 ? EventType::kSent : n % 3 == 0 ? EventType::kOrdered : EventType::kViewed;
  op.event.message_id = "message-" + std::to_string(n);
  op.event.order_id = "order-" + std::to_string(n);
  op.event.channel = "email";
  op.event.properties = "{\"note\":\"" + std::string(static_cast<size_t>(n % 40), 'x') + "\"}";
  op.event.time = op.event.received_at = {kNow.ms + n};
  op.lines = {{"item-" + std::to_string(n % 7), 1 + n % 3, std::nullopt}};
  return op;
}

// Everything that can be kept, of customer n.
std::vector<Operation> AllAbout(int n) {
  std::vector<Operation> out;
  UpdateProfile profile{User(n), kNow, "Europe/Zurich", "de", "CH", {}, {}};
  profile.traits["name"] = "Customer " + std::to_string(n);
  out.push_back(profile);
  Consent consent{"email", "marketing", n % 2 == 0, kNow, "form", "checked"};
  out.push_back(RecordConsent{User(n), consent});
  out.push_back(RecordConsent{User(n), {"sms", "marketing", n % 3 == 0, kNow, "form", ""}});
  out.push_back(LinkCustomers{{CustomerNamespace::kAnonymous, "visitor-" + std::to_string(n)}, User(n), kNow});
  PutItem item;
  item.item.external_id = "item-" + std::to_string(n % 7);
  item.item.title = "Title " + std::to_string(n);
  out.push_back(item);
  out.push_back(PutDecision{{"decision-" + std::to_string(n), CustomerId{1}, kNow, 1, "{\"n\":1}"}});
  ApiKey key;
  key.id = "key" + std::to_string(n);
  key.name = "name of it";
  out.push_back(PutApiKey{key});
  ModelRecord model;
  model.file = "content-" + std::to_string(n) + ".model";
  model.report = "{}";
  out.push_back(PutModel{model});
  out.push_back(PutSetting{"limits", "{\"perDay\":" + std::to_string(n) + "}"});
  return out;
}

// What one reading of everything gives; not ok as soon as the store refuses anything.
class Reading {
 public:
  explicit Reading(const Store& store) : store_(store) {}

  Result<std::string> All() {
    Walk();
    for (int n = 0; n < kCustomers; ++n) Customer(User(n));
    for (int n = 0; n < kCustomers; ++n) Customer({CustomerNamespace::kAnonymous, "visitor-" + std::to_string(n)});
    for (int n = 0; n < kCustomers; ++n) {
      const Result<Decision> decision = store_.GetDecision("decision-" + std::to_string(n));
      Add(decision.ok() ? EncodeRecord(*decision) : Failed(decision.status()));
      const Result<ApiKey> key = store_.GetApiKey("key" + std::to_string(n));
      Add(key.ok() ? EncodeRecord(*key) : Failed(key.status()));
    }
    for (const ApiKey& key : store_.ApiKeys()) Add(EncodeRecord(key));
    for (const ModelRecord& model : store_.Models()) Add(EncodeRecord(model));
    Add(store_.GetSetting("limits").value_or("no setting"));
    Add(std::to_string(store_.ActiveGeneration()));
    if (refused_.ok()) refused_ = store_.Health();
    if (!refused_.ok()) return refused_;
    return text_;
  }

 private:
  void Add(const std::string& text) { text_ += std::to_string(text.size()) + ":" + text; }
  // "Not there" is an answer, and here a wrong one; anything else is a refusal.
  std::string Failed(const Status& status) {
    if (status.code() != StatusCode::kNotFound && refused_.ok()) refused_ = status;
    return "not found";
  }
  void Keep(const Status& status) {
    if (!status.ok()) Failed(status);
  }

  void Walk() {
    const auto add = [this](const auto& record) {
      Add(EncodeRecord(record));
      return true;
    };
    Keep(store_.ForEachEvent(add));
    Keep(store_.ForEachProfile(add));
    Keep(store_.ForEachItem(add));
    Keep(store_.ForEachLink(add));
    Keep(store_.ForEachDecision(add));
    for (int n = 0; n < 7; ++n) {
      const Item* item = store_.catalog()->Find("item-" + std::to_string(n));
      Add(item == nullptr ? "no item" : EncodeRecord(*item));
    }
  }

  void Customer(const CustomerRef& ref) {
    const std::optional<CustomerId> id = store_.FindCustomer(ref);
    if (!id) return Add("nobody");
    const CustomerId root = store_.Root(*id);
    Add(std::to_string(root.value));
    for (const CustomerId member : store_.Members(root)) Add(std::to_string(member.value));
    const Result<Profile> profile = store_.GetProfile(*id);
    Add(profile.ok() ? EncodeRecord(*profile) : Failed(profile.status()));
    for (const Consent& consent : store_.Consents(*id)) Add(EncodeRecord(consent));
    const Result<std::vector<Event>> events = store_.ReadEvents(root, 1000);
    Keep(events.status());
    for (size_t i = 0; events.ok() && i < events->size(); ++i) Add(EncodeRecord((*events)[i]));
    const auto history = store_.ReadHistory(root);
    Keep(history.status());
    Add(history.ok() ? std::to_string(history->size()) : "none");
    const auto contacts = store_.ReadContacts(root);
    Keep(contacts.status());
    for (size_t i = 0; contacts.ok() && i < contacts->size(); ++i) Add(EncodeRecord((*contacts)[i]));
    const auto set = store_.ReadItemSet(root);
    Keep(set.status());
    Add(set.ok() ? EncodeItemSet(*set) : "none");
  }

  const Store& store_;
  std::string text_;
  Status refused_;
};

StoreOptions SmallOptions() {
  StoreOptions options;
  options.create_if_missing = false;
  options.block_cache_bytes = 1u << 20;
  options.write_buffer_bytes = 1u << 20;
  return options;
}

// Every message once more: a store that forgot one would take it for new.
bool TakesNothingTwice(Store& store, Status* refused) {
  std::vector<Operation> again;
  for (int n = 0; n < kMessages; ++n) again.push_back(EventOf(n));
  const auto results = store.ApplyAndWait(std::move(again));
  if (!results.ok()) {
    *refused = results.status();
    return true;
  }
  for (const OperationResult& result : *results) {
    if (!result.status.ok()) *refused = result.status;
    if (result.status.ok() && result.outcome != Outcome::kDuplicate) return store.Health().ok() ? false : true;
  }
  return true;
}

enum class Outcome3 { kRight, kRefused, kWrong };

Outcome3 Judge(const std::string& folder, const std::string& truth, std::string* why) {
  const Result<std::unique_ptr<Store>> store = Store::Open(folder, SmallOptions());
  if (!store.ok()) {
    *why = store.status().message();
    return store.status().message().empty() ? Outcome3::kWrong : Outcome3::kRefused;
  }
  const Result<std::string> read = Reading(**store).All();
  if (!read.ok()) {
    *why = read.status().message();
    return Outcome3::kRefused;
  }
  Status refused;
  if (!TakesNothingTwice(**store, &refused)) {
    *why = "a message was taken twice";
    return Outcome3::kWrong;
  }
  if (*read == truth) return refused.ok() ? Outcome3::kRight : Outcome3::kRefused;
  *why = "other answers";
  return Outcome3::kWrong;
}

// What stands behind a memory file system, where there is one: a flip costs no fsync then.
fs::path Workplace() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

class CorruptionTest : public ::testing::Test {
 protected:
  CorruptionTest() {
    std::string name = (Workplace() / "rapport-flips-XXXXXX").string();
    base_ = ::mkdtemp(name.data());
    Build();
  }
  ~CorruptionTest() override { fs::remove_all(base_); }

  // Tables from two openings, then a log of many groups, copied while the store is open.
  void Build() {
    const std::string live = base_ / "live";
    for (int part = 0; part < 3; ++part) {
      StoreOptions options = SmallOptions();
      options.create_if_missing = true;
      const Result<std::unique_ptr<Store>> store = Store::Open(live, options);
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      for (int n = part; n < kCustomers; n += 3) ASSERT_TRUE((*store)->ApplyAndWait(AllAbout(n)).ok());
      for (int n = part; n < kMessages; n += 3) ASSERT_TRUE((*store)->ApplyAndWait({EventOf(n)}).ok());
      ASSERT_TRUE((*store)->ApplyAndWait({ActivateModel{"content", 2}}).ok());
      if (part < 2) continue;
      fs::copy(live, base_ / "crashed", fs::copy_options::recursive);
      const Result<std::string> read = Reading(**store).All();
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      truth_ = *read;
    }
  }

  // Another name each time: RocksDB remembers the names that it holds.
  std::string Fresh() {
    fs::remove_all(copy_);
    const fs::path copy = base_ / ("copy-" + std::to_string(++copies_));
    copy_ = copy;
    fs::copy(base_ / "crashed", copy, fs::copy_options::recursive);
    return copy;
  }

  fs::path base_, copy_;
  int copies_ = 0;
  std::string truth_;
};

std::string ClassOf(const std::string& name) {
  if (name.ends_with(".sst")) return "table";
  if (name.ends_with(".log")) return "write-ahead log";
  if (name.starts_with("MANIFEST")) return "manifest";
  if (name.starts_with("OPTIONS")) return "options";
  return name;
}

TEST_F(CorruptionTest, AFlippedBitGivesRightAnswersOrARefusal) {
  const char* wanted = std::getenv("RAPPORT_FLIPS");
  const int flips = wanted == nullptr ? 60 : std::atoi(wanted);
  std::map<std::string, std::vector<fs::path>> classes;
  for (const auto& entry : fs::recursive_directory_iterator(base_ / "crashed")) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || entry.file_size() == 0 || name == "lock" || name == "LOCK") continue;
    classes[ClassOf(name)].push_back(fs::relative(entry.path(), base_ / "crashed"));
  }
  ASSERT_EQ(classes.size(), 8u);  // table, log, manifest, options, CURRENT, IDENTITY, secret, RAPPORT
  Random random(7);
  std::map<std::string, std::map<Outcome3, int>> seen;
  // Most flips where most bytes are; the small files get a share of their own.
  const std::vector<std::string> turns{
      "table",  "write-ahead log", "table",    "manifest", "write-ahead log", "table",   "CURRENT",  "table",
      "secret", "write-ahead log", "manifest", "RAPPORT",  "table",           "options", "IDENTITY", "write-ahead log"};
  int wrong = 0;
  for (int flip = 0; flip < flips; ++flip) {
    const std::string& kind = turns[static_cast<size_t>(flip) % turns.size()];
    const std::string copy = Fresh();
    const fs::path path = copy / classes[kind][random.Below(classes[kind].size())];
    const uint64_t size = fs::file_size(path), byte = random.Below(size), bit = random.Below(8);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(byte));
      const char old = static_cast<char>(file.get());
      file.seekp(static_cast<std::streamoff>(byte));
      file.put(static_cast<char>(old ^ (1 << bit)));
    }
    std::string why;
    const Outcome3 outcome = Judge(copy, truth_, &why);
    ++seen[kind][outcome];
    if (std::getenv("RAPPORT_FLIPS_SHOW") != nullptr) std::printf("%s: %s\n", kind.c_str(), why.c_str());
    if (outcome == Outcome3::kWrong && ++wrong <= 20) {
      ADD_FAILURE() << fs::relative(path, copy) << " byte " << byte << " of " << size << " bit " << bit << ": " << why;
    }
  }
  EXPECT_EQ(wrong, 0);
  for (auto& [kind, counts] : seen) {
    std::printf("  %-16s right %6d   refused %6d   wrong %6d\n", kind.c_str(), counts[Outcome3::kRight],
                counts[Outcome3::kRefused], counts[Outcome3::kWrong]);
  }
}

// Every cut of a log is what a crash may leave: never taken for damage. Every flipped bit of a length is damage, and is
// never taken for a cut: by us where RocksDB would (the last block), by it elsewhere.
TEST_F(CorruptionTest, ATornLogIsToldFromADamagedLength) {
  std::string bytes;
  for (const auto& entry : fs::directory_iterator(base_ / "crashed" / "db")) {
    const std::string name = entry.path().filename().string();
    const Result<std::string> file = ReadFile(entry.path().string(), 1u << 24);
    ASSERT_TRUE(file.ok());
    if (name.ends_with(".log") && file->size() > bytes.size()) bytes = *file;
  }
  ASSERT_GT(bytes.size(), 2000u);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    ASSERT_TRUE(CheckLogBytes(std::string_view(bytes).substr(0, size), "log").ok()) << "cut at " << size;
  }
  size_t records = 0, found = 0, beyond = 0;
  for (size_t at = 0; at + 7 <= bytes.size(); ++records) {
    const size_t length = static_cast<uint8_t>(bytes[at + 4]) + 256u * static_cast<uint8_t>(bytes[at + 5]);
    for (int bit = 0; bit < 16; ++bit) {
      const size_t flipped = length ^ (size_t{1} << bit);
      if (at + 7 + flipped <= bytes.size()) continue;  // RocksDB sees a wrong checksum
      ++beyond;
      std::string damaged = bytes;
      damaged[at + 4 + static_cast<size_t>(bit / 8)] ^= static_cast<char>(1 << (bit % 8));
      if (CheckLogBytes(damaged, "log").code() == StatusCode::kDataLoss) ++found;
    }
    for (int bit = 2; bit < 8; ++bit) {  // the kind: RocksDB takes 5 to 8 for the end of the log
      std::string damaged = bytes;
      damaged[at + 6] ^= static_cast<char>(1 << bit);
      EXPECT_EQ(CheckLogBytes(damaged, "log").code(), StatusCode::kDataLoss) << "kind at " << at << " bit " << bit;
    }
    at += 7 + length;
  }
  EXPECT_GT(records, 20u);
  EXPECT_GT(beyond, records);
  EXPECT_EQ(found, beyond);
}

TEST_F(CorruptionTest, ALostSecretOrDatabaseIsNotReplacedByANewOne) {
  for (const char* name : {"secret", "db/CURRENT"}) {
    const std::string copy = Fresh();
    fs::remove(fs::path(copy) / name);
    StoreOptions options;  // as a server opens: it may make a store where there is none
    EXPECT_EQ(Store::Open(copy, options).status().code(), StatusCode::kDataLoss) << name;
    EXPECT_FALSE(fs::exists(fs::path(copy) / name));
  }
}

// Broken twin: what was written with right checksums and yet is not the truth has to be seen as wrong.
TEST_F(CorruptionTest, AChangeThatNoChecksumKnowsOfIsSeenByTheComparison) {
  const std::string copy = Fresh();
  std::string why;
  ASSERT_EQ(Judge(copy, truth_, &why), Outcome3::kRight) << why;
  auto store = Store::Open(copy, SmallOptions());
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE(
      (*store)->ApplyAndWait({RecordConsent{User(3), {"email", "marketing", true, {kNow.ms + 1}, "x", ""}}}).ok());
  store->reset();
  EXPECT_EQ(Judge(copy, truth_, &why), Outcome3::kWrong);
}

}  // namespace
}  // namespace rapport

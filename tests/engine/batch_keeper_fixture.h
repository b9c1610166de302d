// What the tests of kept batches share: a small store with 260 customers and two contents, a sink that is cut off, and
// records as text.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/temp_folder.h"
#include "engine/contact/batch_keeper.h"
#include "engine/engine.h"

namespace rapport {

// Passes writes on until `left` are used up. Then: nothing is applied, or it is applied and the answer is lost.
class CutSink final : public OperationSink {
 public:
  enum class Cut { kBefore, kAfter };
  CutSink(Store& store, int writes, Cut cut) : store_(store), left_(writes), cut_(cut) {}
  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override {
    if (left_-- > 0) return store_.ApplyAndWait(std::move(operations));
    if (left_ == -1 && cut_ == Cut::kAfter) (void)store_.ApplyAndWait(std::move(operations));
    return Status::Unavailable("cut");
  }

 private:
  Store& store_;
  int left_;
  const Cut cut_;
};

// A record as text, for tests without JSON.
inline std::string WriteRecord(const BatchRecord& r) {
  std::ostringstream out;
  out << r.name << ' ' << r.request << ' ' << static_cast<int>(r.state) << ' ' << r.decided << ' ' << r.sends << ' '
      << r.pages << ' ' << r.value;
  for (const auto* counts : {&r.sends_by_channel, &r.sends_by_item}) {
    out << ' ' << counts->size();
    for (const auto& [name, count] : *counts) out << ' ' << name << ' ' << count;
  }
  return out.str();
}
inline Result<BatchRecord> ReadRecord(const std::string& text) {
  std::istringstream in(text);
  BatchRecord r;
  int state = 0;
  in >> r.name >> r.request >> state >> r.decided >> r.sends >> r.pages >> r.value;
  for (auto* counts : {&r.sends_by_channel, &r.sends_by_item}) {
    size_t size = 0;
    for (in >> size; size > 0; --size) {
      std::string name;
      in >> name;
      in >> (*counts)[name];
    }
  }
  r.state = static_cast<BatchState>(state);
  if (!in) return Status::DataLoss("not a record: " + text);
  return r;
}

class BatchKeeperTest : public ::testing::Test {
 protected:
  static constexpr Timestamp kNow{1'772'366'400'000};  // 2026-03-01T12:00:00Z
  static constexpr uint32_t kCustomers = 260;          // three pages

  BatchKeeperTest() {
    store_ = Store::Open(folder_.path() + "/store", StoreOptions{.durability = Durability::kNoSync}).Take();
    engine_ = Engine::Open(*store_, EngineOptions{}).Take();
    std::vector<Operation> operations;
    for (const char* item : {"tea", "pot"}) {
      PutItem put;
      put.item.external_id = item;
      put.item.title = item;
      operations.push_back(put);
    }
    EXPECT_TRUE(store_->ApplyAndWait(std::move(operations)).ok());
    AddCustomers(kCustomers);
    settings_.limits.caps.clear();
    settings_.limits.temperature = 0;
    settings_.limits.exploration = 1e-9;
    settings_.channels.clear();
    settings_.channels.push_back({.name = "email", .address_trait = "email", .cost = 0.01});
    settings_.channels.push_back({.name = "sms", .address_trait = "phone", .cost = 0.07});
    EXPECT_TRUE(engine_->UseContactSettings(settings_).ok());
  }

  void AddCustomers(uint32_t count) {
    std::vector<Operation> operations;
    for (uint32_t u = 0; u < count; ++u) {
      UpdateProfile profile;
      profile.customer = Ref(u);
      profile.time = kNow;
      profile.traits["email"] = std::string("a@b.ch");
      if (u % 3 == 0) profile.traits["phone"] = std::string("1");
      operations.push_back(profile);
      if (u % 10 != 9) operations.push_back(RecordConsent{Ref(u), {"*", "marketing", true, kNow, "form", ""}});
      if (operations.size() < 8'000 && u + 1 < count) continue;
      EXPECT_TRUE(store_->ApplyAndWait(std::move(operations)).ok());
      operations.clear();
    }
  }
  static CustomerRef Ref(uint32_t u) { return {CustomerNamespace::kUser, "u" + std::to_string(u)}; }

  BatchRequest Question() const {
    BatchRequest request;
    request.everybody = true;
    request.items = {"tea", "pot"};
    request.now = kNow;
    return request;
  }
  BatchKeeping Keeping(const std::string& name) const {
    BatchKeeping keeping;
    keeping.name = name;
    keeping.customers_per_page = 100;
    keeping.write_record = WriteRecord;
    keeping.read_record = ReadRecord;
    return keeping;
  }
  void Budget(double amount) {
    settings_.limits.budgets = {{"money", amount, {}}};
    ASSERT_TRUE(engine_->UseContactSettings(settings_).ok());
  }
  // Planned contacts in the store, by customer.
  std::map<uint64_t, std::vector<ContactEntry>> Planned() const {
    std::map<uint64_t, std::vector<ContactEntry>> planned;
    for (uint32_t u = 0; u < kCustomers; ++u) {
      const CustomerId id = store_->Root(*store_->FindCustomer(Ref(u)));
      const Result<std::vector<ContactEntry>> entries = store_->ReadContacts(id);
      EXPECT_TRUE(entries.ok());
      for (const ContactEntry& entry : *entries) planned[id.value].push_back(entry);
    }
    return planned;
  }
  size_t Decisions() const {
    size_t count = 0;
    EXPECT_TRUE(store_->ForEachDecision([&](const Decision&) { return ++count > 0; }).ok());
    return count;
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  ContactSettings settings_;
};

}  // namespace rapport

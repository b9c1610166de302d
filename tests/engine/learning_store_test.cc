// Reading the training table from a store: what becomes a line and whose, and that the snapshot is honoured.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/temp_folder.h"
#include "data/store.h"
#include "engine/learning/trainer.h"
#include "engine/learning/training_set.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'600'000'000'000};

CustomerRef User(const std::string& id) { return {CustomerNamespace::kUser, id}; }
CustomerRef Anonymous(const std::string& id) { return {CustomerNamespace::kAnonymous, id}; }

PutItem Product(const std::string& id, bool hidden = false) {
  PutItem put;
  put.item.external_id = id;
  put.item.hidden = hidden;
  return put;
}

AppendEvent Did(const CustomerRef& customer, EventType type, const std::string& message, std::vector<NewLine> lines,
                const std::string& order_id = "") {
  AppendEvent append;
  append.customer = customer;
  append.event.type = type;
  append.event.message_id = message;
  append.event.order_id = order_id;
  append.event.time = append.event.received_at = kNow;
  append.lines = std::move(lines);
  return append;
}

// A store in a folder of its own, gone with it.
class LearningStoreTest : public testing::Test {
 protected:
  LearningStoreTest() {
    Result<std::unique_ptr<Store>> opened = Store::Open(folder_.path(), StoreOptions{});
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = opened.Take();
  }
  void Apply(std::vector<Operation> operations) {
    const auto results = store_->ApplyAndWait(std::move(operations));
    ASSERT_TRUE(results.ok()) << results.status().ToString();
    for (const OperationResult& result : *results) ASSERT_TRUE(result.status.ok()) << result.status.ToString();
  }
  Result<TrainingSet> Read(const TrainingSetOptions& options = {}) {
    return ReadTrainingSet(*store_, *store_->GetSnapshot(), EventWeights::Defaults(), options);
  }
  uint64_t Id(const CustomerRef& ref) { return store_->FindCustomer(ref)->value; }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(LearningStoreTest, AnEmptyStoreSaysWhatIsMissing) {
  const Result<TrainingSet> set = Read();
  EXPECT_EQ(set.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(set.status().message().find("no events"), std::string::npos) << set.status().message();
}

TEST_F(LearningStoreTest, EventsWithoutACatalogueSayWhatIsMissing) {
  Apply({Did(User("u"), EventType::kOrdered, "1", {{"ghost", 1, {}}})});
  EXPECT_NE(Read().status().message().find("catalogue"), std::string::npos) << Read().status().message();
}

TEST_F(LearningStoreTest, EventsThatSayNothingAreAClearError) {
  Apply({Product("a"), Did(User("u"), EventType::kSearched, "1", {}),
         Did(User("u"), EventType::kShown, "2", {{"a", 1, {}}})});
  EXPECT_EQ(Read().status().code(), StatusCode::kFailedPrecondition);
  const ManualClock clock(kNow);
  EXPECT_EQ(RunTraining(*store_, *store_->GetSnapshot(), EventWeights::Defaults(), {}, nullptr, clock).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(LearningStoreTest, OnlyItemsThatMayBeShownBecomeLines) {
  Apply({Product("a"), Product("postage", true), Product("gone"),
         Did(User("u"), EventType::kOrdered, "1", {{"a", 1, {}}, {"postage", 1, {}}, {"ghost", 1, {}}, {"gone", 1, {}}},
             "o"),
         DeleteItem{"gone"}});
  const Result<TrainingSet> set = Read();
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  EXPECT_EQ(set->items(), 1u);
  EXPECT_EQ(set->lines.size(), 1u);
}

TEST_F(LearningStoreTest, LinkedCustomersAreOne) {
  Apply({Product("a"), Product("b"), Did(Anonymous("v"), EventType::kViewed, "1", {{"a", 1, {}}}),
         Did(User("u"), EventType::kViewed, "2", {{"b", 1, {}}}),
         Did(User("w"), EventType::kViewed, "3", {{"b", 1, {}}})});
  EXPECT_EQ(Read()->customers(), 3u);
  Apply({LinkCustomers{Anonymous("v"), User("u"), kNow}});
  const Result<TrainingSet> linked = Read();
  ASSERT_TRUE(linked.ok());
  ASSERT_EQ(linked->customers(), 2u);
  EXPECT_EQ(linked->customer_ids[0], store_->Root(CustomerId{Id(User("u"))}).value);
  EXPECT_EQ(linked->LinesOf(0).size(), 2u);
  Apply({UnlinkCustomer{Anonymous("v")}});
  EXPECT_EQ(Read()->customers(), 3u);
}

TEST_F(LearningStoreTest, QuantityNeverWeighsAndANegativeOneIsARefund) {
  Apply({Product("a"), Product("b"), Product("c"),
         Did(User("u"), EventType::kOrdered, "1", {{"a", 80'995, {}}, {"b", 1, {}}, {"c", -1, {}}}, "o")});
  const Result<TrainingSet> set = Read();
  ASSERT_TRUE(set.ok());
  ASSERT_EQ(set->lines.size(), 3u);
  EXPECT_EQ(set->lines[0].weight, set->lines[1].weight);
  EXPECT_EQ(set->lines[2].type, EventType::kRefunded);
  EXPECT_LT(set->lines[2].weight, 0);
  EXPECT_EQ(set->lines[2].group, kNoGroup);
}

TEST_F(LearningStoreTest, WhoSwitchedPersonalizationOffIsLeftOut) {
  Apply({Product("a"), Did(User("u"), EventType::kViewed, "1", {{"a", 1, {}}}),
         Did(User("w"), EventType::kViewed, "2", {{"a", 1, {}}}),
         Did(Anonymous("v"), EventType::kViewed, "3", {{"a", 1, {}}}), LinkCustomers{Anonymous("v"), User("u"), kNow},
         SetPersonalization{Anonymous("v"), Personalization::kOff, kNow}});
  const Result<TrainingSet> set = Read();
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->customer_ids, std::vector<uint64_t>{Id(User("w"))});
}

TEST_F(LearningStoreTest, KnownCustomersOnly) {
  Apply({Product("a"), Did(Anonymous("v"), EventType::kViewed, "1", {{"a", 1, {}}}),
         Did(Anonymous("x"), EventType::kViewed, "2", {{"a", 1, {}}}),
         Did(User("u"), EventType::kViewed, "3", {{"a", 1, {}}}), LinkCustomers{Anonymous("v"), User("u"), kNow}});
  TrainingSetOptions options;
  options.customers = CustomersRead::kKnownOnly;
  const Result<TrainingSet> set = Read(options);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->customers(), 1u);
  EXPECT_EQ(set->lines.size(), 2u);
}

TEST_F(LearningStoreTest, ASnapshotSeesNothingLater) {
  Apply({Product("a"), Product("b"), Did(User("u"), EventType::kViewed, "1", {{"a", 1, {}}})});
  const std::unique_ptr<Snapshot> snapshot = store_->GetSnapshot();
  Apply({Did(User("u"), EventType::kViewed, "2", {{"b", 1, {}}}),
         Did(User("w"), EventType::kViewed, "3", {{"b", 1, {}}})});
  const Result<TrainingSet> set = ReadTrainingSet(*store_, *snapshot, EventWeights::Defaults());
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->lines.size(), 1u);
  EXPECT_EQ(set->events_read, 1u);
}

TEST_F(LearningStoreTest, OneCustomerWithOneItemTrains) {
  Apply({Product("a"), Did(User("u"), EventType::kOrdered, "1", {{"a", 1, {}}}, "o")});
  const ManualClock clock(kNow);
  const Result<TrainedModel> trained =
      RunTraining(*store_, *store_->GetSnapshot(), EventWeights::Defaults(), {}, nullptr, clock);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  EXPECT_TRUE(trained->report.accepted);
  EXPECT_EQ(trained->report.events, 1u);
}

}  // namespace
}  // namespace rapport

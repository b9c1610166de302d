// Retention: what is too old goes with all that was made of it; what is left is as if the rest had never been.
#include "data/prune.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "data/codec.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'300'000'000'000};
constexpr double kDays = 100;

CustomerRef User(int n) { return {CustomerNamespace::kUser, "user-" + std::to_string(n)}; }

AppendEvent EventOf(int n, int64_t age_days) {
  AppendEvent op;
  op.customer = User(n % 5);
  op.event.type = n % 4 == 0 ? EventType::kSent : n % 3 == 0 ? EventType::kOrdered : EventType::kViewed;
  op.event.message_id = "message-" + std::to_string(n);
  op.event.order_id = "order-" + std::to_string(n);
  op.event.time = {kNow.ms - age_days * kDayMs};
  op.event.received_at = kNow;
  op.lines = {{"item-" + std::to_string(n % 11), 1, std::nullopt}};
  return op;
}

class PruneTest : public ::testing::Test {
 protected:
  PruneTest() {
    Result<std::unique_ptr<Store>> opened = Store::Open(folder_.path(), StoreOptions{});
    EXPECT_TRUE(opened.ok());
    store_ = opened.Take();
    for (int n = 0; n < 200; ++n) Apply(EventOf(n, n));  // the n-th is n days old
    for (int n = 0; n < 5; ++n) {
      Apply(RecordConsent{User(n), {"email", "marketing", true, {kNow.ms - 1000 * kDayMs}, "form", ""}});
      UpdateProfile profile{User(n), {kNow.ms - 1000 * kDayMs}, {}, {}, {}, {}, {}};
      profile.traits["name"] = "Somebody";
      Apply(profile);
    }
    for (int n = 0; n < 20; ++n) {
      Apply(PutDecision{{"decision-" + std::to_string(n), CustomerId{1}, {kNow.ms - n * 10 * kDayMs}, 1, "{}"}});
    }
  }
  OperationResult Apply(Operation operation) {
    const auto results = store_->ApplyAndWait({std::move(operation)});
    EXPECT_TRUE(results.ok());
    return results.ok() ? (*results)[0] : OperationResult{results.status()};
  }
  // What is made of the events.
  std::string Derived() const {
    std::string out;
    for (uint64_t c = 1; c <= store_->statistics().customers; ++c) {
      const ItemSet set = *store_->ReadItemSet(CustomerId{c});
      out += EncodeItemSet(set) + "|";
      const std::vector<ContactEntry> contacts = *store_->ReadContacts(CustomerId{c});
      for (const ContactEntry& entry : contacts) out += EncodeRecord(entry);
    }
    return out;
  }
  // What retention must leave alone.
  std::string Kept() const {
    std::string out;
    EXPECT_TRUE(store_
                    ->ForEachProfile([&](const Profile& profile) {
                      out += EncodeRecord(profile);
                      const std::vector<Consent> consents = store_->Consents(profile.id);
                      for (const Consent& consent : consents) out += EncodeRecord(consent);
                      return true;
                    })
                    .ok());
    return out;
  }
  PruneReport PruneNow(RetentionPlan plan) {
    const Result<PruneReport> report = Prune(*store_, *store_, plan, kNow, nullptr);
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? *report : PruneReport{};
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(PruneTest, OldEventsGoWithAllThatWasMadeOfThemAndTheRestStays) {
  const std::string kept = Kept(), before = Derived();
  const PruneReport report = PruneNow({.events_days = kDays});
  EXPECT_EQ(report.events, 99u);  // 101 to 199 days old: one of exactly 100 days stays
  EXPECT_EQ(report.customers, 5u);
  EXPECT_EQ(report.decisions, 0u);
  size_t left = 0;
  ASSERT_TRUE(store_
                  ->ForEachEvent([&](const Event& event) {
                    ++left;
                    EXPECT_GE(event.time.ms, kNow.ms - static_cast<int64_t>(kDays) * kDayMs);
                    return true;
                  })
                  .ok());
  EXPECT_EQ(left, 101u);
  EXPECT_EQ(Kept(), kept);
  const std::string derived = Derived();
  EXPECT_NE(derived, before);
  ASSERT_TRUE(store_->RebuildDerived().ok());
  EXPECT_EQ(Derived(), derived);  // as if it had been made from what is left
  EXPECT_EQ(PruneNow({.events_days = kDays}).events, 0u);
  // What stays is still known; what went is no longer.
  EXPECT_EQ(Apply(EventOf(7, 7)).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Apply(EventOf(150, 150)).outcome, Outcome::kCreated);
}

TEST_F(PruneTest, DecisionsHaveAnAgeOfTheirOwn) {
  const PruneReport report = PruneNow({.decisions_days = 95});
  EXPECT_EQ(report.decisions, 10u);  // 100 to 190 days old
  EXPECT_EQ(report.events, 0u);
  EXPECT_TRUE(store_->GetDecision("decision-9").ok());
  EXPECT_EQ(store_->GetDecision("decision-10").status().code(), StatusCode::kNotFound);
}

// What arrives in the same group as the removal is in no table yet, and must not be lost with the old item set.
TEST_F(PruneTest, AnEventOfTheSameGroupSurvives) {
  const CustomerId customer = *store_->FindCustomer(User(0));
  AppendEvent fresh = EventOf(1000, 0);
  fresh.lines = {{"brand-new", 2, std::nullopt}};
  fresh.event.type = EventType::kOrdered;
  std::vector<Operation> group{fresh, PruneEvents{customer, kNow}, EventOf(1005, 0)};
  const auto results = store_->ApplyAndWait(std::move(group));
  ASSERT_TRUE(results.ok());
  for (const OperationResult& result : *results) EXPECT_TRUE(result.status.ok()) << result.status.ToString();
  const std::string derived = Derived();
  ASSERT_TRUE(store_->RebuildDerived().ok());
  EXPECT_EQ(Derived(), derived);
  EXPECT_FALSE(store_->ReadItemSet(customer)->empty());
}

TEST_F(PruneTest, ItIsStoppedBetweenBatches) {
  const std::atomic<bool> stopped{true};
  EXPECT_EQ(Prune(*store_, *store_, {.events_days = 1}, kNow, &stopped).status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rapport

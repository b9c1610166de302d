// Contacts are kept once more by themselves, and settings survive.
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/limits.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/store.h"
#include "old_format.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'300'000'000'000};

CustomerRef User(const std::string& id) { return {CustomerNamespace::kUser, id}; }
CustomerRef Anonymous(const std::string& id) { return {CustomerNamespace::kAnonymous, id}; }

AppendEvent Told(const CustomerRef& customer, const std::string& message, EventType type) {
  AppendEvent op;
  op.customer = customer;
  op.event.type = type;
  op.event.message_id = message;
  op.event.time = op.event.received_at = kNow;
  op.event.order_id = "contact-" + message;
  op.event.channel = "email";
  op.event.contact.purpose = "marketing";
  op.lines = {{"item", 1, std::nullopt}};
  return op;
}

TEST(StoreContactsTest, ContactsAreFoundHoweverManyEventsCameAfter) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  std::vector<Operation> operations{Told(User("u"), "first", EventType::kSent)};
  for (int i = 0; i < 1500; ++i) operations.push_back(Told(User("u"), std::to_string(i), EventType::kViewed));
  operations.push_back(Told(Anonymous("a"), "of the visitor", EventType::kSent));
  operations.push_back(LinkCustomers{Anonymous("a"), User("u"), kNow});
  ASSERT_TRUE(store->ApplyAndWait(std::move(operations)).ok());
  const CustomerId id = *store->FindCustomer(User("u"));
  const std::vector<ContactEntry> contacts = *store->ReadContacts(id);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0].contact_id, "contact-first");
  EXPECT_EQ(contacts[0].channel, "email");
  EXPECT_EQ(contacts[0].facts.purpose, "marketing");
  EXPECT_EQ(contacts[1].contact_id, "contact-of the visitor");
  // Broken twin: rules that read the newest events only would not see the first one.
  bool seen = false;
  const std::vector<Event> newest = *store->ReadEvents(id, limits::kHistoryEventsMax);
  for (const Event& event : newest) seen |= event.order_id == "contact-first";
  EXPECT_FALSE(seen);
}

TEST(StoreContactsTest, SettingsSurviveARestartAndTheNewestCounts) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  EXPECT_EQ(store->GetSetting("channels"), std::nullopt);
  ASSERT_TRUE(store->ApplyAndWait({PutSetting{"channels", "one"}, PutSetting{"channels", "two"}}).ok());
  store.reset();
  store = Store::Open(folder.path(), StoreOptions{}).Take();
  EXPECT_EQ(store->GetSetting("channels"), "two");
}

constexpr int64_t kHour = kNow.ms / kHourMs;

AppendEvent Plan(const std::string& user, const std::string& id, int64_t hour, const std::string& channel = "email",
                 const std::string& place = "") {
  AppendEvent op = Told(User(user), id, EventType::kContactPlanned);
  op.event.channel = channel;
  op.event.store_id = place;
  op.event.contact.at = Timestamp{(kHour + hour) * kHourMs + 59 * kMinuteMs};
  return op;
}
AppendEvent Cancel(const std::string& user, const std::string& id, const std::string& message) {
  AppendEvent op = Told(User(user), message, EventType::kContactCancelled);
  op.event.order_id = "contact-" + id;
  return op;
}
std::vector<uint64_t> Emails(const Store& store, size_t hours, const Snapshot* snapshot = nullptr) {
  return store.PlannedByHour(PlannedOf::kChannel, "email", kHour, hours, snapshot);
}
using Counts = std::vector<uint64_t>;

// Plans are counted by channel and hour in the write that makes them, a cancelled one no longer.
TEST(StoreContactsTest, PlannedContactsAreCountedByHour) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  ASSERT_TRUE(
      store
          ->ApplyAndWait({Plan("u", "1", 0), Plan("u", "2", 0), Plan("v", "3", 0), Plan("v", "4", 2),
                          Plan("v", "5", 0, "sms"), Plan("u", "1", 0), Plan("w", "6", 1), Cancel("w", "6", "a")})
          .ok());
  EXPECT_EQ(Emails(*store, 4), (Counts{3, 0, 1, 0}));  // the plan that came twice counts once
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kChannel, "sms", kHour - 1, 2), (Counts{0, 1}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kChannel, "push", kHour, 1), Counts{0});
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kPlace, "email", kHour, 1), Counts{0});
  const std::unique_ptr<Snapshot> before = store->GetSnapshot();
  // Cancelled twice counts once; of another customer not at all.
  ASSERT_TRUE(store->ApplyAndWait({Cancel("u", "2", "b"), Cancel("u", "2", "c"), Cancel("u", "3", "d")}).ok());
  ASSERT_TRUE(store->ApplyAndWait({Cancel("u", "2", "e")}).ok());
  EXPECT_EQ(Emails(*store, 4), (Counts{2, 0, 1, 0}));
  EXPECT_EQ(Emails(*store, 1, before.get()), Counts{3});
  // By another of the customer's identities it does.
  AppendEvent of_visitor = Cancel("", "1", "f");
  of_visitor.customer = Anonymous("a");
  ASSERT_TRUE(store->ApplyAndWait({LinkCustomers{Anonymous("a"), User("u"), kNow}, of_visitor}).ok());
  EXPECT_EQ(Emails(*store, 4), (Counts{1, 0, 1, 0}));
  ASSERT_TRUE(store->RebuildDerived().ok());
  EXPECT_EQ(Emails(*store, 4), (Counts{1, 0, 1, 0}));
}

// A name is whatever a sender says: none of them hides another one's hours.
TEST(StoreContactsTest, PlansAreCountedByPlaceAndUnderAnyName) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  const std::string odd("email\0\0\0\0\0\0\0\0\1", 14), shorter("visit\0", 6);
  ASSERT_TRUE(store
                  ->ApplyAndWait({Plan("u", "1", 0, "visit", "Bern"), Plan("u", "2", 1, "visit", "Zurich"),
                                  Plan("v", "3", 1, "visit", "Zurich"), Plan("v", "4", 0, odd), Plan("v", "5", 0),
                                  Plan("v", "6", 1, shorter, "Bern/"), Plan("v", "7", 2)})
                  .ok());
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kChannel, "visit", kHour, 2), (Counts{1, 2}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kPlace, "Bern", kHour, 2), (Counts{1, 0}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kPlace, "Zurich", kHour, 2), (Counts{0, 2}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kPlace, "Bern/", kHour, 2), (Counts{0, 1}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kChannel, odd, kHour, 1), Counts{1});
  EXPECT_EQ(Emails(*store, 3), (Counts{1, 0, 1}));
  ASSERT_TRUE(store->ApplyAndWait({Cancel("v", "3", "c")}).ok());
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kPlace, "Zurich", kHour, 2), (Counts{0, 1}));
  EXPECT_EQ(store->PlannedByHour(PlannedOf::kChannel, "visit", kHour, 2), (Counts{1, 1}));
}

// What retention takes away is counted no longer, be it asked for twice in one group, cancelled before or after.
TEST(StoreContactsTest, PrunedPlansAreCountedNoLonger) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{}).Take();
  const auto late = [](AppendEvent op) {
    op.event.time = op.event.received_at = {kNow.ms + kDayMs};
    return op;
  };
  ASSERT_TRUE(store
                  ->ApplyAndWait({Plan("u", "1", 50), Plan("u", "2", 50), late(Plan("u", "3", 50)), Plan("v", "4", 50),
                                  Plan("u", "5", 51), Cancel("u", "2", "a")})
                  .ok());
  const auto counted = [&] { return store->PlannedByHour(PlannedOf::kChannel, "email", kHour + 50, 2); };
  EXPECT_EQ(counted(), (Counts{3, 1}));
  const CustomerId u = *store->FindCustomer(User("u"));
  const PruneEvents old{u, {kNow.ms + 1}};
  ASSERT_TRUE(store->ApplyAndWait({Plan("u", "6", 51), old, old, late(Cancel("u", "5", "b"))}).ok());
  EXPECT_EQ(counted(), (Counts{2, 1}));  // 3, 4; 6 of the same group stays
  ASSERT_TRUE(store->ApplyAndWait({late(Cancel("u", "1", "c")), late(Cancel("u", "5", "d"))}).ok());
  EXPECT_EQ(counted(), (Counts{2, 1}));
  ASSERT_TRUE(store->RebuildDerived().ok());
  EXPECT_EQ(counted(), (Counts{2, 1}));
  // Broken twin: counters that only know plans and cancellations would still count 1 and 5.
  EXPECT_NE(counted(), (Counts{3, 2}));
}

// The counters hold against a count of the entries themselves (a slow twin) through many random groups.
TEST(StoreContactsTest, CountersAreThoseOfTheEntries) {
  TempFolder folder;
  auto store = Store::Open(folder.path(), StoreOptions{.durability = Durability::kNoSync}).Take();
  Random random(11);
  int message = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<Operation> group;
    for (uint64_t n = random.Below(30); n > 0; --n) {
      const std::string user = "u" + std::to_string(random.Below(6));
      const std::string id = user + "-" + std::to_string(random.Below(40));
      AppendEvent op = random.Below(3) > 0 ? Plan(user, id, static_cast<int64_t>(random.Below(5)))
                                           : Cancel(user, id, "c" + std::to_string(++message));
      op.event.time = op.event.received_at = {kNow.ms + round * kDayMs};
      group.push_back(op);
      const auto known = store->FindCustomer(User(user));
      if (known && random.Below(20) == 0) {
        group.push_back(PruneEvents{*known, {kNow.ms + static_cast<int64_t>(random.Below(60)) * kDayMs}});
      }
    }
    ASSERT_TRUE(store->ApplyAndWait(std::move(group)).ok());
  }
  const Counts counted = Emails(*store, 5);
  Counts slow(5, 0);
  for (int u = 0; u < 6; ++u) {
    const auto entries = *store->ReadContacts(*store->FindCustomer(User("u" + std::to_string(u))));
    std::set<std::string> cancelled;
    for (const ContactEntry& entry : entries) {
      if (entry.type == EventType::kContactCancelled) cancelled.insert(entry.contact_id);
    }
    for (const ContactEntry& entry : entries) {
      if (entry.type != EventType::kContactPlanned || cancelled.contains(entry.contact_id)) continue;
      ++slow[static_cast<size_t>(entry.facts.at->ms / kHourMs - kHour)];
    }
  }
  for (size_t hour = 0; hour < 5; ++hour) EXPECT_GE(counted[hour], slow[hour]) << hour;  // more: planned_contacts.h
  ASSERT_TRUE(store->RebuildDerived().ok());
  EXPECT_EQ(Emails(*store, 5), slow);
  EXPECT_GT(std::accumulate(slow.begin(), slow.end(), uint64_t{0}), 20u);
}

// 40 plans, every third one given up.
Counts FillWithPlans(const std::string& folder) {
  auto store = Store::Open(folder, StoreOptions{}).Take();
  std::vector<Operation> operations;
  for (int i = 0; i < 40; ++i) {
    const std::string user = "u" + std::to_string(i % 7);
    operations.push_back(Plan(user, std::to_string(i), i % 5));
    if (i % 3 == 0) operations.push_back(Cancel(user, std::to_string(i), std::to_string(i) + " cancelled"));
  }
  EXPECT_TRUE(store->ApplyAndWait(std::move(operations)).ok());
  return Emails(*store, 6);
}

TEST(StoreContactsTest, PlansOfAnOlderFormatAreCounted) {
  TempFolder folder;
  const Counts before = FillWithPlans(folder.path());
  EXPECT_EQ(std::accumulate(before.begin(), before.end(), uint64_t{0}), 26u);
  EXPECT_EQ(Emails(*Store::Open(folder.path(), StoreOptions{}).Take(), 6), before);  // they survive
  for (const uint8_t format : {1, 2, 3, 0}) {
    SetFormat(folder.path(), format, format == 0);
    EXPECT_EQ(Emails(*Store::Open(folder.path(), StoreOptions{}).Take(), 6), before) << int{format};
  }
  // Broken twin: without the counters and without the step forward nothing would be counted.
  SetFormat(folder.path(), 3, false);
  SetFormat(folder.path(), 4, false);
  EXPECT_EQ(Emails(*Store::Open(folder.path(), StoreOptions{}).Take(), 6), Counts(6, 0));
}

// A damaged entry stops the step forward with a word of what to do, changes nothing, and what follows from the events
// can be made anew from them; a damaged event cannot, and takes nothing else with it.
TEST(StoreContactsTest, DamageStopsTheStepForwardAndSaysWhatToDo) {
  TempFolder folder;
  const Counts before = FillWithPlans(folder.path());
  SetFormat(folder.path(), 3, false);
  Damage(folder.path(), "contact");
  for (int tries = 0; tries < 2; ++tries) {
    const Status refused = Store::Open(folder.path(), StoreOptions{}).status();
    EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
    EXPECT_NE(refused.message().find("rapport check"), std::string::npos) << refused.message();
    EXPECT_NE(refused.message().find("of customer 1"), std::string::npos) << refused.message();
  }
  EXPECT_TRUE(Store::Open(folder.path(), StoreOptions{}, StoreAccess::kReadOnly).ok());
  StoreOptions rebuilding;
  rebuilding.rebuild_derived = true;
  EXPECT_EQ(Emails(*Store::Open(folder.path(), rebuilding).Take(), 6), before);
  EXPECT_EQ(Emails(*Store::Open(folder.path(), StoreOptions{}).Take(), 6), before);

  SetFormat(folder.path(), 3, false);
  Damage(folder.path(), "event", true);
  EXPECT_EQ(Store::Open(folder.path(), rebuilding).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Emails(*Store::Open(folder.path(), StoreOptions{}).Take(), 6), before);  // the contacts are still there
}

}  // namespace
}  // namespace rapport

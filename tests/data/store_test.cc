// The store's promises: idempotent appends, links merged at read, ids the same on every replay, snapshots, one writer,
// clear refusals.
#include "data/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/limits.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/codec.h"
#include "old_format.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'300'000'000'000};

CustomerRef User(const std::string& id) { return {CustomerNamespace::kUser, id}; }
CustomerRef Anonymous(const std::string& id) { return {CustomerNamespace::kAnonymous, id}; }

AppendEvent View(const CustomerRef& customer, const std::string& message, const std::string& item) {
  AppendEvent op;
  op.customer = customer;
  op.event.type = EventType::kViewed;
  op.event.message_id = message;
  op.event.time = op.event.received_at = kNow;
  op.lines = {{item, 1, std::nullopt}};
  return op;
}

AppendEvent Order(const CustomerRef& customer, const std::string& message, const std::string& item, int64_t quantity,
                  EventType type = EventType::kOrdered) {
  AppendEvent op = View(customer, message, item);
  op.event.type = type;
  op.event.order_id = "order-" + message;
  op.lines[0].quantity = quantity;
  return op;
}

PutItem Product(const std::string& id) {
  PutItem op;
  op.item.external_id = id;
  op.item.title = "title of " + id;
  op.item.price = Decimal{1250, 2};
  return op;
}

LinkCustomers LinkOf(const CustomerRef& child, const CustomerRef& parent) { return {child, parent, kNow}; }

AppendEvent ContactSent(const CustomerRef& customer, const std::string& message) {
  AppendEvent op = View(customer, message, "letter");
  op.event.type = EventType::kSent;
  op.event.order_id = "contact-" + message;
  op.event.channel = "email";
  op.event.contact.purpose = "marketing";
  return op;
}

std::unique_ptr<Store> OpenOrDie(const std::string& folder, StoreAccess access = StoreAccess::kReadWrite) {
  Result<std::unique_ptr<Store>> store = Store::Open(folder, StoreOptions{}, access);
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  return store.ok() ? store.Take() : nullptr;
}

// Applies one operation; its status, or the store's.
OperationResult Apply(Store& store, Operation operation) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  auto results = store.ApplyAndWait(std::move(operations));
  if (!results.ok()) return {results.status(), Outcome::kUnchanged, 0};
  return (*results)[0];
}

size_t EventCount(const Store& store, const CustomerRef& customer) {
  const auto id = store.FindCustomer(customer);
  if (!id) return 0;
  return store.ReadEvents(store.Root(*id), 10000)->size();
}

TEST(StoreTest, AppendIsIdempotentInAGroupAcrossGroupsAndAfterReopening) {
  TempFolder folder;
  {
    auto store = OpenOrDie(folder.path());
    std::vector<Operation> twice;
    twice.push_back(View(User("u"), "m1", "a"));
    twice.push_back(View(User("u"), "m1", "a"));
    auto results = store->ApplyAndWait(std::move(twice));
    ASSERT_TRUE(results.ok());
    EXPECT_EQ((*results)[0].outcome, Outcome::kCreated);
    EXPECT_EQ((*results)[1].outcome, Outcome::kDuplicate);
    EXPECT_EQ((*results)[0].id, (*results)[1].id);
    EXPECT_EQ(Apply(*store, View(User("u"), "m1", "b")).outcome, Outcome::kDuplicate) << "the first wins";
  }
  auto store = OpenOrDie(folder.path());
  EXPECT_EQ(Apply(*store, View(User("u"), "m1", "a")).outcome, Outcome::kDuplicate);
  EXPECT_EQ(Apply(*store, View(User("v"), "m1", "a")).outcome, Outcome::kCreated) << "identity is per customer";
  AppendEvent other_source = View(User("u"), "m1", "a");
  other_source.event.source = "import";
  EXPECT_EQ(Apply(*store, other_source).outcome, Outcome::kCreated) << "and per source";
  EXPECT_EQ(EventCount(*store, User("u")), 2u);
}

TEST(StoreTest, AnonymousAndUserNamesAreApart) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  EXPECT_EQ(Apply(*store, View(User("7"), "m", "a")).outcome, Outcome::kCreated);
  EXPECT_EQ(Apply(*store, View(Anonymous("7"), "m", "a")).outcome, Outcome::kCreated);
  EXPECT_NE(store->FindCustomer(User("7")), store->FindCustomer(Anonymous("7")));
}

TEST(StoreTest, LinksMergeAtReadFollowRetriesAndCanBeUndone) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(Apply(*store, View(Anonymous("cookie"), "m1", "a")).status.ok());
  ASSERT_TRUE(Apply(*store, View(User("u"), "m2", "b")).status.ok());
  EXPECT_EQ(Apply(*store, LinkOf(Anonymous("cookie"), User("u"))).outcome, Outcome::kCreated);
  EXPECT_EQ(Apply(*store, LinkOf(Anonymous("cookie"), User("u"))).outcome, Outcome::kUnchanged);
  EXPECT_EQ(EventCount(*store, User("u")), 2u);
  EXPECT_EQ(EventCount(*store, Anonymous("cookie")), 2u);
  EXPECT_EQ(Apply(*store, View(User("u"), "m1", "a")).outcome, Outcome::kDuplicate) << "a retry after log-in";
  EXPECT_EQ(Apply(*store, LinkOf(Anonymous("cookie"), User("other"))).status.code(), StatusCode::kAlreadyExists);
  EXPECT_FALSE(store->FindCustomer(User("other"))) << "a refused operation changes nothing";
  EXPECT_EQ(Apply(*store, LinkOf(User("u"), Anonymous("cookie"))).outcome, Outcome::kUnchanged) << "no circle";
  EXPECT_EQ(Apply(*store, UnlinkCustomer{Anonymous("cookie")}).outcome, Outcome::kUpdated);
  EXPECT_EQ(EventCount(*store, User("u")), 1u);
  EXPECT_EQ(EventCount(*store, Anonymous("cookie")), 1u);
}

TEST(StoreTest, LinksWorkInsideOneGroup) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  std::vector<Operation> group;
  group.push_back(View(Anonymous("a"), "m1", "x"));
  group.push_back(LinkOf(Anonymous("a"), User("u")));
  group.push_back(LinkOf(Anonymous("b"), User("u")));
  group.push_back(View(Anonymous("b"), "m1", "x"));  // the same message by a linked identity
  group.push_back(UnlinkCustomer{Anonymous("a")});
  group.push_back(View(Anonymous("b"), "m1", "x"));  // not linked to "a" any more
  auto results = store->ApplyAndWait(std::move(group));
  ASSERT_TRUE(results.ok());
  EXPECT_EQ((*results)[3].outcome, Outcome::kDuplicate);
  EXPECT_EQ((*results)[5].outcome, Outcome::kCreated);
}

// A random stream of operations, the same for a seed.
std::vector<Operation> RandomOperations(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<Operation> out;
  for (size_t i = 0; i < count; ++i) {
    const std::string id = std::to_string(random.Below(12));
    const CustomerRef customer = random.Below(2) == 0 ? User(id) : Anonymous(id);
    const std::string item = "item" + std::to_string(random.Below(30));
    const std::string message = std::to_string(random.Below(count));
    switch (random.Below(9)) {
      case 0: out.push_back(LinkOf(Anonymous(id), User(std::to_string(random.Below(12))))); break;
      case 1: out.push_back(UnlinkCustomer{Anonymous(id)}); break;
      case 2: out.push_back(Product(item)); break;
      case 3: out.push_back(Order(customer, message, item, static_cast<int64_t>(random.Below(5)))); break;
      case 4: out.push_back(Order(customer, message, item, -1, EventType::kRefunded)); break;
      case 5: out.push_back(DeleteItem{item}); break;
      case 6: out.push_back(ContactSent(customer, message)); break;
      default: out.push_back(View(customer, message, item));
    }
  }
  return out;
}

// All that can be read, as one digest per kind.
std::string Dump(const Store& store) {
  std::map<std::string, std::string> all;
  const auto into = [&all](const char* kind) {
    return [&text = all[kind]](const auto& record) {
      text += EncodeRecord(record);
      return true;
    };
  };
  EXPECT_TRUE(store.ForEachEvent(into("events")).ok());
  EXPECT_TRUE(store.ForEachProfile(into("profiles")).ok());
  EXPECT_TRUE(store.ForEachItem(into("items")).ok());
  EXPECT_TRUE(store.ForEachLink(into("links")).ok());
  for (uint64_t c = 1; c <= store.statistics().customers; ++c) {
    const std::vector<ContactEntry> contacts = *store.ReadContacts(CustomerId{c});
    for (const ContactEntry& entry : contacts) all["contacts"] += EncodeRecord(entry);
    all["item sets"] += std::to_string(c) + EncodeItemSet(*store.ReadItemSet(store.Root(CustomerId{c})));
  }
  std::string out;
  for (const auto& [kind, text] : all) {
    const Digest256 digest = Sha256(text);
    out += kind + " " + ToHex({reinterpret_cast<const char*>(digest.data()), 8}) + "\n";
  }
  return out;
}

TEST(StoreTest, ReplayingTheSameLogGivesTheSameIdsHoweverItIsCutIntoGroups) {
  std::string first;
  for (const size_t cut : {1u, 7u, 1000u}) {
    TempFolder folder;
    auto store = OpenOrDie(folder.path());
    std::vector<Operation> operations = RandomOperations(5, 400), group;
    for (Operation& operation : operations) {
      group.push_back(std::move(operation));
      if (group.size() == cut) {
        ASSERT_TRUE(store->ApplyAndWait(std::move(group)).ok());
        group.clear();
      }
    }
    ASSERT_TRUE(store->ApplyAndWait(std::move(group)).ok());
    if (first.empty()) first = Dump(*store);
    EXPECT_EQ(Dump(*store), first) << "groups of " << cut;
  }
}

TEST(StoreTest, WhatIsDerivedEqualsARebuildFromTheEvents) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(store->ApplyAndWait(RandomOperations(11, 2000)).ok());
  const std::string before = Dump(*store);
  ASSERT_TRUE(store->RebuildDerived().ok());
  EXPECT_EQ(Dump(*store), before);
  // Broken twin: a store that lost what is derived does not read the same.
  ItemSet set;
  for (uint64_t c = 1; c <= store->statistics().customers && set.empty(); ++c) set = *store->ReadItemSet(CustomerId{c});
  EXPECT_FALSE(set.empty()) << "the comparison would compare nothing";
  size_t contacts = 0;
  for (uint64_t c = 1; c <= store->statistics().customers; ++c) contacts += store->ReadContacts(CustomerId{c})->size();
  EXPECT_GT(contacts, 50u);
}

TEST(StoreTest, ItemSetsRememberMoreThanTheHistoryWindow) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  std::vector<Operation> operations;
  for (int i = 0; i < 1500; ++i) operations.push_back(View(User("u"), std::to_string(i), "item" + std::to_string(i)));
  ASSERT_TRUE(store->ApplyAndWait(std::move(operations)).ok());
  const CustomerId id = *store->FindCustomer(User("u"));
  EXPECT_EQ(store->ReadHistory(id)->size(), limits::kHistoryEventsMax);
  EXPECT_EQ(store->ReadItemSet(id)->size(), 1500u);
}

TEST(StoreTest, OwnedIsOrderedLessRefunded) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(Apply(*store, Order(User("u"), "1", "a", 3)).status.ok());
  ASSERT_TRUE(Apply(*store, Order(User("u"), "2", "a", -2, EventType::kRefunded)).status.ok());
  ASSERT_TRUE(Apply(*store, Order(User("u"), "3", "a", 1, EventType::kRefunded)).status.ok());
  const ItemSet set = *store->ReadItemSet(*store->FindCustomer(User("u")));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_TRUE(set[0].ordered);
  EXPECT_EQ(set[0].owned, 0);
}

TEST(StoreTest, ItemsOfEventsWaitUncataloguedAndKeepTheirId) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(Apply(*store, View(User("u"), "1", "new")).status.ok());
  const Item* bare = store->catalog()->Find("new");
  ASSERT_NE(bare, nullptr);
  EXPECT_FALSE(bare->catalogued);
  const ItemId id = bare->id;
  EXPECT_EQ(Apply(*store, Product("new")).outcome, Outcome::kCreated);
  EXPECT_EQ(Apply(*store, Product("new")).outcome, Outcome::kUnchanged);
  EXPECT_EQ(store->catalog()->Find("new")->id, id);
  PatchItem patch{"new"};
  patch.stock = 0;
  EXPECT_EQ(Apply(*store, patch).outcome, Outcome::kUpdated);
  EXPECT_EQ(*store->catalog()->Find("new")->stock, 0);
  EXPECT_EQ(Apply(*store, DeleteItem{"new"}).outcome, Outcome::kUpdated);
  EXPECT_FALSE(store->catalog()->Find("new")->catalogued);
  EXPECT_EQ(Apply(*store, DeleteItem{"new"}).status.code(), StatusCode::kNotFound);
  EXPECT_EQ(Apply(*store, PatchItem{"never"}).status.code(), StatusCode::kNotFound);
}

TEST(StoreTest, ASnapshotDoesNotMove) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(Apply(*store, View(User("u"), "1", "a")).status.ok());
  const auto snapshot = store->GetSnapshot();
  ASSERT_TRUE(Apply(*store, View(User("u"), "2", "b")).status.ok());
  const CustomerId id = *store->FindCustomer(User("u"));
  EXPECT_EQ(store->ReadHistory(id, 100, snapshot.get())->size(), 1u);
  EXPECT_EQ(store->ReadItemSet(id, snapshot.get())->size(), 1u);
  EXPECT_EQ(store->ReadHistory(id, 100)->size(), 2u);
}

TEST(StoreTest, FutureTimesAreClampedAndMarkedAncientOnesRefused) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  AppendEvent future = View(User("u"), "1", "a");
  future.event.time = {kNow.ms + 365 * kDayMs};
  ASSERT_TRUE(Apply(*store, future).status.ok());
  AppendEvent ancient = View(User("u"), "2", "a");
  ancient.event.time = {-9'000'000'000'000};
  EXPECT_EQ(Apply(*store, ancient).status.code(), StatusCode::kInvalidArgument);
  const std::vector<Event> events = *store->ReadEvents(*store->FindCustomer(User("u")), 10);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].time, kNow);
  EXPECT_EQ(events[0].time_mark, TimeMark::kClamped);
}

TEST(StoreTest, StrangeIdsAreKeptExactly) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  const std::vector<std::string> ids = {"a/b", "\xF0\x9F\x98\x80", std::string(256, 'x'), " "};
  for (const std::string& id : ids) ASSERT_TRUE(Apply(*store, View(User(id), "m", id)).status.ok()) << id;
  for (const std::string& id : ids) {
    ASSERT_TRUE(store->FindCustomer(User(id)));
    EXPECT_EQ(store->GetProfile(*store->FindCustomer(User(id)))->ref.external_id, id);
    EXPECT_EQ(store->catalog()->Find(id)->external_id, id);
  }
  for (const std::string& bad :
       {std::string(), std::string(257, 'x'), std::string("\xC3"), std::string("zero\0byte", 9)}) {
    EXPECT_EQ(Apply(*store, View(User(bad), "m", "a")).status.code(), StatusCode::kInvalidArgument);
  }
}

TEST(StoreTest, ObserverHearsBeforeTheAcknowledgement) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  StoreChanges heard;
  store->SetObserver([&](const StoreChanges& changes) { heard = changes; });
  const OperationResult viewed = Apply(*store, View(User("u"), "1", "a"));
  ASSERT_TRUE(viewed.status.ok());
  const CustomerId customer = *store->FindCustomer(User("u"));
  ASSERT_EQ(heard.appended.size(), 1u);
  EXPECT_EQ(heard.appended[0].root, customer);
  EXPECT_EQ(heard.appended[0].event.value, viewed.id);
  EXPECT_EQ(DecodeRecord<Event>(heard.appended[0].record)->message_id, "1");
  EXPECT_TRUE(heard.customers.empty());
  ASSERT_TRUE(Apply(*store, View(User("u"), "1", "a")).status.ok());
  EXPECT_TRUE(heard.appended.empty()) << "a duplicate is no event";
  AppendEvent without_items = View(User("u"), "2", "a");
  without_items.lines.clear();
  ASSERT_TRUE(Apply(*store, without_items).status.ok());
  EXPECT_TRUE(heard.appended.empty());
  EXPECT_EQ(heard.customers, std::vector<CustomerId>{customer});
}

TEST(StoreTest, ConcurrentWritersLoseNothingAndRetriesCountOnce) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  constexpr int kThreads = 8, kEach = 100;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < kEach; ++i) {
        // Every message is sent by two threads.
        const std::string message = std::to_string(t / 2) + "-" + std::to_string(i);
        EXPECT_TRUE(Apply(*store, View(User("u" + std::to_string(i % 5)), message, "a")).status.ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t events = 0;
  uint64_t last = 0;
  EXPECT_TRUE(store
                  ->ForEachEvent([&](const Event& event) {
                    ++events;
                    last = std::max(last, event.id.value);
                    return true;
                  })
                  .ok());
  EXPECT_EQ(events, static_cast<size_t>(kThreads / 2 * kEach));
  EXPECT_EQ(last, events) << "ids are dense";
}

TEST(StoreTest, AFullQueueRefusesAtOnce) {
  TempFolder folder;
  StoreOptions options;
  options.queued_operations_max = 3;
  auto store = Store::Open(folder.path(), options).Take();
  std::vector<Operation> four(4, Operation(View(User("u"), "1", "a")));
  EXPECT_EQ(store->ApplyAndWait(std::move(four)).status().code(), StatusCode::kResourceExhausted);
}

TEST(StoreTest, ASecondProcessIsToldWhoHoldsTheStore) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(store->SetLockNote("rapport serve at 127.0.0.1:8080, process 42").ok());
  const auto second = Store::Open(folder.path(), StoreOptions{});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find("process 42"), std::string::npos) << second.status().message();
}

TEST(StoreTest, ForeignFoldersAreRefused) {
  TempFolder folder;
  std::ofstream(folder.path() + "/holiday.jpg") << "x";
  const auto store = Store::Open(folder.path(), StoreOptions{});
  ASSERT_FALSE(store.ok());
  EXPECT_NE(store.status().message().find("holiday.jpg"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/db"));
  StoreOptions must_exist;
  must_exist.create_if_missing = false;
  EXPECT_EQ(Store::Open(folder.path() + "/none", must_exist).status().code(), StatusCode::kFailedPrecondition);
}

// Whatever a kill left of the very first opening, the next one makes the store. Broken twin: without the mark of the
// making the same folder is refused as somebody else's.
TEST(StoreTest, AStoreThatWasNeverFinishedIsMadeAnew) {
  namespace fs = std::filesystem;
  TempFolder made;
  OpenOrDie(made.path() + "/store").reset();
  const std::vector<std::string> parts{"lock", "RAPPORT.making", "secret", "models", "db"};  // in this order
  for (size_t count = 0; count <= parts.size() + 1; ++count) {
    TempFolder folder;
    for (size_t i = 0; i < std::min(count, parts.size()); ++i) {
      const fs::path from = fs::path(made.path()) / "store" / parts[i];
      const fs::path to = fs::path(folder.path()) / parts[i];
      if (i == 1) {
        std::ofstream(to) << "x";
      } else {
        fs::copy(from, to, fs::copy_options::recursive);
      }
    }
    if (count == parts.size()) fs::remove(folder.path() + "/db/CURRENT");  // a database half made
    {
      auto store = OpenOrDie(folder.path());
      ASSERT_TRUE(store->ApplyAndWait(RandomOperations(3, 50)).ok());
    }
    EXPECT_FALSE(fs::exists(folder.path() + "/RAPPORT.making"));
    EXPECT_FALSE(Dump(*OpenOrDie(folder.path())).empty());
    if (count < 3) continue;
    fs::remove(folder.path() + "/RAPPORT");
    EXPECT_EQ(Store::Open(folder.path(), StoreOptions{}).status().code(), StatusCode::kFailedPrecondition);
  }
}

TEST(StoreTest, AnOlderFormatIsBroughtForwardANewerOneRefused) {
  TempFolder folder;
  std::string before;
  {
    auto store = OpenOrDie(folder.path());
    ASSERT_TRUE(store->ApplyAndWait(RandomOperations(3, 500)).ok());
    before = Dump(*store);
  }
  SetFormat(folder.path(), 0, true);
  {
    auto store = OpenOrDie(folder.path());
    EXPECT_EQ(Dump(*store), before);
  }
  SetFormat(folder.path(), 99, false);
  const auto newer = Store::Open(folder.path(), StoreOptions{});
  EXPECT_EQ(newer.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(newer.status().message().find("99"), std::string::npos);
}

TEST(StoreTest, AnOlderWordAboutATraitChangesNothing) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  const CustomerRef who = User("late");
  const auto say = [&](int64_t minute, const std::string& name, Value value) {
    UpdateProfile update{who, Timestamp{kNow.ms + minute * kMinuteMs}};
    update.traits[name] = std::move(value);
    update.country = "country " + std::to_string(minute);
    const auto done = store->ApplyAndWait({update});
    EXPECT_TRUE(done.ok() && (*done)[0].status.ok());
    return (*done)[0].outcome;
  };
  const auto profile = [&] { return store->GetProfile(*store->FindCustomer(who)).Take(); };
  say(10, "plan", std::string("gold"));
  EXPECT_EQ(say(5, "plan", std::string("silver")), Outcome::kUnchanged) << "a late retry of an older identify";
  EXPECT_EQ(std::get<std::string>(profile().traits.at("plan")), "gold");
  EXPECT_EQ(profile().country, "country 10");
  EXPECT_EQ(say(5, "city", std::string("Bern")), Outcome::kUpdated) << "nothing newer was said about it";
  EXPECT_EQ(std::get<std::string>(profile().traits.at("city")), "Bern");
  EXPECT_EQ(say(10, "plan", std::string("gold")), Outcome::kUnchanged);
  EXPECT_EQ(say(20, "plan", std::vector<std::string>{}), Outcome::kUpdated) << "removed";
  EXPECT_EQ(say(15, "plan", std::string("bronze")), Outcome::kUnchanged) << "the removal is newer";
  EXPECT_EQ(profile().traits.count("plan"), 0u);
  EXPECT_EQ(say(25, "plan", std::string("gold")), Outcome::kUpdated);
  // The same value again, later: what lies between the two is old all the same.
  say(40, "plan", std::string("gold"));
  store.reset();
  store = OpenOrDie(folder.path());
  EXPECT_EQ(say(30, "plan", std::string("none")), Outcome::kUnchanged);
  EXPECT_EQ(std::get<std::string>(profile().traits.at("plan")), "gold");
  for (int i = 0; i < 1000; ++i) {
    say(50 + i, "t" + std::to_string(i), 1.0);
    say(50 + i, "t" + std::to_string(i), std::vector<std::string>{});
  }
  EXPECT_LE(profile().told_at.size(), 2 * limits::kAttributesMax);
  EXPECT_TRUE(profile().told_at.contains("plan"));
}

// The one log file that holds what was not flushed yet.
std::filesystem::path NewestLog(const std::string& folder) {
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/db")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0 && entry.path() > newest) newest = entry.path();
  }
  return newest;
}

class TornLogTest : public ::testing::Test {
 protected:
  // A store whose events stand in the log only, copied while open: what a crash leaves.
  void SetUp() override {
    auto store = OpenOrDie(live_.path());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Apply(*store, View(User("u"), std::to_string(i), "a")).status.ok());
    std::filesystem::copy(live_.path(), crashed_.path(),
                          std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  }
  TempFolder live_, crashed_;
};

TEST_F(TornLogTest, ATornTailLosesTheTailOnly) {
  const auto log = NewestLog(crashed_.path());
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 5);
  auto store = OpenOrDie(crashed_.path());
  EXPECT_EQ(EventCount(*store, User("u")), 49u);
}

TEST_F(TornLogTest, AHoleInTheMiddleIsRefused) {
  const auto log = NewestLog(crashed_.path());
  std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(log) / 2));
  file.write("\xde\xad\xbe\xef\xde\xad\xbe\xef\xde\xad\xbe\xef\xde\xad\xbe\xef", 16);
  file.close();
  const auto store = Store::Open(crashed_.path(), StoreOptions{});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().code(), StatusCode::kDataLoss) << store.status().ToString();
}

TEST(StoreTest, ACheckpointReadsTheSameAndRefusesWrites) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ASSERT_TRUE(store->ApplyAndWait(RandomOperations(21, 300)).ok());
  const std::string copy = folder.path() + "-checkpoint";
  ASSERT_TRUE(store->WriteCheckpoint(copy).ok());
  {
    auto checkpoint = OpenOrDie(copy, StoreAccess::kReadOnly);
    EXPECT_EQ(Dump(*checkpoint), Dump(*store));
    EXPECT_FALSE(checkpoint->ApplyAndWait(RandomOperations(1, 1)).ok());
    EXPECT_EQ(store->WriteCheckpoint(copy).code(), StatusCode::kAlreadyExists);
  }
  std::filesystem::remove_all(copy);
}

TEST(StoreTest, ModelsAreNumberedActivatedAndRolledBack) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  ModelRecord record;
  record.file = "a.model";
  EXPECT_EQ(Apply(*store, PutModel{record}).id, 1u);
  EXPECT_EQ(Apply(*store, PutModel{record}).id, 2u);
  EXPECT_EQ(store->ActiveGeneration(), 0u);
  ASSERT_TRUE(Apply(*store, ActivateModel{"content", 2}).status.ok());
  ASSERT_TRUE(Apply(*store, ActivateModel{"content", 1}).status.ok());
  EXPECT_EQ(store->ActiveGeneration(), 1u);
  EXPECT_EQ(store->GetModel(2)->state, ModelState::kRetired);
  EXPECT_EQ(Apply(*store, ActivateModel{"content", 9}).status.code(), StatusCode::kNotFound);
  record.file = "../outside";
  EXPECT_EQ(Apply(*store, PutModel{record}).status.code(), StatusCode::kInvalidArgument);
}

TEST(StoreTest, ConsentsAreALedgerAndPersonalizationSticks) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  RecordConsent given{User("u"), {"email", "marketing", true, kNow, "form", "box ticked"}};
  ASSERT_TRUE(Apply(*store, given).status.ok());
  EXPECT_EQ(Apply(*store, given).outcome, Outcome::kUnchanged) << "a retry";
  given.consent.given = false;
  ASSERT_TRUE(Apply(*store, given).status.ok());
  const CustomerId id = *store->FindCustomer(User("u"));
  ASSERT_EQ(store->Consents(id).size(), 2u);
  EXPECT_FALSE(store->Consents(id)[1].given);
  ASSERT_TRUE(Apply(*store, SetPersonalization{User("u"), Personalization::kOff, kNow}).status.ok());
  EXPECT_EQ(store->GetProfile(id)->personalization, Personalization::kOff);
  UpdateProfile update{User("u"), kNow};
  update.country = "UK";
  update.traits = {{"size", 42.0}, {"likes", std::vector<std::string>{"tea"}}};
  EXPECT_EQ(Apply(*store, update).outcome, Outcome::kUpdated);
  EXPECT_EQ(Apply(*store, update).outcome, Outcome::kUnchanged);
  update.traits = {{"likes", std::vector<std::string>{}}};
  ASSERT_TRUE(Apply(*store, update).status.ok());
  EXPECT_EQ(store->GetProfile(id)->traits.size(), 1u);
}

}  // namespace
}  // namespace rapport

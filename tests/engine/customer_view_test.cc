// A cached view that commits keep up to date is what a view read from the store at that moment would be.
#include "engine/customer_view.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/random.h"
#include "base/temp_folder.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'700'000'000'000};

CustomerRef User(uint64_t n) { return {CustomerNamespace::kUser, "user-" + std::to_string(n)}; }
CustomerRef Visitor(uint64_t n) { return {CustomerNamespace::kAnonymous, "visitor-" + std::to_string(n)}; }

AppendEvent EventOf(const CustomerRef& customer, const std::string& message, EventType type,
                    const std::vector<std::string>& items) {
  AppendEvent op;
  op.customer = customer;
  op.event.type = type;
  op.event.source = "test";
  op.event.message_id = message;
  op.event.time = op.event.received_at = kNow;
  for (const std::string& item : items) op.lines.push_back({item, 2, std::nullopt});
  return op;
}

std::string TextOf(const CustomerView& view) {
  std::string text = std::to_string(view.root.value) + (view.anonymous ? " anonymous " : " known ") +
                     std::to_string(static_cast<int>(view.personalization)) + " " + view.time_zone + " " +
                     std::to_string(view.events) + "\n";
  for (const HistoryEntry& line : view.history) {
    text += std::to_string(line.event.value) + " " + std::to_string(line.item.value) + " " +
            std::to_string(static_cast<int>(line.type)) + " " + std::to_string(line.time.ms) + " " +
            std::to_string(line.quantity) + " " + line.name + " " + line.order_id + "\n";
  }
  for (const ItemSetEntry& entry : view.items) {
    text += std::to_string(entry.item.value) + (entry.viewed ? " v" : " -") + (entry.ordered ? "o " : "- ") +
            std::to_string(entry.owned) + "\n";
  }
  for (const uint64_t trait : view.traits) text += std::to_string(trait) + " ";
  return text;
}

class CustomerViewsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.durability = Durability::kNoSync;
    auto store = Store::Open(folder_.path() + "/store", options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = store.Take();
    views_ = std::make_unique<CustomerViews>(*store_, 10000);
    store_->SetObserver([this](const StoreChanges& changes) {
      views_->Apply(changes);
      last_ = changes;
    });
  }
  void Do(Operation operation) { ASSERT_TRUE(store_->ApplyAndWait({std::move(operation)}).ok()); }
  std::string Cached(const CustomerRef& ref) { return TextOf(**views_->Get(ref)); }
  std::string Read(const CustomerRef& ref) {
    const std::optional<CustomerId> customer = store_->FindCustomer(ref);
    return customer ? TextOf(**views_->Load(store_->Root(*customer))) : TextOf({});
  }
  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<CustomerViews> views_;
  StoreChanges last_;
};

Operation RandomOperation(Random& random, int message) {
  const CustomerRef who = random.Below(2) == 0 ? User(random.Below(3)) : Visitor(random.Below(3));
  switch (random.Below(12)) {
    case 0: return LinkCustomers{Visitor(random.Below(3)), User(random.Below(3)), kNow};
    case 1: return UnlinkCustomer{Visitor(random.Below(3))};
    case 2: return SetPersonalization{who, random.Below(2) == 0 ? Personalization::kOff : Personalization::kOn, kNow};
    case 3: {
      UpdateProfile update{who, kNow, "Europe/Rome", {}, {}, {}, {}};
      update.traits["age"] = static_cast<double>(random.Below(90));
      return update;
    }
    case 4: return PruneEvents{CustomerId{1 + random.Below(6)}, Timestamp{kNow.ms + (random.Below(2) == 0 ? 1 : -1)}};
    case 5: return EventOf(who, std::to_string(message), EventType::kSearched, {});
    default: break;
  }
  std::vector<std::string> items;
  for (uint64_t n = 1 + random.Below(3); n > 0; --n) items.push_back("item-" + std::to_string(random.Below(8)));
  constexpr EventType kTypes[] = {EventType::kViewed, EventType::kOrdered, EventType::kRefunded, EventType::kClicked};
  // Some messages come twice.
  return EventOf(who, std::to_string(message - static_cast<int>(random.Below(2))), kTypes[random.Below(4)], items);
}

// Broken twins, each seen to fail here: members of a link that are not read anew; an item set that is not added.
TEST_F(CustomerViewsTest, AreAlwaysWhatTheStoreSays) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    for (int i = 0; i < 120; ++i) {
      Do(RandomOperation(random, static_cast<int>(seed) * 1000 + i));
      if (random.Below(3) == 0) continue;  // several changes between two questions
      const uint64_t n = random.Below(3);
      for (const CustomerRef& ref : {User(n), Visitor(n)}) ASSERT_EQ(Cached(ref), Read(ref)) << seed << " " << i;
    }
  }
  EXPECT_GT(views_->counters().hits, 100u);
}

TEST_F(CustomerViewsTest, AnEventIsAddedToTheViewThatIsThere) {
  Do(EventOf(User(1), "a", EventType::kViewed, {"tea"}));
  const auto first = *views_->Get(User(1));
  EXPECT_EQ(*views_->Get(User(1)), first);
  Do(EventOf(User(1), "b", EventType::kViewed, {"pot", "cup"}));
  const auto second = *views_->Get(User(1));
  EXPECT_EQ(first->history.size(), 1u) << "who holds the old one goes on with it";
  EXPECT_EQ(second->history.size(), 3u);
  EXPECT_EQ(*views_->Get(User(1)), second) << "one view for all";
  EXPECT_EQ(views_->counters().misses, 1u);
}

// What nobody else holds is taken on, not copied; the object is another, as whoever remembers the old one expects.
// Broken twins: a view that is taken although somebody holds it (the test above), or that stays the same object.
TEST_F(CustomerViewsTest, AHistoryThatNobodyHoldsIsNotCopied) {
  Do(EventOf(User(1), "a", EventType::kViewed, {"tea"}));
  (void)*views_->Get(User(1));
  Do(EventOf(User(1), "makes room", EventType::kViewed, {"tea"}));
  const HistoryEntry* lines = (*views_->Get(User(1)))->history.data();
  std::weak_ptr<const CustomerView> old = *views_->Get(User(1));
  Do(EventOf(User(1), "b", EventType::kViewed, {"pot", "cup"}));
  const auto view = *views_->Get(User(1));
  EXPECT_EQ(view->history.data(), lines);
  EXPECT_EQ(view->history.size(), 4u);
  EXPECT_NE(old.lock(), view);
  for (int i = 0; i < 300; ++i) {  // and past the room that there was
    Do(EventOf(User(2), std::to_string(i), EventType::kOrdered, {"item-" + std::to_string(i % 9)}));
    ASSERT_EQ(Cached(User(2)), Read(User(2)));
  }
}

// A view that was read between a commit and its Apply holds the commit's events. Broken twin: without the look at the
// last event's id the order counts twice.
TEST_F(CustomerViewsTest, WhatIsThereAlreadyIsNotAddedAgain) {
  Do(EventOf(User(1), "a", EventType::kOrdered, {"tea"}));
  const auto before = *views_->Get(User(1));
  ASSERT_EQ(last_.appended.size(), 1u);
  views_->Apply(last_);
  EXPECT_EQ(Cached(User(1)), TextOf(*before));
  EXPECT_EQ((*views_->Get(User(1)))->items[0].owned, 2);
}

TEST_F(CustomerViewsTest, ALongHistoryIsReadAnew) {
  std::vector<Operation> operations;
  for (size_t i = 0; i < limits::kHistoryEventsMax - 1; ++i) {
    operations.push_back(EventOf(User(1), std::to_string(i), EventType::kViewed, {"item-" + std::to_string(i % 50)}));
  }
  ASSERT_TRUE(store_->ApplyAndWait(std::move(operations)).ok());
  for (int i = 0; i < 4; ++i) {
    Do(EventOf(User(1), "more-" + std::to_string(i), EventType::kViewed, {"new-" + std::to_string(i)}));
    ASSERT_EQ(Cached(User(1)), Read(User(1)));
  }
  EXPECT_EQ((*views_->Get(User(1)))->history.size(), limits::kHistoryEventsMax);
  std::vector<Operation> many;  // and so is one with many events that nobody asked for
  for (int i = 0; i < 300; ++i) many.push_back(EventOf(User(2), std::to_string(i), EventType::kViewed, {"tea"}));
  Do(EventOf(User(2), "first", EventType::kViewed, {"tea"}));
  ASSERT_EQ(Cached(User(2)), Read(User(2)));
  ASSERT_TRUE(store_->ApplyAndWait(std::move(many)).ok());
  EXPECT_EQ(Cached(User(2)), Read(User(2)));
}

// While one writes, others ask: every view has a beginning of the events, whole and in order, and never fewer than were
// acknowledged before it was asked for.
TEST_F(CustomerViewsTest, ReadersBesideAWriterSeeEveryAcknowledgedEventOnce) {
  constexpr int kEvents = 400;
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      for (int before = 0; before < kEvents;) {
        before = acknowledged.load();
        const auto view = *views_->Get(User(1));
        ASSERT_GE(static_cast<int>(view->history.size()), before);
        int64_t owned = 0;
        for (const ItemSetEntry& entry : view->items) owned += entry.owned;
        ASSERT_EQ(owned, 2 * static_cast<int64_t>(view->history.size()));
        for (size_t i = 1; i < view->history.size(); ++i) {
          ASSERT_LT(view->history[i - 1].event, view->history[i].event);
        }
      }
    });
  }
  for (int i = 0; i < kEvents; ++i) {
    Do(EventOf(User(1), std::to_string(i), EventType::kOrdered, {"item-" + std::to_string(i % 9)}));
    acknowledged.store(i + 1);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(Cached(User(1)), Read(User(1)));
}

}  // namespace
}  // namespace rapport

// Capacity of an hour: exact while many decide at once, and each contact is counted once on its way to the disk.
#include "engine/contact/capacity.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <thread>

#include "base/temp_folder.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'772'366'400'000};  // 2026-03-01T12:00:00Z

class CapacityTest : public ::testing::Test {
 protected:
  CapacityTest() {
    store_ = Store::Open(folder_.path(), StoreOptions{.durability = Durability::kNoSync}).Take();
    desk_ = std::make_unique<CapacityDesk>(*store_);
    settings_.channels.clear();
    settings_.channels.push_back({.name = "email", .capacity_per_hour = 2});
    settings_.channels.push_back({.name = "visit", .at_place = true});
    settings_.places.push_back({.name = "Bern", .capacity_per_hour = 1});
    settings_.places.push_back({.name = "Zurich"});
  }
  static Contact Email(const std::string& id) { return Of(id, "email", ""); }
  static Contact Of(const std::string& id, const std::string& channel, const std::string& place) {
    Contact contact;
    contact.id = id;
    contact.channel = channel;
    contact.place = place;
    contact.time = kNow;
    return contact;
  }
  // Decision and planned contact in one write, as decisions are kept.
  void Keep(const Contact& contact, const std::string& user = "u") {
    PutDecision put;
    put.decision = {contact.id, CustomerId{1}, kNow, 1, "{}"};
    AppendEvent planned;
    planned.customer = {CustomerNamespace::kUser, user};
    planned.event.type = EventType::kContactPlanned;
    planned.event.message_id = planned.event.order_id = contact.id;
    planned.event.time = planned.event.received_at = kNow;
    planned.event.channel = contact.channel;
    planned.event.store_id = contact.place;
    planned.event.contact.at = contact.time;
    ASSERT_TRUE(store_->ApplyAndWait({put, planned}).ok());
  }
  uint64_t Used() const { return desk_->Used(PlannedOf::kChannel, "email", HourNumber(kNow), 1)[0]; }
  bool Take(const Contact& contact) { return desk_->Reserve(settings_, contact) == CapacityDesk::Full::kNone; }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  ContactSettings settings_;
  std::unique_ptr<CapacityDesk> desk_;
};

TEST_F(CapacityTest, AContactCountsOnceBeforeDuringAndAfterItsWrite) {
  EXPECT_TRUE(Take(Email("a")));
  EXPECT_EQ(Used(), 1u);
  Keep(Email("a"));
  EXPECT_EQ(Used(), 1u);
  // Broken twin: stored and reserved added up would call the hour full with one contact in it.
  EXPECT_EQ(store_->PlannedByHour(PlannedOf::kChannel, "email", HourNumber(kNow), 1)[0] + 1, 2u);
  EXPECT_TRUE(Take(Email("b")));
  desk_->Settle("a");
  EXPECT_EQ(Used(), 2u);
  // Broken twin: who looks at the store only sees room for one more, and two send at the last place.
  EXPECT_LT(store_->PlannedByHour(PlannedOf::kChannel, "email", HourNumber(kNow), 1)[0], 2u);
  EXPECT_FALSE(Take(Email("c")));
  desk_->Settle("b");  // its write has failed: what it held is free again
  EXPECT_EQ(Used(), 1u);
  EXPECT_TRUE(Take(Email("c")));
  desk_->Settle("c");
  desk_->Settle("c");
  desk_->Settle("never heard of");
  EXPECT_EQ(Used(), 1u);
}

TEST_F(CapacityTest, APlaceHasACapacityOfItsOwnAndAFullOneTakesNothing) {
  EXPECT_TRUE(Take(Of("a", "visit", "Bern")));
  EXPECT_EQ(desk_->Reserve(settings_, Of("b", "visit", "Bern")), CapacityDesk::Full::kPlace);
  EXPECT_TRUE(Take(Of("c", "visit", "Zurich")));  // no capacity: no limit
  settings_.channels[1].capacity_per_hour = 1;
  Contact later = Of("d", "visit", "Bern");
  EXPECT_EQ(desk_->Reserve(settings_, later), CapacityDesk::Full::kPlace) << "the channel has room";
  EXPECT_EQ(desk_->Used(PlannedOf::kChannel, "visit", HourNumber(kNow), 1)[0], 0u) << "and none of it was taken";
  later.time.ms += kHourMs;
  EXPECT_TRUE(Take(later));
  EXPECT_EQ(desk_->Reserve(settings_,
                           [&] {
                             Contact one_more = Of("e", "visit", "Zurich");
                             one_more.time = later.time;
                             return one_more;
                           }()),
            CapacityDesk::Full::kChannel);
  EXPECT_EQ(desk_->Used(PlannedOf::kPlace, "Bern", HourNumber(kNow), 2), (std::vector<uint64_t>{1, 1}));
}

// A team's minutes are shared by its channels, in each hour.
TEST_F(CapacityTest, AgentsShareTheirMinutesAmongChannels) {
  settings_.channels.clear();
  settings_.channels.push_back({.name = "call"});
  settings_.channels.push_back({.name = "chat", .capacity_per_hour = 3});
  settings_.limits.agents = {{"desk", 10, {{"call", 4}, {"chat", 1.5}}}};
  const auto left = [&](size_t channel) {
    return desk_->Left(settings_, settings_.channels[channel], HourNumber(kNow), 2);
  };
  EXPECT_EQ(left(0), (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(left(1), (std::vector<uint64_t>{3, 3})) << "its own capacity is less than the minutes";
  EXPECT_TRUE(Take(Of("a", "call", "")));
  Keep(Of("a", "call", ""));
  desk_->Settle("a");
  EXPECT_TRUE(Take(Of("b", "chat", "")));
  EXPECT_EQ(left(0), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(left(1), (std::vector<uint64_t>{2, 3}));
  EXPECT_TRUE(Take(Of("c", "call", "")));
  EXPECT_EQ(left(0), (std::vector<uint64_t>{0, 2}));
  EXPECT_EQ(left(1), (std::vector<uint64_t>{0, 3})) << "half a minute is left";
  EXPECT_EQ(desk_->Reserve(settings_, Of("d", "chat", "")), CapacityDesk::Full::kChannel);
  // Broken twin: who counts the channel's own contacts alone takes one more.
  EXPECT_LT(desk_->Used(PlannedOf::kChannel, "chat", HourNumber(kNow), 1)[0], settings_.channels[1].capacity_per_hour);
  desk_->Settle("c");  // not written after all
  EXPECT_TRUE(Take(Of("d", "chat", "")));
  EXPECT_TRUE(desk_->Left(settings_, {.name = "post"}, HourNumber(kNow), 1).empty()) << "any number";
}

TEST_F(CapacityTest, ManyAtTheLastMinutesTakeThemOnce) {
  settings_.channels.clear();
  settings_.channels.push_back({.name = "call"});
  settings_.channels.push_back({.name = "chat"});
  settings_.limits.agents = {{"desk", 60, {{"call", 4}, {"chat", 1.5}}}};
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int n = next++; n < 200; n = next++) {
        const Contact contact = Of("race-" + std::to_string(n), n % 2 == 0 ? "call" : "chat", "");
        if (!Take(contact)) continue;
        if (n % 5 != 0) Keep(contact, "user-" + std::to_string(t));
        desk_->Settle(contact.id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int n = 0; Take(Of("more-" + std::to_string(n), "chat", "")); ++n) ASSERT_LT(n, 60);
  const uint64_t calls = desk_->Used(PlannedOf::kChannel, "call", HourNumber(kNow), 1)[0];
  const uint64_t chats = desk_->Used(PlannedOf::kChannel, "chat", HourNumber(kNow), 1)[0];
  const double minutes = 4.0 * static_cast<double>(calls) + 1.5 * static_cast<double>(chats);
  EXPECT_LE(minutes, 60);
  EXPECT_GT(minutes, 58.5);
}

// Writes that succeed and writes that fail, from several threads: never above the capacity.
TEST_F(CapacityTest, ManyAtTheLastPlaceTakeItOnce) {
  settings_.channels[0].capacity_per_hour = 37;
  std::atomic<int> next{0};
  std::atomic<uint64_t> kept{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int n = next++; n < 300; n = next++) {
        const std::string id = "race-" + std::to_string(n);
        if (!Take(Email(id))) continue;
        EXPECT_LE(Used(), 37u);
        if (n % 5 != 0) {
          Keep(Email(id), "user-" + std::to_string(t));
          ++kept;
        }
        desk_->Settle(id);
        EXPECT_LE(Used(), 37u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(kept, 37u);
  EXPECT_EQ(Used(), kept);
  // Where failed writes held the last places while the others asked, these are free again.
  for (int n = 0; Take(Email("more-" + std::to_string(n))); ++n) {
    ASSERT_LT(n, 40);
  }
  EXPECT_EQ(Used(), 37u);
}

// Four at the last place, all of whom ask before any of them writes. The broken twin asks the store alone.
TEST_F(CapacityTest, WhoLooksAtTheStoreAloneSellsTheLastPlaceFourTimes) {
  settings_.channels[0].capacity_per_hour = 1;
  const auto race = [&](int64_t hour, const std::function<bool(const Contact&)>& take) {
    std::latch all_asked(4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Contact contact = Email("at-" + std::to_string(hour) + "-" + std::to_string(t));
        contact.time.ms += hour * kHourMs;
        const bool taken = take(contact);
        all_asked.arrive_and_wait();
        if (taken) Keep(contact, "user-" + std::to_string(t));
        desk_->Settle(contact.id);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return store_->PlannedByHour(PlannedOf::kChannel, "email", HourNumber(kNow) + hour, 1)[0];
  };
  const auto broken = [&](const Contact& contact) {
    return store_->PlannedByHour(PlannedOf::kChannel, "email", HourNumber(contact.time), 1)[0] < 1;
  };
  EXPECT_EQ(race(0, [&](const Contact& contact) { return Take(contact); }), 1u);
  EXPECT_EQ(race(1, broken), 4u);
}

}  // namespace
}  // namespace rapport

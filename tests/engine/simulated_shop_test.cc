// The simulated shop: same seed same shop, and what was planted can be seen in the events.
#include "engine/learning/simulated_shop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace rapport {
namespace {

SimulatedShopOptions Small(uint64_t seed) {
  SimulatedShopOptions options;
  options.customers = 120;
  options.items = 200;
  options.days = 60;
  options.seed = seed;
  return options;
}

// Everything of the shop's log that matters, as text.
std::string Print(const SimulatedShop& shop) {
  std::string text;
  for (const SimulatedItem& item : shop.items) {
    text += item.item.external_id + item.item.title + FormatDecimal(*item.item.price) + "\n";
  }
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    for (const AppendEvent& event : SimulateCustomer(shop, u)) {
      text += event.customer.external_id + " " + std::to_string(event.event.time.ms) + " " + event.event.name;
      for (const NewLine& line : event.lines) text += " " + line.item + "x" + std::to_string(line.quantity);
      text += " " + event.event.message_id + "\n";
    }
  }
  return text;
}

SimulatedShop Make(const SimulatedShopOptions& options) {
  Result<SimulatedShop> shop = MakeSimulatedShop(options);
  EXPECT_TRUE(shop.ok()) << shop.status().message();
  return shop.Take();
}

TEST(SimulatedShopTest, SameSeedSameEventsAndAnotherSeedOthers) {
  const std::string first = Print(Make(Small(1)));
  EXPECT_GT(first.size(), 10'000u);
  EXPECT_EQ(first, Print(Make(Small(1))));
  EXPECT_NE(first, Print(Make(Small(2))));
}

TEST(SimulatedShopTest, ACustomersEventsDoNotDependOnTheNumberOfCustomers) {
  SimulatedShopOptions more = Small(1);
  more.customers = 300;
  const SimulatedShop few = Make(Small(1)), many = Make(more);
  for (size_t u = 0; u < few.customers.size(); ++u) {
    const auto a = SimulateCustomer(few, u), b = SimulateCustomer(many, u);
    ASSERT_EQ(a.size(), b.size());
    for (size_t e = 0; e < a.size(); ++e) EXPECT_EQ(a[e].event.time, b[e].event.time);
  }
}

TEST(SimulatedShopTest, EventsAreValidOrderedAndHaveUniqueIds) {
  const SimulatedShop shop = Make(Small(3));
  std::set<std::string> ids;
  size_t events = 0;
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    Timestamp last{0};
    for (const AppendEvent& event : SimulateCustomer(shop, u)) {
      EXPECT_TRUE(ids.insert(event.event.message_id).second);
      EXPECT_GE(event.event.time, last);
      EXPECT_GE(event.event.time, shop.options.start);
      EXPECT_FALSE(event.lines.empty());
      last = event.event.time;
      ++events;
    }
  }
  EXPECT_GT(events, 1000u);
}

// Views follow the true probabilities: category by category, the mean of (seen share - true share) over customers is
// small where customers have many views, and customers view what they like more than what others like.
TEST(SimulatedShopTest, PlantedTasteIsVisible) {
  SimulatedShopOptions options = Small(5);
  options.days = 365;
  const SimulatedShop shop = Make(options);
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < shop.items.size(); ++i) index_of[shop.items[i].item.external_id] = i;
  double own = 0, others = 0;
  size_t views = 0;
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    const SimulatedCustomer& somebody_else = shop.customers[(u + 1) % shop.customers.size()];
    for (const AppendEvent& event : SimulateCustomer(shop, u)) {
      if (event.event.type != EventType::kViewed) continue;
      const SimulatedItem& item = shop.items[index_of.at(event.lines[0].item)];
      own += TrueAffinity(shop.customers[u], item);
      others += TrueAffinity(somebody_else, item);
      ++views;
    }
  }
  ASSERT_GT(views, 5000u);
  EXPECT_GT(own / views, 0.8);
  EXPECT_LT(std::abs(others / views), 0.4);

  // The broken twin: a shop whose sessions ignore taste shows none.
  options.browse_focus = options.view_focus = options.add_focus = 0;
  const SimulatedShop flat = Make(options);
  own = 0, views = 0;
  for (size_t u = 0; u < flat.customers.size(); ++u) {
    for (const AppendEvent& event : SimulateCustomer(flat, u)) {
      if (event.event.type != EventType::kViewed) continue;
      own += TrueAffinity(flat.customers[u], flat.items[index_of.at(event.lines[0].item)]);
      ++views;
    }
  }
  EXPECT_LT(std::abs(own / views), 0.3);
}

TEST(SimulatedShopTest, PlantedHoursAreVisible) {
  SimulatedShopOptions options = Small(7);
  options.days = 365;
  const SimulatedShop shop = Make(options);
  double log_loss_true = 0;
  size_t sessions = 0;
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    const auto hours = TrueHourProbabilities(shop.customers[u]);
    EXPECT_NEAR(std::accumulate(hours.begin(), hours.end(), 0.0), 1.0, 1e-9);
    Timestamp last{0};
    for (const AppendEvent& event : SimulateCustomer(shop, u)) {
      if (event.event.time.ms - last.ms > kHourMs) {
        log_loss_true -= std::log2(hours[HourOfWeek(event.event.time)]);
        ++sessions;
      }
      last = event.event.time;
    }
  }
  ASSERT_GT(sessions, 1000u);
  EXPECT_LT(log_loss_true / sessions, std::log2(168.0) - 0.4);  // well below knowing nothing
}

TEST(SimulatedShopTest, TrueProbabilitiesSumToOneAndRespectTheShelf) {
  const SimulatedShop shop = Make(Small(9));
  const Timestamp now{shop.options.start.ms + 10 * kDayMs};
  const SimulatedCustomer& customer = shop.customers[0];
  const std::vector<double> categories = TrueCategoryProbabilities(shop, customer);
  EXPECT_NEAR(std::accumulate(categories.begin(), categories.end(), 0.0), 1.0, 1e-9);
  for (size_t c = 0; c < categories.size(); ++c) {
    const std::vector<double> views = TrueViewProbabilities(shop, customer, c, now);
    EXPECT_NEAR(std::accumulate(views.begin(), views.end(), 0.0), 1.0, 1e-9);
    for (size_t k = 0; k < views.size(); ++k) {
      const Item& item = shop.items[shop.items_of_category[c][k]].item;
      const bool early = item.published_at && now < *item.published_at;
      const bool sold_out = item.stock && *item.stock <= 0;
      EXPECT_TRUE(views[k] == 0 || (!early && !sold_out)) << item.external_id;
    }
  }
}

TEST(SimulatedShopTest, HourOfWeekStartsOnMonday) {
  EXPECT_EQ(HourOfWeek(Timestamp{1735516800000}), 0u);        // Monday 2024-12-30 00:00
  EXPECT_EQ(HourOfWeek(Timestamp{1735516800000 - 1}), 167u);  // the millisecond before
  EXPECT_EQ(HourOfWeek(Timestamp{0}), 72u);                   // Thursday 1970-01-01 00:00
  EXPECT_EQ(HourOfWeek(Timestamp{-1}), 71u);
}

TEST(SimulatedShopTest, AbsurdSizesAreRefusedWithTheLimit) {
  SimulatedShopOptions options;
  options.customers = 0;
  EXPECT_EQ(MakeSimulatedShop(options).status().code(), StatusCode::kInvalidArgument);
  options.customers = 1;
  options.items = 2'000'000;
  EXPECT_NE(MakeSimulatedShop(options).status().message().find("1000000"), std::string::npos);
}

TEST(SimulatedShopTest, OneCustomerAndOneItemIsAShop) {
  SimulatedShopOptions options;
  options.customers = options.items = options.days = 1;
  const SimulatedShop shop = Make(options);
  EXPECT_EQ(shop.items.size(), 1u);
  (void)SimulateCustomer(shop, 0);
}

}  // namespace
}  // namespace rapport

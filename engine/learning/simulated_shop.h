// A simulated shop whose truth is known: items in categories, customers with tastes and hours, and the sessions in
// which they view, add and order. It feeds `make run` and tests; because every probability behind it is a plain
// function below, it is also a ruler: what a model learned can be held against what is true.
//
//   affinity(u, i)        a = <taste_u, traits_i>, both in R^8, scaled so that a ~ N(0, 1) over random pairs
//   category of a browse  P(c | u)    = softmax_c(browse_focus x <taste_u, centre_c>)
//   item viewed           P(i | u, c) ~ appeal_i x exp(view_focus x a(u, i)) over the items of c on sale at that time
//   added when viewed     P(+ | u, i) = sigmoid(add_intercept + add_focus x a(u, i))
//   hour of a session     P(h | u)    over the 168 hours of a week (Monday 00:00 is 0), on the clock of the profile's
//   time
//                                     zone (UTC unless there are contacts): one of four daily rhythms
//   sessions              a Poisson process, rate_u sessions a day, thinned by P(h | u)
//
// Everything is pure and seeded: the same options give the same shop and the same events on every run (and on every
// machine whose math library rounds exp, log and cos alike), and one customer's events do not depend on how many other
// customers there are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/operations.h"
#include "data/records.h"

namespace rapport {

inline constexpr size_t kTasteFactors = 8;

struct SimulatedShopOptions {
  size_t customers = 2000;
  size_t items = 1000;
  size_t days = 120;
  uint64_t seed = 1;
  Timestamp start{1735516800000};  // 2024-12-30T00:00:00Z, a Monday; never the wall clock: same seed, same bytes
  size_t categories = 20;          // fewer when there are fewer items
  double browse_focus = 1.5;       // how strongly taste picks the category
  double view_focus = 1.0;         // how strongly taste picks the item inside it
  double add_intercept = -2.2;     // about one view in ten is added at affinity 0
  double add_focus = 0.8;
  double order_probability = 0.6;    // a session with something in the cart ends in an order
  double refund_probability = 0.04;  // an order comes back, whole, within two weeks
  double rebuy_probability = 0.35;   // a session of somebody who owns consumables begins with one of them
  double anonymous_share = 0.15;     // visitors who never say who they are
};

using TasteVector = std::array<double, kTasteFactors>;

struct SimulatedItem {
  Item item;  // as the shop would put it; `id` is not set
  size_t category = 0;
  TasteVector traits{};
  double appeal = 1;        // popularity that has nothing to do with taste
  bool consumable = false;  // bought again and again
};

struct SimulatedCustomer {
  Profile profile;  // `id` is not set
  TasteVector taste{};
  size_t rhythm = 0;  // which of the daily rhythms
  double sessions_per_day = 0;
  double hour_shift = 0;  // hours later than the rhythm, -2..2
};

struct SimulatedShop {
  SimulatedShopOptions options;
  std::vector<std::string> categories;  // names
  std::vector<TasteVector> category_centres;
  std::vector<std::vector<size_t>> items_of_category;
  std::vector<SimulatedItem> items;
  std::vector<SimulatedCustomer> customers;
};

// kInvalidArgument, with what to change, for zero or absurd sizes (more than 10 million customers, 1 million items,
// 3660 days).
Result<SimulatedShop> MakeSimulatedShop(const SimulatedShopOptions& options);

// All events of one customer, ascending by time; `received_at` equals `time`. Message ids are unique in the shop.
std::vector<AppendEvent> SimulateCustomer(const SimulatedShop& shop, size_t customer);

// ---- the truth ----------------------------------------------------------------------------------------------------

double TrueAffinity(const SimulatedCustomer& customer, const SimulatedItem& item);
// One probability per category; sums to 1.
std::vector<double> TrueCategoryProbabilities(const SimulatedShop& shop, const SimulatedCustomer& customer);
// One probability per item of `category` (order of items_of_category), 0 for what is not on sale at `now`; sums to 1
// unless nothing is.
std::vector<double> TrueViewProbabilities(const SimulatedShop& shop, const SimulatedCustomer& customer, size_t category,
                                          Timestamp now);
double TrueAddProbability(const SimulatedShopOptions& options, const SimulatedCustomer& customer,
                          const SimulatedItem& item);
// Sums to 1 over the 168 hours.
std::array<double, kHoursOfWeek> TrueHourProbabilities(const SimulatedCustomer& customer);

}  // namespace rapport

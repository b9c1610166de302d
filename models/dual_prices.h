// Prices of shared limits: the dual of "choose one arm per customer, at most worth, within all limits".
//
//   D(l) = sum_k l_k most_k + sum_u max(0, max_j value_uj - sum_k l_k a_kj),  l >= 0
//   D(l) >= the value of every plan that keeps the limits (weak duality), whatever l is.
//
// D is convex; its slope is most_k - use_k(l), use being what the customers' best arms take. Over many customers D
// bends smoothly, and how much is seen from customers who nearly chose otherwise:
//
//   H = sum_u K_w(worth(best) - worth(runner-up)) (a(best) - a(runner-up)) (a(best) - a(runner-up))^T
//   K_w(d) = max(0, 1 - d / w) / w, w a quantile of the differences
//
// so that a damped Newton step (Levenberg: H + mu diag H, mu down when D falls, up when not; prices clipped at 0) moves
// hundreds of prices at once. The first steps look at a sample of the customers, the last at all of them. Where
// customers are alike (one curve over the hours, and limits by the hour) D does not bend but has edges:
// price_rehearsal.h. Source: docs/MODELS.md "Allocation".
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/arm_search.h"

namespace rapport {

struct PricingOptions {
  uint64_t seed = 1;         // of the sample
  int approach_steps = 400;  // small groups that bring the prices near
  uint32_t approach_customers = 512;
  double approach_rate = 0.3;
  uint32_t sample_customers = 16'384;        // of the first stage; each next one looks at eight times as many
  uint32_t sample_customers_per_limit = 64;  // the first stage looks at no fewer
  int sample_steps_max = 40;                 // of the first stage
  int next_steps_max = 8;                    // of the stages between
  int last_steps_max = 5;                    // over all customers
  double sample_gain_min = 5e-5;             // a stage ends when a step lowers D by less than this share, twice
  double unbalanced_min = 1e-4;  // the last stage ends when sum_k l_k |use_k - most_k| is below this share of D
  // Where limits tell hours apart: prices by price_rehearsal.h instead, with the draw keeping the pace (plan_draw.h).
  bool rehearse = true;
  uint32_t rehearse_customers_min = 8'192;  // fewer have too few turns
  int threads = 0;                          // 0: all cores; the same bits on any number
};

// What the customers would choose at given prices, without limits.
struct PricedDemand {
  double dual = 0;            // D, money
  std::vector<int64_t> used;  // by limit, units
  std::vector<Arm> best;      // by customer of the sample
  uint64_t opened_pairs = 0;
};

struct DualPrices {
  std::vector<double> prices;  // by limit, money per unit, >= 0
  double dual_bound = 0;       // the least D seen over all customers: no plan earns more
  int steps = 0, full_passes = 0;
  bool rehearsed = false;     // by price_rehearsal.h: without bends
  std::vector<Arm> best;      // by customer, at these prices and without limits
  std::vector<double> bends;  // (limits, limits) H over all customers, with its floors: -d used / d price
};

// REQUIRES a source for `customers`, and limits made for `shape`. Deterministic for any number of threads.
DualPrices FindPrices(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
                      const PricingOptions& options);

// One look at all customers. REQUIRES prices of limits.size(), each >= 0.
PricedDemand DemandAt(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
                      std::span<const double> prices, int threads);

}  // namespace rapport

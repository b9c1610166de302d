// What another policy would have earned, from what this one did: off-policy estimators with intervals by customer.
//   w_i = target_i / propensity_i             for the action that was logged in decision i, n decisions in all
//   IPS       sum w r / n                     Horvitz and Thompson 1952
//   SNIPS     sum w r / sum w                 Swaminathan and Joachims 2015
//   DR        sum [w (r - q) + v] / n         Dudik, Langford and Li 2011
//   Switch-DR sum [w 1(w <= t) (r - q) + v] / n          Wang, Agarwal and Dudik 2017
// q: a reward model's value of the logged action, v: its expected value under the target. The model must not have
// learned from the decision it speaks of (cross-fitting); it may be wrong, DR stays unbiased.
//
// Threshold t: the one of a grid of the weights' quantiles, and none, that minimises variance(t) + bound(t)^2,
//   bound(t) = mean of w 1(w > t) x largest |r - q|         (as Wang et al., with the residual's range for the
//   reward's)
// The interval is widened by the bound. Above the floor of effective sample size it hardly ever leaves DR: a bound that
// knows nothing of the model gives up weights only where less than about one decision carries them.
//
// Intervals, 95 %: every estimator is a ratio of sums over customers (clusters) c, sum a_c / sum b_c = theta;
//   l_c = a_c - theta b_c,  se^2 = C / (C - 1) sum l_c^2 / (sum b_c)^2,  g = skewness of l_c
//   theta - se sqrt(C) h(+-1.96 / sqrt(C)),  h(x) = 3 / g [(1 + g (x - g / (6 C)))^(1/3) - 1]
// which is Hall's transformation (Hall 1992, On the removal of skewness by transformation): rare rewards and large
// weights skew what an interval of +-1.96 se misses to one side. Where h makes a side shorter than 1.96 se it is
// followed half of the way: with heavy tails g is itself the word of a few customers.
//
// Shared limits (a budget, an agent, a stock) make customers interfere; no estimator here sees that. Randomise by
// customer, or read the answer as for the limits' prices of the logged time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace rapport {

enum class OffPolicyEstimator : uint8_t { kIps, kSnips, kDr, kSwitchDr };
inline constexpr size_t kOffPolicyEstimators = 4;
const char* OffPolicyEstimatorName(OffPolicyEstimator estimator);  // "IPS", "SNIPS", "DR", "Switch-DR"

// One entry per decision. Views: the caller owns everything.
struct LoggedDecisions {
  std::span<const double> reward;          // finite
  std::span<const double> propensity;      // of the logged action when it was drawn, above 0, at most 1
  std::span<const double> target;          // the target's probability of the logged action, 0..1
  std::span<const double> model_chosen;    // q, finite; empty together with v: no DR and no Switch-DR
  std::span<const double> model_expected;  // v, finite
  std::span<const uint32_t> customer;      // any number per customer, in any order
  std::span<const double> unsupported;  // the target's mass on actions whose propensity was 0, 0..1; empty: not known
};

struct OffPolicyOptions {
  double effective_least = 200;    // decisions; below it no answer: coverage was seen to fall (docs/JUDGING.md)
  size_t customers_least = 50;     // an interval by customer needs some
  size_t rewarded_least = 10;      // customers with a reward other than 0
  double unsupported_most = 1e-6;  // of the target's mass; what lies there no log can tell
  double switch_threshold = 0;     // Switch-DR's t; 0: chosen from the data
};

struct ValueInterval {
  double value = 0, standard_error = 0, lower = 0, upper = 0;
};

struct OffPolicyEstimate {
  bool computed = false;
  ValueInterval value;  // reward per decision under the target
  ValueInterval gain;   // less what was logged, from the same customers
};

struct OffPolicyReport {
  std::array<OffPolicyEstimate, kOffPolicyEstimators> estimates;
  ValueInterval logged;  // reward per decision as it happened
  ValueInterval weight;  // mean of w: 1 within its interval when propensities and support are right
  size_t decisions = 0, customers = 0, rewarded_customers = 0;
  double effective_decisions = 0;  // (sum w)^2 / sum w^2, Kish 1965
  double weight_largest = 0;
  double unsupported = 0;  // mean over decisions; 0 when not known
  double switch_threshold = 0, switch_bias_bound = 0;

  const OffPolicyEstimate& of(OffPolicyEstimator estimator) const { return estimates[static_cast<size_t>(estimator)]; }
};

// One thread, O(decisions x log(decisions)). kInvalidArgument, naming the decision, for propensities of 0, numbers that
// are not finite, probabilities outside 0..1 and lengths that disagree. kFailedPrecondition, saying how much of the
// target's mass has no support, when there is too little to answer: see OffPolicyOptions, and when the weights' mean is
// so far from 1 (5 standard errors and .05) that propensities or support must be wrong.
Result<OffPolicyReport> EstimateOffPolicy(const LoggedDecisions& log, const OffPolicyOptions& options);

// theta = sum a / sum b over clusters with the interval above. REQUIRES equal sizes, two clusters or more, sum b not 0.
ValueInterval RatioInterval(std::span<const double> a, std::span<const double> b);

}  // namespace rapport

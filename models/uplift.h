// Whom to send which: what an arm (a mail, a call) adds to the response of this customer, learned from randomised data
// and judged on it.
//   effect_k(x) = P(response | x, arm k) - P(response | x, nothing)             arm 0 is nothing
//   two models: one logistic regression per arm and one for nothing, ridge r on every column
//   shared    : one logistic regression over all, log odds = m + b . x + a_k + (c + d_k) . x for arm k,
//               ridge r on b, ridge s on c and d: what an arm does differently from customer to customer is small
//               beside what customers are, and has to earn its place
// r and s are those of a grid with the least log loss on inner folds.
//
// Qini curve for several arms (Radcliffe 2007; Sverdrup, Wu, Athey and Wager 2023): customers in falling order of their
// best arm's effect, the best arm k(x) sent to the first share t of them; p_k is the arm's share by randomisation,
//   Q(t) = 1/n sum over the first t n of g_i,   g_i = (y_i - mean y) [1(arm_i = k(x_i)) / p_k - 1(arm_i = 0) / p_0]
//   coefficient       = area of Q - area of the line from (0, 0) to (1, Q(1))          are the right ones first?
//   over the best arm = area of Q - area under sending, in random order, the single arm that did best in these data
// Source: docs/JUDGING.md "Uplift". Only randomised data can answer; where shares differ from what was promised,
// nothing is answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/logistic_regression.h"
#include "models/metrics.h"

namespace rapport {

inline constexpr size_t kUpliftArmsMax = 64;

// Views: the caller owns everything.
struct UpliftData {
  size_t columns = 0;
  std::span<const double> features;    // (customers, columns) row major, finite; any scale
  std::span<const uint8_t> arm;        // (customers), 0 for nothing
  std::span<const double> outcome;     // (customers), 0..1
  std::span<const double> arm_shares;  // (arms) by which arms were drawn, above 0, summing to 1
};

enum class UpliftKind : uint8_t { kTwoModels, kShared };

struct UpliftOptions {
  std::vector<double> ridges{1, 10, 100, 1000};                             // r
  std::vector<double> effect_ridges{30, 100, 300, 1000, 3000, 10000, 1e6};  // s, of the shared model
  uint32_t inner_folds = 3;                                                 // for r and s
  uint32_t folds = 5;                                                       // for CrossFitUplift
  uint64_t seed = 1;                                                        // of the folds
  int threads = 0;
};

// What either kind comes to: per arm one logistic regression on the features as they were given. Plain value.
struct UpliftModel {
  std::vector<LogisticModel> arms;
  double ridge = 0, effect_ridge = 0;  // as chosen; effect_ridge 0 for two models

  // effects[k - 1] = effect_k(x) for k = 1..arms - 1. REQUIRES fitting sizes.
  void Effects(std::span<const double> features, std::span<double> effects) const;
};

// kInvalidArgument for shapes that disagree and numbers out of range; kFailedPrecondition when an arm has nobody or its
// number of customers is further than 5 standard errors from its share (the data are not randomised as said). The same
// bits on every thread count.
Result<UpliftModel> FitUplift(const UpliftData& data, UpliftKind kind, const UpliftOptions& options);
// (customers, arms - 1): every customer's effects by a model that was fitted, ridges and all, without their fold.
Result<std::vector<double>> CrossFitUplift(const UpliftData& data, UpliftKind kind, const UpliftOptions& options);

struct QiniOptions {
  int resamples = 1000;
  uint64_t seed = 1;
  size_t points = 20;  // of the curve
};

struct QiniReport {
  std::vector<double> curve;  // Q at 0, 1/points, .., 1: extra responses per customer
  Interval coefficient, over_best_arm;
  size_t best_arm = 1;
  std::vector<double> sent;  // (arms) share of customers whose best arm it is; [0] 0
};

// `effects` as CrossFitUplift gives them. Percentile bootstrap over customers, the order of customers being given.
Result<QiniReport> Qini(const UpliftData& data, std::span<const double> effects, const QiniOptions& options);
// Area of Q for `a` less that for `b`, on the same resamples of customers.
Result<Interval> QiniDifference(const UpliftData& data, std::span<const double> a, std::span<const double> b,
                                const QiniOptions& options);

}  // namespace rapport

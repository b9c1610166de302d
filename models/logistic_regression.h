// Logistic regression with a ridge of its own on every column, by Newton's method (iteratively reweighted least
// squares: McCullagh and Nelder, Generalized Linear Models, 1989, 4.4):
//   minimise  F(b0, b) = - sum_i v_i [ y_i log p_i + (1 - y_i) log(1 - p_i) ]
//                        + sum_j ridge_j b_j^2 / 2 + kInterceptRidge b0^2 / 2
//   p_i = 1 / (1 + exp(-(b0 + x_i . b)))
// y may lie anywhere in 0..1: a share, or an amount scaled to its largest, is fitted by quasi-likelihood (Papke and
// Wooldridge 1996) and p is its mean. F is strictly convex when every column has a ridge: one optimum, no seed, no
// order of rows that matters beyond rounding. Dense; meant for up to a few hundred columns.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

inline constexpr size_t kLogisticColumnsMax = 2048;
// A trace, so that outcomes that are all alike have a finite answer.
inline constexpr double kInterceptRidge = 1e-4;

// Views: the caller owns everything.
struct LogisticCases {
  size_t columns = 0;
  std::span<const double> features;  // (rows, columns) row major, finite
  std::span<const double> outcomes;  // (rows), 0..1
  std::span<const double> weights;   // (rows), >= 0; empty: all 1
};

struct LogisticOptions {
  double ridge = 1;            // of every column, against a sum (not a mean) over rows
  std::vector<double> ridges;  // (columns), each >= 0; not empty: instead of `ridge`
  int steps_max = 100;
  double tolerance = 1e-9;  // on the gradient's largest element, per unit of summed weight
};

// Plain value.
struct LogisticModel {
  double intercept = 0;
  std::vector<double> weights;  // (columns)

  // REQUIRES features.size() == weights.size().
  double LogOdds(std::span<const double> features) const;
  double Probability(std::span<const double> features) const;
};

struct LogisticFit {
  LogisticModel model;
  double gradient = 0;  // largest element of F's gradient per unit of summed weight, where the fit stopped
  int steps = 0;
};

// 1 / (1 + exp(-x)) without overflow.
double Sigmoid(double x);

// One thread; O(rows x columns^2) per step, about 6 steps. kInvalidArgument for shapes that disagree, numbers that are
// not finite, outcomes outside 0..1, negative weights or ridges; kFailedPrecondition when no row has a weight, or when
// columns without ridge are collinear or separate the outcomes, so that there is no finite optimum.
Result<LogisticFit> FitLogistic(const LogisticCases& cases, const LogisticOptions& options);

// F above, and its gradient (intercept last) when `gradient` is not null.
double LogisticObjective(const LogisticCases& cases, const LogisticOptions& options, const LogisticModel& model,
                         std::vector<double>* gradient);

}  // namespace rapport

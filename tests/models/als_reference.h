// iALS again, as slowly and plainly as possible: dense double matrices, no tricks, nothing shared with models/als*.cc
// but the starting factors. What the fast solver is held to. Switches break it on purpose, to show that the comparison
// sees it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/als.h"
#include "models/interactions.h"

namespace rapport::reference {

using Matrix = std::vector<std::vector<double>>;

enum class Breakage {
  kNone,
  kUnscaledRegularization,  // l instead of l (n + a|I|)^nu
  kCountWithoutUnobserved,  // l n^nu
  kUnweightedRightSide,     // sum y instead of sum w y
  kUnobservedOnlyMissing,   // a over the unseen cells only
  // of the solvers that take steps
  kColdStart,               // conjugate gradients from zero, not from the last solution
  kUnturnedStart,           // the last solution is not turned into the new axes
  kBlockWithoutUnobserved,  // a block's gradient forgets a G x
  // of the spectral start
  kUnbalanced  // the sides keep the lengths that the first solve left
};

struct Fit {
  Matrix customers, items;
  std::vector<double> epoch_losses;
};

// With the solver that options.solver names (kAuto: exact): the same rule for short rows, everything dense. Conjugate
// gradients run in the factors' own axes, preconditioned by solving with a G + l I; blocks turn into principal axes
// found by Jacobi's method.
Fit FitAls(const Interactions& by_customer, const AlsOptions& options, Breakage breakage = Breakage::kNone);

// argmin over x for one row, given all rows of the other side.
std::vector<double> SolveRow(const Matrix& other_side, const AlsOptions& options, std::span<const uint32_t> indices,
                             std::span<const float> weights, Breakage breakage = Breakage::kNone);

double Loss(const Interactions& by_customer, const AlsOptions& options, const Matrix& customers, const Matrix& items);

// max over epochs of |loss / expected loss - 1|
double LargestLossGap(const AlsFit& fit, const Fit& expected);

Matrix ToMatrix(std::span<const float> factors, size_t columns);

}  // namespace rapport::reference

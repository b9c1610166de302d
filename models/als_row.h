// The one row solve of iALS, used by training and by fold-in:
//   (sum_S w f f^T + D) x = sum_S w f,   D = diag(a g + l_u)
// with the factors f of the other side in principal axes, so that their Gram matrix is the diagonal g.
//   primal: Cholesky of the d x d matrix.
//   dual:   with B = W^1/2 F D^-1/2 (n x d),  x = D^-1/2 B^T (I + B B^T)^-1 w^1/2   (Woodbury, exact)
// Sums and factorisation run in float, 64 rows at a time; one step of refinement, with the residual b - A x summed in
// double from the rows themselves, takes back what float lost. Where a pivot drowns in rounding, all in double.
#pragma once

#include <cstdint>
#include <span>

#include "models/als.h"

namespace rapport {

// What all rows of one side share; views, the caller owns.
struct AlsSide {
  const float* factors = nullptr;    // (rows of the other side, factors), in principal axes
  size_t factors_count = 0;          // d
  const double* diagonal = nullptr;  // a g, (factors), >= 0
};

enum class RowMethod { kAuto, kPrimal, kDual, kPrimalDouble };

// Writes d floats to `out`; zeros for no entries. False when the solution is not finite. REQUIRES shift > 0
// (l_u), weights > 0, valid indices.
bool SolveAlsRow(const AlsSide& side, double shift, std::span<const uint32_t> indices, std::span<const float> weights,
                 RowMethod method, FoldInScratch& scratch, std::span<float> out);

bool AllFinite(std::span<const float> values);
// l_u = l (n + a |other side|)^nu
double AlsShift(const AlsOptions& options, size_t entries, size_t other_side);

}  // namespace rapport

// Row solves of iALS that improve what a row had, instead of solving anew: cheaper than als_row.h where there are many
// factors. Both minimise the same quadratic, (R^T R + D) x = R^T w^1/2 with R = W^1/2 F, D = diag(a g + l_u), F in
// principal axes; x comes in as the row's last solution, turned into the same axes (scores do not change when both
// sides turn together), and leaves better. Their fixed point is the exact solution.
//
//   conjugate gradients   a fixed number of steps, preconditioned by D. In other axes D is a G + l_u I: the steps do
//   not
//                         depend on the axes, which only make its inverse free (Hestenes and Stiefel 1952; for iALS:
//                         Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit feedback
//                         collaborative filtering", RecSys 2011)
//   blocks                iALS++: for each block p of factors one Newton step on the block, x_p <- x_p - H_pp^-1 g_p,
//                         H_pp = R_p^T R_p + D_p,  -g_p = R_p^T t - D_p x_p,  t = w^1/2 - R x kept up to date
//                         (Rendle, Krichene, Zhang, Koren, "iALS++: Speeding up Matrix Factorization with Subspace
//                         Optimization", 2021, arXiv 2110.14044). In principal axes blocks meet in observed cells only.
//
// Vectors are kept in double, products with rows are summed as in kernels.h. The last conjugate step x += c p needs
// only its length c = r.D^-1 r / (sum w (f.p)^2 + p.D p), no product: half a pass over the rows less.
#pragma once

#include <cstdint>
#include <span>

#include "models/als_row.h"

namespace rapport {

// Conjugate gradients ask for rows as they lie in memory or, where the factors are no multiple of 16, for a copy of
// them, which is made for up to 16 MiB. Rows that cannot have it are solved exactly.
bool CanTakeSteps(size_t factors_count, size_t entries);

// Each takes the row's last solution in `x` (d floats) and leaves the next there. False when it is not finite; `x` is
// then undefined. REQUIRES entries, what SolveAlsRow requires, and
// for conjugate gradients CanTakeSteps.
bool ConjugateGradientSteps(const AlsSide& side, double shift, std::span<const uint32_t> indices,
                            std::span<const float> weights, int steps, FoldInScratch& scratch, std::span<float> x);
bool BlockSteps(const AlsSide& side, double shift, std::span<const uint32_t> indices, std::span<const float> weights,
                size_t block_size, FoldInScratch& scratch, std::span<float> x);

}  // namespace rapport

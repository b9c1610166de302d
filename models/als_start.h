// What training starts from: the factors of the items. Customers need none, they are solved for first.
//   kRandom    Y = N(0, init_scale / sqrt(d)) by seed
//   kSpectral  the leading d singular vectors of N = R^-1/2 W C^-1/2, W the weights, R and C their sums by customer
//              and by item, from a randomized range finder (Halko, Martinsson, Tropp, SIAM Review 2011, algorithm 4.3,
//              on N^T N):
//                Z = (N^T N)^2 S,    S random signs (columns, d) by seed
//                Z^T Z = V L V^T,    s_k = (L_k / L_1)^(1/8), since the largest singular value of N is 1
//                Y = C^1/2 Z V diag(L_k^-1/2 s_k^1/2)
//              so that C^1/2 and s^1/2 of W ~ R^1/2 U diag(s) Q^T C^1/2 stand on the items' side. Four passes over the
//              cells without a solve, about what an epoch costs: the first epoch then stands where the third to sixth
//              do from kRandom (docs/MODELS.md section 2).
// Everything is summed in a fixed order: the same bits on every thread count and processor.
#pragma once

#include <span>

#include "models/als.h"

namespace rapport {

// Writes `items` (columns, d). `customers` (rows, d) is working space and left as zeros. kInternal where weights are so
// uneven that the numbers leave the range of floats.
Status StartItems(const Interactions& by_customer, const Interactions& by_item, const AlsOptions& options,
                  std::span<float> customers, std::span<float> items);

}  // namespace rapport

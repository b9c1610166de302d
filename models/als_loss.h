// The loss of iALS (L in als.h) and its penalty, in double:
//   P = sum_u l_u |x_u|^2 + sum_i l_i |y_i|^2,   l of AlsShift
// Both are sums over blocks of rows in their order: the same bits on every thread count. AlsLoss is declared in als.h.
#pragma once

#include <span>

#include "models/als.h"

namespace rapport {

// X <- X / t, Y <- Y t with the t that makes P least, t^4 = sum_u l_u |x_u|^2 / sum_i l_i |y_i|^2. No score changes.
void BalanceSides(const Interactions& by_customer, const AlsOptions& options, std::span<float> customers,
                  std::span<float> items);

}  // namespace rapport

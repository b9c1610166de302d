// Principal axes of the factors F (rows, d) of one side: G = F^T F = V L V^T, and F <- F V.
//
// Turning both sides changes no score; it makes the Gram term of the other side's rows a diagonal. In float it costs
// half, but a factor's share along axis j is then off by a rounding error that is as large as its largest shares are,
// and where most of F lies along one axis that has not been turned to yet, this drowns a small axis. How much is known
// beforehand:
//   gain_j = a sum_k G_kk V_kj^2 / (a L_j + l)        the square of (size of the terms / size of what they add up to)
// is 1 where F lies in its axes already and where all directions weigh alike, and large in between.
#pragma once

#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

enum class Precision { kFloat, kDouble };

struct PrincipalAxes {
  size_t size = 0;             // d
  std::vector<double> basis;   // V: (d, d rounded up to 16), columns are the axes, largest first
  std::vector<double> masses;  // L: (d), >= 0
};

// G (d, d) of factors (rows, d); kFloat sums 64 rows at a time in float, the rest in double. The threads do not matter.
std::vector<double> Gram(std::span<const float> factors, size_t d, Precision precision, int threads);

// Whether off-diagonal entries are no more than what rounding of float factors leaves.
bool IsDiagonal(std::span<const double> gram, size_t d);

// kInternal where the numbers have left the range.
Result<PrincipalAxes> FindPrincipalAxes(std::span<const double> gram, size_t d);

// The largest gain_j; a = unobserved_weight, l = regularization_min > 0, what every row adds to the diagonal at least.
double RoundingGain(std::span<const double> gram, const PrincipalAxes& axes, double unobserved_weight,
                    double regularization_min);

// F <- F V.
void Turn(std::span<float> factors, const PrincipalAxes& axes, Precision precision, int threads);

}  // namespace rapport

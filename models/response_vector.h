// The customer's vector of the response head, and its fold-in: a small penalised logistic regression.
//
//   z_u = (level, channels, kinds, hours), eta = offset + x(c, kind, h) . z_u,   x = (1, e_c, e_kind, psi(h))
//   psi: twelve harmonics of the week (circular_smoothing.h);  z_u ~ N(mean_u, S)
//   mode: Newton on  sum_i w_i log(1 + exp(-(2 y_i - 1) eta_i)) + (z - mean)^T S^-1 (z - mean) / 2
// z_u holds b_u and p_u of response_model.h side by side: q_h = psi(h), r_c and s_kind pick their coordinates.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"

namespace rapport {

inline constexpr size_t kOwnHourFunctions = 12;

// psi(h). A table made once; safe from any thread.
std::span<const double, kOwnHourFunctions> OwnHour(size_t hour);

// Where the parts of z lie.
struct VectorShape {
  uint32_t channels = 1, kinds = 1;
  size_t size() const { return 1 + channels + kinds + kOwnHourFunctions; }
  size_t channel(size_t c) const { return 1 + c; }
  size_t kind(size_t k) const { return 1 + channels + k; }
  size_t hour() const { return 1 + channels + kinds; }
};

// One trial as the fold-in sees it.
struct VectorTrial {
  uint16_t hour = 0;
  uint8_t channel = 0, kind = 0;
  bool responded = false;
  double offset = 0, weight = 1;
};

double VectorScore(const VectorShape& shape, std::span<const double> z, size_t channel, size_t kind, size_t hour);

// The mode into `z` (d), from `mean` (d) and S^-1 (d, d). With `covariance` (d, d) the inverse Hessian there (Laplace).
// Without trials: the mean, exactly.
void FoldInVector(const VectorShape& shape, std::span<const VectorTrial> trials, std::span<const double> mean,
                  std::span<const double> precision, std::span<double> z, std::span<double> covariance);

// The inverse of a symmetric positive definite matrix, (d, d). False when it is not.
bool InverseOf(std::span<const double> matrix, size_t d, std::span<double> inverse);

}  // namespace rapport

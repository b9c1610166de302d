// Penalised logistic regression over sparse rows, with blocks of columns that share a prior variance and may be curves
// over the week:
//
//   minimise  sum_i w_i log(1 + exp(-(2 y_i - 1) eta_i)) + sum_j t_j^2 / (2 v_block(j)),   eta_i = o_i + x_i . (B t)
//   B  identity, or for a block of curves the hour basis of circular_smoothing.h: t are then weights of harmonics
// Newton with conjugate gradients on (B^T X^T W X B + 1/v) (diagonal preconditioner), halving a step that does not go
// down. Variances by MacKay's fixed point v = (sum t^2 + sum 1 / H_jj) / n, held within the block's bounds: nothing to
// tune. The same bits on every thread count.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "models/circular_smoothing.h"
#include "models/logistic_regression.h"  // Sigmoid

namespace rapport {

struct LogisticBlock {
  uint32_t columns = 0;              // multiples of 168 with a basis
  const HourBasis* basis = nullptr;  // nullptr: identity
  double variance = 1;
  double variance_min = 1e-4, variance_max = 4;  // equal: fixed
};

// Rows as they lie in memory; columns are those of the blocks, one block after the other.
struct BlockLogisticRows {
  std::vector<uint64_t> starts{0};  // (rows + 1)
  std::vector<uint32_t> columns;
  std::vector<float> values;
  std::vector<float> weights;      // (rows)
  std::vector<uint8_t> responded;  // (rows)
  size_t size() const { return weights.size(); }
};

struct BlockLogisticOptions {
  int newton_steps = 12;
  int variance_rounds = 3;            // 0: variances stay
  double tolerance = 1e-7;            // of the objective per row
  double conjugate_tolerance = 1e-3;  // of a Newton step's residual, as the preconditioner measures it
  int threads = 0;
};

struct BlockLogisticFit {
  std::vector<double> weights;  // (functions of all blocks): t
  std::vector<double> columns;  // (columns of all blocks): B t
  double objective = 0;
};

// `blocks` keep the variances that were found. `offsets`: (rows) or empty. `start`: t of an earlier fit, or empty.
BlockLogisticFit FitBlockLogistic(const BlockLogisticRows& rows, std::span<const float> offsets,
                                  std::vector<LogisticBlock>& blocks, std::span<const double> start,
                                  const BlockLogisticOptions& options);

// x_i . columns, without the offset.
double BlockLogisticScore(const BlockLogisticRows& rows, size_t row, std::span<const double> columns);

// log(1 + e^x) without overflow.
inline double SoftPlus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace rapport

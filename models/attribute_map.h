// From attributes to factors, so that an item without history has a factor the moment it is put:
//   map = argmin sum_i e_i |y_i - z_i map|^2 + r |map|^2 = (Z^T E Z + r I)^-1 Z^T E Y
// Z: one row an item, its attribute vector (attributes.h) and a constant 1, whose column is not regularised but for
// r / 1000; Y: the fitted factors; e_i = n_i / (n_i + 10): an item with few customers says less about its words.
//
// Solved column by column with conjugate gradients on the normal equations (Hestenes and Stiefel 1952), diagonal
// preconditioner, in double, to a residual of 1e-9: the cost follows the number of words, not their square. The same
// bits on every thread count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/attributes.h"

namespace rapport {

// (width + 1, factors) row major. `factors`: (rows, d); `evidence`: customers of each row. kInvalidArgument for shapes
// that disagree or r <= 0; kInternal when the result is not finite.
Result<std::vector<float>> FitAttributeMap(const AttributeModel& model, std::span<const float> factors, size_t d,
                                           std::span<const uint32_t> evidence, const AttributeOptions& options);

// z map, into `out` (factors). REQUIRES a map of that many factors for `model`.
void MapToFactor(const AttributeModel& model, std::span<const float> map, const SparseVector& vector,
                 std::span<float> out);

}  // namespace rapport

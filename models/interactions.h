// Sparse customer x item matrix of weights, compressed by rows (CSR), the one input of every content model.
//   row r holds columns[offsets[r] .. offsets[r+1]), ascending and unique, with weights beside them.
// Plain value; const access from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

struct Triplet {
  uint32_t row;
  uint32_t column;
  float weight;
};

struct Interactions {
  uint32_t rows = 0;
  uint32_t columns_count = 0;
  std::vector<uint64_t> offsets{0};  // (rows + 1)
  std::vector<uint32_t> columns;     // (nnz)
  std::vector<float> weights;        // (nnz), all > 0 and finite

  size_t nnz() const { return columns.size(); }
  std::span<const uint32_t> RowColumns(uint32_t row) const {
    return {columns.data() + offsets[row], columns.data() + offsets[row + 1]};
  }
  std::span<const float> RowWeights(uint32_t row) const {
    return {weights.data() + offsets[row], weights.data() + offsets[row + 1]};
  }

  // Triplets in any order; equal (row, column) are summed in input order; sums <= 0 are dropped (a refund that
  // outweighs the order). kInvalidArgument for an index out of range or a weight that is not finite.
  static Result<Interactions> FromTriplets(uint32_t rows, uint32_t columns, std::vector<Triplet> triplets);
  // The same for any number of threads (0: all cores).
  Interactions Transposed(int threads = 1) const;
};

}  // namespace rapport

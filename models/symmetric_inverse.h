// Inverse of a large symmetric positive definite matrix, in square tiles of its lower triangle, on all cores:
//   A = L L^T (blocked, right-looking), W = L^-1, A^-1 = W^T W      (Golub and Van Loan, Matrix Computations, 4.2)
// About n^3 multiplications and as many additions in float; memory 2 x (2 n^2) bytes. The same bits on every thread
// count and instruction set.
#pragma once

#include <cstddef>
#include <vector>

#include "base/status.h"

namespace rapport {

// The lower triangle of a symmetric (n, n) matrix, in (128, 128) tiles; rows beyond n are those of the unit matrix.
// One owner; const access from any thread.
class SymmetricTiles {
 public:
  static constexpr size_t kTile = 128;

  explicit SymmetricTiles(size_t n);  // all zeros, ones on the diagonal beyond n
  size_t n() const { return n_; }
  size_t tiles() const { return tiles_; }
  // Tile (row, column) with row >= column; row major.
  float* Tile(size_t row, size_t column) { return data_.data() + Offset(row, column); }
  const float* Tile(size_t row, size_t column) const { return data_.data() + Offset(row, column); }
  // Element in either triangle.
  float At(size_t i, size_t j) const { return i >= j ? *Element(i, j) : *Element(j, i); }
  // REQUIRES i >= j.
  void Add(size_t i, size_t j, float value) { data_[ElementOffset(i, j)] += value; }
  // out[j] = element (i, j) for all j < n.
  void CopyRow(size_t i, float* out) const;

 private:
  size_t Offset(size_t row, size_t column) const { return (row * (row + 1) / 2 + column) * kTile * kTile; }
  size_t ElementOffset(size_t i, size_t j) const {
    return Offset(i / kTile, j / kTile) + (i % kTile) * kTile + j % kTile;
  }
  const float* Element(size_t i, size_t j) const { return data_.data() + ElementOffset(i, j); }

  size_t n_, tiles_;
  std::vector<float> data_;
};

// In place. kInvalidArgument when the matrix is not positive definite (to float accuracy).
Status InvertSymmetric(SymmetricTiles& matrix, int threads);

}  // namespace rapport

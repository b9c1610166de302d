#include "models/symmetric_inverse.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/parallel.h"
#include "models/kernels.h"

#pragma GCC optimize("fp-contract=off")

namespace rapport {
namespace {

constexpr size_t kTileSize = SymmetricTiles::kTile;
constexpr size_t kTileFloats = kTileSize * kTileSize;
using TileBuffer = std::array<float, kTileFloats>;

namespace baseline {
#define RAPPORT_LANES 4
#define RAPPORT_COLUMNS 2
#include "models/tile_kernel_body.h"
#undef RAPPORT_LANES
#undef RAPPORT_COLUMNS
}  // namespace baseline

#ifdef RAPPORT_X86_KERNELS
#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
#define RAPPORT_LANES 8
#define RAPPORT_COLUMNS 2
#include "models/tile_kernel_body.h"
#undef RAPPORT_LANES
#undef RAPPORT_COLUMNS
}  // namespace avx2
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,prefer-vector-width=512")
namespace avx512 {
#define RAPPORT_LANES 16
#define RAPPORT_COLUMNS 4
#include "models/tile_kernel_body.h"
#undef RAPPORT_LANES
#undef RAPPORT_COLUMNS
}  // namespace avx512
#pragma GCC pop_options
#endif

using MultiplyAddFunction = void (*)(const float* a, const float* b, float* c);

MultiplyAddFunction BestMultiplyAdd() {
#ifdef RAPPORT_X86_KERNELS
  if (kernels::IsSupported(kernels::InstructionSet::kAvx512)) return avx512::MultiplyAdd;
  if (kernels::IsSupported(kernels::InstructionSet::kAvx2)) return avx2::MultiplyAdd;
#endif
  return baseline::MultiplyAdd;
}

void Transpose(const float* from, float* to) {
  for (size_t i = 0; i < kTileSize; ++i) {
    for (size_t j = 0; j < kTileSize; ++j) to[j * kTileSize + i] = from[i * kTileSize + j];
  }
}
void Negate(float* tile) {
  for (size_t i = 0; i < kTileFloats; ++i) tile[i] = -tile[i];
}

// tile <- its lower Cholesky factor (zeros above), inverse <- the factor's inverse, both through double. False when a
// pivot is not above zero.
bool FactorDiagonal(float* tile, float* inverse) {
  auto l = std::make_unique<std::array<double, kTileFloats>>();
  auto w = std::make_unique<std::array<double, kTileFloats>>();
  l->fill(0);
  w->fill(0);
  const auto at = [](auto& m, size_t i, size_t j) -> double& { return (*m)[i * kTileSize + j]; };
  for (size_t j = 0; j < kTileSize; ++j) {
    for (size_t i = j; i < kTileSize; ++i) {
      double sum = tile[i * kTileSize + j];
      for (size_t k = 0; k < j; ++k) sum -= at(l, i, k) * at(l, j, k);
      if (i == j && !(sum > 0 && std::isfinite(sum))) return false;
      at(l, i, j) = i == j ? std::sqrt(sum) : sum / at(l, j, j);
    }
  }
  for (size_t j = 0; j < kTileSize; ++j) {
    for (size_t i = j; i < kTileSize; ++i) {
      double sum = i == j ? 1.0 : 0.0;
      for (size_t k = j; k < i; ++k) sum -= at(l, i, k) * at(w, k, j);
      at(w, i, j) = sum / at(l, i, i);
    }
  }
  for (size_t i = 0; i < kTileFloats; ++i) {
    tile[i] = static_cast<float>((*l)[i]);
    inverse[i] = static_cast<float>((*w)[i]);
  }
  return true;
}

// Row i, column j <= i of the k-th cell of a lower triangle of cells, k = i (i + 1) / 2 + j.
std::pair<size_t, size_t> TriangleCell(size_t k) {
  auto i = static_cast<size_t>((std::sqrt(8.0 * static_cast<double>(k) + 1.0) - 1.0) / 2.0);
  while (i * (i + 1) / 2 > k) --i;
  while ((i + 1) * (i + 2) / 2 <= k) ++i;
  return {i, k - i * (i + 1) / 2};
}

// One inversion in the making: the matrix, the inverses of the factor's diagonal tiles, and the kernel.
class Inversion {
 public:
  Inversion(SymmetricTiles& matrix, int threads)
      : a_(matrix), threads_(threads), diagonal_inverse_(matrix.tiles() * kTileFloats) {}

  Status Run() {
    for (size_t k = 0; k < a_.tiles(); ++k) {
      if (!FactorDiagonal(a_.Tile(k, k), DiagonalInverse(k))) {
        return Status::InvalidArgument("the matrix is not positive definite: a larger regularization helps");
      }
      EliminateColumn(k);
    }
    SymmetricTiles w(a_.n());
    InvertFactor(w);
    MultiplyFactors(w);
    return Status::Ok();
  }

 private:
  float* DiagonalInverse(size_t k) { return diagonal_inverse_.data() + k * kTileFloats; }

  // L_ik = A_ik L_kk^-T for i > k, then A_ij -= L_ik L_jk^T for i >= j > k.
  void EliminateColumn(size_t k) {
    const size_t below = a_.tiles() - k - 1;
    auto inverse_transposed = std::make_unique<TileBuffer>();
    Transpose(DiagonalInverse(k), inverse_transposed->data());
    ParallelFor(below, 1, threads_, [&](size_t begin, size_t, size_t) {
      float* tile = a_.Tile(k + 1 + begin, k);
      auto product = std::make_unique<TileBuffer>();
      product->fill(0);
      multiply_add_(tile, inverse_transposed->data(), product->data());
      std::memcpy(tile, product->data(), sizeof(TileBuffer));
    });
    std::vector<float> transposed(below * kTileFloats);  // -L_jk^T
    ParallelFor(below, 1, threads_, [&](size_t begin, size_t, size_t) {
      float* to = transposed.data() + begin * kTileFloats;
      Transpose(a_.Tile(k + 1 + begin, k), to);
      Negate(to);
    });
    ParallelFor(below * (below + 1) / 2, 8, threads_, [&](size_t begin, size_t end, size_t) {
      for (size_t cell = begin; cell < end; ++cell) {
        const auto [i, j] = TriangleCell(cell);
        multiply_add_(a_.Tile(k + 1 + i, k), transposed.data() + j * kTileFloats, a_.Tile(k + 1 + i, k + 1 + j));
      }
    });
  }

  // W_ij = -L_ii^-1 sum_{j <= k < i} L_ik W_kj: columns do not touch each other.
  void InvertFactor(SymmetricTiles& w) {
    ParallelFor(a_.tiles(), 1, threads_, [&](size_t j, size_t, size_t) {
      std::memcpy(w.Tile(j, j), DiagonalInverse(j), sizeof(TileBuffer));
      auto sum = std::make_unique<TileBuffer>();
      for (size_t i = j + 1; i < a_.tiles(); ++i) {
        sum->fill(0);
        for (size_t k = j; k < i; ++k) multiply_add_(a_.Tile(i, k), w.Tile(k, j), sum->data());
        Negate(sum->data());
        std::memset(w.Tile(i, j), 0, sizeof(TileBuffer));
        multiply_add_(DiagonalInverse(i), sum->data(), w.Tile(i, j));
      }
    });
  }

  // A_ij = sum_{k >= i} W_ki^T W_kj.
  void MultiplyFactors(const SymmetricTiles& w) {
    const size_t tiles = a_.tiles();
    ParallelFor(tiles, 1, threads_, [&](size_t i, size_t, size_t) {
      std::vector<float> transposed((tiles - i) * kTileFloats);
      for (size_t k = i; k < tiles; ++k) Transpose(w.Tile(k, i), transposed.data() + (k - i) * kTileFloats);
      for (size_t j = 0; j <= i; ++j) {
        float* out = a_.Tile(i, j);
        std::memset(out, 0, sizeof(TileBuffer));
        for (size_t k = i; k < tiles; ++k) multiply_add_(transposed.data() + (k - i) * kTileFloats, w.Tile(k, j), out);
      }
    });
  }

  SymmetricTiles& a_;
  const int threads_;
  const MultiplyAddFunction multiply_add_ = BestMultiplyAdd();
  std::vector<float> diagonal_inverse_;
};

}  // namespace

SymmetricTiles::SymmetricTiles(size_t n)
    : n_(n), tiles_((n + kTile - 1) / kTile), data_(tiles_ * (tiles_ + 1) / 2 * kTile * kTile) {
  for (size_t i = n; i < tiles_ * kTile; ++i) Add(i, i, 1.0f);
}

void SymmetricTiles::CopyRow(size_t i, float* out) const {
  const size_t row = i / kTile, within = i % kTile;
  for (size_t column = 0; column < tiles_; ++column) {
    const size_t first = column * kTile, count = std::min(kTile, n_ - first);
    if (column == row) {
      for (size_t j = 0; j < count; ++j) out[first + j] = At(i, first + j);
    } else if (column < row) {
      std::memcpy(out + first, Tile(row, column) + within * kTile, count * sizeof(float));
    } else {
      const float* tile = Tile(column, row);
      for (size_t j = 0; j < count; ++j) out[first + j] = tile[j * kTile + within];
    }
  }
}

Status InvertSymmetric(SymmetricTiles& matrix, int threads) { return Inversion(matrix, threads).Run(); }

}  // namespace rapport

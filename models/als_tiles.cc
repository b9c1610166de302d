#include "models/als_tiles.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/huge_pages.h"
#include "base/parallel.h"
#include "models/kernels.h"

namespace rapport {
namespace {

constexpr size_t kTileBytes = size_t{16} << 20;
constexpr size_t kTiledBytesMin = size_t{64} << 20;
constexpr size_t kRowGrain = 64;
constexpr size_t kRowsAhead = 16;

using Vector = Eigen::Map<Eigen::VectorXd>;
using FloatVector = Eigen::Map<Eigen::VectorXf>;
using Diagonal = Eigen::Map<const Eigen::VectorXd>;

// One half-epoch. Lives for one call of TiledConjugateGradients; blocks of rows are touched by one thread at a time.
class Tiled {
 public:
  Tiled(const Interactions& rows, const AlsOptions& options, const AlsSide& side, size_t tile_rows,
        std::span<float> solved)
      : rows_(rows),
        options_(options),
        side_(side),
        tile_rows_(tile_rows),
        d_(side.factors_count),
        solved_(solved),
        rest_(rows.rows),
        next_(rows.offsets.begin(), rows.offsets.end() - 1) {
    ResizeInHugePages(residual_, solved.size());
    ResizeInHugePages(direction_, solved.size());
    if (options.conjugate_gradient_steps == 1) return;
    ResizeInHugePages(product_, solved.size());
    ResizeInHugePages(turned_, solved.size());
  }

  template <typename Values>
  auto At(Values& values, size_t r) const {
    return values.data() + r * d_;
  }
  FloatVector Floats(std::span<float> values, size_t r) const { return {At(values, r), static_cast<Eigen::Index>(d_)}; }
  Vector Doubles(std::vector<double>& values, size_t r) const { return {At(values, r), static_cast<Eigen::Index>(d_)}; }

  // D of row r.
  auto DiagonalOf(size_t r) const {
    const double shift = AlsShift(options_, rows_.RowColumns(static_cast<uint32_t>(r)).size(), rows_.columns_count);
    return Diagonal(side_.diagonal, static_cast<Eigen::Index>(d_)).array() + shift;
  }

  void Run() {
    const kernels::Kernels& kernel = kernels::BestKernels();
    Visit([&](size_t r, const uint32_t* columns, const float* weights, size_t count) {
      kernel.add_projection(side_.factors, columns, weights, count, d_, At(solved_, r), 1.0f, kRowsAhead,
                            At(residual_, r));
    });
    ForEachRow([this](size_t r) { Begin(r); });
    for (int step = 1; step < options_.conjugate_gradient_steps; ++step) {
      std::fill(product_.begin(), product_.end(), 0.0);
      Visit([&](size_t r, const uint32_t* columns, const float* weights, size_t count) {
        kernel.add_projection(side_.factors, columns, weights, count, d_, At(direction_, r), 0.0f, kRowsAhead,
                              At(product_, r));
      });
      ForEachRow([this](size_t r) { Step(r); });
    }
    std::vector<double> energies(rows_.rows);  // sum w (f.p)^2: all that the last step asks for
    Visit([&](size_t r, const uint32_t* columns, const float* weights, size_t count) {
      energies[r] +=
          kernel.projection_energy(side_.factors, columns, weights, count, d_, At(direction_, r), kRowsAhead);
    });
    ForEachRow([&](size_t r) { End(r, energies[r]); });
  }

 private:
  template <typename Body>
  void ForEachRow(const Body& body) {
    ParallelFor(rows_.rows, kRowGrain, options_.threads, [&body](size_t begin, size_t end, size_t) {
      for (size_t r = begin; r < end; ++r) body(r);
    });
  }

  // Every row's cells, tile by tile.
  template <typename Body>
  void Visit(const Body& body) {
    ForEachRow([this](size_t r) { next_[r] = rows_.offsets[r]; });
    for (size_t tile_end = tile_rows_; tile_end < rows_.columns_count + tile_rows_; tile_end += tile_rows_) {
      ForEachRow([&](size_t r) {
        const uint64_t begin = next_[r], row_end = rows_.offsets[r + 1];
        if (begin == row_end) return;
        const auto first = rows_.columns.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = rows_.columns.begin() + static_cast<std::ptrdiff_t>(row_end);
        const auto count = static_cast<size_t>(std::lower_bound(first, last, tile_end) - first);
        next_[r] = begin + count;
        if (count > 0) body(r, &*first, rows_.weights.data() + begin, count);
      });
    }
  }

  void Begin(size_t r) {
    const auto diagonal = DiagonalOf(r);
    Vector residual = Doubles(residual_, r);
    residual.array() -= diagonal * Floats(solved_, r).cast<double>().array();
    const Eigen::VectorXd turned = residual.array() / diagonal;
    rest_[r] = residual.dot(turned);
    if (!turned_.empty()) Doubles(turned_, r) = turned;
    Floats(direction_, r) = turned.cast<float>();
  }

  // x += c p, r -= c A p, and the next direction. The kernel has left -sum w (f.p) f in the product.
  void Step(size_t r) {
    if (!(rest_[r] > 0)) return;
    const auto diagonal = DiagonalOf(r);
    FloatVector direction = Floats(direction_, r);
    const Eigen::VectorXd p = direction.cast<double>();
    const Eigen::VectorXd product = diagonal * p.array() - Doubles(product_, r).array();
    const double curvature = product.dot(p);
    if (!(curvature > 0)) {  // nothing is left to gain
      rest_[r] = 0;
      return;
    }
    const double length = rest_[r] / curvature;
    FloatVector solution = Floats(solved_, r);
    solution = (solution.cast<double>() + length * p).cast<float>();
    Vector residual = Doubles(residual_, r), turned = Doubles(turned_, r);
    residual -= length * product;
    const Eigen::VectorXd preconditioned = residual.array() / diagonal;
    const double rest = residual.dot(preconditioned);
    turned = preconditioned + rest / rest_[r] * turned;
    direction = turned.cast<float>();
    rest_[r] = rest;
  }

  void End(size_t r, double energy) {
    FloatVector solution = Floats(solved_, r);
    if (rows_.RowColumns(static_cast<uint32_t>(r)).empty()) {
      solution.setZero();
      return;
    }
    if (!(rest_[r] > 0)) return;
    const Eigen::VectorXd p = Floats(direction_, r).cast<double>();
    const double curvature = energy + (DiagonalOf(r) * p.array().square()).sum();
    if (curvature > 0) solution = (solution.cast<double>() + rest_[r] / curvature * p).cast<float>();
  }

  const Interactions& rows_;
  const AlsOptions& options_;
  const AlsSide& side_;
  const size_t tile_rows_, d_;
  const std::span<float> solved_;
  std::vector<double> residual_, product_, turned_;  // (rows, d)
  std::vector<float> direction_;                     // (rows, d)
  std::vector<double> rest_;                         // r.D^-1 r; 0 where a row is done
  std::vector<uint64_t> next_;                       // the first cell that no tile has had
};

}  // namespace

size_t TileRows(size_t fixed_rows, size_t factors_count) {
  const size_t row_bytes = factors_count * sizeof(float);
  if (factors_count % 16 != 0 || fixed_rows * row_bytes < kTiledBytesMin) return 0;
  return std::max<size_t>(1, kTileBytes / row_bytes);
}

void TiledConjugateGradients(const Interactions& rows, const AlsOptions& options, const AlsSide& side, size_t tile_rows,
                             std::span<float> solved) {
  Tiled(rows, options, side, tile_rows, solved).Run();
}

}  // namespace rapport

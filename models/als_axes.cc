#include "models/als_axes.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "models/kernels.h"

namespace rapport {
namespace {

constexpr size_t kDenseGrain = 1024;  // rows summed or turned per block
// Off-diagonal entries of a Gram matrix up to this share of their diagonals are rounding of float factors.
constexpr double kAxesTolerance = 1e-6;
constexpr double kAxesNoise = 1e-12;  // the same for columns that are themselves only rounding

// matrix += the upper triangle of rows [begin, end), 64 rows at a time, padded and of type T.
template <typename T, typename Add>
void AddBlock(std::span<const float> factors, size_t d, size_t begin, size_t end, const Add& add, double* matrix) {
  constexpr size_t kChunk = 64;
  const size_t stride = kernels::RoundUp(d, 16);
  std::vector<T> rows(kChunk * stride);
  for (size_t chunk = begin; chunk < end; chunk += kChunk) {
    const size_t count = std::min(end - chunk, kChunk);
    for (size_t r = 0; r < count; ++r) {
      std::copy_n(factors.data() + (chunk + r) * d, d, rows.data() + r * stride);
    }
    add(rows.data(), count, stride, matrix);
  }
}

std::vector<double> BlockGram(std::span<const float> factors, size_t d, size_t begin, size_t end, Precision precision) {
  const size_t stride = kernels::RoundUp(d, 16);
  const kernels::Kernels& kernel = kernels::BestKernels();
  std::vector<double> matrix(stride * stride);
  if (precision == Precision::kDouble) {
    AddBlock<double>(factors, d, begin, end, kernel.add_outer_double, matrix.data());
  } else if (d == stride) {
    kernel.add_outer_wide(factors.data() + begin * d, end - begin, d, matrix.data());
  } else {
    AddBlock<float>(factors, d, begin, end, kernel.add_outer_wide, matrix.data());
  }
  return matrix;
}

}  // namespace

// Blocks are fixed and added in order.
std::vector<double> Gram(std::span<const float> factors, size_t d, Precision precision, int threads) {
  const size_t rows = factors.size() / d, stride = kernels::RoundUp(d, 16);
  std::vector<double> gram(d * d);
  // A bounded number of blocks is kept at a time: their matrices would outweigh the factors.
  constexpr size_t kBlocksAtOnce = 64;
  for (size_t first = 0; first < rows; first += kBlocksAtOnce * kDenseGrain) {
    const size_t count = std::min(rows - first, kBlocksAtOnce * kDenseGrain);
    std::vector<std::vector<double>> parts((count + kDenseGrain - 1) / kDenseGrain);
    ParallelFor(count, kDenseGrain, threads, [&](size_t begin, size_t end, size_t block) {
      parts[block] = BlockGram(factors, d, first + begin, first + end, precision);
    });
    for (const std::vector<double>& part : parts) {
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = i; j < d; ++j) gram[i * d + j] += part[i * stride + j];
      }
    }
  }
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < i; ++j) gram[i * d + j] = gram[j * d + i];
  }
  return gram;
}

bool IsDiagonal(std::span<const double> gram, size_t d) {
  double largest = 0;
  for (size_t i = 0; i < d; ++i) largest = std::max(largest, gram[i * d + i]);
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = i + 1; j < d; ++j) {
      const double allowed = kAxesTolerance * std::sqrt(gram[i * d + i] * gram[j * d + j]) + kAxesNoise * largest;
      if (!(std::abs(gram[i * d + j]) <= allowed)) return false;
    }
  }
  return true;
}

Result<PrincipalAxes> FindPrincipalAxes(std::span<const double> gram, size_t d) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto size = static_cast<Eigen::Index>(d);
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(Eigen::Map<const Matrix>(gram.data(), size, size));
  if (solver.info() != Eigen::Success || !solver.eigenvalues().allFinite()) {
    return Status::Internal("als: the factors have left the range of numbers");
  }
  const size_t stride = kernels::RoundUp(d, 16);
  PrincipalAxes axes{d, std::vector<double>(d * stride), std::vector<double>(d)};
  for (size_t k = 0; k < d; ++k) {
    const auto column = static_cast<Eigen::Index>(d - 1 - k);  // Eigen sorts ascending
    axes.masses[k] = std::max(0.0, solver.eigenvalues()(column));
    for (size_t j = 0; j < d; ++j)
      axes.basis[j * stride + k] = solver.eigenvectors()(static_cast<Eigen::Index>(j), column);
  }
  return axes;
}

double RoundingGain(std::span<const double> gram, const PrincipalAxes& axes, double unobserved_weight,
                    double regularization_min) {
  const size_t d = axes.size, stride = kernels::RoundUp(d, 16);
  std::vector<double> terms(stride);
  for (size_t k = 0; k < d; ++k) {
    for (size_t j = 0; j < d; ++j)
      terms[j] += gram[k * (d + 1)] * axes.basis[k * stride + j] * axes.basis[k * stride + j];
  }
  double gain = 0;
  for (size_t j = 0; j < d; ++j) {
    gain = std::max(gain, unobserved_weight * terms[j] / (unobserved_weight * axes.masses[j] + regularization_min));
  }
  return gain;
}

void Turn(std::span<float> factors, const PrincipalAxes& axes, Precision precision, int threads) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  const size_t d = axes.size, stride = kernels::RoundUp(d, 16);
  const std::vector<float> basis(axes.basis.begin(), axes.basis.end());
  ParallelFor(factors.size() / d, kDenseGrain, threads, [&](size_t begin, size_t end, size_t) {
    float* rows = factors.data() + begin * d;
    if (precision == Precision::kDouble) {
      kernel.rotate_rows(rows, end - begin, d, axes.basis.data(), stride);
    } else {
      kernel.rotate_rows_float(rows, end - begin, d, basis.data(), stride);
    }
  });
}

}  // namespace rapport

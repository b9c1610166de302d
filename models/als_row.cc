#include "models/als_row.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "models/kernels.h"

namespace rapport {
namespace {

// Rows summed in float before they are added to the matrix: bounds the length of a float sum.
constexpr size_t kChunkRows = 64;
// Rows whose float sums are combined in float; longer ones are combined in double.
constexpr size_t kFloatRows = 4096;
// Where one operation of the dual costs as much as one of the primal (gathering is transposed, tiles are small).
constexpr double kDualShare = 0.75;
// Below this share of its diagonal a float pivot is mostly rounding; the row is then solved in double.
constexpr float kPivotRatioMin = 4e-6f;

struct Row {
  const AlsSide& side;
  double shift;
  std::span<const uint32_t> indices;
  std::span<const float> weights;
  const float* Factor(size_t entry) const { return side.factors + size_t{indices[entry]} * side.factors_count; }
};

// The rows are spread over memory: ask for one some steps before it is read.
void Prefetch(const Row& row, size_t entry) {
  if (entry >= row.indices.size()) return;
  const float* factor = row.Factor(entry);
  for (size_t k = 0; k < row.side.factors_count; k += 16) __builtin_prefetch(factor + k);
}

// rows[i] = sqrt(w) f of the entries [begin, end), padded; vector += sum of w f.
void GatherChunk(const Row& row, size_t begin, size_t end, size_t stride, float* rows, float* vector) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  for (size_t i = begin; i < end; ++i, rows += stride) {
    Prefetch(row, i + 4);
    kernel.add_scaled(row.Factor(i), row.side.factors_count, stride, std::sqrt(row.weights[i]), rows, vector);
  }
}

// matrix = sum w f f^T (upper), vector = sum w f over the entries [begin, end).
void SumFloat(const Row& row, size_t begin, size_t end, size_t stride, FoldInScratch& scratch, float* partial) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  std::fill_n(scratch.matrix.data(), stride * stride, 0.0f);
  std::fill_n(scratch.vector.data(), stride, 0.0f);
  for (size_t chunk = begin; chunk < end; chunk += kChunkRows) {
    const size_t chunk_end = std::min(end, chunk + kChunkRows);
    std::fill_n(partial, stride, 0.0f);
    GatherChunk(row, chunk, chunk_end, stride, scratch.rows.data(), partial);
    kernel.add_outer(scratch.rows.data(), chunk_end - chunk, stride, scratch.matrix.data());
    for (size_t k = 0; k < stride; ++k) scratch.vector[k] += partial[k];
  }
}

void SumLong(const Row& row, size_t stride, FoldInScratch& scratch, float* partial) {
  scratch.wide.assign(stride * (stride + 1), 0.0);
  double* wide_vector = scratch.wide.data() + stride * stride;
  for (size_t begin = 0; begin < row.indices.size(); begin += kFloatRows) {
    SumFloat(row, begin, std::min(row.indices.size(), begin + kFloatRows), stride, scratch, partial);
    for (size_t k = 0; k < stride * stride; ++k) scratch.wide[k] += scratch.matrix[k];
    for (size_t k = 0; k < stride; ++k) wide_vector[k] += scratch.vector[k];
  }
  for (size_t k = 0; k < stride * stride; ++k) scratch.matrix[k] = static_cast<float>(scratch.wide[k]);
  for (size_t k = 0; k < stride; ++k) scratch.vector[k] = static_cast<float>(wide_vector[k]);
}

// residual = sum_S w (1 - x.f) f - D x, the gradient that is left, in float for the next solve. `x` is padded.
void PrimalResidual(const Row& row, size_t stride, const float* x, FoldInScratch& scratch, float* residual) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  const size_t n = row.indices.size(), d = row.side.factors_count;
  scratch.wide.assign(stride, 0.0);
  float errors[kChunkRows];
  for (size_t chunk = 0; chunk < n; chunk += kChunkRows) {
    const size_t count = std::min(n - chunk, kChunkRows);
    if (n > kChunkRows) GatherChunk(row, chunk, chunk + count, stride, scratch.rows.data(), residual);
    kernel.dot_rows(scratch.rows.data(), count, stride, x, errors);
    for (size_t i = 0; i < count; ++i) errors[i] = std::sqrt(row.weights[chunk + i]) - errors[i];
    kernel.add_combination(scratch.rows.data(), count, stride, errors, scratch.wide.data());
  }
  std::fill_n(residual, stride, 0.0f);
  for (size_t k = 0; k < d; ++k) {
    residual[k] = static_cast<float>(scratch.wide[k] - (row.side.diagonal[k] + row.shift) * x[k]);
  }
}

bool SolvePrimal(const Row& row, FoldInScratch& scratch, std::span<float> out) {
  const size_t d = row.side.factors_count, size = kernels::RoundUp(d, 4), stride = kernels::RoundUp(d, 16);
  scratch.matrix.resize(stride * stride);
  scratch.rows.resize(kChunkRows * stride);
  scratch.vector.resize(3 * stride);
  float* x = scratch.vector.data();
  float* spare = x + stride;
  float* residual = spare + stride;
  if (row.indices.size() > kFloatRows) {
    SumLong(row, stride, scratch, spare);
  } else {
    SumFloat(row, 0, row.indices.size(), stride, scratch, spare);
  }
  float* matrix = scratch.matrix.data();
  for (size_t k = 0; k < d; ++k) matrix[k * (stride + 1)] += static_cast<float>(row.side.diagonal[k] + row.shift);
  for (size_t k = d; k < size; ++k) matrix[k * (stride + 1)] = 1.0f;
  const kernels::Kernels& kernel = kernels::BestKernels();
  if (!kernel.cholesky(matrix, size, stride, kPivotRatioMin)) return false;
  kernel.cholesky_solve(matrix, size, stride, x, spare);
  PrimalResidual(row, stride, x, scratch, residual);
  kernel.cholesky_solve(matrix, size, stride, residual, spare);
  for (size_t k = 0; k < d; ++k) out[k] = x[k] + residual[k];
  return true;
}

// B^T (d, n) and the right side w^1/2.
void GatherTransposed(const Row& row, size_t stride, const float* inverse_root, float* transposed, float* right) {
  for (size_t i = 0; i < row.indices.size(); ++i) {
    Prefetch(row, i + 4);
    const float* factor = row.Factor(i);
    const float root = std::sqrt(row.weights[i]);
    right[i] = root;
    for (size_t k = 0; k < row.side.factors_count; ++k) transposed[k * stride + i] = root * factor[k] * inverse_root[k];
  }
}

bool SolveDual(const Row& row, FoldInScratch& scratch, std::span<float> out) {
  const size_t d = row.side.factors_count, n = row.indices.size(), size = kernels::RoundUp(n, 4),
               stride = kernels::RoundUp(n, 16);
  scratch.matrix.assign(stride * stride, 0.0f);
  scratch.rows.assign(d * stride, 0.0f);
  scratch.vector.assign(4 * stride + d, 0.0f);
  scratch.wide.assign(stride, 0.0);
  float* right = scratch.vector.data();  // w^1/2
  float* z = right + stride;             // (I + B B^T)^-1 w^1/2
  float* residual = z + stride;
  float* spare = residual + stride;
  float* inverse_root = spare + stride;  // D^-1/2
  for (size_t k = 0; k < d; ++k)
    inverse_root[k] = static_cast<float>(1.0 / std::sqrt(row.side.diagonal[k] + row.shift));
  const float* transposed = scratch.rows.data();
  GatherTransposed(row, stride, inverse_root, scratch.rows.data(), right);
  std::copy_n(right, stride, z);
  const kernels::Kernels& kernel = kernels::BestKernels();
  float* matrix = scratch.matrix.data();
  kernel.add_outer(transposed, d, stride, matrix);
  for (size_t i = 0; i < size; ++i) matrix[i * (stride + 1)] += 1.0f;
  if (!kernel.cholesky(matrix, size, stride, kPivotRatioMin)) return false;
  kernel.cholesky_solve(matrix, size, stride, z, spare);
  kernel.dot_rows(transposed, d, stride, z, out.data());  // residual = w^1/2 - z - B (B^T z)
  kernel.add_combination(transposed, d, stride, out.data(), scratch.wide.data());
  for (size_t i = 0; i < n; ++i) residual[i] = static_cast<float>(double{right[i]} - z[i] - scratch.wide[i]);
  kernel.cholesky_solve(matrix, size, stride, residual, spare);
  for (size_t i = 0; i < n; ++i) z[i] += residual[i];
  kernel.dot_rows(transposed, d, stride, z, out.data());
  for (size_t k = 0; k < d; ++k) out[k] *= inverse_root[k];
  return true;
}

// Slow and sure.
bool SolvePrimalDouble(const Row& row, std::span<float> out) {
  const auto d = static_cast<Eigen::Index>(row.side.factors_count);
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(d, d);
  Eigen::VectorXd vector = Eigen::VectorXd::Zero(d);
  for (size_t i = 0; i < row.indices.size(); ++i) {
    const Eigen::VectorXd factor = Eigen::Map<const Eigen::VectorXf>(row.Factor(i), d).cast<double>();
    const double weight = row.weights[i];
    matrix.selfadjointView<Eigen::Lower>().rankUpdate(factor, weight);
    vector += weight * factor;
  }
  for (Eigen::Index k = 0; k < d; ++k) matrix(k, k) += row.side.diagonal[k] + row.shift;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(matrix);  // reads the lower triangle
  if (cholesky.info() != Eigen::Success) return false;
  const Eigen::VectorXd solution = cholesky.solve(vector);
  for (Eigen::Index k = 0; k < d; ++k) out[static_cast<size_t>(k)] = static_cast<float>(solution(k));
  return true;
}

}  // namespace

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

double AlsShift(const AlsOptions& options, size_t entries, size_t other_side) {
  const double mass = static_cast<double>(entries) + options.unobserved_weight * static_cast<double>(other_side);
  return options.regularization * std::pow(mass, options.regularization_power);
}

bool SolveAlsRow(const AlsSide& side, double shift, std::span<const uint32_t> indices, std::span<const float> weights,
                 RowMethod method, FoldInScratch& scratch, std::span<float> out) {
  if (indices.empty()) {
    std::fill(out.begin(), out.end(), 0.0f);
    return true;
  }
  const Row row{side, shift, indices, weights};
  if (method == RowMethod::kAuto) {
    const bool few = static_cast<double>(indices.size()) < kDualShare * static_cast<double>(side.factors_count);
    method = few ? RowMethod::kDual : RowMethod::kPrimal;
  }
  bool solved = false;
  if (method == RowMethod::kDual) solved = SolveDual(row, scratch, out);
  if (method == RowMethod::kPrimal) solved = SolvePrimal(row, scratch, out);
  if (!solved || !AllFinite(out)) solved = SolvePrimalDouble(row, out);
  return solved && AllFinite(out);
}

}  // namespace rapport

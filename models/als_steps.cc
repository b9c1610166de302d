#include "models/als_steps.h"

#include <algorithm>
#include <cmath>

#include "models/kernels.h"

namespace rapport {
namespace {

constexpr size_t kChunkRows = 64;         // rows summed in float before they are added to a matrix
constexpr size_t kFloatRows = 4096;       // rows whose sums are combined in float; longer ones are combined in double
constexpr size_t kKeptFloats = 1u << 18;  // weighted rows up to this are gathered once for all steps
constexpr float kPivotRatioMin = 4e-6f;   // as als_row.cc

// The factors [first, first + size) of a row's entries, weighted: R, or a block of its columns.
class WeightedRows {
 public:
  WeightedRows(const AlsSide& side, std::span<const uint32_t> indices, std::span<const float> weights, size_t first,
               size_t size, FoldInScratch& scratch)
      : side_(side),
        indices_(indices),
        weights_(weights),
        first_(first),
        size_(size),
        stride_(kernels::RoundUp(size, 16)),
        kept_(indices.size() <= kChunkRows || indices.size() * stride_ <= kKeptFloats),
        scratch_(scratch) {
    scratch_.rows.resize((kept_ ? kernels::RoundUp(count(), kChunkRows) : kChunkRows) * stride_);
    sum_.resize(stride_);
  }
  size_t count() const { return indices_.size(); }
  size_t stride() const { return stride_; }
  float Root(size_t entry) const { return std::sqrt(weights_[entry]); }

  // use(rows, begin, count) for each chunk of up to 64 rows, in order.
  template <typename Use>
  void ForEachChunk(const Use& use) {
    for (size_t begin = 0; begin < count(); begin += kChunkRows) {
      const size_t rows = std::min(count() - begin, kChunkRows);
      float* chunk = scratch_.rows.data() + (kept_ ? begin * stride_ : 0);
      if (!kept_ || !gathered_) Gather(begin, rows, chunk);
      use(chunk, begin, rows);
    }
    gathered_ = true;
  }

 private:
  void Gather(size_t begin, size_t rows, float* out) {
    const kernels::Kernels& kernel = kernels::BestKernels();
    for (size_t i = begin; i < begin + rows; ++i, out += stride_) {
      if (i + 4 < count()) {
        for (size_t k = 0; k < size_; k += 16) __builtin_prefetch(Factor(i + 4) + k);
      }
      kernel.add_scaled(Factor(i), size_, stride_, Root(i), out, sum_.data());
    }
  }
  const float* Factor(size_t entry) const {
    return side_.factors + size_t{indices_[entry]} * side_.factors_count + first_;
  }

  const AlsSide& side_;
  const std::span<const uint32_t> indices_;
  const std::span<const float> weights_;
  const size_t first_, size_, stride_;
  const bool kept_;
  bool gathered_ = false;
  FoldInScratch& scratch_;
  std::vector<float> sum_;  // add_scaled wants a place for its sum; nobody reads it
};

// One block of a row. `error`: t = w^1/2 - R x, kept up to date.
class Block {
 public:
  Block(const AlsSide& side, double shift, std::span<const uint32_t> indices, std::span<const float> weights,
        size_t first, size_t size, FoldInScratch& scratch)
      : rows_(side, indices, weights, first, size, scratch),
        size_(size),
        stride_(rows_.stride()),
        scratch_(scratch),
        diagonal_(size),
        step_(stride_),
        gradient_(stride_),
        spare_(stride_) {
    for (size_t k = 0; k < size; ++k) diagonal_[k] = side.diagonal[first + k] + shift;
  }

  // False when the block's matrix is not safely positive definite in float.
  bool Step(std::span<float> error, std::span<float> x) {
    SumMatrix();
    const kernels::Kernels& kernel = kernels::BestKernels();
    const size_t padded = kernels::RoundUp(size_, 4);
    float* matrix = scratch_.matrix.data();
    for (size_t k = 0; k < size_; ++k) matrix[k * (stride_ + 1)] += static_cast<float>(diagonal_[k]);
    for (size_t k = size_; k < padded; ++k) matrix[k * (stride_ + 1)] = 1.0f;
    if (!kernel.cholesky(matrix, padded, stride_, kPivotRatioMin)) return false;
    // The second pass takes back what float lost in the first: the gradient is summed from the rows themselves.
    for (int pass = 0; pass < 2; ++pass) {
      SumGradient(error, x);
      kernel.cholesky_solve(matrix, padded, stride_, gradient_.data(), spare_.data());
      for (size_t k = 0; k < size_; ++k) step_[k] += gradient_[k];
    }
    rows_.ForEachChunk([&](const float* chunk, size_t begin, size_t count) {
      float values[kChunkRows];
      kernel.dot_rows(chunk, count, stride_, step_.data(), values);
      for (size_t i = 0; i < count; ++i) error[begin + i] -= values[i];
    });
    for (size_t k = 0; k < size_; ++k) x[k] += step_[k];
    return true;
  }

 private:
  // matrix = R_p^T R_p (upper)
  void SumMatrix() {
    const kernels::Kernels& kernel = kernels::BestKernels();
    const bool is_long = rows_.count() > kFloatRows;
    scratch_.matrix.assign(stride_ * stride_, 0.0f);
    scratch_.wide.assign(is_long ? stride_ * stride_ : 0, 0.0);
    rows_.ForEachChunk([&](const float* chunk, size_t begin, size_t count) {
      kernel.add_outer(chunk, count, stride_, scratch_.matrix.data());
      const size_t end = begin + count;
      if (!is_long || (end % kFloatRows != 0 && end != rows_.count())) return;
      for (size_t k = 0; k < stride_ * stride_; ++k) scratch_.wide[k] += scratch_.matrix[k];
      std::fill(scratch_.matrix.begin(), scratch_.matrix.end(), 0.0f);
    });
    for (size_t k = 0; k < scratch_.wide.size(); ++k) scratch_.matrix[k] = static_cast<float>(scratch_.wide[k]);
  }
  // gradient = R_p^T (t - R_p step) - D_p (x_p + step)
  void SumGradient(std::span<const float> error, std::span<const float> x) {
    const kernels::Kernels& kernel = kernels::BestKernels();
    scratch_.wide.assign(stride_, 0.0);
    rows_.ForEachChunk([&](const float* chunk, size_t begin, size_t count) {
      float values[kChunkRows];
      kernel.dot_rows(chunk, count, stride_, step_.data(), values);
      for (size_t i = 0; i < count; ++i) values[i] = error[begin + i] - values[i];
      kernel.add_combination(chunk, count, stride_, values, scratch_.wide.data());
    });
    std::fill(gradient_.begin(), gradient_.end(), 0.0f);
    for (size_t k = 0; k < size_; ++k) {
      gradient_[k] = static_cast<float>(scratch_.wide[k] - diagonal_[k] * (double{x[k]} + step_[k]));
    }
  }

  WeightedRows rows_;
  const size_t size_, stride_;
  FoldInScratch& scratch_;
  std::vector<double> diagonal_;
  std::vector<float> step_, gradient_, spare_;
};

// t = w^1/2 (1 - x.f) for every entry.
std::vector<float> Errors(const AlsSide& side, std::span<const uint32_t> indices, std::span<const float> weights,
                          std::span<const float> x) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  std::vector<float> errors(indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    float dot = 0;
    kernel.dot_rows(side.factors + size_t{indices[i]} * side.factors_count, 1, x.size(), x.data(), &dot);
    errors[i] = std::sqrt(weights[i]) * (1.0f - dot);
  }
  return errors;
}

// Long rows' factors have left the near caches by the next pass.
constexpr size_t kNearFloats = 1u << 16;
constexpr size_t kRowsAhead = 8;
constexpr size_t kCopiedFloatsMax = 1u << 22;

// The rows of a system for the kernel, which wants sizes that are a multiple of 16: padded copies where they are not.
class PaddedRows {
 public:
  PaddedRows(const AlsSide& side, std::span<const uint32_t> indices, FoldInScratch& scratch)
      : table_(side.factors), indices_(indices.data()) {
    const size_t d = side.factors_count, stride = kernels::RoundUp(d, 16);
    if (d == stride) return;
    scratch.rows.assign(indices.size() * stride, 0.0f);
    places_.resize(indices.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      std::copy_n(side.factors + size_t{indices[i]} * d, d, scratch.rows.data() + i * stride);
      places_[i] = static_cast<uint32_t>(i);
    }
    table_ = scratch.rows.data();
    indices_ = places_.data();
  }
  const float* table() const { return table_; }
  const uint32_t* indices() const { return indices_; }

 private:
  const float* table_;
  const uint32_t* indices_;
  std::vector<uint32_t> places_;
};

}  // namespace

bool CanTakeSteps(size_t factors_count, size_t entries) {
  return entries > 0 && (factors_count % 16 == 0 || entries <= kCopiedFloatsMax / kernels::RoundUp(factors_count, 16));
}

bool ConjugateGradientSteps(const AlsSide& side, double shift, std::span<const uint32_t> indices,
                            std::span<const float> weights, int steps, FoldInScratch& scratch, std::span<float> x) {
  const size_t d = side.factors_count, stride = kernels::RoundUp(d, 16);
  const PaddedRows rows(side, indices, scratch);
  scratch.wide.resize(6 * stride);
  scratch.vector.resize(stride);
  double* diagonal = scratch.wide.data();
  double* at = diagonal;
  for (size_t k = 0; k < d; ++k) diagonal[k] = side.diagonal[k] + shift;
  std::fill(diagonal + d, diagonal + stride, 1.0);
  float* direction = scratch.vector.data();
  std::copy(x.begin(), x.end(), direction);
  std::fill(direction + d, direction + stride, 0.0f);
  const auto next = [&] { return at += stride; };
  const kernels::StepVectors vectors{diagonal, next(), next(), next(), next(), next(), direction};
  const size_t again = indices.size() * stride > kNearFloats ? kRowsAhead : 0;
  kernels::BestKernels().conjugate_gradients(
      {rows.table(), rows.indices(), weights.data(), indices.size(), kRowsAhead, again}, stride, steps, vectors);
  std::copy_n(direction, d, x.begin());
  return AllFinite(x);
}

bool BlockSteps(const AlsSide& side, double shift, std::span<const uint32_t> indices, std::span<const float> weights,
                size_t block_size, FoldInScratch& scratch, std::span<float> x) {
  std::vector<float> errors = Errors(side, indices, weights, x);
  for (size_t first = 0; first < x.size(); first += block_size) {
    const size_t size = std::min(block_size, x.size() - first);
    Block block(side, shift, indices, weights, first, size, scratch);
    if (!block.Step(errors, x.subspan(first, size))) return false;
  }
  return AllFinite(x);
}

}  // namespace rapport

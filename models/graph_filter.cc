#include "models/graph_filter.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "models/kernels.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 256;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::vector<double> InverseRootDegrees(const Interactions& matrix) {
  std::vector<double> out(matrix.rows);
  for (uint32_t row = 0; row < matrix.rows; ++row) {
    const size_t degree = matrix.RowColumns(row).size();
    out[row] = degree == 0 ? 0.0 : 1.0 / std::sqrt(static_cast<double>(degree));
  }
  return out;
}

// out = diag(row_scale) M diag(column_scale) in.
void Multiply(const Interactions& matrix, const std::vector<double>& row_scale, const std::vector<double>& column_scale,
              const RowMatrix& in, int threads, RowMatrix& out) {
  ParallelFor(matrix.rows, kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t row = begin; row < end; ++row) {
      auto target = out.row(static_cast<Eigen::Index>(row));
      target.setZero();
      for (const uint32_t column : matrix.RowColumns(static_cast<uint32_t>(row))) {
        target += column_scale[column] * in.row(column);
      }
      target *= row_scale[row];
    }
  });
}

// Columns made orthonormal through the Cholesky factor of Y^T Y, summed by blocks in their order; twice, because one
// pass loses half of the digits (Yamamoto et al. 2015, CholeskyQR2). Columns that vanish stay near zero.
void Orthonormalize(RowMatrix& y, int threads) {
  const auto rows = static_cast<size_t>(y.rows());
  constexpr size_t kRowsPerBlock = 4096;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<Eigen::MatrixXd> blocks((rows + kRowsPerBlock - 1) / kRowsPerBlock);
    ParallelFor(rows, kRowsPerBlock, threads, [&](size_t begin, size_t end, size_t block) {
      const auto part = y.middleRows(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(end - begin));
      blocks[block] = part.transpose() * part;
    });
    Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(y.cols(), y.cols());
    for (const Eigen::MatrixXd& block : blocks) gram += block;
    gram.diagonal().array() += 1e-14 * gram.diagonal().maxCoeff() + 1e-300;
    const Eigen::LLT<Eigen::MatrixXd> factor(gram);
    const Eigen::MatrixXd upper = factor.matrixU();
    ParallelFor(rows, kRowsPerBlock, threads, [&](size_t begin, size_t end, size_t) {
      auto part = y.middleRows(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(end - begin));
      upper.triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(part);
    });
  }
}

}  // namespace

Result<GraphFilter> GraphFilter::Fit(const Interactions& by_customer, const GraphFilterOptions& options) {
  if (by_customer.nnz() == 0) return Status::InvalidArgument("nothing to learn from: the matrix is empty");
  if (options.rank < 0 || options.rank > 4096) return Status::InvalidArgument("rank must be from 0 to 4096");
  if (!(options.low_pass_share >= 0) || !std::isfinite(options.low_pass_share)) {
    return Status::InvalidArgument("low_pass_share must be a finite number, 0 or above");
  }
  if (options.oversampling < 0 || options.iterations < 1) {
    return Status::InvalidArgument("oversampling must be 0 or above, iterations 1 or above");
  }
  GraphFilter model;
  model.by_customer_ = by_customer;
  model.by_item_ = by_customer.Transposed();
  model.customer_scale_ = InverseRootDegrees(model.by_customer_);
  model.item_scale_ = InverseRootDegrees(model.by_item_);
  model.low_pass_share_ = options.low_pass_share;
  const size_t smaller = std::min(by_customer.rows, by_customer.columns_count);
  model.rank_ = std::min(static_cast<size_t>(options.rank), smaller);
  if (model.rank_ == 0) return model;

  const auto items = static_cast<Eigen::Index>(by_customer.columns_count);
  const auto carried =
      static_cast<Eigen::Index>(std::min(smaller, model.rank_ + static_cast<size_t>(options.oversampling)));
  RowMatrix y(items, carried), x(by_customer.rows, carried);
  Random random(options.seed);
  for (Eigen::Index i = 0; i < y.size(); ++i) y.data()[i] = random.Normal();
  for (int i = 0; i < options.iterations; ++i) {
    Orthonormalize(y, options.threads);
    Multiply(model.by_customer_, model.customer_scale_, model.item_scale_, y, options.threads, x);
    Multiply(model.by_item_, model.item_scale_, model.customer_scale_, x, options.threads, y);
  }
  Orthonormalize(y, options.threads);
  Multiply(model.by_customer_, model.customer_scale_, model.item_scale_, y, options.threads, x);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> small(x.transpose() * x);
  if (small.info() != Eigen::Success) return Status::Internal("the eigenvectors of the item graph were not found");
  // Ascending: the largest stand last.
  const auto rank = static_cast<Eigen::Index>(model.rank_);
  const RowMatrix directions = y * small.eigenvectors().rightCols(rank).rowwise().reverse();
  for (Eigen::Index k = 0; k < rank; ++k) model.eigenvalues_.push_back(small.eigenvalues()(carried - 1 - k));
  model.directions_.assign(directions.data(), directions.data() + directions.size());
  return model;
}

void GraphFilter::Score(std::span<const uint32_t> history, GraphFilterScratch& scratch, std::span<float> scores) const {
  scratch.customers.assign(by_customer_.rows, 0.0);
  for (const uint32_t item : history) {
    for (const uint32_t customer : by_item_.RowColumns(item)) scratch.customers[customer] += item_scale_[item];
  }
  scratch.items.assign(by_customer_.columns_count, 0.0);
  for (uint32_t customer = 0; customer < by_customer_.rows; ++customer) {
    const double weight = scratch.customers[customer];
    if (weight == 0) continue;
    const double scaled = weight * customer_scale_[customer] * customer_scale_[customer];
    for (const uint32_t item : by_customer_.RowColumns(customer)) scratch.items[item] += scaled;
  }
  scratch.projected.assign(rank_, 0.0f);
  for (const uint32_t item : history) {
    const float* direction = directions_.data() + size_t{item} * rank_;
    for (size_t k = 0; k < rank_; ++k) scratch.projected[k] += static_cast<float>(item_scale_[item]) * direction[k];
  }
  std::fill(scores.begin(), scores.end(), 0.0f);
  if (rank_ > 0) {
    kernels::BestKernels().dot_rows(directions_.data(), scores.size(), rank_, scratch.projected.data(), scores.data());
  }
  for (uint32_t item = 0; item < by_customer_.columns_count; ++item) {
    const double degree_root = item_scale_[item] > 0 ? 1.0 / item_scale_[item] : 0.0;
    const double smooth = low_pass_share_ * scores[item] * degree_root;
    scores[item] = static_cast<float>(item_scale_[item] * scratch.items[item] + smooth);
  }
}

}  // namespace rapport

#include "models/ease.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 64;

Status CheckOptions(const Interactions& by_customer, const EaseOptions& options, uint32_t size, const char* what) {
  if (!(options.regularization > 0) || !std::isfinite(options.regularization)) {
    return Status::InvalidArgument("regularization must be a finite number above 0");
  }
  if (!std::isfinite(options.customer_power)) return Status::InvalidArgument("customer_power must be finite");
  if (by_customer.nnz() == 0) return Status::InvalidArgument("nothing to learn from: the matrix is empty");
  if (size > options.size_max) {
    return Status::ResourceExhausted("EASE over " + std::to_string(size) + " " + what + " needs " +
                                     std::to_string(uint64_t{4} * size * size >> 20) + " MiB; the limit is " +
                                     std::to_string(options.size_max) + " " + what);
  }
  return Status::Ok();
}

// d_u^1/2; customers without items weigh 0.
std::vector<float> RootWeights(const Interactions& by_customer, double power) {
  const double mean = static_cast<double>(by_customer.nnz()) / std::max<uint32_t>(1, by_customer.rows);
  std::vector<float> out(by_customer.rows);
  for (uint32_t u = 0; u < by_customer.rows; ++u) {
    const auto n = static_cast<double>(by_customer.RowColumns(u).size());
    out[u] = n == 0 ? 0.0f : static_cast<float>(std::pow(n / mean, -power / 2));
  }
  return out;
}

// matrix += Z Z^T with the rows of `by_row` scaled by `row_scale` and their columns by `column_scale`; both triangles'
// lower half. `by_column` is the transpose.
void AddGram(const Interactions& by_row, const Interactions& by_column, std::span<const float> row_scale,
             std::span<const float> column_scale, int threads, SymmetricTiles& matrix) {
  ParallelFor(by_row.rows, SymmetricTiles::kTile, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      for (const uint32_t column : by_row.RowColumns(static_cast<uint32_t>(i))) {
        const float scale = row_scale[i] * column_scale[column] * column_scale[column];
        for (const uint32_t j : by_column.RowColumns(column)) {
          if (j > i) break;
          matrix.Add(i, j, scale * row_scale[j]);
        }
      }
    }
  });
}

void AddDiagonal(SymmetricTiles& matrix, double value) {
  for (size_t i = 0; i < matrix.n(); ++i) matrix.Add(i, i, static_cast<float>(value));
}

}  // namespace

Result<EaseModel> FitEase(const Interactions& by_customer, const EaseOptions& options) {
  const uint32_t items = by_customer.columns_count;
  RAPPORT_RETURN_IF_ERROR(CheckOptions(by_customer, options, items, "items"));
  const Interactions by_item = by_customer.Transposed();
  const std::vector<float> ones(items, 1.0f), roots = RootWeights(by_customer, options.customer_power);
  SymmetricTiles inverse(items);
  AddGram(by_item, by_customer, ones, roots, options.threads, inverse);
  AddDiagonal(inverse, options.regularization);
  RAPPORT_RETURN_IF_ERROR(InvertSymmetric(inverse, options.threads));

  EaseModel model;
  model.items = items;
  model.weights.resize(size_t{items} * items);
  std::vector<float> scale(items);
  for (uint32_t j = 0; j < items; ++j) scale[j] = -1.0f / inverse.At(j, j);
  ParallelFor(items, kGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      float* row = model.weights.data() + i * items;
      inverse.CopyRow(i, row);
      for (uint32_t j = 0; j < items; ++j) row[j] *= scale[j];
      row[i] = 0;
    }
  });
  return model;
}

NeighbourLists LargestWeights(const EaseModel& model, size_t per_item, int threads) {
  std::vector<std::vector<Scored>> rows(model.items);
  ParallelFor(model.items, kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      rows[i] = TopK(std::span(model.weights).subspan(i * model.items, model.items), per_item);
      std::erase_if(rows[i], [](const Scored& one) { return one.score <= 0; });
    }
  });
  NeighbourLists lists;
  lists.items = model.items;
  for (const std::vector<Scored>& row : rows) {
    for (const Scored& one : row) lists.neighbours.push_back({one.index, one.score});
    lists.offsets.push_back(lists.neighbours.size());
  }
  return lists;
}

void AddEaseScores(const EaseModel& model, std::span<const uint32_t> items, std::span<const float> weights,
                   std::span<float> scores) {
  for (size_t n = 0; n < items.size(); ++n) {
    const float* row = model.weights.data() + size_t{items[n]} * model.items;
    const float weight = weights[n];
    for (uint32_t j = 0; j < model.items; ++j) scores[j] += weight * row[j];
  }
}

Result<EaseByCustomer> EaseByCustomer::Fit(const Interactions& by_customer, const EaseOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(by_customer, options, by_customer.rows, "customers"));
  EaseByCustomer model(by_customer, RootWeights(by_customer, options.customer_power));
  const Interactions by_item = by_customer.Transposed();
  const std::vector<float> ones(by_customer.columns_count, 1.0f);
  AddGram(by_customer, by_item, model.root_weights_, ones, options.threads, model.kernel_);
  AddDiagonal(model.kernel_, options.regularization);
  RAPPORT_RETURN_IF_ERROR(InvertSymmetric(model.kernel_, options.threads));

  // P_jj = (1 - z_j^T K z_j) / l, the sum over pairs of the item's customers in double.
  model.diagonal_.resize(by_customer.columns_count);
  ParallelFor(by_item.rows, kGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t item = begin; item < end; ++item) {
      const auto customers = by_item.RowColumns(static_cast<uint32_t>(item));
      double sum = 0;
      for (const uint32_t a : customers) {
        double row = 0;
        for (const uint32_t b : customers) row += double{model.root_weights_[b]} * model.kernel_.At(a, b);
        sum += model.root_weights_[a] * row;
      }
      model.diagonal_[item] = static_cast<float>((1 - sum) / options.regularization);
    }
  });
  return model;
}

void EaseByCustomer::Score(uint32_t customer, std::span<float> scores, std::vector<float>& scratch) const {
  scratch.resize(by_customer_.rows);
  kernel_.CopyRow(customer, scratch.data());
  std::fill(scores.begin(), scores.end(), 0.0f);
  const float own = root_weights_[customer];
  if (own == 0) return;
  for (uint32_t u = 0; u < by_customer_.rows; ++u) {
    const float weight = scratch[u] * root_weights_[u] / own;
    for (const uint32_t item : by_customer_.RowColumns(u)) scores[item] -= weight;
  }
  for (uint32_t item = 0; item < by_customer_.columns_count; ++item) scores[item] /= diagonal_[item];
  // x B = x - (x P) / diag(P): the customer's own items carry the 1 of x.
  for (const uint32_t item : by_customer_.RowColumns(customer)) scores[item] += 1.0f;
}

}  // namespace rapport

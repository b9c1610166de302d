#include "models/als_loss.h"

#include <Eigen/Core>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/parallel.h"
#include "models/als_axes.h"
#include "models/als_row.h"

namespace rapport {
namespace {

constexpr size_t kDenseGrain = 1024;  // rows whose loss is summed per block

// How many cells each row of either side has.
struct Entries {
  std::vector<uint64_t> of_customers, of_items;
};
Entries CountEntries(const Interactions& by_customer) {
  Entries entries{std::vector<uint64_t>(by_customer.rows), std::vector<uint64_t>(by_customer.columns_count)};
  for (uint32_t u = 0; u < by_customer.rows; ++u) entries.of_customers[u] = by_customer.RowColumns(u).size();
  for (uint32_t column : by_customer.columns) ++entries.of_items[column];
  return entries;
}

// sum_r l_r |row_r|^2 of one side's factors.
double Penalty(std::span<const uint64_t> entries, size_t other_side, const AlsOptions& options,
               std::span<const float> factors) {
  const auto d = static_cast<size_t>(options.factors);
  std::vector<double> parts((entries.size() + kDenseGrain - 1) / kDenseGrain);
  ParallelFor(entries.size(), kDenseGrain, options.threads, [&](size_t begin, size_t end, size_t block) {
    for (size_t r = begin; r < end; ++r) {
      const Eigen::Map<const Eigen::VectorXf> row(factors.data() + r * d, static_cast<Eigen::Index>(d));
      parts[block] += AlsShift(options, entries[r], other_side) * row.cast<double>().squaredNorm();
    }
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

// sum_S w_ui (1 - x_u.y_i)^2 over the rows [begin, end)
double ObservedLoss(const Interactions& by_customer, std::span<const float> customers, std::span<const float> items,
                    size_t d, size_t begin, size_t end) {
  double loss = 0;
  for (size_t u = begin; u < end; ++u) {
    const float* x = customers.data() + u * d;
    const auto columns = by_customer.RowColumns(static_cast<uint32_t>(u));
    const auto weights = by_customer.RowWeights(static_cast<uint32_t>(u));
    for (size_t e = 0; e < columns.size(); ++e) {
      const float* y = items.data() + size_t{columns[e]} * d;
      double dot = 0;
      for (size_t k = 0; k < d; ++k) dot += static_cast<double>(x[k]) * y[k];
      loss += weights[e] * (1 - dot) * (1 - dot);
    }
  }
  return loss;
}

void Scale(std::span<float> factors, float scale, int threads) {
  ParallelFor(factors.size(), kDenseGrain, threads, [&](size_t begin, size_t end, size_t) {
    Eigen::Map<Eigen::VectorXf>(factors.data() + begin, static_cast<Eigen::Index>(end - begin)) *= scale;
  });
}

}  // namespace

double AlsLoss(const Interactions& by_customer, const AlsOptions& options, std::span<const float> customer_factors,
               std::span<const float> item_factors) {
  const auto d = static_cast<size_t>(options.factors);
  std::vector<double> parts((by_customer.rows + kDenseGrain - 1) / kDenseGrain);
  ParallelFor(by_customer.rows, kDenseGrain, options.threads, [&](size_t begin, size_t end, size_t block) {
    parts[block] = ObservedLoss(by_customer, customer_factors, item_factors, d, begin, end);
  });
  const Entries entries = CountEntries(by_customer);
  double loss = Penalty(entries.of_customers, entries.of_items.size(), options, customer_factors) +
                Penalty(entries.of_items, entries.of_customers.size(), options, item_factors);
  for (double part : parts) loss += part;
  // sum_all (x.y)^2 = <X^T X, Y^T Y>
  const std::vector<double> customers = Gram(customer_factors, d, Precision::kDouble, options.threads);
  const std::vector<double> items = Gram(item_factors, d, Precision::kDouble, options.threads);
  for (size_t k = 0; k < customers.size(); ++k) loss += options.unobserved_weight * customers[k] * items[k];
  return loss;
}

void BalanceSides(const Interactions& by_customer, const AlsOptions& options, std::span<float> customers,
                  std::span<float> items) {
  const Entries entries = CountEntries(by_customer);
  const double customers_penalty = Penalty(entries.of_customers, entries.of_items.size(), options, customers);
  const double items_penalty = Penalty(entries.of_items, entries.of_customers.size(), options, items);
  if (!(customers_penalty > 0) || !(items_penalty > 0)) return;
  const double t = std::pow(customers_penalty / items_penalty, 0.25);
  Scale(customers, static_cast<float>(1 / t), options.threads);
  Scale(items, static_cast<float>(t), options.threads);
}

}  // namespace rapport

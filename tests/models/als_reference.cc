#include "als_reference.h"

#include <cmath>

namespace rapport::reference {
namespace {

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

// Gaussian elimination with the largest pivot of the column.
std::vector<double> SolveLinear(Matrix a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t k = 0; k < n; ++k) {
    size_t best = k;
    for (size_t i = k + 1; i < n; ++i) best = std::abs(a[i][k]) > std::abs(a[best][k]) ? i : best;
    std::swap(a[k], a[best]);
    std::swap(b[k], b[best]);
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) b[k] -= a[k][j] * b[j];
    b[k] /= a[k][k];
  }
  return b;
}

Matrix GramOf(const Matrix& rows) {
  const size_t d = rows[0].size();
  Matrix gram(d, std::vector<double>(d, 0.0));
  for (const auto& row : rows) {
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) gram[i][j] += row[i] * row[j];
    }
  }
  return gram;
}

double Shift(const AlsOptions& o, double entries, double other_side, Breakage breakage) {
  if (breakage == Breakage::kUnscaledRegularization) return o.regularization;
  const double unobserved = breakage == Breakage::kCountWithoutUnobserved ? 0 : o.unobserved_weight * other_side;
  return o.regularization * std::pow(entries + unobserved, o.regularization_power);
}

std::vector<double> SolveWithGram(const Matrix& other, const Matrix& gram, const AlsOptions& o,
                                  std::span<const uint32_t> indices, std::span<const float> weights,
                                  Breakage breakage) {
  const size_t d = gram.size();
  if (indices.empty()) return std::vector<double>(d, 0.0);
  Matrix a(d, std::vector<double>(d, 0.0));
  std::vector<double> b(d, 0.0);
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j) a[i][j] = o.unobserved_weight * gram[i][j];
    a[i][i] += Shift(o, static_cast<double>(indices.size()), static_cast<double>(other.size()), breakage);
  }
  for (size_t e = 0; e < indices.size(); ++e) {
    const std::vector<double>& y = other[indices[e]];
    double weight = weights[e];
    const double right = breakage == Breakage::kUnweightedRightSide ? 1.0 : weight;
    if (breakage == Breakage::kUnobservedOnlyMissing) weight -= o.unobserved_weight;
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) a[i][j] += weight * y[i] * y[j];
      b[i] += right * y[i];
    }
  }
  return SolveLinear(std::move(a), std::move(b));
}

void SolveSide(const Interactions& rows, const AlsOptions& o, const Matrix& fixed, Matrix& solved, Breakage breakage) {
  const Matrix gram = GramOf(fixed);
  for (uint32_t r = 0; r < rows.rows; ++r) {
    solved[r] = SolveWithGram(fixed, gram, o, rows.RowColumns(r), rows.RowWeights(r), breakage);
  }
}

}  // namespace

Matrix ToMatrix(std::span<const float> factors, size_t columns) {
  Matrix matrix(factors.size() / columns, std::vector<double>(columns));
  for (size_t i = 0; i < factors.size(); ++i) matrix[i / columns][i % columns] = factors[i];
  return matrix;
}

std::vector<double> SolveRow(const Matrix& other_side, const AlsOptions& options, std::span<const uint32_t> indices,
                             std::span<const float> weights, Breakage breakage) {
  return SolveWithGram(other_side, GramOf(other_side), options, indices, weights, breakage);
}

// The definition, cell by cell: every cell of the dense matrix, seen or not.
double Loss(const Interactions& by_customer, const AlsOptions& o, const Matrix& customers, const Matrix& items) {
  double loss = 0;
  std::vector<double> counts(items.size(), 0.0);
  for (uint32_t u = 0; u < by_customer.rows; ++u) {
    for (const auto& item : items) loss += o.unobserved_weight * std::pow(Dot(customers[u], item), 2);
    const auto columns = by_customer.RowColumns(u);
    const auto weights = by_customer.RowWeights(u);
    for (size_t e = 0; e < columns.size(); ++e) {
      loss += weights[e] * std::pow(1 - Dot(customers[u], items[columns[e]]), 2);
      counts[columns[e]] += 1;
    }
    const double shift =
        Shift(o, static_cast<double>(columns.size()), static_cast<double>(items.size()), Breakage::kNone);
    loss += shift * Dot(customers[u], customers[u]);
  }
  for (size_t i = 0; i < items.size(); ++i) {
    loss += Shift(o, counts[i], static_cast<double>(by_customer.rows), Breakage::kNone) * Dot(items[i], items[i]);
  }
  return loss;
}

Fit FitAls(const Interactions& by_customer, const AlsOptions& options, Breakage breakage) {
  const auto d = static_cast<size_t>(options.factors);
  const Interactions by_item = by_customer.Transposed();
  Fit fit;
  fit.items = ToMatrix(InitialItemFactors(by_customer.columns_count, options), d);
  fit.customers.assign(by_customer.rows, std::vector<double>(d, 0.0));
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    SolveSide(by_customer, options, fit.items, fit.customers, breakage);
    SolveSide(by_item, options, fit.customers, fit.items, breakage);
    fit.epoch_losses.push_back(Loss(by_customer, options, fit.customers, fit.items));
  }
  return fit;
}

}  // namespace rapport::reference

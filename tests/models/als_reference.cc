#include "als_reference.h"

#include <algorithm>
#include <cmath>

#include "models/als_start.h"
#include "models/als_steps.h"

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

// The quadratic of one row: minimise x.Ax / 2 - b.x, A = unobserved + sum w f f^T.
struct RowProblem {
  Matrix unobserved, matrix;  // a G + l I, and all of it
  std::vector<double> right;
};

RowProblem MakeProblem(const Matrix& other, const Matrix& gram, const AlsOptions& o, std::span<const uint32_t> indices,
                       std::span<const float> weights, Breakage breakage) {
  const size_t d = gram.size();
  RowProblem problem{Matrix(d, std::vector<double>(d)), {}, std::vector<double>(d)};
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j) problem.unobserved[i][j] = o.unobserved_weight * gram[i][j];
    problem.unobserved[i][i] +=
        Shift(o, static_cast<double>(indices.size()), static_cast<double>(other.size()), breakage);
  }
  problem.matrix = problem.unobserved;
  for (size_t e = 0; e < indices.size(); ++e) {
    const std::vector<double>& y = other[indices[e]];
    double weight = weights[e];
    const double right = breakage == Breakage::kUnweightedRightSide ? 1.0 : weight;
    if (breakage == Breakage::kUnobservedOnlyMissing) weight -= o.unobserved_weight;
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) problem.matrix[i][j] += weight * y[i] * y[j];
      problem.right[i] += right * y[i];
    }
  }
  return problem;
}

std::vector<double> SolveWithGram(const Matrix& other, const Matrix& gram, const AlsOptions& o,
                                  std::span<const uint32_t> indices, std::span<const float> weights,
                                  Breakage breakage) {
  if (indices.empty()) return std::vector<double>(gram.size(), 0.0);
  const RowProblem problem = MakeProblem(other, gram, o, indices, weights, breakage);
  return SolveLinear(problem.matrix, problem.right);
}

std::vector<double> Product(const Matrix& a, const std::vector<double>& x) {
  std::vector<double> out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = Dot(a[i], x);
  return out;
}

std::vector<double> ConjugateGradients(const RowProblem& problem, int steps, std::vector<double> x) {
  std::vector<double> r = problem.right;
  const std::vector<double> start = Product(problem.matrix, x);
  for (size_t k = 0; k < x.size(); ++k) r[k] -= start[k];
  std::vector<double> z = SolveLinear(problem.unobserved, r), p = z;
  double rest = Dot(r, z);
  for (int step = 0; step < steps && rest > 0; ++step) {
    const std::vector<double> product = Product(problem.matrix, p);
    const double curvature = Dot(p, product);
    if (!(curvature > 0)) break;
    for (size_t k = 0; k < x.size(); ++k) {
      x[k] += rest / curvature * p[k];
      r[k] -= rest / curvature * product[k];
    }
    z = SolveLinear(problem.unobserved, r);
    const double next = Dot(r, z);
    for (size_t k = 0; k < x.size(); ++k) p[k] = z[k] + next / rest * p[k];
    rest = next;
  }
  return x;
}

std::vector<double> Blocks(const RowProblem& problem, size_t block_size, Breakage breakage, std::vector<double> x) {
  const size_t d = x.size();
  for (size_t first = 0; first < d; first += block_size) {
    const size_t size = std::min(block_size, d - first);
    const std::vector<double> product = Product(problem.matrix, x), unobserved = Product(problem.unobserved, x);
    Matrix block(size, std::vector<double>(size));
    std::vector<double> step(size);
    for (size_t i = 0; i < size; ++i) {
      step[i] = problem.right[first + i] - product[first + i];
      if (breakage == Breakage::kBlockWithoutUnobserved) step[i] += unobserved[first + i];
      for (size_t j = 0; j < size; ++j) block[i][j] = problem.matrix[first + i][first + j];
    }
    step = SolveLinear(std::move(block), std::move(step));
    for (size_t i = 0; i < size; ++i) x[first + i] += step[i];
  }
  return x;
}

// Columns: the eigenvectors of a symmetric matrix, largest eigenvalue first. Jacobi's method, sweep by sweep.
Matrix EigenvectorsOf(Matrix a) {
  const size_t d = a.size();
  Matrix v(d, std::vector<double>(d));
  for (size_t k = 0; k < d; ++k) v[k][k] = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (size_t p = 0; p < d; ++p) {
      for (size_t q = p + 1; q < d; ++q) {
        if (std::abs(a[p][q]) <= 1e-17 * std::sqrt(std::abs(a[p][p] * a[q][q]))) continue;
        const double tau = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = t * c;
        for (size_t k = 0; k < d; ++k) {
          const double akp = a[k][p], akq = a[k][q];
          a[k][p] = c * akp - s * akq;
          a[k][q] = s * akp + c * akq;
        }
        for (size_t k = 0; k < d; ++k) {
          const double apk = a[p][k], aqk = a[q][k];
          a[p][k] = c * apk - s * aqk;
          a[q][k] = s * apk + c * aqk;
          const double vkp = v[k][p], vkq = v[k][q];
          v[k][p] = c * vkp - s * vkq;
          v[k][q] = s * vkp + c * vkq;
        }
      }
    }
  }
  std::vector<size_t> order(d);
  for (size_t k = 0; k < d; ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return a[i][i] > a[j][j]; });
  Matrix sorted(d, std::vector<double>(d));
  for (size_t i = 0; i < d; ++i) {
    for (size_t k = 0; k < d; ++k) sorted[i][k] = v[i][order[k]];
  }
  return sorted;
}

Matrix TimesMatrix(const Matrix& rows, const Matrix& v) {
  Matrix out(rows.size(), std::vector<double>(v[0].size()));
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < v.size(); ++i) {
      for (size_t k = 0; k < v[0].size(); ++k) out[r][k] += rows[r][i] * v[i][k];
    }
  }
  return out;
}

void Balance(const Interactions& by_customer, const Interactions& by_item, const AlsOptions& o, Fit& fit) {
  const auto penalty = [&o](const Interactions& rows, const Matrix& factors) {
    double sum = 0;
    for (uint32_t r = 0; r < rows.rows; ++r) {
      const auto entries = static_cast<double>(rows.RowColumns(r).size());
      sum += Shift(o, entries, rows.columns_count, Breakage::kNone) * Dot(factors[r], factors[r]);
    }
    return sum;
  };
  const double t = std::pow(penalty(by_customer, fit.customers) / penalty(by_item, fit.items), 0.25);
  for (std::vector<double>& row : fit.customers) {
    for (double& factor : row) factor /= t;
  }
  for (std::vector<double>& row : fit.items) {
    for (double& factor : row) factor *= t;
  }
}

void SolveSide(const Interactions& rows, const AlsOptions& o, Matrix& fixed, Matrix& solved, Breakage breakage) {
  const bool steps = o.solver == AlsSolver::kConjugateGradient, blocks = o.solver == AlsSolver::kBlocks;
  if (blocks || breakage == Breakage::kUnturnedStart) {
    const Matrix axes = EigenvectorsOf(GramOf(fixed));
    fixed = TimesMatrix(fixed, axes);
    if (breakage != Breakage::kUnturnedStart) solved = TimesMatrix(solved, axes);
  }
  const Matrix gram = GramOf(fixed);
  for (uint32_t r = 0; r < rows.rows; ++r) {
    const auto indices = rows.RowColumns(r);
    const auto weights = rows.RowWeights(r);
    const RowProblem problem = MakeProblem(fixed, gram, o, indices, weights, breakage);
    if (steps && !indices.empty()) {
      if (breakage == Breakage::kColdStart) solved[r].assign(gram.size(), 0.0);
      solved[r] = ConjugateGradients(problem, o.conjugate_gradient_steps, solved[r]);
    } else if (blocks && indices.size() > static_cast<size_t>(o.block_size)) {
      solved[r] = Blocks(problem, static_cast<size_t>(o.block_size), breakage, solved[r]);
    } else {
      solved[r] = SolveWithGram(fixed, gram, o, indices, weights, breakage);
    }
  }
}

}  // namespace

double LargestLossGap(const AlsFit& fit, const Fit& expected) {
  double gap = 0;
  for (size_t e = 0; e < expected.epoch_losses.size(); ++e) {
    gap = std::max(gap, std::abs(fit.epoch_losses[e] / expected.epoch_losses[e] - 1));
  }
  return gap;
}

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
  std::vector<float> space(by_customer.rows * d), start(by_customer.columns_count * d);
  if (!StartItems(by_customer, by_item, options, space, start).ok()) return fit;
  fit.items = ToMatrix(start, d);
  fit.customers.assign(by_customer.rows, std::vector<double>(d, 0.0));
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    SolveSide(by_customer, options, fit.items, fit.customers, breakage);
    if (epoch == 0 && options.start == AlsStart::kSpectral && breakage != Breakage::kUnbalanced) {
      Balance(by_customer, by_item, options, fit);
    }
    SolveSide(by_item, options, fit.customers, fit.items, breakage);
    fit.epoch_losses.push_back(Loss(by_customer, options, fit.customers, fit.items));
  }
  return fit;
}

}  // namespace rapport::reference

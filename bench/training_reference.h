// iALS once more in double, plainly over Eigen, quick enough to run on the very matrix that is timed: what the bench
// holds the float solvers to before it times them. Shares with them the start, the order of the half-epochs and the
// rule which rows are solved exactly; tests/models/als_reference.cc is the slower, plainer one, and `rapport_training
// parity` compares this one with it first.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "models/als.h"
#include "models/als_row.h"
#include "models/als_start.h"
#include "models/als_steps.h"

namespace rapport::bench {

using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// (sum_S w f f^T + D) x = sum_S w f: the rows of one customer, weighted, and D.
struct RowSystem {
  Dense rows;  // sqrt(w) f
  Eigen::VectorXd roots, diagonal;
};

inline RowSystem Gather(const Dense& fixed, const Eigen::VectorXd& diagonal, double shift,
                        std::span<const uint32_t> columns, std::span<const float> weights) {
  RowSystem system{Dense(static_cast<Eigen::Index>(columns.size()), fixed.cols()),
                   Eigen::VectorXd(static_cast<Eigen::Index>(columns.size())), diagonal.array() + shift};
  for (size_t e = 0; e < columns.size(); ++e) {
    const auto at = static_cast<Eigen::Index>(e);
    system.roots(at) = std::sqrt(static_cast<double>(weights[e]));
    system.rows.row(at) = system.roots(at) * fixed.row(columns[e]);
  }
  return system;
}

inline Eigen::VectorXd SolveExactly(const RowSystem& s) {
  const Eigen::Index d = s.rows.cols(), n = s.rows.rows();
  if (n < d) {
    const Dense scaled = s.rows * s.diagonal.cwiseInverse().asDiagonal();
    Dense inner = scaled * s.rows.transpose();
    inner.diagonal().array() += 1;
    return scaled.transpose() * inner.llt().solve(s.roots);
  }
  Dense outer = s.rows.transpose() * s.rows;
  outer.diagonal() += s.diagonal;
  return outer.llt().solve(s.rows.transpose() * s.roots);
}

inline void TakeSteps(const RowSystem& s, int steps, Eigen::Ref<Eigen::VectorXd> x) {
  Eigen::VectorXd residual = s.rows.transpose() * (s.roots - s.rows * x) - s.diagonal.cwiseProduct(x);
  Eigen::VectorXd p = residual.cwiseQuotient(s.diagonal);
  double rest = residual.dot(p);
  for (int step = 0; step < steps && rest > 0; ++step) {
    const Eigen::VectorXd product = s.rows.transpose() * (s.rows * p) + s.diagonal.cwiseProduct(p);
    const double length = rest / p.dot(product);
    x += length * p;
    residual -= length * product;
    const Eigen::VectorXd turned = residual.cwiseQuotient(s.diagonal);
    const double next = residual.dot(turned);
    p = turned + next / rest * p;
    rest = next;
  }
}

// Newton steps per block of factors, each from the gradient at what the blocks before it left (iALS++).
inline void TakeBlocks(const RowSystem& s, Eigen::Index size, Eigen::Ref<Eigen::VectorXd> x) {
  Eigen::VectorXd error = s.roots - s.rows * x;
  for (Eigen::Index first = 0; first < x.size(); first += size) {
    const Eigen::Index count = std::min(size, x.size() - first);
    const auto rows = s.rows.middleCols(first, count);
    Dense matrix = rows.transpose() * rows;
    matrix.diagonal() += s.diagonal.segment(first, count);
    const Eigen::VectorXd gradient =
        rows.transpose() * error - s.diagonal.segment(first, count).cwiseProduct(x.segment(first, count));
    const Eigen::VectorXd step = matrix.llt().solve(gradient);
    x.segment(first, count) += step;
    error -= rows * step;
  }
}

inline void DoubleHalfEpoch(const Interactions& rows, const AlsOptions& options, Dense& fixed, Dense& solved) {
  const Eigen::SelfAdjointEigenSolver<Dense> axes(Dense(fixed.transpose() * fixed));
  fixed = (fixed * axes.eigenvectors()).eval();
  solved = (solved * axes.eigenvectors()).eval();
  const Eigen::VectorXd diagonal = options.unobserved_weight * axes.eigenvalues().cwiseMax(0.0).reverse();
  // Largest first, as the float solver has them: blocks depend on the order.
  fixed = fixed.rowwise().reverse().eval();
  solved = solved.rowwise().reverse().eval();
  const AlsSolver solver = ResolveAlsSolver(options);
  ParallelFor(rows.rows, 64, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const auto row = static_cast<uint32_t>(r);
      const size_t n = rows.RowColumns(row).size();
      const RowSystem system =
          Gather(fixed, diagonal, AlsShift(options, n, rows.columns_count), rows.RowColumns(row), rows.RowWeights(row));
      Eigen::VectorXd x = solved.row(row).transpose();
      if (n == 0) {
        x.setZero();
      } else if (solver == AlsSolver::kConjugateGradient) {
        TakeSteps(system, options.conjugate_gradient_steps, x);
      } else if (solver == AlsSolver::kBlocks && n > static_cast<size_t>(options.block_size)) {
        TakeBlocks(system, options.block_size, x);
      } else {
        x = SolveExactly(system);
      }
      solved.row(row) = x.transpose();
    }
  });
}

// sum_r l_r |row_r|^2
inline double DoublePenalty(const Interactions& rows, const AlsOptions& options, const Dense& factors) {
  double penalty = 0;
  for (uint32_t r = 0; r < rows.rows; ++r) {
    penalty += AlsShift(options, rows.RowColumns(r).size(), rows.columns_count) * factors.row(r).squaredNorm();
  }
  return penalty;
}

// L of als.h for factors in double.
inline double DoubleLoss(const Interactions& by_customer, const Interactions& by_item, const AlsOptions& options,
                         const Dense& customers, const Dense& items) {
  double loss =
      options.unobserved_weight * (customers.transpose() * customers).cwiseProduct(items.transpose() * items).sum();
  for (uint32_t u = 0; u < by_customer.rows; ++u) {
    const auto columns = by_customer.RowColumns(u);
    const auto weights = by_customer.RowWeights(u);
    for (size_t e = 0; e < columns.size(); ++e) {
      const double miss = 1 - customers.row(u).dot(items.row(columns[e]));
      loss += weights[e] * miss * miss;
    }
  }
  return loss + DoublePenalty(by_customer, options, customers) + DoublePenalty(by_item, options, items);
}

// The loss after each of options.epochs epochs.
inline std::vector<double> DoubleLosses(const Interactions& by_customer, const AlsOptions& options) {
  const Interactions by_item = by_customer.Transposed();
  const auto d = static_cast<size_t>(options.factors);
  std::vector<float> space(by_customer.rows * d), start(by_customer.columns_count * d);
  if (!StartItems(by_customer, by_item, options, space, start).ok()) return {};
  using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Dense items = Eigen::Map<const FloatRows>(start.data(), by_customer.columns_count, options.factors).cast<double>();
  Dense customers = Dense::Zero(by_customer.rows, options.factors);
  std::vector<double> losses;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    DoubleHalfEpoch(by_customer, options, items, customers);
    if (epoch == 0 && options.start == AlsStart::kSpectral) {
      const double theirs = DoublePenalty(by_item, options, items);
      const double t = std::pow(DoublePenalty(by_customer, options, customers) / theirs, 0.25);
      customers /= t;
      items *= t;
    }
    DoubleHalfEpoch(by_item, options, customers, items);
    losses.push_back(DoubleLoss(by_customer, by_item, options, customers, items));
  }
  return losses;
}

}  // namespace rapport::bench

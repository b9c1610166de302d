#include "models/fold_in_shares.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "models/als_row.h"

namespace rapport {
namespace {

using Columns = Eigen::MatrixXd;  // (factors, rows)

Columns Gather(const AlsModel& model, std::span<const uint32_t> rows) {
  const Eigen::Index d = model.options.factors;
  Columns out(d, static_cast<Eigen::Index>(rows.size()));
  for (size_t i = 0; i < rows.size(); ++i) {
    const float* factor = model.item_factors.data() + size_t{rows[i]} * static_cast<size_t>(d);
    out.col(static_cast<Eigen::Index>(i)) = Eigen::Map<const Eigen::VectorXf>(factor, d).cast<double>();
  }
  return out;
}

// A^-1 times the columns; empty when A has no factor.
Columns Solve(const AlsModel& model, const Columns& history, const Eigen::VectorXd& weights) {
  const Eigen::Index d = model.options.factors;
  Eigen::MatrixXd a = history * weights.asDiagonal() * history.transpose();
  const double shift = AlsShift(model.options, static_cast<size_t>(weights.size()), model.items);
  for (Eigen::Index k = 0; k < d; ++k) {
    a(k, k) += model.options.unobserved_weight * model.gram[static_cast<size_t>(k * (d + 1))] + shift;
  }
  const Eigen::LLT<Eigen::MatrixXd> cholesky(a);
  return cholesky.info() == Eigen::Success ? Columns(cholesky.solve(history)) : Columns();
}

}  // namespace

FoldInShares ShareFoldIn(const AlsModel& model, std::span<const uint32_t> history, std::span<const float> weights,
                         std::span<const uint32_t> targets) {
  const size_t n = history.size();
  FoldInShares shares;
  shares.additive.assign(targets.size() * n, 0);
  shares.removal.assign(targets.size() * n, 0);
  if (n == 0) return shares;
  const Columns y = Gather(model, history);
  const Eigen::VectorXd w =
      Eigen::Map<const Eigen::VectorXf>(weights.data(), static_cast<Eigen::Index>(n)).cast<double>();
  const Columns solved = Solve(model, y, w);
  if (solved.size() == 0 || !solved.allFinite()) return shares;
  const Eigen::VectorXd scores = y.transpose() * (solved * w);  // x . y_i
  const Eigen::MatrixXd g = Gather(model, targets).transpose() * solved;
  for (size_t i = 0; i < n; ++i) {
    const auto column = static_cast<Eigen::Index>(i);
    // w g_ii < 1 because A holds w y y^T and more; rounding may say otherwise.
    const double kept = std::max(1e-9, 1 - w(column) * y.col(column).dot(solved.col(column)));
    const double gain = (1 - scores(column)) / kept;
    for (size_t t = 0; t < targets.size(); ++t) {
      const double additive = w(column) * g(static_cast<Eigen::Index>(t), column);
      shares.additive[t * n + i] = additive;
      shares.removal[t * n + i] = additive * gain;
    }
  }
  return shares;
}

}  // namespace rapport

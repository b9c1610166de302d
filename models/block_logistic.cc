#include "models/block_logistic.h"

#include <numeric>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr size_t kParts = 16;  // of the rows; a constant, so that sums are the same on every thread count
constexpr int kConjugateSteps = 60;

double Dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// One fit under way. One owner; its loops run in parallel.
class Solver {
 public:
  Solver(const BlockLogisticRows& rows, std::span<const float> offsets, std::vector<LogisticBlock>& blocks,
         const BlockLogisticOptions& options)
      : rows_(rows), offsets_(offsets), blocks_(blocks), options_(options) {
    for (const LogisticBlock& block : blocks_) {
      columns_ += block.columns;
      functions_ += Functions(block);
    }
  }

  BlockLogisticFit Run(std::span<const double> start) {
    t_.assign(functions_, 0.0);
    if (start.size() == functions_) t_.assign(start.begin(), start.end());
    double objective = Evaluate(t_);
    for (int round = 0; round <= options_.variance_rounds; ++round) {
      if (round > 0) {
        UpdateVariances();
        objective = Evaluate(t_);
      }
      objective = Newton(objective);
    }
    return {t_, ToColumns(t_), objective};
  }

 private:
  static size_t Functions(const LogisticBlock& block) {
    return block.basis == nullptr ? block.columns : block.columns / kHoursOfWeek * block.basis->functions;
  }

  // B t.
  std::vector<double> ToColumns(std::span<const double> t) const {
    std::vector<double> out(columns_, 0.0);
    size_t column = 0, at = 0;
    for (const LogisticBlock& block : blocks_) {
      if (block.basis == nullptr) {
        std::copy_n(t.begin() + static_cast<ptrdiff_t>(at), block.columns,
                    out.begin() + static_cast<ptrdiff_t>(column));
      } else {
        for (size_t c = 0; c < block.columns; ++c) {
          const size_t curve = at + c / kHoursOfWeek * block.basis->functions;
          out[column + c] = Dot(block.basis->At(c % kHoursOfWeek), t.subspan(curve, block.basis->functions));
        }
      }
      column += block.columns;
      at += Functions(block);
    }
    return out;
  }

  // B^T g; with `square`, the diagonal of B^T diag(g) B.
  std::vector<double> ToFunctions(std::span<const double> g, bool square) const {
    std::vector<double> out(functions_, 0.0);
    size_t column = 0, at = 0;
    for (const LogisticBlock& block : blocks_) {
      for (size_t c = 0; c < block.columns; ++c) {
        if (block.basis == nullptr) {
          out[at + c] = g[column + c];
          continue;
        }
        const std::span<const double> basis = block.basis->At(c % kHoursOfWeek);
        double* const to = out.data() + at + c / kHoursOfWeek * block.basis->functions;
        for (size_t f = 0; f < basis.size(); ++f) to[f] += g[column + c] * basis[f] * (square ? basis[f] : 1.0);
      }
      column += block.columns;
      at += Functions(block);
    }
    return out;
  }

  template <typename Body>
  void EachPart(const Body& body) const {
    const size_t grain = (rows_.size() + kParts - 1) / kParts;
    if (grain > 0) ParallelFor(rows_.size(), grain, options_.threads, body);
  }
  std::vector<double> SumParts(const std::vector<std::vector<double>>& parts) const {
    std::vector<double> sum(columns_, 0.0);
    for (const std::vector<double>& part : parts) {
      for (size_t c = 0; c < part.size(); ++c) sum[c] += part[c];
    }
    return sum;
  }
  double Penalty(std::span<const double> t) const {
    double sum = 0;
    size_t at = 0;
    for (const LogisticBlock& block : blocks_) {
      const std::span<const double> own = t.subspan(at, Functions(block));
      sum += Dot(own, own) / (2 * block.variance);
      at += own.size();
    }
    return sum;
  }
  std::vector<double> Precisions() const {
    std::vector<double> out;
    for (const LogisticBlock& block : blocks_) out.insert(out.end(), Functions(block), 1 / block.variance);
    return out;
  }

  // The objective at t; leaves residuals w (p - y) and curvatures w p (1 - p).
  double Evaluate(std::span<const double> t) {
    const std::vector<double> columns = ToColumns(t);
    residuals_.resize(rows_.size());
    curvatures_.resize(rows_.size());
    std::vector<double> losses(kParts, 0.0);
    EachPart([&](size_t begin, size_t end, size_t part) {
      for (size_t i = begin; i < end; ++i) {
        const double eta = (offsets_.empty() ? 0.0 : offsets_[i]) + BlockLogisticScore(rows_, i, columns);
        const double w = rows_.weights[i], p = Sigmoid(eta);
        losses[part] += w * SoftPlus(rows_.responded[i] != 0 ? -eta : eta);
        residuals_[i] = w * (p - rows_.responded[i]);
        curvatures_[i] = w * p * (1 - p);
      }
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0) + Penalty(t);
  }

  std::vector<double> Gradient() const {
    std::vector<std::vector<double>> parts(kParts);
    EachPart([&](size_t begin, size_t end, size_t part) {
      parts[part].assign(columns_, 0.0);
      for (size_t i = begin; i < end; ++i) {
        for (uint64_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
          parts[part][rows_.columns[k]] += residuals_[i] * rows_.values[k];
        }
      }
    });
    std::vector<double> gradient = ToFunctions(SumParts(parts), false);
    const std::vector<double> precisions = Precisions();
    for (size_t j = 0; j < functions_; ++j) gradient[j] += t_[j] * precisions[j];
    return gradient;
  }

  // The diagonal of the Hessian, for a basis without what lies between hours: a preconditioner and a scale.
  std::vector<double> Diagonal() const {
    std::vector<std::vector<double>> parts(kParts);
    EachPart([&](size_t begin, size_t end, size_t part) {
      parts[part].assign(columns_, 0.0);
      for (size_t i = begin; i < end; ++i) {
        for (uint64_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
          parts[part][rows_.columns[k]] += curvatures_[i] * rows_.values[k] * rows_.values[k];
        }
      }
    });
    std::vector<double> diagonal = ToFunctions(SumParts(parts), true);
    const std::vector<double> precisions = Precisions();
    for (size_t j = 0; j < functions_; ++j) diagonal[j] += precisions[j];
    return diagonal;
  }

  std::vector<double> TimesHessian(std::span<const double> v) const {
    const std::vector<double> columns = ToColumns(v);
    std::vector<std::vector<double>> parts(kParts);
    EachPart([&](size_t begin, size_t end, size_t part) {
      parts[part].assign(columns_, 0.0);
      for (size_t i = begin; i < end; ++i) {
        const double scaled = curvatures_[i] * BlockLogisticScore(rows_, i, columns);
        for (uint64_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
          parts[part][rows_.columns[k]] += scaled * rows_.values[k];
        }
      }
    });
    std::vector<double> out = ToFunctions(SumParts(parts), false);
    const std::vector<double> precisions = Precisions();
    for (size_t j = 0; j < functions_; ++j) out[j] += v[j] * precisions[j];
    return out;
  }

  // H step = gradient.
  std::vector<double> Solve(std::span<const double> gradient, std::span<const double> diagonal) const {
    std::vector<double> x(functions_, 0.0), r(gradient.begin(), gradient.end()), z(functions_), p;
    for (size_t j = 0; j < functions_; ++j) z[j] = r[j] / diagonal[j];
    p = z;
    double rz = Dot(r, z);
    const double enough = rz * options_.conjugate_tolerance * options_.conjugate_tolerance;
    for (int step = 0; step < kConjugateSteps && rz > enough && rz > 0; ++step) {
      const std::vector<double> hp = TimesHessian(p);
      const double alpha = rz / Dot(p, hp);
      for (size_t j = 0; j < functions_; ++j) {
        x[j] += alpha * p[j];
        r[j] -= alpha * hp[j];
        z[j] = r[j] / diagonal[j];
      }
      const double next = Dot(r, z);
      for (size_t j = 0; j < functions_; ++j) p[j] = z[j] + next / rz * p[j];
      rz = next;
    }
    return x;
  }

  double Newton(double objective) {
    double total = 0;
    for (const float weight : rows_.weights) total += weight;
    for (int step = 0; step < options_.newton_steps; ++step) {
      const std::vector<double> direction = Solve(Gradient(), Diagonal());
      double share = 1, lower = objective;
      std::vector<double> tried(functions_);
      for (int half = 0; half < 20; ++half, share /= 2) {
        for (size_t j = 0; j < functions_; ++j) tried[j] = t_[j] - share * direction[j];
        lower = Evaluate(tried);
        if (lower <= objective) break;
      }
      if (!(lower <= objective)) {
        Evaluate(t_);
        return objective;
      }
      t_ = tried;
      const double gain = objective - lower;
      objective = lower;
      if (gain <= options_.tolerance * total) break;
    }
    return objective;
  }

  void UpdateVariances() {
    const std::vector<double> diagonal = Diagonal();
    size_t at = 0;
    for (LogisticBlock& block : blocks_) {
      const size_t count = Functions(block);
      double sum = 0;
      for (size_t j = at; j < at + count; ++j) sum += t_[j] * t_[j] + 1 / diagonal[j];
      if (count > 0) {
        block.variance = std::clamp(sum / static_cast<double>(count), block.variance_min, block.variance_max);
      }
      at += count;
    }
  }

  const BlockLogisticRows& rows_;
  const std::span<const float> offsets_;
  std::vector<LogisticBlock>& blocks_;
  const BlockLogisticOptions& options_;
  size_t columns_ = 0, functions_ = 0;
  std::vector<double> t_, residuals_, curvatures_;
};

}  // namespace

double BlockLogisticScore(const BlockLogisticRows& rows, size_t row, std::span<const double> columns) {
  double sum = 0;
  for (uint64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) sum += rows.values[k] * columns[rows.columns[k]];
  return sum;
}

BlockLogisticFit FitBlockLogistic(const BlockLogisticRows& rows, std::span<const float> offsets,
                                  std::vector<LogisticBlock>& blocks, std::span<const double> start,
                                  const BlockLogisticOptions& options) {
  return Solver(rows, offsets, blocks, options).Run(start);
}

}  // namespace rapport

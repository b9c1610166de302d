#include "models/attribute_map.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr int kIterationsMax = 500;
constexpr double kTolerance = 1e-9;  // of the residual's length against the right side's
constexpr double kEvidenceHalf = 10;

// Z^T E Z + R as an operator on vectors of (width + 1).
class NormalEquations {
 public:
  NormalEquations(const AttributeModel& model, std::vector<double> evidence, double regularization)
      : model_(model), evidence_(std::move(evidence)), ridge_(size_t{model.width()} + 1, regularization) {
    ridge_.back() = regularization / 1000;
    diagonal_ = ridge_;
    for (uint32_t row = 0; row < model_.rows(); ++row) {
      for (uint64_t k = model_.offsets[row]; k < model_.offsets[row + 1]; ++k) {
        diagonal_[model_.columns[k]] += evidence_[row] * model_.values[k] * model_.values[k];
      }
      diagonal_.back() += evidence_[row];
    }
  }
  size_t size() const { return ridge_.size(); }
  const std::vector<double>& diagonal() const { return diagonal_; }

  // out = Z^T (e x values per row)
  template <typename ValueOf>
  void Spread(ValueOf value_of, std::vector<double>& out) const {
    for (uint32_t row = 0; row < model_.rows(); ++row) {
      const double value = evidence_[row] * value_of(row);
      for (uint64_t k = model_.offsets[row]; k < model_.offsets[row + 1]; ++k) {
        out[model_.columns[k]] += model_.values[k] * value;
      }
      out.back() += value;
    }
  }
  void Apply(const std::vector<double>& in, std::vector<double>& out) const {
    for (size_t c = 0; c < in.size(); ++c) out[c] = ridge_[c] * in[c];
    Spread(
        [&](uint32_t row) {
          double sum = in.back();
          for (uint64_t k = model_.offsets[row]; k < model_.offsets[row + 1]; ++k) {
            sum += model_.values[k] * in[model_.columns[k]];
          }
          return sum;
        },
        out);
  }

 private:
  const AttributeModel& model_;
  const std::vector<double> evidence_;
  std::vector<double> ridge_, diagonal_;
};

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> Solve(const NormalEquations& equations, std::vector<double> residual) {
  const size_t n = equations.size();
  std::vector<double> x(n), direction(n), image(n), preconditioned(n);
  const auto precondition = [&] {
    for (size_t i = 0; i < n; ++i) preconditioned[i] = residual[i] / equations.diagonal()[i];
  };
  const double target = kTolerance * kTolerance * Dot(residual, residual);
  precondition();
  direction = preconditioned;
  double energy = Dot(residual, preconditioned);
  for (int i = 0; i < kIterationsMax && Dot(residual, residual) > target && energy > 0; ++i) {
    equations.Apply(direction, image);
    const double step = energy / Dot(direction, image);
    for (size_t k = 0; k < n; ++k) {
      x[k] += step * direction[k];
      residual[k] -= step * image[k];
    }
    precondition();
    const double next = Dot(residual, preconditioned);
    for (size_t k = 0; k < n; ++k) direction[k] = preconditioned[k] + next / energy * direction[k];
    energy = next;
  }
  return x;
}

}  // namespace

Result<std::vector<float>> FitAttributeMap(const AttributeModel& model, std::span<const float> factors, size_t d,
                                           std::span<const uint32_t> evidence, const AttributeOptions& options) {
  if (d == 0 || factors.size() != model.rows() * d || evidence.size() != model.rows()) {
    return Status::InvalidArgument("attribute map: the shapes of attributes and factors disagree");
  }
  if (!(options.regularization > 0)) return Status::InvalidArgument("attribute map: regularization must be above 0");
  std::vector<double> weights;
  for (const uint32_t count : evidence) weights.push_back(count / (count + kEvidenceHalf));
  const NormalEquations equations(model, std::move(weights), options.regularization);
  const size_t width = equations.size();
  std::vector<float> map(width * d);
  ParallelFor(d, 1, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t k = begin; k < end; ++k) {
      std::vector<double> right(width);
      equations.Spread([&](uint32_t row) { return static_cast<double>(factors[row * d + k]); }, right);
      const std::vector<double> column = Solve(equations, std::move(right));
      for (size_t c = 0; c < width; ++c) map[c * d + k] = static_cast<float>(column[c]);
    }
  });
  if (!std::all_of(map.begin(), map.end(), [](float x) { return std::isfinite(x); })) {
    return Status::Internal("attribute map: a number is not finite");
  }
  return map;
}

void MapToFactor(const AttributeModel& model, std::span<const float> map, const SparseVector& vector,
                 std::span<float> out) {
  const size_t d = out.size();
  const float* constant = map.data() + size_t{model.width()} * d;
  std::copy_n(constant, d, out.begin());
  for (size_t i = 0; i < vector.columns.size(); ++i) {
    const float* row = map.data() + size_t{vector.columns[i]} * d;
    for (size_t k = 0; k < d; ++k) out[k] += vector.values[i] * row[k];
  }
}

}  // namespace rapport

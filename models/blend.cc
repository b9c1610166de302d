#include "models/blend.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr size_t kCustomersPerBlock = 64;

// What one block of customers adds.
struct Sums {
  double value = 0, customers = 0;
  Eigen::VectorXd gradient;
  Eigen::MatrixXd curvature;  // minus the Hessian

  explicit Sums(Eigen::Index features)
      : gradient(Eigen::VectorXd::Zero(features)), curvature(Eigen::MatrixXd::Zero(features, features)) {}
  void Add(const Sums& other) {
    value += other.value;
    customers += other.customers;
    gradient += other.gradient;
    curvature += other.curvature;
  }
};

// One customer: log-likelihood averaged over what was chosen, with its derivatives.
void AddCustomer(const BlendCases& cases, size_t customer, const Eigen::VectorXd& theta, Sums& sums) {
  const size_t begin = cases.offsets[customer], count = cases.offsets[customer + 1] - begin;
  const auto features = static_cast<Eigen::Index>(cases.features);
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> f(
      cases.values.data() + begin * cases.features, static_cast<Eigen::Index>(count), features);
  double chosen = 0;
  for (size_t i = 0; i < count; ++i) chosen += cases.chosen[begin + i];
  if (chosen == 0) return;
  const Eigen::MatrixXd values = f.cast<double>();
  Eigen::VectorXd p = values * theta;
  const double highest = p.maxCoeff();
  Eigen::VectorXd mean_chosen = Eigen::VectorXd::Zero(features);
  double value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (cases.chosen[begin + i] == 0) continue;
    value += p(static_cast<Eigen::Index>(i));
    mean_chosen += values.row(static_cast<Eigen::Index>(i)).transpose();
  }
  const double log_sum = highest + std::log((p.array() - highest).exp().sum());
  p = (p.array() - log_sum).exp();
  const Eigen::VectorXd mean = values.transpose() * p;
  sums.value += value / chosen - log_sum;
  sums.customers += 1;
  sums.gradient += mean_chosen / chosen - mean;
  // The lower triangle only: Evaluate mirrors it.
  const Eigen::MatrixXd weighted = p.cwiseSqrt().asDiagonal() * values;
  sums.curvature.selfadjointView<Eigen::Lower>().rankUpdate(weighted.transpose());
  sums.curvature.selfadjointView<Eigen::Lower>().rankUpdate(mean, -1.0);
}

// Penalised means over all customers; parts and their blocks are added in their order.
Sums Evaluate(std::span<const BlendCases* const> parts, const Eigen::VectorXd& theta, double l2, int threads) {
  const Eigen::Index features = theta.size();
  Sums all(features);
  for (const BlendCases* cases : parts) {
    const size_t customers = cases->offsets.size() - 1;
    std::vector<Sums> blocks((customers + kCustomersPerBlock - 1) / kCustomersPerBlock, Sums(features));
    ParallelFor(customers, kCustomersPerBlock, threads, [&](size_t begin, size_t end, size_t block) {
      for (size_t customer = begin; customer < end; ++customer) AddCustomer(*cases, customer, theta, blocks[block]);
    });
    for (const Sums& block : blocks) all.Add(block);
  }
  const double scale = all.customers > 0 ? 1 / all.customers : 0;
  all.value = all.value * scale - l2 / 2 * theta.squaredNorm();
  all.gradient = all.gradient * scale - l2 * theta;
  const Eigen::MatrixXd lower = all.curvature;
  all.curvature = lower.selfadjointView<Eigen::Lower>();
  all.curvature = all.curvature * scale + l2 * Eigen::MatrixXd::Identity(features, features);
  return all;
}

Status Check(const BlendCases& cases, const BlendOptions& options) {
  if (cases.features == 0 || cases.features > kBlendFeaturesMax) {
    return Status::InvalidArgument("a blend takes 1 to " + std::to_string(kBlendFeaturesMax) + " features");
  }
  const bool shapes = !cases.offsets.empty() && cases.offsets.front() == 0 &&
                      std::is_sorted(cases.offsets.begin(), cases.offsets.end()) &&
                      cases.offsets.back() == cases.chosen.size() &&
                      cases.values.size() == cases.chosen.size() * cases.features;
  if (!shapes) return Status::InvalidArgument("the shapes of the blend's cases disagree");
  if (!(options.l2 > 0)) return Status::InvalidArgument("l2 must be above 0");
  if (!std::all_of(cases.values.begin(), cases.values.end(), [](float v) { return std::isfinite(v); })) {
    return Status::InvalidArgument("a feature of the blend is not finite");
  }
  return Status::Ok();
}

}  // namespace

Result<std::vector<double>> FitBlend(std::span<const BlendCases* const> parts, const BlendOptions& options) {
  if (parts.empty()) return Status::FailedPrecondition("no cases: nothing to blend by");
  for (const BlendCases* part : parts) {
    RAPPORT_RETURN_IF_ERROR(Check(*part, options));
    if (part->features != parts.front()->features) {
      return Status::InvalidArgument("the parts of the blend's cases have different features");
    }
  }
  Eigen::VectorXd theta = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(parts.front()->features));
  Sums now = Evaluate(parts, theta, options.l2, options.threads);
  if (now.customers == 0) return Status::FailedPrecondition("nobody chose any of the candidates: nothing to blend by");
  for (int i = 0; i < options.iterations_max; ++i) {
    const Eigen::VectorXd step = now.curvature.ldlt().solve(now.gradient);
    // Halved until the objective grows: far from the optimum a full step may overshoot.
    double length = 1;
    Sums next = Evaluate(parts, theta + step, options.l2, options.threads);
    while (next.value < now.value && length > 1e-6) {
      length /= 2;
      next = Evaluate(parts, theta + length * step, options.l2, options.threads);
    }
    const double gain = next.value - now.value;
    if (!(gain > 0)) break;
    theta += length * step;
    now = std::move(next);
    if (gain < options.tolerance) break;
  }
  if (!theta.allFinite()) return Status::Internal("the blend's weights are not finite");
  return std::vector<double>(theta.data(), theta.data() + theta.size());
}

Result<std::vector<double>> FitBlend(const BlendCases& cases, const BlendOptions& options) {
  const BlendCases* const one[] = {&cases};
  return FitBlend(std::span<const BlendCases* const>(one), options);
}

double BlendObjective(const BlendCases& cases, std::span<const double> theta, double l2) {
  const Eigen::Map<const Eigen::VectorXd> vector(theta.data(), static_cast<Eigen::Index>(theta.size()));
  const BlendCases* const one[] = {&cases};
  return Evaluate(one, vector, l2, 1).value;
}

}  // namespace rapport

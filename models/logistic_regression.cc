#include "models/logistic_regression.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Features = Eigen::Map<const RowMajor>;

constexpr Eigen::Index kBlockRows = 1024;
constexpr int kHalvingsMax = 40;
constexpr double kConditionLeast = 1e-15;  // below it a step is rounding error

// log(1 + exp(x)) without overflow.
double SoftPlus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

double RidgeOf(const LogisticOptions& options, size_t column) {
  return options.ridges.empty() ? options.ridge : options.ridges[column];
}
double WeightOf(const LogisticCases& cases, size_t row) { return cases.weights.empty() ? 1.0 : cases.weights[row]; }

bool AllWithin(std::span<const double> values, double low, double high) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v >= low && v <= high; });
}

Status Check(const LogisticCases& cases, const LogisticOptions& options) {
  const auto wrong = [](std::string what) {
    return Status::InvalidArgument("logistic regression: " + std::move(what));
  };
  const size_t rows = cases.outcomes.size();
  if (cases.columns > kLogisticColumnsMax) {
    return wrong(std::to_string(cases.columns) + " columns; at most " + std::to_string(kLogisticColumnsMax));
  }
  if (cases.features.size() != rows * cases.columns) return wrong("features must have a row for every outcome");
  if (!cases.weights.empty() && cases.weights.size() != rows) return wrong("weights must be one for each outcome");
  if (!options.ridges.empty() && options.ridges.size() != cases.columns) {
    return wrong("ridges must be one for each column");
  }
  if (!AllWithin(cases.outcomes, 0, 1)) return wrong("outcomes must lie in 0..1");
  constexpr double kMost = 1e300;  // finite, and finite after a sum
  if (!AllWithin(cases.weights, 0, kMost)) return wrong("weights must be finite and not negative");
  if (!AllWithin(options.ridges, 0, kMost) || !(options.ridge >= 0 && options.ridge <= kMost)) {
    return wrong("a ridge must be finite and not negative");
  }
  if (!std::all_of(cases.features.begin(), cases.features.end(), [](double v) { return std::isfinite(v); })) {
    return wrong("a feature is not finite");
  }
  return Status::Ok();
}

// Parameters as one vector, the intercept last.
struct Parameters {
  Eigen::VectorXd b;
  LogisticModel ToModel() const {
    LogisticModel model;
    model.weights.assign(b.data(), b.data() + b.size() - 1);
    model.intercept = b[b.size() - 1];
    return model;
  }
};

// Sum over rows of F's second derivative, and the ridge.
Eigen::MatrixXd Hessian(const LogisticCases& cases, const LogisticOptions& options, const Eigen::VectorXd& log_odds) {
  const auto columns = static_cast<Eigen::Index>(cases.columns), rows = log_odds.size();
  const Features x(cases.features.data(), rows, columns);
  Eigen::MatrixXd hessian = Eigen::MatrixXd::Zero(columns + 1, columns + 1);
  RowMajor block(std::min(kBlockRows, std::max<Eigen::Index>(rows, 1)), columns + 1);
  for (Eigen::Index begin = 0; begin < rows; begin += kBlockRows) {
    const Eigen::Index count = std::min(kBlockRows, rows - begin);
    for (Eigen::Index i = 0; i < count; ++i) {
      const double p = Sigmoid(log_odds[begin + i]);
      const double root = std::sqrt(WeightOf(cases, static_cast<size_t>(begin + i)) * p * (1 - p));
      block.row(i).head(columns) = root * x.row(begin + i);
      block(i, columns) = root;
    }
    hessian.selfadjointView<Eigen::Lower>().rankUpdate(block.topRows(count).transpose());
  }
  for (Eigen::Index j = 0; j < columns; ++j) hessian(j, j) += RidgeOf(options, static_cast<size_t>(j));
  hessian(columns, columns) += kInterceptRidge;
  return hessian;
}

Eigen::VectorXd LogOddsOf(const LogisticCases& cases, const Eigen::VectorXd& b) {
  const auto columns = static_cast<Eigen::Index>(cases.columns);
  const Features x(cases.features.data(), static_cast<Eigen::Index>(cases.outcomes.size()), columns);
  Eigen::VectorXd log_odds = x * b.head(columns);
  log_odds.array() += b[columns];
  return log_odds;
}

double Objective(const LogisticCases& cases, const LogisticOptions& options, const Eigen::VectorXd& b,
                 const Eigen::VectorXd& log_odds) {
  double value = kInterceptRidge * b[b.size() - 1] * b[b.size() - 1] / 2;
  for (size_t j = 0; j < cases.columns; ++j) {
    const double weight = b[static_cast<Eigen::Index>(j)];
    value += RidgeOf(options, j) * weight * weight / 2;
  }
  for (size_t i = 0; i < cases.outcomes.size(); ++i) {
    const double x = log_odds[static_cast<Eigen::Index>(i)];
    value += WeightOf(cases, i) * (SoftPlus(x) - cases.outcomes[i] * x);
  }
  return value;
}

Eigen::VectorXd Gradient(const LogisticCases& cases, const LogisticOptions& options, const Eigen::VectorXd& b,
                         const Eigen::VectorXd& log_odds) {
  const auto columns = static_cast<Eigen::Index>(cases.columns);
  Eigen::VectorXd residual(log_odds.size());
  for (Eigen::Index i = 0; i < log_odds.size(); ++i) {
    const auto row = static_cast<size_t>(i);
    residual[i] = WeightOf(cases, row) * (Sigmoid(log_odds[i]) - cases.outcomes[row]);
  }
  const Features x(cases.features.data(), log_odds.size(), columns);
  Eigen::VectorXd gradient(columns + 1);
  gradient.head(columns) = x.transpose() * residual;
  gradient[columns] = residual.sum() + kInterceptRidge * b[columns];
  for (Eigen::Index j = 0; j < columns; ++j) gradient[j] += RidgeOf(options, static_cast<size_t>(j)) * b[j];
  return gradient;
}

}  // namespace

double Sigmoid(double x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1 + e);
}

double LogisticModel::LogOdds(std::span<const double> features) const {
  double sum = intercept;
  for (size_t j = 0; j < weights.size(); ++j) sum += weights[j] * features[j];
  return sum;
}

double LogisticModel::Probability(std::span<const double> features) const { return Sigmoid(LogOdds(features)); }

Result<LogisticFit> FitLogistic(const LogisticCases& cases, const LogisticOptions& options) {
  RAPPORT_RETURN_IF_ERROR(Check(cases, options));
  double total = 0;
  for (size_t i = 0; i < cases.outcomes.size(); ++i) total += WeightOf(cases, i);
  if (total <= 0)
    return Status::FailedPrecondition("logistic regression: no row has a weight; there is nothing to fit");
  const Status no_optimum = Status::FailedPrecondition(
      "logistic regression: no finite optimum; columns without ridge are collinear or separate the outcomes: give "
      "every "
      "column a ridge above 0");

  LogisticFit fit;
  Parameters at{Eigen::VectorXd::Zero(static_cast<Eigen::Index>(cases.columns) + 1)};
  Eigen::VectorXd log_odds = LogOddsOf(cases, at.b);
  double value = Objective(cases, options, at.b, log_odds);
  for (fit.steps = 0; fit.steps <= options.steps_max; ++fit.steps) {
    const Eigen::VectorXd gradient = Gradient(cases, options, at.b, log_odds);
    fit.gradient = gradient.cwiseAbs().maxCoeff() / total;
    if (!std::isfinite(fit.gradient)) return no_optimum;
    if (fit.gradient <= options.tolerance) break;
    const Eigen::LLT<Eigen::MatrixXd, Eigen::Lower> solver(Hessian(cases, options, log_odds));
    if (solver.info() != Eigen::Success || solver.rcond() < kConditionLeast) return no_optimum;
    const Eigen::VectorXd step = solver.solve(gradient);
    // Halved until the objective falls (or stays, at the end of what doubles can tell apart): Newton may overshoot
    // where probabilities are near 0 or 1.
    double length = 1;
    int halvings = 0;
    for (; halvings < kHalvingsMax; ++halvings, length /= 2) {
      const Eigen::VectorXd next = at.b - length * step;
      const Eigen::VectorXd next_log_odds = LogOddsOf(cases, next);
      const double next_value = Objective(cases, options, next, next_log_odds);
      if (!(next_value <= value + 1e-12 * std::abs(value))) continue;
      at.b = next, log_odds = next_log_odds, value = next_value;
      break;
    }
    if (halvings == kHalvingsMax) break;  // no better point that doubles can tell: the gradient says how near
  }
  if (fit.gradient > std::max(1e-6, options.tolerance)) return no_optimum;
  fit.model = at.ToModel();
  return fit;
}

double LogisticObjective(const LogisticCases& cases, const LogisticOptions& options, const LogisticModel& model,
                         std::vector<double>* gradient) {
  Eigen::VectorXd b(static_cast<Eigen::Index>(model.weights.size()) + 1);
  for (size_t j = 0; j < model.weights.size(); ++j) b[static_cast<Eigen::Index>(j)] = model.weights[j];
  b[b.size() - 1] = model.intercept;
  const Eigen::VectorXd log_odds = LogOddsOf(cases, b);
  if (gradient != nullptr) {
    const Eigen::VectorXd g = Gradient(cases, options, b, log_odds);
    gradient->assign(g.data(), g.data() + g.size());
  }
  return Objective(cases, options, b, log_odds);
}

}  // namespace rapport

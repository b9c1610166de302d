#include "models/response_vector.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "models/block_logistic.h"

namespace rapport {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

constexpr int kNewtonSteps = 8;
constexpr double kSmallStep = 1e-6;
// Turns of the week: three of the day, the week's own first two, and the working days against the weekend.
constexpr std::array<int, kOwnHourFunctions / 2> kTurns = {7, 14, 21, 1, 2, 8};

using HourTable = std::array<std::array<double, kOwnHourFunctions>, kHoursOfWeek>;
HourTable MakeTable() {
  HourTable table;
  for (size_t h = 0; h < kHoursOfWeek; ++h) {
    for (size_t k = 0; k < kTurns.size(); ++k) {
      const size_t turned = static_cast<size_t>(kTurns[k]) * h % kHoursOfWeek;
      const double angle = 2 * std::numbers::pi * static_cast<double>(turned) / kHoursOfWeek;
      table[h][2 * k] = std::numbers::sqrt2 * std::cos(angle);
      table[h][2 * k + 1] = std::numbers::sqrt2 * std::sin(angle);
    }
  }
  return table;
}

// The features that are not zero: at most 3 + kOwnHourFunctions.
struct Features {
  std::array<size_t, 3 + kOwnHourFunctions> at;
  std::array<double, 3 + kOwnHourFunctions> values;
};
Features FeaturesOf(const VectorShape& shape, const VectorTrial& trial) {
  Features features;
  features.at[0] = 0;
  features.at[1] = shape.channel(trial.channel);
  features.at[2] = shape.kind(trial.kind);
  features.values[0] = features.values[1] = features.values[2] = 1;
  const auto hour = OwnHour(trial.hour);
  for (size_t f = 0; f < kOwnHourFunctions; ++f) {
    features.at[3 + f] = shape.hour() + f;
    features.values[3 + f] = hour[f];
  }
  return features;
}

double Objective(const VectorShape& shape, std::span<const VectorTrial> trials, const Vector& z, const Vector& mean,
                 const Matrix& precision) {
  const Vector away = z - mean;
  double sum = 0.5 * away.dot(precision * away);
  const std::span<const double> at(z.data(), static_cast<size_t>(z.size()));
  for (const VectorTrial& trial : trials) {
    const double eta = trial.offset + VectorScore(shape, at, trial.channel, trial.kind, trial.hour);
    sum += trial.weight * SoftPlus(trial.responded ? -eta : eta);
  }
  return sum;
}

// Gradient and Hessian (lower half) at z.
void Derive(const VectorShape& shape, std::span<const VectorTrial> trials, const Vector& z, const Vector& mean,
            const Matrix& precision, Vector& gradient, Matrix& hessian) {
  gradient = precision * (z - mean);
  hessian = precision;
  const std::span<const double> at(z.data(), static_cast<size_t>(z.size()));
  for (const VectorTrial& trial : trials) {
    const double eta = trial.offset + VectorScore(shape, at, trial.channel, trial.kind, trial.hour);
    const double p = Sigmoid(eta), slope = trial.weight * (p - (trial.responded ? 1.0 : 0.0));
    const double curvature = trial.weight * p * (1 - p);
    const Features x = FeaturesOf(shape, trial);
    for (size_t a = 0; a < x.at.size(); ++a) {
      const auto row = static_cast<Eigen::Index>(x.at[a]);
      gradient[row] += slope * x.values[a];
      const double scaled = curvature * x.values[a];
      for (size_t b = 0; b <= a; ++b) hessian(row, static_cast<Eigen::Index>(x.at[b])) += scaled * x.values[b];
    }
  }
}

}  // namespace

std::span<const double, kOwnHourFunctions> OwnHour(size_t hour) {
  static const HourTable table = MakeTable();
  return table[hour];
}

double VectorScore(const VectorShape& shape, std::span<const double> z, size_t channel, size_t kind, size_t hour) {
  double sum = z[0] + z[shape.channel(channel)] + z[shape.kind(kind)];
  const auto psi = OwnHour(hour);
  const double* const own = z.data() + shape.hour();
  for (size_t f = 0; f < kOwnHourFunctions; ++f) sum += own[f] * psi[f];
  return sum;
}

void FoldInVector(const VectorShape& shape, std::span<const VectorTrial> trials, std::span<const double> mean,
                  std::span<const double> precision, std::span<double> z, std::span<double> covariance) {
  const auto d = static_cast<Eigen::Index>(shape.size());
  const Eigen::Map<const Matrix> prior(precision.data(), d, d);
  const Vector centre = Eigen::Map<const Vector>(mean.data(), d);
  Vector at = centre, gradient(d);
  Matrix hessian = prior;
  if (!trials.empty()) {
    double objective = Objective(shape, trials, at, centre, prior);
    for (int step = 0; step < kNewtonSteps; ++step) {
      Derive(shape, trials, at, centre, prior, gradient, hessian);
      const Vector direction = hessian.selfadjointView<Eigen::Lower>().llt().solve(gradient);
      double share = 1;
      Vector tried = at - direction;
      double lower = Objective(shape, trials, tried, centre, prior);
      while (!(lower <= objective) && share > 1e-4) {
        share /= 2;
        tried = at - share * direction;
        lower = Objective(shape, trials, tried, centre, prior);
      }
      if (!(lower <= objective)) break;
      at = tried;
      objective = lower;
      if (direction.cwiseAbs().maxCoeff() * share < kSmallStep) break;
    }
    if (!covariance.empty()) Derive(shape, trials, at, centre, prior, gradient, hessian);
  }
  Eigen::Map<Vector>(z.data(), d) = at;
  if (!covariance.empty()) {
    Eigen::Map<Matrix>(covariance.data(), d, d) =
        hessian.selfadjointView<Eigen::Lower>().llt().solve(Matrix::Identity(d, d));
  }
}

bool InverseOf(std::span<const double> matrix, size_t d, std::span<double> inverse) {
  const auto n = static_cast<Eigen::Index>(d);
  const Eigen::LLT<Matrix> factor(Eigen::Map<const Matrix>(matrix.data(), n, n));
  if (factor.info() != Eigen::Success) return false;
  Eigen::Map<Matrix>(inverse.data(), n, n) = factor.solve(Matrix::Identity(n, n));
  return true;
}

}  // namespace rapport

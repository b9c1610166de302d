// The reference is plain gradient descent on the formula of the header, written without Eigen; the optimum is unique,
// so both must meet.
#include "models/logistic_regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

namespace rapport {
namespace {

struct Data {
  size_t columns = 0;
  std::vector<double> features, outcomes, weights;
  LogisticCases Cases() const { return {columns, features, outcomes, weights}; }
};

Data Planted(uint64_t seed, size_t rows, const std::vector<double>& truth, double intercept, bool shares) {
  Data data;
  data.columns = truth.size();
  Random random(seed);
  for (size_t i = 0; i < rows; ++i) {
    double x = intercept;
    for (double weight : truth) {
      data.features.push_back(random.Normal());
      x += weight * data.features.back();
    }
    const double p = 1 / (1 + std::exp(-x));
    data.outcomes.push_back(shares ? p : (random.Uniform() < p ? 1.0 : 0.0));
    data.weights.push_back(0.5 + random.Uniform());
  }
  return data;
}

// Gradient descent with a step below 2 / (largest curvature).
std::vector<double> Reference(const Data& data, const std::vector<double>& ridges) {
  const size_t n = data.outcomes.size(), d = data.columns;
  std::vector<double> b(d + 1, 0.0);
  double curvature = 1e-4;
  for (size_t i = 0; i < n; ++i) {
    double square = 1;
    for (size_t j = 0; j < d; ++j) square += data.features[i * d + j] * data.features[i * d + j];
    curvature += data.weights[i] * square / 4;
  }
  for (double ridge : ridges) curvature += ridge;
  for (int step = 0; step < 60000; ++step) {
    std::vector<double> gradient(d + 1, 0.0);
    for (size_t i = 0; i < n; ++i) {
      double x = b[d];
      for (size_t j = 0; j < d; ++j) x += b[j] * data.features[i * d + j];
      const double residual = data.weights[i] * (1 / (1 + std::exp(-x)) - data.outcomes[i]);
      for (size_t j = 0; j < d; ++j) gradient[j] += residual * data.features[i * d + j];
      gradient[d] += residual;
    }
    for (size_t j = 0; j < d; ++j) gradient[j] += ridges[j] * b[j];
    gradient[d] += 1e-4 * b[d];
    for (size_t j = 0; j <= d; ++j) b[j] -= gradient[j] / curvature;
  }
  return b;
}

TEST(LogisticRegressionTest, MeetsGradientDescentFromTheFormula) {
  const Data data = Planted(1, 60, {1.0, -2.0, 0.3}, -0.5, false);
  LogisticOptions options;
  options.ridges = {0.5, 3.0, 20.0};
  const Result<LogisticFit> fit = FitLogistic(data.Cases(), options);
  ASSERT_TRUE(fit.ok()) << fit.status().ToString();
  const std::vector<double> reference = Reference(data, options.ridges);
  for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(fit->model.weights[j], reference[j], 1e-8);
  EXPECT_NEAR(fit->model.intercept, reference[3], 1e-8);
  EXPECT_LE(fit->gradient, 1e-9);
  EXPECT_LE(fit->steps, 15);
  // The broken twin: the same fit without weights is another point.
  Data twin = data;
  twin.weights.clear();
  const Result<LogisticFit> unweighted = FitLogistic(twin.Cases(), options);
  ASSERT_TRUE(unweighted.ok());
  EXPECT_GT(std::abs(unweighted->model.weights[1] - reference[1]), 1e-3);
}

TEST(LogisticRegressionTest, TheGradientIsTheObjectivesSlope) {
  const Data data = Planted(2, 200, {0.7, -0.2}, 0.1, false);
  LogisticOptions options;
  options.ridge = 2;
  LogisticModel model{0.3, {-0.4, 0.9}};
  std::vector<double> gradient;
  LogisticObjective(data.Cases(), options, model, &gradient);
  for (size_t j = 0; j < 3; ++j) {
    const double step = 1e-6;
    LogisticModel up = model, down = model;
    (j < 2 ? up.weights[j] : up.intercept) += step;
    (j < 2 ? down.weights[j] : down.intercept) -= step;
    const double slope = (LogisticObjective(data.Cases(), options, up, nullptr) -
                          LogisticObjective(data.Cases(), options, down, nullptr)) /
                         (2 * step);
    EXPECT_NEAR(gradient[j], slope, 1e-5);
  }
}

TEST(LogisticRegressionTest, FindsWhatWasPlantedFromSharesExactly) {
  const std::vector<double> truth{1.5, -0.7, 0.0, 2.0};
  const Data data = Planted(3, 3000, truth, -1, true);
  LogisticOptions options;
  options.ridge = 1e-9;
  const Result<LogisticFit> fit = FitLogistic(data.Cases(), options);
  ASSERT_TRUE(fit.ok());
  for (size_t j = 0; j < truth.size(); ++j) EXPECT_NEAR(fit->model.weights[j], truth[j], 1e-5);
  EXPECT_NEAR(fit->model.intercept, -1, 1e-5);
  EXPECT_NEAR(fit->model.Probability(std::vector<double>{0, 0, 0, 0}), 1 / (1 + std::exp(1.0)), 1e-6);
}

TEST(LogisticRegressionTest, SeparatedOutcomesAndEqualOutcomesHaveAnAnswer) {
  Data data{1, {-1, -0.5, 0.5, 1}, {0, 0, 1, 1}, {}};
  LogisticOptions options;
  options.ridge = 0.1;
  const Result<LogisticFit> separated = FitLogistic(data.Cases(), options);
  ASSERT_TRUE(separated.ok()) << separated.status().ToString();
  EXPECT_GT(separated->model.weights[0], 1);
  data.outcomes = {0, 0, 0, 0};
  const Result<LogisticFit> equal = FitLogistic(data.Cases(), options);
  ASSERT_TRUE(equal.ok()) << equal.status().ToString();
  EXPECT_LT(equal->model.Probability(std::vector<double>{0.0}), 1e-3);
  // Two equal columns without ridge: told, not answered.
  Data collinear{2, {1, 1, 2, 2, 3, 3, 4, 4}, {0, 1, 0, 1}, {}};
  options.ridge = 0;
  EXPECT_EQ(FitLogistic(collinear.Cases(), options).status().code(), StatusCode::kFailedPrecondition);
}

TEST(LogisticRegressionTest, BadInputIsToldApart) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const LogisticOptions options;
  const auto code = [&](const Data& data, const LogisticOptions& o) {
    return FitLogistic(data.Cases(), o).status().code();
  };
  EXPECT_EQ(code({1, {1, nan}, {0, 1}, {}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2}, {0, 1.5}, {}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2}, {0, nan}, {}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2, 3}, {0, 1}, {}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2}, {0, 1}, {1, -1}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2}, {0, 1}, {1}}, options), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, {1, 2}, {0, 1}, {0, 0}}, options), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code({1, {}, {}, {}}, options), StatusCode::kFailedPrecondition);
  LogisticOptions negative;
  negative.ridges = {-1};
  EXPECT_EQ(code({1, {1, 2}, {0, 1}, {}}, negative), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport

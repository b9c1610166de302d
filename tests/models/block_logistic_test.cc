#include "models/block_logistic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "models/response_vector.h"

namespace rapport {
namespace {

struct Problem {
  BlockLogisticRows rows;
  std::vector<float> offsets;
  HourBasis basis = MakeHourBasis(1, 1);
  std::vector<LogisticBlock> blocks;
};

// A level, three columns, and a curve over the week.
Problem MakeProblem(size_t count, uint64_t seed) {
  Problem problem;
  problem.blocks = {{1, nullptr, 10, 10, 10}, {3, nullptr, 0.5, 0.5, 0.5}, {168, &problem.basis, 0.7, 0.7, 0.7}};
  Random random(seed);
  for (size_t i = 0; i < count; ++i) {
    const auto column = static_cast<uint32_t>(1 + random.Below(3)), hour = static_cast<uint32_t>(random.Below(168));
    const double value = random.Normal();
    problem.rows.columns.insert(problem.rows.columns.end(), {0, column, 4 + hour});
    problem.rows.values.insert(problem.rows.values.end(), {1, static_cast<float>(value), 1});
    problem.rows.starts.push_back(problem.rows.columns.size());
    problem.rows.weights.push_back(static_cast<float>(0.5 + random.Uniform()));
    problem.offsets.push_back(static_cast<float>(0.3 * random.Normal()));
    const double eta = -0.5 + (column == 2 ? value : 0) + std::cos(2 * 3.14159265 * (hour % 24) / 24.0);
    problem.rows.responded.push_back(random.Uniform() < Sigmoid(eta));
  }
  return problem;
}

// The slow reference: the same objective written out, its gradient by differences.
double Objective(const Problem& problem, const std::vector<double>& t) {
  double sum = t[0] * t[0] / 20;
  for (size_t j = 1; j < 4; ++j) sum += t[j] * t[j] / (2 * 0.5);
  for (size_t j = 4; j < t.size(); ++j) sum += t[j] * t[j] / (2 * 0.7);
  for (size_t i = 0; i < problem.rows.size(); ++i) {
    const uint32_t* const columns = problem.rows.columns.data() + 3 * i;
    double eta = problem.offsets[i] + t[0] + problem.rows.values[3 * i + 1] * t[columns[1]];
    const auto psi = problem.basis.At(columns[2] - 4);
    for (size_t f = 0; f < psi.size(); ++f) eta += psi[f] * t[4 + f];
    const double p = 1 / (1 + std::exp(-eta));
    sum -= problem.rows.weights[i] * std::log(problem.rows.responded[i] != 0 ? p : 1 - p);
  }
  return sum;
}

TEST(BlockLogisticTest, StopsWhereTheReferenceIsFlat) {
  Problem problem = MakeProblem(400, 3);
  BlockLogisticOptions options;
  options.variance_rounds = 0;
  options.tolerance = 1e-12;
  options.newton_steps = 30;
  const BlockLogisticFit fit = FitBlockLogistic(problem.rows, problem.offsets, problem.blocks, {}, options);
  EXPECT_NEAR(fit.objective, Objective(problem, fit.weights), 1e-6);
  const double at = Objective(problem, fit.weights), step = 1e-4;
  for (size_t j = 0; j < fit.weights.size(); ++j) {
    std::vector<double> up = fit.weights, down = fit.weights;
    up[j] += step;
    down[j] -= step;
    EXPECT_NEAR((Objective(problem, up) - Objective(problem, down)) / (2 * step), 0, 1e-3) << j;
    EXPECT_GT(Objective(problem, up), at - 1e-9);
  }
  // The broken twin: without its offsets the reference is not flat there.
  Problem twin = problem;
  twin.offsets.assign(twin.offsets.size(), 0.5f);
  std::vector<double> up = fit.weights, down = fit.weights;
  up[0] += step;
  down[0] -= step;
  EXPECT_GT(std::abs(Objective(twin, up) - Objective(twin, down)) / (2 * step), 1);
}

TEST(BlockLogisticTest, SameBitsOnEveryThreadCountAndFromAnyStart) {
  Problem one = MakeProblem(500, 5), three = MakeProblem(500, 5);
  BlockLogisticOptions options;
  options.threads = 1;
  const BlockLogisticFit a = FitBlockLogistic(one.rows, one.offsets, one.blocks, {}, options);
  options.threads = 3;
  const BlockLogisticFit b = FitBlockLogistic(three.rows, three.offsets, three.blocks, {}, options);
  EXPECT_EQ(a.weights, b.weights);
}

TEST(BlockLogisticTest, FindsThatColumnsSayNothing) {
  Problem problem = MakeProblem(2000, 9);
  Random random(4);
  for (uint8_t& answer : problem.rows.responded) answer = random.Uniform() < 0.3;
  for (LogisticBlock& block : problem.blocks) block.variance_min = 1e-4;
  problem.blocks[0].variance_min = 10;
  FitBlockLogistic(problem.rows, {}, problem.blocks, {}, {});
  EXPECT_LT(problem.blocks[2].variance, 0.1);
}

TEST(ResponseVectorTest, FoldInStopsWhereASlowReferenceIsFlat) {
  const VectorShape shape{2, 2};
  const size_t d = shape.size();
  Random random(8);
  std::vector<VectorTrial> trials;
  for (int i = 0; i < 25; ++i) {
    trials.push_back({static_cast<uint16_t>(random.Below(168)), static_cast<uint8_t>(random.Below(2)),
                      static_cast<uint8_t>(random.Below(2)), random.Uniform() < 0.4, random.Normal(),
                      0.5 + random.Uniform()});
  }
  std::vector<double> mean(d), precision(d * d, 0.0), z(d), covariance(d * d);
  for (size_t a = 0; a < d; ++a) {
    mean[a] = 0.1 * random.Normal();
    precision[a * d + a] = 3;
    for (size_t b = 0; b < a; ++b) precision[a * d + b] = precision[b * d + a] = 0.05;
  }
  const auto objective = [&](const std::vector<double>& at) {
    double sum = 0;
    for (size_t a = 0; a < d; ++a) {
      for (size_t b = 0; b < d; ++b) sum += 0.5 * (at[a] - mean[a]) * precision[a * d + b] * (at[b] - mean[b]);
    }
    for (const VectorTrial& trial : trials) {
      const double eta = trial.offset + VectorScore(shape, at, trial.channel, trial.kind, trial.hour);
      const double p = 1 / (1 + std::exp(-eta));
      sum -= trial.weight * std::log(trial.responded ? p : 1 - p);
    }
    return sum;
  };
  FoldInVector(shape, trials, mean, precision, z, covariance);
  for (size_t j = 0; j < d; ++j) {
    std::vector<double> up = z, down = z;
    up[j] += 1e-4;
    down[j] -= 1e-4;
    EXPECT_NEAR((objective(up) - objective(down)) / 2e-4, 0, 1e-4) << j;
    // The inverse Hessian's diagonal is at least what the coordinate alone would leave.
    const double curvature = (objective(up) - 2 * objective(z) + objective(down)) / 1e-8;
    EXPECT_GE(covariance[j * d + j], 1 / curvature - 1e-2);
  }
  FoldInVector(shape, {}, mean, precision, z, {});
  EXPECT_EQ(z, mean);
}

}  // namespace
}  // namespace rapport

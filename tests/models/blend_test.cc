// The blend finds the weights that made the choices; its optimum is one: no step in any direction is better.
#include "models/blend.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace rapport {
namespace {

// Choices drawn from the model itself.
BlendCases DrawCases(const std::vector<double>& theta, size_t customers, size_t candidates, uint64_t seed) {
  Random random(seed);
  BlendCases cases;
  cases.features = theta.size();
  for (size_t c = 0; c < customers; ++c) {
    std::vector<double> cumulated;
    double sum = 0;
    for (size_t i = 0; i < candidates; ++i) {
      double utility = 0;
      for (const double weight : theta) {
        const auto value = static_cast<float>(random.Normal());
        cases.values.push_back(value);
        utility += weight * value;
      }
      cumulated.push_back(sum += std::exp(utility));
    }
    const double draw = random.Uniform() * sum;
    size_t picked = 0;
    while (cumulated[picked] < draw) ++picked;
    for (size_t i = 0; i < candidates; ++i) cases.chosen.push_back(i == picked);
    cases.offsets.push_back(cases.chosen.size());
  }
  return cases;
}

TEST(BlendTest, FindsTheWeightsThatMadeTheChoices) {
  const std::vector<double> theta = {1.0, -0.5, 0.0};
  const BlendCases cases = DrawCases(theta, 4000, 20, 1);
  const std::vector<double> found = FitBlend(cases, BlendOptions{}).Take();
  for (size_t k = 0; k < theta.size(); ++k) EXPECT_NEAR(found[k], theta[k], 0.06) << k;
  const double best = BlendObjective(cases, found, 1e-4);
  for (size_t k = 0; k < theta.size(); ++k) {
    for (const double step : {-0.02, 0.02}) {
      std::vector<double> other = found;
      other[k] += step;
      EXPECT_LT(BlendObjective(cases, other, 1e-4), best);
    }
  }
}

TEST(BlendTest, TheSameBitsOnEveryThreadCount) {
  const BlendCases cases = DrawCases({0.7, 0.2}, 500, 10, 2);
  BlendOptions one, two;
  one.threads = 1;
  two.threads = 2;
  EXPECT_EQ(*FitBlend(cases, one), *FitBlend(cases, two));
}

TEST(BlendTest, RefusesWhatItCannotFit) {
  BlendCases cases = DrawCases({1.0}, 10, 5, 3);
  BlendCases nobody = cases;
  std::fill(nobody.chosen.begin(), nobody.chosen.end(), uint8_t{0});
  EXPECT_EQ(FitBlend(nobody, {}).status().code(), StatusCode::kFailedPrecondition);
  BlendCases shapes = cases;
  shapes.values.pop_back();
  EXPECT_EQ(FitBlend(shapes, {}).status().code(), StatusCode::kInvalidArgument);
  cases.values[3] = NAN;
  EXPECT_EQ(FitBlend(cases, {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport

// Principal axes: what they promise, and when float may turn them.
#include "models/als_axes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace rapport {
namespace {

constexpr size_t kRows = 3000, kSize = 20;

// Factors with a common part of `common` along (1, ..., 1) beside noise of 1.
std::vector<float> Factors(double common, size_t size = kSize) {
  Random random(7);
  std::vector<float> factors(kRows * size);
  for (size_t r = 0; r < kRows; ++r) {
    const double level = common * random.Normal();
    for (size_t k = 0; k < size; ++k) factors[r * size + k] = static_cast<float>(level + random.Normal());
  }
  return factors;
}

// The largest off-diagonal entry of the Gram matrix over the root of its diagonals.
double Leak(const std::vector<float>& factors, size_t size = kSize) {
  const std::vector<double> gram = Gram(factors, size, Precision::kDouble, 1);
  double leak = 0;
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < i; ++j) {
      leak = std::max(leak, std::abs(gram[i * size + j]) / std::sqrt(gram[i * (size + 1)] * gram[j * (size + 1)]));
    }
  }
  return leak;
}

TEST(AlsAxesTest, GramIsItsDefinitionInBothPrecisions) {
  for (size_t size : {16, 20, 64}) {
    const std::vector<float> factors = Factors(1, size);
    const std::vector<double> exact = Gram(factors, size, Precision::kDouble, 1);
    const std::vector<double> near = Gram(factors, size, Precision::kFloat, 2);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) {
        double sum = 0;
        for (size_t r = 0; r < kRows; ++r) sum += double{factors[r * size + i]} * factors[r * size + j];
        EXPECT_NEAR(exact[i * size + j], sum, 1e-9 * kRows);
        EXPECT_NEAR(near[i * size + j], sum, 1e-6 * kRows);
      }
    }
  }
}

TEST(AlsAxesTest, TurningChangesNoScoreAndLeavesADiagonal) {
  std::vector<float> factors = Factors(3);
  const std::vector<float> before = factors;
  const auto axes = FindPrincipalAxes(Gram(factors, kSize, Precision::kDouble, 1), kSize);
  ASSERT_TRUE(axes.ok());
  Turn(factors, *axes, Precision::kDouble, 1);
  EXPECT_TRUE(IsDiagonal(Gram(factors, kSize, Precision::kDouble, 1), kSize));
  for (size_t r = 0; r + 1 < 50; ++r) {
    double was = 0, is = 0;
    for (size_t k = 0; k < kSize; ++k) {
      was += double{before[r * kSize + k]} * before[(r + 1) * kSize + k];
      is += double{factors[r * kSize + k]} * factors[(r + 1) * kSize + k];
    }
    EXPECT_NEAR(is, was, 1e-5 * (1 + std::abs(was)));
  }
}

// The broken twin of "float where the gain is small": turned in float all the same, a large common part leaks into the
// small axes, and the gain says so beforehand. In their own axes the same factors do not leak.
TEST(AlsAxesTest, TheGainSaysWhenFloatLeaks) {
  for (const double common : {0.0, 1000.0}) {
    const std::vector<float> factors = Factors(common);
    const std::vector<double> gram = Gram(factors, kSize, Precision::kDouble, 1);
    const auto axes = FindPrincipalAxes(gram, kSize);
    ASSERT_TRUE(axes.ok());
    const double gain = RoundingGain(gram, *axes, 1.0, 1e-3);
    std::vector<float> turned = factors, exact = factors;
    Turn(turned, *axes, Precision::kFloat, 1);
    Turn(exact, *axes, Precision::kDouble, 1);
    EXPECT_LT(Leak(exact), 1e-6);
    if (common == 0) {
      EXPECT_LT(gain, 2);
      EXPECT_LT(Leak(turned), 1e-6);
      continue;
    }
    EXPECT_GT(gain, 1e4);
    EXPECT_GT(Leak(turned), 1e-5);
    const std::vector<double> own = Gram(exact, kSize, Precision::kFloat, 1);
    const auto again = FindPrincipalAxes(own, kSize);
    ASSERT_TRUE(again.ok());
    EXPECT_LT(RoundingGain(own, *again, 1.0, 1e-3), 2);
    Turn(exact, *again, Precision::kFloat, 1);
    EXPECT_LT(Leak(exact), 1e-6);
  }
}

TEST(AlsAxesTest, NothingUnobservedOrAMightyRegularizationAsksForNoCare) {
  const std::vector<float> factors = Factors(1000);
  const std::vector<double> gram = Gram(factors, kSize, Precision::kDouble, 1);
  const auto axes = FindPrincipalAxes(gram, kSize);
  ASSERT_TRUE(axes.ok());
  EXPECT_EQ(RoundingGain(gram, *axes, 0.0, 1e-3), 0);
  EXPECT_LT(RoundingGain(gram, *axes, 1.0, 1e12), 1);
}

TEST(AlsAxesTest, NumbersOutOfRangeAreRefused) {
  std::vector<double> gram(kSize * kSize, INFINITY);
  EXPECT_EQ(FindPrincipalAxes(gram, kSize).status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace rapport

#include "models/circular_smoothing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace rapport {
namespace {

double Covariance(const HourBasis& basis, size_t a, size_t b) {
  const auto x = basis.At(a), y = basis.At(b);
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

TEST(CircularSmoothingTest, TheBasisKnowsOnlyTheDistanceOnTheCircle) {
  const HourBasis basis = MakeHourBasis(5, 3);
  for (size_t shift = 0; shift < 168; shift += 5) {
    const double expected = Covariance(basis, 0, shift);
    for (size_t h = 0; h < 168; h += 11) EXPECT_NEAR(Covariance(basis, h, (h + shift) % 168), expected, 1e-9);
  }
  // 167 and 0 are as close as 0 and 1; the same hour next day is closer than the opposite one.
  EXPECT_NEAR(Covariance(basis, 167, 0), Covariance(basis, 0, 1), 1e-9);
  EXPECT_GT(Covariance(basis, 0, 24), Covariance(basis, 0, 12));
}

TEST(CircularSmoothingTest, BasisFunctionsHaveNoMean) {
  const HourBasis basis = MakeHourBasis(3, 2);
  for (size_t f = 0; f < basis.functions; ++f) {
    double sum = 0;
    for (size_t h = 0; h < 168; ++h) sum += basis.At(h)[f];
    EXPECT_NEAR(sum, 0, 1e-9);
  }
}

TEST(CircularSmoothingTest, DayCurvesAreTheSameEveryWorkingDayAndHaveNoMean) {
  const HourBasis basis = MakeDayBasis(3, 2);
  ASSERT_EQ(basis.functions, 11u);
  ASSERT_EQ(basis.values.size(), 168 * basis.functions);
  for (size_t f = 0; f < basis.functions; ++f) {
    double sum = 0;
    for (size_t h = 0; h < 168; ++h) sum += basis.At(h)[f];
    EXPECT_NEAR(sum, 0, 1e-9);
    for (size_t h = 0; h < 24; ++h) {
      EXPECT_NEAR(basis.At(h)[f], basis.At(h + 72)[f], 1e-12);
      EXPECT_NEAR(basis.At(h + 120)[f], basis.At(h + 144)[f], 1e-12);
    }
  }
  EXPECT_GT(basis.At(130)[6], 0);  // the weekend
  EXPECT_LT(basis.At(10)[6], 0);
}

TEST(CircularSmoothingTest, KernelRowsSumToOneAndCloseTheCircle) {
  const std::vector<double> rows = KernelRows({1.0, 0.2});
  for (size_t e = 0; e < 168; ++e) {
    EXPECT_NEAR(std::accumulate(rows.begin() + static_cast<long>(e * 168),
                                rows.begin() + static_cast<long>(e * 168 + 168), 0.0),
                1, 1e-12);
  }
  // Sunday 23:00 says of Monday 0:00 what Tuesday 23:00 says of Wednesday 0:00, but for the step to the weekend; a
  // kernel on the line (the broken twin) would say nothing at all.
  EXPECT_GT(rows[167 * 168 + 0], 0.5 * rows[47 * 168 + 48]);
  const auto on_the_line = [](int h, int e) { return std::exp(-0.5 * (h - e) * (h - e)); };
  EXPECT_LT(on_the_line(0, 167), 1e-9);
}

TEST(CircularSmoothingTest, SmoothingKeepsTheTotal) {
  std::vector<double> counts(168, 0.0);
  counts[0] = 5, counts[100] = 2;
  const std::vector<double> smooth = SmoothCounts({1.5, 0.5}, counts);
  EXPECT_NEAR(std::accumulate(smooth.begin(), smooth.end(), 0.0), 7, 1e-9);
  EXPECT_GT(smooth[167], smooth[160]);
}

TEST(CircularSmoothingTest, TiltedRowsFollowTheGlobalCurve) {
  std::vector<double> global(168, 1.0);
  global[11] = 9;
  const std::vector<double> rows = TiltedRows({1.0, 0.2}, global);
  EXPECT_GT(rows[10 * 168 + 11], rows[10 * 168 + 10]);
}

}  // namespace
}  // namespace rapport

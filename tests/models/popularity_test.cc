#include "models/popularity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rapport {
namespace {

constexpr Timestamp kNow{1'300'000'000'000};
Timestamp DaysAgo(double days) { return {kNow.ms - static_cast<int64_t>(days * kDayMs)}; }

TEST(PopularityTest, HalvesWithEachHalfLife) {
  const std::vector<PopularityEvent> events{
      {0, 1, kNow}, {1, 1, DaysAgo(7)}, {2, 4, DaysAgo(14)}, {2, 1, DaysAgo(3.5)}};
  const std::vector<float> counts = DecayedCounts(4, events, kNow, 7);
  EXPECT_FLOAT_EQ(counts[0], 1.0f);
  EXPECT_FLOAT_EQ(counts[1], 0.5f);
  EXPECT_FLOAT_EQ(counts[2], 1.0f + std::sqrt(0.5f));
  EXPECT_EQ(counts[3], 0.0f);
}

TEST(PopularityTest, TheFutureAndRubbishAreLeftOut) {
  const std::vector<PopularityEvent> events{
      {0, 1, {kNow.ms + 1}}, {9, 1, kNow}, {1, NAN, kNow}, {1, INFINITY, kNow}, {1, 2, kNow}};
  EXPECT_EQ(DecayedCounts(2, events, kNow, 7), (std::vector<float>{0, 2}));
}

TEST(PopularityTest, ScalesByOneFactorAsTimePasses) {  // the order of a board does not depend on when it is read
  const std::vector<PopularityEvent> events{{0, 3, DaysAgo(40)}, {1, 1, DaysAgo(2)}, {2, 2, DaysAgo(11)}};
  const std::vector<float> now = DecayedCounts(3, events, kNow, 20),
                           later = DecayedCounts(3, events, {kNow.ms + 20 * kDayMs}, 20);
  for (size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(later[i], now[i] / 2);
}

TEST(PopularityTest, TrendingPrefersTheRisingToTheBig) {
  std::vector<PopularityEvent> events;
  for (int day = 0; day < 360; ++day) events.push_back({0, 10, DaysAgo(day)});  // big and steady
  for (int day = 0; day < 5; ++day) events.push_back({1, 8, DaysAgo(day)});     // new
  const PopularityModel model = FitPopularity(2, events, kNow, {});
  EXPECT_GT(model.popular[0], model.popular[1]);
  EXPECT_GT(model.trending[1], model.trending[0]);
  EXPECT_EQ(model.as_of, kNow);
}

TEST(PopularityTest, TrendingIsItsFormulaAndSurvivesRefunds) {
  const std::vector<PopularityEvent> events{{0, 5, DaysAgo(7)}, {1, -9, kNow}};
  const PopularityModel model =
      FitPopularity(2, events, kNow, {.popular_half_life_days = 90, .trending_half_life_days = 7});
  EXPECT_FLOAT_EQ(model.trending[0], static_cast<float>(2.5 / std::sqrt(5 * std::exp2(-7.0 / 90) + 1)));
  EXPECT_FLOAT_EQ(model.trending[1], -9.0f);
}

}  // namespace
}  // namespace rapport

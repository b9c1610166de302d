#include "models/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "base/random.h"

namespace rapport {
namespace {

using Items = std::vector<uint32_t>;

TEST(MetricsTest, RecallByHand) {
  const Items ranked{5, 1, 9, 2}, relevant{1, 2, 3};
  EXPECT_DOUBLE_EQ(RecallAt(ranked, relevant, 1, RecallKind::kOfPossible), 0.0);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, relevant, 2, RecallKind::kOfPossible), 0.5);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, relevant, 2, RecallKind::kOfRelevant), 1.0 / 3);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, relevant, 4, RecallKind::kOfPossible), 2.0 / 3);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, relevant, 100, RecallKind::kOfRelevant), 2.0 / 3);
}

TEST(MetricsTest, NdcgByHand) {
  const Items ranked{5, 1, 9, 2}, relevant{1, 2, 3};
  const double ideal = 1 + 1 / std::log2(3.0) + 0.5;
  EXPECT_NEAR(NdcgAt(ranked, relevant, 10), (1 / std::log2(3.0) + 1 / std::log2(5.0)) / ideal, 1e-15);
  EXPECT_NEAR(NdcgAt(ranked, relevant, 2), (1 / std::log2(3.0)) / (1 + 1 / std::log2(3.0)), 1e-15);
}

TEST(MetricsTest, PerfectIsOneAndEmptyIsZero) {
  const Items relevant{2, 4, 8, 16};
  EXPECT_DOUBLE_EQ(NdcgAt(relevant, relevant, 10), 1.0);
  EXPECT_DOUBLE_EQ(NdcgAt(relevant, relevant, 2), 1.0);
  EXPECT_DOUBLE_EQ(RecallAt(relevant, relevant, 2, RecallKind::kOfPossible), 1.0);
  EXPECT_DOUBLE_EQ(NdcgAt({}, relevant, 10), 0.0);
  EXPECT_DOUBLE_EQ(RecallAt({}, relevant, 10, RecallKind::kOfRelevant), 0.0);
}

// Against sets and rank sums written another way.
TEST(MetricsTest, AgreesWithPlainCountingOnRandomLists) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    Items order(50), relevant;
    std::iota(order.begin(), order.end(), 0u);
    for (uint32_t i = 0; i < 50; ++i) {
      if (i == 0 || random.Uniform() < 0.2) relevant.push_back(i);
    }
    for (size_t i = 49; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
    for (size_t k : {1, 5, 20, 50, 60}) {
      double gain = 0, ideal = 0;
      size_t hits = 0;
      for (uint32_t item : relevant) {
        for (size_t rank = 1; rank <= order.size(); ++rank) {
          if (order[rank - 1] != item || rank > k) continue;
          gain += std::log(2.0) / std::log(static_cast<double>(rank) + 1);
          ++hits;
        }
      }
      const size_t possible = k < relevant.size() ? k : relevant.size();
      for (size_t rank = 1; rank <= possible; ++rank) ideal += std::log(2.0) / std::log(static_cast<double>(rank) + 1);
      EXPECT_NEAR(NdcgAt(order, relevant, k), gain / ideal, 1e-12);
      EXPECT_NEAR(RecallAt(order, relevant, k, RecallKind::kOfPossible), double(hits) / double(possible), 1e-15);
    }
  }
}

TEST(BootstrapTest, IsDeterministicAndSeeded) {
  Random random(4);
  std::vector<double> values(300);
  for (double& value : values) value = random.Uniform();
  const Interval a = BootstrapMean(values, 9), b = BootstrapMean(values, 9), c = BootstrapMean(values, 10);
  EXPECT_EQ(a.lower, b.lower);
  EXPECT_EQ(a.upper, b.upper);
  EXPECT_NE(a.lower, c.lower);
  EXPECT_EQ(a.mean, c.mean);
}

TEST(BootstrapTest, WidthIsThatOfTheNormalApproximation) {
  Random random(5);
  std::vector<double> values(2000);
  for (double& value : values) value = random.Normal();
  const Interval interval = BootstrapMean(values, 1, 2000);
  EXPECT_NEAR(interval.upper - interval.lower, 2 * 1.96 / std::sqrt(2000.0), 0.01);
  EXPECT_LT(interval.lower, interval.mean);
  EXPECT_GT(interval.upper, interval.mean);
}

TEST(BootstrapTest, CoversTheTruthAboutAsOftenAsItSays) {
  Random random(6);
  int covered = 0;
  for (uint64_t round = 0; round < 400; ++round) {
    std::vector<double> values(60);
    for (double& value : values) value = random.Exponential(1.0);
    const Interval interval = BootstrapMean(values, round, 400);
    covered += interval.lower <= 1.0 && 1.0 <= interval.upper;
  }
  EXPECT_GE(covered, 350);  // 95 % of 400 is 380; skewed data cover a little less
  EXPECT_LE(covered, 398);
}

TEST(BootstrapTest, PairsShareTheirDraws) {
  Random random(7);
  std::vector<double> a(500), b(500);
  for (size_t i = 0; i < a.size(); ++i) {
    b[i] = 10 * random.Normal();
    a[i] = b[i] + 0.1;
  }
  const Interval difference = BootstrapPairedDifference(a, b, 1);
  EXPECT_NEAR(difference.lower, 0.1, 1e-9);
  EXPECT_NEAR(difference.upper, 0.1, 1e-9);
}

TEST(BootstrapTest, NothingAndOneValue) {
  EXPECT_EQ(BootstrapMean({}, 1).mean, 0.0);
  const std::vector<double> one{0.25};
  const Interval interval = BootstrapMean(one, 1);
  EXPECT_EQ(interval.mean, 0.25);
  EXPECT_EQ(interval.lower, 0.25);
  EXPECT_EQ(interval.upper, 0.25);
}

TEST(MetricsTest, RankCorrelationByHand) {
  const std::vector<double> a = {1, 2, 3, 4}, up = {10, 20, 21, 400}, down = {4, 3, 2, 1}, flat = {5, 5, 5, 5};
  EXPECT_DOUBLE_EQ(*RankCorrelation(a, up), 1);
  EXPECT_DOUBLE_EQ(*RankCorrelation(a, down), -1);
  EXPECT_FALSE(RankCorrelation(a, flat).has_value());
  EXPECT_FALSE(RankCorrelation({}, {}).has_value());
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 x 5).
  EXPECT_DOUBLE_EQ(*RankCorrelation(std::vector<double>{0, 7, 7, 9}, a), 4.5 / std::sqrt(4.5 * 5));
}

}  // namespace
}  // namespace rapport

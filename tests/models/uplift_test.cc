// Planted effects are found, shuffled arms show none, and the curve is the formula; the broken twins: effects judged on
// the customers they were learned from, and data whose arms were not drawn as promised.
#include "models/uplift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"

namespace rapport {
namespace {

struct Campaign {
  size_t columns = 4;
  std::vector<double> features, outcome, shares;
  std::vector<uint8_t> arm;
  UpliftData view() const { return {columns, features, arm, outcome, shares}; }
};

// Arm 1 helps where x0 > 0, arm 2 where x1 > 0, by `strength` on the log odds; x2 is what customers are anyway.
Campaign Planted(uint64_t seed, size_t customers, double strength, std::vector<double> shares = {.4, .3, .3},
                 size_t columns = 4) {
  Campaign campaign;
  campaign.columns = columns;
  campaign.shares = shares;
  const Random root(seed);
  for (size_t i = 0; i < customers; ++i) {
    Random random = root.Fork(i);
    std::vector<double> x(columns);
    for (double& value : x) value = random.Normal();
    double left = random.Uniform();
    uint8_t arm = 0;
    while (arm + size_t{1} < shares.size() && left >= shares[arm]) left -= shares[arm++];
    double odds = -1.5 + x[2];
    if (arm == 1) odds += strength * (0.2 + x[0]);
    if (arm == 2) odds += strength * (0.2 + x[1]);
    campaign.features.insert(campaign.features.end(), x.begin(), x.end());
    campaign.arm.push_back(arm);
    campaign.outcome.push_back(random.Uniform() < 1 / (1 + std::exp(-odds)) ? 1 : 0);
  }
  return campaign;
}

UpliftOptions Quick() {
  UpliftOptions options;
  options.ridges = {1, 30};
  options.effect_ridges = {3, 30, 300, 1e6};
  return options;
}

TEST(UpliftTest, BothModelsFindWhatWasPlantedAndSendEachArmToItsCustomers) {
  const Campaign campaign = Planted(1, 8000, 0.8);
  for (UpliftKind kind : {UpliftKind::kTwoModels, UpliftKind::kShared}) {
    const Result<UpliftModel> model = FitUplift(campaign.view(), kind, Quick());
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    std::vector<double> effects(2);
    model->Effects(std::vector<double>{2, -2, 0, 0}, effects);
    EXPECT_GT(effects[0], 0.1);
    EXPECT_LT(effects[1], 0);
    model->Effects(std::vector<double>{-2, 2, 0, 0}, effects);
    EXPECT_GT(effects[1], 0.1);
    EXPECT_LT(effects[0], 0);

    const Result<std::vector<double>> crossed = CrossFitUplift(campaign.view(), kind, Quick());
    ASSERT_TRUE(crossed.ok());
    const Result<QiniReport> qini = Qini(campaign.view(), *crossed, {});
    ASSERT_TRUE(qini.ok());
    EXPECT_GT(qini->coefficient.lower, 0);
    EXPECT_GT(qini->over_best_arm.lower, 0);
    EXPECT_NEAR(qini->sent[1], 0.5, 0.1);
  }
}

// Arms dealt out again: nobody is moved by anything, and no gain is claimed. (What is claimed lies below 0 rather more
// often than above it: what a fold's own arms happened to do is missing from the folds it was predicted from.)
TEST(UpliftTest, ShuffledArmsShowNothing) {
  int claims = 0;
  for (uint64_t round = 0; round < 6; ++round) {
    Campaign campaign = Planted(20 + round, 4000, 0.8);
    Random random(90 + round);
    for (size_t i = campaign.arm.size(); i-- > 1;) std::swap(campaign.arm[i], campaign.arm[random.Below(i + 1)]);
    const Result<std::vector<double>> effects = CrossFitUplift(campaign.view(), UpliftKind::kShared, Quick());
    ASSERT_TRUE(effects.ok());
    QiniOptions options;
    options.resamples = 200;
    const Result<QiniReport> qini = Qini(campaign.view(), *effects, options);
    ASSERT_TRUE(qini.ok());
    claims += qini->coefficient.lower > 0 ? 1 : 0;
  }
  EXPECT_LE(claims, 1);
}

// The broken twin: effects learned from the very customers they are judged on look splendid where there is nothing.
TEST(UpliftTest, JudgingOnTheCustomersLearnedFromIsCaught) {
  const Campaign campaign = Planted(3, 1500, 0, {.5, .5}, 60);
  UpliftOptions options;
  options.ridges = {1e-3};
  const Result<UpliftModel> model = FitUplift(campaign.view(), UpliftKind::kTwoModels, options);
  ASSERT_TRUE(model.ok());
  std::vector<double> in_sample(campaign.arm.size());
  for (size_t i = 0; i < in_sample.size(); ++i) {
    model->Effects(campaign.view().features.subspan(i * 60, 60), std::span<double>(in_sample).subspan(i, 1));
  }
  EXPECT_GT(Qini(campaign.view(), in_sample, {})->coefficient.lower, 0);
  const Result<std::vector<double>> crossed = CrossFitUplift(campaign.view(), UpliftKind::kTwoModels, options);
  ASSERT_TRUE(crossed.ok());
  EXPECT_LT(Qini(campaign.view(), *crossed, {})->coefficient.lower, 0);
}

// Q at every place and its area, the long way.
TEST(UpliftTest, TheCurveIsTheFormula) {
  const Campaign campaign = Planted(4, 1000, 0.5);
  const size_t n = campaign.arm.size();
  std::vector<double> effects;
  Random random(5);
  for (size_t i = 0; i < 2 * n; ++i) effects.push_back(random.Normal());
  QiniOptions options;
  options.points = 10;
  options.resamples = 50;
  const Result<QiniReport> qini = Qini(campaign.view(), effects, options);
  ASSERT_TRUE(qini.ok());
  const double mean = std::accumulate(campaign.outcome.begin(), campaign.outcome.end(), 0.0) / static_cast<double>(n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto score = [&](size_t i) { return std::max(effects[2 * i], effects[2 * i + 1]); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score(a) > score(b); });
  double sum = 0, area = 0;
  std::vector<double> curve{0};
  for (size_t r = 0; r < n; ++r) {
    const size_t i = order[r], best = effects[2 * i] >= effects[2 * i + 1] ? 1 : 2;
    const double y = campaign.outcome[i] - mean, before = sum;
    if (campaign.arm[i] == best) sum += y / .3 / static_cast<double>(n);
    if (campaign.arm[i] == 0) sum -= y / .4 / static_cast<double>(n);
    area += (before + sum) / 2 / static_cast<double>(n);  // trapezoids
    if ((r + 1) % (n / 10) == 0) curve.push_back(sum);
  }
  ASSERT_EQ(qini->curve.size(), curve.size());
  for (size_t p = 0; p < curve.size(); ++p) EXPECT_NEAR(qini->curve[p], curve[p], 1e-12);
  EXPECT_NEAR(qini->coefficient.mean, area - sum / 2, 1e-12);
}

TEST(UpliftTest, TheOrderIsAllThatCountsAndADifferenceWithItselfIsNothing) {
  const Campaign campaign = Planted(6, 2000, 0.8);
  std::vector<double> effects, other;
  Random random(7);
  for (size_t i = 0; i < 2 * campaign.arm.size(); ++i) {
    effects.push_back(random.Normal());
    other.push_back(3 * effects.back() + 5);
  }
  QiniOptions options;
  options.resamples = 50;
  const Result<Interval> same = QiniDifference(campaign.view(), effects, other, options);
  ASSERT_TRUE(same.ok());
  EXPECT_DOUBLE_EQ(same->lower, 0);
  EXPECT_DOUBLE_EQ(same->upper, 0);
  const Result<QiniReport> a = Qini(campaign.view(), effects, options), b = Qini(campaign.view(), effects, options);
  EXPECT_EQ(a->coefficient.lower, b->coefficient.lower);
}

TEST(UpliftTest, TheSameBitsOnEveryThreadCount) {
  const Campaign campaign = Planted(8, 1500, 0.8);
  UpliftOptions one = Quick(), four = Quick();
  one.threads = 1;
  four.threads = 4;
  const auto a = CrossFitUplift(campaign.view(), UpliftKind::kShared, one);
  const auto b = CrossFitUplift(campaign.view(), UpliftKind::kShared, four);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(*a, *b);
}

TEST(UpliftTest, ArmsThatWereNotDrawnAsPromisedAreRefused) {
  Campaign campaign = Planted(10, 4000, 0.5);
  campaign.shares = {.5, .25, .25};
  EXPECT_EQ(FitUplift(campaign.view(), UpliftKind::kShared, Quick()).status().code(), StatusCode::kFailedPrecondition);
  const std::vector<double> effects(2 * campaign.arm.size(), 0.0);
  EXPECT_EQ(Qini(campaign.view(), effects, {}).status().code(), StatusCode::kFailedPrecondition);
}

TEST(UpliftTest, BadInputIsAClearError) {
  const auto code = [](auto change) {
    Campaign campaign = Planted(11, 300, 0.5);
    change(campaign);
    return FitUplift(campaign.view(), UpliftKind::kTwoModels, Quick()).status().code();
  };
  EXPECT_EQ(code([](Campaign& c) { c.arm[0] = 3; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.outcome[0] = 2; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.outcome[0] = std::nan(""); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.features[5] = std::nan(""); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.outcome.pop_back(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.shares = {1}; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.shares = {.9, .3, -.2}; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Campaign& c) { c.shares = {.4, .3, .2}; }), StatusCode::kInvalidArgument);
  const Campaign campaign = Planted(11, 300, 0.5);
  EXPECT_EQ(Qini(campaign.view(), std::vector<double>(3, 0.0), {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport

// The estimators against formulas written again, their intervals against a bandit whose truth is known, and three
// broken twins: intervals that forget customers, propensities that are off by a factor, a target outside the support.
#include "models/off_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "models/bandit_log.h"

namespace rapport {
namespace {

using enum OffPolicyEstimator;

constexpr size_t kTruthCustomers = 60000;

BanditLog SmallLog(uint64_t seed = 5, size_t customers = 400) { return BanditWorld({}).Draw(customers, seed); }

// Rows share customers: the long way, one customer after the other.
TEST(OffPolicyTest, PointsAndErrorsAreTheFormulas) {
  const BanditLog log = SmallLog();
  OffPolicyOptions options;
  options.switch_threshold = 3;
  const Result<OffPolicyReport> report = EstimateOffPolicy(log.view(), options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const size_t n = log.reward.size();
  double ips = 0, weight = 0, squares = 0, robust = 0, switched = 0, above = 0, range = 0, logged = 0;
  for (size_t i = 0; i < n; ++i) {
    const double w = log.target[i] / log.propensity[i], residual = log.reward[i] - log.model_chosen[i];
    ips += w * log.reward[i], weight += w, squares += w * w, logged += log.reward[i];
    robust += w * residual + log.model_expected[i];
    switched += (w <= 3 ? w * residual : 0) + log.model_expected[i];
    above += w > 3 ? w : 0;
    range = std::max(range, std::abs(residual));
  }
  const double count = static_cast<double>(n);
  EXPECT_NEAR(report->of(kIps).value.value, ips / count, 1e-12);
  EXPECT_NEAR(report->of(kSnips).value.value, ips / weight, 1e-12);
  EXPECT_NEAR(report->of(kDr).value.value, robust / count, 1e-12);
  EXPECT_NEAR(report->of(kSwitchDr).value.value, switched / count, 1e-12);
  EXPECT_NEAR(report->of(kDr).gain.value, (robust - logged) / count, 1e-12);
  EXPECT_NEAR(report->switch_bias_bound, above / count * range, 1e-12);
  EXPECT_NEAR(report->effective_decisions, weight * weight / squares, 1e-9);
  // SNIPS' error: l_c = sum over the customer's decisions of w (r - theta), over the mean sum of w.
  double variance = 0;
  for (uint32_t c = 0; c < 400; ++c) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      if (log.customer[i] == c) sum += log.target[i] / log.propensity[i] * (log.reward[i] - ips / weight);
    }
    variance += sum * sum;
  }
  EXPECT_NEAR(report->of(kSnips).value.standard_error, std::sqrt(variance * 400 / 399) / weight, 1e-12);
}

// The target is what was logged: all weights 1, so that every estimator gives the log's own mean, and no gain.
TEST(OffPolicyTest, TheLoggedPolicyItselfIsItsOwnMean) {
  BanditLog log = SmallLog();
  log.target = log.propensity;
  log.model_chosen.clear();
  log.model_expected.clear();
  const Result<OffPolicyReport> report = EstimateOffPolicy(log.view(), {});
  ASSERT_TRUE(report.ok());
  for (OffPolicyEstimator e : {kIps, kSnips}) {
    EXPECT_DOUBLE_EQ(report->of(e).value.value, report->logged.value);
    EXPECT_NEAR(report->of(e).gain.value, 0, 1e-15);
    EXPECT_NEAR(report->of(e).gain.upper, 0, 1e-12);
  }
  EXPECT_FALSE(report->of(kDr).computed);
  EXPECT_NEAR(report->effective_decisions, static_cast<double>(report->decisions), 1e-6);
  EXPECT_DOUBLE_EQ(report->weight_largest, 1);
}

TEST(OffPolicyTest, NothingDependsOnTheOrderOfRowsOrOnCustomersNumbers) {
  const BanditLog log = SmallLog();
  BanditLog other;
  for (size_t i = log.reward.size(); i-- > 0;) {
    other.reward.push_back(log.reward[i]);
    other.propensity.push_back(log.propensity[i]);
    other.target.push_back(log.target[i]);
    other.model_chosen.push_back(log.model_chosen[i]);
    other.model_expected.push_back(log.model_expected[i]);
    other.unsupported.push_back(log.unsupported[i]);
    other.customer.push_back(4000000000u - 7 * log.customer[i]);
  }
  const Result<OffPolicyReport> a = EstimateOffPolicy(log.view(), {}), b = EstimateOffPolicy(other.view(), {});
  ASSERT_TRUE(a.ok() && b.ok());
  for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
    EXPECT_NEAR(a->estimates[e].value.lower, b->estimates[e].value.lower, 1e-12);
    EXPECT_NEAR(a->estimates[e].value.upper, b->estimates[e].value.upper, 1e-12);
  }
}

// A reward that is a constant more moves every value by it, SNIPS and DR exactly.
TEST(OffPolicyTest, AConstantMoreIsAConstantMore) {
  const BanditLog log = SmallLog();
  BanditLog more = log;
  for (double& r : more.reward) r += 10;
  for (double& q : more.model_chosen) q += 10;
  for (double& v : more.model_expected) v += 10;
  const Result<OffPolicyReport> a = EstimateOffPolicy(log.view(), {}), b = EstimateOffPolicy(more.view(), {});
  ASSERT_TRUE(a.ok() && b.ok());
  for (OffPolicyEstimator e : {kSnips, kDr}) {
    EXPECT_NEAR(b->of(e).value.lower - a->of(e).value.lower, 10, 1e-9);
    EXPECT_NEAR(b->of(e).value.upper - a->of(e).value.upper, 10, 1e-9);
  }
}

TEST(OffPolicyTest, TheIntervalIsSymmetricWithoutSkewAndFollowsTheTailWithIt) {
  std::vector<double> ones(1000, 1.0), even(1000), skewed(1000, 0.0);
  for (size_t i = 0; i < even.size(); ++i) even[i] = i % 2 == 0 ? 1 : -1;
  const ValueInterval plain = RatioInterval(even, ones);
  EXPECT_NEAR(plain.upper, 1.959964 * plain.standard_error, 1e-6);
  EXPECT_NEAR(plain.lower, -plain.upper, 1e-12);
  for (size_t i = 0; i < 20; ++i) skewed[i] = 1;
  const ValueInterval rare = RatioInterval(skewed, ones);
  EXPECT_GT(rare.upper - rare.value, 1.959964 * rare.standard_error);
  EXPECT_LT(rare.value - rare.lower, 1.959964 * rare.standard_error);
  EXPECT_GT(rare.lower, 0);
}

// Counts of 95 % intervals that hold the truth; the full table is rapport_estimators.
struct Counts {
  std::array<int, kOffPolicyEstimators> covered{};
  int answered = 0;
};

template <typename Change>
Counts Cover(const BanditWorldOptions& options, size_t customers, int logs, Change change) {
  const BanditWorld world(options);
  const double truth = world.TrueValue(kTruthCustomers, 99);
  Counts counts;
  for (int l = 0; l < logs; ++l) {
    BanditLog log = world.Draw(customers, 1000 + static_cast<uint64_t>(l));
    change(log);
    const Result<OffPolicyReport> report = EstimateOffPolicy(log.view(), {});
    if (!report.ok()) continue;
    ++counts.answered;
    for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
      const ValueInterval& value = report->estimates[e].value;
      counts.covered[e] += value.lower <= truth && truth <= value.upper ? 1 : 0;
    }
  }
  return counts;
}

// 100 logs: of true 95 % intervals, fewer than 88 hold with probability .002.
TEST(OffPolicyCoverageTest, IntervalsCoverAndThoseThatForgetCustomersDoNot) {
  BanditWorldOptions options;
  options.decisions_mean = 20;
  options.customer_spread = 2;
  options.log_exploration = 0.2;
  options.target_sharpness = 1;
  const Counts sound = Cover(options, 300, 100, [](BanditLog&) {});
  EXPECT_EQ(sound.answered, 100);
  for (int covered : sound.covered) EXPECT_GE(covered, 88);
  const Counts twin =
      Cover(options, 300, 100, [](BanditLog& log) { std::iota(log.customer.begin(), log.customer.end(), 0u); });
  for (int covered : twin.covered) EXPECT_LT(covered, 80);
}

TEST(OffPolicyCoverageTest, RareRewardsAndAWrongModelAreCovered) {
  BanditWorldOptions options;
  options.base = -4;
  options.target_sharpness = 1;
  options.model = BanditModel::kSwapped;
  const Counts counts = Cover(options, 500, 100, [](BanditLog&) {});
  EXPECT_EQ(counts.answered, 100);
  for (int covered : counts.covered) EXPECT_GE(covered, 88);
}

// The twin whose log says probabilities a fifth too high: refused, because the weights no longer average to 1.
TEST(OffPolicyCoverageTest, PropensitiesOffByAFactorAreRefused) {
  const Counts counts = Cover({}, 1000, 20, [](BanditLog& log) {
    for (double& p : log.propensity) p = std::min(1.0, 1.2 * p);
  });
  EXPECT_EQ(counts.answered, 0);
  BanditLog log = SmallLog(6, 1000);
  for (double& p : log.propensity) p *= 0.8;
  const Status status = EstimateOffPolicy(log.view(), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("weights' mean"), std::string::npos) << status.message();
}

TEST(OffPolicySupportTest, RefusesWhereSupportIsMissingAndSaysHowMuch) {
  BanditLog log = SmallLog();
  std::fill(log.unsupported.begin(), log.unsupported.end(), 0.25);
  Status status = EstimateOffPolicy(log.view(), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("25 % of the target's mass"), std::string::npos) << status.message();

  // Nobody said what was unsupported: the logging policy never takes action 0 in half of the decisions, where the
  // target would; the weights' mean tells.
  BanditLog silent;
  Random random(8);
  for (uint32_t i = 0; i < 4000; ++i) {
    const bool half = random.Uniform() < 0.5;
    silent.customer.push_back(i);
    silent.propensity.push_back(half ? 1.0 : 0.5);
    silent.target.push_back(0.5);
    silent.reward.push_back(random.Uniform() < 0.3 ? 1 : 0);
  }
  status = EstimateOffPolicy(silent.view(), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("has no support"), std::string::npos) << status.message();
}

TEST(OffPolicySupportTest, RefusesWhenTooLittleIsLeft) {
  BanditWorldOptions far;
  far.log_sharpness = 3;
  far.log_exploration = 0.01;
  far.target_sharpness = 6;
  const BanditLog log = BanditWorld(far).Draw(1000, 1);
  const Status status = EstimateOffPolicy(log.view(), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("effective sample size"), std::string::npos) << status.message();

  EXPECT_EQ(EstimateOffPolicy(SmallLog(1, 40).view(), {}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(EstimateOffPolicy({}, {}).status().code(), StatusCode::kFailedPrecondition);
  BanditLog silent = SmallLog();
  std::fill(silent.reward.begin(), silent.reward.end(), 0.0);
  EXPECT_EQ(EstimateOffPolicy(silent.view(), {}).status().code(), StatusCode::kFailedPrecondition);
}

TEST(OffPolicyTest, BadInputIsAClearError) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](auto change, const char* said) {
    BanditLog log = SmallLog();
    change(log);
    const Status status = EstimateOffPolicy(log.view(), {}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << said;
    EXPECT_NE(status.message().find(said), std::string::npos) << status.message();
  };
  refused([&](BanditLog& log) { log.propensity[7] = 0; }, "decision 7: the propensity");
  refused([&](BanditLog& log) { log.propensity[7] = nan; }, "decision 7: the propensity");
  refused([&](BanditLog& log) { log.propensity[7] = 1.5; }, "decision 7: the propensity");
  refused([&](BanditLog& log) { log.propensity[7] = -.5; }, "decision 7: the propensity");
  refused([&](BanditLog& log) { log.target[3] = -1e-3; }, "decision 3: the target");
  refused([&](BanditLog& log) { log.target[3] = nan; }, "decision 3: the target");
  refused([&](BanditLog& log) { log.reward[0] = nan; }, "decision 0: the reward");
  refused([&](BanditLog& log) { log.model_expected[2] = nan; }, "decision 2: the reward model");
  refused([&](BanditLog& log) { log.unsupported[2] = 2; }, "decision 2: the unsupported");
  refused([&](BanditLog& log) { log.target.pop_back(); }, "one entry per decision");
  refused([&](BanditLog& log) { log.model_expected.clear(); }, "come together");
}

}  // namespace
}  // namespace rapport

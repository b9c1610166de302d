// A log of decisions drawn by a known policy over shortlists whose true rewards are known: what other policies would
// have earned is known exactly and lies in the intervals; the broken twin logs what was not drawn with.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "engine/learning/policy_evaluation.h"

namespace rapport {
namespace {

struct World {
  std::vector<LoggedDecision> decisions;
  std::vector<std::vector<double>> truth;  // by decision and arm
};

// Channels 0 and 1 and nothing; the logged value is right on average but does not know that channel 1 works better.
World Draw(uint64_t seed, uint32_t customers) {
  World world;
  const Random root(seed);
  for (uint32_t c = 0; c < customers; ++c) {
    Random random = root.Fork(c);
    const double level = 0.5 * random.Normal();
    for (uint64_t d = 0; d < 1 + random.Below(6); ++d) {
      LoggedDecision decision;
      decision.customer = c;
      decision.time = Timestamp{static_cast<int64_t>(1000 * d)};
      std::vector<double> truth{0};
      decision.shortlist.push_back({kNoChannel, 0, 0});
      for (uint32_t a = 0; a < 5; ++a) {
        const double odds = -1.5 + random.Normal() + level;
        const double p = 1 / (1 + std::exp(-odds));
        decision.shortlist.push_back({a % 2, p - 0.15, 0});
        truth.push_back((a % 2 == 1 ? 1.3 : 0.8) * p - 0.15);
      }
      const auto policy = PolicyProbabilities({PolicyKind::kSoftmax, 0.2, 0.2, 0}, decision.shortlist);
      double left = random.Uniform();
      for (size_t a = 0; a < truth.size(); ++a) {
        decision.shortlist[a].propensity = (*policy)[a];
        if (left >= 0) decision.chosen = static_cast<uint32_t>(a);
        left -= (*policy)[a];
      }
      const double mean = truth[decision.chosen];
      const bool contact = decision.chosen > 0;
      decision.reward = !contact ? 0 : (random.Uniform() < (mean + 0.15) / 1.3 ? 1.3 : 0) - 0.15;
      world.decisions.push_back(decision);
      world.truth.push_back(truth);
    }
  }
  return world;
}

double TrueValue(const World& world, const PolicySpec& policy) {
  double sum = 0;
  for (size_t i = 0; i < world.decisions.size(); ++i) {
    const auto p = PolicyProbabilities(policy, world.decisions[i].shortlist);
    for (size_t a = 0; a < p->size(); ++a) sum += (*p)[a] * world.truth[i][a];
  }
  return sum / static_cast<double>(world.decisions.size());
}

const std::vector<PolicySpec> kPolicies{{PolicyKind::kUniform},
                                        {PolicyKind::kGreedy},
                                        {PolicyKind::kSoftmax, 0.1, 0.05},
                                        {PolicyKind::kChannel, 1, 0, 1},
                                        {PolicyKind::kNothing}};

TEST(PolicyEvaluationTest, KnownPoliciesAreCoveredByTheirIntervals) {
  int covered = 0, asked = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const World world = Draw(seed, 800);
    for (const PolicySpec& policy : kPolicies) {
      const Result<OffPolicyReport> report = EvaluatePolicy(world.decisions, policy, {});
      ASSERT_TRUE(report.ok()) << report.status().ToString();
      const double truth = TrueValue(world, policy);
      for (const OffPolicyEstimate& estimate : report->estimates) {
        ASSERT_TRUE(estimate.computed);
        covered += estimate.value.lower <= truth && truth <= estimate.value.upper ? 1 : 0;
        ++asked;
      }
    }
  }
  EXPECT_GE(covered, asked * 88 / 100);
  // The twin: the log says that arms were drawn evenly. It is refused or misses.
  World twin = Draw(1, 800);
  for (LoggedDecision& decision : twin.decisions) {
    for (LoggedArm& arm : decision.shortlist) arm.propensity = 1 / static_cast<double>(decision.shortlist.size());
  }
  const PolicySpec greedy{PolicyKind::kGreedy};
  const Result<OffPolicyReport> report = EvaluatePolicy(twin.decisions, greedy, {});
  if (report.ok()) {
    const ValueInterval& value = report->of(OffPolicyEstimator::kIps).value;
    EXPECT_FALSE(value.lower <= TrueValue(twin, greedy) && TrueValue(twin, greedy) <= value.upper);
  }
}

TEST(PolicyEvaluationTest, TheLoggedPolicyGainsNothingAndTheBetterChannelGains) {
  const World world = Draw(3, 3000);
  const Result<OffPolicyReport> same = EvaluatePolicy(world.decisions, {PolicyKind::kLogged}, {});
  ASSERT_TRUE(same.ok());
  EXPECT_NEAR(same->of(OffPolicyEstimator::kSnips).gain.value, 0, 1e-12);
  EXPECT_NEAR(same->effective_decisions, static_cast<double>(same->decisions), 1e-6);
  const Result<OffPolicyReport> better = EvaluatePolicy(world.decisions, {PolicyKind::kChannel, 1, 0, 1}, {});
  ASSERT_TRUE(better.ok());
  EXPECT_GT(better->of(OffPolicyEstimator::kDr).gain.lower, 0);
}

TEST(PolicyEvaluationTest, TimeCutsAndEmptyTimesAreSaid) {
  const World world = Draw(4, 800);
  PolicyEvaluationOptions options;
  options.from = Timestamp{1000};
  options.until = Timestamp{3000};
  const Result<OffPolicyReport> some = EvaluatePolicy(world.decisions, {PolicyKind::kUniform}, options);
  ASSERT_TRUE(some.ok()) << some.status().ToString();
  size_t expected = 0;
  for (const LoggedDecision& decision : world.decisions) {
    expected += decision.time >= options.from && decision.time < options.until ? 1 : 0;
  }
  EXPECT_EQ(some->decisions, expected);
  options.from = Timestamp{1000000};
  options.until = Timestamp{2000000};
  EXPECT_EQ(EvaluatePolicy(world.decisions, {}, options).status().code(), StatusCode::kFailedPrecondition);
}

// Without exploration the log had probability 0 for what another policy would do: refused, and how much is said.
TEST(PolicyEvaluationTest, ALogWithoutExplorationIsRefused) {
  World world = Draw(5, 800);
  for (LoggedDecision& decision : world.decisions) {
    for (LoggedArm& arm : decision.shortlist) arm.propensity = 0;
    decision.shortlist[decision.chosen].propensity = 1;
  }
  const Status status = EvaluatePolicy(world.decisions, {PolicyKind::kUniform}, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("83.33 % of the target's mass"), std::string::npos) << status.message();
}

TEST(PolicyEvaluationTest, BadInputIsAClearError) {
  const auto code = [](auto change) {
    World world = Draw(6, 100);
    change(world.decisions[5]);
    return EvaluatePolicy(world.decisions, {PolicyKind::kUniform}, {}).status().code();
  };
  EXPECT_EQ(code([](LoggedDecision& d) { d.shortlist.clear(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LoggedDecision& d) { d.chosen = 6; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LoggedDecision& d) { d.shortlist[0].propensity = 0.9; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LoggedDecision& d) { d.shortlist[0].value = std::nan(""); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](LoggedDecision& d) { d.reward = std::nan(""); }), StatusCode::kInvalidArgument);
  EXPECT_FALSE(PolicyKindFromName("best").has_value());
  EXPECT_EQ(PolicyKindFromName("greedy"), PolicyKind::kGreedy);
  const std::vector<LoggedArm> shortlist{{0, 1, 1}};
  EXPECT_EQ(PolicyProbabilities({PolicyKind::kSoftmax, 0, 0}, shortlist).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport

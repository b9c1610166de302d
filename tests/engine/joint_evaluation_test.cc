// The joint decision's ruler: what policies offer, how they share the money, and the whole, small. The claims about
// worlds are held with true probabilities; what a model learns is a figure of `make quality`, not a test.
#include "engine/learning/joint_evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "engine/learning/joint_policies.h"

namespace rapport {
namespace {

constexpr size_t kContents = 3;

std::vector<double> RandomTable(uint64_t seed, bool additive) {
  Random random(seed);
  std::vector<double> content(kContents), hour(kHoursOfWeek), channel(kContactChannels);
  for (auto* part : {&content, &hour, &channel}) {
    for (double& value : *part) value = random.Normal();
  }
  std::vector<double> table(kContents * kHoursOfWeek * kContactChannels, -1);
  for (size_t i = 0; i < kContents; ++i) {
    for (size_t h = 0; h < kHoursOfWeek; ++h) {
      for (size_t c = 0; c < kContactChannels; ++c) {
        const double logit = additive ? content[i] + hour[h] + channel[c] : random.Normal();
        if (InSendingWindow(h)) table[ArmIndex(i, h, c)] = Sigmoid(logit);
      }
    }
  }
  return table;
}

// Against every arm, one by one.
TEST(JointPoliciesTest, JointOffersAreTheBestOfEachChannel) {
  const SimulatedContactOptions money;
  const ChannelRates leave{0.001, 0.002, 0.003, 0.004};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<double> table = RandomTable(seed, false);
    const Offers offers = JointOffers(money, table, leave);
    for (size_t c = 0; c < kContactChannels; ++c) {
      double best = -1;
      for (size_t i = 0; i < kContents; ++i) {
        for (size_t h = 0; h < kHoursOfWeek; ++h) best = std::max(best, table[ArmIndex(i, h, c)]);
      }
      EXPECT_EQ(table[ArmIndex(offers[c].arm.content, offers[c].arm.hour, c)], best);
      EXPECT_EQ(offers[c].arm.channel, c);
      EXPECT_DOUBLE_EQ(offers[c].worth, money.margin * best - money.send_cost[c] - money.lifetime_value * leave[c]);
    }
  }
}

// Additive logits: the same content and hour as the joint choice. Free tables are the broken twin: they differ.
TEST(JointPoliciesTest, SeparateOffersAreTheJointOnesOnlyWhereNothingInteracts) {
  const SimulatedContactOptions money;
  size_t others = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const bool additive : {true, false}) {
      const std::vector<double> table = RandomTable(seed, additive);
      const Offers joint = JointOffers(money, table, {}), separate = SeparateOffers(money, table, {});
      for (size_t c = 0; c < kContactChannels; ++c) {
        const bool same = joint[c].arm.content == separate[c].arm.content && joint[c].arm.hour == separate[c].arm.hour;
        if (additive) {
          EXPECT_TRUE(same) << seed;
        }
        others += !same;
        EXPECT_TRUE(InSendingWindow(separate[c].arm.hour));
      }
    }
  }
  EXPECT_GT(others, 70u);
}

// Random offers and bans: never over budget, never a banned channel, and close to the best there is, which on few
// customers is found by trying everything.
TEST(JointPoliciesTest, TheBudgetIsKeptAndSpentWell) {
  const std::array<double, kContactChannels> cost{0.01, 0.06, 0.004, 0.03};
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    constexpr size_t kCustomers = 6;
    std::vector<Offers> offers(kCustomers);
    std::vector<std::array<bool, kContactChannels>> allowed(kCustomers);
    double least = 0;
    for (size_t u = 0; u < kCustomers; ++u) {
      for (size_t c = 0; c < kContactChannels; ++c) {
        offers[u][c].worth = random.Uniform() * (seed % 3 == 0 ? 0 : 1);  // all alike: the price cannot tell them apart
        allowed[u][c] = random.Uniform() < 0.7;
      }
      if (u == 0) allowed[u] = {};  // nobody to be reached
      double cheapest = 1;
      for (size_t c = 0; c < kContactChannels; ++c) cheapest = allowed[u][c] ? std::min(cheapest, cost[c]) : cheapest;
      least += cheapest < 1 ? cheapest : 0;
    }
    const double budget = least + 0.1 * random.Uniform();
    const std::vector<size_t> chosen = AssignChannels(offers, allowed, cost, budget);
    double spent = 0, worth = 0, best = 0;
    for (size_t u = 0; u < kCustomers; ++u) {
      const bool any = std::any_of(allowed[u].begin(), allowed[u].end(), [](bool one) { return one; });
      ASSERT_EQ(chosen[u] < kContactChannels, any);
      if (!any) continue;
      EXPECT_TRUE(allowed[u][chosen[u]]);
      spent += cost[chosen[u]], worth += offers[u][chosen[u]].worth;
    }
    EXPECT_LE(spent, budget + 1e-12);
    for (size_t code = 0; code < size_t{1} << (2 * kCustomers); ++code) {
      double money = 0, value = 0;
      bool fits = true;
      for (size_t u = 0; u < kCustomers && fits; ++u) {
        const size_t c = code >> (2 * u) & 3;
        if (chosen[u] == kContactChannels) continue;
        fits = allowed[u][c];
        money += cost[c], value += offers[u][c].worth;
      }
      if (fits && money <= budget) best = std::max(best, value);
    }
    EXPECT_GE(worth, best - 1.0) << seed;  // one customer's worth: what a price leaves on the table
  }
}

TEST(JointPoliciesTest, TheObserverKnowsNothingWithoutTrialsAndMoreWithMany) {
  SimulatedShopOptions shop_options;
  shop_options.customers = 120;
  shop_options.items = 60;
  SimulatedShop shop = MakeSimulatedShop(shop_options).Take();
  SimulatedContactOptions options;
  options.contacts = {0, 200};
  const ContactWorld world = MakeContactWorld(options, &shop).Take();
  const std::vector<KnownCustomer> known = ReadContacts(world, shop, ReadVisits(shop, 1), 1);
  std::array<double, 2> error{}, prior_error{};
  for (size_t u = 0; u < known.size(); ++u) {
    PersonVector mean, deviation;
    PersonPrior(world, shop.customers[u], world.people[u].occupation, &mean, &deviation);
    const PersonVector seen = ObservedVector(world, shop, u, known[u], 0, 1);
    for (size_t k = kChannelsAt; k < kPersonFactors; ++k) {
      const double truth = world.people[u].At(world.end)[k];
      if (known[u].trials.empty()) {
        EXPECT_EQ(seen[k], mean[k]);
      }
      error[u % 2] += (seen[k] - truth) * (seen[k] - truth);
      prior_error[u % 2] += (mean[k] - truth) * (mean[k] - truth);
    }
  }
  EXPECT_LT(error[1], 0.8 * prior_error[1]);
}

JointOptions Small() {
  JointOptions options;
  options.dials = {0, 0.5};
  options.worlds = {1, 2};
  options.contacts = {0, 20};
  options.customers = 200;
  options.items = 60;
  options.learned = false;
  return options;
}

const JointRow& RowOf(const JointReport& report, double dial, JointPolicy policy) {
  return *std::find_if(report.rows.begin(), report.rows.end(), [&](const JointRow& row) {
    return row.dial == dial && row.contacts == -1 && row.policy == policy;
  });
}

TEST(JointEvaluationTest, WithTrueProbabilitiesTheGainIsNoneAtDial0AndLargeAtHalf) {
  const Result<JointReport> report = EvaluateJoint(Small());
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->rows.size(), 2u * 3 * (kJointPolicies - 3 - kJointParts));
  const Interval none = RowOf(*report, 0, JointPolicy::kSeparateOracle).gain_of_joint;
  EXPECT_NEAR(none.mean, 0, 0.005);
  EXPECT_GT(RowOf(*report, 0.5, JointPolicy::kSeparateOracle).gain_of_joint.lower, 0.15);
  for (const JointRow& row : report->rows) {
    EXPECT_LE(row.spent_per_send, report->options.budget_per_send + 1e-12);
    EXPECT_LE(row.share_of_oracle.mean, 1.001);
    EXPECT_LE(row.value.lower, row.value.mean);
    EXPECT_LE(row.gain_of_joint.lower, row.gain_of_joint.mean);
    EXPECT_GE(row.gain_of_joint.upper, row.gain_of_joint.mean);
    EXPECT_LE(row.worst_world_gain, row.gain_of_joint.mean + 1e-9);
  }
  EXPECT_GT(RowOf(*report, 0.5, JointPolicy::kObserver).share_of_oracle.mean,
            RowOf(*report, 0.5, JointPolicy::kSeparateRates).share_of_oracle.mean);
}

TEST(JointEvaluationTest, TheLearnedModelIsTheSameOnAnyNumberOfThreads) {
  JointOptions options = Small();
  options.learned = true;
  options.dials = {0.5};
  options.worlds = {3};
  options.response.rounds = 3;
  options.parts = true;
  options.threads = 1;
  const Result<JointReport> one = EvaluateJoint(options);
  options.threads = 3;
  const Result<JointReport> three = EvaluateJoint(options);
  ASSERT_TRUE(one.ok() && three.ok()) << one.status().message();
  ASSERT_EQ(one->rows.size(), three->rows.size());
  ASSERT_EQ(one->rows.size(), 3 * kJointPolicies);
  for (size_t r = 0; r < one->rows.size(); ++r) {
    EXPECT_EQ(one->rows[r].value.mean, three->rows[r].value.mean);
    EXPECT_EQ(one->rows[r].gain_of_joint.upper, three->rows[r].gain_of_joint.upper);
  }
  // The truth in place of what was learned from few is worth something, and never more than all of it.
  const double joint = RowOf(*one, 0.5, JointPolicy::kJoint).value.mean;
  for (const JointPolicy part : {JointPolicy::kTrueShared, JointPolicy::kTrueOwn, JointPolicy::kTrueInteractions}) {
    EXPECT_GT(RowOf(*one, 0.5, part).value.mean, joint) << JointPolicyName(part);
    EXPECT_LT(RowOf(*one, 0.5, part).share_of_oracle.mean, 1) << JointPolicyName(part);
  }
}

TEST(JointEvaluationTest, EmptyListsAndWorldsThatCannotBeAreRefused) {
  JointOptions options = Small();
  options.worlds = {};
  EXPECT_EQ(EvaluateJoint(options).status().code(), StatusCode::kInvalidArgument);
  options = Small();
  options.dials = {1.5};
  EXPECT_EQ(EvaluateJoint(options).status().code(), StatusCode::kInvalidArgument);
  options = Small();
  options.contacts = {0};  // nobody was ever contacted: nothing to learn from
  EXPECT_EQ(EvaluateJoint(options).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

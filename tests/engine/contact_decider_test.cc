// The joint decision: the arm chosen is the best by brute force over every arm, propensities are those of the draws,
// and the same seed is the same decision.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"
#include "base/time_zone.h"
#include "engine/contact/decider.h"
#include "engine/contact/response_set.h"

namespace rapport {
namespace {

// A model with random numbers: 3 channels, 2 kinds, 6 contents.
ResponseModel RandomModel(uint64_t seed) {
  Random random(seed);
  ResponseModel model = *ResponseSet::Untrained()->model;
  model.shape.channels = 3;
  model.shape.kinds = 2;
  model.shape.content_kind = {0, 1, 0, 1, 0, 1};
  const auto fill = [&](std::vector<float>& values, size_t size, double scale) {
    values.resize(size);
    for (float& value : values) value = static_cast<float>(scale * random.Normal());
  };
  fill(model.channel_hour, 3 * kHoursOfWeek, 0.5);
  fill(model.kind_hour, 2 * kHoursOfWeek, 0.5);
  if (seed % 2 == 1) fill(model.kind_channel_hour, 3 * 2 * kHoursOfWeek, 0.5);
  if (seed % 3 == 1) {
    model.shape.traits = 1;
    fill(model.factors, 2 * 3 * 2 * kHoursOfWeek, 0.5);
    model.trait_factors = {1, 1};
  }
  fill(model.content_channel, 6 * 3, 0.7);
  fill(model.kind_channel, 2 * 3, 0.7);
  fill(model.fatigue, 3 * 2, 0.1);
  model.unsubscribe = {-7, -6.5f, -8};
  model.level = -2.5;
  return model;
}

struct Scene {
  ContactSettings settings;
  ContactCustomer customer;
  LocalTime local;
  ResponseModel model;
  CustomerResponse response;
  DecisionInput input;

  explicit Scene(uint64_t seed)
      : local(*TimeZone::Open("Europe/Zurich"), *ParseRfc3339("2026-01-01"), *ParseRfc3339("2026-05-01")),
        model(RandomModel(seed)),
        input{.settings = settings, .customer = customer, .local = local, .model = model, .response = response} {
    if (model.factor_count() > 0) response.together = {0.8f, -0.6f};
    settings.limits.caps.clear();
    settings.limits.exploration = 0.05;
    for (const char* channel : {"email", "sms", "push"}) {
      customer.ledger.push_back({channel, "marketing", true, *ParseRfc3339("2026-01-01"), "", ""});
    }
    customer.traits = {{"email", std::string("x")}, {"phone", std::string("x")}, {"pushToken", std::string("x")}};
    for (uint32_t i = 0; i < 6; ++i) {
      ContentChoice choice;
      choice.row = i;
      choice.kind = model.shape.content_kind[i];
      choice.margin = 2 + i;
      input.contents.push_back(choice);
    }
    input.channels = {0, 1, 2};
    input.model_channel = {0, 1, 2, -1, -1, -1, -1};
    input.from = *ParseRfc3339("2026-03-26T10:20:30Z");  // summer time begins inside
    input.until = {input.from.ms + 7 * kDayMs};
    input.seed = seed;
  }
};

// Every (content, channel, hour), one by one, by the model's own probability.
double BestByBruteForce(const Scene& scene) {
  double best = 0;
  const DecisionInput& in = scene.input;
  for (size_t i = 0; i < in.contents.size(); ++i) {
    for (const uint32_t channel : in.channels) {
      Feasibility rules(in.settings, in.customer, in.local);
      Feasibility::Question question;
      question.channel = &in.settings.channels[channel];
      for (Timestamp begin = in.from; begin < in.until; begin = {(begin.ms / kHourMs + 1) * kHourMs}) {
        const Timestamp end{std::min(in.until.ms, (begin.ms / kHourMs + 1) * kHourMs)};
        const Feasibility::Moment moment = rules.First(question, begin, end);
        if (!moment.at) continue;
        ResponseArm arm;
        arm.content = static_cast<uint32_t>(i);
        arm.kind = in.contents[i].kind;
        arm.channel = static_cast<uint8_t>(channel);
        arm.hour = static_cast<uint16_t>(in.local.HourOfWeekAt(*moment.at));
        const double value = in.model.Probability(in.response, arm) * in.contents[i].margin -
                             in.settings.channels[channel].cost -
                             in.model.UnsubscribeProbability(arm.channel, 0) * in.settings.limits.lifetime_value;
        best = std::max(best, value);
      }
    }
  }
  return best;
}

TEST(DeciderTest, TheBestArmIsTheBestOfAll) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scene scene(seed);
    const DecisionOutcome outcome = Decide(scene.input);
    EXPECT_NEAR(outcome.shortlist.front().value, BestByBruteForce(scene), 1e-6) << seed;
    EXPECT_EQ(outcome.shortlist.size(), scene.settings.limits.shortlist);
  }
}

TEST(DeciderTest, DrawsFollowTheirPropensities) {
  Scene scene(3);
  scene.settings.limits.shortlist = 8;
  scene.settings.limits.temperature = 0.05;
  scene.settings.limits.exploration = 0.2;
  const DecisionOutcome first = Decide(scene.input);
  std::map<std::tuple<uint32_t, uint32_t, int64_t>, int> drawn;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    scene.input.seed = static_cast<uint64_t>(i) * 7919 + 1;
    const DecisionArm arm = Decide(scene.input).chosen;
    ++drawn[{arm.content, arm.channel, arm.at.ms}];
  }
  double chi_square = 0, sum = 0, wrong = 0;
  for (const DecisionArm& arm : first.shortlist) {
    const double expected = arm.propensity * kDraws;
    const double seen = drawn[{arm.content, arm.channel, arm.at.ms}];
    chi_square += (seen - expected) * (seen - expected) / expected;
    // Broken twin: propensities without the floor of exploration do not fit the draws.
    const double without = std::max(1e-9, (arm.propensity - 0.2 / 8) / 0.8 * kDraws);
    wrong += (seen - without) * (seen - without) / without;
    sum += arm.propensity;
    EXPECT_GE(arm.propensity, 0.2 / 8);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_LT(chi_square, 24.3);  // 7 degrees of freedom, one in a thousand
  EXPECT_GT(wrong, 24.3);
}

TEST(DeciderTest, TheSameSeedIsTheSameDecisionAndRulesComeFirst) {
  Scene scene(5);
  const DecisionOutcome one = Decide(scene.input), two = Decide(scene.input);
  EXPECT_EQ(one.chosen.at, two.chosen.at);
  EXPECT_EQ(one.chosen.content, two.chosen.content);
  scene.customer.ledger.clear();
  const DecisionOutcome none = Decide(scene.input);
  EXPECT_EQ(none.chosen.content, kNothing);
  EXPECT_EQ(none.feasible, 0u);
  ASSERT_EQ(none.shortlist.size(), 1u);
  EXPECT_EQ(none.shortlist[0].propensity, 1);
  uint64_t arms = 0;
  for (const RemovedArms& removed : none.removed) arms += removed.arms;
  EXPECT_EQ(arms, 6u * 3 * 168) << "every arm carries its reason";
}

TEST(DeciderTest, AllLosingArmsMakeNothingTheBest) {
  Scene scene(2);
  for (ContentChoice& content : scene.input.contents) content.margin = 0;
  const DecisionOutcome outcome = Decide(scene.input);
  EXPECT_EQ(outcome.shortlist.front().content, kNothing);
}

}  // namespace
}  // namespace rapport

// The search over arms gives what a look at every arm gives; its kernels give the same bits everywhere.
#include "models/arm_search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "allocation_reference.h"

namespace rapport {
namespace {

using kernels::InstructionSet;

std::vector<InstructionSet> SupportedSets() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (arm_kernels::IsSupported(set)) sets.push_back(set);
  }
  return sets;
}

TEST(ArmKernelsTest, EverySetGivesTheSameBitsAndTheDefinition) {
  Random random(3);
  const size_t size = kSlotStride;
  std::vector<float> a(size), b(3 * size), margins(size), prices(size);
  for (size_t j = 0; j < size; ++j) {
    a[j] = j % 17 == 0 ? kNotAllowed : static_cast<float>(4 * random.Normal());
    margins[j] = static_cast<float>(20 * random.Uniform());
    prices[j] = j % 13 == 0 ? -kNotAllowed : static_cast<float>(random.Uniform());
  }
  a[1] = 300;
  a[2] = -300;
  for (float& x : b) x = static_cast<float>(random.Normal());
  std::vector<float> first_contents, first_slots, first_best;
  for (InstructionSet set : SupportedSets()) {
    const arm_kernels::Kernels& kernels = arm_kernels::KernelsOf(set);
    std::vector<float> contents(size), slots(size), best(3);
    kernels.best_logits(a.data(), b.data(), 3, size, best.data());
    kernels.content_values(a.data(), b.data(), margins.data(), prices.data(), 0.25f, size, contents.data());
    std::vector<float> mixed(size);
    const std::vector<float> weights = {0.5f, -1.25f, 3};
    kernels.mixed_row(margins.data(), b.data(), size, weights.data(), 3, size, mixed.data());
    for (size_t j = 0; j < size; ++j) {
      ASSERT_EQ(mixed[j], margins[j] + b[j] * 0.5f + b[size + j] * -1.25f + b[2 * size + j] * 3) << j;
    }
    const float most = kernels.slot_values(a.data(), b.data(), prices.data(), 0.5f, 7, 0.25f, size, slots.data());
    EXPECT_EQ(most, *std::max_element(slots.begin(), slots.end()));
    for (size_t j = 0; j < size; ++j) {
      if (j % 17 == 0 || j % 13 == 0) {
        EXPECT_EQ(slots[j], kNotAllowed) << j;
        EXPECT_EQ(contents[j], kNotAllowed) << j;
        continue;
      }
      const double logit = static_cast<double>(a[j]) + b[j];
      EXPECT_NEAR(slots[j], 7 / (1 + std::exp(-logit - 0.5)) - 0.25 - prices[j], 5e-6);
      EXPECT_NEAR(contents[j], margins[j] / (1 + std::exp(-logit)) - 0.25 - prices[j], 1.5e-5);
    }
    if (set == InstructionSet::kBaseline) {
      first_contents = contents, first_slots = slots, first_best = best;
    }
    EXPECT_EQ(contents, first_contents);
    EXPECT_EQ(slots, first_slots);
    EXPECT_EQ(best, first_best);
  }
}

// worth by definition, falling; ties do not matter: worths are compared.
std::vector<double> WorthsOfAll(const RandomInstance& instance, const LimitSet& limits, uint32_t customer,
                                const std::vector<double>& prices, const std::vector<int64_t>& used) {
  std::vector<double> worths;
  for (Arm arm : instance.AllArms()) {
    const double value = instance.Value(customer, arm);
    if (std::isinf(value) || (!used.empty() && !limits.Fits(arm, used))) continue;
    worths.push_back(value - limits.PriceOf(arm, prices));
  }
  std::sort(worths.rbegin(), worths.rend());
  return worths;
}

TEST(ArmSearchTest, FindsWhatALookAtEveryArmFinds) {
  Random random(11);
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const auto contents = static_cast<uint32_t>(1 + random.Below(20));
    RandomInstance instance(8, contents, 3, 1 + static_cast<uint32_t>(random.Below(4)), seed, 0.3 * random.Uniform());
    const LimitSet limits = LimitSet::Make(instance.shape, MixedLimits(8, random)).Take();
    std::vector<double> prices(limits.size());
    for (double& price : prices) price = random.Uniform() < 0.3 ? 0 : 0.6 * random.Uniform();
    std::vector<int64_t> used(limits.size());
    for (size_t k = 0; k < limits.size(); ++k) used[k] = random.Uniform() < 0.2 ? limits[k].most : 0;
    const PriceTables tables = limits.Prices(prices, used);
    ArmSearch search(instance.shape, limits);
    for (uint32_t u = 0; u < 8; ++u) {
      instance.Source()(u, search.writable_arms());
      search.Load();
      const std::vector<double> all = WorthsOfAll(instance, limits, u, prices, used);
      const WorthArm best = search.FindBest(tables, false).best;
      EXPECT_NEAR(best.worth, all.empty() ? 0 : std::max(0.0, all[0]), 1e-4) << "seed " << seed;
      if (!best.arm.IsNothing()) {
        EXPECT_NEAR(best.worth, instance.Value(u, best.arm) - limits.PriceOf(best.arm, prices), 5e-5);
        EXPECT_TRUE(limits.Fits(best.arm, used));
      }
      std::vector<WorthArm> shortlist;
      search.FindShortlist(tables, {.arms_max = 33, .arms_per_pair_max = 168}, &shortlist);
      ASSERT_EQ(shortlist.size(), 1 + std::min<size_t>(32, all.size()));
      size_t rank = 0;
      for (const WorthArm& arm : shortlist) {
        if (arm.arm.IsNothing()) {
          EXPECT_EQ(arm.worth, 0);
        } else {
          EXPECT_NEAR(arm.worth, all[rank++], 1e-4) << "seed " << seed << " rank " << rank;
          EXPECT_TRUE(limits.Fits(arm.arm, used));
        }
      }
      EXPECT_TRUE(std::is_sorted(shortlist.begin(), shortlist.end(),
                                 [](const WorthArm& x, const WorthArm& y) { return x.worth > y.worth; }));
    }
  }
}

TEST(ArmSearchTest, TheShortlistSpreadsOverPairs) {
  RandomInstance instance(1, 6, 2, 2, 5, 0);
  const LimitSet limits = LimitSet::Make(instance.shape, {}).Take();
  ArmSearch search(instance.shape, limits);
  instance.Source()(0, search.writable_arms());
  search.Load();
  std::vector<WorthArm> shortlist;
  search.FindShortlist(limits.Prices({}, {}), {.arms_max = 64, .arms_per_pair_max = 4}, &shortlist);
  EXPECT_EQ(shortlist.size(), 1u + 6 * 2 * 4);  // all pairs, four hours each
  std::vector<int> of_pair(12);
  for (const WorthArm& arm : shortlist) {
    if (!arm.arm.IsNothing()) ++of_pair[arm.arm.content * 2 + arm.arm.channel];
  }
  EXPECT_EQ(of_pair, std::vector<int>(12, 4));
}

TEST(ArmSearchTest, TheRunnerUpTakesOtherLimits) {
  RandomInstance instance(20, 6, 3, 2, 9, 0.1);
  const LimitSet limits = LimitSet::Make(instance.shape, {LimitOf("a", 5, {1, 0, 0}), LimitOf("b", 5, {0, 1, 0}),
                                                          LimitOf("stock", 1, {1, 1, 1}, {2})})
                              .Take();
  const std::vector<double> prices(3, 0.01);
  ArmSearch search(instance.shape, limits);
  for (uint32_t u = 0; u < 20; ++u) {
    instance.Source()(u, search.writable_arms());
    search.Load();
    const ArmSearch::Best found = search.FindBest(limits.Prices(prices, {}), true);
    EXPECT_FALSE(limits.TakeTheSame(found.best.arm, found.runner_up.arm));
    double expected = 0;
    for (Arm arm : instance.AllArms()) {
      if (limits.TakeTheSame(arm, found.best.arm)) continue;
      expected = std::max(expected, instance.Value(u, arm) - limits.PriceOf(arm, prices));
    }
    EXPECT_NEAR(found.runner_up.worth, expected, 1e-4);
  }
}

TEST(ArmSearchTest, OneArmAloneHasTheBitsOfTheSearch) {
  RandomInstance instance(10, 5, 3, 2, 21);
  const LimitSet limits = LimitSet::Make(instance.shape, {}).Take();
  ArmSearch search(instance.shape, limits);
  for (uint32_t u = 0; u < 10; ++u) {
    instance.Source()(u, search.writable_arms());
    search.Load();
    const WorthArm best = search.FindBest(limits.Prices({}, {}), false).best;
    ASSERT_FALSE(best.arm.IsNothing());
    EXPECT_EQ(ValueOf(instance.shape, search.arms(), best.arm), best.worth);
    const float probability = ProbabilityOf(instance.shape, search.arms(), best.arm);
    EXPECT_NEAR(probability * instance.shape.margins[best.arm.content] - search.arms().cost[best.arm.channel],
                best.worth, 1e-4);
  }
}

TEST(LimitSetTest, BadLimitsAreSaidWithTheirName) {
  RandomInstance instance(1, 3, 2, 1, 1);
  const auto message = [&](SharedLimit limit) {
    return LimitSet::Make(instance.shape, {std::move(limit)}).status().message();
  };
  EXPECT_NE(message(LimitOf("x", -1, {1, 1})).find("limit x: its amount is below 0"), std::string::npos);
  EXPECT_NE(message(LimitOf("x", 1, {1})).find("for each channel"), std::string::npos);
  EXPECT_NE(message(LimitOf("x", 1, {1, -2})).find("below 0"), std::string::npos);
  EXPECT_NE(message(LimitOf("x", 1, {1, 1}, {7})).find("no content 7"), std::string::npos);
  EXPECT_NE(message(LimitOf("x", 1, {1, 1}, {}, {168})).find("no hour 168"), std::string::npos);
  EXPECT_NE(message(LimitOf("x", 1, {1, 1}, {1}, {1})).find("make two limits"), std::string::npos);
  ArmShape empty;
  EXPECT_FALSE(LimitSet::Make(empty, {}).ok());
  ArmShape negative = instance.shape;
  negative.margins[1] = -3;
  EXPECT_FALSE(LimitSet::Make(negative, {}).ok());
}

}  // namespace
}  // namespace rapport

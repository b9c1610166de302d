// Prices bound every plan; the draw keeps every limit and logs the probability it used.
#include "models/plan_draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "allocation_reference.h"

namespace rapport {
namespace {

// The most that any plan earns, by trying them all: few customers, few contents, and only slots 0 and 1 allowed.
double BestPlan(const RandomInstance& instance, const LimitSet& limits, uint32_t customer, std::vector<int64_t>* used) {
  if (customer == instance.arms.size()) return 0;
  double best = BestPlan(instance, limits, customer + 1, used);
  for (Arm arm : instance.AllArms()) {
    const double value = instance.Value(customer, arm);
    if (!(value > 0) || !limits.Fits(arm, *used)) continue;
    const std::vector<int64_t> before = *used;
    limits.Take(arm, *used);
    best = std::max(best, value + BestPlan(instance, limits, customer + 1, used));
    *used = before;
  }
  return best;
}

TEST(DualPricesTest, BoundTheBestPlanOfTinyInstances) {
  Random random(5);
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    RandomInstance instance(5, 2, 2, 1, seed, 0);
    for (CustomerArms& arms : instance.arms) {
      for (size_t c = 0; c < 2; ++c) {
        for (size_t s = 2; s < kSlots; ++s) arms.channel_slot[c * kSlotStride + s] = kNotAllowed;
      }
    }
    const LimitSet limits =
        LimitSet::Make(instance.shape, {LimitOf("money", static_cast<int64_t>(random.Below(30)), {3, 8}),
                                        LimitOf("hour", static_cast<int64_t>(random.Below(3)), {1, 1}, {}, {0}),
                                        LimitOf("stock", static_cast<int64_t>(random.Below(2)), {1, 1}, {1})})
            .Take();
    const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 5, {});
    std::vector<int64_t> used(limits.size(), 0);
    const double best = BestPlan(instance, limits, 0, &used);
    EXPECT_GE(prices.dual_bound, best - 1e-4) << "seed " << seed;
    const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
    EXPECT_LE(plan.value, best + 1e-4) << "seed " << seed;
    for (size_t k = 0; k < limits.size(); ++k) EXPECT_LE(plan.used[k], limits[k].most);
  }
}

// One channel, one content, one slot, one limit: the price lies where the customers' values are cut.
TEST(DualPricesTest, TheOnePriceLiesBetweenTheLastServedAndTheFirstRefused) {
  const uint32_t customers = 2'000, most = 300;
  RandomInstance instance(customers, 1, 1, 1, 4, 0);
  std::vector<double> values;
  for (uint32_t u = 0; u < customers; ++u) {
    double best = 0;
    for (Arm arm : instance.AllArms()) best = std::max(best, instance.Value(u, arm));
    values.push_back(best);
  }
  std::sort(values.rbegin(), values.rend());
  const LimitSet limits = LimitSet::Make(instance.shape, {LimitOf("sends", most, {1})}).Take();
  const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), customers, {});
  double optimum = 0;
  for (uint32_t j = 0; j < most; ++j) optimum += values[j];
  EXPECT_GE(prices.dual_bound, optimum * (1 - 1e-6));
  EXPECT_LE(prices.dual_bound, optimum * (1 + 1e-4));
  EXPECT_NEAR(prices.prices[0], values[most], 0.02 * values[most]);
}

// sum_k l_k (most_k - used_k) + sum_u (best worth - worth drawn): the whole gap, when prices stand still.
TEST(DualPricesTest, TheGapIsWhatCustomersLoseAndWhatLimitsLeave) {
  Random random(8);
  RandomInstance instance(1'500, 6, 3, 2, 12);
  const LimitSet limits = LimitSet::Make(instance.shape, MixedLimits(1'500, random)).Take();
  const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 1'500, {});
  DrawOptions options;
  options.steer = false;
  options.temperature = 0.05;
  options.exploration = 0.1;
  const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, options);
  double gap = 0;
  for (size_t k = 0; k < limits.size(); ++k) {
    gap += prices.prices[k] * static_cast<double>(limits[k].most - plan.used[k]);
  }
  ArmSearch search(instance.shape, limits);
  const PriceTables tables = limits.Prices(prices.prices, {});
  for (uint32_t u = 0; u < 1'500; ++u) {
    instance.Source()(u, search.writable_arms());
    search.Load();
    gap += search.FindBest(tables, false).best.worth - plan.drawn[u].worth;
  }
  EXPECT_NEAR(prices.dual_bound - plan.value, gap, 1e-3 * std::abs(gap) + 0.01);
  EXPECT_GT(gap, 0);
}

TEST(DualPricesTest, AGreedyPlanComesNearTheBoundAndSlackLimitsCostNothing) {
  Random random(2);
  RandomInstance instance(4'000, 8, 3, 2, 77);
  const LimitSet limits = LimitSet::Make(instance.shape, MixedLimits(4'000, random)).Take();
  const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 4'000, {});
  const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
  EXPECT_LE(plan.value, prices.dual_bound);
  EXPECT_GE(plan.value, 0.99 * prices.dual_bound);
  size_t priced = 0;
  for (size_t k = 0; k < limits.size(); ++k) {
    EXPECT_GE(prices.prices[k], 0);
    priced += prices.prices[k] > 0 ? 1 : 0;
    const double left = 1 - static_cast<double>(plan.used[k]) / static_cast<double>(limits[k].most);
    if (limits[k].most > 100 && left > 0.1) {
      EXPECT_EQ(prices.prices[k], 0) << limits[k].name;
    }
  }
  EXPECT_GE(priced, 3u);
  EXPECT_EQ(limits[4].name, "wide");
  EXPECT_EQ(prices.prices[4], 0);
}

// Everybody's hours are one curve, and every channel's hour has a capacity: at one price all of them change their mind.
TEST(DualPricesTest, CustomersWhoAreAlikeComeNearTheBoundToo) {
  constexpr uint32_t kCustomers = 12'000, kChannels = 3;
  RandomInstance instance(kCustomers, 2, kChannels, 1, 21, 0);
  Random random(3);
  std::vector<float> curve(kChannels * kSlotStride, kNotAllowed);
  for (size_t c = 0; c < kChannels; ++c) {
    for (size_t s = 0; s < kSlots; ++s) curve[c * kSlotStride + s] = static_cast<float>(-2.5 + 0.5 * random.Normal());
  }
  for (CustomerArms& arms : instance.arms) {
    const auto own = static_cast<float>(0.5 * random.Normal());
    const bool early = random.Below(2) == 0;  // half of them may be reached in the morning only
    for (size_t j = 0; j < curve.size(); ++j) {
      const bool allowed = !early || j % kSlotStride % 24 < 12;
      arms.channel_slot[j] = allowed ? curve[j] + own : kNotAllowed;
    }
    for (float& x : arms.content_channel) x = 0;
    for (float& x : arms.cost) x = 0.2f;
  }
  std::vector<SharedLimit> counted;
  for (uint8_t c = 0; c < kChannels; ++c) {
    std::vector<int64_t> per_send(kChannels, 0);
    per_send[c] = 1;
    for (uint8_t s = 0; s < kSlots; ++s) counted.push_back(LimitOf("an hour", 12, per_send, {}, {s}));
  }
  const LimitSet limits = LimitSet::Make(instance.shape, counted).Take();
  const auto gap = [&](bool rehearse) {
    PricingOptions options;
    options.rehearse = rehearse;
    const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), kCustomers, options);
    const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
    for (size_t k = 0; k < limits.size(); ++k) EXPECT_LE(plan.used[k], limits[k].most);
    return 1 - plan.value / prices.dual_bound;
  };
  const double rehearsed = gap(true), smooth = gap(false);
  EXPECT_GE(rehearsed, -1e-6);
  EXPECT_LT(rehearsed, 0.01);
  EXPECT_LT(rehearsed, smooth);  // broken twin: prices that take D for smooth
}

TEST(PlanDrawTest, TheSameBitsOnAnyNumberOfThreads) {
  for (const bool rehearse : {false, true}) {
    Random random(6);
    RandomInstance instance(3'000, 6, 3, 2, 31);
    const LimitSet limits = LimitSet::Make(instance.shape, MixedLimits(3'000, random)).Take();
    PricingOptions pricing;
    pricing.sample_customers = 500;  // several stages
    pricing.rehearse_customers_min = rehearse ? 0 : 4'000;
    DrawOptions options;
    options.temperature = 0.02;
    options.exploration = 0.05;
    options.block_customers = 300;
    std::vector<Plan> plans;
    std::vector<DualPrices> prices;
    for (int threads : {1, 3}) {
      pricing.threads = options.threads = threads;
      prices.push_back(FindPrices(instance.shape, limits, instance.Source(), 3'000, pricing));
      plans.push_back(DrawPlan(instance.shape, limits, instance.Source(), prices.back(), options));
    }
    EXPECT_EQ(prices[0].rehearsed, rehearse);
    EXPECT_EQ(prices[0].prices, prices[1].prices);
    EXPECT_EQ(prices[0].dual_bound, prices[1].dual_bound);
    EXPECT_EQ(plans[0].value, plans[1].value);
    EXPECT_EQ(plans[0].used, plans[1].used);
    for (size_t u = 0; u < 3'000; ++u) {
      EXPECT_EQ(plans[0].drawn[u].arm, plans[1].drawn[u].arm);
      EXPECT_EQ(plans[0].drawn[u].propensity, plans[1].drawn[u].propensity);
    }
  }
}

// What a log of draws says about its own propensities: for each set of arms, (chosen - sum of p) over the square root
// of sum p (1 - p). A true log stays within a few units.
struct Calibration {
  double chosen = 0, expected = 0, variance = 0;
  double Score() const { return variance > 0 ? (chosen - expected) / std::sqrt(variance) : 0; }
  void Add(bool is_chosen, double probability) {
    chosen += is_chosen ? 1 : 0;
    expected += probability;
    variance += probability * (1 - probability);
  }
};

TEST(PlanDrawTest, KeepsEveryLimitAndLogsWhatItUsed) {
  Random random(99);
  std::map<int, Calibration> by_channel;  // 3: nothing
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    RandomInstance instance(700, 5, 3, 2, seed, 0.2);
    std::vector<SharedLimit> mixed = MixedLimits(700, random);
    if (seed % 3 == 0) mixed[0].most = 0;  // nothing at all may be sent
    if (seed % 4 == 0) mixed[2].most = 1;
    const LimitSet limits = LimitSet::Make(instance.shape, mixed).Take();
    PricingOptions pricing;
    pricing.seed = seed;
    pricing.rehearse_customers_min = seed % 4 < 2 ? 0 : 1'000;
    const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 700, pricing);
    DrawOptions options;
    options.seed = seed;
    options.temperature = 0.3 * random.Uniform();
    options.exploration = seed % 2 == 0 ? 0.2 : 0;
    options.block_customers = static_cast<uint32_t>(1 + random.Below(300));
    options.shortlist.arms_max = static_cast<uint32_t>(2 + random.Below(63));
    std::vector<int64_t> used(limits.size(), 0);
    uint32_t turn = 0;
    std::vector<double> replayed;
    const Plan plan =
        DrawPlan(instance.shape, limits, instance.Source(), prices, options, [&](const DrawRecord& record) {
          EXPECT_EQ(record.drawn.turn, turn++);
          EXPECT_LE(record.shortlist.size(), options.shortlist.arms_max);
          double sum = 0;
          bool has_nothing = false, has_drawn = false;
          PolicyOf(record.shortlist, options.temperature, options.exploration, &replayed);
          for (size_t j = 0; j < record.shortlist.size(); ++j) {
            const Arm arm = record.shortlist[j].arm;
            EXPECT_EQ(record.probabilities[j], replayed[j]);
            sum += record.probabilities[j];
            has_nothing |= arm.IsNothing();
            EXPECT_TRUE(arm.IsNothing() || limits.Fits(arm, used));
            const bool is_drawn = arm == record.drawn.arm;
            if (is_drawn) {
              EXPECT_EQ(record.drawn.propensity, record.probabilities[j]);
            }
            has_drawn |= is_drawn;
            by_channel[arm.IsNothing() ? 3 : arm.channel].Add(is_drawn, record.probabilities[j]);
          }
          EXPECT_NEAR(sum, 1, 1e-12);
          EXPECT_TRUE(has_nothing && has_drawn);
          EXPECT_GT(record.drawn.propensity, 0);
          if (!record.drawn.arm.IsNothing()) limits.Take(record.drawn.arm, used);
          for (size_t k = 0; k < limits.size(); ++k) ASSERT_LE(used[k], limits[k].most) << limits[k].name;
        });
    EXPECT_EQ(used, plan.used);
    EXPECT_EQ(turn, 700u);
    if (seed % 3 == 0) {
      EXPECT_EQ(plan.sends, 0u);
    }
    double value = 0;
    for (uint32_t u = 0; u < 700; ++u) {
      if (plan.drawn[u].arm.IsNothing()) continue;
      value += instance.Value(u, plan.drawn[u].arm);
      EXPECT_GT(instance.Value(u, plan.drawn[u].arm), -1e9);
    }
    EXPECT_NEAR(value, plan.value, 1e-3 + 1e-4 * std::abs(value));
  }
  for (const auto& [channel, calibration] : by_channel) {
    EXPECT_LT(std::abs(calibration.Score()), 4) << "channel " << channel;
  }
}

// The broken twin: draw first, and send nothing where the arm is gone. No limit is exceeded, but the log lies.
TEST(PlanDrawTest, AMaskAfterTheDrawWouldBeSeen) {
  RandomInstance instance(1'500, 4, 3, 2, 3, 0);
  const LimitSet limits = LimitSet::Make(instance.shape, {LimitOf("sends", 400, {1, 1, 1})}).Take();
  const DualPrices free{.prices = {0.0}, .dual_bound = 0, .best = std::vector<Arm>(1'500), .bends = {1.0}};
  DrawOptions options;
  options.temperature = 0.5;
  options.steer = false;
  for (bool mask_after : {false, true}) {
    // After: the limits of the draw are wide, and the true ones are held against what was drawn.
    const LimitSet drawn_with =
        mask_after ? LimitSet::Make(instance.shape, {LimitOf("sends", 1'500, {1, 1, 1})}).Take() : limits;
    std::vector<int64_t> used(1, 0);
    Calibration nothing;
    DrawPlan(instance.shape, drawn_with, instance.Source(), free, options, [&](const DrawRecord& record) {
      const Arm sent =
          record.drawn.arm.IsNothing() || limits.Fits(record.drawn.arm, used) ? record.drawn.arm : kNothingArm;
      if (!sent.IsNothing()) limits.Take(sent, used);
      for (size_t j = 0; j < record.shortlist.size(); ++j) {
        if (record.shortlist[j].arm.IsNothing()) nothing.Add(sent.IsNothing(), record.probabilities[j]);
      }
    });
    EXPECT_LE(used[0], 400);
    if (mask_after) {
      EXPECT_GT(nothing.Score(), 20);
    } else {
      EXPECT_LT(std::abs(nothing.Score()), 4);
    }
  }
}

// Customers who are all alike turn away at the same price: the limit must be used up all the same.
TEST(PlanDrawTest, ALimitIsUsedUpByCustomersWhoAreAllAlike) {
  RandomInstance instance(1, 3, 2, 1, 9, 0);
  const CustomerArms one = instance.arms[0];
  instance.arms.assign(500, one);
  const LimitSet limits = LimitSet::Make(instance.shape, {LimitOf("sends", 120, {1, 1})}).Take();
  double best = 0;
  for (Arm arm : instance.AllArms()) best = std::max(best, instance.Value(0, arm));
  ASSERT_GT(best, 0);
  const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 500, {});
  const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
  EXPECT_EQ(plan.used[0], 120);
  EXPECT_EQ(plan.sends, 120u);
  EXPECT_NEAR(plan.value, 120 * best, 1e-3 * best);
  // Broken twin: without the second turn the price alone decides.
  DrawOptions twin;
  twin.hand_out = false;
  EXPECT_LT(DrawPlan(instance.shape, limits, instance.Source(), prices, twin).sends, 120u);
}

// They all want the same hour, and of each hour there is a little: the second turn goes on to the other hours. Who
// takes part in it once only, as the twin that was here, serves one hour.
TEST(PlanDrawTest, EachHourIsUsedUpByCustomersWhoAreAllAlike) {
  for (const uint32_t customers : {30u, 400u}) {
    RandomInstance instance(1, 2, 1, 1, 9, 0);
    CustomerArms one = instance.arms[0];
    std::vector<SharedLimit> hours;
    for (size_t s = 0; s < kSlots; ++s) {
      one.channel_slot[s] = s % 24 == 5 ? 1 + 0.01f * static_cast<float>(s) : kNotAllowed;
      hours.push_back(LimitOf("hour", 2, {1}, {}, {static_cast<uint8_t>(s)}));
    }
    instance.kind_slot.assign(instance.kind_slot.size(), 0);
    instance.arms.assign(customers, one);
    const LimitSet limits = LimitSet::Make(instance.shape, hours).Take();
    const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), customers, {});
    const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
    EXPECT_EQ(plan.sends, 14u) << customers;
    double best = 0;  // the better content in each hour, twice
    for (uint8_t s = 5; s < kSlots; s = static_cast<uint8_t>(s + 24)) {
      best += 2 * std::max(instance.Value(0, {0, 0, s}), instance.Value(0, {1, 0, s}));
    }
    EXPECT_NEAR(plan.value, best, 1e-3 * best) << customers;
  }
}

TEST(PlanDrawTest, SaysWhyNothingIsSent) {
  RandomInstance instance(4, 2, 2, 1, 3, 0);
  for (float& x : instance.arms[0].channel_slot) x = kNotAllowed;
  for (float& x : instance.arms[1].cost) x = 100;
  for (float& x : instance.arms[2].cost) x = 0;
  for (float& x : instance.arms[3].cost) x = 0;
  const auto reasons = [&](int64_t most) {
    const LimitSet limits = LimitSet::Make(instance.shape, {LimitOf("sends", most, {1, 1})}).Take();
    const DualPrices prices = FindPrices(instance.shape, limits, instance.Source(), 4, {});
    const Plan plan = DrawPlan(instance.shape, limits, instance.Source(), prices, {});
    std::vector<DrawReason> out;
    for (const DrawnArm& drawn : plan.drawn) out.push_back(drawn.reason);
    return out;
  };
  using enum DrawReason;
  EXPECT_EQ(reasons(9), (std::vector<DrawReason>{kNoArm, kNothingWorth, kBest, kBest}));
  EXPECT_EQ(reasons(0), (std::vector<DrawReason>{kNoArm, kNothingWorth, kPriced, kPriced}));
}

TEST(PlanDrawTest, ThePolicyIsItsFormula) {
  const std::vector<WorthArm> shortlist = {{{0, 0, 0}, 0.5f}, {{1, 0, 0}, 0.25f}, {kNothingArm, 0}};
  std::vector<double> policy;
  PolicyOf(shortlist, 0, 0, &policy);
  EXPECT_EQ(policy, (std::vector<double>{1, 0, 0}));
  PolicyOf(shortlist, 0.25, 0.3, &policy);
  const double sum = std::exp(2) + std::exp(1) + 1;
  EXPECT_NEAR(policy[0], 0.7 * std::exp(2) / sum + 0.1, 1e-12);
  EXPECT_NEAR(policy[1], 0.7 * std::exp(1) / sum + 0.1, 1e-12);
  EXPECT_NEAR(policy[2], 0.7 / sum + 0.1, 1e-12);
}

}  // namespace
}  // namespace rapport

// Exploration: the probabilities that are signed are those of the draws, whatever else is on the page; nothing
// forbidden is drawn, new items come up, and switched off it changes nothing. A twin that signs another slot's
// probability is caught.
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "engine/content/exploration.h"
#include "engine/content/impression.h"
#include "engine/content/recommender_seam.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {3, 1};

TEST(SlotProbabilitiesTest, SumToOneAndGiveEverybodyAChance) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::vector<float> scores(random.Below(20));
    for (float& score : scores) score = static_cast<float>(random.Normal() * 10);
    const size_t without = scores.empty() ? 1 + random.Below(5) : random.Below(5);
    const double epsilon = 0.01 + 0.99 * random.Uniform();
    const auto probabilities = SlotProbabilities(scores, without, epsilon);
    const auto n = static_cast<double>(probabilities.size());
    EXPECT_NEAR(std::accumulate(probabilities.begin(), probabilities.end(), 0.0), 1.0, 1e-12);
    for (size_t k = 0; k < probabilities.size(); ++k) {
      EXPECT_GE(probabilities[k], (scores.empty() ? 1.0 : epsilon) / n * (1 - 1e-12));
      if (k >= scores.size()) {
        EXPECT_NEAR(probabilities[k], (scores.empty() ? 1.0 : epsilon) / n, 1e-15);
      } else if (k > 0 && scores[k] < scores[k - 1]) {
        EXPECT_LE(probabilities[k], probabilities[k - 1]);
      }
    }
  }
  // By hand: scaled scores 1 and 0, e^5 to 1 beside a fifth of even chances among three.
  const auto three = SlotProbabilities(std::vector<float>{7, 3}, 1, 0.2);
  EXPECT_NEAR(three[0], 0.2 / 3 + 0.8 * std::exp(5.0) / (std::exp(5.0) + 1), 1e-12);
  EXPECT_NEAR(three[2], 0.2 / 3, 1e-12);
}

TEST(SlotProbabilitiesTest, DrawsFallWhereTheyShould) {
  const std::vector<double> probabilities = {0.5, 0.25, 0.25};
  EXPECT_EQ(DrawCandidate(probabilities, 0.0), 0u);
  EXPECT_EQ(DrawCandidate(probabilities, 0.4999), 0u);
  EXPECT_EQ(DrawCandidate(probabilities, 0.5), 1u);
  EXPECT_EQ(DrawCandidate(probabilities, 0.75), 2u);
  EXPECT_EQ(DrawCandidate(probabilities, 0.9999999999999999), 2u);
}

TEST(ShortlistSizesTest, EverySlotHasACandidateAndNoneTooMany) {
  Random random(2);
  for (int i = 0; i < 5000; ++i) {
    const size_t slots = 1 + random.Below(5), candidates = 2 + random.Below(20), new_items = random.Below(candidates);
    const ShortlistSizes there{random.Below(60), random.Below(60)};
    const ShortlistSizes taken = SizeShortlists(slots, candidates, new_items, there);
    EXPECT_LE(taken.with_history, there.with_history);
    EXPECT_LE(taken.without_history, there.without_history);
    const size_t sum = taken.with_history + taken.without_history;
    EXPECT_EQ(sum, std::min(slots * candidates, there.with_history + there.without_history));
    EXPECT_GE(taken.without_history, std::min({there.without_history, slots * new_items}));
  }
}

// A shop of 60 items, the model knows the first 50.
class ExplorationTest : public ::testing::Test {
 protected:
  ExplorationTest() {
    Random random(11);
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= 60; ++id) {
      Item item;
      item.id = ItemId{id};
      item.external_id = ItemName(id);
      item.catalogued = true;
      item.available = id % 7 != 0;
      item.categories = {"c" + std::to_string(id % 3)};
      item.published_at = Timestamp{static_cast<int64_t>(id) * kDayMs};
      builder.Put(std::move(item));
    }
    auto model = std::make_shared<ContentModel>(*RandomContentModel(random, 60));
    model->item_ids.clear();
    for (uint64_t id = 1; id <= 50; ++id) model->item_ids.push_back(id);
    const auto d = static_cast<size_t>(model->als.options.factors);
    model->als.items = 50;
    model->als.item_factors.resize(50 * d, 0.1f);
    EXPECT_TRUE(CheckAndPrepare(model->als).ok());
    model->popularity.popular.clear();
    // Falling unevenly, so that one slot's probabilities are not another's; items 1 to 3 are the page's own.
    model->popularity.popular = {200, 199, 198, 100, 60, 59, 0, 58, 57, 20};
    for (uint64_t row = 10; row < 50; ++row) {
      model->popularity.popular.push_back(10.0f - 0.1f * static_cast<float>(row));
    }
    model->popularity.trending.assign(50, 0.0f);
    model->similar = model->bought_together = {};
    context_.catalog = builder.Build();
    context_.models = ModelSet::Make(4, model);
    context_.customer = std::make_shared<const CustomerView>();  // nobody: the page is what is popular
    options_.scenarios[0].exploration = {{2, 4, 6}, 0.3, 8, 2};
    request_.count = 6;
  }

  void Configure(RecommenderSeam seam = RecommenderSeam::kNone) {
    recommender_ = MakeRecommenderForTest(options_, kKey, seam).Take();
  }
  RecommendResponse Ask(int64_t n) {
    request_.now = Timestamp{kShopOpens.ms + n};  // another instant, another draw
    auto answer = recommender_->Recommend(context_, request_);
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer.Take() : RecommendResponse();
  }

  // How far the draws of one slot are from what was signed: chi-square over its items, and the sum of what was signed.
  struct Fit {
    double chi_square = 0, stated_sum = 0;
    size_t items = 0;
  };
  std::map<size_t, Fit> Compare(int draws) {
    std::map<size_t, std::map<uint64_t, std::pair<int, double>>> seen;  // slot -> item -> times, stated
    for (int n = 0; n < draws; ++n) {
      const RecommendResponse answer = Ask(n);
      for (size_t slot = 1; slot <= answer.items.size(); ++slot) {
        const RecommendedItem& item = answer.items[slot - 1];
        const auto impression = VerifyImpression(kKey, item.impression);
        EXPECT_TRUE(impression.ok());
        EXPECT_EQ(impression->propensity, item.propensity);
        EXPECT_EQ(item.explored, slot % 2 == 0);
        if (!item.explored) {
          EXPECT_EQ(item.propensity, 1.0f);
          continue;
        }
        auto& [times, stated] = seen[slot][item.item.value];
        EXPECT_TRUE(times++ == 0 || stated == item.propensity) << "the same item, another probability";
        stated = item.propensity;
      }
    }
    std::map<size_t, Fit> fits;
    for (const auto& [slot, items] : seen) {
      Fit& fit = fits[slot];
      fit.items = items.size();
      for (const auto& [item, found] : items) {
        const double expected = draws * found.second;
        fit.chi_square += (found.first - expected) * (found.first - expected) / expected;
        fit.stated_sum += found.second;
      }
    }
    return fits;
  }

  EngineOptions options_;
  RecommendContext context_;
  RecommendRequest request_;
  std::unique_ptr<Recommender> recommender_;
};

// Eight candidates a slot: 7 degrees of freedom, of which 1 in a million draws is beyond 40.
constexpr double kChiSquareMax = 40;

TEST_F(ExplorationTest, WhatIsDrawnIsDrawnAsOftenAsItIsSigned) {
  Configure();
  const auto fits = Compare(6000);
  ASSERT_EQ(fits.size(), 3u);
  for (const auto& [slot, fit] : fits) {
    std::printf("[          ]   slot %zu: %zu items, chi-square %.1f, stated probabilities sum to %.6f\n", slot,
                fit.items, fit.chi_square, fit.stated_sum);
    EXPECT_EQ(fit.items, 8u);
    EXPECT_NEAR(fit.stated_sum, 1.0, 1e-5);
    EXPECT_LT(fit.chi_square, kChiSquareMax);
  }
}

TEST_F(ExplorationTest, BrokenTwinThatSignsAnotherSlotsProbabilityIsCaught) {
  Configure(RecommenderSeam::kWrongPropensity);
  double worst = 0;
  for (const auto& [slot, fit] : Compare(6000)) worst = std::max(worst, fit.chi_square);
  EXPECT_GT(worst, 2 * kChiSquareMax);
}

TEST_F(ExplorationTest, TheRestOfThePageIsTheRanking) {
  Configure();
  const RecommendResponse explored = Ask(1);
  options_.scenarios[0].exploration = {};
  Configure();
  const RecommendResponse plain = Ask(1);
  ASSERT_EQ(explored.items.size(), 6u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(explored.items[2 * i].item, plain.items[i].item);
  EXPECT_EQ(explored.recommendation_id == plain.recommendation_id, false);
  for (const RecommendedItem& item : plain.items) EXPECT_FALSE(item.explored);
}

TEST_F(ExplorationTest, NewItemsHaveAChance) {
  Configure();
  std::map<uint64_t, int> times;
  for (int n = 0; n < 1500; ++n) {
    for (const RecommendedItem& item : Ask(n).items) {
      if (item.explored) ++times[item.item.value];
    }
  }
  int fresh = 0;
  for (const auto& [item, count] : times) {
    EXPECT_NE(item % 7, 0u) << "drawn, and not available";
    fresh += item > 50;
  }
  EXPECT_EQ(fresh, 6);  // two of eight candidates in each of three slots
  EXPECT_TRUE(times.count(60)) << "the latest of all";
}

TEST_F(ExplorationTest, PinsStandAndNothingComesTwice) {
  request_.pins = {{ItemName(30), 4}, {ItemName(59), 5}};
  options_.scenarios[0].diversity = 0.5;
  Configure();
  for (int n = 0; n < 300; ++n) {
    const RecommendResponse answer = Ask(n);
    ASSERT_EQ(answer.items.size(), 6u);
    EXPECT_EQ(answer.items[3].item.value, 30u);
    EXPECT_EQ(answer.items[4].item.value, 59u);
    EXPECT_FALSE(answer.items[3].explored);
    EXPECT_TRUE(answer.items[1].explored && answer.items[5].explored);
    std::set<uint64_t> ids;
    for (const RecommendedItem& item : answer.items) EXPECT_TRUE(ids.insert(item.item.value).second);
  }
}

TEST_F(ExplorationTest, AShortShelfIsShownWhole) {
  request_.filter = "itemId IN ('item-1', 'item-2', 'item-3', 'item-55')";
  Configure();
  for (int n = 0; n < 50; ++n) {
    const RecommendResponse answer = Ask(n);
    ASSERT_EQ(answer.items.size(), 4u);
    for (const RecommendedItem& item : answer.items) EXPECT_EQ(item.propensity, 1.0f);
  }
}

TEST_F(ExplorationTest, ADrawIsRepeatedFromTheRecommendationId) {
  Configure();
  std::set<uint64_t> second;
  for (int n = 0; n < 20; ++n) {
    const RecommendResponse answer = Ask(n), again = Ask(n);
    EXPECT_EQ(answer.recommendation_id, again.recommendation_id);
    const auto cursor = VerifyCursor(kKey, answer.recommendation_id);
    second.insert(DrawSeed(kKey, *cursor, 2));
    EXPECT_NE(DrawSeed(kKey, *cursor, 2), DrawSeed(kKey, *cursor, 4));
    EXPECT_NE(DrawSeed(kKey, *cursor, 2), DrawSeed(SecretKey{9}, *cursor, 2));
  }
  EXPECT_EQ(second.size(), 20u);
}

TEST_F(ExplorationTest, WrongConfigurationsAreRefused) {
  const auto error = [&](Exploration exploration) {
    options_.scenarios[0].exploration = std::move(exploration);
    const auto made = Recommender::Make(options_, kKey);
    EXPECT_FALSE(made.ok());
    EXPECT_NE(made.status().message().find("scenario 'home': exploration."), std::string::npos);
  };
  error({{0}, 0.2, 8, 2});
  error({{1001}, 0.2, 8, 2});
  error({std::vector<size_t>(17, 1), 0.2, 8, 2});
  error({{1}, 0, 8, 2});
  error({{1}, 1.1, 8, 2});
  error({{1}, std::nan(""), 8, 2});
  error({{1}, 0.2, 1, 0});
  error({{1}, 0.2, 65, 0});
  error({{1}, 0.2, 8, 8});
}

}  // namespace
}  // namespace rapport

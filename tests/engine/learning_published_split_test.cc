// Published splits: parsing tells the line, trained items are never ranked, scores equal plain dot products.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/learning/published_blend.h"
#include "engine/learning/published_split.h"

namespace rapport {
namespace {

TEST(PublishedSplitTest, ParsesAndNamesTheBadLine) {
  const Result<PublishedSplit> split = ParsePublishedSplit("0 1 2\r\n1 0\n2\n", "0 3 3\n1 2\n");
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->train.rows, 2u) << "a customer without items adds nothing";
  EXPECT_EQ(split->train.columns_count, 4u);
  EXPECT_EQ(split->test[0], std::vector<uint32_t>{3});
  const Result<PublishedSplit> bad = ParsePublishedSplit("0 1\n1 x2\n", "0 1\n");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.status().message().find("train line 2"), std::string::npos) << bad.status().message();
  EXPECT_FALSE(ParsePublishedSplit("", "0 1\n").ok());
}

TEST(PublishedSplitTest, CustomersWithManyItemsWeighLessEach) {
  const PublishedSplit split = ParsePublishedSplit("0 0 1 2 3\n1 0 1\n2 2\n3 3\n", "0 1\n").Take();
  const auto weights = [&](double power, uint32_t customer) {
    const Interactions weighed = WeighCustomers(split.train, power);
    EXPECT_EQ(weighed.columns, split.train.columns);
    const auto row = weighed.RowWeights(customer);
    return std::vector<float>(row.begin(), row.end());
  };
  EXPECT_EQ(weights(0, 0), std::vector<float>(4, 1));  // of 2 items on average
  EXPECT_EQ(weights(1, 0), std::vector<float>(4, 0.5F));
  EXPECT_EQ(weights(1, 1), std::vector<float>(2, 1));
  EXPECT_EQ(weights(1, 2), std::vector<float>(1, 2));
  EXPECT_NEAR(weights(0.5, 0)[0], std::sqrt(0.5), 1e-6);
}

// Four groups of customers with ten items each; test items are of the own group.
PublishedSplit Planted() {
  std::string train, test;
  for (int u = 0; u < 80; ++u) {
    train += std::to_string(u);
    test += std::to_string(u);
    for (int i = 0; i < 10; ++i) {
      const bool in_test = (u * 7 + i * 3) % 10 < 3;
      (in_test ? test : train) += " " + std::to_string((u % 4) * 10 + i);
    }
    train += "\n";
    test += "\n";
  }
  return ParsePublishedSplit(train, test).Take();
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

TEST(PublishedSplitTest, ModelsFindPlantedGroupsAndPopularityDoesNot) {
  const PublishedSplit split = Planted();
  AlsOptions options;
  options.factors = 8;
  options.unobserved_weight = 0.1;
  options.regularization = 0.01;
  auto als = std::make_shared<const AlsModel>(FitAls(split.train, options).Take().model);
  EaseOptions ease_options;
  ease_options.regularization = 10;
  auto ease = std::make_shared<const EaseByCustomer>(EaseByCustomer::Fit(split.train, ease_options).Take());
  const BlockScorer factors = FactorBlocks("iALS", split.train, als, 1),
                    shallow = EaseBlocks("EASE", ease, split.train.columns_count);
  EXPECT_GT(Mean(MeasureSplit(split, factors, 1).ndcg20), 0.99);
  EXPECT_GT(Mean(MeasureSplit(split, shallow, 2).ndcg20), 0.99);
  EXPECT_GT(Mean(MeasureSplit(split, MixBlocks("mix", split, factors, shallow, 0.5), 2).ndcg20), 0.99);
  EXPECT_LT(Mean(MeasureSplit(split, PopularityBlocks(split), 1).ndcg20), 0.9);

  // Scores equal plain dot products of folded-in customers, whatever block they are scored in.
  std::vector<float> block(3 * split.train.columns_count), user(8);
  factors.score(20, 3, block);
  FoldInScratch scratch;
  FoldIn(*als, split.train.RowColumns(21), split.train.RowWeights(21), scratch, user);
  for (uint32_t item = 0; item < split.train.columns_count; ++item) {
    double dot = 0;
    for (size_t k = 0; k < 8; ++k) dot += double{user[k]} * als->item_factors[item * 8 + k];
    EXPECT_NEAR(block[split.train.columns_count + item], dot, 1e-5);
  }
}

TEST(PublishedSplitTest, ARankerThatKnowsTheTestItemsIsPerfectAndOneThatShowsTrainedItemsGainsNothing) {
  const PublishedSplit split = Planted();
  const BlockScorer oracle{"oracle", [&](uint32_t first, uint32_t count, std::span<float> scores) {
                             std::fill(scores.begin(), scores.end(), 0.0f);
                             for (uint32_t c = 0; c < count; ++c) {
                               const size_t row = size_t{c} * split.train.columns_count;
                               for (const uint32_t item : split.test[first + c]) scores[row + item] = 1;
                               // A leak: trained items scored above all must still never be ranked.
                               for (const uint32_t item : split.train.RowColumns(first + c)) scores[row + item] = 9;
                             }
                           }};
  const SplitMeasured measured = MeasureSplit(split, oracle, 2);
  EXPECT_DOUBLE_EQ(Mean(measured.recall20), 1);
  EXPECT_DOUBLE_EQ(Mean(measured.ndcg20), 1);
}

TEST(PublishedSplitTest, TheValidationSplitTakesFromTrainingOnly) {
  const PublishedSplit split = Planted(), validation = SplitForValidation(split, 0.2, 1);
  size_t moved = 0;
  for (uint32_t u = 0; u < split.train.rows; ++u) {
    const auto before = split.train.RowColumns(u), after = validation.train.RowColumns(u);
    EXPECT_EQ(before.size(), after.size() + validation.test[u].size());
    for (const uint32_t item : validation.test[u]) {
      EXPECT_TRUE(std::binary_search(before.begin(), before.end(), item));
      EXPECT_FALSE(std::binary_search(after.begin(), after.end(), item));
    }
    moved += validation.test[u].size();
  }
  EXPECT_GT(moved, 0u);
}

// A scorer that knows half of each group's items, and noise of its own.
BlockScorer HalfRight(const PublishedSplit& split, uint32_t parity) {
  return {"half", [&split, parity](uint32_t first, uint32_t count, std::span<float> scores) {
            const size_t items = split.train.columns_count;
            for (uint32_t c = 0; c < count; ++c) {
              const size_t u = first + c;
              for (size_t i = 0; i < items; ++i) {
                const bool known = i % 2 == parity && i / 10 == u % 4;
                const size_t noise = (u * 31 + i * (parity == 0 ? 17 : 29) + u * i) % 13;
                scores[c * items + i] = (known ? 9.0f : 0.0f) + static_cast<float>(noise);
              }
            }
          }};
}

TEST(PublishedSplitTest, TheBlendIsAboveEachOfItsScorersAndFollowsItsWeights) {
  const PublishedSplit split = Planted(), validation = SplitForValidation(split, 0.3, 3);
  const std::vector<BlockScorer> scorers{HalfRight(split, 0), HalfRight(split, 1)};
  const auto theta = FitPublishedBlend(validation, scorers, {.depth = 40, .customers_max = 64});
  ASSERT_TRUE(theta.ok()) << theta.status().message();
  ASSERT_EQ(theta->size(), 4u);
  const double blend = Mean(MeasureSplit(split, BlendBlocks("blend", split, scorers, *theta, 40), 2).ndcg20);
  for (const BlockScorer& scorer : scorers) EXPECT_GT(blend, Mean(MeasureSplit(split, scorer, 1).ndcg20) + 0.02);
  // With the weights turned round the same scorers rank worse: the measure can fail.
  std::vector<double> turned = *theta;
  for (double& weight : turned) weight = -weight;
  EXPECT_LT(Mean(MeasureSplit(split, BlendBlocks("turned", split, scorers, turned, 40), 1).ndcg20), blend - 0.1);
  // What was trained on is never a candidate.
  std::vector<float> scores(split.train.columns_count);
  BlendBlocks("blend", split, scorers, *theta, 40).score(5, 1, scores);
  for (const uint32_t item : split.train.RowColumns(5)) EXPECT_EQ(scores[item], std::numeric_limits<float>::lowest());
}

}  // namespace
}  // namespace rapport

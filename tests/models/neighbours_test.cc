#include "models/neighbours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "planted_data.h"

namespace rapport {
namespace {

Interactions Groups(uint32_t items, const std::vector<std::vector<uint32_t>>& groups) {
  std::vector<Triplet> triplets;
  for (uint32_t g = 0; g < groups.size(); ++g) {
    for (uint32_t item : groups[g]) triplets.push_back({g, item, 1.0f});
  }
  return Interactions::FromTriplets(static_cast<uint32_t>(groups.size()), items, triplets).Take();
}

// All pairs, from a dense incidence table.
std::vector<std::vector<Neighbour>> BruteForce(const Interactions& groups, const NeighbourOptions& options) {
  const size_t items = groups.columns_count;
  std::vector<std::vector<int>> inside(groups.rows, std::vector<int>(items));
  for (uint32_t g = 0; g < groups.rows; ++g) {
    for (size_t k = 0; k < std::min<size_t>(groups.RowColumns(g).size(), options.group_items_max); ++k) {
      inside[g][groups.RowColumns(g)[k]] = 1;
    }
  }
  const auto together = [&](size_t i, size_t j) {
    int count = 0;
    for (const auto& group : inside) count += group[i] & group[j];
    return count;
  };
  std::vector<std::vector<Neighbour>> lists(items);
  for (size_t i = 0; i < items; ++i) {
    for (size_t j = 0; j < items; ++j) {
      const int count = together(i, j);
      if (i == j || count < static_cast<int>(options.support_min) || count == 0) continue;
      const double both = double(together(i, i)) * together(j, j);
      lists[i].push_back({static_cast<uint32_t>(j), static_cast<float>(count / std::pow(both, options.normalization))});
    }
    std::sort(lists[i].begin(), lists[i].end(), [](const Neighbour& a, const Neighbour& b) {
      return a.score != b.score ? a.score > b.score : a.item < b.item;
    });
    lists[i].resize(std::min(lists[i].size(), static_cast<size_t>(options.neighbours)));
  }
  return lists;
}

TEST(NeighboursTest, ByHand) {
  const Interactions groups = Groups(4, {{0, 1}, {0, 1, 2}, {0, 2}, {0, 2}, {3}});
  const auto lists = FitNeighbours(groups, {.neighbours = 5, .normalization = 0.5, .support_min = 2});
  ASSERT_TRUE(lists.ok());
  ASSERT_EQ(lists->Of(0).size(), 2u);
  EXPECT_EQ(lists->Of(0)[0].item, 2u);
  EXPECT_FLOAT_EQ(lists->Of(0)[0].score, static_cast<float>(3 / std::sqrt(4.0 * 3.0)));
  EXPECT_EQ(lists->Of(0)[1].item, 1u);
  EXPECT_FLOAT_EQ(lists->Of(0)[1].score, static_cast<float>(2 / std::sqrt(4.0 * 2.0)));
  EXPECT_EQ(lists->Of(1).size(), 1u);  // once with 2 is below the support
  EXPECT_TRUE(lists->Of(3).empty());
}

TEST(NeighboursTest, EqualsAllPairs) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Interactions groups =
        PlantedInteractions({.customers = 120, .items = 60, .clusters = 4, .mean_items = 9, .seed = seed});
    for (double power : {0.0, 0.5, 1.0}) {
      NeighbourOptions options{.neighbours = 7,
                               .normalization = power,
                               .support_min = static_cast<uint32_t>(seed % 3 + 1),
                               .group_items_max = seed % 2 == 0 ? 500u : 8u};
      for (int threads : {1, 3}) {
        options.threads = threads;
        const auto lists = FitNeighbours(groups, options);
        ASSERT_TRUE(lists.ok());
        const auto expected = BruteForce(groups, options);
        for (uint32_t i = 0; i < 60; ++i) {
          ASSERT_EQ(lists->Of(i).size(), expected[i].size());
          for (size_t k = 0; k < expected[i].size(); ++k) {
            EXPECT_EQ(lists->Of(i)[k].item, expected[i][k].item);
            EXPECT_EQ(lists->Of(i)[k].score, expected[i][k].score);
          }
        }
      }
    }
  }
}

TEST(NeighboursTest, ScoresAreWeightedSums) {
  const Interactions groups = PlantedInteractions({.customers = 80, .items = 30});
  const auto lists = FitNeighbours(groups, {.support_min = 1});
  ASSERT_TRUE(lists.ok());
  std::vector<float> scores(30);
  const std::vector<uint32_t> history{3, 8};
  const std::vector<float> weights{2.0f, 0.5f};
  AddNeighbourScores(*lists, history, weights, scores);
  for (uint32_t j = 0; j < 30; ++j) {
    float expected = 0;
    for (const Neighbour& n : lists->Of(3)) expected += n.item == j ? 2.0f * n.score : 0.0f;
    for (const Neighbour& n : lists->Of(8)) expected += n.item == j ? 0.5f * n.score : 0.0f;
    EXPECT_EQ(scores[j], expected);
  }
}

TEST(NeighboursTest, RefusesBadOptionsAndTakesNothing) {
  const Interactions groups = Groups(3, {{0, 1}});
  EXPECT_FALSE(FitNeighbours(groups, {.neighbours = 0}).ok());
  EXPECT_FALSE(FitNeighbours(groups, {.normalization = std::numeric_limits<double>::quiet_NaN()}).ok());
  EXPECT_FALSE(FitNeighbours(groups, {.group_items_max = 1}).ok());
  EXPECT_FALSE(FitNeighbours(groups, {.threads = -1}).ok());
  const auto empty = FitNeighbours(Groups(3, {}), {});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->offsets, (std::vector<uint64_t>{0, 0, 0, 0}));
}

}  // namespace
}  // namespace rapport

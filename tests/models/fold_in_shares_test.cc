// Shares of a fold-in: the additive ones add up to the score, the others are what really goes with an item.
#include "models/fold_in_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"

namespace rapport {
namespace {

AlsModel RandomModel(Random& random, uint32_t items, int factors, double power) {
  AlsModel model;
  model.options.factors = factors;
  model.options.unobserved_weight = 0.3;
  model.options.regularization = 0.01;
  model.options.regularization_power = power;
  model.items = items;
  model.customers = 50;
  for (size_t i = 0; i < size_t{items} * static_cast<size_t>(factors); ++i) {
    model.item_factors.push_back(static_cast<float>(random.Normal() * 0.3));
  }
  EXPECT_TRUE(CheckAndPrepare(model).ok());
  return model;
}

double ScoreOf(const AlsModel& model, std::span<const uint32_t> rows, std::span<const float> weights, uint32_t target) {
  FoldInScratch scratch;
  std::vector<float> x(static_cast<size_t>(model.options.factors));
  FoldIn(model, rows, weights, scratch, x);
  const float* y = model.item_factors.data() + size_t{target} * x.size();
  double sum = 0;
  for (size_t k = 0; k < x.size(); ++k) sum += double{x[k]} * y[k];
  return sum;
}

struct History {
  std::vector<uint32_t> rows;
  std::vector<float> weights;
};
History RandomHistory(Random& random, uint32_t items, size_t count) {
  History history;
  for (uint32_t row = 0; row < items; ++row) {
    if (random.Uniform() * items > static_cast<double>(count)) continue;
    history.rows.push_back(row);
    history.weights.push_back(static_cast<float>(0.1 + 5 * random.Uniform()));
  }
  if (history.rows.empty()) history = {{0}, {1.0f}};
  return history;
}

TEST(FoldInSharesTest, AddUpToTheScoreAndPredictWhatGoes) {
  Random random(11);
  double largest_gap_of_additive = 0;
  for (int round = 0; round < 40; ++round) {
    const int factors = 1 + static_cast<int>(random.Below(40));
    const uint32_t items = 60;
    const AlsModel model = RandomModel(random, items, factors, 0);  // the shift does not follow the history's length
    const History history = RandomHistory(random, items, 1 + random.Below(30));
    const std::vector<uint32_t> targets = {0, 17, 59};
    const FoldInShares shares = ShareFoldIn(model, history.rows, history.weights, targets);
    const size_t n = history.rows.size();
    for (size_t t = 0; t < targets.size(); ++t) {
      const double full = ScoreOf(model, history.rows, history.weights, targets[t]);
      const auto first = shares.additive.begin() + static_cast<ptrdiff_t>(t * n);
      EXPECT_NEAR(std::accumulate(first, first + static_cast<ptrdiff_t>(n), 0.0), full, 2e-4);
      for (size_t i = 0; i < n; ++i) {
        History left = history;
        left.rows.erase(left.rows.begin() + static_cast<ptrdiff_t>(i));
        left.weights.erase(left.weights.begin() + static_cast<ptrdiff_t>(i));
        const double lost = full - ScoreOf(model, left.rows, left.weights, targets[t]);
        EXPECT_NEAR(shares.removal[t * n + i], lost, 2e-4) << "round " << round << " item " << i;
        largest_gap_of_additive = std::max(largest_gap_of_additive, std::abs(shares.additive[t * n + i] - lost));
      }
    }
  }
  EXPECT_GT(largest_gap_of_additive, 0.05) << "broken twin: the additive share is not what goes";
}

TEST(FoldInSharesTest, TheShiftThatFollowsTheLengthHardlyMatters) {
  Random random(12);
  const AlsModel model = RandomModel(random, 200, 16, 1);
  const History history = RandomHistory(random, 200, 20);
  const uint32_t target = 5;
  const FoldInShares shares = ShareFoldIn(model, history.rows, history.weights, std::span(&target, 1));
  const double full = ScoreOf(model, history.rows, history.weights, target);
  for (size_t i = 0; i < history.rows.size(); ++i) {
    History left = history;
    left.rows.erase(left.rows.begin() + static_cast<ptrdiff_t>(i));
    left.weights.erase(left.weights.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_NEAR(shares.removal[i], full - ScoreOf(model, left.rows, left.weights, target), 5e-3);
  }
}

TEST(FoldInSharesTest, NoHistoryAndNumbersThatOverflowGiveZeros) {
  Random random(13);
  AlsModel model = RandomModel(random, 10, 4, 1);
  const std::vector<uint32_t> targets = {1, 2};
  EXPECT_TRUE(ShareFoldIn(model, {}, {}, targets).additive.empty());
  model.gram.assign(16, std::numeric_limits<double>::infinity());
  const uint32_t row = 3;
  const float weight = 1;
  for (const double share : ShareFoldIn(model, std::span(&row, 1), std::span(&weight, 1), targets).removal) {
    EXPECT_TRUE(std::isfinite(share));
  }
}

}  // namespace
}  // namespace rapport

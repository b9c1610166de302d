// The blend's reasons against the plain way: take an item out of the history, score again, subtract.
#include "models/stack_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/random.h"
#include "stack_reference.h"

namespace rapport {
namespace {

constexpr uint32_t kRows = 60;  // fewer than kStackDepth: every row with a score is a candidate
const Timestamp kNow{1000 * kDayMs};

NeighbourLists RandomLists(Random& random) {
  NeighbourLists lists;
  lists.items = kRows;
  for (uint32_t row = 0; row < kRows; ++row) {
    std::set<uint32_t> chosen;
    for (uint64_t n = random.Below(12); n > 0; --n) chosen.insert(static_cast<uint32_t>(random.Below(kRows)));
    chosen.erase(row);
    float score = 1;
    for (const uint32_t neighbour : chosen) lists.neighbours.push_back({neighbour, score *= 0.8f});
    lists.offsets.push_back(lists.neighbours.size());
  }
  return lists;
}

ContentModel RandomModel(Random& random) {
  ContentModel model;
  for (uint32_t row = 0; row < kRows; ++row) model.item_ids.push_back(row + 1);
  model.als.options.factors = 8;
  model.als.options.regularization = 0.05;
  model.als.options.regularization_power = 0;  // the factors' closed form holds the shrinkage still
  model.als.items = kRows;
  for (size_t i = 0; i < kRows * 8; ++i) model.als.item_factors.push_back(static_cast<float>(random.Normal() * 0.5));
  EXPECT_TRUE(CheckAndPrepare(model.als).ok());
  model.similar = RandomLists(random);
  model.bought_together = RandomLists(random);
  model.stack.shallow = RandomLists(random);
  for (uint32_t row = 0; row < kRows; ++row) {
    model.popularity.popular.push_back(static_cast<float>(random.Below(5)));
    model.popularity.trending.push_back(0);
    model.stack.recent14.push_back(static_cast<float>(random.Below(4)));
    model.stack.recent7.push_back(static_cast<float>(random.Below(3)));
  }
  for (size_t k = 0; k < kStackFeatures; ++k) model.stack.repeats_theta.push_back(random.Normal());
  return model;
}

std::vector<SignalLine> RandomLines(Random& random) {
  std::vector<SignalLine> lines;
  for (uint64_t n = 5 + random.Below(20); n > 0; --n) {
    const bool order = random.Uniform() < 0.6;
    lines.push_back({static_cast<uint32_t>(random.Below(kRows)), order ? 5.0f : 1.0f,
                     static_cast<int8_t>(order ? 1 : 0),
                     Timestamp{kNow.ms - static_cast<int64_t>(random.Below(300)) * kDayMs}});
  }
  return lines;
}

// theta . f by hand, from the scores that the sources left behind.
double ScoreOf(const ContentModel& model, const std::vector<SignalLine>& lines, std::span<const uint64_t> allowed,
               uint32_t target) {
  const std::vector<float> scores = reference::CollectCandidates(model, {lines, {}, kNow, allowed, nullptr, {}}).scores;
  const std::vector<double>& theta = model.stack.repeats_theta;
  double sum = 0;
  for (size_t s = 0; s < kStackSources; ++s) {
    double highest = 0;
    for (uint32_t row = 0; row < kRows; ++row) {
      if ((allowed[0] >> row & 1) != 0) highest = std::max(highest, double{scores[s * kRows + row]});
    }
    const double share = highest > 0 ? std::max(0.0, scores[s * kRows + target] / highest) : 0;
    sum += theta[2 * s] * share + theta[2 * s + 1] * std::sqrt(share);
  }
  for (const SignalLine& line : lines) {
    if (line.row == target) return sum + theta[MarkAt(StackMark::kHad)];
  }
  return sum;
}

TEST(StackSharesTest, EqualWhatTheScoreLosesWithoutAnItem) {
  Random random(21);
  size_t compared = 0, right = 0, permuted_right = 0;
  for (int round = 0; round < 40; ++round) {
    const ContentModel model = RandomModel(random);
    const std::vector<SignalLine> lines = RandomLines(random);
    const std::vector<uint64_t> allowed{random.Below(UINT64_MAX)};
    std::vector<uint32_t> targets;
    for (uint32_t row = 0; row < kRows; ++row) {
      if (targets.size() < 4 && (allowed[0] >> row & 1) != 0) targets.push_back(row);
    }
    StackScratch scratch;
    const StackShares shares =
        ShareStack(model, model.stack.repeats_theta, {lines, {}, kNow, allowed, nullptr, {}}, targets, scratch);
    EXPECT_FALSE(shares.history.empty());
    for (size_t t = 0; t < targets.size(); ++t) {
      const double full = ScoreOf(model, lines, allowed, targets[t]);
      for (size_t i = 0; i < shares.history.size(); ++i) {
        std::vector<SignalLine> left = lines;
        std::erase_if(left, [&](const SignalLine& line) { return line.row == shares.history[i]; });
        const double lost = full - ScoreOf(model, left, allowed, targets[t]);
        ++compared;
        right += std::abs(shares.DropsOf(t)[i] - lost) < 1e-5;
        EXPECT_NEAR(shares.DropsOf(t)[i], lost, 0.5) << "round " << round;
        const size_t other = (i + 1) % shares.history.size();
        permuted_right += std::abs(shares.DropsOf(t)[other] - lost) < 1e-5;
      }
    }
  }
  // The rest: a source whose best row was none of its first four before.
  EXPECT_GT(right, compared * 99 / 100) << right << " of " << compared;
  EXPECT_LT(permuted_right, compared / 4) << "broken twin: shares of the wrong items pass as well";
}

TEST(StackSharesTest, BoardsHaveTheirPartAndHearNoHistory) {
  Random random(22);
  const ContentModel model = RandomModel(random);
  const std::vector<SignalLine> lines = RandomLines(random);
  StackScratch scratch;
  const uint32_t target = 7;
  std::vector<double> theta(kStackFeatures, 0.0);
  theta[2 * static_cast<size_t>(StackSource::kPopular)] = 2;
  const StackShares shares =
      ShareStack(model, theta, {lines, {}, kNow, {}, nullptr, {}}, std::span(&target, 1), scratch);
  for (const double drop : shares.drops) EXPECT_EQ(drop, 0);
  EXPECT_TRUE(scratch.also.empty()) << "the next question would get these as candidates";
  const float most = *std::max_element(model.popularity.popular.begin(), model.popularity.popular.end());
  EXPECT_NEAR(shares.boards[static_cast<size_t>(StackSource::kPopular)], 2 * model.popularity.popular[target] / most,
              1e-6);
  EXPECT_EQ(shares.boards[static_cast<size_t>(StackSource::kFactors)], 0);
}

TEST(StackSharesTest, OfAVeryLongHistoryTheHeaviestAndTheTargetAreAskedFor) {
  EXPECT_EQ(kRemovalsMax, 256u);
  Random random(24);
  ContentModel model = RandomModel(random);
  model.item_ids.resize(300);  // rows without a score
  for (uint32_t row = kRows; row < 300; ++row) model.item_ids[row] = row + 1;
  model.als.items = 300;
  model.als.item_factors.resize(300 * 8, 0.0f);
  ASSERT_TRUE(CheckAndPrepare(model.als).ok());
  std::vector<SignalLine> lines;
  for (uint32_t row = 0; row < 300; ++row) lines.push_back({row, row == 0 ? 0.001f : 1.0f + row, 0, kNow});
  StackScratch scratch;
  const uint32_t target = 0;  // weighs least
  const StackShares shares =
      ShareStack(model, model.stack.repeats_theta, {lines, {}, kNow, {}, nullptr, {}}, std::span(&target, 1), scratch);
  ASSERT_EQ(shares.history.size(), 256u);
  EXPECT_EQ(shares.history.front(), 0u);
  EXPECT_EQ(shares.history[1], 45u);
}

TEST(StackSharesTest, AnEmptyHistoryHasNoShares) {
  Random random(23);
  const ContentModel model = RandomModel(random);
  StackScratch scratch;
  const uint32_t target = 1;
  const StackShares shares =
      ShareStack(model, model.stack.repeats_theta, {{}, {}, kNow, {}, nullptr, {}}, std::span(&target, 1), scratch);
  EXPECT_TRUE(shares.history.empty());
  EXPECT_TRUE(shares.drops.empty());
}

}  // namespace
}  // namespace rapport

#include "models/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace rapport {
namespace {

// Sort everything, keep the first k: what TopK must equal.
std::vector<Scored> BruteForce(const std::vector<float>& scores, size_t k, const std::vector<uint64_t>& allowed) {
  std::vector<Scored> all;
  for (uint32_t i = 0; i < scores.size(); ++i) {
    const bool is_allowed = allowed.empty() || ((allowed[i / 64] >> (i % 64)) & 1) != 0;
    if (is_allowed && std::isfinite(scores[i])) all.push_back({i, scores[i]});
  }
  std::sort(all.begin(), all.end(), Better);
  all.resize(std::min(k, all.size()));
  return all;
}

// Many ties, some numbers that are none.
std::vector<float> MixedScores(size_t count, Random& random) {
  std::vector<float> scores(count);
  for (float& score : scores) {
    const uint64_t kind = random.Below(40);
    score = static_cast<float>(random.Below(30)) - 15.0f;
    if (kind > 20) score = static_cast<float>(random.Normal());
    if (kind == 0) score = std::numeric_limits<float>::quiet_NaN();
    if (kind == 1) score = std::numeric_limits<float>::infinity();
    if (kind == 2) score = -std::numeric_limits<float>::infinity();
    if (kind == 3) score = std::numeric_limits<float>::lowest();
  }
  return scores;
}

TEST(TopKTest, EqualsSortingEverything) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    const std::vector<float> scores = MixedScores(random.Below(700), random);
    std::vector<uint64_t> allowed;
    if (round % 2 == 1) {
      allowed.resize((scores.size() + 63) / 64 + round % 3);
      for (uint64_t& word : allowed)
        word = round % 4 == 1 ? random.NextU64() : random.NextU64() & random.NextU64() & random.NextU64();
    }
    for (size_t k : {size_t{0}, size_t{1}, size_t{2}, size_t{10}, size_t{63}, scores.size(), scores.size() + 5}) {
      EXPECT_EQ(TopK(scores, k, allowed), BruteForce(scores, k, allowed)) << "round " << round << " k " << k;
    }
  }
}

TEST(TopKTest, AscendingScoresAreTheWorstCaseAndStillRight) {
  std::vector<float> scores(10000);
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i / 2);
  EXPECT_EQ(TopK(scores, 7), BruteForce(scores, 7, {}));
}

TEST(TopKTest, AShortBitmapAllowsNothingBeyondItself) {
  const std::vector<float> scores(200, 1.0f);
  const std::vector<uint64_t> allowed{~uint64_t{0}};
  const std::vector<Scored> best = TopK(scores, 500, allowed);
  ASSERT_EQ(best.size(), 64u);
  EXPECT_EQ(best.back().index, 63u);
}

TEST(ScoreAllTest, IsTheProduct) {
  Random random(2);
  for (size_t factors : {1, 8, 33, 64}) {
    std::vector<float> items(101 * factors), user(factors), scores(101);
    for (float& value : items) value = static_cast<float>(random.Normal());
    for (float& value : user) value = static_cast<float>(random.Normal());
    ScoreAll(items, user, scores);
    for (size_t i = 0; i < scores.size(); ++i) {
      double expected = 0;
      for (size_t k = 0; k < factors; ++k) expected += double{items[i * factors + k]} * user[k];
      EXPECT_NEAR(scores[i], expected, 1e-5 * static_cast<double>(factors));
    }
  }
}

TEST(TopKTest, PositiveScoresAreThoseOfTopKAboveZero) {
  Random random(9);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores(random.Below(500));
    for (float& score : scores) {
      score = random.Below(10) < 7 ? 0.0f : static_cast<float>(static_cast<int>(random.Below(9)) - 3);
    }
    std::vector<uint64_t> allowed((scores.size() + 63) / 64);
    for (uint64_t& word : allowed) word = random.NextU64();
    std::vector<Scored> expected = TopK(scores, scores.size(), allowed);
    std::erase_if(expected, [](const Scored& one) { return one.score <= 0; });
    const size_t k = random.Below(40);
    if (expected.size() > k) expected.resize(k);
    EXPECT_EQ(TopKPositive(scores, k, allowed), expected);
  }
}

std::vector<Scored> Sorted(std::span<const Scored> set) {
  std::vector<Scored> sorted(set.begin(), set.end());
  std::sort(sorted.begin(), sorted.end(), Better);
  return sorted;
}

TEST(TopKTest, TheBestSetIsThatOfTopKPositiveAndItsFirstStandInOrder) {
  Random random(10);
  BestSetScratch scratch;
  for (int round = 0; round < 400; ++round) {
    std::vector<float> scores(random.Below(round % 2 == 0 ? 400 : 9000));
    const bool ties = random.Below(2) == 0;
    for (float& score : scores) {
      if (random.Below(10) < 4) continue;
      score = ties ? static_cast<float>(static_cast<int>(random.Below(9)) - 3) : static_cast<float>(random.Normal());
    }
    if (!scores.empty() && round % 7 == 0) scores[random.Below(scores.size())] = std::numeric_limits<float>::infinity();
    if (!scores.empty() && round % 7 == 1) {
      scores[random.Below(scores.size())] = std::numeric_limits<float>::quiet_NaN();
    }
    std::vector<uint64_t> allowed((scores.size() + 63) / 64);
    for (uint64_t& word : allowed) word = round % 3 == 0 ? random.NextU64() : random.Below(3) == 0 ? 0 : ~uint64_t{0};
    if (round % 5 == 0) allowed.clear();
    if (allowed.size() > 2 && round % 5 == 1) allowed.pop_back();
    const size_t k = random.Below(150), leading = random.Below(6);
    const std::vector<Scored> expected = TopKPositive(scores, k, allowed);
    const std::span<const Scored> set = BestSetPositive(scores, k, leading, allowed, scratch);
    EXPECT_EQ(Sorted(set), expected) << round;
    const size_t first = std::min(leading, expected.size());
    EXPECT_TRUE(std::equal(set.begin(), set.begin() + static_cast<ptrdiff_t>(first), expected.begin())) << round;
  }
}

}  // namespace
}  // namespace rapport

// Token buckets by the clock that is given, in a table that does not grow.
#include "server/rate_limiter.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rapport {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

// The slow reference: tokens as a number that grows with time.
class ReferenceBucket {
 public:
  ReferenceBucket(double per_second, double burst) : per_second_(per_second), burst_(burst), tokens_(burst) {}
  bool Take(int64_t now_us) {
    tokens_ = std::min(burst_, tokens_ + per_second_ * static_cast<double>(now_us - last_us_) / 1e6);
    last_us_ = now_us;
    if (tokens_ < 1 - 1e-6) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  const double per_second_, burst_;
  double tokens_;
  int64_t last_us_ = 0;
};

TEST(RateLimiterTest, GivesTheBurstThenTheRate) {
  RateLimiter limiter({10, 5}, SecretKey{1});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limiter.Take("a", kSecondUs), 0) << i;
  EXPECT_EQ(limiter.Take("a", kSecondUs), 100);
  EXPECT_EQ(limiter.Take("a", kSecondUs + 99'000), 1);
  EXPECT_EQ(limiter.Take("a", kSecondUs + 100'000), 0);
  EXPECT_EQ(limiter.Take("b", kSecondUs), 0) << "somebody else";
  EXPECT_EQ(limiter.Take("a", 100 * kSecondUs), 0);
}

TEST(RateLimiterTest, AgreesWithAReferenceUnderManyTimes) {
  RateLimiter limiter({50, 20}, SecretKey{2});
  std::map<std::string, ReferenceBucket> reference;
  uint64_t state = 7;
  int64_t now_us = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    now_us += static_cast<int64_t>(state >> 33) % 8 * 500;
    const std::string who(1, static_cast<char>('a' + (state >> 40) % 5));
    const bool expected = reference.try_emplace(who, 50, 20).first->second.Take(now_us);
    ASSERT_EQ(limiter.Take(who, now_us) == 0, expected) << i;
    refused += !expected;
  }
  EXPECT_GT(refused, 100);
}

TEST(RateLimiterTest, StrangersDoNotGrowIt) {
  RateLimiter limiter({1, 3}, SecretKey{3}, 1024);
  const size_t bytes = limiter.bytes();
  for (int i = 0; i < 3; ++i) limiter.Take("hostile", kSecondUs);
  int passed = 0;
  for (int i = 0; i < 100000; ++i) {
    limiter.Take("stranger " + std::to_string(i), kSecondUs);
    passed += limiter.Take("hostile", kSecondUs) == 0;
  }
  EXPECT_EQ(limiter.bytes(), bytes);
  EXPECT_EQ(passed, 0) << "100,000 strangers pushed the emptiest bucket out";
}

TEST(RateLimiterTest, NoLimitIsNone) {
  RateLimiter limiter({}, SecretKey{});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(limiter.Take("a", 0), 0);
  EXPECT_EQ(limiter.bytes(), 0u);
}

}  // namespace
}  // namespace rapport

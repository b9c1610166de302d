// How many requests a second somebody may make: a bucket of `burst` tokens that fills at `per_second`, kept as the one
// time at which it will be full again (the generic cell rate algorithm):
//   full_at' = max(full_at, now) + 1 / per_second;   refused when full_at' - now > burst / per_second
//
// Memory is bounded: a table of sets of eight, found by a keyed hash so that nobody can choose whom he meets; in a full
// set the bucket nearest to full gives way, which forgives its owner the least.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/crypto.h"

namespace rapport {

struct RateLimit {
  double per_second = 0;  // 0: no limit
  double burst = 1;       // at once, after a pause; at least 1
};

// Thread-safe. Seed and time are arguments; the times must not go back by much.
class RateLimiter {
 public:
  explicit RateLimiter(const RateLimit& limit, const SecretKey& seed, size_t buckets_max = 16384);

  // Takes a token of `who`. 0: there was one; else the milliseconds until there is.
  int64_t Take(std::string_view who, int64_t now_us);
  size_t bytes() const { return sets_.size() * sizeof(Set); }

 private:
  static constexpr size_t kWays = 8, kLocks = 64;
  struct Bucket {
    uint64_t who = 0;  // 0: free
    int64_t full_at_us = 0;
  };
  using Set = std::array<Bucket, kWays>;

  const int64_t token_us_;  // 0: no limit
  const int64_t burst_us_;
  const SecretKey seed_;
  std::vector<Set> sets_;  // sets_[i] under locks_[i % kLocks]
  std::unique_ptr<std::array<std::mutex, kLocks>> locks_;
};

}  // namespace rapport

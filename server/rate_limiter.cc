#include "server/rate_limiter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace rapport {

namespace {

constexpr double kMicroseconds = 1e6;

int64_t TokenUs(const RateLimit& limit) {
  return limit.per_second > 0 ? std::max<int64_t>(1, std::llround(kMicroseconds / limit.per_second)) : 0;
}

}  // namespace

RateLimiter::RateLimiter(const RateLimit& limit, const SecretKey& seed, size_t buckets_max)
    : token_us_(TokenUs(limit)),
      burst_us_(std::llround(std::max(1.0, limit.burst) * static_cast<double>(token_us_))),
      seed_(seed),
      sets_(token_us_ == 0 ? 0 : std::max<size_t>(1, buckets_max / kWays)),
      locks_(std::make_unique<std::array<std::mutex, kLocks>>()) {}

int64_t RateLimiter::Take(std::string_view who, int64_t now_us) {
  if (token_us_ == 0) return 0;
  const Digest256 digest = HmacSha256(seed_, who);
  uint64_t place = 0, name = 0;
  std::memcpy(&place, digest.data(), sizeof(place));
  std::memcpy(&name, digest.data() + sizeof(place), sizeof(name));
  name |= 1;  // never the free one
  const size_t index = place % sets_.size();
  const std::lock_guard lock((*locks_)[index % kLocks]);
  Set& set = sets_[index];
  const auto own = std::find_if(set.begin(), set.end(), [&](const Bucket& bucket) { return bucket.who == name; });
  Bucket& bucket =
      own != set.end() ? *own : *std::min_element(set.begin(), set.end(), [](const auto& a, const auto& b) {
        return a.full_at_us < b.full_at_us;
      });
  if (own == set.end()) bucket = {name, now_us};
  const int64_t full_at_us = std::max(bucket.full_at_us, now_us) + token_us_;
  if (full_at_us - now_us > burst_us_) return (full_at_us - now_us - burst_us_ + 999) / 1000;
  bucket.full_at_us = full_at_us;
  return 0;
}

}  // namespace rapport

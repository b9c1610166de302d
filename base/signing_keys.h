// Keys that sign what leaves the server and comes back: the newest signs, and what an older one signed is taken as
// well, so that a rotation does not invalidate what was given out yesterday.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/crypto.h"

namespace rapport {

// Newest first, never empty. Immutable.
class SigningKeys {
 public:
  SigningKeys(const SecretKey& only) : keys_{only} {}  // NOLINT: implicit by design, most have one
  // REQUIRES !newest_first.empty()
  explicit SigningKeys(std::vector<SecretKey> newest_first) : keys_(std::move(newest_first)) {}
  const SecretKey& newest() const { return keys_.front(); }

  // `attempt(key)` gives a Result: the first that is ok, or what the newest key said.
  template <typename Attempt>
  auto FirstThatTakes(const Attempt& attempt) const {
    auto first = attempt(keys_.front());
    for (size_t i = 1; i < keys_.size() && !first.ok(); ++i) {
      if (auto other = attempt(keys_[i]); other.ok()) return other;
    }
    return first;
  }

 private:
  std::vector<SecretKey> keys_;
};

// The keys in use, replaced while others sign. Thread-safe.
class SharedSigningKeys {
 public:
  explicit SharedSigningKeys(SigningKeys keys) : keys_(std::make_shared<const SigningKeys>(std::move(keys))) {}
  std::shared_ptr<const SigningKeys> Get() const {
    const std::lock_guard lock(mutex_);
    return keys_;
  }
  void Set(SigningKeys keys) {
    auto fresh = std::make_shared<const SigningKeys>(std::move(keys));
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const SigningKeys> keys_;
};

}  // namespace rapport

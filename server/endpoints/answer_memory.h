// Answers as text, kept for a few seconds: a page that is asked for again in the same words by the same key, with
// nothing changed since, gets the same bytes, recommendation id included. A reload, a retry and a second tab are one
// list shown.
//
// An answer holds as long as the customer's view, the catalogue and the models it stands on are the ones in force (each
// write to the customer or to any item, and each swap, makes new ones), until its life is over or its first item
// expires, whichever comes first. Answers with drawn slots are never kept: each page view is a draw of its own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/recently_used.h"
#include "base/time.h"
#include "engine/requests.h"

namespace rapport {

struct AnswerMemoryOptions {
  int64_t life_ms = 5 * kSecondMs;  // 0: nothing is kept
  size_t bytes_max = 32u << 20;     // of keys and texts; what was asked for least recently goes first
};

// Thread-safe; owned by the route that asks it. Names of customers stay in memory only, for at most life_ms of use.
class AnswerMemory {
 public:
  struct Kept {
    RecommendGround ground;
    CustomerId customer;  // root of the view
    Timestamp expires_at;
    std::string text;
  };

  explicit AnswerMemory(AnswerMemoryOptions options);

  // Null when there is none, or its time is over. Whether its ground still stands is for the caller to ask.
  std::shared_ptr<const Kept> Find(const std::string& key, Timestamp now);
  // `expires_at` no later than now + life_ms is the caller's business: see ExpiryOf.
  void Keep(const std::string& key, std::shared_ptr<const Kept> kept);
  Timestamp ExpiryOf(Timestamp now) const { return Timestamp{now.ms + options_.life_ms}; }
  bool on() const { return options_.life_ms > 0 && options_.bytes_max > 0; }
  size_t bytes() const;

 private:
  static constexpr size_t kShards = 16;
  struct Shard {
    mutable std::mutex mutex;  // guards the rest
    RecentlyUsed<std::string, std::shared_ptr<const Kept>> recent;
  };
  Shard& ShardOf(const std::string& key) { return shards_[std::hash<std::string>()(key) % kShards]; }

  const AnswerMemoryOptions options_;
  std::array<Shard, kShards> shards_;
};

}  // namespace rapport

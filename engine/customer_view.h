// What a request needs to know of its customer: profile bits, history lines and item set of all linked identities,
// read once per request, from a bounded cache that the store's commits invalidate before they are acknowledged.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "data/store.h"
#include "engine/requests.h"

namespace rapport {

// Immutable once made.
struct CustomerView {
  CustomerId root;                                         // 0: nobody known
  Personalization personalization = Personalization::kOn;  // off when any linked identity says off
  bool anonymous = true;                                   // no linked identity is a known user
  std::vector<std::string> audiences;                      // of all linked identities, ascending, unique
  std::string time_zone, locale, country;                  // of the first that names one, users before visitors
  std::vector<HistoryEntry> history;                       // ascending by event id, at most kHistoryEventsMax lines
  ItemSet items;                                           // everything ever viewed, ordered, owned
  std::vector<uint64_t> traits;                            // tokens (content/attributes.h), ascending, unique
};

// What a page is told of it.
CustomerSummary SummaryOf(const CustomerView& view);

// Thread-safe. Owned by the Engine. Invalidate() is called by the store's committer.
//
// A view read from the store before a commit must not enter the cache after that commit's invalidation: every shard
// counts its invalidations, and a view is kept only if the count has not moved since before the read.
class CustomerViews {
 public:
  CustomerViews(const Store& store, size_t capacity);
  // Never null: an unknown customer gets an empty view.
  Result<std::shared_ptr<const CustomerView>> Get(const CustomerRef& ref);
  Result<std::shared_ptr<const CustomerView>> Get(CustomerId customer);
  // Past the cache: for those who read everybody once. `root` as Store::Root gives it.
  Result<std::shared_ptr<const CustomerView>> Load(CustomerId root) const;
  void Invalidate(const std::vector<CustomerId>& changed);
  struct Counters {
    uint64_t hits = 0, misses = 0;
  };
  Counters counters() const;

 private:
  static constexpr size_t kShards = 16;
  struct Shard {
    std::mutex mutex;
    uint64_t invalidations = 0;
    std::list<std::pair<uint64_t, std::shared_ptr<const CustomerView>>> recent;  // newest use first
    std::unordered_map<uint64_t, decltype(recent)::iterator> by_root;
    uint64_t hits = 0, misses = 0;
  };

  const Store& store_;
  const size_t capacity_per_shard_;
  mutable std::array<Shard, kShards> shards_;
};

}  // namespace rapport

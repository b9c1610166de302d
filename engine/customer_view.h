// What a request needs to know of its customer: profile bits, history lines and item set of all linked identities,
// read once per request, from a bounded cache that the store's commits bring up to date before they are acknowledged:
// an event with items is added to the view that is there, everything else has it read anew.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/recently_used.h"
#include "data/store.h"
#include "engine/requests.h"

namespace rapport {

// Immutable while anybody but CustomerViews holds it.
struct CustomerView {
  CustomerId root;                                         // 0: nobody known
  Personalization personalization = Personalization::kOn;  // off when any linked identity says off
  bool anonymous = true;                                   // no linked identity is a known user
  std::vector<std::string> audiences;                      // of all linked identities, ascending, unique
  std::string time_zone, locale, country;                  // of the first that names one, users before visitors
  std::vector<HistoryEntry> history;                       // ascending by event id, at most kHistoryEventsMax lines
  size_t events = 0;                                       // that were read for it, with items or without
  ItemSet items;                                           // everything ever viewed, ordered, owned
  std::vector<uint64_t> traits;                            // tokens (content/attributes.h), ascending, unique
};

// What a page is told of it.
CustomerSummary SummaryOf(const CustomerView& view);

// Thread-safe. Owned by the Engine. Apply() is called by the store's committer, commit by commit.
//
// A view read from the store before a commit must not enter the cache after that commit was applied here: every shard
// counts what was applied, and a view is kept only if the count has not moved since before the read. A view read
// between a commit and its Apply has the commit's events already: ids ascend with commits, so what is not beyond the
// view's last event is in it.
class CustomerViews {
 public:
  CustomerViews(const Store& store, size_t capacity);
  // Never null: an unknown customer gets an empty view.
  Result<std::shared_ptr<const CustomerView>> Get(const CustomerRef& ref);
  Result<std::shared_ptr<const CustomerView>> Get(CustomerId customer);
  // Past the cache: for those who read everybody once. `root` as Store::Root gives it.
  Result<std::shared_ptr<const CustomerView>> Load(CustomerId root) const;
  void Apply(const StoreChanges& changes);
  struct Counters {
    uint64_t hits = 0, misses = 0;
  };
  Counters counters() const;

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kLaterMax = 64;  // more than that without a question between them: read anew
  struct Entry {
    std::shared_ptr<CustomerView> view;
    std::vector<AppendedEvent> later;  // not in `view` yet: added by whoever asks next, not by the committer
  };
  struct Shard {
    std::mutex mutex;
    uint64_t applied = 0;
    RecentlyUsed<uint64_t, Entry> recent;  // by root
    uint64_t hits = 0, misses = 0;
  };

  Result<std::shared_ptr<CustomerView>> Read(CustomerId root) const;

  const Store& store_;
  mutable std::array<Shard, kShards> shards_;
};

}  // namespace rapport

// Data retention: events and decisions older than a given age go; profiles, links and the ledger of consents stay.
//
// Old is what happened before (an event's own time). With an event go its index of duplicates and its contact entry;
// the customer's item set is made anew from what is left. Writes go through the same door as all others, so that it
// runs beside a serving process, which forgets what it has cached of a customer before the next page view. The bytes
// leave the disk when RocksDB next rewrites the files.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "data/operations.h"
#include "data/store.h"

namespace rapport {

struct RetentionPlan {
  double events_days = 0;     // 0: events stay for ever
  double decisions_days = 0;  // 0: decisions stay for ever
  bool any() const { return events_days > 0 || decisions_days > 0; }
};

struct PruneReport {
  uint64_t customers = 0, events = 0, decisions = 0;  // that lost events; that went
};

// Reads all events and decisions of a snapshot of `store` once. `cancelled`, looked at between batches, may be null.
Result<PruneReport> Prune(const Store& store, OperationSink& sink, const RetentionPlan& plan, Timestamp now,
                          const std::atomic<bool>* cancelled);

}  // namespace rapport

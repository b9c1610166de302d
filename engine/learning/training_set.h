// What models learn from, as one flat table: a line per (customer, item, event), read in one ordered scan of a
// snapshot. Everything that is fitted or judged is a function of this table, so that it is reproducible to the bit and
// a test can build the table by hand.
//
//   customers: linked identities are merged into their root; a customer with personalization off is left out
//   items:     only catalogued, not hidden ones
//   weight:    the type's weight, never times the quantity (one wholesaler's 80,995 would drown the rest); a refund or
//   a
//              line with a negative quantity has the refund's negative weight; 0 is left out unless it is an order line
//   group:     the order: order_id, or customer and time where there is none; the same item twice in one order is one
//   line rows:      dense, customers ascending by root id, items ascending by ItemId, only those that have a line
//
// Memory: 56 bytes a line while reading and 40 after, both at the moment of change-over: about 100 MB per million
// lines.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/store.h"
#include "engine/options.h"
#include "models/interactions.h"
#include "models/popularity.h"

namespace rapport {

struct AttributeTable;  // engine/learning/attribute_table.h

inline constexpr uint32_t kNoGroup = 0xffffffffu;

struct TrainingLine {
  Timestamp time;
  uint64_t event = 0;         // arrival order
  uint32_t customer = 0;      // row of TrainingSet::customer_ids
  uint32_t item = 0;          // row of TrainingSet::item_ids
  uint32_t group = kNoGroup;  // the order it belongs to; only of kOrdered
  float weight = 0;           // before decay; negative: a refund
  EventType type = EventType::kCustom;
};

// Plain value. lines: by customer, then time, then event, then position in the event.
struct TrainingSet {
  std::vector<uint64_t> customer_ids;  // row -> root CustomerId, ascending
  std::vector<uint64_t> item_ids;      // row -> ItemId, ascending
  std::vector<TrainingLine> lines;
  std::vector<uint64_t> offsets{0};  // (customers + 1): where a customer's lines start
  uint32_t groups = 0;
  uint64_t events_read = 0;  // of every kind, whether they gave a line or not
  Timestamp first, last;     // of the lines; both 0 when there is none
  // What items and customers are; the same at every cut. Null: nothing is known.
  std::shared_ptr<const AttributeTable> attributes;

  uint32_t customers() const { return static_cast<uint32_t>(customer_ids.size()); }
  uint32_t items() const { return static_cast<uint32_t>(item_ids.size()); }
  std::span<const TrainingLine> LinesOf(uint32_t customer) const {
    return {lines.data() + offsets[customer], lines.data() + offsets[customer + 1]};
  }
};

enum class CustomersRead : uint8_t { kAll, kKnownOnly /* roots with at least one user identity */ };
enum class RefundsRead : uint8_t { kSubtract, kIgnore };
enum class EventsRead : uint8_t { kAll, kOrdersOnly };

struct TrainingSetOptions {
  CustomersRead customers = CustomersRead::kAll;
  RefundsRead refunds = RefundsRead::kSubtract;
  EventsRead events = EventsRead::kAll;
  size_t lines_max = 64'000'000;  // about 6 GB while reading; more is kResourceExhausted
};

// false cancels; called about every 65,536 events.
using ReadProgress = std::function<bool(double share_done)>;

// kFailedPrecondition when there is nothing to learn from, with what is missing; kUnavailable when cancelled.
Result<TrainingSet> ReadTrainingSet(const Store& store, const Snapshot& snapshot, const EventWeights& weights,
                                    const TrainingSetOptions& options = {}, const ReadProgress& progress = {});

// Collects lines in any order and makes the table. One owner, one thread; spent after Build.
class TrainingSetBuilder {
 public:
  explicit TrainingSetBuilder(const TrainingSetOptions& options = {}) : options_(options) {}

  // One line of an event, by its root customer. `weight` as EventWeights::LineWeight says.
  // kResourceExhausted beyond lines_max. A line that carries nothing is skipped.
  Status Add(CustomerId root, ItemId item, EventId event, EventType type, Timestamp time, float weight,
             std::string_view order_id);
  TrainingSet Build();

 private:
  struct PendingLine {
    uint64_t customer, item, event, order_key;
    Timestamp time;
    float weight;
    EventType type;
  };
  TrainingSetOptions options_;
  std::vector<PendingLine> pending_;
};

// The effective type of an event line: an order line with a negative quantity is a refund.
EventType LineType(EventType type, int64_t quantity);
// 2^(-age / half_life), age = as_of - time, not below 0. half_life_days <= 0: no decay.
double DecayFactor(Timestamp time, Timestamp as_of, double half_life_days);

// The table as if nothing at or after `cut` had ever happened: rows and groups are numbered anew. events_read stays.
TrainingSet LinesBefore(const TrainingSet& set, Timestamp cut);
// The table as if only the lines that `keep` says yes to had ever happened.
TrainingSet LinesWhere(const TrainingSet& set, const std::function<bool(const TrainingLine&)>& keep);

// Customers x items: weights x decay at `as_of`, summed; sums <= 0 are left out.
Result<Interactions> BuildInteractions(const TrainingSet& set, Timestamp as_of, double half_life_days);
// Customers x items: orders less returns, each decayed: what serving adds for repeats (engine/content/ranker.h
// SumRepeats).
Result<Interactions> BuildRepeats(const TrainingSet& set, Timestamp as_of, double half_life_days);
// Orders x items, weight 1.
Result<Interactions> BuildBaskets(const TrainingSet& set);
// Lines with a positive weight, in order; a refund takes nothing from what is popular.
std::vector<PopularityEvent> BuildPopularityEvents(const TrainingSet& set);

}  // namespace rapport

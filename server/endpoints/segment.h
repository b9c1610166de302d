// The calls of Segment's spec in one HTTP request, as the operations that keep them. What a call means is
// data/io/segment_json.h; here is what only the door knows: who may act for whom, the sender's clock, calls without
// ids.
//
//   identify  link anonymous -> user when both are named (a link that is refused is a warning: the rest stands)
//   track     a refund without products takes those of its order
//   alias     previousId is an anonymous id when one is known, else a user id when one is known, else an anonymous one
//
// Times: `timestamp` (else `originalTimestamp`, else arrival) is kept as sent while the sender's clock agrees with
// ours: |receivedAt - sentAt| <= kClockSkewToleratedMs. Beyond, it is corrected by that difference, as Segment does.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/io/event_table.h"
#include "data/operations.h"
#include "data/store.h"
#include "server/endpoints/json_body.h"
#include "server/http_message.h"

namespace rapport {

// Travel time and small clock errors: correcting those would only blur times that were right.
inline constexpr int64_t kClockSkewToleratedMs = 60 * kSecondMs;

// An operation of a call; a tolerated one that fails is a warning, not an error.
struct SegmentOperation {
  Operation operation;
  bool tolerated = false;
};

// Reads the calls of one request, in order. One owner, one thread; references must outlive it.
class SegmentReader {
 public:
  SegmentReader(const EventTable& table, const Store& store, const Identity& identity, Timestamp received_at,
                std::optional<Timestamp> sent_at)
      : table_(table), store_(store), identity_(identity), received_at_(received_at), sent_at_(sent_at) {}

  // `message` must have its `type`. Every operation of an answer passes ValidateOperation and is allowed to this
  // identity. A call is taken whole or, with a Status that names the field, not at all.
  Result<std::vector<SegmentOperation>> Read(Json message);

 private:
  Status Complete(Json* message);
  Result<Timestamp> TimeOf(const Json& message) const;
  Status Adjust(std::vector<SegmentOperation>* operations) const;
  Status CheckAllowed(const Operation& operation) const;
  bool IsKnown(const CustomerRef& ref) const;
  std::vector<NewLine> LinesOfOrder(const CustomerRef& customer, const std::string& order_id) const;
  void Remember(const Operation& operation);

  const EventTable& table_;
  const Store& store_;
  const Identity& identity_;
  const Timestamp received_at_;
  const std::optional<Timestamp> sent_at_;
  size_t calls_ = 0;
  // Of earlier calls of this request, which the store does not know yet.
  std::set<std::pair<CustomerNamespace, std::string>> named_;
  std::vector<AppendEvent> orders_;
};

}  // namespace rapport

// Segment's calls (track, page, screen, identify, group, alias) as operations, and events back as JSON.
//
//   {"type": "track", "event": "Order Completed", "userId": "17850", "messageId": "m-1", "timestamp":
//   "2010-12-01T08:26:00Z",
//    "properties": {"order_id": "536365", "products": [{"product_id": "85123A", "quantity": 6, "price": "2.55"}]}}
//
// What type an event is and where its items stand is the EventTable's. `properties` are kept as they are. Unknown keys
// beside them are ignored: Segment's clients send many.
//
// Export adds "record": the event's own fields {type, orderId, storeId, channel, value, source, receivedAt, lines:
// [{itemId, quantity, price}]}, so that an import gives back the very same event whatever its properties say. It is
// read by import only; over HTTP it is ignored, or a client could claim another's name space.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "data/io/event_table.h"
#include "data/io/json_records.h"
#include "data/operations.h"

namespace rapport {

enum class RecordKey { kIgnored, kTrusted };

struct SegmentDefaults {
  Timestamp now;       // received_at; and time where there is no timestamp
  std::string source;  // name space of message ids
  RecordKey record = RecordKey::kIgnored;
};

// track, page, screen, group. `type` is taken from the message, "track" when absent. A missing messageId is left empty:
// the caller makes one.
Result<AppendEvent> TrackFromJson(const nlohmann::json& message, const EventTable& table,
                                  const SegmentDefaults& defaults);

// All six calls. identify: the traits before its event, and, when it names both, the link from anonymousId to userId;
// alias: the link from previousId (anonymous) to userId. context.timezone and context.locale go to the profile.
Result<RowOperations> SegmentFromJson(const nlohmann::json& message, const EventTable& table,
                                      const SegmentDefaults& defaults);

// kDataLoss when event.properties is not a JSON object.
Result<nlohmann::json> EventToJson(const AppendEvent& event);

}  // namespace rapport

// The events Rapport knows by name (Segment's ecommerce spec and its neighbours): for each, what type it is, how much
// it counts, and where in its `properties` the items, the basket and the value stand. A name that is not here is a
// custom event: kept as it is, weight 0, item from `itemId`.
//
// The table is data: a copy can be changed by configuration and served as it is (GET /v1/events/types).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/records.h"

namespace rapport {

// Where the item ids of an event stand.
enum class ItemPlace {
  kNone,      // the event is about no item
  kSingle,    // the first of item_keys that is there
  kProducts,  // each element of products_key, by item_keys; else as kSingle
};

struct EventTableRow {
  std::string name;  // as senders write it: "Product Viewed"; compared without case
  EventType type = EventType::kCustom;
  double weight = 0;          // what one such event tells about taste; negative: against
  double half_life_days = 0;  // 0: the model's own
  ItemPlace place = ItemPlace::kNone;
  std::vector<std::string> value_keys;  // the first that is a number becomes Event::value
  std::string channel;                  // of a contact whose event names none
};

struct EventTable {
  std::vector<EventTableRow> rows;
  // Keys inside `properties`, by preference.
  std::vector<std::string> item_keys{"product_id", "itemId", "item_id", "sku"};
  std::string products_key = "products";
  std::vector<std::string> order_keys{"order_id", "orderId"};
  std::string quantity_key = "quantity";
  std::string price_key = "price";

  // nullptr for a custom event.
  const EventTableRow* Find(std::string_view name) const;
  // The name events of this type get when their source has none; "Custom" when the table has no such row.
  std::string_view NameOf(EventType type) const;
};

// What docs/API.md "Events: one table" lists.
EventTable DefaultEventTable();

}  // namespace rapport

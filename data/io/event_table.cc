#include "data/io/event_table.h"

#include <algorithm>

namespace rapport {
namespace {

bool EqualWithoutCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char left, char right) { return lower(left) == lower(right); });
}

// E-mail and push as Segment names them, the others alike. "Email Link Clicked" is "SMS Link Clicked" on that channel.
void AddContacts(EventTable* table) {
  const auto add = [&](const std::string& name, EventType type, const char* channel) {
    EventTableRow row{name, type, 0, 0, ItemPlace::kSingle, {}};
    row.channel = channel;
    table->rows.push_back(std::move(row));
  };
  constexpr std::pair<const char*, const char*> kWritten[] = {{"Email", "email"},
                                                              {"SMS", "sms"},
                                                              {"Push Notification", "push"},
                                                              {"Message", "message"},
                                                              {"In-App Message", "in-app"}};
  for (const auto& written : kWritten) {  // not bound to names: clang 14 lets no lambda capture those
    const auto say = [&](const char* what, EventType type) {
      add(std::string(written.first) + what, type, written.second);
    };
    say(" Sent", EventType::kSent);
    say(" Delivered", EventType::kDelivered);
    say(" Bounced", EventType::kBounced);
    say(" Opened", EventType::kOpened);
    say(" Link Clicked", EventType::kLinkClicked);
    say(" Replied", EventType::kReplied);
    say(" Unsubscribed", EventType::kUnsubscribed);
    say(" Marked as Spam", EventType::kMarkedAsSpam);
  }
  add("Unsubscribed", EventType::kUnsubscribed, "email");
  add("Push Notification Received", EventType::kDelivered, "push");
  add("Push Notification Tapped", EventType::kOpened, "push");
  add("Message Read", EventType::kOpened, "message");
  add("Message Received", EventType::kReplied, "message");
  add("Call Placed", EventType::kSent, "call");
  add("Call Answered", EventType::kAnswered, "call");
  add("Call Missed", EventType::kDelivered, "call");
  add("Letter Sent", EventType::kSent, "post");
  add("Letter Returned", EventType::kBounced, "post");
  add("Place Visited", EventType::kVisited, "visit");
  add("Contact Planned", EventType::kContactPlanned, "");
  add("Contact Cancelled", EventType::kContactCancelled, "");
  add("Complaint Opened", EventType::kComplaintOpened, "");
  add("Complaint Closed", EventType::kComplaintClosed, "");
  add("Consent Given", EventType::kConsentGiven, "");
  add("Consent Withdrawn", EventType::kConsentWithdrawn, "");
}

}  // namespace

const EventTableRow* EventTable::Find(std::string_view name) const {
  for (const EventTableRow& row : rows) {
    if (EqualWithoutCase(row.name, name)) return &row;
  }
  return nullptr;
}

std::string_view EventTable::NameOf(EventType type) const {
  for (const EventTableRow& row : rows) {
    if (row.type == type) return row.name;
  }
  return "Custom";
}

EventTable DefaultEventTable() {
  EventTable table;
  const auto add = [&](const char* name, EventType type, double weight, ItemPlace place,
                       std::vector<std::string> value_keys = {}) {
    table.rows.push_back({name, type, weight, 0, place, std::move(value_keys)});
  };
  // The first row of a type gives it its name: see NameOf.
  add("Product Viewed", EventType::kViewed, 1, ItemPlace::kSingle);
  add("Item Viewed", EventType::kViewed, 1, ItemPlace::kSingle);
  add("Product Clicked", EventType::kClicked, 1, ItemPlace::kSingle);
  add("Item Clicked", EventType::kClicked, 1, ItemPlace::kSingle);
  add("Product List Viewed", EventType::kShown, 0, ItemPlace::kProducts);
  add("Impression", EventType::kShown, 0, ItemPlace::kSingle);
  add("Product Added", EventType::kAdded, 3, ItemPlace::kSingle);
  add("Product Added to Wishlist", EventType::kAdded, 3, ItemPlace::kSingle);
  add("Product Removed", EventType::kRemoved, -3, ItemPlace::kSingle);
  add("Product Removed from Wishlist", EventType::kRemoved, -3, ItemPlace::kSingle);
  add("Order Completed", EventType::kOrdered, 5, ItemPlace::kProducts, {"total", "revenue", "value"});
  add("Order Refunded", EventType::kRefunded, 0, ItemPlace::kProducts, {"total", "revenue", "value"});
  add("Order Cancelled", EventType::kCancelled, 0, ItemPlace::kProducts, {"total", "revenue", "value"});
  add("Products Searched", EventType::kSearched, 0, ItemPlace::kNone);
  add("Coupon Applied", EventType::kCoupon, 0, ItemPlace::kNone, {"discount"});
  add("Product Reviewed", EventType::kReviewed, 0, ItemPlace::kSingle, {"rating"});
  add("Rated", EventType::kRated, 0, ItemPlace::kSingle, {"rating", "value"});
  add("Product Rated", EventType::kRated, 0, ItemPlace::kSingle, {"rating", "value"});
  add("Identify", EventType::kIdentified, 0, ItemPlace::kNone);
  add("Page", EventType::kPage, 0, ItemPlace::kNone);
  add("Screen", EventType::kPage, 0, ItemPlace::kNone);
  add("Group", EventType::kGroup, 0, ItemPlace::kNone);
  AddContacts(&table);
  return table;
}

}  // namespace rapport

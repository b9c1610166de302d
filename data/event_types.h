// What an event can be. Persisted: never renumbered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace rapport {

enum class EventType : uint8_t {
  kCustom = 0,
  kViewed = 1,
  kClicked = 2,
  kShown = 3,
  kAdded = 4,
  kRemoved = 5,
  kOrdered = 6,
  kRefunded = 7,
  kCancelled = 8,
  kSearched = 9,
  kCoupon = 10,
  kReviewed = 11,
  kRated = 12,
  kIdentified = 13,
  kPage = 14,
  kGroup = 15,
  // 32..63: contacts, and what came of them.
  kSent = 32,  // e-mail, message, letter sent; call placed
  kDelivered = 33,
  kBounced = 34,
  kOpened = 35,
  kLinkClicked = 36,
  kReplied = 37,  // also a message that the customer began
  kUnsubscribed = 38,
  kMarkedAsSpam = 39,
  kAnswered = 40,  // a call
  kVisited = 41,   // came to a place
  kOpenedByMachine =
      42,  // known by its agent or headers; those known by their timing only: engine/contact/contact_log.h
  kLinkClickedByMachine = 43,
  kContactPlanned = 44,  // a decision to send it, ContactFacts::at
  kContactCancelled = 45,
  // 64..95: service.
  kComplaintOpened = 64,
  kComplaintClosed = 65,
  kConsentGiven = 66,
  kConsentWithdrawn = 67,
};
inline constexpr size_t kEventTypeCount = 96;  // numbers in between are no types: IsEventType
bool IsEventType(EventType type);
const char* EventTypeName(EventType type);  // "viewed"
std::optional<EventType> EventTypeFromName(const std::string& name);
// Kept once more by themselves, so that rules find them however many views came after (Store::ReadContacts).
bool IsContactType(EventType type);

}  // namespace rapport

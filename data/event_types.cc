#include "data/event_types.h"

#include <algorithm>
#include <iterator>

namespace rapport {
namespace {

struct NamedType {
  EventType type;
  const char* name;
};
constexpr NamedType kEventTypes[] = {
    {EventType::kCustom, "custom"},
    {EventType::kViewed, "viewed"},
    {EventType::kClicked, "clicked"},
    {EventType::kShown, "shown"},
    {EventType::kAdded, "added"},
    {EventType::kRemoved, "removed"},
    {EventType::kOrdered, "ordered"},
    {EventType::kRefunded, "refunded"},
    {EventType::kCancelled, "cancelled"},
    {EventType::kSearched, "searched"},
    {EventType::kCoupon, "coupon"},
    {EventType::kReviewed, "reviewed"},
    {EventType::kRated, "rated"},
    {EventType::kIdentified, "identified"},
    {EventType::kPage, "page"},
    {EventType::kGroup, "group"},
    {EventType::kSent, "sent"},
    {EventType::kDelivered, "delivered"},
    {EventType::kBounced, "bounced"},
    {EventType::kOpened, "opened"},
    {EventType::kLinkClicked, "linkClicked"},
    {EventType::kReplied, "replied"},
    {EventType::kUnsubscribed, "unsubscribed"},
    {EventType::kMarkedAsSpam, "markedAsSpam"},
    {EventType::kAnswered, "answered"},
    {EventType::kVisited, "visited"},
    {EventType::kOpenedByMachine, "openedByMachine"},
    {EventType::kLinkClickedByMachine, "linkClickedByMachine"},
    {EventType::kContactPlanned, "contactPlanned"},
    {EventType::kContactCancelled, "contactCancelled"},
    {EventType::kComplaintOpened, "complaintOpened"},
    {EventType::kComplaintClosed, "complaintClosed"},
    {EventType::kConsentGiven, "consentGiven"},
    {EventType::kConsentWithdrawn, "consentWithdrawn"},
};

}  // namespace

bool IsEventType(EventType type) {
  return std::any_of(std::begin(kEventTypes), std::end(kEventTypes),
                     [type](const NamedType& known) { return known.type == type; });
}
const char* EventTypeName(EventType type) {
  for (const NamedType& known : kEventTypes) {
    if (known.type == type) return known.name;
  }
  return "unknown";
}
std::optional<EventType> EventTypeFromName(const std::string& name) {
  for (const NamedType& known : kEventTypes) {
    if (name == known.name) return known.type;
  }
  return std::nullopt;
}
bool IsContactType(EventType type) {
  return type >= EventType::kSent && type <= EventType::kComplaintClosed && IsEventType(type);
}

}  // namespace rapport

// What Segment's messages say about contacts, beside what they say about every event: which contact an event belongs
// to, on which channel, for what, and whether a person or a machine did it; and what the ledger of consents keeps of
// it.
//
//   {"event": "Email Link Clicked", "userId": "17850",
//    "properties": {"contact_id": "d-81", "purpose": "marketing", "itemId": "22423", "link_url": "https://..."}}
//
// Machines: an agent of kMachineAgents in context.userAgent or properties.user_agent, a HEAD request, or a header that
// browsers and proxies send when they fetch ahead (Purpose, X-Purpose, X-Moz, Sec-Purpose: prefetch or preview). What
// shows only in the timing is judged where the whole contact is read: engine/contact/contact_log.h.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "data/io/event_table.h"
#include "data/operations.h"

namespace rapport {

// A program that fetches what a person was sent: scanners of mail gateways, link previews, crawlers, scripts. Not the
// image proxies of mail providers: those fetch when a person opens.
bool IsMachineAgent(std::string_view user_agent);

// Sets event->order_id (the contact's id), channel, contact, and a machine's type, where `row` is about contacts.
void InterpretContact(const nlohmann::json& message, const nlohmann::json& properties, const EventTableRow& row,
                      Event* event);

// What goes into the ledger beside the event: Consent Given and Withdrawn; an unsubscription, a spam report and a
// topic. kInvalidArgument names the property.
Result<std::optional<RecordConsent>> ConsentOfEvent(const nlohmann::json& properties, const AppendEvent& event,
                                                    Timestamp received_at);

}  // namespace rapport

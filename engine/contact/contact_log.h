// The contacts of one customer, put together from the events that tell of them (Store::ReadContacts).
//
// Which events are one contact: those with its id; an outcome without one belongs to the last contact sent before it on
// its channel within kAttributionMs. A contact that was only decided on is planned; it becomes sent with an event "...
// Sent" of its id and is given up with "Contact Cancelled".
//
// Persons and machines (PEERS.md: scanners fake opens and clicks). Beside what agents and headers say
// (data/io/contact_json.h)
//   an open or click less than kHumanDelayMs after the sending or delivery is a machine's,
//   clicks on kLinksAtOnce or more different links of one contact within kAtOnceMs are a machine's, all of them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/records.h"

namespace rapport {

inline constexpr int64_t kAttributionMs = 7 * kDayMs;
inline constexpr int64_t kHumanDelayMs = 2 * kSecondMs;
inline constexpr int64_t kAtOnceMs = 10 * kSecondMs;
inline constexpr size_t kLinksAtOnce = 3;

struct Contact {
  std::string id;  // empty: its events name none
  std::string channel, place, purpose;
  ItemId item;
  Timestamp time;  // when it was sent; while it is only planned, when it will be
  bool planned = false;
  bool delivered = false, bounced = false;
  bool opened = false, clicked = false, replied = false, answered = false, visited = false;  // by a person
  bool unsubscribed = false, marked_as_spam = false;
  float affinity = 0;  // ContactFacts::affinity of its plan
  size_t machine_opens = 0, machine_clicks = 0;
  // A person did what the channel's message asks for.
  bool responded() const { return clicked || replied || answered || visited; }
};

struct ContactLog {
  std::vector<Contact> contacts;                       // ascending by time; planned ones among them
  std::map<std::string, Timestamp> last_inbound;       // by channel: the customer's own last message
  std::map<std::string, Timestamp> last_bounce;        // by channel
  std::map<std::string, Timestamp> last_sign_of_life;  // by channel: delivered, or a person did something
  size_t open_complaints = 0;
  bool complete = true;  // false: older events were cut off, and rules cannot be sure
};

// `entries` ascending by event id, as Store::ReadContacts gives them.
ContactLog ReadContactLog(std::span<const ContactEntry> entries);

}  // namespace rapport

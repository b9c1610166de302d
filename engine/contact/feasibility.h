// The hard rules: whether, and from which minute on, a customer may be contacted. They take arms away before anything
// is scored and are never prices. Each rule that takes an arm away is named.
//
//   consent      marketing and topics need a word of consent in force for (channel, purpose); "*" means all of them,
//   the
//                newest word wins, at the same time a withdrawal. Service needs none, but minds a withdrawal of its
//                own.
//   reach        the channel's address is known, and nothing bounced since the last sign of life or change of address
//   complaint    while one is open there is no marketing; service goes on
//   quiet hours  by the customer's own wall clock, as it jumps and repeats
//   caps         at most `count` contacts in every window, those planned among them: a contact at t is allowed if no
//   window
//                that holds t would hold more. Rolling windows (t - W, t] in UTC, calendar ones on the customer's
//                clock.
//   messaging    instant messages only within the channel's window after the customer's last own message
//   places       only while open, by the place's own clock
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/records.h"
#include "engine/contact/contact_log.h"
#include "engine/contact/contact_settings.h"
#include "engine/contact/local_time.h"

namespace rapport {

enum class ContactRefusal : uint8_t {
  kNone,
  kDisabled,
  kNoConsent,
  kWithdrawn,
  kUnreachable,
  kBounced,
  kComplaint,
  kHoldout,
  kIncomplete,  // too many contact events to be sure of the caps
  kQuietHours,
  kCap,
  kMessagingWindow,
  kPlaceClosed,
  kTooLate,   // would arrive after the content's last moment
  kContent,   // the content may not be shown to this customer
  kCapacity,  // a shared limit is used up
  kTooFar,    // the place is farther away than customers are asked to come
};
const char* ContactRefusalName(ContactRefusal refusal);  // "quiet-hours"

// What the rules know of one customer, linked identities read as one.
struct ContactCustomer {
  CustomerId root;
  Attributes traits;
  std::map<std::string, Timestamp> address_changed;  // by trait
  std::vector<Consent> ledger;
  ContactLog log;
};

// "service" and "transactional"; every other purpose is somebody's wish to sell, and is treated as marketing.
bool IsService(const std::string& purpose);
// The word in force; nullopt: none was ever said. `ledger` in any order.
std::optional<bool> ConsentInForce(const std::vector<Consent>& ledger, const std::string& channel,
                                   const std::string& purpose);

// One customer, one purpose. One owner, one thread; references must outlive it.
class Feasibility {
 public:
  struct Question {
    std::string purpose = "marketing";
    std::string topic;  // of the content; empty: none
    const ChannelSettings* channel = nullptr;
    const PlaceSettings* place = nullptr;   // null: none
    const LocalTime* place_time = nullptr;  // REQUIRED with `place`
  };
  struct Moment {
    std::optional<Timestamp> at;  // the first allowed minute
    ContactRefusal refusal = ContactRefusal::kNone;
  };

  // `local` must cover kCalendarMs before the first question's time.
  Feasibility(const ContactSettings& settings, const ContactCustomer& customer, const LocalTime& local)
      : settings_(settings), customer_(customer), local_(local) {}

  // What forbids the channel at any time; kNone: nothing.
  ContactRefusal Standing(const Question& question) const;
  // The first whole minute in [from, until) at which nothing forbids it, else what does (at the last minute looked at).
  // Standing is not asked again.
  Moment First(const Question& question, Timestamp from, Timestamp until) const;
  // The rules of time at one moment; `retry` (may be null) is set to the next moment worth asking.
  ContactRefusal At(const Question& question, Timestamp time, Timestamp* retry) const;

  static constexpr int64_t kCalendarMs = 33 * kDayMs;

 private:
  bool CapAllows(const FrequencyCap& cap, Timestamp time, Timestamp* retry) const;
  bool RollingAllows(const FrequencyCap& cap, Timestamp time, Timestamp* retry) const;
  int64_t CalendarIndex(FrequencyCap::Window window, Timestamp time) const;

  const ContactSettings& settings_;
  const ContactCustomer& customer_;
  const LocalTime& local_;
};

}  // namespace rapport

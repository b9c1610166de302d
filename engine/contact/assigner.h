// Who gets which room, seat or call slot: a small problem of few whole places and few people, answered whole, with
// reasons. Nothing is kept.
//
//   worth(guest, place) = what this place, or any place, is worth for the guest + sum of the wishes that it meets
//   no arc              where the guest's `must` does not match, where an item of the catalogue may not be shown to the
//                       guest (eligibility.h), where the hard rules forbid a contact in the slot (feasibility.h)
//   plan                models/assignment.h: as many guests as can be, then worth; or worth alone
//
// A call slot is a place with a time: a contact on the request's channel begins then. Who is not known to the store has
// given no consent.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/records.h"
#include "models/assignment.h"

namespace rapport {

class Catalog;
class ContactDesk;
struct CustomerView;

struct AssignPlace {
  std::string id;                    // each once
  std::string item;                  // of the catalogue, external id: its fields are the place's; empty: none
  std::optional<uint32_t> capacity;  // absent: an item's stock, else 1; 0: taken already
  Attributes attributes;             // of one that is no item
  std::optional<Timestamp> at;       // of a slot: when the contact begins
};

struct AssignWish {
  std::string filter;
  double worth = 1;  // above 0
};

struct AssignGuest {
  std::string name;                     // each once
  std::optional<CustomerRef> customer;  // for audiences, filters and contacts; for slots each customer once
  std::string must;                     // filter; empty: every place will do
  std::vector<AssignWish> wishes;
  double worth = 0;                              // of getting any place
  std::map<std::string, double> worth_by_place;  // instead of it, by id of the place
};

struct AssignRequest {
  std::vector<AssignPlace> places;  // 1 to limits::kAssignPlacesMax
  std::vector<AssignGuest> guests;  // 1 to limits::kAssignGuestsMax, in the order in which they came
  std::string channel;              // of slots; empty: there are none
  std::string purpose = "marketing";
  bool most_guests = true;  // false: worth alone counts
  Timestamp now;
};

// What became of a wish.
enum class WishOutcome : uint8_t {
  kMet,
  kNoPlace,     // no place meets it at all
  kForbidden,   // those that meet it are forbidden to this guest
  kTaken,       // they went to others
  kOutweighed,  // the guest's own place is worth as much or more to the guest
};
const char* WishOutcomeName(WishOutcome outcome);  // "no-place"

struct AssignedGuest {
  uint32_t place = Assignment::kNoPlace;  // index into the request's places
  AssignmentOutcome outcome = AssignmentOutcome::kNothingAllowed;
  bool known = false;  // the customer, to the store
  double worth = 0;
  std::vector<WishOutcome> wishes;                          // as asked
  std::vector<std::pair<std::string, uint32_t>> forbidden;  // places by reason, most first: "must", "no-consent", ...
  std::vector<uint32_t> taken;  // of one that found all full: up to kTakenMax of the places that would do
  static constexpr size_t kTakenMax = 8;
};

struct AssignAnswer {
  std::vector<AssignedGuest> guests;            // as asked
  std::vector<uint32_t> capacity;               // by place
  std::vector<std::vector<uint32_t>> by_place;  // guests, ascending
  size_t placed = 0, first_come_placed = 0;     // the second: had each in turn taken the best that was left
  double worth = 0, first_come_worth = 0;       // likewise
};

// Unknown customers get an empty view.
using ViewOfCustomer = std::function<Result<std::shared_ptr<const CustomerView>>(const CustomerRef&)>;

// kInvalidArgument names what is wrong: an id twice, an unknown item or place, a capacity beyond the stock or beyond
// what the channel's hour has left, a slot in the past, a filter that does not parse. Deterministic.
Result<AssignAnswer> AssignPlaces(const Catalog& catalog, ContactDesk& desk, const ViewOfCustomer& view_of,
                                  const AssignRequest& request);

}  // namespace rapport

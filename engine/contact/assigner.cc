#include "engine/contact/assigner.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/limits.h"
#include "base/text.h"
#include "data/catalog.h"
#include "engine/contact/capacity.h"
#include "engine/contact/contact_desk.h"
#include "engine/content/eligibility.h"
#include "engine/content/filter.h"

namespace rapport {
namespace {

constexpr const char* kMust = "must";
constexpr double kWorthMax = 1e9;  // of one wish; the sum for a place stays below what models/assignment takes
constexpr int64_t kAheadMsMax = 366 * kDayMs;

std::string Field(const char* list, size_t index) { return std::string(list) + "[" + std::to_string(index) + "]"; }
Status Wrong(const std::string& field, const std::string& what) { return Status::InvalidArgument(field + what); }
bool IsWorth(double worth) { return worth >= 0 && worth <= kWorthMax; }

// One request. One owner, one thread; references outlive it.
class Assigner {
 public:
  Assigner(const Catalog& catalog, ContactDesk& desk, const ViewOfCustomer& view_of, const AssignRequest& request)
      : catalog_(catalog), desk_(desk), view_of_(view_of), request_(request), settings_(desk.settings()) {}

  Result<AssignAnswer> Run() {
    RAPPORT_RETURN_IF_ERROR(CheckSizes());
    RAPPORT_RETURN_IF_ERROR(ReadPlaces());
    RAPPORT_RETURN_IF_ERROR(ReadSlots());
    RAPPORT_RETURN_IF_ERROR(ReadGuests());
    problem_.guests = request_.guests.size();
    problem_.most_guests = request_.most_guests;
    problem_.values.assign(problem_.guests * places(), 0);
    problem_.forbidden.assign(problem_.guests * places(), 0);
    met_.resize(problem_.guests);
    why_.assign(problem_.guests * places(), nullptr);
    for (size_t g = 0; g < problem_.guests; ++g) {
      RAPPORT_RETURN_IF_ERROR(Forbid(g));
      RAPPORT_RETURN_IF_ERROR(SetWorth(g));
    }
    const Result<Assignment> plan = Assign(problem_);
    if (!plan.ok()) return plan.status();
    return Explain(*plan);
  }

 private:
  using Matches = std::shared_ptr<const std::vector<uint8_t>>;  // by place: the filter holds
  struct Question {
    Filter filter;
    Matches everybodys;  // null: it asks for the customer
  };

  size_t places() const { return request_.places.size(); }
  const char* list() const { return request_.channel.empty() ? "places" : "contact.slots"; }

  Status CheckSizes() const {
    const auto check = [](const char* list, size_t size, size_t most) {
      if (size == 0) return Wrong(list, " is empty: name at least one");
      if (size > most) return Wrong(list, " has more than " + std::to_string(most) + ": assign by day or by house");
      return Status::Ok();
    };
    RAPPORT_RETURN_IF_ERROR(check(list(), places(), limits::kAssignPlacesMax));
    return check("guests", request_.guests.size(), limits::kAssignGuestsMax);
  }

  // ---- places ----

  Status ReadPlaces() {
    for (size_t p = 0; p < places(); ++p) {
      const AssignPlace& place = request_.places[p];
      const std::string field = Field(list(), p);
      if (place.id.empty()) return Wrong(field, " has no name");
      if (!place_of_.emplace(place.id, p).second) {
        return Wrong(field,
                     ": " + QuoteForMessage(place.id) + " stands there twice; a place for several has a capacity");
      }
      Result<Item> item = place.item.empty() ? Result<Item>(Item{}) : ItemOf(place, field);
      if (!item.ok()) return item.status();
      if (place.item.empty()) {
        item->external_id = place.id;
        item->kind = "place";
        item->attributes = place.attributes;
      }
      said_.push_back(CapacityOf(place, *item));
      problem_.capacity.push_back(std::min(said_.back(), static_cast<uint32_t>(request_.guests.size())));
      items_.push_back(item.Take());
    }
    return Status::Ok();
  }

  Result<Item> ItemOf(const AssignPlace& place, const std::string& field) const {
    const Item* item = catalog_.Find(place.item);
    if (item == nullptr || !item->catalogued) {
      return Wrong(field, ": there is no item " + QuoteForMessage(place.item) +
                              " in the catalogue; give a name and attributes for what is not there");
    }
    if (!place.attributes.empty()) {
      return Wrong(field, ": an item of the catalogue has its own attributes; leave these out, or itemId");
    }
    if (place.capacity && item->stock && *place.capacity > std::max(int64_t{0}, *item->stock)) {
      return Wrong(field, ": capacity is " + std::to_string(*place.capacity) + ", and of " +
                              QuoteForMessage(place.item) + " the catalogue has " + std::to_string(*item->stock) +
                              " in stock");
    }
    return *item;
  }

  static uint32_t CapacityOf(const AssignPlace& place, const Item& item) {
    constexpr int64_t kMost = ~0u;
    return place.capacity.value_or(static_cast<uint32_t>(std::clamp(item.stock.value_or(1), int64_t{0}, kMost)));
  }

  // ---- slots ----

  Status ReadSlots() {
    if (request_.channel.empty()) {
      for (size_t p = 0; p < places(); ++p) {
        if (request_.places[p].at) return Wrong(Field(list(), p), ": at is the time of a contact; name its channel");
      }
      return Status::Ok();
    }
    channel_ = settings_->FindChannel(request_.channel);
    if (channel_ == nullptr) return Wrong("contact.channel: ", settings_->CheckChannel(request_.channel).message());
    if (request_.purpose.empty() || request_.purpose == "*")
      return Wrong("contact.purpose", " must name one, like marketing");
    std::map<int64_t, uint64_t> by_hour;  // capacities of the hour's slots
    for (size_t p = 0; p < places(); ++p) {
      const std::string field = Field(list(), p);
      const std::optional<Timestamp> at = request_.places[p].at;
      if (!at) return Wrong(field, ": at is missing: a slot of the channel has a time");
      if (*at < request_.now) return Wrong(field, ": at lies in the past");
      if (at->ms - request_.now.ms > kAheadMsMax) return Wrong(field, ": at lies more than a year ahead");
      by_hour[HourNumber(*at)] += problem_.capacity[p];
      times_.push_back(*at);
    }
    for (const auto& [hour, slots] : by_hour) {
      const std::optional<uint64_t> left = desk_.LeftInHour(*settings_, *channel_, {hour * kHourMs});
      if (!left || slots <= *left) continue;
      return Wrong(list(), ": the slots from " + FormatRfc3339({hour * kHourMs}) + " on take " + std::to_string(slots) +
                               " contacts, and " + channel_->name + " has " + std::to_string(*left) +
                               " left in that hour; lower their capacities");
    }
    return Status::Ok();
  }

  // ---- guests ----

  Status ReadGuests() {
    std::set<std::string_view> names;
    std::set<uint64_t> roots;
    for (size_t g = 0; g < request_.guests.size(); ++g) {
      const AssignGuest& guest = request_.guests[g];
      const std::string field = Field("guests", g);
      if (guest.name.empty()) return Wrong(field, " has no name");
      if (!names.insert(guest.name).second) {
        return Wrong(field, ": " + QuoteForMessage(guest.name) + " stands there twice; give each a name of its own");
      }
      RAPPORT_RETURN_IF_ERROR(CheckWorth(guest, field));
      views_.push_back(std::make_shared<const CustomerView>());
      if (!guest.customer) continue;
      Result<std::shared_ptr<const CustomerView>> view = view_of_(*guest.customer);
      if (!view.ok()) return view.status();
      const uint64_t root = (*view)->root.value;
      if (channel_ != nullptr && root != 0 && !roots.insert(root).second) {
        return Wrong(
            field, ": customer " + QuoteForMessage(guest.customer->external_id) + " stands there twice; one slot each");
      }
      views_.back() = view.Take();
    }
    return Status::Ok();
  }

  Status CheckWorth(const AssignGuest& guest, const std::string& field) const {
    const std::string range = " must be from 0 to a thousand millions; what must not be belongs into must";
    if (!IsWorth(guest.worth)) return Wrong(field, ": worth" + range);
    for (const auto& [place, worth] : guest.worth_by_place) {
      if (!place_of_.contains(place)) {
        return Wrong(field, ": worths names " + QuoteForMessage(place) + ", which is no place here");
      }
      if (!IsWorth(worth)) return Wrong(field, ": worths" + range);
    }
    if (guest.wishes.size() > limits::kAssignWishesMax) {
      return Wrong(field, ": prefer has more than " + std::to_string(limits::kAssignWishesMax) + " wishes");
    }
    for (const AssignWish& wish : guest.wishes) {
      if (!IsWorth(wish.worth) || wish.worth <= 0) {
        return Wrong(field, ": the worth of a wish must be above 0 and at most a thousand millions");
      }
    }
    return Status::Ok();
  }

  // ---- pairs ----

  // Each text is read once, and once for all guests unless it asks for the customer.
  Result<Matches> PlacesThatMatch(const std::string& text, size_t g, const std::string& field) {
    auto found = questions_.find(text);
    if (found == questions_.end()) {
      Result<Filter> filter = Filter::Parse(text);
      if (!filter.ok()) return Wrong(field, filter.status().message());
      Question question{filter.Take(), nullptr};
      if (!question.filter.uses_customer()) question.everybodys = Ask(question.filter, ShowRules());
      found = questions_.emplace(text, std::move(question)).first;
    }
    return found->second.everybodys ? found->second.everybodys : Ask(found->second.filter, RulesOf(g));
  }

  Matches Ask(const Filter& filter, const ShowRules& rules) const {
    auto matches = std::make_shared<std::vector<uint8_t>>();
    for (const Item& item : items_) matches->push_back(filter.Matches(item, rules.EntryOf(item.id)) ? 1 : 0);
    return matches;
  }

  ShowRules RulesOf(size_t g) const {
    ShowRules rules;
    rules.now = request_.now;
    rules.audiences = views_[g]->audiences;
    rules.customer_items = &views_[g]->items;
    return rules;
  }

  // Who must not be where, and why; the first reason counts.
  Status Forbid(size_t g) {
    const AssignGuest& guest = request_.guests[g];
    const Result<Matches> must = PlacesThatMatch(guest.must, g, Field("guests", g) + ": must: ");
    if (!must.ok()) return must.status();
    Result<std::vector<ContactRefusal>> contact = std::vector<ContactRefusal>(places(), ContactRefusal::kNone);
    if (channel_ != nullptr) {
      contact = desk_.RefusalsAt(*settings_, *views_[g], *channel_, request_.purpose, times_);
      if (!contact.ok()) return contact.status();
    }
    const ShowRules rules = RulesOf(g);
    for (size_t p = 0; p < places(); ++p) {
      const char*& why = why_[g * places() + p];
      if (!request_.places[p].item.empty()) {
        const Refusal refusal = CheckEligibility(catalog_, &items_[p], rules);
        if (refusal != Refusal::kNone) why = RefusalName(refusal);
      }
      if (why == nullptr && (*contact)[p] != ContactRefusal::kNone) why = ContactRefusalName((*contact)[p]);
      if (why == nullptr && (**must)[p] == 0) why = kMust;
      problem_.forbidden[g * places() + p] = why != nullptr ? 1 : 0;
    }
    return Status::Ok();
  }

  Status SetWorth(size_t g) {
    const AssignGuest& guest = request_.guests[g];
    double* row = &problem_.values[g * places()];
    std::fill(row, row + places(), guest.worth);
    for (const auto& [place, worth] : guest.worth_by_place) row[place_of_.at(place)] = worth;
    for (size_t w = 0; w < guest.wishes.size(); ++w) {
      const std::string field = Field("guests", g) + ": " + Field("prefer", w) + ": ";
      Result<Matches> met = PlacesThatMatch(guest.wishes[w].filter, g, field);
      if (!met.ok()) return met.status();
      for (size_t p = 0; p < places(); ++p) row[p] += (**met)[p] != 0 ? guest.wishes[w].worth : 0;
      met_[g].push_back(met.Take());
    }
    return Status::Ok();
  }

  // ---- the answer ----

  AssignAnswer Explain(const Assignment& plan) {
    AssignAnswer answer;
    answer.capacity = said_;
    answer.by_place.resize(places());
    for (size_t g = 0; g < problem_.guests; ++g) {
      AssignedGuest guest;
      guest.known = views_[g]->root.value != 0;
      guest.place = plan.place[g];
      guest.outcome = plan.outcome[g];
      if (guest.place != Assignment::kNoPlace) {
        guest.worth = problem_.values[g * places() + guest.place];
        answer.by_place[guest.place].push_back(static_cast<uint32_t>(g));
        answer.worth += guest.worth;
        ++answer.placed;
      }
      for (size_t w = 0; w < request_.guests[g].wishes.size(); ++w) guest.wishes.push_back(OutcomeOf(g, w, guest));
      CountForbidden(g, &guest);
      answer.guests.push_back(std::move(guest));
    }
    FirstCome(&answer);
    return answer;
  }

  WishOutcome OutcomeOf(size_t g, size_t w, const AssignedGuest& guest) const {
    const std::vector<uint8_t>& matches = *met_[g][w];
    if (guest.place != Assignment::kNoPlace && matches[guest.place] != 0) return WishOutcome::kMet;
    bool any = false, allowed = false, better = false;
    for (size_t p = 0; p < places(); ++p) {
      if (matches[p] == 0) continue;
      any = true;
      if (problem_.forbidden[g * places() + p] != 0) continue;
      allowed = true;
      better |= guest.place == Assignment::kNoPlace || problem_.values[g * places() + p] > guest.worth;
    }
    if (!any) return WishOutcome::kNoPlace;
    if (!allowed) return WishOutcome::kForbidden;
    return better ? WishOutcome::kTaken : WishOutcome::kOutweighed;
  }

  void CountForbidden(size_t g, AssignedGuest* guest) const {
    std::map<std::string_view, uint32_t> counts;
    for (size_t p = 0; p < places(); ++p) {
      if (const char* why = why_[g * places() + p]) {
        ++counts[why];
      } else if (guest->outcome == AssignmentOutcome::kFull && guest->taken.size() < AssignedGuest::kTakenMax) {
        guest->taken.push_back(static_cast<uint32_t>(p));
      }
    }
    for (const auto& [reason, count] : counts) guest->forbidden.emplace_back(reason, count);
    std::stable_sort(guest->forbidden.begin(), guest->forbidden.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
  }

  // Had each in turn taken the best that was left.
  void FirstCome(AssignAnswer* answer) const {
    std::vector<uint32_t> left = problem_.capacity;
    for (size_t g = 0; g < problem_.guests; ++g) {
      const double* row = &problem_.values[g * places()];
      size_t best = places();
      for (size_t p = 0; p < places(); ++p) {
        if (left[p] == 0 || problem_.forbidden[g * places() + p] != 0) continue;
        if (best == places() || row[p] > row[best]) best = p;
      }
      if (best == places()) continue;
      --left[best];
      ++answer->first_come_placed;
      answer->first_come_worth += row[best];
    }
  }

  const Catalog& catalog_;
  ContactDesk& desk_;
  const ViewOfCustomer& view_of_;
  const AssignRequest& request_;
  const std::shared_ptr<const ContactSettings> settings_;
  const ChannelSettings* channel_ = nullptr;                // of slots
  std::vector<Timestamp> times_;                            // likewise, by place
  std::vector<Item> items_;                                 // by place, as filters read it
  std::map<std::string, size_t, std::less<>> place_of_;     // by id
  std::vector<std::shared_ptr<const CustomerView>> views_;  // by guest; empty: nobody known
  std::unordered_map<std::string, Question> questions_;     // by text
  std::vector<std::vector<Matches>> met_;                   // by guest and wish
  std::vector<const char*> why_;                            // (guests, places); null: allowed
  std::vector<uint32_t> said_;                              // capacity by place
  AssignmentProblem problem_;  // with capacities up to the number of guests: what is beyond helps nobody
};

}  // namespace

const char* WishOutcomeName(WishOutcome outcome) {
  switch (outcome) {
    case WishOutcome::kMet: return "met";
    case WishOutcome::kNoPlace: return "no-place";
    case WishOutcome::kForbidden: return "forbidden";
    case WishOutcome::kTaken: return "taken";
    case WishOutcome::kOutweighed: return "outweighed";
  }
  return "unknown";
}

Result<AssignAnswer> AssignPlaces(const Catalog& catalog, ContactDesk& desk, const ViewOfCustomer& view_of,
                                  const AssignRequest& request) {
  return Assigner(catalog, desk, view_of, request).Run();
}

}  // namespace rapport

#include "server/assignment_json.h"

#include <cstdio>

#include "base/limits.h"
#include "data/io/json_reader.h"
#include "data/operations.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr double kWorthMax = 1e9;
constexpr size_t kCapacityMax = 1'000'000'000;

// The limits of an item's attributes hold for a place's.
Attributes ReadAttributes(JsonFields& fields) {
  Item item;
  item.external_id = "place";
  const Json* attributes = fields.Find("attributes");
  if (attributes == nullptr) return {};
  if (!attributes->is_object()) {
    fields.FailField("attributes", "must be an object, like {\"smoking\": false}");
    return {};
  }
  for (const auto& [name, value] : attributes->items()) {
    Result<Value> read = ValueFromJson(value);
    if (!read.ok()) fields.FailField(("attributes." + name).c_str(), read.status().message());
    if (read.ok()) item.attributes.emplace(name, read.Take());
  }
  const Status valid = ValidateOperation(PutItem{item});
  if (!valid.ok()) fields.FailField("attributes", "are not what an item may have: " + valid.message());
  return std::move(item.attributes);
}

void ReadPlaces(JsonFields& parent, const char* list, bool slots, std::vector<AssignPlace>* places) {
  const std::vector<const Json*> entries = parent.Objects(list, limits::kAssignPlacesMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields fields(*entries[i], parent.Place(list, i));
    AssignPlace place;
    if (!slots) place.item = fields.Id("itemId").value_or("");
    place.id = fields.Text("name", limits::kExternalIdBytesMax).value_or(place.item);
    if (place.id.empty()) fields.FailField("name", slots ? "is missing" : "is missing: give a name, or an itemId");
    if (const auto capacity = fields.Count("capacity", 0, kCapacityMax)) {
      place.capacity = static_cast<uint32_t>(*capacity);
    }
    place.attributes = ReadAttributes(fields);
    if (slots) place.at = fields.Time("at");
    if (slots && !place.at) fields.FailField("at", "is missing: when the contact begins, like 2026-03-02T10:00:00Z");
    parent.Fail(fields.Finish());
    places->push_back(std::move(place));
  }
}

void ReadContact(JsonFields& parent, AssignRequest* request) {
  const Json* contact = parent.Find("contact");
  const bool has_places = parent.Find("places") != nullptr;
  if ((contact != nullptr) == has_places) {
    return parent.FailField("places", "or contact with slots: send one of the two");
  }
  if (has_places) return ReadPlaces(parent, "places", false, &request->places);
  JsonFields fields(*contact, "contact.");
  request->channel = fields.RequiredText("channel", limits::kExternalIdBytesMax);
  request->purpose = fields.Text("purpose", limits::kExternalIdBytesMax).value_or(request->purpose);
  ReadPlaces(fields, "slots", true, &request->places);
  parent.Fail(fields.Finish());
}

std::optional<CustomerRef> ReadCustomer(JsonFields& parent, const std::string& where) {
  const Json* customer = parent.Find("customer");
  if (customer == nullptr) return std::nullopt;
  const Result<CustomerNames> names = CustomerNamesFromJson(*customer, where + "customer.");
  parent.Fail(names.status());
  if (!names.ok()) return std::nullopt;
  if (names->user_id && names->anonymous_id) {
    parent.FailField("customer", "must have userId or anonymousId, not both");
  }
  if (names->user_id) return CustomerRef{CustomerNamespace::kUser, *names->user_id};
  return CustomerRef{CustomerNamespace::kAnonymous, *names->anonymous_id};
}

AssignGuest ReadGuest(const Json& json, const std::string& where, JsonFields& parent) {
  JsonFields fields(json, where);
  AssignGuest guest;
  guest.name = fields.RequiredText("name", limits::kExternalIdBytesMax);
  guest.customer = ReadCustomer(fields, where);
  guest.must = fields.Text("must", limits::kFilterBytesMax).value_or("");
  guest.worth = fields.Number("worth", 0, kWorthMax).value_or(0);
  const std::vector<const Json*> wishes = fields.Objects("prefer", limits::kAssignWishesMax);
  for (size_t i = 0; i < wishes.size(); ++i) {
    JsonFields wish(*wishes[i], fields.Place("prefer", i));
    guest.wishes.push_back({wish.RequiredText("filter", limits::kFilterBytesMax),
                            wish.Number("worth", 0, kWorthMax).value_or(AssignWish().worth)});
    fields.Fail(wish.Finish());
  }
  const std::vector<const Json*> worths = fields.Objects("worths", limits::kAssignPlacesMax);
  for (size_t i = 0; i < worths.size(); ++i) {
    JsonFields one(*worths[i], fields.Place("worths", i));
    const std::string place = one.RequiredText("place", limits::kExternalIdBytesMax);
    const auto worth = one.Number("worth", 0, kWorthMax);
    if (!worth) one.FailField("worth", "is missing: what this place is worth for the guest");
    if (!guest.worth_by_place.emplace(place, worth.value_or(0)).second) {
      one.FailField("place", "stands there twice; say one worth");
    }
    fields.Fail(one.Finish());
  }
  parent.Fail(fields.Finish());
  return guest;
}

void WriteGuest(JsonWriter& out, const AssignRequest& request, const AssignGuest& asked, const AssignedGuest& guest) {
  out.BeginObject().Key("guest").String(asked.name);
  if (asked.customer) out.Key("known").Bool(guest.known);
  if (guest.place == Assignment::kNoPlace) {
    out.Key("because").String(AssignmentOutcomeName(guest.outcome));
  } else {
    const AssignPlace& place = request.places[guest.place];
    out.Key("place").String(place.id);
    if (place.at) out.Key("at").Time(*place.at);
    out.Key("worth").Number(guest.worth);
  }
  out.Key("wishes").BeginArray();
  for (size_t w = 0; w < asked.wishes.size(); ++w) {
    out.BeginObject().Key("filter").String(asked.wishes[w].filter).Key("worth").Number(asked.wishes[w].worth);
    out.Key("outcome").String(WishOutcomeName(guest.wishes[w])).EndObject();
  }
  out.EndArray().Key("forbidden").BeginArray();
  for (const auto& [reason, places] : guest.forbidden) {
    out.BeginObject().Key("reason").String(reason).Key("places").Unsigned(places).EndObject();
  }
  out.EndArray();
  if (!guest.taken.empty()) {
    out.Key("taken").BeginArray();
    for (const uint32_t p : guest.taken) out.String(request.places[p].id);
    out.EndArray();
  }
  out.EndObject();
}

std::string NumberText(double value) { return JsonWriter(32).Number(value).Take(); }

}  // namespace

Result<AssignRequest> ReadAssignRequest(std::string_view json, Timestamp now) {
  const Result<Json> body = ParseJsonBody(json);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  AssignRequest request;
  request.now = now;
  ReadContact(fields, &request);
  const std::vector<const Json*> guests = fields.Objects("guests", limits::kAssignGuestsMax);
  for (size_t i = 0; i < guests.size(); ++i) {
    request.guests.push_back(ReadGuest(*guests[i], fields.Place("guests", i), fields));
  }
  const std::string first = fields.Text("first", limits::kShortTextBytesMax).value_or("guests");
  if (first != "guests" && first != "worth") fields.FailField("first", "must be guests or worth");
  request.most_guests = first == "guests";
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  return request;
}

std::string AssignAnswerToJson(const AssignRequest& request, const AssignAnswer& answer) {
  JsonWriter out(4096);
  out.BeginObject().Key("placed").Unsigned(answer.placed);
  out.Key("unplaced").Unsigned(answer.guests.size() - answer.placed).Key("worth").Number(answer.worth);
  out.Key("firstCome").BeginObject().Key("placed").Unsigned(answer.first_come_placed);
  out.Key("worth").Number(answer.first_come_worth).EndObject();
  out.Key("guests").BeginArray();
  for (size_t g = 0; g < answer.guests.size(); ++g) WriteGuest(out, request, request.guests[g], answer.guests[g]);
  out.EndArray().Key("places").BeginArray();
  for (size_t p = 0; p < answer.by_place.size(); ++p) {
    out.BeginObject().Key("place").String(request.places[p].id).Key("capacity").Unsigned(answer.capacity[p]);
    out.Key("left").Unsigned(answer.capacity[p] - answer.by_place[p].size()).Key("guests").BeginArray();
    for (const uint32_t g : answer.by_place[p]) out.String(request.guests[g].name);
    out.EndArray().EndObject();
  }
  return out.EndArray().EndObject().Take();
}

std::string AssignAnswerToText(const AssignRequest& request, const AssignAnswer& answer) {
  std::string out;
  for (size_t g = 0; g < answer.guests.size(); ++g) {
    const AssignGuest& asked = request.guests[g];
    const AssignedGuest& guest = answer.guests[g];
    out += asked.name + ": ";
    if (guest.place == Assignment::kNoPlace) {
      out += std::string("nothing: ") + AssignmentOutcomeName(guest.outcome);
      for (const uint32_t p : guest.taken) out += (p == guest.taken[0] ? "; taken: " : ", ") + request.places[p].id;
    } else {
      out += request.places[guest.place].id + ", worth " + NumberText(guest.worth);
    }
    for (size_t w = 0; w < asked.wishes.size(); ++w) {
      out += "; " + asked.wishes[w].filter + ": " + WishOutcomeName(guest.wishes[w]);
    }
    for (const auto& [reason, places] : guest.forbidden) {
      out += "; forbidden: " + reason + " " + std::to_string(places);
    }
    out += "\n";
  }
  return out + std::to_string(answer.placed) + " of " + std::to_string(answer.guests.size()) + " placed, worth " +
         NumberText(answer.worth) + "; first come, first served: " + std::to_string(answer.first_come_placed) +
         ", worth " + NumberText(answer.first_come_worth) + "\n";
}

}  // namespace rapport

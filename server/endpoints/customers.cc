// The record of one customer: GET /v1/customers/{id} and its /events and /export; PUT its /consents and
// /personalization. {id} is a user id, or an anonymous one with ?namespace=anonymous; a customer is read with every
// identity that is linked to it.
#include <algorithm>

#include "base/limits.h"
#include "data/io/json_records.h"
#include "data/io/json_text.h"
#include "data/io/segment_json.h"
#include "server/endpoints/consent_ledger.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kEventsLimitDefault = 100;
constexpr size_t kExportEventsMax = 1000000;
constexpr size_t kConsentsPerPutMax = 100;

Result<CustomerRef> RefOfPath(const Request& request) {
  CustomerRef ref;
  ref.external_id = request.Parameter("id");
  RAPPORT_RETURN_IF_ERROR(CheckId(ref.external_id, "the customer's id"));
  const std::string& space = request.Query("namespace");
  if (space == "anonymous") {
    ref.name_space = CustomerNamespace::kAnonymous;
  } else if (!space.empty() && space != "user") {
    return Status::InvalidArgument("namespace must be user or anonymous, not " + QuoteForMessage(space));
  }
  return ref;
}

// A customer with all its identities, read at one commit.
struct Whole {
  std::unique_ptr<Snapshot> snapshot;
  CustomerId root;
  std::vector<Profile> profiles;  // root first
  std::vector<Consent> ledger;    // of all identities, by time
};

Result<Whole> ReadWhole(const Store& store, const CustomerRef& ref) {
  Whole whole;
  whole.snapshot = store.GetSnapshot();
  const Snapshot* snapshot = whole.snapshot.get();
  const std::optional<CustomerId> found = store.FindCustomer(ref, snapshot);
  if (!found) {
    const bool user = ref.name_space == CustomerNamespace::kUser;
    return Status::NotFound("there is no " + std::string(user ? "user " : "anonymous customer ") +
                            QuoteForMessage(ref.external_id) +
                            (user ? ": anonymous ones need ?namespace=anonymous" : ": users need no ?namespace"));
  }
  whole.root = store.Root(*found, snapshot);
  const std::vector<CustomerId> members = store.Members(whole.root, snapshot);
  for (const CustomerId member : members) {
    Result<Profile> profile = store.GetProfile(member, snapshot);
    if (!profile.ok()) return profile.status();
    whole.profiles.push_back(profile.Take());
  }
  whole.ledger = LedgerOf(store, members, snapshot);
  return whole;
}

// What is known of the parts, as one: the root's word first, then the oldest identity's.
Profile Merge(const std::vector<Profile>& parts) {
  Profile whole = parts.front();
  for (const Profile& part : parts) {
    if (whole.time_zone.empty()) whole.time_zone = part.time_zone;
    if (whole.locale.empty()) whole.locale = part.locale;
    if (whole.country.empty()) whole.country = part.country;
    if (part.personalization == Personalization::kOff) whole.personalization = Personalization::kOff;
    whole.traits.insert(part.traits.begin(), part.traits.end());
    whole.audiences.insert(whole.audiences.end(), part.audiences.begin(), part.audiences.end());
    whole.created_at = std::min(whole.created_at, part.created_at);
    whole.updated_at = std::max(whole.updated_at, part.updated_at);
  }
  std::sort(whole.audiences.begin(), whole.audiences.end());
  whole.audiences.erase(std::unique(whole.audiences.begin(), whole.audiences.end()), whole.audiences.end());
  return whole;
}

// The profile's shape of data/io/json_records.h, with what is in force and the identities it is made of.
Json RecordOf(const Whole& whole) {
  Json record = ProfileToJson(Merge(whole.profiles), ConsentsInForce(whole.ledger));
  Json& identities = record["identities"] = Json::array();
  for (const Profile& part : whole.profiles) SetCustomer(part.ref, &identities.emplace_back(Json::object()));
  return record;
}

Result<Response> GetCustomer(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"namespace"}));
  const Result<CustomerRef> ref = RefOfPath(request);
  if (!ref.ok()) return ref.status();
  const Result<Whole> whole = ReadWhole(store, *ref);
  if (!whole.ok()) return whole.status();
  return JsonResponse(200, DumpJson(RecordOf(*whole)));
}

// The stored event as it could be sent and imported again.
Result<Json> JsonOfEvent(const Event& event, const Whole& whole, const Catalog& catalog) {
  AppendEvent append;
  append.event = event;
  for (const Profile& part : whole.profiles) {
    if (part.id == event.customer) append.customer = part.ref;
  }
  for (const ItemLine& line : event.lines) {
    const Item* item = catalog.Get(line.item);
    if (item == nullptr) return Status::DataLoss("an event names an item that the catalogue does not know");
    append.lines.push_back({item->external_id, line.quantity, line.price});
  }
  Result<Json> json = EventToJson(append);
  if (json.ok() && event.time_mark == TimeMark::kClamped) (*json)["timeClamped"] = true;
  return json;
}

// Newest first.
Status WriteEvents(JsonWriter& out, const Store& store, const Whole& whole, size_t max_events) {
  const Result<std::vector<Event>> events = store.ReadEvents(whole.root, max_events, whole.snapshot.get());
  if (!events.ok()) return events.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  out.BeginArray();
  for (auto event = events->rbegin(); event != events->rend(); ++event) {
    const Result<Json> json = JsonOfEvent(*event, whole, *catalog);
    if (!json.ok()) return json.status();
    out.Raw(DumpJson(*json));
  }
  out.EndArray();
  return Status::Ok();
}

Result<Response> GetEvents(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"namespace", "limit"}));
  const Result<CustomerRef> ref = RefOfPath(request);
  if (!ref.ok()) return ref.status();
  size_t limit = kEventsLimitDefault;
  if (request.query.contains("limit")) {
    const Result<size_t> asked = ParseCount(request.Query("limit"), "limit", 1, limits::kHistoryEventsMax);
    if (!asked.ok()) return asked.status();
    limit = *asked;
  }
  const Result<Whole> whole = ReadWhole(store, *ref);
  if (!whole.ok()) return whole.status();
  JsonWriter out;
  out.BeginObject().Key("events");
  RAPPORT_RETURN_IF_ERROR(WriteEvents(out, store, *whole, limit));
  return JsonResponse(200, out.EndObject().Take());
}

// Everything that is kept about a customer, in one document.
Result<Response> Export(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"namespace"}));
  const Result<CustomerRef> ref = RefOfPath(request);
  if (!ref.ok()) return ref.status();
  const Result<Whole> whole = ReadWhole(store, *ref);
  if (!whole.ok()) return whole.status();
  JsonWriter out(1 << 16);
  out.BeginObject().Key("exportedAt").Time(request.received_at).Key("customer").Raw(DumpJson(RecordOf(*whole)));
  out.Key("consentLedger").BeginArray();
  for (const Consent& consent : whole->ledger) out.Raw(DumpJson(ConsentToJson(consent)));
  out.EndArray().Key("decisions").BeginArray();
  RAPPORT_RETURN_IF_ERROR(store.ForEachDecision(
      [&](const Decision& decision) {
        const bool theirs = std::any_of(whole->profiles.begin(), whole->profiles.end(),
                                        [&](const Profile& part) { return part.id == decision.customer; });
        if (!theirs) return true;
        out.BeginObject().Key("decisionId").String(decision.id).Key("time").Time(decision.time);
        out.Key("generation").Unsigned(decision.generation);
        if (!decision.body.empty()) out.Key("decision").Raw(decision.body);
        out.EndObject();
        return true;
      },
      whole->snapshot.get()));
  out.EndArray().Key("events");
  RAPPORT_RETURN_IF_ERROR(WriteEvents(out, store, *whole, kExportEventsMax));
  return JsonResponse(200, out.EndObject().Take());
}

// A slip in a channel's name would be a consent that is never found, or a withdrawal that is not heard. What the
// customer's ledger names may be withdrawn all the same: the shop may have the channel no more, and have it again.
Status CheckChannelOf(const Consent& consent, const CustomerRef& ref, const Engine& engine) {
  Status known = CheckConsentChannel(consent, *engine.contact_settings());
  const Store& store = engine.store();
  const std::optional<CustomerId> customer = known.ok() || consent.given ? std::nullopt : store.FindCustomer(ref);
  if (!customer) return known;
  const std::vector<Consent> ledger = LedgerOf(store, store.Members(store.Root(*customer)), nullptr);
  const bool named =
      std::any_of(ledger.begin(), ledger.end(), [&](const Consent& other) { return other.channel == consent.channel; });
  return named ? Status::Ok() : known;
}

// One consent or an array; all are taken or none.
Result<std::vector<Operation>> ConsentsOfBody(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"namespace"}));
  const Result<CustomerRef> ref = RefOfPath(request);
  if (!ref.ok()) return ref.status();
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  const Json list = body->is_array() ? *body : Json::array({*body});
  if (list.empty() || list.size() > kConsentsPerPutMax) {
    return Status::InvalidArgument("the body must be one consent or 1 to " + std::to_string(kConsentsPerPutMax));
  }
  std::vector<Operation> operations;
  for (size_t i = 0; i < list.size(); ++i) {
    Result<Consent> consent = ConsentFromJson(list[i]);
    Status good = consent.ok() ? CheckChannelOf(*consent, *ref, engine) : consent.status();
    if (!good.ok()) return Status(good.code(), "[" + std::to_string(i) + "] " + good.message());
    // Without a time it counts from now; one that would start later is none yet.
    const Timestamp now = request.received_at;
    consent->time = list[i].contains("time") ? std::min(consent->time, now) : now;
    operations.push_back(RecordConsent{*ref, consent.Take()});
    RAPPORT_RETURN_IF_ERROR(ValidateOperation(operations.back()));
  }
  return operations;
}

Result<std::vector<Operation>> PersonalizationOfBody(const Engine&, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"namespace"}));
  const Result<CustomerRef> ref = RefOfPath(request);
  if (!ref.ok()) return ref.status();
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::string word = fields.RequiredText("personalization", limits::kShortTextBytesMax);
  if (word != "on" && word != "off") fields.FailField("personalization", "must be \"on\" or \"off\"");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  const Personalization value = word == "off" ? Personalization::kOff : Personalization::kOn;
  return std::vector<Operation>{SetPersonalization{*ref, value, request.received_at}};
}

// A PUT whose body becomes operations; answers when they are durable.
Handler PutHandler(Engine& engine, Result<std::vector<Operation>> (*read)(const Engine&, const Request&)) {
  return [&engine, read](const Request& request, Responder respond) {
    Result<std::vector<Operation>> operations = read(engine, request);
    if (!operations.ok()) return respond(ProblemResponse(operations.status()));
    ApplyThenAnswer(engine.store(), operations.Take(), std::move(respond),
                    [](const std::vector<OperationResult>& results) {
                      return AnswerOfOne(results, JsonResponse(200, "{\"success\":true}"));
                    });
  };
}

}  // namespace

void AddCustomerRoutes(RouteTable& table, const EndpointContext& context) {
  Store& store = context.engine.store();
  using Read = Result<Response> (*)(const Store&, const Request&);
  const auto get = [&](const char* pattern, Read read, Work work) {
    table.Add({Method::kGet, pattern, Scope::kCustomers,
               Synchronous([&store, read](const Request& request) { return read(store, request); }), Browsers::kRefused,
               work});
  };
  get("/v1/customers/{id}", &GetCustomer, Work::kShort);
  get("/v1/customers/{id}/events", &GetEvents, Work::kShort);
  get("/v1/customers/{id}/export", &Export, Work::kLong);
  table.Add(
      {Method::kPut, "/v1/customers/{id}/consents", Scope::kCustomers, PutHandler(context.engine, &ConsentsOfBody)});
  table.Add({Method::kPut, "/v1/customers/{id}/personalization", Scope::kCustomers,
             PutHandler(context.engine, &PersonalizationOfBody)});
}

}  // namespace rapport

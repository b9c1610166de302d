// POST /v1/context: a whole page in one round trip.
//
//   events in -> on the disk -> every placement, the decision and what is known of the customer, as of after the events
//
// Everything that can be wrong with the question is found before the first event is written: a request that is answered
// 400 or 403 has kept nothing. A bad event is told beside the lists and takes neither the page nor the other events
// with it. Lists are never computed on the committer's thread (Responder::Continue).
#include <memory>
#include <set>

#include "base/limits.h"
#include "data/io/json_records.h"
#include "data/io/json_text.h"
#include "server/endpoints/consent_ledger.h"
#include "server/endpoints/decision_question.h"
#include "server/endpoints/event_intake.h"
#include "server/endpoints/question_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

// Shared by the requests of this route.
struct ContextRoute {
  const Engine& engine;
  EventTable table = DefaultEventTable();
};

// A page as it was asked for; names and fields are parallel to page.placements. Shared by the steps of one request.
struct PageQuestion {
  TogetherRequest page;
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> return_fields;
  CustomerNames customer;  // whom they mean is asked again once the events are written: they may link identities
  std::optional<DecisionQuestion> decision;
  std::optional<EventIntake> events;
  std::string told_of_events;  // JSON
};

void ReadPlacements(JsonFields& fields, PageQuestion* question) {
  const std::vector<const Json*> entries = fields.Objects("placements", limits::kPlacementsMax);
  if (entries.empty()) fields.FailField("placements", "is missing: name at least one, like [{\"name\": \"top\"}]");
  std::set<std::string> names;
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields entry(*entries[i], fields.Place("placements", i));
    const std::string name = entry.RequiredText("name", limits::kShortTextBytesMax);
    if (!names.insert(name).second) entry.FailField("name", "stands there twice: give each placement its own");
    RecommendRequest one;
    ReadWhatToShow(entry, &one);
    ReadLayout(entry, &one);
    question->names.push_back(name);
    question->return_fields.push_back(ReadReturn(entry));
    one.note = NoteOfReturn(question->return_fields.back());
    question->page.placements.push_back(std::move(one));
    fields.Fail(entry.Finish());
  }
}

Status NeedsScope(const Identity& identity, Scope scope, const char* member) {
  if (identity.Has(scope)) return Status::Ok();
  return {StatusCode::kPermissionDenied,
          std::string(member) + ": this key lacks the scope '" + ScopeName(scope) + "' that this part of a page needs"};
}

// An event that names nobody is the page's customer's.
void NameCustomer(const CustomerRef& customer, Json* event) {
  if (!event->is_object()) return;
  for (const char* key : {"userId", "anonymousId"}) {
    if (const auto named = event->find(key); named != event->end() && !named->is_null()) return;
  }
  (*event)[customer.name_space == CustomerNamespace::kUser ? "userId" : "anonymousId"] = customer.external_id;
}

Status ReadEvents(const ContextRoute& route, const Request& request, JsonFields& fields, Json* body,
                  PageQuestion* question) {
  const std::optional<Timestamp> sent_at = fields.Time("sentAt");
  if (fields.Find("events") == nullptr) return fields.status();
  RAPPORT_RETURN_IF_ERROR(fields.status());
  RAPPORT_RETURN_IF_ERROR(NeedsScope(request.identity, Scope::kEvents, "events"));
  Json& list = (*body)["events"];
  if (list.is_array() && question->page.customer) {
    for (Json& event : list) NameCustomer(*question->page.customer, &event);
  }
  SegmentReader reader(route.table, route.engine.store(), request.identity, request.received_at, sent_at);
  RAPPORT_RETURN_IF_ERROR(AddEntries(reader, &list, "events", &question->events.emplace()));
  NoteDoubts(route.engine, &*question->events);
  return Status::Ok();
}

Status ReadDecision(const Request& request, JsonFields& fields, PageQuestion* question) {
  const Json* wanted = fields.Find("decision");
  if (wanted == nullptr) return Status::Ok();
  RAPPORT_RETURN_IF_ERROR(NeedsScope(request.identity, Scope::kCampaigns, "decision"));
  JsonFields entry(*wanted, "decision.");
  question->decision = ReadDecisionQuestion(entry);
  RAPPORT_RETURN_IF_ERROR(entry.Finish());
  if (question->page.customer) return Status::Ok();
  return Status::InvalidArgument("customer is missing: a decision is about one, like {\"userId\": \"17850\"}");
}

// `customer`: as the store knows it now.
void AskFor(std::optional<CustomerRef> customer, Timestamp now, PageQuestion* question) {
  question->page.customer = std::move(customer);
  question->page.now = now;
  if (question->decision) question->decision->AskFor(*question->page.customer, now);
}

Status ReadCustomer(const Request& request, JsonFields& fields, const Store& store, PageQuestion* question) {
  if (const Json* customer = fields.Find("customer")) {
    Result<CustomerNames> named = CustomerNamesFromJson(*customer, "customer.");
    if (!named.ok()) return named.status();
    question->customer = named.Take();
  }
  Result<std::optional<CustomerRef>> meant = CustomerToServe(request, question->customer, store);
  if (!meant.ok()) return meant.status();
  question->page.customer = meant.Take();
  return Status::Ok();
}

// Everything that is wrong with the request for its own sake.
Result<std::shared_ptr<PageQuestion>> ReadPage(const ContextRoute& route, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  auto question = std::make_shared<PageQuestion>();
  JsonFields fields(*body, "");
  RAPPORT_RETURN_IF_ERROR(ReadCustomer(request, fields, route.engine.store(), question.get()));
  ReadPlacements(fields, question.get());
  const bool allowed = fields.Flag("allowDuplicates").value_or(false);
  question->page.duplicates = allowed ? Duplicates::kAllowed : Duplicates::kRefused;
  RAPPORT_RETURN_IF_ERROR(ReadDecision(request, fields, question.get()));
  RAPPORT_RETURN_IF_ERROR(ReadEvents(route, request, fields, &*body, question.get()));
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  AskFor(question->page.customer, request.received_at, question.get());
  const bool writes = question->events || question->decision;
  if (writes) RAPPORT_RETURN_IF_ERROR(route.engine.Check(question->page));
  if (question->decision) RAPPORT_RETURN_IF_ERROR(route.engine.Check(question->decision->question));
  return question;
}

// The ledger's word, for keys that may read the customer's record.
void WriteConsents(JsonWriter& out, const Store& store, const std::optional<CustomerRef>& customer) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const std::optional<CustomerId> known =
      customer ? store.FindCustomer(*customer, snapshot.get()) : std::optional<CustomerId>();
  std::vector<Consent> ledger;
  if (known) {
    const CustomerId root = store.Root(*known, snapshot.get());
    ledger = LedgerOf(store, store.Members(root, snapshot.get()), snapshot.get());
  }
  out.Key("consents").BeginArray();
  for (const Consent& consent : ConsentsInForce(ledger)) out.Raw(DumpJson(ConsentToJson(consent)));
  out.EndArray();
}

// Audiences are the shop's words about people: for server keys.
void WriteCustomer(JsonWriter& out, const CustomerSummary& customer, const Store& store, const PageQuestion& question,
                   const Identity& reader) {
  out.BeginObject().Key("known").Bool(customer.known).Key("identified").Bool(customer.identified);
  out.Key("personalization").String(customer.personalization == Personalization::kOn ? "on" : "off");
  if (!customer.time_zone.empty()) out.Key("timezone").String(customer.time_zone);
  if (!customer.locale.empty()) out.Key("locale").String(customer.locale);
  if (!customer.country.empty()) out.Key("country").String(customer.country);
  if (reader.kind == KeyKind::kServer) {
    out.Key("audiences").BeginArray();
    for (const std::string& audience : customer.audiences) out.String(audience);
    out.EndArray();
    if (reader.Has(Scope::kCustomers)) WriteConsents(out, store, question.page.customer);
  }
  out.EndObject();
}

// The answer but for its decision, as an open object.
Result<JsonWriter> WritePage(const Engine& engine, const PageQuestion& question, const Identity& reader) {
  const Result<TogetherResponse> answer = engine.Together(question.page);
  if (!answer.ok()) return answer.status();
  JsonWriter out(4096);
  WriteCustomer(out.BeginObject().Key("customer"), answer->customer, engine.store(), question, reader);
  out.Key("generation").Unsigned(answer->generation).Key("placements").BeginArray();
  for (size_t i = 0; i < question.names.size(); ++i) {
    out.BeginObject().Key("name").String(question.names[i]);
    WriteRecommendation(out, answer->placements[i], question.return_fields[i], reader);
    out.EndObject();
  }
  out.EndArray();
  if (question.events) out.Key("events").Raw(question.told_of_events);
  return out;
}

void AnswerPage(const Engine& engine, const Request& request, const PageQuestion& question, const Responder& respond) {
  Result<JsonWriter> page = WritePage(engine, question, request.identity);
  if (!page.ok()) return respond(ProblemResponse(page.status()));
  if (!question.decision) return respond(JsonResponse(200, page->EndObject().Take()));
  const auto open = std::make_shared<JsonWriter>(page.Take());
  DecideAndKeep(engine, *question.decision, [open, respond](Result<std::string> decision) {
    if (!decision.ok()) return respond(ProblemResponse(decision.status()));
    respond(JsonResponse(200, open->Key("decision").Raw(*decision).EndObject().Take()));
  });
}

// What became of the events, as /v1/batch tells it; the problem when the store failed: nothing of it is known to be
// kept.
std::optional<Response> TellOfEvents(const std::vector<OperationResult>& results, PageQuestion* question) {
  const EventOutcome outcome = OutcomeOf(*question->events, results);
  Response told = BatchAnswer(outcome.accepted, outcome.warnings, outcome.errors);
  if (told.status >= 500) return told;
  question->told_of_events = BatchBody(told.status == 200, outcome.warnings, outcome.errors);
  return std::nullopt;
}

void Context(const ContextRoute& route, const Request& request, const Responder& respond) {
  Result<std::shared_ptr<PageQuestion>> read = ReadPage(route, request);
  if (!read.ok()) return respond(ProblemResponse(read.status()));
  const std::shared_ptr<PageQuestion> question = read.Take();
  std::vector<Operation> operations;
  if (question->events) operations = std::move(question->events->operations);
  if (operations.empty()) {
    if (question->events) (void)TellOfEvents({}, question.get());
    return AnswerPage(route.engine, request, *question, respond);
  }
  const auto go_on = [&engine = route.engine, &request, question, respond] {
    Result<std::optional<CustomerRef>> customer = CustomerToServe(request, question->customer, engine.store());
    if (!customer.ok()) return respond(ProblemResponse(customer.status()));
    AskFor(customer.Take(), request.received_at, question.get());
    AnswerPage(engine, request, *question, respond);
  };
  route.engine.store().Apply(std::move(operations),
                             [question, respond, go_on](Result<std::vector<OperationResult>> results) {
                               if (!results.ok()) return respond(ProblemResponse(results.status()));
                               if (std::optional<Response> failed = TellOfEvents(*results, question.get()))
                                 return respond(std::move(*failed));
                               respond.Continue(go_on);
                             });
}

}  // namespace

void AddContextRoute(RouteTable& table, const EndpointContext& context) {
  const auto route = std::make_shared<const ContextRoute>(ContextRoute{context.engine});
  table.Add({Method::kPost, "/v1/context", Scope::kRecommend,
             [route](const Request& request, const Responder& respond) { Context(*route, request, respond); },
             Browsers::kAllowed});
}

}  // namespace rapport

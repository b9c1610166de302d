// POST /v1/identify, track, page, screen, group, alias, batch: Segment's HTTP API. 200 means that every good entry is
// on the disk. A batch keeps its good entries and lists the bad ones; 400 only when none was good: Segment's clients
// drop what is answered 400 and send again what is answered 5xx, and a repeated entry is known by its messageId.
//
// GET /v1/events/types: the table of data/io/event_table.h as it is in force.
#include <memory>

#include "data/io/event_table.h"
#include "server/endpoints/event_intake.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/segment.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

// Shared by the handlers of this file.
struct EventsContext {
  Engine& engine;
  Store& store = engine.store();
  EventTable table = DefaultEventTable();
};

Response BatchAnswerOf(const EventIntake& intake, const std::vector<OperationResult>& results) {
  const EventOutcome outcome = OutcomeOf(intake, results);
  return BatchAnswer(outcome.accepted, outcome.warnings, outcome.errors);
}

Response SingleAnswerOf(const EventIntake& intake, const std::vector<OperationResult>& results) {
  Response response = BatchAnswerOf(intake, results);
  if (response.status == 200) return response;
  for (size_t i = 0; i < results.size(); ++i) {
    const Status& status = results[i].status;
    if (status.ok() || intake.tolerated[i]) continue;
    // A customer's own limit (identities, traits) does not go away by sending it again, as 503 would say.
    if (status.code() == StatusCode::kResourceExhausted) {
      return ProblemResponse(Status::FailedPrecondition(status.message()));
    }
    return ProblemResponse(status);
  }
  return intake.errors.empty() ? response : ProblemResponse(intake.errors[0].status);
}

using AnswerOf = Response (*)(const EventIntake&, const std::vector<OperationResult>&);

void Keep(const EventsContext& context, EventIntake intake, AnswerOf answer, Responder respond) {
  if (intake.operations.empty()) return respond(answer(intake, {}));
  NoteDoubts(context.engine, &intake);
  std::vector<Operation> operations = std::move(intake.operations);
  ApplyThenAnswer(context.store, std::move(operations), std::move(respond),
                  [intake = std::move(intake), answer](const std::vector<OperationResult>& results) {
                    return answer(intake, results);
                  });
}

Result<EventIntake> IntakeOfCall(const EventsContext& context, const Request& request, const char* type) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  if (body->is_object()) (*body)["type"] = type;
  EventIntake intake;
  SegmentReader reader(context.table, context.store, request.identity, request.received_at, std::nullopt);
  AddEntry(reader, body.Take(), &intake);
  return intake;
}

Result<EventIntake> IntakeOfBatch(const EventsContext& context, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::optional<Timestamp> sent_at = fields.Time("sentAt");
  RAPPORT_RETURN_IF_ERROR(fields.status());
  const auto batch = body->find("batch");
  if (batch == body->end()) return Status::InvalidArgument("batch must be an array of events");
  EventIntake intake;
  SegmentReader reader(context.table, context.store, request.identity, request.received_at, sent_at);
  RAPPORT_RETURN_IF_ERROR(AddEntries(reader, &*batch, "batch", &intake));
  return intake;
}

const char* PlaceName(ItemPlace place) {
  return place == ItemPlace::kNone ? "none" : place == ItemPlace::kSingle ? "single" : "products";
}

Result<Response> EventTypes(const EventTable& table, const EventWeights& weights, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  JsonWriter out;
  out.BeginObject().Key("historyHalfLifeDays").Number(weights.history_half_life_days);
  out.Key("types").BeginArray();
  for (const EventTableRow& row : table.rows) {
    out.BeginObject().Key("event").String(row.name).Key("type").String(EventTypeName(row.type));
    out.Key("weight").Number(weights.by_type[static_cast<size_t>(row.type)]);
    out.Key("items").String(PlaceName(row.place)).EndObject();
  }
  for (const auto& [name, weight] : weights.by_name) {
    out.BeginObject().Key("event").String(name).Key("type").String(EventTypeName(EventType::kCustom));
    out.Key("weight").Number(weight).Key("items").String(PlaceName(ItemPlace::kSingle)).EndObject();
  }
  return JsonResponse(200, out.EndArray().EndObject().Take());
}

}  // namespace

void AddEventRoutes(RouteTable& table, const EndpointContext& context) {
  const auto events = std::make_shared<const EventsContext>(EventsContext{context.engine});
  // Segment's Node client 2.0 to 2.3 sends its key as `writeKey` in the body and nowhere else.
  const auto add = [&](const std::string& pattern, Handler handler) {
    table.Add({Method::kPost, pattern, Scope::kEvents, std::move(handler), Browsers::kAllowed}).key_place =
        KeyPlace::kHeadersOrBody;
  };
  for (const char* type : {"identify", "track", "page", "screen", "group", "alias"}) {
    add(std::string("/v1/") + type, [events, type](const Request& request, Responder respond) {
      Result<EventIntake> intake = IntakeOfCall(*events, request, type);
      if (!intake.ok()) return respond(ProblemResponse(intake.status()));
      Keep(*events, intake.Take(), &SingleAnswerOf, std::move(respond));
    });
  }
  add("/v1/batch", [events](const Request& request, Responder respond) {
    Result<EventIntake> intake = IntakeOfBatch(*events, request);
    if (!intake.ok()) return respond(ProblemResponse(intake.status()));
    Keep(*events, intake.Take(), &BatchAnswerOf, std::move(respond));
  });
  const EventWeights& weights = context.engine.options().weights;
  table.Add({Method::kGet, "/v1/events/types", Scope::kEvents, Synchronous([events, &weights](const Request& request) {
               return EventTypes(events->table, weights, request);
             })});
}

}  // namespace rapport

// /healthz, /readyz and /metrics.
//
// Ready means: pages can be answered and events kept. What is missing is listed; having no model in service is said but
// is no reason to be unready: pages are answered from sessions, neighbours and popularity.
#include "server/endpoints/endpoints.h"
#include "server/endpoints/json_writer.h"
#include "server/problem.h"

namespace rapport {

namespace {

void AnswerReady(const Engine& engine, const Status& writable, const Responder& respond) {
  const uint64_t generation = engine.models()->generation;
  JsonWriter out;
  out.BeginObject().Key("ready").Bool(writable.ok());
  out.Key("store").BeginObject().Key("writable").Bool(writable.ok()).EndObject();
  out.Key("model").BeginObject().Key("inService").Bool(generation != 0).Key("generation").Unsigned(generation);
  if (!engine.startup_note().empty()) out.Key("note").String(engine.startup_note());
  out.EndObject();
  out.Key("missing").BeginArray();
  if (!writable.ok()) out.String("the store: " + writable.message());
  out.EndArray().EndObject();
  Response response = JsonResponse(writable.ok() ? 200 : 503, out.Take());
  if (!writable.ok()) response.headers.emplace_back("Retry-After", "1");
  respond(std::move(response));
}

}  // namespace

void AddHealthRoutes(RouteTable& table, const EndpointContext& context, std::optional<Scope> metrics_scope) {
  table.Add({Method::kGet, "/healthz", std::nullopt,
             [](const Request&, Responder respond) { respond(JsonResponse(200, R"({"status":"ok"})")); }});
  // An empty batch travels the whole write path: queue, committer, disk.
  table.Add({Method::kGet, "/readyz", std::nullopt, [&engine = context.engine](const Request&, Responder respond) {
               engine.store().Apply({}, [&engine, respond](const Result<std::vector<OperationResult>>& done) {
                 AnswerReady(engine, done.ok() ? engine.store().Health() : done.status(), respond);
               });
             }});
  table.Add({Method::kGet, "/metrics", metrics_scope, [&metrics = context.metrics](const Request&, Responder respond) {
               Response response = JsonResponse(200, metrics.Render());
               response.content_type = "text/plain; version=0.0.4; charset=utf-8";
               respond(std::move(response));
             }});
}

}  // namespace rapport

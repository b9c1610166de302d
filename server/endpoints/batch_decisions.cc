// Batches of decisions, scope campaigns:
//   POST /v1/decisions/batch              {"name", "customers": "all" | ["7", ...], "items": [...]} -> 202 {"id"}
//   GET  /v1/decisions/batch/{id}         state, totals, price of each limit, why the others get nothing
//   GET  /v1/decisions/batch/{id}/plan    ?page=0, a line of JSON per customer; ?format=csv: as `rapport decide` writes
//   it
// Every decision is kept (GET /v1/decisions/{id}). The same name again goes on with a batch that was cut off and
// repeats nothing.
#include <memory>

#include "base/crypto.h"
#include "base/limits.h"
#include "server/batch_jobs.h"
#include "server/batch_record_json.h"
#include "server/contact_settings_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kChannelsOfBatchMax = 64;
constexpr size_t kBodyBytesMax = 64u << 20;  // a million customers by name
constexpr size_t kSeedMax = size_t{1} << 53;

struct AskedBatch {
  std::string name;
  BatchRequest request;
  std::shared_ptr<const ContactSettings> settings;  // null: those in force
};

void ReadCustomers(JsonFields& fields, BatchRequest* request) {
  const Json* customers = fields.Find("customers");
  if (customers == nullptr || (customers->is_string() && *customers == "all")) {
    request->everybody = true;
    return;
  }
  if (!customers->is_array()) return fields.FailField("customers", "must be \"all\" or an array of user ids");
  for (std::string& id : fields.Ids("customers", limits::kBatchCustomersMax)) {
    request->customers.push_back({CustomerNamespace::kUser, std::move(id)});
  }
  if (request->customers.empty()) fields.FailField("customers", "must name at least one user id");
}

// {"limits": {...}} like PUT /v1/limits, for this batch only.
Status ReadOwnLimits(const Engine& engine, JsonFields& fields, AskedBatch* asked) {
  const Json* own = fields.Find("limits");
  if (own == nullptr) return Status::Ok();
  ContactSettings settings = *engine.contact_settings();
  const Status read = ReadLimits(own->dump(), &settings);
  if (!read.ok()) return Status(read.code(), "limits: " + read.message());
  RAPPORT_RETURN_IF_ERROR(Validate(settings));
  RAPPORT_RETURN_IF_ERROR(CheckStockItems(settings, *engine.store().catalog()));
  asked->settings = std::make_shared<const ContactSettings>(std::move(settings));
  return Status::Ok();
}

Result<AskedBatch> ReadBatch(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  AskedBatch asked;
  BatchRequest& batch = asked.request;
  batch.now = request.received_at;
  const std::optional<std::string> name = fields.Text("name", limits::kShortTextBytesMax);
  if (name && name->empty()) fields.FailField("name", "must not be empty: leave it out to have one made");
  asked.name = name.value_or("");
  ReadCustomers(fields, &batch);
  batch.items = fields.Ids("items", limits::kBatchContentsMax);
  if (batch.items.empty()) fields.FailField("items", "must name at least one content to choose from");
  batch.channels = fields.Texts("channels", kChannelsOfBatchMax, limits::kExternalIdBytesMax);
  batch.purpose = fields.Text("purpose", limits::kExternalIdBytesMax).value_or(batch.purpose);
  if (batch.purpose.empty() || batch.purpose == "*")
    fields.FailField("purpose", "must name one purpose, like marketing");
  batch.from = fields.Time("from");  // past: now, so that a batch that was cut off can go on
  batch.content_model = fields.Flag("contentModel").value_or(true);
  batch.options.seed = fields.Count("seed", 0, kSeedMax).value_or(batch.options.seed);
  batch.options.temperature = fields.Number("temperature", 0, 1e6).value_or(batch.options.temperature);
  batch.options.exploration = fields.Number("exploration", 0, 1).value_or(batch.options.exploration);
  RAPPORT_RETURN_IF_ERROR(ReadOwnLimits(engine, fields, &asked));
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  if (asked.name.empty()) {
    const Digest256 digest = Sha256(request.body + std::to_string(request.received_at.ms));
    asked.name = "b-" + ToHex({reinterpret_cast<const char*>(digest.data()), 8});
  }
  return asked;
}

Result<Response> StartBatch(const Engine& engine, BatchJobs& jobs, const Request& request) {
  Result<AskedBatch> asked = ReadBatch(engine, request);
  if (!asked.ok()) return asked.status();
  const std::string name = asked->name;
  RAPPORT_RETURN_IF_ERROR(jobs.Start(name, std::move(asked->request), std::move(asked->settings)));
  JsonWriter out;
  out.BeginObject().Key("id").String(name).EndObject();
  Response response = JsonResponse(202, out.Take());
  response.headers.emplace_back("Location", "/v1/decisions/batch/" + name);
  return response;
}

Result<BatchJobs::Seen> FindBatch(const BatchJobs& jobs, const Request& request) {
  const std::string& id = request.Parameter("id");
  const Result<std::optional<BatchJobs::Seen>> seen = jobs.Find(id);
  if (!seen.ok()) return seen.status();
  if (!*seen) return Status::NotFound("no batch " + QuoteForMessage(id));
  return **seen;
}

Result<Response> GetBatch(const BatchJobs& jobs, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<BatchJobs::Seen> seen = FindBatch(jobs, request);
  if (!seen.ok()) return seen.status();
  BatchRecord& record = seen->record;
  // Cut off with the process that ran it.
  if (record.state == BatchState::kRunning && !seen->runs_here) {
    record.state = BatchState::kFailed;
    record.problem = "it was cut off: send the same request under the same name to go on";
  }
  return JsonResponse(200, BatchRecordToJson(record));
}

Result<Response> GetPlan(const Store& store, const BatchJobs& jobs, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"page", "format"}));
  const std::string& format = request.Query("format");
  if (!format.empty() && format != "csv" && format != "ndjson") {
    return Status::InvalidArgument("format must be ndjson or csv");
  }
  const std::string& text = request.Query("page");
  const Result<size_t> page = text.empty() ? Result<size_t>(0) : ParseCount(text, "page", 0, size_t{1} << 32);
  if (!page.ok()) return page.status();
  const Result<BatchJobs::Seen> seen = FindBatch(jobs, request);
  if (!seen.ok()) return seen.status();
  const Result<std::vector<PlanLine>> lines = ReadPlanPage(store, request.Parameter("id"), *page);
  if (!lines.ok()) return lines.status();
  Response response;
  response.content_type = format == "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson";
  response.body = format == "csv" ? kPlanCsvHead + PlanPageToCsv(*lines) : PlanPageToJsonLines(*lines);
  return response;
}

}  // namespace

void AddBatchDecisionRoutes(RouteTable& table, const EndpointContext& context) {
  Engine& engine = context.engine;
  // Goes down with the table of routes, and so before the engine.
  const auto jobs = std::make_shared<BatchJobs>(engine, context.log);
  const auto add = [&table](Method method, const char* pattern,
                            std::function<Result<Response>(const Request&)> handle) -> Route& {
    return table.Add(
        {method, pattern, Scope::kCampaigns, Synchronous(std::move(handle)), Browsers::kRefused, Work::kLong});
  };
  add(Method::kPost, "/v1/decisions/batch", [&engine, jobs](const Request& request) {
    return StartBatch(engine, *jobs, request);
  }).body_bytes_max = kBodyBytesMax;
  add(Method::kGet, "/v1/decisions/batch/{id}", [jobs](const Request& request) { return GetBatch(*jobs, request); });
  add(Method::kGet, "/v1/decisions/batch/{id}/plan",
      [&engine, jobs](const Request& request) { return GetPlan(engine.store(), *jobs, request); });
}

}  // namespace rapport

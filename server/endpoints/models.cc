// /v1/models*, scope models:
//   GET  /v1/models                           -> {"inService", "models": [...], "training": {...}}
//   POST /v1/models/train                     options, all optional -> 202 {"job": 1}
//   POST /v1/models/register                  {"file", "report"}: a file in DATA/models -> 201 {"generation"}
//   POST /v1/models/{generation}/activate     0: none in service
//   GET  /v1/models/{generation}/report
//   GET  /v1/models/{generation}/file         the model file
#include "base/file.h"
#include "server/endpoints/endpoints.h"
#include "server/endpoints/support.h"
#include "server/models_json.h"
#include "server/training_jobs.h"

namespace rapport {

namespace {

constexpr uint64_t kModelFileBytesMax = uint64_t{4} << 30;
constexpr size_t kFactorsMax = 512;
constexpr size_t kEpochsMax = 1000;
constexpr size_t kSeedMax = size_t{1} << 53;
constexpr size_t kReportBytesMax = 1u << 20;

Response ListModels(const EndpointContext& context) {
  const TrainingJob job = context.training.last();
  return JsonResponse(200, ModelsToJson(context.engine.store().Models(), context.engine.models()->generation, &job));
}

Result<TrainOptions> ReadTrainOptions(const std::string& text) {
  TrainOptions options;
  if (text.empty()) return options;
  const Result<Json> body = ParseJsonBody(text);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  (void)fields.Text("model", limits::kShortTextBytesMax);
  options.als.factors = static_cast<int>(fields.Count("rank", 1, kFactorsMax).value_or(options.als.factors));
  options.als.epochs = static_cast<int>(fields.Count("epochs", 1, kEpochsMax).value_or(options.als.epochs));
  const std::optional<std::string> solver = fields.Text("solver", limits::kShortTextBytesMax);
  const std::optional<std::string> start = fields.Text("start", limits::kShortTextBytesMax);
  options.als.seed = fields.Count("seed", 0, kSeedMax).value_or(options.als.seed);
  options.holdout_days = fields.Number("holdoutDays", 0.01, 3650).value_or(options.holdout_days);
  if (!fields.Flag("blend").value_or(true)) options.blend_customers_max = 0;
  options.activate = fields.Flag("activate").value_or(true);
  if (fields.Flag("force").value_or(false)) options.gate = GateMode::kReportOnly;
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  if (solver) {
    const Result<AlsSolver> parsed = ParseAlsSolver(*solver);
    if (!parsed.ok()) return parsed.status();
    options.als.solver = *parsed;
  }
  if (start) {
    const Result<AlsStart> parsed = ParseAlsStart(*start);
    if (!parsed.ok()) return parsed.status();
    options.als.start = *parsed;
  }
  return options;
}

// {"model": "response"}: who answers what, when, on which channel.
Result<std::optional<ResponseTrainOptions>> ReadResponseTrainOptions(const std::string& text) {
  const Result<Json> body = text.empty() ? Result<Json>(Json::object()) : ParseJsonBody(text);
  if (!body.ok() || !body->is_object() || !body->contains("model")) return std::optional<ResponseTrainOptions>();
  JsonFields fields(*body, "");
  const std::string model = fields.Text("model", limits::kShortTextBytesMax).value_or("");
  if (model == "content") return std::optional<ResponseTrainOptions>();
  if (model != "response") fields.FailField("model", "must be content or response");
  ResponseTrainOptions options;
  options.response.seed = fields.Count("seed", 0, kSeedMax).value_or(options.response.seed);
  options.activate = fields.Flag("activate").value_or(true);
  if (fields.Flag("force").value_or(false)) options.gate = GateMode::kReportOnly;
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  return std::optional<ResponseTrainOptions>(options);
}

Result<uint64_t> StartJob(TrainingJobs& training, const Request& request) {
  const Result<std::optional<ResponseTrainOptions>> responses = ReadResponseTrainOptions(request.body);
  if (!responses.ok()) return responses.status();
  if (*responses) return training.StartResponses(**responses);
  const Result<TrainOptions> options = ReadTrainOptions(request.body);
  if (!options.ok()) return options.status();
  return training.Start(*options);
}

Result<Response> StartTraining(TrainingJobs& training, const Request& request) {
  const Result<uint64_t> job = StartJob(training, request);
  if (!job.ok()) return job.status();
  JsonWriter out;
  out.BeginObject().Key("job").Unsigned(*job).EndObject();
  Response response = JsonResponse(202, out.Take());
  response.headers.emplace_back("Location", "/v1/models");
  return response;
}

Result<Response> Register(Engine& engine, const Request& request) {
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::string file = fields.RequiredText("file", limits::kShortTextBytesMax);
  const std::string report = fields.Text("report", kReportBytesMax).value_or("{}");
  if (file.find('\0') != std::string::npos) fields.FailField("file", "must be the name of a file");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  if (const Result<Json> parsed = ParseJsonBody(report); !parsed.ok() || !parsed->is_object()) {
    return Status::InvalidArgument("report must be the text of a JSON object");
  }
  const Result<uint64_t> generation = engine.RegisterModel(file, report, request.received_at);
  if (!generation.ok()) return generation.status();
  JsonWriter out;
  out.BeginObject().Key("generation").Unsigned(*generation).EndObject();
  return JsonResponse(201, out.Take());
}

Result<uint64_t> GenerationOf(const Request& request) {
  const Result<size_t> generation = ParseCount(request.Parameter("generation"), "generation", 0, kSeedMax);
  if (!generation.ok()) return generation.status();
  return static_cast<uint64_t>(*generation);
}

Result<Response> Activate(Engine& engine, const Request& request) {
  const Result<uint64_t> generation = GenerationOf(request);
  if (!generation.ok()) return generation.status();
  RAPPORT_RETURN_IF_ERROR(engine.Activate(*generation));
  JsonWriter out;
  out.BeginObject().Key("inService").Unsigned(*generation).EndObject();
  return JsonResponse(200, out.Take());
}

Result<ModelRecord> ModelOf(const Store& store, const Request& request) {
  const Result<uint64_t> generation = GenerationOf(request);
  if (!generation.ok()) return generation.status();
  return store.GetModel(*generation);
}

Result<Response> Report(const Store& store, const Request& request) {
  const Result<ModelRecord> model = ModelOf(store, request);
  if (!model.ok()) return model.status();
  return JsonResponse(200, model->report.empty() ? "{}" : model->report);
}

Result<Response> File(const Store& store, const Request& request) {
  const Result<ModelRecord> model = ModelOf(store, request);
  if (!model.ok()) return model.status();
  Result<std::string> bytes = ReadFile(store.models_folder() + "/" + model->file, kModelFileBytesMax);
  if (!bytes.ok()) return bytes.status();
  Response response = JsonResponse(200, bytes.Take());
  response.content_type = "application/octet-stream";
  return response;
}

}  // namespace

void AddModelRoutes(RouteTable& table, const EndpointContext& context) {
  Engine& engine = context.engine;
  const Store& store = engine.store();
  const auto add = [&table](Method method, const char* pattern,
                            std::function<Result<Response>(const Request&)> handle) {
    // Model files are read and written, and activation waits for the disk: never on a page view's thread.
    const auto checked = [handle = std::move(handle)](const Request& request) -> Result<Response> {
      RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
      return handle(request);
    };
    table.Add({method, pattern, Scope::kModels, Synchronous(checked), Browsers::kRefused, Work::kLong});
  };
  add(Method::kGet, "/v1/models", [context](const Request&) -> Result<Response> { return ListModels(context); });
  add(Method::kPost, "/v1/models/train",
      [&training = context.training](const Request& request) { return StartTraining(training, request); });
  add(Method::kPost, "/v1/models/register", [&engine](const Request& request) { return Register(engine, request); });
  add(Method::kPost, "/v1/models/{generation}/activate",
      [&engine](const Request& request) { return Activate(engine, request); });
  add(Method::kGet, "/v1/models/{generation}/report",
      [&store](const Request& request) { return Report(store, request); });
  add(Method::kGet, "/v1/models/{generation}/file", [&store](const Request& request) { return File(store, request); });
}

}  // namespace rapport

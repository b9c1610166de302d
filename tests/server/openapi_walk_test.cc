// The served OpenAPI document, walked as a stranger would who has nothing else: every operation is called with values
// made from its schemas (good, on each boundary, just beyond it, of another type), and held to what the document says:
//   what conforms is accepted, what does not is refused with 4xx, nothing is answered with 5xx;
//   every answer has a status, a media type and a body that the document tells, and no member that it does not.
#include <thread>

#include "server/endpoints/openapi.h"
#include "tests/server/endpoints_fixture.h"
#include "tests/server/schema_values.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

std::string Percent(const std::string& text) {
  std::string out;
  char digits[4];
  for (const char c : text) {
    std::snprintf(digits, sizeof digits, "%%%02X", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

bool HoldsNull(const Json& value) {
  return value.is_null() || (value.is_structured() && std::any_of(value.begin(), value.end(), HoldsNull));
}
// Texts whose meaning a schema cannot say, and ids with a zero byte (docs/API.md): neither good nor bad for the walk.
bool HoldsZeroByte(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().find('\0') != std::string::npos;
  return value.is_structured() && std::any_of(value.begin(), value.end(), HoldsZeroByte);
}

// One operation of the document.
struct Operation {
  std::string method, path;
  Json said;
  std::string name() const { return method + " " + path; }
};

enum class Verdict { kGood, kBad, kEither };
struct Call {
  std::string target, body;
  Verdict verdict = Verdict::kGood;
  std::string about;
};

// How the answer `status` of `operation` is not as the document says; nullopt: it is.
std::optional<std::string> Misfit(const JsonSchema& schema, const Json& operation, const Answered& answered) {
  const Json& responses = operation["responses"];
  const std::string status = std::to_string(answered.status);
  if (!responses.contains(status) && answered.status < 400) return "status " + status + " is not in the document";
  const Json& response = schema.Resolve(responses.contains(status) ? responses[status] : responses["default"]);
  if (!response.contains("content")) {
    return answered.body.empty() ? std::nullopt : std::optional<std::string>("a body where the document tells none");
  }
  const std::string type = answered.content_type.substr(0, answered.content_type.find(';'));
  if (!response["content"].contains(type)) return "media type '" + type + "' is not in the document";
  if (type.find("json") == std::string::npos || type == "application/x-ndjson") return std::nullopt;
  if (answered.json.is_discarded()) return "no JSON";
  return schema.Check(response["content"][type]["schema"], answered.json, Members::kNamedOnly);
}

class OpenApiWalk : public EndpointsTest {
 protected:
  OpenApiWalk() : document_(Json::parse(OpenApiDocument())) {}

  // A small shop: what {own} stands for on each path must be there.
  void Seed() {
    EXPECT_EQ(Put("/v1/items", R"([{"itemId":"tea","title":"Tea","price":"3.50","categories":["tea"],"margin":2},
      {"itemId":"pot","title":"Pot","price":"20","attributes":{"color":"red"}}])")
                  .status,
              200);
    std::vector<::rapport::Operation> events;
    for (int i = 0; i < 400; ++i) {
      AppendEvent append{{CustomerNamespace::kUser, i == 0 ? "ada" : "c" + std::to_string(i % 40)}, {}, {}};
      append.event.type = EventType::kOrdered;
      append.event.name = "Order Completed";
      append.event.message_id = "m" + std::to_string(i);
      append.event.received_at = clock_.Now();
      append.event.time = Timestamp{clock_.Now().ms - (400 - i) * 6 * kHourMs};
      append.lines.push_back({i % 3 == 0 ? "tea" : i % 3 == 1 ? "pot" : "i" + std::to_string(i % 7), 1, std::nullopt});
      events.push_back(std::move(append));
    }
    const auto kept = store_->ApplyAndWait(std::move(events));
    ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  }
  // What schemas cannot say.
  void GiveExamples() {
    Json& schemas = document_["components"]["schemas"];
    Json& decision = schemas["DecisionQuestion"]["properties"];
    decision["from"]["examples"] = {FormatRfc3339(clock_.Now())};
    decision["until"]["examples"] = {FormatRfc3339({clock_.Now().ms + 5 * kDayMs})};
    Json& batch = schemas["BatchDecisionRequest"]["properties"];
    batch["from"]["examples"] = {FormatRfc3339(clock_.Now())};
    batch["items"]["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", 256}, {"examples", {"tea"}}};
    Json& assignment = schemas["AssignmentRequest"]["properties"];
    assignment["contact"]["properties"]["slots"]["items"]["properties"]["at"]["examples"] = {
        FormatRfc3339({clock_.Now().ms + kDayMs})};
    assignment["places"]["items"]["properties"]["itemId"] = {
        {"type", "string"}, {"minLength", 1}, {"maxLength", 256}, {"examples", {"tea"}}};
    assignment["guests"]["items"]["properties"]["worths"]["items"]["properties"]["place"]["examples"] = {"a"};
    schemas["Limits"]["properties"]["stock"]["properties"]["items"]["items"]["properties"]["itemId"] =
        assignment["places"]["items"]["properties"]["itemId"];
    schemas["RegisterRequest"]["properties"]["file"]["examples"] = {store_->Models().front().file};
    schemas["NextPageRequest"]["properties"]["recommendationId"]["examples"] = {
        Post("/v1/recommendations", R"({"count":1})").json["recommendationId"]};
  }
  void TrainOnce() {
    TrainOptions options;
    options.als.factors = 4;
    options.als.epochs = 2;
    options.holdout_days = 10;
    options.activate = false;
    options.gate = GateMode::kReportOnly;
    const Result<TrainReport> report = engine_->Train(options, clock_);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
  }

  std::vector<Operation> Operations() const {
    std::vector<Operation> operations;
    for (const auto& [path, methods] : document_["paths"].items()) {
      for (const auto& [method, said] : methods.items()) {
        std::string upper = method;
        for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
        operations.push_back({upper, path, said});
      }
    }
    return operations;
  }

  // The name of a thing that is there, made anew where a call takes it away.
  std::string Own(const Operation& operation) {
    const std::string& path = operation.path;
    if (path.starts_with("/v1/items/")) {
      if (operation.method == "DELETE") Put("/v1/items", R"({"itemId":"tea","title":"Tea"})");
      return "tea";
    }
    if (path.starts_with("/v1/customers/")) return "ada";
    if (path.starts_with("/v1/models/")) return "1";
    if (path == "/v1/admin/keys/{id}") return AddKey(KeyKind::kServer, 1).substr(3, 12);
    if (path == "/v1/admin/checkpoint") return Post(path, "").json["folder"];
    if (path == "/v1/decisions/{id}") return Decision();
    if (path.starts_with("/v1/decisions/batch/")) return Batch();
    if (path == "/v1/items") return FirstPageCursor();
    return "";
  }
  // What earlier operations changed: ids that another operation takes for items are nobody's again.
  void Restore() {
    for (const char* id : {"7", "-7", "9223372036854775807", "9223372036854775808"}) {
      Ask({"DELETE", std::string("/v1/items/") + id});
    }
    Put("/v1/items", R"({"itemId":"tea","title":"Tea","price":"3.50"})");
    Put("/v1/limits", limits_);
    Put("/v1/channels", channels_);
    Put("/api/feedback", R"([{"FeedbackType":"like","UserId":"ada","ItemId":"tea","Timestamp":"2026-01-02"}])");
  }
  std::string Decision() { return Post("/v1/decisions", R"({"customer":{"userId":"ada"}})").json["decisionId"]; }
  std::string Batch() {
    Finish(Post("/v1/decisions/batch", R"({"name":"walk","items":["tea"]})"));
    return "walk";
  }
  // One batch runs at a time.
  void Finish(const Answered& started) {
    if (started.status != 202) return;
    const std::string path = "/v1/decisions/batch/" + started.json["id"].get<std::string>();
    while (Get(path).json["state"] == "running") std::this_thread::yield();
  }
  std::string FirstPageCursor() { return Get("/v1/items?limit=1").json["cursor"]; }

  // ---- calls from schemas ----

  Verdict VerdictOf(const Json& schema, const Json& value) const {
    if (HoldsNull(value) || HoldsZeroByte(value)) return Verdict::kEither;  // null counts as absent (docs/API.md)
    return judge_.Check(schema, value) ? Verdict::kBad : Verdict::kGood;
  }

  // A bad event of a page is told in the answer, as in a batch.
  bool OnlyEventsAreBad(const Operation& operation, const Json& schema, const Json& body) const {
    if (operation.path != "/v1/context" || !body.is_object() || !body.contains("events")) return false;
    Json rest = body;
    rest.erase("events");
    return VerdictOf(schema, rest) != Verdict::kBad;
  }

  // The pattern with `value` for the parameter `name`, and what is there for the others; {own} is filled when the call
  // is made.
  static std::string Target(const Operation& operation, const std::string& name, const std::string& value,
                            const std::string& query) {
    static const std::map<std::string, std::string> there{
        {"user", "ada"}, {"item", "tea"}, {"type", "like"}, {"category", "tea"}};
    std::string target;
    for (size_t at = 0; at < operation.path.size();) {
      const size_t open = std::min(operation.path.find('{', at), operation.path.size());
      target += operation.path.substr(at, open - at);
      if (open == operation.path.size()) break;
      at = operation.path.find('}', open) + 1;
      const std::string parameter = operation.path.substr(open + 1, at - open - 2);
      const auto known = there.find(parameter);
      target += parameter == name ? value : known == there.end() ? "{own}" : known->second;
    }
    return query.empty() ? target : target + "?" + query;
  }

  // A query that a call cannot do without.
  static std::string BaseQuery(const Operation& operation) {
    return operation.name() == "DELETE /v1/admin/checkpoint" ? "folder={own}" : "";
  }

  std::vector<Call> ParameterCalls(const Operation& operation, const std::string& body) const {
    std::vector<Call> calls;
    for (const Json& parameter : operation.said["parameters"]) {
      const std::string name = parameter["name"];
      const Json& schema = parameter["schema"];
      const bool in_path = parameter["in"] == "path";
      const bool opaque =
          name == "cursor" || name == "Cursor" || name == "folder" || in_path;  // only what the server gave out is good
      const bool meaningful = values_.Flatten(schema).contains("examples");
      for (const Json& value : values_.Of(schema)) {
        if (value.is_structured() || value.is_null() || (meaningful && !value.is_string())) continue;
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        // Everything in a URL is text: an integer's schema is for what the text says.
        const Json read = Json::accept(text) && schema.contains("type") && schema["type"] == "integer"
                              ? Json::parse(text)
                              : Json(text);
        Verdict verdict = VerdictOf(schema, read);
        if (verdict == Verdict::kGood && opaque) verdict = Verdict::kEither;
        if (text.empty() && in_path) continue;  // another path
        if (text.empty()) verdict = Verdict::kEither;
        const std::string query = in_path ? BaseQuery(operation) : name + "=" + Percent(text);
        calls.push_back({Target(operation, in_path ? name : "", Percent(text), query), body, verdict, name});
      }
      if (in_path)
        calls.push_back({Target(operation, name, "%ff%fe", BaseQuery(operation)), body, Verdict::kBad, "no UTF-8"});
    }
    if (operation.said["security"].size() > 0) {
      std::string query = BaseQuery(operation);
      query += std::string(query.empty() ? "" : "&") + "noSuchParameter=1";
      calls.push_back({Target(operation, "", "", query), body, Verdict::kBad, "unknown parameter"});
    }
    return calls;
  }

  std::vector<Call> CallsOf(const Operation& operation) const {
    const std::string target = Target(operation, "", "", BaseQuery(operation));
    if (!operation.said.contains("requestBody")) {
      std::vector<Call> calls = ParameterCalls(operation, "");
      calls.push_back({target, "", Verdict::kGood, "plain"});
      return calls;
    }
    const Json& content = operation.said["requestBody"]["content"];
    if (!content.contains("application/json")) return ByteCalls(target);
    const Json& schema = content["application/json"]["schema"];
    const std::vector<Json> bodies = values_.Of(schema);
    std::vector<Call> calls = ParameterCalls(operation, bodies.front().dump());
    // What Segment's clients send beside their spec is ignored, not refused (docs/API.md).
    const bool lenient = operation.path.starts_with("/v1/") && operation.said["x-scope"] == "events";
    for (const Json& body : bodies) {
      const std::string text = body.dump();
      const Verdict verdict = VerdictOf(schema, body);
      const bool ignored = verdict == Verdict::kBad && (lenient || OnlyEventsAreBad(operation, schema, body));
      calls.push_back({target, text, ignored ? Verdict::kEither : verdict, text.substr(0, 300)});
    }
    const bool required = operation.said["requestBody"]["required"];
    calls.push_back({target, "", required ? Verdict::kBad : Verdict::kGood, "no body"});
    for (const std::string& bad :
         {std::string("{"), std::string("\xff"), std::string("{\"a\":1,\"a\":1}"), std::string("{\"a\":\"\\ud800\"}"),
          std::string("{\"a\":NaN}"), std::string(100000, '['), bodies.front().dump() + "x"}) {
      calls.push_back({target, bad, Verdict::kBad, bad.substr(0, 40)});
    }
    return calls;
  }

  static std::vector<Call> ByteCalls(const std::string& target) {
    const std::string good = EncodeOperations({DeleteItem{"no-such-item"}});
    std::vector<Call> calls{{target, good, Verdict::kGood, "operations"}};
    for (size_t length = 0; length < good.size(); ++length) {
      calls.push_back({target, good.substr(0, length), Verdict::kBad, "cut"});
    }
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bent = good;
      bent[at] = static_cast<char>(bent[at] ^ 0xff);
      calls.push_back({target, bent, Verdict::kEither, "bent"});
    }
    return calls;
  }

  // ---- the walk ----

  void WaitForTraining() {
    while (training_->last().state == JobState::kRunning) std::this_thread::yield();
  }

  // What one answer does wrong; empty: nothing.
  std::string Fault(const Operation& operation, const Call& call, const Answered& answered) const {
    if (answered.status >= 500) return "5xx";
    if (const auto misfit = Misfit(judge_, operation.said, answered)) return *misfit;
    if (call.verdict == Verdict::kBad && answered.status < 400) return "accepted, but the document forbids it";
    // Whose things these are is the authorisation matrix's business; a namespace in which nobody is called so is no
    // fault.
    // Nor is a visitor who is a part of another customer by now.
    const bool linked = answered.body.find("/problems/already-exists") != std::string::npos;
    const bool allowed = linked || answered.status == 403 || (answered.status == 404 && call.about == "namespace");
    if (call.verdict == Verdict::kGood && answered.status >= 400 && !allowed)
      return "refused, but the document allows it";
    return "";
  }

  // Calls one operation in every way; the number of calls.
  size_t Walk(const Operation& operation) {
    constexpr size_t kFaultsTold = 12;
    size_t faults = 0, good = 0;
    const std::vector<Call> calls = CallsOf(operation);
    Restore();
    for (const Call& call : calls) {
      std::string target = call.target;
      if (const size_t at = target.find("{own}"); at != std::string::npos) {
        const std::string own = Own(operation);
        target.replace(at, 5, own.find('/') == std::string::npos ? own : Percent(own));
      }
      if (operation.path == "/v1/models/train") WaitForTraining();
      const Answered answered = Ask({operation.method, target, call.body});
      good += answered.status < 300 ? 1 : 0;
      if (operation.path == "/v1/decisions/batch") Finish(answered);
      const std::string fault = Fault(operation, call, answered);
      if (fault.empty() || ++faults > kFaultsTold) continue;
      ADD_FAILURE() << operation.name() << ": " << fault << "\n  " << target.substr(0, 200) << "\n  " << call.about
                    << "\n  " << answered.status << " " << answered.body.substr(0, 300);
    }
    EXPECT_EQ(faults, 0u) << operation.name() << ": " << faults << " of " << calls.size() << " calls";
    EXPECT_GT(good, 0u) << operation.name() << " was never answered with success";
    return calls.size();
  }

  const std::string channels_ = Get("/v1/channels").body, limits_ = Get("/v1/limits").body;
  Json document_;
  JsonSchema judge_{document_};
  SchemaValues values_{judge_};
};

TEST_F(OpenApiWalk, EveryOperationKeepsWhatTheDocumentSays) {
  Seed();
  TrainOnce();
  GiveExamples();
  size_t calls = 0;
  for (const Operation& operation : Operations()) {
    if (operation.name() != "POST /v1/models/train") calls += Walk(operation);
  }
  RecordProperty("calls", static_cast<int>(calls));
  EXPECT_GT(calls, 3000u);
}

// On an empty store, where every training ends at once.
TEST_F(OpenApiWalk, TrainingToo) {
  for (const Operation& operation : Operations()) {
    if (operation.name() == "POST /v1/models/train") Walk(operation);
  }
  training_->Stop();
}

TEST_F(OpenApiWalk, TheCheckerKnowsEveryKeywordOfTheDocument) {
  for (const auto& [name, schema] : document_["components"]["schemas"].items()) {
    EXPECT_EQ(JsonSchema::UnknownKeywords(schema), std::vector<std::string>()) << name;
  }
  for (const Operation& operation : Operations()) {
    for (const Json& parameter : operation.said["parameters"]) {
      EXPECT_EQ(JsonSchema::UnknownKeywords(parameter["schema"]), std::vector<std::string>()) << operation.name();
    }
  }
  EXPECT_EQ(JsonSchema::UnknownKeywords(Json::parse(R"({"properties":{"a":{"multipleOf":2}}})")),
            std::vector<std::string>{"multipleOf"});
}

// Broken twins: answers that are not as told, each caught.
TEST_F(OpenApiWalk, WrongAnswersAreCaught) {
  const auto fault = [&](const std::string& path, const char* method, const Answered& answered, Verdict verdict) {
    const Operation operation{method, path, document_["paths"][path][method]};
    return Fault(operation, {"", "", verdict, ""}, answered);
  };
  const auto answer = [](int status, const std::string& type, const std::string& body) {
    return Answered{status, type, body, Json::parse(body, nullptr, false)};
  };
  const char* json = "application/json";
  EXPECT_EQ(fault("/healthz", "get", answer(200, json, R"({"status":"ok"})"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, json, R"({"status":"fine"})"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, json, R"({"status":"ok","more":1})"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, json, "{}"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, json, "ok"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, "text/plain", R"({"status":"ok"})"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(201, json, R"({"status":"ok"})"), Verdict::kGood), "");
  EXPECT_NE(fault("/healthz", "get", answer(200, json, R"({"status":"ok"})"), Verdict::kBad), "");
  EXPECT_NE(fault("/healthz", "get", answer(500, json, "{}"), Verdict::kEither), "");
  const std::string limited = R"({"type":"/problems/too-many-requests","title":"x","status":429,"detail":"x"})";
  for (const Operation& operation : Operations()) {  // rates count for every path
    const JsonSchema schema(document_);
    const Json& said = schema.Resolve(operation.said["responses"]["429"]);
    EXPECT_TRUE(said["headers"].contains("Retry-After")) << operation.name();
    EXPECT_EQ(Misfit(schema, operation.said, answer(429, "application/problem+json", limited)), std::nullopt);
    EXPECT_NE(Misfit(schema, operation.said, answer(429, json, limited)), std::nullopt) << operation.name();
  }
  const std::string problem = R"({"type":"/problems/x","title":"x","status":404,"detail":"x"})";
  EXPECT_EQ(fault("/v1/items/{id}", "get", answer(404, "application/problem+json", problem), Verdict::kEither), "");
  EXPECT_NE(fault("/v1/items/{id}", "get", answer(404, json, problem), Verdict::kEither), "");
  EXPECT_NE(fault("/v1/items/{id}", "get", answer(404, "application/problem+json", problem), Verdict::kGood), "");
}

}  // namespace
}  // namespace rapport

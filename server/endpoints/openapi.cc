// GET /openapi.json. See openapi.h; the schemas are in openapi_schemas.cc.
#include "server/endpoints/openapi.h"

#include <map>
#include <utility>
#include <vector>

#include "server/endpoints/json_writer.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr const char* kLists = "kind count filter userId anonymousId return explain";

constexpr std::string_view kSecuritySchemes = R"json({
"bearer": {"type": "http", "scheme": "bearer"},
"basic": {"type": "http", "scheme": "basic", "description": "The key is the user name."},
"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
})json";
constexpr std::string_view kResponses = R"json({
"Problem": {"description": "What is wrong and what to do (RFC 9457)",
  "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}},
"TooManyRequests": {"description": "More requests than agreed for this key or address: Retry-After says when to come back",
  "headers": {"Retry-After": {"description": "seconds", "required": true, "schema": {"type": "integer", "minimum": 1}}},
  "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
})json";

const ApiOperation kOperations[] = {
    // Events: the key may also stand in the body (`writeKey`).
    {Method::kPost, "/v1/identify", Scope::kEvents, "Name a customer and tell traits", "", "Identify", "Accepted"},
    {Method::kPost, "/v1/track", Scope::kEvents, "Tell what a customer did", "", "Track", "Accepted"},
    {Method::kPost, "/v1/page", Scope::kEvents, "Tell of a page view", "", "Page", "Accepted"},
    {Method::kPost, "/v1/screen", Scope::kEvents, "Tell of a screen view in an app", "", "Page", "Accepted"},
    {Method::kPost, "/v1/group", Scope::kEvents, "Tell of a group a customer belongs to", "", "Group", "Accepted"},
    {Method::kPost, "/v1/alias", Scope::kEvents, "Link a former identity to a user", "", "Alias", "Accepted"},
    {Method::kPost, "/v1/batch", Scope::kEvents, "Up to 1000 of the calls above", "", "Batch", "Accepted"},
    {Method::kGet, "/v1/events/types", Scope::kEvents, "The events known by name and their weights", "", "",
     "EventTypes"},
    // Catalogue.
    {Method::kPut, "/v1/items", Scope::kCatalog, "Create or replace an item or up to 1000", "", "ItemOrItems",
     "PutItemsAnswer"},
    {Method::kGet, "/v1/items", Scope::kCatalog, "List the catalogue", "kind cursor limit", "", "ItemList"},
    {Method::kGet, "/v1/items/{id}", Scope::kCatalog, "One item", "", "", "Item"},
    {Method::kPatch, "/v1/items/{id}", Scope::kCatalog, "Change some fields of an item", "", "ItemPatch", "Success"},
    {Method::kDelete, "/v1/items/{id}", Scope::kCatalog, "Take an item out of the catalogue", "", "", "", 204},
    // Customers.
    {Method::kGet, "/v1/customers/{id}", Scope::kCustomers, "The record of a customer", "namespace", "", "Customer"},
    {Method::kGet, "/v1/customers/{id}/events", Scope::kCustomers, "The newest events, newest first", "namespace limit",
     "", "CustomerEvents"},
    {Method::kGet, "/v1/customers/{id}/export", Scope::kCustomers, "Everything that is kept about a customer",
     "namespace", "", "CustomerExport"},
    {Method::kPut, "/v1/customers/{id}/consents", Scope::kCustomers, "Add to the ledger of consents", "namespace",
     "ConsentOrConsents", "Success"},
    {Method::kPut, "/v1/customers/{id}/personalization", Scope::kCustomers, "Switch personalization on or off",
     "namespace", "Personalization", "Success"},
    // Recommendations.
    {Method::kPost, "/v1/recommendations", Scope::kRecommend, "What to show to this customer now", "",
     "RecommendRequest", "RecommendResponse"},
    {Method::kPost, "/v1/recommendations/next", Scope::kRecommend, "More of a list, without repeats", "",
     "NextPageRequest", "RecommendResponse"},
    {Method::kPost, "/v1/rank", Scope::kRecommend, "Put these items in order for this customer", "", "RankRequest",
     "RankResponse"},
    {Method::kPost, "/v1/context", Scope::kRecommend, "A page in one round trip: events in, all lists out", "",
     "ContextRequest", "ContextResponse"},
    {Method::kGet, "/v1/items/{id}/similar", Scope::kRecommend, "Items like this one", kLists, "", "RecommendResponse"},
    {Method::kGet, "/v1/items/{id}/bought-together", Scope::kRecommend, "Items ordered with this one", kLists, "",
     "RecommendResponse"},
    {Method::kGet, "/v1/trending", Scope::kRecommend, "What rises", kLists, "", "RecommendResponse"},
    {Method::kGet, "/v1/popular", Scope::kRecommend, "What most customers order", kLists, "", "RecommendResponse"},
    {Method::kGet, "/v1/latest", Scope::kRecommend, "What is new", kLists, "", "RecommendResponse"},
    {Method::kPost, "/v1/visitors", Scope::kRecommend, "Mint a browser's signed visitor token", "", "VisitorRequest",
     "VisitorResponse"},
    // Contacts.
    {Method::kPost, "/v1/decisions", Scope::kCampaigns, "Whether, when, how and with what to reach a customer", "",
     "DecisionRequest", "Decision"},
    {Method::kGet, "/v1/decisions/{id}", Scope::kCampaigns, "A decision again, with its words", "", "", "DecisionTold"},
    {Method::kPost, "/v1/decisions/batch", Scope::kCampaigns, "Decide for many customers under shared limits", "",
     "BatchDecisionRequest", "BatchStarted", 202},
    {Method::kGet, "/v1/decisions/batch/{id}", Scope::kCampaigns, "How far a batch is, its totals and prices", "", "",
     "BatchRecord"},
    {Method::kGet, "/v1/decisions/batch/{id}/plan", Scope::kCampaigns, "A page of its plan, a line per customer",
     "page format", "", "application/x-ndjson text/csv"},
    {Method::kPost, "/v1/assignments", Scope::kCampaigns, "Who gets which room, seat or call slot, and why", "",
     "AssignmentRequest", "Assignment"},
    {Method::kGet, "/v1/channels", Scope::kCampaigns, "Channels and places in force", "", "", "Channels"},
    {Method::kPut, "/v1/channels", Scope::kCampaigns, "Replace channels and places", "", "Channels", "SettingsAnswer"},
    {Method::kGet, "/v1/limits", Scope::kCampaigns, "Caps, quiet hours and money in force", "", "", "Limits"},
    {Method::kPut, "/v1/limits", Scope::kCampaigns, "Replace the limits", "", "Limits", "SettingsAnswer"},
    // Models.
    {Method::kGet, "/v1/models", Scope::kModels, "The models' registry and the last training", "", "", "ModelList"},
    {Method::kPost, "/v1/models/train", Scope::kModels, "Start a training", "", "TrainRequest", "JobAnswer", 202},
    {Method::kPost, "/v1/models/register", Scope::kModels, "Register a model file in the models folder", "",
     "RegisterRequest", "GenerationAnswer", 201},
    {Method::kPost, "/v1/models/{generation}/activate", Scope::kModels, "Put a model in service; 0: none", "", "",
     "ActivateAnswer"},
    {Method::kGet, "/v1/models/{generation}/report", Scope::kModels, "How a model was judged", "", "", "ModelReport"},
    {Method::kGet, "/v1/models/{generation}/file", Scope::kModels, "The model file", "", "",
     "application/octet-stream"},
    // Administration.
    {Method::kPost, "/v1/admin/checkpoint", Scope::kOperate, "Lend a read-only copy of the store", "", "",
     "FolderAnswer", 201},
    {Method::kDelete, "/v1/admin/checkpoint", Scope::kOperate, "Give a copy back", "folder", "", "", 204},
    {Method::kPost, "/v1/admin/backup", Scope::kOperate, "Write a backup into the configured folder", "",
     "BackupRequest", "BackupReport", 201},
    {Method::kPost, "/v1/admin/apply", Scope::kOperate, "Operations of the command line, as bytes", "",
     "application/octet-stream", "application/octet-stream"},
    {Method::kGet, "/v1/admin/keys", Scope::kOperate, "The keys, without their secrets", "", "", "KeyList"},
    {Method::kPost, "/v1/admin/keys", Scope::kOperate, "Make a key; its text is told once", "", "KeyRequest", "NewKey",
     201},
    {Method::kDelete, "/v1/admin/keys/{id}", Scope::kOperate, "Revoke a key", "", "", "", 204},
    // As Gorse has them: docs/GORSE.md.
    {Method::kPost, "/api/user", Scope::kCustomers, "Gorse: insert or overwrite a user", "", "GorseUser", "GorseRows"},
    {Method::kPost, "/api/users", Scope::kCustomers, "Gorse: insert or overwrite users", "", "GorseUsers", "GorseRows"},
    {Method::kGet, "/api/users", Scope::kCustomers, "Gorse: users, by pages", "n cursor Cursor", "", "GorseUserPage"},
    {Method::kGet, "/api/user/{user}", Scope::kCustomers, "Gorse: a user", "", "", "GorseUserTold"},
    {Method::kPatch, "/api/user/{user}", Scope::kCustomers, "Gorse: change a user", "", "GorseUserPatch", "GorseRows"},
    {Method::kDelete, "/api/user/{user}", Scope::kCustomers, "Gorse: hide a user and what was fed back", "", "",
     "GorseRows"},
    {Method::kGet, "/api/user/{user}/neighbors", Scope::kCustomers, "Gorse: users who dealt with the same items",
     "n offset", "", "GorseScores"},
    {Method::kGet, "/api/user/{user}/feedback", Scope::kCustomers, "Gorse: a user's feedback", "", "",
     "GorseFeedbackList"},
    {Method::kGet, "/api/user/{user}/feedback/{type}", Scope::kCustomers, "Gorse: a user's feedback of one type", "",
     "", "GorseFeedbackList"},
    {Method::kPost, "/api/item", Scope::kCatalog, "Gorse: insert or overwrite an item", "", "GorseItem", "GorseRows"},
    {Method::kPost, "/api/items", Scope::kCatalog, "Gorse: insert or overwrite items", "", "GorseItems", "GorseRows"},
    {Method::kGet, "/api/items", Scope::kCatalog, "Gorse: items, by pages", "n cursor Cursor", "", "GorseItemPage"},
    {Method::kGet, "/api/item/{item}", Scope::kCatalog, "Gorse: an item", "", "", "GorseItemTold"},
    {Method::kPatch, "/api/item/{item}", Scope::kCatalog, "Gorse: change an item", "", "GorseItemPatch", "GorseRows"},
    {Method::kDelete, "/api/item/{item}", Scope::kCatalog, "Gorse: take an item out of the catalogue", "", "",
     "GorseRows"},
    {Method::kPut, "/api/item/{item}/category/{category}", Scope::kCatalog, "Gorse: put an item into a category", "",
     "", "GorseRows"},
    {Method::kDelete, "/api/item/{item}/category/{category}", Scope::kCatalog, "Gorse: take an item out of a category",
     "", "", "GorseRows"},
    {Method::kGet, "/api/item/{item}/neighbors", Scope::kRecommend, "Gorse: items like this one", "n offset category",
     "", "GorseScores"},
    {Method::kGet, "/api/item/{item}/neighbors/{category}", Scope::kRecommend, "Gorse: items like this one",
     "n offset category", "", "GorseScores"},
    {Method::kGet, "/api/item/{item}/feedback", Scope::kCustomers, "Gorse: feedback on an item", "", "",
     "GorseFeedbackList"},
    {Method::kGet, "/api/item/{item}/feedback/{type}", Scope::kCustomers, "Gorse: feedback of one type on an item", "",
     "", "GorseFeedbackList"},
    {Method::kPost, "/api/feedback", Scope::kEvents, "Gorse: insert feedback; what is there stays", "",
     "GorseFeedbackBody", "GorseRows"},
    {Method::kPut, "/api/feedback", Scope::kEvents, "Gorse: insert feedback; what is there is overwritten", "",
     "GorseFeedbackBody", "GorseRows"},
    {Method::kGet, "/api/feedback", Scope::kCustomers, "Gorse: feedback, by pages", "n cursor Cursor", "",
     "GorseFeedbackPage"},
    {Method::kGet, "/api/feedback/{type}", Scope::kCustomers, "Gorse: feedback of one type, by pages",
     "n cursor Cursor", "", "GorseFeedbackPage"},
    {Method::kGet, "/api/feedback/{user}/{item}", Scope::kCustomers, "Gorse: feedback between a user and an item",
     "n cursor Cursor", "", "GorseFeedbackList"},
    {Method::kDelete, "/api/feedback/{user}/{item}", Scope::kCustomers,
     "Gorse: take back feedback between a user and an item", "", "", "GorseRows"},
    {Method::kGet, "/api/feedback/{type}/{user}/{item}", Scope::kCustomers, "Gorse: one feedback", "n cursor Cursor",
     "", "GorseFeedbackTold"},
    {Method::kDelete, "/api/feedback/{type}/{user}/{item}", Scope::kCustomers, "Gorse: take back one feedback", "", "",
     "GorseRows"},
    {Method::kGet, "/api/recommend/{user}", Scope::kRecommend, "Gorse: what to recommend, and write it back",
     "n offset category write-back-type write-back-delay", "", "GorseIds"},
    {Method::kGet, "/api/recommend/{user}/{category}", Scope::kRecommend, "Gorse: what to recommend, and write it back",
     "n offset category write-back-type write-back-delay", "", "GorseIds"},
    {Method::kPost, "/api/session/recommend", Scope::kRecommend, "Gorse: what goes with a session", "n offset category",
     "GorseSessionBody", "GorseScores"},
    {Method::kPost, "/api/session/recommend/{category}", Scope::kRecommend, "Gorse: what goes with a session",
     "n offset category", "GorseSessionBody", "GorseScores"},
    {Method::kGet, "/api/popular", Scope::kRecommend, "Gorse: popular items", "n offset category user-id", "",
     "GorseScores"},
    {Method::kGet, "/api/popular/{category}", Scope::kRecommend, "Gorse: popular items", "n offset category user-id",
     "", "GorseScores"},
    {Method::kGet, "/api/latest", Scope::kRecommend, "Gorse: the latest items", "n offset category user-id", "",
     "GorseScores"},
    {Method::kGet, "/api/latest/{category}", Scope::kRecommend, "Gorse: the latest items", "n offset category user-id",
     "", "GorseScores"},
    // Operations.
    {Method::kGet, "/healthz", {}, "Is the process alive", "", "", "Health"},
    {Method::kGet, "/readyz", {}, "Can pages be answered and events kept; what is missing", "", "", "Ready"},
    {Method::kGet, "/metrics", {}, "Counters for Prometheus; a scope can be configured", "", "", "text/plain"},
    {Method::kGet, "/openapi.json", {}, "This document", "", "", "AnyObject"},
};

// What a parameter may be; ids where it is none of these.
std::string_view ParameterSchema(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kSchemas[] = {
      {"count", R"({"type":"integer","minimum":1,"maximum":1000,"default":20})"},
      {"limit", R"({"type":"integer","minimum":1,"maximum":1000,"default":100})"},
      {"n", R"({"type":"integer","minimum":1,"maximum":1000,"default":10})"},
      {"offset", R"({"type":"integer","minimum":0,"maximum":1000,"default":0,"description":"lists end at 1000"})"},
      {"Cursor", R"({"type":"string","description":"as cursor"})"},
      {"write-back-type", R"({"type":"string","maxLength":1024,"description":"a type of feedback"})"},
      {"write-back-delay", R"({"type":"string","examples":["10m","1h30m0s"]})"},
      {"generation", R"({"type":"integer","minimum":0,"maximum":9007199254740992})"},
      {"explain", R"({"enum":["true","false"],"default":"false"})"},
      {"namespace", R"({"enum":["user","anonymous"],"default":"user"})"},
      {"filter", R"({"$ref":"#/components/schemas/Filter"})"},
      {"kind", R"({"type":"string"})"},
      {"return", R"({"type":"string","description":"names, separated by commas","examples":["title,price"]})"},
      {"cursor", R"({"type":"string","description":"of the page before"})"},
      {"page", R"({"type":"integer","minimum":0,"maximum":4294967296,"default":0})"},
      {"format", R"({"enum":["ndjson","csv"],"default":"ndjson"})"},
      {"folder", R"({"type":"string","description":"as it was lent"})"},
  };
  for (const auto& [known, schema] : kSchemas) {
    if (known == name) return schema;
  }
  return R"({"$ref":"#/components/schemas/IdText"})";
}

void WriteParameter(JsonWriter& out, std::string_view name, bool in_path) {
  out.BeginObject().Key("name").String(name).Key("in").String(in_path ? "path" : "query");
  out.Key("required").Bool(in_path).Key("schema").Raw(ParameterSchema(name)).EndObject();
}

void WriteParameters(JsonWriter& out, const ApiOperation& operation) {
  out.Key("parameters").BeginArray();
  const std::string_view path = operation.path;
  for (size_t at = path.find('{'); at != std::string_view::npos; at = path.find('{', at + 1)) {
    WriteParameter(out, path.substr(at + 1, path.find('}', at) - at - 1), true);
  }
  std::string query = operation.query;
  for (char& c : query) c = c == ' ' ? ',' : c;
  for (const std::string& name : SplitList(query)) WriteParameter(out, name, false);
  out.EndArray();
}

// {"application/json": {"schema": {"$ref": ...}}}; names with a slash are media types themselves.
void WriteContent(JsonWriter& out, const std::string& schema) {
  out.Key("content").BeginObject();
  if (schema.find('/') != std::string::npos) {
    for (size_t begin = 0; begin < schema.size();) {
      const size_t end = std::min(schema.find(' ', begin), schema.size());
      out.Key(schema.substr(begin, end - begin)).Raw(R"({"schema":{"type":"string"}})");
      begin = end + 1;
    }
  } else {
    out.Key("application/json").BeginObject().Key("schema").BeginObject();
    out.Key("$ref").String("#/components/schemas/" + schema).EndObject().EndObject();
  }
  out.EndObject();
}

std::string OperationId(const ApiOperation& operation) {
  std::string id = MethodName(operation.method);
  for (char& c : id) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  bool upper = true;
  for (const char c : std::string_view(operation.path)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter) id += upper && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = !letter;
  }
  return id;
}

void WriteOperation(JsonWriter& out, const ApiOperation& operation) {
  std::string method = MethodName(operation.method);
  for (char& c : method) c = static_cast<char>(c - 'A' + 'a');
  out.Key(method).BeginObject();
  out.Key("operationId").String(OperationId(operation)).Key("summary").String(operation.summary);
  const bool is_event = operation.method == Method::kPost && operation.scope == Scope::kEvents &&
                        std::string_view(operation.path).starts_with("/v1/");
  if (is_event) {
    out.Key("description").String("Needs a key with the scope `events`, in a header or as `writeKey` in the body.");
    out.Key("x-scope").String(ScopeName(*operation.scope));
    out.Key("security").Raw(R"([{"bearer":[]},{"basic":[]},{"apiKey":[]},{}])");
  } else if (operation.scope) {
    out.Key("description").String(std::string("Needs a key with the scope `") + ScopeName(*operation.scope) + "`.");
    out.Key("x-scope").String(ScopeName(*operation.scope));
    out.Key("security").Raw(R"([{"bearer":[]},{"basic":[]},{"apiKey":[]}])");
  } else {
    out.Key("security").Raw("[]");
  }
  WriteParameters(out, operation);
  if (*operation.body != '\0') {
    const bool optional = std::string_view(operation.body) == "TrainRequest";  // every option has a default
    out.Key("requestBody").BeginObject().Key("required").Bool(!optional);
    WriteContent(out, operation.body);
    out.EndObject();
  }
  out.Key("responses").BeginObject();
  const bool has_answer = *operation.answer != '\0';
  out.Key(std::to_string(operation.status)).BeginObject().Key("description").String("Done");
  if (has_answer) WriteContent(out, operation.answer);
  out.EndObject();
  if (std::string_view(operation.path) == "/readyz") {
    out.Key("503").BeginObject().Key("description").String("Not ready");
    WriteContent(out, operation.answer);
    out.EndObject();
  }
  out.Key("429").Raw(R"({"$ref":"#/components/responses/TooManyRequests"})");
  out.Key("default").Raw(R"({"$ref":"#/components/responses/Problem"})").EndObject().EndObject();
}

}  // namespace

std::span<const ApiOperation> ApiOperations() { return kOperations; }

std::string OpenApiDocument() {
  std::map<std::string, std::vector<const ApiOperation*>> by_path;
  for (const ApiOperation& operation : kOperations) by_path[operation.path].push_back(&operation);
  JsonWriter out(1 << 16);
  out.BeginObject().Key("openapi").String("3.1.0");
  out.Key("info").BeginObject().Key("title").String("Rapport").Key("version").String(RAPPORT_VERSION);
  out.Key("description").String("Decides for each customer what to show. See docs/API.md.");
  out.Key("license").Raw(R"({"name":"Apache-2.0","identifier":"Apache-2.0"})").EndObject();
  out.Key("paths").BeginObject();
  for (const auto& [path, operations] : by_path) {
    out.Key(path).BeginObject();
    for (const ApiOperation* operation : operations) WriteOperation(out, *operation);
    out.EndObject();
  }
  out.EndObject().Key("components").BeginObject();
  out.Key("securitySchemes").Raw(kSecuritySchemes).Key("responses").Raw(kResponses);
  out.Key("schemas").Raw(ApiSchemas()).EndObject();
  return out.EndObject().Take();
}

void AddOpenApiRoute(RouteTable& table) {
  table.Add(
      {Method::kGet, "/openapi.json", std::nullopt,
       [document = OpenApiDocument()](const Request&, Responder respond) { respond(JsonResponse(200, document)); }});
}

}  // namespace rapport

// Lists for whole pages: POST /v1/rank puts given items in order, POST /v1/context answers all placements of a page in
// one round trip. The words of a question are those of /v1/recommendations.
#include <set>

#include "base/limits.h"
#include "server/endpoints/question_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

// A browser is not told which ids exist and what is wrong with them.
void WriteRefused(JsonWriter& out, const RankResponse& answer, const Identity& reader) {
  const bool tells = reader.kind == KeyKind::kServer;
  const auto write = [&](const std::string& id, const std::string& reason) {
    out.BeginObject().Key("itemId").String(id).Key("reason").String(tells ? reason : "may not be shown").EndObject();
  };
  out.Key("refused").BeginArray();
  for (const RankResponse::Refused& one : answer.refused) write(one.external_id, one.reason);
  if (!tells) {
    for (const std::string& id : answer.unknown) write(id, "");
  }
  out.EndArray().Key("unknown").BeginArray();
  if (tells) {
    for (const std::string& id : answer.unknown) out.String(id);
  }
  out.EndArray();
}

Result<Response> Rank(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  Result<std::optional<CustomerRef>> customer = CustomerOfBody(request, fields, engine.store());
  if (!customer.ok()) return customer.status();
  RankRequest question;
  question.items = fields.Ids("items", limits::kRankItemsMax);
  ReadWhatToShow(fields, &question.question);
  const std::vector<std::string> return_fields = ReadReturn(fields);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  question.question.customer = customer.Take();
  question.question.now = request.received_at;
  const Result<RankResponse> answer = engine.Rank(question);
  if (!answer.ok()) return answer.status();
  JsonWriter out(256 + question.items.size() * (160 + 64 * return_fields.size()));
  WriteRecommendation(out.BeginObject(), answer->ranked, return_fields, request.identity);
  WriteRefused(out, *answer, request.identity);
  return JsonResponse(200, out.EndObject().Take());
}

// A page as it was asked for; names and fields are parallel to page.placements.
struct PageQuestion {
  TogetherRequest page;
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> return_fields;
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

// Audiences are the shop's words about people: for server keys.
void WriteCustomer(JsonWriter& out, const CustomerSummary& customer, const Identity& reader) {
  out.BeginObject().Key("known").Bool(customer.known).Key("identified").Bool(customer.identified);
  out.Key("personalization").String(customer.personalization == Personalization::kOn ? "on" : "off");
  if (!customer.time_zone.empty()) out.Key("timezone").String(customer.time_zone);
  if (!customer.locale.empty()) out.Key("locale").String(customer.locale);
  if (!customer.country.empty()) out.Key("country").String(customer.country);
  if (reader.kind == KeyKind::kServer) {
    out.Key("audiences").BeginArray();
    for (const std::string& audience : customer.audiences) out.String(audience);
    out.EndArray();
  }
  out.EndObject();
}

Result<Response> Context(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  Result<std::optional<CustomerRef>> customer = CustomerOfBody(request, fields, engine.store());
  if (!customer.ok()) return customer.status();
  PageQuestion question;
  ReadPlacements(fields, &question);
  const bool allowed = fields.Flag("allowDuplicates").value_or(false);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  question.page.duplicates = allowed ? Duplicates::kAllowed : Duplicates::kRefused;
  question.page.customer = customer.Take();
  question.page.now = request.received_at;
  const Result<TogetherResponse> answer = engine.Together(question.page);
  if (!answer.ok()) return answer.status();
  JsonWriter out(4096);
  WriteCustomer(out.BeginObject().Key("customer"), answer->customer, request.identity);
  out.Key("generation").Unsigned(answer->generation).Key("placements").BeginArray();
  for (size_t i = 0; i < question.names.size(); ++i) {
    out.BeginObject().Key("name").String(question.names[i]);
    WriteRecommendation(out, answer->placements[i], question.return_fields[i], request.identity);
    out.EndObject();
  }
  out.EndArray();
  return JsonResponse(200, out.EndObject().Take());
}

}  // namespace

void AddPageRoutes(RouteTable& table, const EndpointContext& context) {
  const Engine& engine = context.engine;
  table.Add({Method::kPost, "/v1/rank", Scope::kRecommend,
             Synchronous([&engine](const Request& request) { return Rank(engine, request); }), Browsers::kAllowed});
  table.Add({Method::kPost, "/v1/context", Scope::kRecommend,
             Synchronous([&engine](const Request& request) { return Context(engine, request); }), Browsers::kAllowed});
}

}  // namespace rapport

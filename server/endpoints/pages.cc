// POST /v1/rank puts given items in order. The words of a question are those of /v1/recommendations.
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

}  // namespace

void AddPageRoutes(RouteTable& table, const EndpointContext& context) {
  const Engine& engine = context.engine;
  table.Add({Method::kPost, "/v1/rank", Scope::kRecommend,
             Synchronous([&engine](const Request& request) { return Rank(engine, request); }), Browsers::kAllowed});
}

}  // namespace rapport

// POST /v1/recommendations, /v1/recommendations/next, and the lists: GET /v1/items/{id}/similar,
// /v1/items/{id}/bought-together, /v1/trending, /v1/popular, /v1/latest. JSON and query in, engine/requests.h out, the
// answer written straight to text.
#include <algorithm>
#include <memory>

#include "base/limits.h"
#include "engine/customer_view.h"
#include "server/endpoints/answer_memory.h"
#include "server/endpoints/question_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kReturnFieldsMax = 64;

// Whose words these are: the same body from another key, or for another visitor, is another question.
std::string MemoryKey(const Request& request) {
  std::string key = request.identity.key_id;
  if (request.identity.visitor) {
    key += '\n';
    key += static_cast<char>('0' + static_cast<int>(request.identity.visitor->name_space));
    key += request.identity.visitor->external_id;
  }
  return key + '\0' + request.body;
}

// Until the first of the items shown expires. Nothing: not to be kept.
std::optional<Timestamp> ExpiryOf(const RecommendContext& context, const RecommendResponse& answer, Timestamp latest) {
  if (context.customer->root.value == 0) return std::nullopt;
  for (const RecommendedItem& shown : answer.items) {
    if (shown.explored) return std::nullopt;
    const Item* item = context.catalog->Get(shown.item);
    if (item != nullptr && item->expires_at) latest = std::min(latest, *item->expires_at);
  }
  return latest;
}

Result<Response> Recommend(const Engine& engine, AnswerMemory& memory, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::string key = MemoryKey(request);
  if (const auto kept = memory.Find(key, request.received_at); kept && engine.Stands(kept->ground, kept->customer)) {
    Response response;
    response.body = kept->text;
    return response;
  }
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  Result<std::optional<CustomerRef>> customer = CustomerOfBody(request, fields, engine.store());
  if (!customer.ok()) return customer.status();
  RecommendRequest question;
  ReadWhatToShow(fields, &question);
  ReadLayout(fields, &question);
  const std::vector<std::string> return_fields = ReadReturn(fields);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  question.customer = customer.Take();
  question.note = NoteOfReturn(return_fields);
  question.now = request.received_at;
  const Result<RecommendContext> context = engine.ContextOf(question.customer);
  if (!context.ok()) return context.status();
  const Result<RecommendResponse> answer = engine.Recommend(*context, question);
  if (!answer.ok()) return answer.status();
  Response response = RecommendAnswer(*answer, return_fields, request.identity);
  if (const auto expires_at = ExpiryOf(*context, *answer, memory.ExpiryOf(request.received_at)); expires_at) {
    memory.Keep(key, std::make_shared<AnswerMemory::Kept>(
                         AnswerMemory::Kept{{context->catalog, context->models, context->customer},
                                            context->customer->root,
                                            *expires_at,
                                            response.body}));
  }
  return response;
}

bool SameCustomer(const Store& store, const CustomerRef& one, const CustomerRef& other) {
  if (one == other) return true;
  const std::optional<CustomerId> a = store.FindCustomer(one), b = store.FindCustomer(other);
  return a && b && store.Root(*a) == store.Root(*b);
}

// A list belongs to whom it was made for: no id opens it for another, however they came by it.
Status CheckOwner(const Request& request, const std::optional<CustomerRef>& owner,
                  const std::optional<CustomerRef>& asking, const Store& store) {
  if (owner && asking && SameCustomer(store, *owner, *asking)) return Status::Ok();
  if (owner) RAPPORT_RETURN_IF_ERROR(MayActFor(request.identity, *owner));
  if (asking && (owner || request.identity.kind == KeyKind::kServer)) {
    return {StatusCode::kPermissionDenied,
            "recommendationId: this list was made for another customer than the one named"};
  }
  return Status::Ok();
}

// {"recommendationId": "...", "count": 20, "customer": {...}}; without `count` as many as before.
Result<Response> NextPage(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::string id = fields.RequiredText("recommendationId", limits::kRecommendationIdBytesMax);
  const std::optional<size_t> count = fields.Count("count", 1, limits::kRecommendationCountMax);
  const Result<std::optional<CustomerRef>> asking = CustomerOfBody(request, fields, engine.store());
  if (!asking.ok()) return asking.status();
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  Result<RecommendRequest> question = engine.Continue(id, request.received_at);
  if (!question.ok()) return question.status();
  RAPPORT_RETURN_IF_ERROR(CheckOwner(request, question->customer, *asking, engine.store()));
  if (count) question->count = *count;
  const Result<RecommendResponse> answer = engine.Recommend(*question);
  if (!answer.ok()) return answer.status();
  return RecommendAnswer(*answer, ReturnOfNote(question->note), request.identity);
}

// What a list was asked for in its query.
struct ListQuestion {
  ListRequest request;
  std::vector<std::string> return_fields;
};

Result<ListQuestion> ListQuestionFromQuery(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(
      RefuseUnknownQuery(request, {"kind", "count", "filter", "userId", "anonymousId", "return", "explain"}));
  ListQuestion question;
  question.request.kind = request.Query("kind");
  question.request.filter = request.Query("filter");
  question.request.now = request.received_at;
  if (request.query.contains("count")) {
    Result<size_t> count = ParseCount(request.Query("count"), "count", 1, limits::kRecommendationCountMax);
    if (!count.ok()) return count.status();
    question.request.count = *count;
  }
  Result<CustomerNames> names = CustomerNamesFromQuery(request);
  if (!names.ok()) return names.status();
  Result<std::optional<CustomerRef>> customer = CustomerToServe(request, *names, engine.store());
  if (!customer.ok()) return customer.status();
  question.request.customer = customer.Take();
  if (request.query.contains("explain")) {
    const std::string& explain = request.Query("explain");
    if (explain != "true" && explain != "false") return Status::InvalidArgument("explain must be true or false");
    question.request.explain = explain == "true";
  }
  question.return_fields = SplitList(request.Query("return"));
  if (question.return_fields.size() > kReturnFieldsMax) {
    return Status::InvalidArgument("return names more than " + std::to_string(kReturnFieldsMax) + " fields");
  }
  RAPPORT_RETURN_IF_ERROR(CheckItemFields(question.return_fields));
  return question;
}

// A list's handler: `ask` puts the question to the engine.
using Ask = std::function<Result<RecommendResponse>(const Request&, const ListRequest&)>;
Handler ListHandler(const Engine& engine, Ask ask) {
  return Synchronous([&engine, ask = std::move(ask)](const Request& request) -> Result<Response> {
    Result<ListQuestion> question = ListQuestionFromQuery(engine, request);
    if (!question.ok()) return question.status();
    Result<RecommendResponse> answer = ask(request, question->request);
    if (!answer.ok()) return answer.status();
    return RecommendAnswer(*answer, question->return_fields, request.identity);
  });
}

}  // namespace

void AddRecommendationRoutes(RouteTable& table, const EndpointContext& context) {
  const Engine& engine = context.engine;
  const EngineOptions& options = engine.options();
  const auto memory = std::make_shared<AnswerMemory>(AnswerMemoryOptions{options.answer_life_ms, options.answer_bytes});
  const auto list = [&](const char* pattern, Ask ask) {
    table.Add({Method::kGet, pattern, Scope::kRecommend, ListHandler(engine, std::move(ask)), Browsers::kAllowed});
  };
  const auto board = [&](const char* pattern, BoardKind kind) {
    list(pattern, [&engine, kind](const Request&, const ListRequest& request) { return engine.Board(kind, request); });
  };
  table.Add({Method::kPost, "/v1/recommendations", Scope::kRecommend,
             Synchronous([&engine, memory](const Request& request) { return Recommend(engine, *memory, request); }),
             Browsers::kAllowed});
  table.Add({Method::kPost, "/v1/recommendations/next", Scope::kRecommend,
             Synchronous([&engine](const Request& request) { return NextPage(engine, request); }), Browsers::kAllowed});
  list("/v1/items/{id}/similar", [&engine](const Request& request, const ListRequest& question) {
    return engine.Similar(request.Parameter("id"), question);
  });
  list("/v1/items/{id}/bought-together", [&engine](const Request& request, const ListRequest& question) {
    return engine.BoughtTogether(request.Parameter("id"), question);
  });
  board("/v1/trending", BoardKind::kTrending);
  board("/v1/popular", BoardKind::kPopular);
  board("/v1/latest", BoardKind::kLatest);
}

}  // namespace rapport

// POST /v1/recommendations and the lists: GET /v1/items/{id}/similar, /v1/items/{id}/bought-together, /v1/trending,
// /v1/popular, /v1/latest. JSON and query in, engine/requests.h out, the answer written straight to text.
#include "base/limits.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kReturnFieldsMax = 64;

// A recommendation as it was asked for.
struct Question {
  RecommendRequest request;
  CustomerNames customer;
  std::vector<std::string> return_fields;
};

Result<RepeatPolicy> RepeatPolicyFromName(const std::string& name) {
  if (name == "allow") return RepeatPolicy::kAllow;
  if (name == "exclude-owned") return RepeatPolicy::kExcludeOwned;
  if (name == "exclude-ordered") return RepeatPolicy::kExcludeOrdered;
  if (name == "only-ordered") return RepeatPolicy::kOnlyOrdered;
  return Status::InvalidArgument("repeat must be allow, exclude-owned, exclude-ordered or only-ordered, not " +
                                 QuoteForMessage(name));
}

// Words of the contract whose meaning comes later: an answer that ignored them would mislead.
Status RefuseUnsupported(JsonFields& fields) {
  const std::optional<double> diversity = fields.Number("diversity", 0, 1);
  if (diversity.value_or(0) > 0) return Status::InvalidArgument("diversity is not supported yet: leave it out");
  return Status::Ok();
}

void ReadBoosts(JsonFields& fields, std::vector<Boost>* boosts) {
  const std::vector<const Json*> entries = fields.Objects("boost", limits::kBoostsMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields entry(*entries[i], fields.Place("boost", i));
    Boost boost;
    boost.filter = entry.RequiredText("filter", limits::kFilterBytesMax);
    const std::optional<double> factor = entry.Number("factor", 0, 100);
    if (factor && *factor <= 0) entry.FailField("factor", "must be above 0: use exclude or filter to hide items");
    boost.factor = factor.value_or(1.0);
    fields.Fail(entry.Finish());
    boosts->push_back(std::move(boost));
  }
}

void ReadPins(JsonFields& fields, std::vector<Pin>* pins) {
  const std::vector<const Json*> entries = fields.Objects("pin", limits::kPinsMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields entry(*entries[i], fields.Place("pin", i));
    Pin pin;
    pin.item = entry.RequiredId("itemId");
    pin.position = entry.Count("position", 1, limits::kRecommendationCountMax).value_or(1);
    fields.Fail(entry.Finish());
    pins->push_back(std::move(pin));
  }
}

Result<Question> QuestionFromJson(const Json& body) {
  JsonFields fields(body, "");
  Question question;
  RecommendRequest& request = question.request;
  if (const Json* customer = fields.Find("customer")) {
    Result<CustomerNames> names = CustomerNamesFromJson(*customer, "customer.");
    if (!names.ok()) return names.status();
    question.customer = names.Take();
  }
  request.scenario = fields.Text("scenario", limits::kShortTextBytesMax).value_or("home");
  request.kind = fields.Text("kind", limits::kShortTextBytesMax);
  request.count = fields.Count("count", 1, limits::kRecommendationCountMax).value_or(0);
  request.seed_items = fields.Ids("seedItems", limits::kSeedItemsMax);
  request.filter = fields.Text("filter", limits::kFilterBytesMax).value_or("");
  ReadBoosts(fields, &request.boosts);
  ReadPins(fields, &request.pins);
  request.exclude = fields.Ids("exclude", limits::kExcludeMax);
  if (const std::optional<std::string> repeat = fields.Text("repeat", limits::kShortTextBytesMax)) {
    Result<RepeatPolicy> policy = RepeatPolicyFromName(*repeat);
    if (!policy.ok()) return policy.status();
    request.repeat = *policy;
  }
  request.explain = fields.Flag("explain").value_or(false);
  question.return_fields = fields.Texts("return", kReturnFieldsMax, limits::kShortTextBytesMax);
  RAPPORT_RETURN_IF_ERROR(RefuseUnsupported(fields));
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  RAPPORT_RETURN_IF_ERROR(CheckItemFields(question.return_fields));
  return question;
}

Result<Response> Recommend(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  Result<Question> question = QuestionFromJson(*body);
  if (!question.ok()) return question.status();
  Result<std::optional<CustomerRef>> customer = CustomerToServe(request, question->customer, engine.store());
  if (!customer.ok()) return customer.status();
  question->request.customer = customer.Take();
  question->request.now = request.received_at;
  Result<RecommendResponse> answer = engine.Recommend(question->request);
  if (!answer.ok()) return answer.status();
  return RecommendAnswer(*answer, *engine.store().catalog(), question->return_fields);
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
    return RecommendAnswer(*answer, *engine.store().catalog(), question->return_fields);
  });
}

}  // namespace

void AddRecommendationRoutes(RouteTable& table, const EndpointContext& context) {
  const Engine& engine = context.engine;
  const auto list = [&](const char* pattern, Ask ask) {
    table.Add({Method::kGet, pattern, Scope::kRecommend, ListHandler(engine, std::move(ask)), Browsers::kAllowed});
  };
  const auto board = [&](const char* pattern, BoardKind kind) {
    list(pattern, [&engine, kind](const Request&, const ListRequest& request) { return engine.Board(kind, request); });
  };
  table.Add({Method::kPost, "/v1/recommendations", Scope::kRecommend,
             Synchronous([&engine](const Request& request) { return Recommend(engine, request); }),
             Browsers::kAllowed});
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

// Contacts, scope campaigns:
//   POST /v1/decisions         content, time, channel and place for one customer together, or nothing; kept before told
//   GET  /v1/decisions/{id}    the same again, whole, and in words for a marketer and for the customer
//   GET, PUT /v1/channels      channels and places          GET, PUT /v1/limits   caps, quiet hours, money, holdout
// A PUT replaces the whole text, takes effect with its answer, and survives restarts.
#include <memory>
#include <mutex>

#include "server/contact_settings_json.h"
#include "server/endpoints/decision_json.h"
#include "server/endpoints/decision_question.h"
#include "server/endpoints/question_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

Result<DecisionQuestion> ReadQuestion(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  Result<std::optional<CustomerRef>> customer = CustomerOfBody(request, fields, engine.store());
  if (!customer.ok()) return customer.status();
  if (!*customer) return Status::InvalidArgument("customer is missing: name one, like {\"userId\": \"17850\"}");
  DecisionQuestion asked = ReadDecisionQuestion(fields);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  asked.AskFor(**customer, request.received_at);
  return asked;
}

void Decide(const Engine& engine, const Request& request, Responder respond) {
  const Result<DecisionQuestion> asked = ReadQuestion(engine, request);
  if (!asked.ok()) return respond(ProblemResponse(asked.status()));
  DecideAndKeep(engine, *asked, [respond = std::move(respond)](Result<std::string> decision) {
    respond(decision.ok() ? JsonResponse(200, decision.Take()) : ProblemResponse(decision.status()));
  });
}

Result<Response> GetDecision(const Store& store, const Request& request) {
  const Result<Decision> decision = store.GetDecision(request.Parameter("id"));
  if (!decision.ok()) return decision.status();
  JsonWriter out(8192);
  out.BeginObject().Key("decision").Raw(decision->body).Key("words").Raw(DecisionInWords(decision->body));
  return JsonResponse(200, out.EndObject().Take());
}

// The two texts of settings: one change at a time, checked together with what the other one says.
class SettingsDoor {
 public:
  explicit SettingsDoor(Engine& engine) : engine_(engine) {}

  using Read = Status (*)(std::string_view, ContactSettings*);
  Result<Response> Put(const char* name, Read read, const Request& request) {
    std::lock_guard one_at_a_time(mutex_);
    ContactSettings settings = *engine_.contact_settings();
    RAPPORT_RETURN_IF_ERROR(read(request.body, &settings));
    RAPPORT_RETURN_IF_ERROR(Validate(settings));
    if (read == &ReadLimits) RAPPORT_RETURN_IF_ERROR(CheckStockItems(settings, *engine_.store().catalog()));
    const auto results = engine_.store().ApplyAndWait({PutSetting{name, request.body}});
    if (!results.ok()) return results.status();
    RAPPORT_RETURN_IF_ERROR((*results)[0].status);
    RAPPORT_RETURN_IF_ERROR(engine_.UseContactSettings(std::move(settings)));
    JsonWriter out;
    out.BeginObject().Key("success").Bool(true).Key("settingsVersion").Unsigned(engine_.contact_settings_version());
    return JsonResponse(200, out.EndObject().Take());
  }

 private:
  Engine& engine_;
  std::mutex mutex_;
};

}  // namespace

void AddDecisionRoutes(RouteTable& table, const EndpointContext& context) {
  Engine& engine = context.engine;
  const auto door = std::make_shared<SettingsDoor>(engine);
  const auto add = [&table](Method method, const char* pattern, Work work,
                            std::function<Result<Response>(const Request&)> handle) {
    const auto checked = [handle = std::move(handle)](const Request& request) -> Result<Response> {
      RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
      return handle(request);
    };
    table.Add({method, pattern, Scope::kCampaigns, Synchronous(checked), Browsers::kRefused, work});
  };
  table.Add({Method::kPost, "/v1/decisions", Scope::kCampaigns,
             [&engine](const Request& request, Responder respond) { Decide(engine, request, std::move(respond)); }});
  add(Method::kGet, "/v1/decisions/{id}", Work::kShort,
      [&engine](const Request& request) { return GetDecision(engine.store(), request); });
  add(Method::kGet, "/v1/channels", Work::kShort, [&engine](const Request&) -> Result<Response> {
    return JsonResponse(200, ChannelsToJson(*engine.contact_settings()));
  });
  add(Method::kGet, "/v1/limits", Work::kShort, [&engine](const Request&) -> Result<Response> {
    return JsonResponse(200, LimitsToJson(*engine.contact_settings()));
  });
  add(Method::kPut, "/v1/channels", Work::kLong,
      [door](const Request& request) { return door->Put(kChannelsSetting, &ReadChannels, request); });
  add(Method::kPut, "/v1/limits", Work::kLong,
      [door](const Request& request) { return door->Put(kLimitsSetting, &ReadLimits, request); });
}

}  // namespace rapport

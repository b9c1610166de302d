// POST /v1/visitors: a server key mints the signed token that a browser key acts with, for one customer and a while.
//   {"anonymousId": "8d1f", "ttlSeconds": 86400} -> {"visitor": "...", "expiresAt": "..."}
#include "server/endpoints/json_writer.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kTtlSecondsDefault = 24 * 3600;
constexpr size_t kTtlSecondsMax = 90 * 24 * 3600;

Result<Response> MintVisitor(const Authenticator& authenticator, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::optional<std::string> user_id = fields.Id("userId");
  const std::optional<std::string> anonymous_id = fields.Id("anonymousId");
  const size_t ttl_seconds = fields.Count("ttlSeconds", 60, kTtlSecondsMax).value_or(kTtlSecondsDefault);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  if (user_id.has_value() == anonymous_id.has_value()) {
    return Status::InvalidArgument("name the visitor by one of userId and anonymousId: a token is for one customer");
  }
  const CustomerRef customer = user_id ? CustomerRef{CustomerNamespace::kUser, *user_id}
                                       : CustomerRef{CustomerNamespace::kAnonymous, *anonymous_id};
  const Timestamp expires_at{request.received_at.ms + static_cast<int64_t>(ttl_seconds) * kSecondMs};
  JsonWriter out;
  out.BeginObject().Key("visitor").String(authenticator.MintVisitor(customer, expires_at));
  out.Key("expiresAt").Time(expires_at).EndObject();
  return JsonResponse(200, out.Take());
}

}  // namespace

void AddVisitorRoutes(RouteTable& table, const EndpointContext& context) {
  const Authenticator& authenticator = context.authenticator;
  table.Add({Method::kPost, "/v1/visitors", Scope::kRecommend,
             Synchronous([&authenticator](const Request& request) { return MintVisitor(authenticator, request); })});
}

}  // namespace rapport

// Rooms, seats or call slots to guests, scope campaigns:
//   POST /v1/assignments    who gets which place, which wishes were met, who gets nothing and why; nothing is kept
#include "server/assignment_json.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

Result<Response> AssignPlaces(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<AssignRequest> asked = ReadAssignRequest(request.body, request.received_at);
  if (!asked.ok()) return asked.status();
  const Result<AssignAnswer> answer = engine.Assign(*asked);
  if (!answer.ok()) return answer.status();
  return JsonResponse(200, AssignAnswerToJson(*asked, *answer));
}

}  // namespace

void AddAssignmentRoutes(RouteTable& table, const EndpointContext& context) {
  Engine& engine = context.engine;
  table.Add({Method::kPost, "/v1/assignments", Scope::kCampaigns,
             Synchronous([&engine](const Request& request) { return AssignPlaces(engine, request); }),
             Browsers::kRefused, Work::kLong});
}

}  // namespace rapport

// The JSON endpoints of v1, put together.
#include "server/endpoints/endpoints.h"

#include "server/endpoints/routes.h"

namespace rapport {

void AddEndpoints(RouteTable& table, const EndpointContext& context) {
  AddEventRoutes(table, context);
  AddItemRoutes(table, context);
  AddCustomerRoutes(table, context);
  AddRecommendationRoutes(table, context);
  AddPageRoutes(table, context);
  AddContextRoute(table, context);
  AddDecisionRoutes(table, context);
  AddBatchDecisionRoutes(table, context);
  AddAssignmentRoutes(table, context);
  AddVisitorRoutes(table, context);
  AddGorseRoutes(table, context);
  AddOpenApiRoute(table);
}

}  // namespace rapport

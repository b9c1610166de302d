// The groups of routes that endpoints.cc puts together, one file each.
#pragma once

#include "server/endpoints/endpoints.h"

namespace rapport {

void AddEventRoutes(RouteTable& table, const EndpointContext& context);           // events.cc
void AddItemRoutes(RouteTable& table, const EndpointContext& context);            // items.cc
void AddCustomerRoutes(RouteTable& table, const EndpointContext& context);        // customers.cc
void AddRecommendationRoutes(RouteTable& table, const EndpointContext& context);  // recommendations.cc
void AddPageRoutes(RouteTable& table, const EndpointContext& context);            // pages.cc
void AddContextRoute(RouteTable& table, const EndpointContext& context);          // context.cc
void AddDecisionRoutes(RouteTable& table, const EndpointContext& context);        // decisions.cc
void AddBatchDecisionRoutes(RouteTable& table, const EndpointContext& context);   // batch_decisions.cc
void AddAssignmentRoutes(RouteTable& table, const EndpointContext& context);      // assignments.cc
void AddVisitorRoutes(RouteTable& table, const EndpointContext& context);         // visitors.cc
void AddGorseRoutes(RouteTable& table, const EndpointContext& context);           // gorse.cc
void AddOpenApiRoute(RouteTable& table);                                          // openapi.cc

}  // namespace rapport

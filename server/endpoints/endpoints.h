// Everything an endpoint needs, and the one function that puts all of them into the table. One file per group of
// routes, each with one `void Add...Routes(RouteTable&, const EndpointContext&)`.
#pragma once

#include "base/time.h"
#include "engine/engine.h"
#include "server/auth.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/route_table.h"

namespace rapport {

class TrainingJobs;  // server/training_jobs.h
class BackupJobs;    // server/backup_jobs.h

// References that outlive the route table.
struct EndpointContext {
  Engine& engine;
  Authenticator& authenticator;  // mints visitor tokens, forgets revoked keys
  Metrics& metrics;
  Log& log;
  const Clock& clock;  // requests carry their time: only background work needs this
  TrainingJobs& training;
  BackupJobs* backups = nullptr;  // null: there are none
};

// The JSON endpoints of v1: events, items, customers, recommendations, boards, visitors, /openapi.json
// (endpoints/endpoints.cc).
void AddEndpoints(RouteTable& table, const EndpointContext& context);
// /v1/admin/*: checkpoints, apply, keys (endpoints/admin.cc).
void AddAdminRoutes(RouteTable& table, const EndpointContext& context);
// /healthz, /readyz, /metrics (endpoints/health.cc); `metrics_scope` nullopt: public.
void AddHealthRoutes(RouteTable& table, const EndpointContext& context, std::optional<Scope> metrics_scope);
// /v1/models* (endpoints/models.cc).
void AddModelRoutes(RouteTable& table, const EndpointContext& context);

}  // namespace rapport

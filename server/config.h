// The one configuration file: JSON, every key optional, unknown keys refused with their path. docs/OPERATIONS.md has
// the table. Options of the command line win over it.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "data/prune.h"
#include "data/store.h"
#include "engine/options.h"
#include "server/memory_plan.h"
#include "server/server.h"
#include "server/training_schedule.h"

namespace rapport {

struct Config {
  EngineOptions engine;
  StoreOptions store;
  ServerOptions server;
  TrainingPlan training;
  RetentionPlan retention;
  MemoryPlan memory;            // what `memoryBytes`, or the machine, came to; single sizes may be set otherwise
  bool public_metrics = false;  // /metrics without a key, also when listening beyond the loopback
  std::string backup_folder;    // of POST /v1/admin/backup; empty: that is refused
  size_t backups_kept = 7;      // in it, 0: all
  int64_t stop_timeout_ms = 30 * kSecondMs;  // what is not finished then is cut off
};

// kInvalidArgument names the key: "server.listenn is not a known key". `machine_bytes`: of memory, half of which is
// planned with where the file does not say `memoryBytes`; 0: fixed defaults.
Result<Config> ParseConfig(std::string_view json, uint64_t machine_bytes = 0);
// The same from a file; an empty path is the default configuration.
Result<Config> ReadConfig(const std::string& path);

// "127.0.0.1:8080", "0.0.0.0:8080" (all addresses), "[::1]:8080". kInvalidArgument otherwise.
Status ParseListen(const std::string& text, ServerOptions* options);

}  // namespace rapport

// The one configuration file: JSON, every key optional, unknown keys refused with their path. docs/OPERATIONS.md has
// the table. Options of the command line win over it.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "data/store.h"
#include "engine/options.h"
#include "server/server.h"
#include "server/training_schedule.h"

namespace rapport {

struct Config {
  EngineOptions engine;
  StoreOptions store;
  ServerOptions server;
  TrainingPlan training;
  bool public_metrics = false;               // /metrics without a key, also when listening beyond the loopback
  int64_t stop_timeout_ms = 30 * kSecondMs;  // what is not finished then is cut off
};

// kInvalidArgument names the key: "server.listenn is not a known key".
Result<Config> ParseConfig(std::string_view json);
// The same from a file; an empty path is the default configuration.
Result<Config> ReadConfig(const std::string& path);

// "127.0.0.1:8080", "0.0.0.0:8080" (all addresses), "[::1]:8080". kInvalidArgument otherwise.
Status ParseListen(const std::string& text, ServerOptions* options);

}  // namespace rapport

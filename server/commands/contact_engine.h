// The engine over a store that a command has opened, with the shop's channels and limits as they were set.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "engine/engine.h"
#include "server/commands/command.h"

namespace rapport {

// One owner, one thread. The store must outlive it.
struct ContactEngine {
  std::unique_ptr<Engine> engine;  // uses `settings`
  ContactSettings settings;
};

// What the engine has to say of its start goes to `terminal.error` in the name of `command`.
Result<ContactEngine> OpenContactEngine(Store& store, const std::string& command, Terminal& terminal);

}  // namespace rapport

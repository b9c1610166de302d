// A training asked for by a command, whoever holds the store: shared by `rapport train` and `rapport models import` of
// factors.
#pragma once

#include "engine/learning/trainer.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"
#include "server/config.h"

namespace rapport {

// Here, or beside the server that holds the store (then registered and activated through it). `session` is of kRead.
Result<TrainReport> TrainThrough(StoreSession& session, const Config& config, const TrainOptions& options,
                                 Terminal& terminal);
// Prints the report, as JSON or for people; kFailedPrecondition when it was refused. `command`: who says so.
Status TellTraining(const TrainReport& report, bool json, const char* command, Terminal& terminal);

}  // namespace rapport

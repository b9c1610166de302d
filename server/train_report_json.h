// A training's report as JSON: what the registry keeps, GET /v1/models shows and `rapport train --json` writes.
#pragma once

#include <string>

#include "engine/learning/response_training.h"
#include "engine/learning/trainer.h"

namespace rapport {

std::string TrainReportToJson(const TrainReport& report);
std::string ResponseReportToJson(const ResponseTrainReport& report);
std::string ResponseReportToText(const ResponseTrainReport& report);
std::string DriftReportToJson(const DriftReport& report);
// The same for people: a table of what was judged and the gate's words, several lines.
std::string TrainReportToText(const TrainReport& report);

}  // namespace rapport

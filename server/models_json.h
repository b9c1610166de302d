// The models' registry as JSON: GET /v1/models and `rapport models list --json`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/records.h"
#include "server/training_jobs.h"

namespace rapport {

const char* ModelStateName(ModelState state);  // "active"
// {"inService": 2, "models": [...], "training": {...}}; `job` may be null or kNone: no training to speak of.
std::string ModelsToJson(const std::vector<ModelRecord>& models, uint64_t in_service, const TrainingJob* job);

}  // namespace rapport

// The parts of a content model beside factors, neighbours and popularity: attributes with their map, sessions,
// repurchase, traits, last year's season. Each is a function of the table given and nothing else.
#pragma once

#include "base/status.h"
#include "engine/learning/training_set.h"
#include "models/content_model.h"

namespace rapport {

struct ContentPartsOptions {
  AttributeOptions attributes;
  SessionOptions sessions;
  double session_gap_minutes = 30;   // a longer pause ends a session
  double trait_half_life_days = 60;  // of what customers with a trait chose
  size_t per_trait = 200;            // items kept for a trait
  double season_days = 28;           // [a year ago, a year ago + this)
};

// Customers with a positive line, by row.
std::vector<uint32_t> CountCustomers(const TrainingSet& set);

// Into `model`, whose rows are the table's and whose factors are fitted. Attributes and traits need set.attributes.
Status FitContentParts(const TrainingSet& set, Timestamp as_of, const ContentPartsOptions& options, int threads,
                       ContentModel& model);

}  // namespace rapport

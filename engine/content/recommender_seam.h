// For tests only: a Recommender with one of its two guards taken out, to show that the tests notice. No option, request
// or configuration leads here.
#pragma once

#include <memory>

#include "engine/content/recommender.h"

namespace rapport {

enum class RecommenderSeam : int {
  kNone,
  kNoLiveCheck,      // the eligibility check on the live item row always agrees: pins and the like go astray
  kNoPrefilter,      // candidates are not restricted beforehand: slower, and still right
  kWrongPropensity,  // explored items are signed with the probability of another slot's draw
};

Result<std::unique_ptr<Recommender>> MakeRecommenderForTest(EngineOptions options, const SecretKey& signing_key,
                                                            RecommenderSeam seam);

}  // namespace rapport

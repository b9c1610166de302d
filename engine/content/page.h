// From ranked candidates to the page: diversity (engine/content/diversity.h) chooses and orders, then exploration
// (engine/content/exploration.h) draws for its slots; pins stand where they stand. With neither it is the ranking.
#pragma once

#include <functional>
#include <vector>

#include "engine/content/answer.h"
#include "engine/content/stages.h"
#include "engine/options.h"

namespace rapport {

enum class Propensities : uint8_t { kTrue, kOfAnotherSlot /* tests only: engine/content/recommender_seam.h */ };

struct PageOptions {
  double diversity = 0;     // 0 to 1
  Exploration exploration;  // no slots: none
  Propensities propensities = Propensities::kTrue;
};

// How many candidates an answer of `want` items has to gather.
size_t CandidatesFor(const PageOptions& options, size_t want);

// The page from what `answer` has gathered. `uniform_of(slot)`: in [0, 1), for the slot's draw (from 1).
RecommendResponse ArrangePage(const Question& question, const PageOptions& options,
                              const std::function<double(size_t slot)>& uniform_of, Answer& answer);

}  // namespace rapport

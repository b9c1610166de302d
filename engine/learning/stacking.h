// The blend over rankers: features of a candidate are how each ranker scores it, and whether the customer had it; the
// weights are fitted on held-out windows before the cut, never on what is judged (models/blend.h).
//
//   candidates = union of every ranker's best `depth`
//   features   = per ranker s and sqrt(s), s = max(0, score) / the customer's highest score; had (0 or 1)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/judging.h"
#include "models/blend.h"

namespace rapport {

// One held-out window: rankers fitted before it, and what was chosen in it.
struct BlendWindow {
  const TrainingSet* past = nullptr;
  std::vector<Ranker> rankers;  // the same kinds in the same order in every window
  JudgedCases cases;
};

struct StackingOptions {
  size_t depth = 200;
  BlendOptions blend;
};

// theta over all windows together.
Result<std::vector<double>> FitStacking(const std::vector<BlendWindow>& windows, const StackingOptions& options);

// Ranks by theta. Items outside the candidates come after them, by the first ranker.
Ranker StackedRanker(std::string name, std::vector<Ranker> rankers, std::vector<double> theta, const TrainingSet& past,
                     RepeatTask task, size_t depth);

}  // namespace rapport

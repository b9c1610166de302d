// Are the stated reasons true? Each history item of a case is really taken away, the score that is served is computed
// anew, and what it lost is held against what the reasons said beforehand.
//
//   case       = (customer with at least history_min items, one of the ten items that the blend would show first)
//   lost_i     = score(history) - score(history without every line of item i), by the functions that serve
//   measure    = Spearman's rank correlation of (stated_i) with (lost_i) over the items of one case, averaged over
//   cases factors    = the same for x . y alone and its shares in closed form (models/fold_in_shares.h) permuted   =
//   the same with the stated shares given to the wrong items: what no knowledge at all would reach
// Time, allowed items and the model stay as they are; only the history changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/training_set.h"
#include "models/content_model.h"
#include "models/metrics.h"

namespace rapport {

struct ExplanationOptions {
  size_t cases = 1000;
  size_t history_min = 5;  // items with a weight above zero
  size_t shown = 10;       // the case's item is drawn from the first that many
  uint64_t seed = 1;
  int threads = 0;
};

struct ExplanationRow {
  std::string reasons;        // "blend", ...
  Interval rank_correlation;  // by case, 95 %
  double strongest = 0;       // share of cases whose strongest reason is the item that costs most
};

struct ExplanationReport {
  size_t cases = 0;
  double history_mean = 0;  // items
  std::vector<ExplanationRow> rows;
};

// `past` has the lines that `model` may know; ages count to `as_of`. kFailedPrecondition when nobody has a history that
// is long enough, or the model has no blend. The same bits on every thread count.
Result<ExplanationReport> JudgeExplanations(const TrainingSet& past, const ContentModel& model, Timestamp as_of,
                                            const ExplanationOptions& options);

std::string FormatExplanations(const ExplanationReport& report);

}  // namespace rapport

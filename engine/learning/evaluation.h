// Offline judging with a global time split (docs/JUDGING.md): everything is fitted on the lines before the cut, at the
// cut, and judged on what came after, over the full catalogue.
//
//   next basket:  relevant = the first order after the cut, repeats count
//   new items:    relevant = everything ordered in the window that the customer never had before the cut; what the
//                 customer had is not ranked
// Items unseen before the cut leave the relevant set; customers need a line before the cut and a relevant item after
// it. With `parts` > 1 the window is cut into equal parts, each judged by models fitted on everything before it; a
// customer counts once, with the mean over the parts it was judged in.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/rivals.h"
#include "engine/learning/training_set.h"
#include "engine/learning/tuning.h"
#include "engine/options.h"
#include "models/metrics.h"

namespace rapport {

struct EvaluationOptions {
  Timestamp split, until;  // [split, until); 0 and 0: the last holdout_days of the table
  double holdout_days = 28;
  int parts = 1;
  RivalSettings rivals;
  uint32_t ease_items_max = 8192;                        // a larger catalogue is judged without EASE; 0: never
  double repeat_weight = EngineOptions{}.repeat_weight;  // of "iALS + repeats"
  double repeat_half_life_days = EngineOptions{}.repeat_half_life_days;
  double mix_share = 0.5;  // of iALS in "iALS + item kNN by baskets"
  TuningOptions tuning;    // on the tuning_days before `split`; runs = 0: not at all
  double tuning_days = 28;
  size_t customers_max = 0;  // 0: all
  uint64_t seed = 1;         // of the bootstrap and of customers_max
};

// One model's row of a table. recall = hits / |relevant|; intervals: 95 %, bootstrap by customer.
struct EvaluationRow {
  std::string model;
  std::string settings;  // of a rival, in words
  Interval ndcg10, recall10, recall20;
  double coverage20 = 0;              // share of the catalogue seen before the cut that stands in anybody's top 20
  std::vector<double> ndcg10_strata;  // mean by EvaluationTable::strata
  Interval blend_gain;                // NDCG@10 of the blend less this model's, customers paired
  Interval blend_gain_recall20;       // the same of Recall@20
};

// Customers by the number of orders (or active days without orders) they had before the cut.
struct EvaluationStratum {
  std::string name;  // "1", "2-4", "5-9", "10+"
  size_t customers = 0;
};

struct EvaluationTable {
  std::string task;  // "next basket", "new items", or a cold one (cold_evaluation.h)
  std::string note;  // what is ranked, where it is not everything
  size_t customers = 0;
  size_t cases = 0;  // more than customers where the window has parts
  double relevant_mean = 0;
  std::vector<EvaluationStratum> strata;  // none for a cold task
  std::vector<EvaluationRow> rows;
};

struct EvaluationReport {
  Timestamp split, until;
  int parts = 1;
  uint32_t customers_before = 0, items_before = 0, orders_before = 0;  // before the first cut
  uint64_t lines_before = 0, lines_after = 0;
  std::vector<EvaluationTable> tables;
  std::vector<TuningRun> tuning;
};

// stage: "tuning", "fitting", "judging"; false cancels (kUnavailable).
using EvaluationProgress = std::function<bool(const char* stage, double share_done)>;

// kInvalidArgument for dates the wrong way round, kFailedPrecondition when nothing lies before the cut, or nobody came
// back after it.
Result<EvaluationReport> Evaluate(const TrainingSet& set, const EvaluationOptions& options,
                                  const EvaluationProgress& progress = {});

// [split, until) of the options, or the last days of the table. kInvalidArgument for dates the wrong way round.
Status ChooseWindow(const TrainingSet& set, const EvaluationOptions& options, Timestamp& split, Timestamp& until);

// Rows of a table whose last ranker is what is served: one value per customer, gains of the last one over each.
std::vector<EvaluationRow> RowsBesideTheLast(const std::vector<Measured>& measured, uint64_t seed);

// Aligned columns for people, a line of context above each table.
std::string FormatEvaluation(const EvaluationReport& report);

}  // namespace rapport

// Judging by strong generalisation, as papers do it (Marlin 2004; Liang et al. 2018, "Variational Autoencoders for
// Collaborative Filtering", section 4.1): a share of the customers is never trained on. Of each of them most items are
// given, folded in, and the others are to be found among everything not given.
//   Recall@k over min(k, |relevant|), binary NDCG@10, full catalogue
// It asks how good models are for somebody new with a history, and knows no time: a global time split
// (evaluation.h) says what a shop will see.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "engine/learning/evaluation.h"
#include "engine/learning/training_set.h"

namespace rapport {

struct GeneralisationOptions {
  EvaluationOptions evaluation;  // settings of the fits, seed; its dates and parts are not looked at
  double held_out_share = 0.2;   // of the customers, drawn by id and seed; 0..1, both excluded
  double given_share = 0.8;      // of each one's items, drawn by id and seed
  size_t items_min = 5;          // customers with fewer are not judged
};

// What is fitted on, what is given of the customers held out (the same item rows), and what is to be found.
struct GeneralisationSplit {
  TrainingSet trained, given;
  JudgedCases hidden;
};
GeneralisationSplit SplitCustomers(const TrainingSet& set, const GeneralisationOptions& options);

// One table. kInvalidArgument for shares out of range, kFailedPrecondition when nobody is left to judge.
Result<EvaluationReport> EvaluateGeneralisation(const TrainingSet& set, const GeneralisationOptions& options,
                                                const EvaluationProgress& progress = {});

}  // namespace rapport

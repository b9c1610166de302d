// Judging the cold start by masking (docs/JUDGING.md "Cold start"): who or what the training never saw.
//
//   cold items      a share of the items, drawn by seed, loses every event before the cut; ranked are only these, for
//                   customers with a history who chose one of them after the cut
//   cold customers  a share of the customers, drawn by seed, loses every event before the cut, traits stay; ranked is
//                   everything, relevant their first basket after it
//   sessions        first baskets after the cut of customers unknown before it: the first lines are given, the rest is
//                   to be found among everything not given
// Whoever is masked is drawn by id and seed alone, so what happened to them, before or after the cut, has no say in the
// fit.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "engine/learning/evaluation.h"
#include "engine/learning/training_set.h"

namespace rapport {

enum class ColdTask : uint8_t { kItems, kCustomers, kSessions };

struct ColdOptions {
  EvaluationOptions evaluation;  // split, until, settings of the fit, seed
  double mask_share = 0.2;       // of items or customers; 0..1, both excluded
  size_t given_lines = 3;        // of a session
};

// True for the share of ids that `seed` draws.
bool IsMasked(uint64_t id, double share, uint64_t seed);

// The past that is fitted on: lines before the cut without what is masked, and a table of attributes that does not know
// the masked items. The mask of kSessions is empty: unknown customers need none.
TrainingSet MaskedPast(const TrainingSet& set, Timestamp split, ColdTask task, const ColdOptions& options);

// One table. Errors as Evaluate's; kFailedPrecondition too when nobody is left to judge.
Result<EvaluationReport> EvaluateCold(const TrainingSet& set, ColdTask task, const ColdOptions& options,
                                      const EvaluationProgress& progress = {});

}  // namespace rapport

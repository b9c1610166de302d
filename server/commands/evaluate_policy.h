// `rapport evaluate --policy NAME`: what another policy would have earned on the decisions that were kept. The reward
// of a decision is what became of its contact: the margin where a person answered, less the cost of the send, less the
// lifetime value where the customer left; of nothing, 0.
#pragma once

#include <iosfwd>
#include <string>

#include "base/status.h"
#include "data/store.h"
#include "engine/learning/policy_evaluation.h"

namespace rapport {

struct EvaluatePolicyArguments {
  std::string policy;                             // logged, uniform, greedy, softmax, nothing, or channel:NAME
  std::string from, until;                        // RFC 3339; empty: all that is kept
  double temperature = 0.02, exploration = 0.05;  // of softmax
  double lifetime_value = 50;                     // lost with a customer who leaves
  uint64_t seed = 1;
  bool json = false;
};

// A decision whose body cannot be read is counted and said, never guessed at. kFailedPrecondition: too little is kept.
Status RunEvaluatePolicy(const EvaluatePolicyArguments& arguments, const Store& store, std::ostream& out);

}  // namespace rapport

// What another policy would have earned: logged decisions, a policy over their shortlists, and models/off_policy.h.
//   row     = one decision: who, when, the shortlist with the probabilities it was drawn by, the arm drawn, the reward
//   policy  = probabilities over the same shortlist, computed anew from what was logged with the arms
//   model   = the reward of an arm by logistic regression on [value, value |value| / (1 + |value|), contact or not,
//   channel], the
//             reward scaled to 0..1; fitted without the customer's fold, so that no decision is judged by what it
//             taught
// A policy can only be judged on arms that were on the shortlist with a probability above 0; what it would do beyond
// is `unsupported`, and above a trace it is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "models/off_policy.h"

namespace rapport {

inline constexpr uint32_t kNoChannel = ~0u;  // of the arm "nothing"

struct LoggedArm {
  uint32_t channel = kNoChannel;
  double value = 0;       // what it was thought to be worth when it was drawn; nothing: 0
  double propensity = 0;  // of being drawn, 0..1
};

struct LoggedDecision {
  uint32_t customer = 0;
  Timestamp time;
  std::vector<LoggedArm> shortlist;
  uint32_t chosen = 0;  // index into shortlist
  double reward = 0;    // what came of it, less what it cost
};

enum class PolicyKind : uint8_t {
  kLogged,   // as it was: a check of the whole chain, its gain is 0
  kUniform,  // every arm of the shortlist alike
  kGreedy,   // the most valued arm
  kSoftmax,  // (1 - exploration) softmax(value / temperature) + exploration / n
  kChannel,  // the logged policy, but of the contacts only those on `channel`; where there is none: nothing
  kNothing,  // no contact at all
};

struct PolicySpec {
  PolicyKind kind = PolicyKind::kLogged;
  double temperature = 1, exploration = 0.05;  // kSoftmax
  uint32_t channel = 0;                        // kChannel
};

// "uniform", "greedy", ...; nullopt: unknown.
std::optional<PolicyKind> PolicyKindFromName(const std::string& name);

// One probability per arm of the shortlist, summing to 1, or to less where the policy wants what is not there
// (kChannel and kNothing without the arm "nothing" on the shortlist). kInvalidArgument for an empty shortlist, a
// temperature that is not above 0, an exploration outside 0..1.
Result<std::vector<double>> PolicyProbabilities(const PolicySpec& policy, std::span<const LoggedArm> shortlist);

struct PolicyEvaluationOptions {
  Timestamp from, until{INT64_MAX};  // decisions with from <= time < until
  uint32_t folds = 5;
  uint64_t seed = 1;  // of the folds
  OffPolicyOptions off_policy;
};

// kInvalidArgument naming the decision; kFailedPrecondition when there is too little to answer (models/off_policy.h).
Result<OffPolicyReport> EvaluatePolicy(std::span<const LoggedDecision> decisions, const PolicySpec& policy,
                                       const PolicyEvaluationOptions& options);

}  // namespace rapport

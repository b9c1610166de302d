// Is deciding content, hour and channel together worth it, and does the learned model do it? Judged where the truth is
// known (simulated_contacts.h), over the interaction dial and over how often a customer was contacted before.
//
// In each world, one in |contacts| customers is sent contacts[k], by uniform draws or as the model itself spends them
// (contact_logging.h); one response model learns from all of them. Then every policy sends one contact to every judged
// customer of a stratum, within the same budget; what it is worth is the true expected value: margin x true response -
// cost - lifetime value x true unsubscribing. No answer is drawn, so that nothing but the choice differs between
// policies. Customers who left every channel are not judged.
//
//   gain of joint over P   sum of joint's values / sum of P's - 1         share of the oracle   sum of P's / sum of its
//   parts (asked for)      the learned model with one of its parts in place of the truth, for where the rest is lost:
//                          logit = everybody's part + the customer's own part - fatigue; the interactions are those of
//                          simulated_contacts.h, "of three" what no pair of kind, part of the week and channel explains
//   intervals              95 %, bootstrap by customer, customers of all worlds of one dial together, paired
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/simulated_contacts.h"
#include "models/metrics.h"
#include "models/response_model.h"

namespace rapport {

// The policies, in the order of rows. "joint": the learned response model over all arms.
enum class JointPolicy : uint8_t {
  kJoint,          // learned model, all arms together
  kSeparateModel,  // the same model, each of content, hour and channel by its own average
  kSeparateRates,  // shrunken personal marginal rates (joint_policies.h)
  kMautic,
  kMostEngaged,
  kGlobal,          // the learned model without a word about the customer, all arms together
  kObserver,        // Bayes, knowing the population's true parameters: how far any learner can come
  kSeparateOracle,  // true probabilities, each by its own average
  kOracle,          // true probabilities, all arms together
  // Of JointOptions::parts: the learned model, all arms together, with the truth about
  kTrueLeaving,       // fatigue and unsubscribing
  kTrueShared,        // everybody's part
  kTrueOwn,           // the customer's own part
  kTrueThreeWay,      // everybody's interaction of three, in place of what was learned of it
  kTrueSituation,     // the customer's own interactions, in place of what the traits say of them
  kTrueInteractions,  // both of these
};
inline constexpr size_t kJointPolicies = 15, kJointParts = 6;  // the last ones are the parts
const char* JointPolicyName(JointPolicy policy);

struct JointOptions {
  std::vector<double> dials{0, 0.25, 0.5, 0.75, 1};
  std::vector<uint64_t> worlds{101, 102, 103, 104, 105};  // seeds; never those on which anything was chosen
  std::vector<size_t> contacts{0, 5, 20, 80};             // per customer, in turn
  size_t customers = 2400;                                // of one world
  size_t items = 300;                                     // of its shop
  ContactPolicy logging = ContactPolicy::kUniform;        // who chose what was sent before
  ModelSpending spending;                                 // of kModel
  double budget_per_send = 0.02;                          // money; the costs of channels are in simulated_contacts.h
  bool parts = false;                                     // with rows for the learned model's parts
  bool learned = true;  // false: the policies that need no fit of the response model, for a look at the world alone
  ResponseOptions response;
  uint64_t seed = 1;  // of the bootstrap
  int threads = 0;    // 0: all cores
};

struct JointRow {
  double dial = 0;
  int64_t contacts = -1;  // of the stratum; -1: all of them together
  JointPolicy policy = JointPolicy::kJoint;
  size_t sends = 0;
  double spent_per_send = 0;
  Interval value;               // per send, money
  Interval share_of_oracle;     // of values
  Interval gain_of_joint;       // over this policy; 0 for joint itself
  double worst_world_gain = 0;  // the smallest gain of joint over this policy among the worlds
};

struct JointReport {
  JointOptions options;
  std::vector<JointRow> rows;  // by dial, stratum (all first), policy
};

// Deterministic on any number of threads. kInvalidArgument for empty lists or what the world refuses; errors of the
// fit.
Result<JointReport> EvaluateJoint(const JointOptions& options);

}  // namespace rapport

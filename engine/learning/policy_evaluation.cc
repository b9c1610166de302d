#include "engine/learning/policy_evaluation.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/random.h"
#include "models/logistic_regression.h"

namespace rapport {
namespace {

constexpr double kSumSlack = 1e-6;

constexpr struct {
  const char* name;
  PolicyKind kind;
} kNames[] = {{"logged", PolicyKind::kLogged},   {"uniform", PolicyKind::kUniform}, {"greedy", PolicyKind::kGreedy},
              {"softmax", PolicyKind::kSoftmax}, {"channel", PolicyKind::kChannel}, {"nothing", PolicyKind::kNothing}};

size_t Best(std::span<const LoggedArm> shortlist) {
  size_t best = 0;
  for (size_t a = 1; a < shortlist.size(); ++a) best = shortlist[a].value > shortlist[best].value ? a : best;
  return best;
}

std::vector<double> Softmax(const PolicySpec& policy, std::span<const LoggedArm> shortlist) {
  std::vector<double> p;
  const double top = shortlist[Best(shortlist)].value;
  double sum = 0;
  for (const LoggedArm& arm : shortlist) sum += p.emplace_back(std::exp((arm.value - top) / policy.temperature));
  const auto count = static_cast<double>(p.size());
  for (double& one : p) one = (1 - policy.exploration) * one / sum + policy.exploration / count;
  return p;
}

// The logged probabilities of the arms that may stay, scaled to 1; none: all on nothing, where it is on the shortlist.
template <typename MayStay>
std::vector<double> Only(std::span<const LoggedArm> shortlist, MayStay may_stay) {
  std::vector<double> p(shortlist.size(), 0.0);
  double sum = 0;
  for (size_t a = 0; a < p.size(); ++a) {
    if (may_stay(shortlist[a])) sum += p[a] = shortlist[a].propensity;
  }
  for (size_t a = 0; a < p.size(); ++a) {
    if (sum > 0) p[a] /= sum;
    if (sum <= 0 && shortlist[a].channel == kNoChannel) {
      p[a] = 1;
      break;
    }
  }
  return p;
}

Status CheckDecision(const LoggedDecision& decision, size_t number) {
  const auto wrong = [&](const std::string& what) {
    return Status::InvalidArgument("policy: decision " + std::to_string(number) + ": " + what);
  };
  if (decision.shortlist.empty()) return wrong("the shortlist is empty");
  if (decision.chosen >= decision.shortlist.size()) return wrong("the chosen arm is not on the shortlist");
  if (!std::isfinite(decision.reward)) return wrong("the reward is not finite");
  double sum = 0;
  for (const LoggedArm& arm : decision.shortlist) {
    if (!(arm.propensity >= 0 && arm.propensity <= 1) || !std::isfinite(arm.value)) {
      return wrong("an arm's propensity is not in 0..1, or its value is not finite");
    }
    sum += arm.propensity;
  }
  if (std::abs(sum - 1) > kSumSlack) return wrong("the shortlist's propensities sum to " + std::to_string(sum));
  return Status::Ok();
}

// Arms as features of the reward model.
class ArmFeatures {
 public:
  explicit ArmFeatures(std::span<const LoggedDecision* const> decisions) {
    double squares = 0, count = 0;
    for (const LoggedDecision* decision : decisions) {
      for (const LoggedArm& arm : decision->shortlist) {
        squares += arm.value * arm.value, count += 1;
        if (arm.channel != kNoChannel) channels_.push_back(arm.channel);
      }
      std::sort(channels_.begin(), channels_.end());  // per decision: few stay
      channels_.erase(std::unique(channels_.begin(), channels_.end()), channels_.end());
    }
    scale_ = squares > 0 ? std::sqrt(squares / count) : 1;
  }
  size_t columns() const { return 3 + channels_.size(); }
  void Append(const LoggedArm& arm, std::vector<double>& out) const {
    const double value = arm.value / scale_;
    out.insert(out.end(),
               {value, value * std::abs(value) / (1 + std::abs(value)), arm.channel == kNoChannel ? 0.0 : 1.0});
    for (uint32_t channel : channels_) out.push_back(channel == arm.channel ? 1 : 0);
  }

 private:
  std::vector<uint32_t> channels_;  // ascending
  double scale_ = 1;
};

struct Arrays {
  std::vector<double> reward, propensity, target, model_chosen, model_expected, unsupported;
  std::vector<uint32_t> customer;
};

// q and v of every decision, by a model that was fitted without the customer's fold.
Status CrossFit(std::span<const LoggedDecision* const> decisions, const std::vector<std::vector<double>>& policy,
                const PolicyEvaluationOptions& options, Arrays& arrays) {
  const auto [low, high] = std::minmax_element(arrays.reward.begin(), arrays.reward.end());
  const double least = *low, range = *high > *low ? *high - *low : 1;
  const ArmFeatures features(decisions);
  const Random root(options.seed);
  const auto fold_of = [&](uint32_t customer) { return root.Fork(customer).Below(options.folds); };
  arrays.model_chosen.resize(decisions.size());
  arrays.model_expected.resize(decisions.size());
  for (uint32_t fold = 0; fold < options.folds; ++fold) {
    std::vector<double> x, y;
    for (size_t i = 0; i < decisions.size(); ++i) {
      if (fold_of(decisions[i]->customer) == fold) continue;
      features.Append(decisions[i]->shortlist[decisions[i]->chosen], x);
      y.push_back((arrays.reward[i] - least) / range);
    }
    if (y.empty()) return Status::FailedPrecondition("policy: too few customers to fit a reward model for their folds");
    const Result<LogisticFit> fit = FitLogistic({features.columns(), x, y, {}}, {});
    if (!fit.ok()) return fit.status();
    std::vector<double> arm;
    for (size_t i = 0; i < decisions.size(); ++i) {
      if (fold_of(decisions[i]->customer) != fold) continue;
      for (size_t a = 0; a < decisions[i]->shortlist.size(); ++a) {
        arm.clear();
        features.Append(decisions[i]->shortlist[a], arm);
        const double value = least + range * fit->model.Probability(arm);
        arrays.model_expected[i] += policy[i][a] * value;
        if (a == decisions[i]->chosen) arrays.model_chosen[i] = value;
      }
    }
  }
  return Status::Ok();
}

}  // namespace

std::optional<PolicyKind> PolicyKindFromName(const std::string& name) {
  for (const auto& known : kNames) {
    if (name == known.name) return known.kind;
  }
  return std::nullopt;
}

Result<std::vector<double>> PolicyProbabilities(const PolicySpec& policy, std::span<const LoggedArm> shortlist) {
  if (shortlist.empty()) return Status::InvalidArgument("policy: the shortlist is empty");
  if (!(policy.temperature > 0) || !(policy.exploration >= 0 && policy.exploration <= 1)) {
    return Status::InvalidArgument("policy: temperature must be above 0 and exploration in 0..1");
  }
  std::vector<double> p(shortlist.size(), 0.0);
  switch (policy.kind) {
    case PolicyKind::kLogged:
      for (size_t a = 0; a < p.size(); ++a) p[a] = shortlist[a].propensity;
      return p;
    case PolicyKind::kUniform: std::fill(p.begin(), p.end(), 1 / static_cast<double>(p.size())); return p;
    case PolicyKind::kGreedy: p[Best(shortlist)] = 1; return p;
    case PolicyKind::kSoftmax: return Softmax(policy, shortlist);
    case PolicyKind::kChannel:
      return Only(shortlist, [&](const LoggedArm& arm) { return arm.channel == policy.channel; });
    case PolicyKind::kNothing: return Only(shortlist, [](const LoggedArm& arm) { return arm.channel == kNoChannel; });
  }
  return Status::InvalidArgument("policy: unknown kind");
}

Result<OffPolicyReport> EvaluatePolicy(std::span<const LoggedDecision> decisions, const PolicySpec& policy,
                                       const PolicyEvaluationOptions& options) {
  if (options.folds < 2) return Status::InvalidArgument("policy: there must be 2 folds or more");
  std::vector<const LoggedDecision*> judged;
  std::vector<std::vector<double>> probabilities;
  Arrays arrays;
  for (size_t i = 0; i < decisions.size(); ++i) {
    const LoggedDecision& decision = decisions[i];
    if (decision.time < options.from || !(decision.time < options.until)) continue;
    RAPPORT_RETURN_IF_ERROR(CheckDecision(decision, i));
    Result<std::vector<double>> p = PolicyProbabilities(policy, decision.shortlist);
    if (!p.ok()) return p.status();
    double supported = 0;
    for (size_t a = 0; a < p->size(); ++a) supported += decision.shortlist[a].propensity > 0 ? (*p)[a] : 0;
    judged.push_back(&decision);
    arrays.reward.push_back(decision.reward);
    arrays.propensity.push_back(decision.shortlist[decision.chosen].propensity);
    arrays.target.push_back((*p)[decision.chosen]);
    arrays.unsupported.push_back(std::clamp(1 - supported, 0.0, 1.0));
    arrays.customer.push_back(decision.customer);
    probabilities.push_back(p.Take());
  }
  if (judged.empty()) return Status::FailedPrecondition("policy: no answer: no decision was logged in this time");
  RAPPORT_RETURN_IF_ERROR(CrossFit(judged, probabilities, options, arrays));
  return EstimateOffPolicy({arrays.reward, arrays.propensity, arrays.target, arrays.model_chosen, arrays.model_expected,
                            arrays.customer, arrays.unsupported},
                           options.off_policy);
}

}  // namespace rapport

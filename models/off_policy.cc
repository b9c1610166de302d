#include "models/off_policy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

namespace rapport {
namespace {

constexpr double kNormal975 = 1.959963984540054;
constexpr double kProbabilitySlack = 1e-9;  // rounding of what others wrote
constexpr double kWeightFarErrors = 5, kWeightFarLeast = 0.05;

double Sum(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// Four significant digits for messages.
std::string Digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// Hall's inverse, h above.
double HallInverse(double x, double skewness, double clusters) {
  if (std::abs(skewness) < 1e-6) return x;
  return 3 / skewness * (std::cbrt(1 + skewness * (x - skewness / (6 * clusters))) - 1);
}

// Interval of `theta` whose error is the mean of `influence` over clusters, divided by `scale` (mean of b).
ValueInterval IntervalOf(double theta, std::span<const double> influence, double scale) {
  const auto clusters = static_cast<double>(influence.size());
  const double mean = Sum(influence) / clusters;  // 0 but for rounding
  double squares = 0, cubes = 0;
  for (double value : influence) {
    const double d = value - mean;
    squares += d * d;
    cubes += d * d * d;
  }
  ValueInterval out{theta, 0, theta, theta};
  if (squares <= 0 || clusters < 2) return out;
  const double deviation = std::sqrt(squares / clusters) / std::abs(scale);
  double skewness = cubes / clusters / std::pow(squares / clusters, 1.5);
  if (scale < 0) skewness = -skewness;
  const double spread = deviation * std::sqrt(clusters / (clusters - 1));
  out.standard_error = spread / std::sqrt(clusters);
  const double x = kNormal975 / std::sqrt(clusters);
  const auto side = [&](double at) {
    const double hall = HallInverse(at, skewness, clusters);
    return spread * (std::abs(hall) < std::abs(at) ? (hall + at) / 2 : hall);
  };
  out.lower = theta - side(x);
  out.upper = theta - side(-x);
  return out;
}

// Customers renumbered 0..count - 1 in order of first appearance of their sorted ids.
struct Clusters {
  std::vector<uint32_t> of;
  size_t count = 0;

  explicit Clusters(std::span<const uint32_t> customer) : of(customer.size()) {
    std::vector<uint32_t> ids(customer.begin(), customer.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    count = ids.size();
    for (size_t i = 0; i < of.size(); ++i) {
      of[i] = static_cast<uint32_t>(std::lower_bound(ids.begin(), ids.end(), customer[i]) - ids.begin());
    }
  }
  // Per cluster the sum of value(i).
  template <typename ValueOf>
  std::vector<double> SumOf(ValueOf value) const {
    std::vector<double> sums(count, 0.0);
    for (size_t i = 0; i < of.size(); ++i) sums[of[i]] += value(i);
    return sums;
  }
};

// An estimator as sums over clusters.
struct Ratio {
  std::vector<double> a, b;
  double theta() const { return Sum(a) / Sum(b); }
  // Per cluster; its sum is 0.
  std::vector<double> Influence() const {
    std::vector<double> out(a.size());
    const double at = theta(), total = Sum(b);
    for (size_t c = 0; c < a.size(); ++c) out[c] = (a[c] - at * b[c]) / total;
    return out;
  }
};

ValueInterval IntervalOfShares(double theta, const std::vector<double>& influence) {
  return IntervalOf(theta, influence, 1.0 / static_cast<double>(influence.size()));
}

Status CheckLengths(const LoggedDecisions& log) {
  const size_t n = log.reward.size();
  const auto fits = [&](size_t size, bool may_be_empty) { return size == n || (may_be_empty && size == 0); };
  if (!fits(log.propensity.size(), false) || !fits(log.target.size(), false) || !fits(log.customer.size(), false) ||
      !fits(log.model_chosen.size(), true) || !fits(log.model_expected.size(), true) ||
      !fits(log.unsupported.size(), true)) {
    return Status::InvalidArgument("off-policy: every array must have one entry per decision");
  }
  if (log.model_chosen.size() != log.model_expected.size()) {
    return Status::InvalidArgument("off-policy: the reward model's two arrays must come together");
  }
  return Status::Ok();
}

Status CheckNumbers(const LoggedDecisions& log) {
  const auto wrong = [](size_t i, const std::string& what) {
    return Status::InvalidArgument("off-policy: decision " + std::to_string(i) + ": " + what);
  };
  const auto probability = [](double p) { return p >= 0 && p <= 1 + kProbabilitySlack; };
  for (size_t i = 0; i < log.reward.size(); ++i) {
    if (!std::isfinite(log.reward[i])) return wrong(i, "the reward is not finite");
    if (!probability(log.propensity[i]) || log.propensity[i] <= 0) {
      return wrong(i, "the propensity of the logged action is " + Digits(log.propensity[i]) +
                          "; what was drawn had a probability above 0 and at most 1: log the one it was drawn with");
    }
    if (!probability(log.target[i])) {
      return wrong(i, "the target's probability is " + Digits(log.target[i]) + ", not in 0..1");
    }
    if (!log.model_chosen.empty() && !(std::isfinite(log.model_chosen[i]) && std::isfinite(log.model_expected[i]))) {
      return wrong(i, "the reward model's value is not finite");
    }
    if (!log.unsupported.empty() && !probability(log.unsupported[i])) {
      return wrong(i, "the unsupported mass is " + Digits(log.unsupported[i]) + ", not in 0..1");
    }
  }
  return Status::Ok();
}

Status CheckSupport(const OffPolicyReport& report, const OffPolicyOptions& options) {
  const auto refuse = [](const std::string& what) {
    return Status::FailedPrecondition("off-policy: no answer: " + what);
  };
  if (report.unsupported > options.unsupported_most) {
    return refuse(
        Digits(100 * report.unsupported) +
        " % of the target's mass lies on actions that the log had probability 0 for; judge a policy that stays "
        "among them, or explore first");
  }
  if (report.customers < options.customers_least) {
    return refuse(std::to_string(report.customers) + " customers; an interval by customer needs " +
                  std::to_string(options.customers_least));
  }
  const double missing = std::max(0.0, 1 - report.weight.value);
  if (report.effective_decisions < options.effective_least) {
    return refuse(
        "effective sample size " + Digits(report.effective_decisions) + " of " + std::to_string(report.decisions) +
        " decisions, at least " + Digits(options.effective_least) + " are needed (largest weight " +
        Digits(report.weight_largest) + "; " + Digits(100 * missing) +
        " % of the target's mass was not met in the log); log more, or judge a policy nearer to the logged one");
  }
  const double off = std::abs(report.weight.value - 1);
  if (off > kWeightFarLeast && off > kWeightFarErrors * report.weight.standard_error) {
    return refuse("the weights' mean is " + Digits(report.weight.value) + " +- " +
                  Digits(report.weight.standard_error) + " instead of 1: " +
                  (report.weight.value < 1
                       ? Digits(100 * missing) + " % of the target's mass has no support in the log, or "
                       : std::string()) +
                  "the logged propensities are not those that actions were drawn with");
  }
  if (report.rewarded_customers < options.rewarded_least) {
    return refuse(std::to_string(report.rewarded_customers) + " customers have a reward other than 0; at least " +
                  std::to_string(options.rewarded_least) + " are needed for an interval that means anything");
  }
  return Status::Ok();
}

// Switch-DR: grid of thresholds, the last being none.
struct Switch {
  double threshold = 0, bias_bound = 0;
  Ratio ratio;
};

Switch ChooseSwitch(const LoggedDecisions& log, const Clusters& clusters, const std::vector<double>& weights,
                    const std::vector<double>& ones, double forced) {
  const auto n = static_cast<double>(weights.size());
  std::vector<double> sorted = weights;
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> grid;
  for (double share : {.5, .7, .8, .9, .95, .98, .99, .995, .999}) {
    grid.push_back(sorted[static_cast<size_t>(share * (n - 1))]);
  }
  grid.push_back(sorted.back());
  if (forced > 0) grid = {forced};
  double range = 0;
  for (size_t i = 0; i < weights.size(); ++i) range = std::max(range, std::abs(log.reward[i] - log.model_chosen[i]));
  Switch best;
  double least = 0;
  // From none downwards: among equals the one that switches least.
  for (size_t k = grid.size(); k-- > 0;) {
    Switch candidate{grid[k], 0, {}};
    double above = 0;
    for (double w : weights) above += w > grid[k] ? w : 0;
    candidate.bias_bound = above / n * range;
    candidate.ratio.a = clusters.SumOf([&](size_t i) {
      return (weights[i] <= grid[k] ? weights[i] * (log.reward[i] - log.model_chosen[i]) : 0) + log.model_expected[i];
    });
    candidate.ratio.b = ones;
    double risk = candidate.bias_bound * candidate.bias_bound;
    for (double l : candidate.ratio.Influence()) risk += l * l;
    if (best.ratio.a.empty() || risk < least) least = risk, best = std::move(candidate);
  }
  return best;
}

void Fill(const Ratio& ratio, const Ratio& logged, double bias_bound, OffPolicyEstimate& out) {
  std::vector<double> influence = ratio.Influence();
  out.computed = true;
  out.value = IntervalOfShares(ratio.theta(), influence);
  const std::vector<double> other = logged.Influence();
  for (size_t c = 0; c < influence.size(); ++c) influence[c] -= other[c];
  out.gain = IntervalOfShares(ratio.theta() - logged.theta(), influence);
  for (ValueInterval* interval : {&out.value, &out.gain}) {
    interval->lower -= bias_bound;
    interval->upper += bias_bound;
  }
}

}  // namespace

const char* OffPolicyEstimatorName(OffPolicyEstimator estimator) {
  switch (estimator) {
    case OffPolicyEstimator::kIps: return "IPS";
    case OffPolicyEstimator::kSnips: return "SNIPS";
    case OffPolicyEstimator::kDr: return "DR";
    case OffPolicyEstimator::kSwitchDr: return "Switch-DR";
  }
  return "";
}

ValueInterval RatioInterval(std::span<const double> a, std::span<const double> b) {
  const Ratio ratio{{a.begin(), a.end()}, {b.begin(), b.end()}};
  return IntervalOfShares(ratio.theta(), ratio.Influence());
}

Result<OffPolicyReport> EstimateOffPolicy(const LoggedDecisions& log, const OffPolicyOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckLengths(log));
  RAPPORT_RETURN_IF_ERROR(CheckNumbers(log));
  if (log.reward.empty()) return Status::FailedPrecondition("off-policy: no answer: the log has no decisions");
  OffPolicyReport report;
  const Clusters clusters(log.customer);
  report.decisions = log.reward.size();
  report.customers = clusters.count;
  std::vector<double> weights(report.decisions);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = log.target[i] / log.propensity[i];
  const double total = Sum(weights), squares = std::inner_product(weights.begin(), weights.end(), weights.begin(), 0.0);
  report.effective_decisions = squares > 0 ? total * total / squares : 0;
  report.weight_largest = *std::max_element(weights.begin(), weights.end());
  if (!log.unsupported.empty()) report.unsupported = Sum(log.unsupported) / static_cast<double>(report.decisions);

  const std::vector<double> ones = clusters.SumOf([](size_t) { return 1.0; });
  const std::vector<double> weight_sums = clusters.SumOf([&](size_t i) { return weights[i]; });
  const std::vector<double> rewarded = clusters.SumOf([&](size_t i) { return log.reward[i] != 0 ? 1.0 : 0.0; });
  report.rewarded_customers =
      static_cast<size_t>(std::count_if(rewarded.begin(), rewarded.end(), [](double r) { return r > 0; }));
  report.weight = RatioInterval(weight_sums, ones);
  RAPPORT_RETURN_IF_ERROR(CheckSupport(report, options));

  const auto at = [&](OffPolicyEstimator e) -> OffPolicyEstimate& { return report.estimates[static_cast<size_t>(e)]; };
  const Ratio logged{clusters.SumOf([&](size_t i) { return log.reward[i]; }), ones};
  report.logged = RatioInterval(logged.a, logged.b);
  const std::vector<double> weighted = clusters.SumOf([&](size_t i) { return weights[i] * log.reward[i]; });
  Fill({weighted, ones}, logged, 0, at(OffPolicyEstimator::kIps));
  Fill({weighted, weight_sums}, logged, 0, at(OffPolicyEstimator::kSnips));
  if (log.model_chosen.empty()) return report;
  const Ratio robust{clusters.SumOf([&](size_t i) {
                       return weights[i] * (log.reward[i] - log.model_chosen[i]) + log.model_expected[i];
                     }),
                     ones};
  Fill(robust, logged, 0, at(OffPolicyEstimator::kDr));
  const Switch chosen = ChooseSwitch(log, clusters, weights, ones, options.switch_threshold);
  report.switch_threshold = chosen.threshold;
  report.switch_bias_bound = chosen.bias_bound;
  Fill(chosen.ratio, logged, chosen.bias_bound, at(OffPolicyEstimator::kSwitchDr));
  return report;
}

}  // namespace rapport

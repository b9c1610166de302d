// FitResponse: everybody's part first (a penalised logistic regression, logistic.h), then traits and customers as
// residuals over it, then what may be believed of them, on the newest trials:
//   1  the newest share of trials is held back; everybody's part, W and S are fitted on the rest
//   2  b[c][kind][h], W, and J with V pass, in this order, when the held-back trials get likelier beyond doubt
//      (lower end of the interval by customer above 0)
//   3  dampings by stratum, and g, minimise the loss on held-back trials; without a gain they are 0. How much somebody
//      answers says nothing of which arm is best: what depends on the arm must gain beside the level
//   4  everything is fitted again on all trials, with 2 and 3 kept
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/parallel.h"
#include "base/random.h"
#include "models/block_logistic.h"
#include "models/metrics.h"
#include "models/response_model.h"
#include "models/response_parts.h"
#include "models/response_vector.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 64;
constexpr double kDampingMax = 1.2, kActivityWeightMax = 1.5;
constexpr double kLevelErrors = 1, kArmErrors = 2;  // standard errors that a gain must have
// Held-back trials of a stratum; with fewer than wanted, customers with more evidence speak for it as well, with only
// their newest trials.
constexpr size_t kStratumTrialsMin = 100, kStratumTrialsWanted = 3000;
constexpr std::array<size_t, kResponseStrata> kThinnedTo = {0, 3, 10, 40, 0};

// ---- what may be believed ----

// One held-back trial: everybody's logit, the customer's own level and what of the arm, the activity's.
struct Held {
  uint32_t customer = 0;
  uint8_t stratum = 0;
  bool responded = false;
  double shared = 0, level = 0, arm = 0, activity = 0;
};

// What a stratum's own parts are multiplied by.
struct Dampings {
  double level = 1, arm = 1;
};

double Eta(const Held& held, const Dampings& damping, double activity_weight) {
  return held.shared + damping.level * held.level + damping.arm * held.arm + activity_weight * held.activity;
}
double Loss(const Held& held, const Dampings& damping, double activity_weight) {
  const double eta = Eta(held, damping, activity_weight);
  return SoftPlus(held.responded ? -eta : eta);
}

// argmin over x in [0, high] of sum Loss, convex in x: Newton held within the bounds.
template <typename Slope>
double Minimise(double start, double high, const Slope& slope) {
  double x = start;
  for (int step = 0; step < 30; ++step) {
    const auto [first, second] = slope(x);
    if (second <= 0) break;
    const double next = std::clamp(x - first / second, 0.0, high);
    if (std::abs(next - x) < 1e-6) return next;
    x = next;
  }
  return x;
}

// Mean gain over its standard error, trial by trial.
double GainInErrors(std::span<const double> gains) {
  double sum = 0, squares = 0;
  for (const double gain : gains) sum += gain;
  const double n = static_cast<double>(gains.size()), mean = sum / n;
  for (const double gain : gains) squares += (gain - mean) * (gain - mean);
  return squares > 0 ? sum / std::sqrt(squares) : 0;
}

// Gain per trial, its interval over customers: sums by customer, over the mean number of trials. (Means by customer
// would drown those with many trials in those with one.)
Interval GainByCustomer(std::span<const Held> held, std::span<const double> gains, uint64_t seed) {
  std::vector<double> sums;
  for (size_t i = 0; i < held.size();) {
    const size_t first = i;
    double sum = 0;
    for (; i < held.size() && held[i].customer == held[first].customer; ++i) sum += gains[i];
    sums.push_back(sum);
  }
  const double trials = static_cast<double>(held.size()) / static_cast<double>(std::max<size_t>(1, sums.size()));
  for (double& sum : sums) sum /= trials;
  return sums.empty() ? Interval{} : BootstrapMean(sums, seed);
}

using HeldStrata = std::array<std::vector<Held>, kResponseStrata>;

// One factor of `held`'s logits, by Newton: `part` is what it multiplies, `rest` the dampings with it at x.
template <typename Part, typename Rest>
double FitFactor(std::span<const Held> held, double start, double high, const Part& part, const Rest& eta) {
  return Minimise(start, high, [&](double x) {
    double first = 0, second = 1e-9;
    for (const Held& one : held) {
      const double p = Sigmoid(eta(one, x));
      first += (p - one.responded) * part(one);
      second += p * (1 - p) * part(one) * part(one);
    }
    return std::pair(first, second);
  });
}

void FitLevel(std::span<const Held> held, double weight, Dampings& damping) {
  damping.level = FitFactor(
      held, damping.level, kDampingMax, [](const Held& one) { return one.level; },
      [&](const Held& one, double x) {
        return Eta(one, {x, damping.arm}, weight);
      });
}
void FitArm(std::span<const Held> held, double weight, Dampings& damping) {
  damping.arm = FitFactor(
      held, damping.arm, kDampingMax, [](const Held& one) { return one.arm; },
      [&](const Held& one, double x) {
        return Eta(one, {damping.level, x}, weight);
      });
}

// What is left of a stratum's dampings: the arm's where it gains beside the level alone, the level's where that gains.
Dampings Believed(std::span<const Held> held, double weight, const Dampings& fitted) {
  std::vector<double> gains;
  const auto gain_of = [&](const Dampings& with, const Dampings& without, auto part) {
    gains.clear();
    for (const Held& one : held) {
      if (one.*part != 0) gains.push_back(Loss(one, without, weight) - Loss(one, with, weight));
    }
    return gains.size() >= kStratumTrialsMin ? GainInErrors(gains) : 0.0;
  };
  Dampings believed = fitted, level_only{fitted.level, 0};
  FitLevel(held, weight, level_only);
  if (!(gain_of(fitted, level_only, &Held::arm) > kArmErrors)) believed = level_only;
  if (!(gain_of(believed, {0, believed.arm}, &Held::level) > kLevelErrors)) believed.level = 0;
  return believed;
}

void FitDamping(std::span<const Held> held, const HeldStrata& strata, ResponseModel& model) {
  std::array<Dampings, kResponseStrata> damping;
  double weight = 0.5;
  for (int round = 0; round < 10; ++round) {
    for (size_t s = 0; s < kResponseStrata; ++s) {
      FitLevel(strata[s], weight, damping[s]);
      FitArm(strata[s], weight, damping[s]);
    }
    weight = FitFactor(
        held, weight, kActivityWeightMax, [](const Held& one) { return one.activity; },
        [&](const Held& one, double x) { return Eta(one, damping[one.stratum], x); });
  }
  std::vector<double> gains;
  for (const Held& one : held) {
    if (one.activity != 0)
      gains.push_back(Loss(one, damping[one.stratum], 0) - Loss(one, damping[one.stratum], weight));
  }
  if (gains.empty() || !(GainInErrors(gains) > kArmErrors)) weight = 0;
  model.activity_weight = static_cast<float>(weight);
  for (size_t s = 0; s < kResponseStrata; ++s) {
    const Dampings believed = Believed(strata[s], weight, damping[s]);
    model.level_damping[s] = static_cast<float>(believed.level);
    model.damping[s] = static_cast<float>(believed.arm);
    double gain = 0;
    uint64_t trials = 0;
    for (const Held& one : strata[s]) {
      if (one.level == 0 && one.arm == 0) continue;
      gain += Loss(one, {0, 0}, weight) - Loss(one, damping[s], weight);
      ++trials;
    }
    model.report.stratum_trials[s] = trials;
    model.report.stratum_gain[s] = trials == 0 ? 0 : gain / static_cast<double>(trials);
    // Nobody had that much before the cut: what holds with less evidence holds with more.
    if (s >= 2 && trials < kStratumTrialsMin) {
      model.damping[s] = model.damping[s - 1];
      model.level_damping[s] = model.level_damping[s - 1];
    }
  }
}

// ---- the whole ----

Status CheckEvidence(const ResponseShape& shape, std::span<const CustomerEvidence> customers) {
  const auto bad = [](size_t u, const std::string& what) {
    return Status::InvalidArgument("response model: customer " + std::to_string(u) + " of the evidence: " + what);
  };
  if (shape.channels == 0 || shape.places == 0 || shape.kinds == 0 || shape.segments == 0 || shape.channels > 255 ||
      shape.places > 255 || shape.kinds > 255) {
    return Status::InvalidArgument("response model: channels, places, kinds must be 1..255, segments at least 1");
  }
  for (const uint8_t kind : shape.content_kind) {
    if (kind >= shape.kinds) return Status::InvalidArgument("response model: a content's kind is not below the kinds");
  }
  for (size_t u = 0; u < customers.size(); ++u) {
    const CustomerEvidence& one = customers[u];
    if (one.segment >= shape.segments) return bad(u, "its segment is not below the segments");
    for (const uint32_t trait : one.traits) {
      if (trait >= shape.traits) return bad(u, "a trait is not below the traits");
    }
    if (!one.activity_age_days.empty() && one.activity_age_days.size() != one.activity_hours.size()) {
      return bad(u, "not one age for each hour of activity");
    }
    for (const uint16_t hour : one.activity_hours) {
      if (hour >= kHoursOfWeek) return bad(u, "an hour of activity is not below 168");
    }
    for (const float age : one.activity_age_days) {
      if (!std::isfinite(age)) return bad(u, "an age is not a finite number");
    }
    for (const ResponseTrial& trial : one.trials) {
      const bool fits = trial.hour < kHoursOfWeek && trial.channel < shape.channels && trial.place < shape.places &&
                        trial.kind < shape.kinds &&
                        (trial.content >= shape.content_kind.size() || shape.content_kind[trial.content] == trial.kind);
      if (!fits) return bad(u, "a trial's hour, channel, place or kind is outside the shape");
      if (!std::isfinite(trial.affinity) || !std::isfinite(trial.recent_sends) || !std::isfinite(trial.age_days)) {
        return bad(u, "a trial has a number that is not finite");
      }
    }
  }
  return {};
}

// Customers with trials, at most so many, drawn by seed, in their order.
std::vector<FittedCustomer> Draw(std::span<const CustomerEvidence> evidence, const ResponseOptions& options) {
  std::vector<std::pair<uint64_t, uint32_t>> drawn;
  const Random root(options.seed);
  for (uint32_t u = 0; u < evidence.size(); ++u) {
    if (!evidence[u].trials.empty()) drawn.emplace_back(root.Fork(u).NextU64(), u);
  }
  std::sort(drawn.begin(), drawn.end());
  if (drawn.size() > options.customers_max) drawn.resize(options.customers_max);
  std::sort(drawn.begin(), drawn.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  std::vector<FittedCustomer> customers;
  for (const auto& [order, u] : drawn) {
    customers.push_back({u, {evidence[u].trials.begin(), evidence[u].trials.end()}});
  }
  return customers;
}

// Trials at least `cut` days old, ages as they were then; and the younger ones.
struct Halves {
  std::vector<FittedCustomer> past, later;
  float cut_days = 0;
};
Halves Cut(std::span<const FittedCustomer> customers, double share) {
  std::vector<float> ages;
  for (const FittedCustomer& customer : customers) {
    for (const ResponseTrial& trial : customer.trials) ages.push_back(trial.age_days);
  }
  const auto at = static_cast<ptrdiff_t>(share * static_cast<double>(ages.size() - 1));
  std::nth_element(ages.begin(), ages.begin() + at, ages.end());
  Halves halves;
  halves.cut_days = ages[static_cast<size_t>(at)];
  for (const FittedCustomer& customer : customers) {
    FittedCustomer past{customer.index, {}}, later{customer.index, {}};
    for (ResponseTrial trial : customer.trials) {
      if (trial.age_days < halves.cut_days) {
        later.trials.push_back(trial);
        continue;
      }
      trial.age_days -= halves.cut_days;
      past.trials.push_back(trial);
    }
    halves.past.push_back(std::move(past));
    halves.later.push_back(std::move(later));
  }
  return halves;
}

// Activity up to the cut, for one customer. Owns what the evidence points at.
struct PastActivity {
  std::vector<uint16_t> hours;
  std::vector<float> ages;
  PastActivity(const CustomerEvidence& one, float cut_days) {
    for (size_t e = 0; e < one.activity_age_days.size(); ++e) {
      if (one.activity_age_days[e] < cut_days) continue;
      hours.push_back(one.activity_hours[e]);
      ages.push_back(one.activity_age_days[e] - cut_days);
    }
  }
};

ActivityModel FitActivityOn(std::span<const CustomerEvidence> evidence, uint32_t segments,
                            const ResponseOptions& options) {
  std::vector<ActivityEvidence> marks;
  for (const CustomerEvidence& one : evidence) {
    if (!one.activity_hours.empty()) marks.push_back({one.segment, one.activity_hours, one.activity_age_days});
  }
  if (marks.size() > options.customers_max) {  // every n-th: no draw needed, and none follows from another
    std::vector<ActivityEvidence> some;
    for (size_t i = 0; i < options.customers_max; ++i) some.push_back(marks[i * marks.size() / options.customers_max]);
    marks = std::move(some);
  }
  ActivityOptions activity = options.activity;
  activity.threads = options.threads;
  return FitActivity(segments, marks, activity);
}

// With `thinned` below kResponseStrata: of customers above that stratum, with only their newest trials.
std::vector<Held> HoldBack(std::span<const CustomerEvidence> evidence, const Halves& halves, size_t thinned,
                           const ResponseOptions& options, const ResponseModel& model) {
  const VectorShape shape{model.shape.channels, model.shape.kinds};
  std::vector<std::vector<Held>> by_customer(halves.later.size());
  ParallelFor(halves.later.size(), kGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    std::vector<double> z(shape.size());
    std::vector<float> curve(kHoursOfWeek);
    for (size_t u = begin; u < end; ++u) {
      std::span<const ResponseTrial> before = halves.past[u].trials;
      size_t stratum = ResponseStratum(before.size());
      if (halves.later[u].trials.empty() || (thinned < kResponseStrata && stratum <= thinned)) continue;
      if (thinned < kResponseStrata) {
        stratum = thinned;
        before = before.last(kThinnedTo[thinned]);
      }
      const CustomerEvidence& one = evidence[halves.later[u].index];
      const std::vector<double> mean = model.PriorMean(one.traits);
      const std::vector<double> together = model.TogetherOf(one.traits);
      FoldInVector(shape, model.FoldInTrials(before, together), mean, model.prior_precision, z, {});
      const PastActivity past(one, halves.cut_days);
      const bool here = model.activity.Curve({one.segment, past.hours, past.ages}, curve);
      const std::span<const double> everybody = model.activity.Shared(one.segment);
      for (const ResponseTrial& trial : halves.later[u].trials) {
        Held held{halves.later[u].index, static_cast<uint8_t>(stratum), trial.responded};
        held.shared = model.GlobalLogit(ArmOf(trial));
        held.level = z[0];
        held.arm = VectorScore(shape, z, trial.channel, trial.kind, trial.hour) - z[0] +
                   model.OwnTogether(std::span<const double>(together), trial.channel, trial.kind, trial.hour);
        held.activity = here ? std::log(curve[trial.hour] / everybody[trial.hour]) : 0.0;
        by_customer[u].push_back(held);
      }
    }
  });
  std::vector<Held> all;
  for (const auto& some : by_customer) all.insert(all.end(), some.begin(), some.end());
  return all;
}

// By stratum; where few were held back, thinned ones beside them.
HeldStrata ByStratum(std::span<const CustomerEvidence> evidence, const Halves& halves, std::span<const Held> held,
                     const ResponseOptions& options, const ResponseModel& model) {
  HeldStrata strata;
  for (const Held& one : held) strata[one.stratum].push_back(one);
  for (size_t s = 0; s < kResponseStrata; ++s) {
    if (strata[s].size() >= kStratumTrialsWanted) continue;
    const std::vector<Held> thin = HoldBack(evidence, halves, s, options, model);
    strata[s].insert(strata[s].end(), thin.begin(), thin.end());
  }
  return strata;
}

void FillReport(std::span<const Held> held, uint64_t seed, ResponseModel& model) {
  std::vector<double> gains;
  double global = 0, personal = 0;
  for (const Held& one : held) {
    const Dampings damping{model.level_damping[one.stratum], model.damping[one.stratum]};
    const double before = Loss(one, {0, 0}, 0), after = Loss(one, damping, model.activity_weight);
    global += before;
    personal += after;
    gains.push_back(before - after);
  }
  const auto n = static_cast<double>(std::max<size_t>(1, held.size()));
  model.report.validation_trials = held.size();
  model.report.loss_global = global / n;
  model.report.loss_personal = personal / n;
  model.report.gain_lower = GainByCustomer(held, gains, seed).lower;
}

// Everybody's part.
ResponseModel WithShared(std::span<const FittedCustomer> customers, bool three_way, const ResponseOptions& options,
                         ResponseModel model) {
  FitShared(customers, three_way, options, model);
  return model;
}

// A held-back trial's logit without a word of the customer's own trials.
double ColdLogit(const ResponseModel& model, const CustomerEvidence& one, const ResponseTrial& trial) {
  double eta = model.GlobalLogit(ArmOf(trial));
  if (model.traits.empty()) return eta;
  const std::vector<double> mean = model.PriorMean(one.traits), together = model.TogetherOf(one.traits);
  eta += VectorScore({model.shape.channels, model.shape.kinds}, mean, trial.channel, trial.kind, trial.hour);
  return eta + model.OwnTogether(std::span<const double>(together), trial.channel, trial.kind, trial.hour);
}

// By how much `with` makes held-back trials likelier than `without`: the lower end of the interval by customer.
double ColdGain(std::span<const CustomerEvidence> evidence, const Halves& halves, const ResponseModel& without,
                const ResponseModel& with, uint64_t seed) {
  std::vector<Held> held;
  std::vector<double> gains;
  for (const FittedCustomer& customer : halves.later) {
    const CustomerEvidence& one = evidence[customer.index];
    for (const ResponseTrial& trial : customer.trials) {
      const double before = ColdLogit(without, one, trial), after = ColdLogit(with, one, trial);
      held.push_back({customer.index, 0, trial.responded});
      gains.push_back(trial.responded ? SoftPlus(-before) - SoftPlus(-after) : SoftPlus(before) - SoftPlus(after));
    }
  }
  return GainByCustomer(held, gains, seed).lower;
}

// What passed its gate.
struct Passed {
  bool three_way = false, traits = false, together = false;
};

// Everybody's part and the traits', each term where it makes held-back trials likelier beyond doubt.
ResponseModel FitColdGated(std::span<const CustomerEvidence> evidence, const Halves& halves,
                           const ResponseOptions& options, const ResponseModel& first, Passed& passed) {
  ResponseReport report;
  ResponseModel model = WithShared(halves.past, false, options, first);
  if (MayFitThreeWay(first.shape)) {
    ResponseModel three = WithShared(halves.past, true, options, first);
    report.three_way_gain_lower = ColdGain(evidence, halves, model, three, options.seed);
    passed.three_way = report.three_way_gain_lower > 0;
    if (passed.three_way) model = std::move(three);
  }
  const ResponseModel shared = model;
  const auto try_traits = [&](bool together, double& lower) {
    ResponseModel with = shared;
    FitTraits(evidence, halves.past, together, options, with);
    lower = ColdGain(evidence, halves, model, with, options.seed);
    if (lower > 0) model = std::move(with);
    return lower > 0;
  };
  if (first.shape.traits > 0) passed.traits = try_traits(false, report.trait_gain_lower);
  if (MayFitTogether(first.shape)) passed.together = try_traits(true, report.together_gain_lower);
  model.report = report;
  return model;
}

// The same on all trials, with what passed.
ResponseModel FitCold(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers,
                      const Passed& passed, const ResponseOptions& options, const ResponseModel& first) {
  ResponseModel model = WithShared(customers, passed.three_way, options, first);
  if (passed.traits || passed.together) FitTraits(evidence, customers, passed.together, options, model);
  return model;
}

}  // namespace

Result<ResponseModel> FitResponse(const ResponseShape& shape, std::span<const CustomerEvidence> customers,
                                  const ResponseOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckEvidence(shape, customers));
  const std::vector<FittedCustomer> drawn = Draw(customers, options);
  if (drawn.empty()) {
    return Status::FailedPrecondition("response model: no contact was sent yet; send some, then train again");
  }
  ResponseModel first;
  first.shape = shape;
  first.trial_half_life_days = options.trial_half_life_days;
  const Halves halves = Cut(drawn, options.validation_share);
  first.activity = FitActivityOn(customers, shape.segments, options);
  Passed passed;
  ResponseModel judged = FitColdGated(customers, halves, options, first, passed);
  RAPPORT_RETURN_IF_ERROR(FitPrior(customers, halves.past, options, judged));
  const std::vector<Held> held = HoldBack(customers, halves, kResponseStrata, options, judged);
  FitDamping(held, ByStratum(customers, halves, held, options, judged), judged);
  FillReport(held, options.seed, judged);
  ResponseModel model = FitCold(customers, drawn, passed, options, first);
  RAPPORT_RETURN_IF_ERROR(FitPrior(customers, drawn, options, model));
  model.level_damping = judged.level_damping;
  model.damping = judged.damping;
  model.activity_weight = judged.activity_weight;
  model.report = judged.report;
  model.report.customers = drawn.size();
  for (const FittedCustomer& customer : drawn) model.report.trials += customer.trials.size();
  FitUnsubscribe(drawn, options, model);
  return model;
}

}  // namespace rapport

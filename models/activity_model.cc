#include "models/activity_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"
#include "models/metrics.h"

namespace rapport {
namespace {

constexpr size_t kParts = 2 + kActivityKernels.size();
constexpr double kSegmentPrior = 200, kTypePrior = 20;  // marks
constexpr double kPoolPrior = 10;                       // validation marks on everybody's curve
constexpr size_t kPoolMarksMin = 50;                    // validation marks of a stratum
constexpr int kPoolEpochs = 200;
constexpr CircularKernel kTypeKernel{1.5, 0.5};
constexpr CircularKernel kSegmentKernel{0.6, 0.1};
constexpr size_t kGrain = 256;

using Curve168 = std::array<double, kHoursOfWeek>;

// Marks of one customer up to a cut.
struct Marks {
  uint32_t segment = 0;
  std::vector<uint16_t> hours;
  std::vector<float> age_days;  // never empty when hours are not
};

std::span<const double> Row(std::span<const double> table, size_t row) {
  return table.subspan(row * kHoursOfWeek, kHoursOfWeek);
}

void Normalise(std::span<double> curve) {
  const double sum = std::accumulate(curve.begin(), curve.end(), 0.0);
  for (double& v : curve) v /= sum;
}

std::vector<double> CountHours(std::span<const Marks> customers) {
  std::vector<double> counts(kHoursOfWeek, 0.0);
  for (const Marks& marks : customers) {
    for (const uint16_t hour : marks.hours) ++counts[hour];
  }
  return counts;
}

// Everybody's curve: width 0 takes the counts as they are. One mark everywhere keeps it above 0.
std::vector<double> GlobalCurve(std::span<const double> counts, double width_hours) {
  std::vector<double> curve(counts.begin(), counts.end());
  if (width_hours > 0) curve = SmoothCounts({width_hours, 0.02}, counts);
  for (double& v : curve) v += 1;
  Normalise(curve);
  return curve;
}

// P(type | marks) in `share`; marks count fully, whatever their age: zones and shifts last.
void TypePosterior(const ActivityModel& model, std::span<const uint16_t> hours, std::span<double> share) {
  for (size_t t = 0; t < model.types; ++t) {
    share[t] = std::log(model.type_share[t]);
    for (const uint16_t hour : hours) share[t] += model.type_log[t * kHoursOfWeek + hour];
  }
  const double top = *std::max_element(share.begin(), share.end());
  double sum = 0;
  for (double& v : share) sum += v = std::exp(v - top);
  for (double& v : share) v /= sum;
}

void TakeLogs(ActivityModel& model) {
  model.type_log.resize(model.type_curve.size());
  std::transform(model.type_curve.begin(), model.type_curve.end(), model.type_log.begin(),
                 [](double v) { return std::log(v); });
}

// The types' shares and curves from the responsibilities; curves smoothed by the tilted kernel.
void UpdateTypes(std::span<const Marks> customers, std::span<const double> shares, std::span<const double> tilted,
                 ActivityModel& model) {
  const size_t types = model.types;
  std::vector<double> counts(types * kHoursOfWeek, 0.0), mass(types, 3.0);
  for (size_t u = 0; u < customers.size(); ++u) {
    if (customers[u].hours.empty()) continue;
    for (size_t t = 0; t < types; ++t) {
      const double share = shares[u * types + t];
      mass[t] += share;
      for (const uint16_t hour : customers[u].hours) counts[t * kHoursOfWeek + hour] += share;
    }
  }
  model.type_share = mass;
  Normalise(model.type_share);
  model.type_curve.assign(types * kHoursOfWeek, 0.0);
  for (size_t t = 0; t < types; ++t) {
    const std::span<double> curve = std::span(model.type_curve).subspan(t * kHoursOfWeek, kHoursOfWeek);
    for (size_t h = 0; h < kHoursOfWeek; ++h) curve[h] = kTypePrior * model.global[h];
    for (size_t e = 0; e < kHoursOfWeek; ++e) {
      const double count = counts[t * kHoursOfWeek + e];
      for (size_t h = 0; h < kHoursOfWeek; ++h) curve[h] += count * tilted[e * kHoursOfWeek + h];
    }
    Normalise(curve);
  }
  TakeLogs(model);
}

void FitTypes(std::span<const Marks> customers, const ActivityOptions& options, ActivityModel& model) {
  model.types = options.types;
  const std::vector<double> tilted = TiltedRows(kTypeKernel, model.global);
  std::vector<double> shares(customers.size() * model.types);
  const Random root(options.seed);
  for (size_t u = 0; u < customers.size(); ++u) {  // one type drawn for each, softened
    Random random = root.Fork(u);
    for (size_t t = 0; t < model.types; ++t) shares[u * model.types + t] = random.Exponential(1.0);
    const std::span<double> own = std::span(shares).subspan(u * model.types, model.types);
    for (double& v : own) v = v * v * v;
    Normalise(own);
  }
  UpdateTypes(customers, shares, tilted, model);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    ParallelFor(customers.size(), kGrain, options.threads, [&](size_t begin, size_t end, size_t) {
      for (size_t u = begin; u < end; ++u) {
        TypePosterior(model, customers[u].hours, std::span(shares).subspan(u * model.types, model.types));
      }
    });
    UpdateTypes(customers, shares, tilted, model);
  }
}

void FitSegments(std::span<const Marks> customers, ActivityModel& model) {
  model.segment.clear();
  for (uint32_t s = 0; s < model.segments; ++s) {
    std::vector<double> counts(kHoursOfWeek, 0.0);
    for (const Marks& marks : customers) {
      if (marks.segment != s) continue;
      for (const uint16_t hour : marks.hours) ++counts[hour];
    }
    std::vector<double> curve = SmoothCounts(kSegmentKernel, counts);
    for (size_t h = 0; h < kHoursOfWeek; ++h) curve[h] += kSegmentPrior * model.global[h];
    Normalise(curve);
    model.segment.insert(model.segment.end(), curve.begin(), curve.end());
  }
}

double MarkWeight(float age_days, double half_life_days) {
  return std::exp2(-std::max(0.0f, age_days) / half_life_days);
}

// g, M and the four shrunk kernel curves at one hour each: what the pool weighs.
class PartsOf {
 public:
  explicit PartsOf(const ActivityModel& model) : model_(model) {
    for (const CircularKernel& kernel : kActivityKernels) tilted_.push_back(TiltedRows(kernel, model.global));
  }
  // `at`: (n), `out`: (n, kParts).
  void Evaluate(const Marks& marks, std::span<const uint16_t> at, std::vector<double>& out) const {
    std::vector<double> share(model_.types);
    TypePosterior(model_, marks.hours, share);
    out.assign(at.size() * kParts, 0.0);
    double mass = kActivityPrior;
    for (const float age : marks.age_days) mass += MarkWeight(age, model_.half_life_days);
    for (size_t i = 0; i < at.size(); ++i) {
      double* const parts = out.data() + i * kParts;
      parts[0] = model_.Shared(marks.segment)[at[i]];
      for (size_t t = 0; t < model_.types; ++t) parts[1] += share[t] * model_.type_curve[t * kHoursOfWeek + at[i]];
      for (size_t k = 0; k < kActivityKernels.size(); ++k) {
        double sum = kActivityPrior * parts[1];
        for (size_t e = 0; e < marks.hours.size(); ++e) {
          sum +=
              MarkWeight(marks.age_days[e], model_.half_life_days) * tilted_[k][marks.hours[e] * kHoursOfWeek + at[i]];
        }
        parts[2 + k] = sum / mass;
      }
    }
  }

 private:
  const ActivityModel& model_;
  std::vector<std::vector<double>> tilted_;
};

// Weights of a linear pool by EM; `rows`: (n, kParts) likelihoods.
std::array<double, kParts> FitPool(std::span<const double> rows) {
  std::array<double, kParts> weights;
  weights.fill(1.0 / kParts);
  if (rows.empty()) return {1.0};
  for (int epoch = 0; epoch < kPoolEpochs; ++epoch) {
    std::array<double, kParts> sum{kPoolPrior};
    for (size_t at = 0; at < rows.size(); at += kParts) {
      double total = 0;
      for (size_t k = 0; k < kParts; ++k) total += weights[k] * rows[at + k];
      for (size_t k = 0; k < kParts; ++k) sum[k] += weights[k] * rows[at + k] / total;
    }
    Normalise(sum);
    weights = sum;
  }
  return weights;
}

// Does the pool gain on everybody's curve, customers as one unit each, by more than two standard errors?
bool PoolPasses(std::span<const std::vector<double>> customers, const std::array<double, kParts>& weights) {
  double sum = 0, squares = 0;
  for (const std::vector<double>& rows : customers) {
    double gain = 0;
    for (size_t at = 0; at < rows.size(); at += kParts) {
      double pooled = 0;
      for (size_t k = 0; k < kParts; ++k) pooled += weights[k] * rows[at + k];
      gain += std::log(pooled / rows[at]);
    }
    sum += gain;
    squares += gain * gain;
  }
  return sum > 2 * std::sqrt(squares);
}

struct Split {
  std::vector<Marks> past;
  std::vector<std::vector<uint16_t>> later;  // by customer
};

// The newest `share` of all marks are held back: by age where ages are known, else the last of each customer.
Split SplitMarks(std::span<const Marks> customers, double share) {
  std::vector<float> ages;
  for (const Marks& marks : customers) ages.insert(ages.end(), marks.age_days.begin(), marks.age_days.end());
  Split split;
  float cut = 0;
  if (!ages.empty()) {
    const auto at = static_cast<ptrdiff_t>(share * static_cast<double>(ages.size() - 1));
    std::nth_element(ages.begin(), ages.begin() + at, ages.end());
    cut = ages[static_cast<size_t>(at)];
  }
  for (const Marks& marks : customers) {
    Marks past{marks.segment, {}, {}};
    std::vector<uint16_t> later;
    for (size_t e = 0; e < marks.hours.size(); ++e) {
      if (marks.age_days[e] < cut) {
        later.push_back(marks.hours[e]);
        continue;
      }
      past.hours.push_back(marks.hours[e]);
      past.age_days.push_back(marks.age_days[e] - cut);
    }
    split.past.push_back(std::move(past));
    split.later.push_back(std::move(later));
  }
  return split;
}

double LogLoss(const std::vector<std::vector<uint16_t>>& later, std::span<const double> curve) {
  double sum = 0;
  for (const auto& hours : later) {
    for (const uint16_t hour : hours) sum -= std::log(curve[hour]);
  }
  return sum;
}

double ChooseWidth(const Split& split) {
  const std::vector<double> counts = CountHours(split.past);
  double best = 0, lowest = 0;
  for (const double width : {0.0, 0.4, 0.6, 1.0, 1.5}) {
    const double loss = LogLoss(split.later, GlobalCurve(counts, width));
    if (width == 0 || loss < lowest) {
      best = width;
      lowest = loss;
    }
  }
  return best;
}

// Do segments help on held-back marks, beyond doubt?
bool SegmentsPass(const Split& split, const ActivityModel& model, uint64_t seed) {
  std::vector<double> gains;
  for (size_t u = 0; u < split.past.size(); ++u) {
    const std::span<const double> own = Row(model.segment, split.past[u].segment);
    double gain = 0;
    for (const uint16_t hour : split.later[u]) gain += std::log(own[hour] / model.global[hour]);
    if (!split.later[u].empty()) gains.push_back(gain);
  }
  return !gains.empty() && BootstrapMean(gains, seed).lower > 0;
}

// Pool weights by stratum of the marks before the cut.
void FitWeights(const Split& split, const ActivityOptions& options, ActivityModel& model) {
  const PartsOf parts(model);
  std::vector<std::vector<double>> rows(split.past.size());
  ParallelFor(split.past.size(), kGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) {
      if (!split.later[u].empty() && !split.past[u].hours.empty()) {
        parts.Evaluate(split.past[u], split.later[u], rows[u]);
      }
    }
  });
  for (size_t s = 1; s < kActivityStrata; ++s) {
    std::vector<double> all;
    std::vector<std::vector<double>> customers;
    for (size_t u = 0; u < rows.size(); ++u) {
      if (ActivityStratum(split.past[u].hours.size()) != s || rows[u].empty()) continue;
      all.insert(all.end(), rows[u].begin(), rows[u].end());
      customers.push_back(rows[u]);
    }
    // Too little to learn from: what the stratum below does.
    model.weights[s] = all.size() < kPoolMarksMin * kParts ? model.weights[s - 1] : FitPool(all);
    if (all.size() >= kPoolMarksMin * kParts && !PoolPasses(customers, model.weights[s])) model.weights[s] = {1.0};
  }
}

std::vector<Marks> Copy(std::span<const ActivityEvidence> customers) {
  std::vector<Marks> all;
  for (const ActivityEvidence& one : customers) {
    Marks marks{one.segment, {one.hours.begin(), one.hours.end()}, {one.age_days.begin(), one.age_days.end()}};
    if (marks.age_days.empty()) {  // the last is the newest, evenly from 1 down to 0
      const auto n = static_cast<float>(marks.hours.size());
      for (size_t e = 0; e < marks.hours.size(); ++e) marks.age_days.push_back(1 - static_cast<float>(e + 1) / n);
    }
    all.push_back(std::move(marks));
  }
  return all;
}

void FitCurves(std::span<const Marks> customers, double width_hours, bool segments, const ActivityOptions& options,
               ActivityModel& model) {
  model.global = GlobalCurve(CountHours(customers), width_hours);
  model.segment.clear();
  if (segments) FitSegments(customers, model);
  FitTypes(customers, options, model);
}

}  // namespace

size_t ActivityStratum(size_t marks) { return marks == 0 ? 0 : marks < 5 ? 1 : marks < 20 ? 2 : 3; }

void ActivityModel::Prepare() {
  TakeLogs(*this);
  shared.assign(global.begin(), global.end());
  kernel_rows.assign(kActivityStrata * kHoursOfWeek * kHoursOfWeek, 0.0f);
  for (size_t k = 0; k < kActivityKernels.size(); ++k) {
    const std::vector<double> tilted = TiltedRows(kActivityKernels[k], global);
    for (size_t s = 1; s < kActivityStrata; ++s) {
      float* const to = kernel_rows.data() + s * tilted.size();
      for (size_t i = 0; i < tilted.size(); ++i) to[i] += static_cast<float>(weights[s][2 + k] * tilted[i]);
    }
  }
}

std::span<const double> ActivityModel::Shared(uint32_t seg) const {
  return segment.empty() || seg >= segments ? std::span<const double>(global) : Row(segment, seg);
}

bool ActivityModel::Curve(const ActivityEvidence& evidence, std::span<float> out) const {
  const std::span<const double> without = Shared(evidence.segment);
  const size_t s = ActivityStratum(evidence.hours.size());
  const auto& w = weights[s];
  if (s == 0 || w[0] == 1.0) {
    std::transform(without.begin(), without.end(), out.begin(), [](double v) { return static_cast<float>(v); });
    return false;
  }
  Curve168 sum{};
  std::vector<double> share(types);
  TypePosterior(*this, evidence.hours, share);
  const double own = std::accumulate(w.begin() + 2, w.end(), 0.0);
  std::array<float, kHoursOfWeek> marks{};
  double mass = kActivityPrior;
  for (size_t e = 0; e < evidence.hours.size(); ++e) {
    const double weight = evidence.age_days.empty() ? 1.0 : MarkWeight(evidence.age_days[e], half_life_days);
    mass += weight;
    const float* const row = kernel_rows.data() + (s * kHoursOfWeek + evidence.hours[e]) * kHoursOfWeek;
    for (size_t h = 0; h < kHoursOfWeek; ++h) marks[h] += static_cast<float>(weight) * row[h];
  }
  for (size_t t = 0; t < types; ++t) {
    const double factor = share[t] * (w[1] + own * kActivityPrior / mass);
    const double* const curve = type_curve.data() + t * kHoursOfWeek;
    for (size_t h = 0; h < kHoursOfWeek; ++h) sum[h] += factor * curve[h];
  }
  for (size_t h = 0; h < kHoursOfWeek; ++h) {
    out[h] = static_cast<float>(w[0] * without[h] + sum[h] + marks[h] / mass);
  }
  return true;
}

ActivityModel FitActivity(uint32_t segments, std::span<const ActivityEvidence> customers,
                          const ActivityOptions& options) {
  ActivityModel model;
  model.segments = segments;
  model.half_life_days = options.half_life_days;
  for (auto& weights : model.weights) weights[0] = 1;
  const std::vector<Marks> all = Copy(customers);
  const Split split = SplitMarks(all, options.validation_share);
  const double width = ChooseWidth(split);
  FitCurves(split.past, width, segments > 1, options, model);
  const bool with_segments = segments > 1 && SegmentsPass(split, model, options.seed);
  if (!with_segments) model.segment.clear();
  FitWeights(split, options, model);
  FitCurves(all, width, with_segments, options, model);
  model.Prepare();
  return model;
}

Status CheckActivityModel(const ActivityModel& model) {
  const auto bad = [](const char* what) { return Status::DataLoss(std::string("response model: activity: ") + what); };
  const auto positive = [](std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v) && v > 0; });
  };
  if (model.segments == 0 || model.global.size() != kHoursOfWeek || model.type_share.size() != model.types ||
      model.types == 0 || model.type_curve.size() != size_t{model.types} * kHoursOfWeek ||
      (!model.segment.empty() && model.segment.size() != size_t{model.segments} * kHoursOfWeek)) {
    return bad("the curves have the wrong shape");
  }
  if (!positive(model.global) || !positive(model.segment) || !positive(model.type_share) ||
      !positive(model.type_curve) || !(model.half_life_days > 0) || !std::isfinite(model.half_life_days)) {
    return bad("a curve is not above 0 everywhere");
  }
  for (const auto& weights : model.weights) {
    double sum = 0;
    for (const double w : weights) {
      if (!std::isfinite(w) || w < 0) return bad("a weight is not a share");
      sum += w;
    }
    if (std::abs(sum - 1) > 1e-9) return bad("the weights do not sum to 1");
  }
  return model.weights[0][0] == 1.0 ? Status{} : bad("who did nothing does not get everybody's curve");
}

}  // namespace rapport

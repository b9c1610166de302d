#include "models/uplift.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/parallel.h"
#include "base/random.h"

namespace rapport {
namespace {

constexpr double kFarErrors = 5;
constexpr double kArmRidge = 1e-2;  // of an arm's own intercept: a trace

size_t Arms(const UpliftData& data) { return data.arm_shares.size(); }

Status Check(const UpliftData& data) {
  const auto wrong = [](std::string what) { return Status::InvalidArgument("uplift: " + std::move(what)); };
  const size_t n = data.arm.size(), arms = Arms(data);
  if (arms < 2 || arms > kUpliftArmsMax) return wrong("there must be 2 to " + std::to_string(kUpliftArmsMax) + " arms");
  if (data.outcome.size() != n || data.features.size() != n * data.columns) {
    return wrong("every array must have one entry per customer");
  }
  double sum = 0;
  for (double share : data.arm_shares) {
    if (!(share > 0 && share < 1)) return wrong("an arm's share must lie between 0 and 1");
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6) return wrong("the arms' shares must sum to 1");
  std::vector<double> counts(arms, 0.0);
  for (size_t i = 0; i < n; ++i) {
    if (data.arm[i] >= arms) return wrong("customer " + std::to_string(i) + " has an arm without a share");
    if (!(data.outcome[i] >= 0 && data.outcome[i] <= 1)) {
      return wrong("customer " + std::to_string(i) + ": the outcome is not in 0..1");
    }
    counts[data.arm[i]] += 1;
  }
  if (!std::all_of(data.features.begin(), data.features.end(), [](double v) { return std::isfinite(v); })) {
    return wrong("a feature is not finite");
  }
  for (size_t k = 0; k < arms; ++k) {
    const double share = data.arm_shares[k], expected = share * static_cast<double>(n);
    const double error = std::sqrt(expected * (1 - share));
    if (counts[k] == 0 || std::abs(counts[k] - expected) > kFarErrors * error) {
      return Status::FailedPrecondition(
          "uplift: arm " + std::to_string(k) + " has " + std::to_string(static_cast<size_t>(counts[k])) +
          " customers where its share promises " + std::to_string(static_cast<size_t>(std::lround(expected))) +
          ": the data are not randomised as said, and nothing can be told from them");
    }
  }
  return Status::Ok();
}

// Customers on standardised features.
struct Table {
  size_t columns = 0, arms = 0;
  std::vector<double> x;  // (customers, columns)
  std::vector<uint8_t> arm;
  std::vector<double> outcome;
  size_t customers() const { return arm.size(); }
};

struct Scale {
  std::vector<double> mean, deviation;
};

Scale ScaleOf(const UpliftData& data, std::span<const uint32_t> rows) {
  Scale scale{std::vector<double>(data.columns, 0.0), std::vector<double>(data.columns, 0.0)};
  const auto count = static_cast<double>(rows.size());
  for (uint32_t row : rows) {
    for (size_t j = 0; j < data.columns; ++j) scale.mean[j] += data.features[row * data.columns + j] / count;
  }
  for (uint32_t row : rows) {
    for (size_t j = 0; j < data.columns; ++j) {
      const double d = data.features[row * data.columns + j] - scale.mean[j];
      scale.deviation[j] += d * d / count;
    }
  }
  for (double& value : scale.deviation) value = value > 1e-20 ? std::sqrt(value) : 1;
  return scale;
}

Table Standardised(const UpliftData& data, std::span<const uint32_t> rows, const Scale& scale) {
  Table table{data.columns, Arms(data), {}, {}, {}};
  table.x.reserve(rows.size() * data.columns);
  for (uint32_t row : rows) {
    for (size_t j = 0; j < data.columns; ++j) {
      table.x.push_back((data.features[row * data.columns + j] - scale.mean[j]) / scale.deviation[j]);
    }
    table.arm.push_back(data.arm[row]);
    table.outcome.push_back(data.outcome[row]);
  }
  return table;
}

struct Ridges {
  double main = 0, effect = 0;
};

Result<std::vector<LogisticModel>> FitTwoModels(const Table& table, Ridges ridges) {
  std::vector<LogisticModel> models;
  for (size_t k = 0; k < table.arms; ++k) {
    std::vector<double> x, y;
    for (size_t i = 0; i < table.customers(); ++i) {
      if (table.arm[i] != k) continue;
      x.insert(x.end(), table.x.begin() + static_cast<ptrdiff_t>(i * table.columns),
               table.x.begin() + static_cast<ptrdiff_t>((i + 1) * table.columns));
      y.push_back(table.outcome[i]);
    }
    LogisticOptions options;
    options.ridge = ridges.main;
    const Result<LogisticFit> fit = FitLogistic({table.columns, x, y, {}}, options);
    if (!fit.ok()) return fit.status();
    models.push_back(fit->model);
  }
  return models;
}

// Columns: x | x where any arm | per arm k >= 1: x where k, 1 where k. With one arm the second block would repeat the
// third and is left out.
Result<std::vector<LogisticModel>> FitShared(const Table& table, Ridges ridges) {
  const size_t d = table.columns, any = table.arms > 2 ? d : 0, width = d + any + (table.arms - 1) * (d + 1);
  std::vector<double> design(table.customers() * width, 0.0);
  for (size_t i = 0; i < table.customers(); ++i) {
    const double* x = table.x.data() + i * d;
    double* out = design.data() + i * width;
    std::copy(x, x + d, out);
    if (table.arm[i] == 0) continue;
    if (any > 0) std::copy(x, x + d, out + d);
    double* own = out + d + any + (table.arm[i] - size_t{1}) * (d + 1);
    std::copy(x, x + d, own);
    own[d] = 1;
  }
  LogisticOptions options;
  options.ridges.assign(width, ridges.effect);
  std::fill_n(options.ridges.begin(), d, ridges.main);
  for (size_t k = 1; k < table.arms; ++k) options.ridges[d + any + k * (d + 1) - 1] = kArmRidge;
  const Result<LogisticFit> fit = FitLogistic({width, design, table.outcome, {}}, options);
  if (!fit.ok()) return fit.status();
  const std::vector<double>& w = fit->model.weights;
  std::vector<LogisticModel> models(table.arms);
  for (size_t k = 0; k < table.arms; ++k) {
    models[k].intercept = fit->model.intercept + (k > 0 ? w[d + any + k * (d + 1) - 1] : 0);
    for (size_t j = 0; j < d; ++j) {
      double weight = w[j];
      if (k > 0) weight += (any > 0 ? w[d + j] : 0) + w[d + any + (k - 1) * (d + 1) + j];
      models[k].weights.push_back(weight);
    }
  }
  return models;
}

Result<std::vector<LogisticModel>> FitWith(const Table& table, UpliftKind kind, Ridges ridges) {
  return kind == UpliftKind::kTwoModels ? FitTwoModels(table, ridges) : FitShared(table, ridges);
}

double LogLoss(const std::vector<LogisticModel>& models, const Table& table) {
  double loss = 0;
  for (size_t i = 0; i < table.customers(); ++i) {
    const double odds = models[table.arm[i]].LogOdds({table.x.data() + i * table.columns, table.columns});
    const double soft = odds > 0 ? odds + std::log1p(std::exp(-odds)) : std::log1p(std::exp(odds));
    loss += soft - table.outcome[i] * odds;
  }
  return loss;
}

// Back to the features' own scale.
LogisticModel Unscaled(const LogisticModel& model, const Scale& scale) {
  LogisticModel out = model;
  for (size_t j = 0; j < out.weights.size(); ++j) {
    out.weights[j] /= scale.deviation[j];
    out.intercept -= out.weights[j] * scale.mean[j];
  }
  return out;
}

std::vector<uint32_t> FoldOfRow(size_t rows, uint32_t folds, uint64_t seed) {
  std::vector<uint32_t> of(rows);
  const Random root(seed);
  for (size_t i = 0; i < rows; ++i) of[i] = static_cast<uint32_t>(root.Fork(i).Below(folds));
  return of;
}

std::vector<Ridges> GridOf(UpliftKind kind, const UpliftOptions& options) {
  std::vector<Ridges> grid;
  for (double main : options.ridges) {
    if (kind == UpliftKind::kTwoModels) grid.push_back({main, 0});
    if (kind == UpliftKind::kTwoModels) continue;
    for (double effect : options.effect_ridges) grid.push_back({main, effect});
  }
  return grid;
}

Result<UpliftModel> FitRows(const UpliftData& data, std::span<const uint32_t> rows, UpliftKind kind,
                            const UpliftOptions& options, uint64_t seed) {
  const Scale scale = ScaleOf(data, rows);
  const std::vector<Ridges> grid = GridOf(kind, options);
  if (grid.empty()) return Status::InvalidArgument("uplift: the grid of ridges is empty");
  size_t best = 0;
  if (grid.size() > 1) {
    const std::vector<uint32_t> fold_of = FoldOfRow(rows.size(), options.inner_folds, seed);
    std::vector<double> losses(grid.size() * options.inner_folds, 0.0);
    std::vector<Status> failures(losses.size());
    for (uint32_t fold = 0; fold < options.inner_folds; ++fold) {
      std::vector<uint32_t> inside, outside;
      for (size_t i = 0; i < rows.size(); ++i) (fold_of[i] == fold ? outside : inside).push_back(rows[i]);
      const Table train = Standardised(data, inside, scale), held = Standardised(data, outside, scale);
      ParallelFor(grid.size(), 1, options.threads, [&](size_t g, size_t, size_t) {
        const Result<std::vector<LogisticModel>> models = FitWith(train, kind, grid[g]);
        if (models.ok()) losses[g * options.inner_folds + fold] = LogLoss(*models, held);
        if (!models.ok()) failures[g * options.inner_folds + fold] = models.status();
      });
    }
    for (const Status& failure : failures) RAPPORT_RETURN_IF_ERROR(failure);
    double least = 0;
    for (size_t g = 0; g < grid.size(); ++g) {
      const double* of = losses.data() + g * options.inner_folds;
      const double loss = std::accumulate(of, of + options.inner_folds, 0.0);
      if (g == 0 || loss < least) least = loss, best = g;
    }
  }
  const Result<std::vector<LogisticModel>> models = FitWith(Standardised(data, rows, scale), kind, grid[best]);
  if (!models.ok()) return models.status();
  UpliftModel out{{}, grid[best].main, grid[best].effect};
  for (const LogisticModel& model : *models) out.arms.push_back(Unscaled(model, scale));
  return out;
}

// The curve's terms: per customer g and its place in the order.
struct Terms {
  std::vector<uint32_t> order;  // customers, best first
  std::vector<double> gain;     // (customers) g
  std::vector<double> best_arm_gain;
  std::vector<double> sent;
  size_t best_arm = 1;
};

Result<Terms> TermsOf(const UpliftData& data, std::span<const double> effects) {
  RAPPORT_RETURN_IF_ERROR(Check(data));
  const size_t n = data.arm.size(), arms = Arms(data), width = arms - 1;
  if (effects.size() != n * width) return Status::InvalidArgument("uplift: effects must be (customers, arms - 1)");
  if (!std::all_of(effects.begin(), effects.end(), [](double v) { return std::isfinite(v); })) {
    return Status::InvalidArgument("uplift: an effect is not finite");
  }
  const double mean = std::accumulate(data.outcome.begin(), data.outcome.end(), 0.0) / static_cast<double>(n);
  Terms terms;
  terms.sent.assign(arms, 0.0);
  std::vector<double> score(n), arm_sums(arms, 0.0);
  std::vector<uint8_t> chosen(n);
  for (size_t i = 0; i < n; ++i) {
    const auto first = effects.begin() + static_cast<ptrdiff_t>(i * width);
    const auto top = std::max_element(first, first + static_cast<ptrdiff_t>(width));
    chosen[i] = static_cast<uint8_t>(top - first + 1);
    score[i] = *top;
    terms.sent[chosen[i]] += 1 / static_cast<double>(n);
    arm_sums[data.arm[i]] += (data.outcome[i] - mean) / data.arm_shares[data.arm[i]];
  }
  for (size_t k = 2; k < arms; ++k) terms.best_arm = arm_sums[k] > arm_sums[terms.best_arm] ? k : terms.best_arm;
  const auto gain = [&](size_t i, size_t arm) {
    if (data.arm[i] == arm) return (data.outcome[i] - mean) / data.arm_shares[arm];
    return data.arm[i] == 0 ? -(data.outcome[i] - mean) / data.arm_shares[0] : 0.0;
  };
  for (size_t i = 0; i < n; ++i) {
    terms.gain.push_back(gain(i, chosen[i]));
    terms.best_arm_gain.push_back(gain(i, terms.best_arm));
  }
  // Equal scores stand in an order that has nothing to do with the outcome: by a hash of the row.
  std::vector<uint64_t> draw(n);
  for (size_t i = 0; i < n; ++i) draw[i] = Random(i).NextU64();
  terms.order.resize(n);
  std::iota(terms.order.begin(), terms.order.end(), 0u);
  std::sort(terms.order.begin(), terms.order.end(), [&](uint32_t a, uint32_t b) {
    if (score[a] != score[b]) return score[a] > score[b];
    return draw[a] != draw[b] ? draw[a] < draw[b] : a < b;
  });
  return terms;
}

struct Areas {
  double curve = 0, whole = 0, best_arm = 0;  // area of Q; Q(1); the best arm's value when sent to all
};

// `counts`: how often each customer was drawn; empty: once.
Areas AreasOf(const Terms& terms, std::span<const uint16_t> counts) {
  const auto n = static_cast<double>(terms.order.size());
  Areas areas;
  double before = 0;  // customers in front
  for (uint32_t i : terms.order) {
    const double count = counts.empty() ? 1 : counts[i];
    areas.curve += count * terms.gain[i] * (1 - (before + count / 2) / n);
    areas.whole += count * terms.gain[i];
    areas.best_arm += count * terms.best_arm_gain[i];
    before += count;
  }
  return {areas.curve / n, areas.whole / n, areas.best_arm / n};
}

// Calls each(resample, counts) for seeded draws of `n` customers with replacement.
template <typename Each>
void Resample(size_t n, const QiniOptions& options, Each each) {
  const Random root(options.seed);
  ParallelFor(static_cast<size_t>(std::max(options.resamples, 0)), 1, 0, [&](size_t r, size_t, size_t) {
    Random random = root.Fork(r);
    std::vector<uint16_t> counts(n, 0);
    for (size_t i = 0; i < n; ++i) ++counts[random.Below(n)];
    each(r, counts);
  });
}

Interval IntervalOf(double value, std::vector<double> draws) {
  if (draws.empty()) return {value, value, value};
  std::sort(draws.begin(), draws.end());
  const auto tail = static_cast<size_t>(0.025 * static_cast<double>(draws.size()));
  return {value, draws[tail], draws[draws.size() - 1 - tail]};
}

}  // namespace

void UpliftModel::Effects(std::span<const double> features, std::span<double> effects) const {
  const double nothing = arms[0].Probability(features);
  for (size_t k = 1; k < arms.size(); ++k) effects[k - 1] = arms[k].Probability(features) - nothing;
}

Result<UpliftModel> FitUplift(const UpliftData& data, UpliftKind kind, const UpliftOptions& options) {
  RAPPORT_RETURN_IF_ERROR(Check(data));
  if (options.inner_folds < 2) return Status::InvalidArgument("uplift: there must be 2 inner folds or more");
  std::vector<uint32_t> rows(data.arm.size());
  std::iota(rows.begin(), rows.end(), 0u);
  return FitRows(data, rows, kind, options, options.seed);
}

Result<std::vector<double>> CrossFitUplift(const UpliftData& data, UpliftKind kind, const UpliftOptions& options) {
  RAPPORT_RETURN_IF_ERROR(Check(data));
  if (options.folds < 2 || options.inner_folds < 2) {
    return Status::InvalidArgument("uplift: there must be 2 folds or more");
  }
  const size_t n = data.arm.size(), width = Arms(data) - 1;
  const std::vector<uint32_t> fold_of = FoldOfRow(n, options.folds, options.seed);
  std::vector<double> effects(n * width, 0.0);
  for (uint32_t fold = 0; fold < options.folds; ++fold) {
    std::vector<uint32_t> rows;
    for (uint32_t i = 0; i < n; ++i) {
      if (fold_of[i] != fold) rows.push_back(i);
    }
    const Result<UpliftModel> model = FitRows(data, rows, kind, options, Random(options.seed).Fork(fold).NextU64());
    if (!model.ok()) return model.status();
    for (size_t i = 0; i < n; ++i) {
      if (fold_of[i] != fold) continue;
      model->Effects(data.features.subspan(i * data.columns, data.columns),
                     std::span<double>(effects).subspan(i * width, width));
    }
  }
  return effects;
}

Result<QiniReport> Qini(const UpliftData& data, std::span<const double> effects, const QiniOptions& options) {
  const Result<Terms> terms = TermsOf(data, effects);
  if (!terms.ok()) return terms.status();
  const size_t n = terms->order.size(), points = std::max<size_t>(options.points, 1);
  QiniReport report{{0.0}, {}, {}, terms->best_arm, terms->sent};
  double sum = 0;
  for (size_t i = 0, point = 1; i < n; ++i) {
    sum += terms->gain[terms->order[i]];
    for (; point <= points && (i + 1) * points >= point * n; ++point)
      report.curve.push_back(sum / static_cast<double>(n));
  }
  std::vector<double> coefficients(static_cast<size_t>(std::max(options.resamples, 0))), over(coefficients.size());
  Resample(n, options, [&](size_t r, const std::vector<uint16_t>& counts) {
    const Areas areas = AreasOf(*terms, counts);
    coefficients[r] = areas.curve - areas.whole / 2;
    over[r] = areas.curve - areas.best_arm / 2;
  });
  const Areas areas = AreasOf(*terms, {});
  report.coefficient = IntervalOf(areas.curve - areas.whole / 2, std::move(coefficients));
  report.over_best_arm = IntervalOf(areas.curve - areas.best_arm / 2, std::move(over));
  return report;
}

Result<Interval> QiniDifference(const UpliftData& data, std::span<const double> a, std::span<const double> b,
                                const QiniOptions& options) {
  const Result<Terms> first = TermsOf(data, a), second = TermsOf(data, b);
  if (!first.ok()) return first.status();
  if (!second.ok()) return second.status();
  std::vector<double> draws(static_cast<size_t>(std::max(options.resamples, 0)));
  Resample(data.arm.size(), options, [&](size_t r, const std::vector<uint16_t>& counts) {
    draws[r] = AreasOf(*first, counts).curve - AreasOf(*second, counts).curve;
  });
  return IntervalOf(AreasOf(*first, {}).curve - AreasOf(*second, {}).curve, std::move(draws));
}

}  // namespace rapport

#include "models/response_parts.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "models/block_logistic.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 64;
constexpr double kPriorCustomers = 20;  // of S_0
constexpr double kLevelVariance = 0.4, kChannelVariance = 0.2, kKindVariance = 0.2, kHourVariance = 0.1;

const HourBasis& Curves() {
  static const HourBasis basis = MakeHourBasis(5, 3);
  return basis;
}

// Of three ways: little evidence each, so few functions.
const HourBasis& DayCurves() {
  static const HourBasis basis = MakeDayBasis(3, 2);
  return basis;
}
constexpr size_t kThreeWayPairsMax = 128;  // kinds x channels

// ---- everybody's part ----

// Where everybody's columns lie, in the order of the blocks.
struct Columns {
  Columns(const ResponseShape& shape, bool with_three_way)
      : channels(shape.channels), kinds(shape.kinds), contents(static_cast<uint32_t>(shape.content_kind.size())) {
    const auto add = [this](uint32_t count, const HourBasis* basis, double variance, double variance_max) {
      const uint32_t first = total;
      blocks.push_back({count, basis, variance, 1e-4, variance_max});
      total += count;
      return first;
    };
    const auto week = static_cast<uint32_t>(kHoursOfWeek);
    level = add(1, nullptr, 100, 100);
    blocks.back().variance_min = 100;
    hour = add(week, &Curves(), 0.3, 4);
    channel = add(channels, nullptr, 1, 4);
    channel_hour = add(channels * week, &Curves(), 0.1, 4);
    kind = add(kinds, nullptr, 0.5, 4);
    kind_hour = add(kinds * week, &Curves(), 0.1, 4);
    kind_channel = add(kinds * channels, nullptr, 0.2, 4);
    content = add(contents, nullptr, 0.2, 4);
    content_channel = add(contents * channels, nullptr, 0.1, 4);
    place = add(shape.places, nullptr, 0.3, 4);
    affinity = add(1, nullptr, 1, 4);
    fatigue = add(2, nullptr, 0.5, 4);
    channel_fatigue = add(2 * channels, nullptr, 0.1, 4);
    if (with_three_way) three_way = add(channels * kinds * week, &DayCurves(), 0.1, 4);
  }
  uint32_t channels, kinds, contents;
  uint32_t three_way = 0;  // 0: none
  std::vector<LogisticBlock> blocks;
  uint32_t total = 0;
  uint32_t level, hour, channel, channel_hour, kind, kind_hour, kind_channel, content, content_channel, place, affinity,
      fatigue, channel_fatigue;
};

void AddRow(const Columns& at, const ResponseTrial& trial, double half_life_days, BlockLogisticRows& rows) {
  const auto add = [&rows](uint32_t column, double value) {
    if (value == 0) return;
    rows.columns.push_back(column);
    rows.values.push_back(static_cast<float>(value));
  };
  const auto week = static_cast<uint32_t>(kHoursOfWeek);
  const double recent = std::max(0.0f, trial.recent_sends);
  add(at.level, 1);
  add(at.hour + trial.hour, 1);
  add(at.channel + trial.channel, 1);
  add(at.channel_hour + trial.channel * week + trial.hour, 1);
  add(at.kind + trial.kind, 1);
  add(at.kind_hour + trial.kind * week + trial.hour, 1);
  add(at.kind_channel + trial.kind * at.channels + trial.channel, 1);
  if (trial.content < at.contents) {
    add(at.content + trial.content, 1);
    add(at.content_channel + trial.content * at.channels + trial.channel, 1);
  }
  add(at.place + trial.place, 1);
  add(at.affinity, trial.affinity);
  add(at.fatigue, std::log1p(recent));
  add(at.fatigue + 1, recent * 0.1);
  add(at.channel_fatigue + 2 * trial.channel, std::log1p(recent));
  add(at.channel_fatigue + 2 * trial.channel + 1, recent * 0.1);
  if (at.three_way > 0) add(at.three_way + (trial.channel * at.kinds + trial.kind) * week + trial.hour, 1);
  rows.starts.push_back(rows.columns.size());
  rows.weights.push_back(static_cast<float>(TrialWeight(trial, half_life_days)));
  rows.responded.push_back(trial.responded ? 1 : 0);
}

void FillShared(const Columns& at, std::span<const double> t, ResponseModel& model) {
  const auto week = static_cast<uint32_t>(kHoursOfWeek);
  const auto sum = [&t](std::initializer_list<uint32_t> columns) {
    double total = 0;
    for (const uint32_t column : columns) total += t[column];
    return static_cast<float>(total);
  };
  model.level = sum({at.level});
  model.channel_hour.resize(at.channels * kHoursOfWeek);
  model.kind_hour.resize(at.kinds * kHoursOfWeek);
  for (uint32_t c = 0; c < at.channels; ++c) {
    for (uint32_t h = 0; h < week; ++h) {
      model.channel_hour[c * week + h] = sum({at.hour + h, at.channel + c, at.channel_hour + c * week + h});
    }
    model.fatigue.push_back(sum({at.fatigue, at.channel_fatigue + 2 * c}));
    model.fatigue.push_back(sum({at.fatigue + 1, at.channel_fatigue + 2 * c + 1}));
  }
  for (uint32_t k = 0; k < at.kinds; ++k) {
    for (uint32_t h = 0; h < week; ++h) model.kind_hour[k * week + h] = sum({at.kind + k, at.kind_hour + k * week + h});
    for (uint32_t c = 0; c < at.channels; ++c) {
      model.kind_channel.push_back(sum({at.kind_channel + k * at.channels + c}));
    }
  }
  for (uint32_t i = 0; i < at.contents; ++i) {
    const uint32_t k = model.shape.content_kind[i];
    for (uint32_t c = 0; c < at.channels; ++c) {
      model.content_channel.push_back(
          sum({at.kind_channel + k * at.channels + c, at.content + i, at.content_channel + i * at.channels + c}));
    }
  }
  for (uint32_t p = 0; p < model.shape.places; ++p) model.place.push_back(sum({at.place + p}));
  model.affinity = sum({at.affinity});
  for (uint32_t j = 0; at.three_way > 0 && j < at.channels * at.kinds * week; ++j) {
    model.kind_channel_hour.push_back(sum({at.three_way + j}));
  }
}

}  // namespace

bool MayFitThreeWay(const ResponseShape& shape) {
  return shape.kinds >= 2 && shape.channels >= 2 && size_t{shape.kinds} * shape.channels <= kThreeWayPairsMax;
}

void FitShared(std::span<const FittedCustomer> customers, bool three_way, const ResponseOptions& options,
               ResponseModel& model) {
  const Columns at(model.shape, three_way);
  BlockLogisticRows rows;
  for (const FittedCustomer& customer : customers) {
    for (const ResponseTrial& trial : customer.trials) AddRow(at, trial, options.trial_half_life_days, rows);
  }
  BlockLogisticOptions logistic;
  logistic.threads = options.threads;
  std::vector<LogisticBlock> blocks = at.blocks;
  FillShared(at, FitBlockLogistic(rows, {}, blocks, {}, logistic).columns, model);
}

namespace {

// ---- customers: S by EM ----

std::vector<double> FirstVariances(const VectorShape& shape) {
  std::vector<double> s(shape.size(), kHourVariance);
  s[0] = kLevelVariance;
  std::fill_n(s.begin() + static_cast<ptrdiff_t>(shape.channel(0)), shape.channels, kChannelVariance);
  std::fill_n(s.begin() + static_cast<ptrdiff_t>(shape.kind(0)), shape.kinds, kKindVariance);
  return s;
}

// sum_u (z - mean)(z - mean)^T + V, by blocks of customers in their order.
std::vector<double> Scatter(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers,
                            const ResponseOptions& options, const ResponseModel& model) {
  const VectorShape shape{model.shape.channels, model.shape.kinds};
  const size_t d = shape.size(), parts_count = (customers.size() + kGrain - 1) / kGrain;
  std::vector<std::vector<double>> parts(parts_count);
  ParallelFor(customers.size(), kGrain, options.threads, [&](size_t begin, size_t end, size_t part) {
    std::vector<double>& sum = parts[part];
    sum.assign(d * d, 0.0);
    std::vector<double> z(d), covariance(d * d);
    for (size_t u = begin; u < end; ++u) {
      const std::vector<double> mean = model.PriorMean(evidence[customers[u].index].traits);
      const std::vector<double> together = model.TogetherOf(evidence[customers[u].index].traits);
      FoldInVector(shape, model.FoldInTrials(customers[u].trials, together), mean, model.prior_precision, z,
                   covariance);
      for (size_t a = 0; a < d; ++a) {
        for (size_t b = 0; b < d; ++b) sum[a * d + b] += (z[a] - mean[a]) * (z[b] - mean[b]) + covariance[a * d + b];
      }
    }
  });
  std::vector<double> sum(d * d, 0.0);
  for (const std::vector<double>& part : parts) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  }
  return sum;
}

}  // namespace

Status FitPrior(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers,
                const ResponseOptions& options, ResponseModel& model) {
  const VectorShape shape{model.shape.channels, model.shape.kinds};
  const size_t d = shape.size();
  const std::vector<double> first = FirstVariances(shape);
  if (model.prior_precision.empty()) {
    model.prior_precision.assign(d * d, 0.0);
    for (size_t j = 0; j < d; ++j) model.prior_precision[j * d + j] = 1 / first[j];
  }
  // Every n-th: a covariance needs no more, and EM is slow where a customer's trials say little, so rounds must be
  // many.
  std::vector<FittedCustomer> some;
  const size_t count = std::min<size_t>(customers.size(), options.prior_customers_max);
  for (size_t i = 0; i < count; ++i) some.push_back(customers[i * customers.size() / count]);
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<double> s = Scatter(evidence, some, options, model);
    for (size_t j = 0; j < d; ++j) s[j * d + j] += kPriorCustomers * first[j];
    for (double& value : s) value /= static_cast<double>(some.size()) + kPriorCustomers;
    if (!InverseOf(s, d, model.prior_precision)) {
      return Status::Internal("response model: the customers' covariance is not positive definite");
    }
  }
  return {};
}

// ---- unsubscribing ----

void FitUnsubscribe(std::span<const FittedCustomer> customers, const ResponseOptions& options, ResponseModel& model) {
  const uint32_t channels = model.shape.channels;
  for (const bool rising : {true, false}) {
    BlockLogisticRows rows;
    for (const FittedCustomer& customer : customers) {
      for (const ResponseTrial& trial : customer.trials) {
        rows.columns.insert(rows.columns.end(), {0, 1u + trial.channel, 1u + channels});
        rows.values.insert(rows.values.end(),
                           {1.0f, 1.0f, rising ? std::log1p(std::max(0.0f, trial.recent_sends)) : 0.0f});
        rows.starts.push_back(rows.columns.size());
        rows.weights.push_back(static_cast<float>(TrialWeight(trial, options.trial_half_life_days)));
        rows.responded.push_back(trial.unsubscribed ? 1 : 0);
      }
    }
    // Nobody left yet: a level of -5 with a pull of its own, so that a risk is never none.
    std::vector<LogisticBlock> blocks = {
        {1, nullptr, 4, 4, 4}, {channels, nullptr, 0.3, 0.02, 1}, {1, nullptr, 0.5, 0.01, 1}};
    const std::vector<float> offsets(rows.size(), -5.0f);
    BlockLogisticOptions logistic;
    logistic.threads = options.threads;
    const std::vector<double> t = FitBlockLogistic(rows, offsets, blocks, {}, logistic).columns;
    model.unsubscribe.clear();
    for (uint32_t c = 0; c < channels; ++c) model.unsubscribe.push_back(static_cast<float>(t[0] + t[1 + c] - 5.0));
    model.unsubscribe_recent = rising ? static_cast<float>(t[1 + channels]) : 0.0f;
    if (model.unsubscribe_recent >= 0) return;  // else again, without a slope
  }
}

}  // namespace rapport

#include "models/response_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "models/block_logistic.h"
#include "models/response_vector.h"

namespace rapport {
namespace {

VectorShape ShapeOf(const ResponseShape& shape) { return {shape.channels, shape.kinds}; }

void Spread(const ResponseModel& model, std::span<const double> z, CustomerResponse& customer) {
  const VectorShape shape = ShapeOf(model.shape);
  const double damping = model.damping[customer.stratum];
  customer.level = static_cast<float>(model.level_damping[customer.stratum] * z[0]);
  customer.vector.push_back(customer.level);
  for (const double value : z.subspan(1)) customer.vector.push_back(static_cast<float>(damping * value));
  if (damping == 0) return;  // the arm's order is everybody's
  for (size_t c = 0; c < shape.channels; ++c) {
    customer.own_channel.push_back(static_cast<float>(damping * z[shape.channel(c)]));
  }
  for (size_t k = 0; k < shape.kinds; ++k) {
    customer.own_kind.push_back(static_cast<float>(damping * z[shape.kind(k)]));
  }
  customer.own_hour.resize(kHoursOfWeek);
  for (size_t h = 0; h < kHoursOfWeek; ++h) {
    const auto psi = OwnHour(h);
    double sum = 0;
    for (size_t f = 0; f < kOwnHourFunctions; ++f) sum += z[shape.hour() + f] * psi[f];
    customer.own_hour[h] = static_cast<float>(damping * sum);
  }
}

// g x log(P(h | u) / P(h)) onto the customer's hours.
void AddActivity(const ResponseModel& model, uint32_t segment, CustomerResponse& customer) {
  if (model.activity_weight == 0) return;
  const std::span<const double> shared = model.activity.Shared(segment);
  customer.own_hour.resize(kHoursOfWeek, 0.0f);
  for (size_t h = 0; h < kHoursOfWeek; ++h) {
    customer.own_hour[h] += static_cast<float>(model.activity_weight * std::log(customer.activity[h] / shared[h]));
  }
}

}  // namespace

size_t ResponseStratum(size_t trials) {
  return trials == 0 ? 0 : trials < 5 ? 1 : trials < 20 ? 2 : trials < 80 ? 3 : 4;
}

size_t ResponseModel::vector_size() const { return ShapeOf(shape).size(); }

std::vector<double> ResponseModel::PriorMean(std::span<const uint32_t> known) const {
  const size_t d = vector_size();
  std::vector<double> mean(d, 0.0);
  if (traits.empty()) return mean;
  for (const uint32_t trait : known) {
    if (trait >= shape.traits) continue;
    for (size_t j = 0; j < d; ++j) mean[j] += traits[trait * d + j];
  }
  return mean;
}

std::vector<double> ResponseModel::TogetherOf(std::span<const uint32_t> known) const {
  const size_t count = factor_count();
  std::vector<double> v(count, 0.0);
  for (const uint32_t trait : known) {
    if (trait >= shape.traits) continue;
    for (size_t f = 0; f < count; ++f) v[f] += trait_factors[trait * count + f];
  }
  return v;
}

std::vector<VectorTrial> ResponseModel::FoldInTrials(std::span<const ResponseTrial> trials,
                                                     std::span<const double> together) const {
  std::vector<VectorTrial> out;
  out.reserve(trials.size());
  for (const ResponseTrial& trial : trials) {
    const double weight = std::exp2(-std::max(0.0f, trial.age_days) / trial_half_life_days);
    const double known = GlobalLogit(ArmOf(trial)) + OwnTogether(together, trial.channel, trial.kind, trial.hour);
    out.push_back({trial.hour, trial.channel, trial.kind, trial.responded, known, weight});
  }
  return out;
}

float ResponseModel::Fatigue(uint8_t channel, float recent_sends) const {
  const float recent = std::max(0.0f, recent_sends);
  return fatigue[size_t{channel} * 2] * std::log1p(recent) + fatigue[size_t{channel} * 2 + 1] * recent * 0.1f;
}

double ResponseModel::GlobalLogit(const ResponseArm& arm) const {
  return double{level} + channel_hour[size_t{arm.channel} * kHoursOfWeek + arm.hour] +
         kind_hour[size_t{arm.kind} * kHoursOfWeek + arm.hour] + ContentChannel(arm.content, arm.kind, arm.channel) +
         ThreeWay(arm.channel, arm.kind, arm.hour) + place[arm.place] + affinity * arm.affinity +
         Fatigue(arm.channel, arm.recent_sends);
}

CustomerResponse ResponseModel::FoldIn(const CustomerEvidence& evidence) const {
  CustomerResponse customer;
  customer.stratum = static_cast<uint8_t>(ResponseStratum(evidence.trials.size()));
  const bool known = !evidence.trials.empty() || (!traits.empty() && !evidence.traits.empty());
  if (known && (damping[customer.stratum] != 0 || level_damping[customer.stratum] != 0)) {
    const std::vector<double> mean = PriorMean(evidence.traits);
    std::vector<double> z(vector_size());
    const std::vector<double> together = TogetherOf(evidence.traits);
    FoldInVector(ShapeOf(shape), FoldInTrials(evidence.trials, together), mean, prior_precision, z, {});
    Spread(*this, z, customer);
    const float damped = damping[customer.stratum];
    for (size_t f = 0; f < together.size() && damped != 0 && !evidence.traits.empty(); ++f) {
      customer.together.push_back(damped * static_cast<float>(together[f]));
    }
  }
  if (evidence.activity_hours.empty() && activity.segment.empty()) return customer;
  customer.activity.resize(kHoursOfWeek);
  const ActivityEvidence marks{evidence.segment, evidence.activity_hours, evidence.activity_age_days};
  if (activity.Curve(marks, customer.activity)) {
    AddActivity(*this, evidence.segment, customer);
  } else if (activity.segment.empty()) {
    customer.activity.clear();
  }
  return customer;
}

void ResponseModel::FillTable(const CustomerResponse& customer, ResponseTable& table) const {
  table.hour_channel.assign(channel_hour.begin(), channel_hour.end());
  for (size_t c = 0; c < shape.channels; ++c) {
    const float own = customer.own_channel.empty() ? 0.0f : customer.own_channel[c];
    float* const row = table.hour_channel.data() + c * kHoursOfWeek;
    for (size_t h = 0; h < kHoursOfWeek; ++h) {
      row[h] += level + customer.level + own + (customer.own_hour.empty() ? 0.0f : customer.own_hour[h]);
    }
  }
  table.kind_hour.assign(kind_hour.begin(), kind_hour.end());
  for (size_t k = 0; k < shape.kinds && !customer.own_kind.empty(); ++k) {
    for (size_t h = 0; h < kHoursOfWeek; ++h) table.kind_hour[k * kHoursOfWeek + h] += customer.own_kind[k];
  }
  table.together.assign(kind_channel_hour.begin(), kind_channel_hour.end());
  if (!customer.together.empty()) {
    const size_t size = size_t{shape.channels} * shape.kinds * kHoursOfWeek;
    table.together.resize(size, 0.0f);
    for (size_t f = 0; f < customer.together.size(); ++f) {
      for (size_t j = 0; j < size; ++j) table.together[j] += customer.together[f] * factors[f * size + j];
    }
  }
  table.place = place;
}

double ResponseModel::Logit(const CustomerResponse& customer, const ResponseArm& arm) const {
  double own = customer.level;
  if (!customer.own_channel.empty()) own += customer.own_channel[arm.channel];
  if (!customer.own_kind.empty()) own += customer.own_kind[arm.kind];
  if (!customer.own_hour.empty()) own += customer.own_hour[arm.hour];
  own += OwnTogether(std::span<const float>(customer.together), arm.channel, arm.kind, arm.hour);
  return GlobalLogit(arm) + own;
}

double ResponseModel::Probability(const CustomerResponse& customer, const ResponseArm& arm) const {
  return Sigmoid(Logit(customer, arm));
}

double ResponseModel::UnsubscribeProbability(uint8_t channel, float recent_sends) const {
  return Sigmoid(unsubscribe[channel] + unsubscribe_recent * std::log1p(std::max(0.0f, recent_sends)));
}

std::span<const float> ResponseModel::ActivityCurve(const CustomerResponse& customer) const {
  return customer.activity.empty() ? std::span<const float>(activity.shared)
                                   : std::span<const float>(customer.activity);
}

}  // namespace rapport

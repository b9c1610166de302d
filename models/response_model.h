// Whether a customer answers a contact, and when a customer is here: two heads that share what is known of a customer.
//
//   response  logit P(answer | u, h, c, i) = m + b[c][h] + b[kind][h] + b[c][kind][h] + b[i][c] + b[place]
//                                            + a x affinity + f_c(recent sends)
//                                            + level damping x b_u
//                                            + damping x (p_u . (q_h + r_c + s_kind) + sum_f v_uf J_f[c][kind][h])
//                                            + g x log(P(h | u) / P(h))
//   activity  P(h | u): see activity_model.h; damped by itself, it enters the response with the weight g >= 0
//   h is the hour of the week on the customer's own wall clock; what depends on h is smooth on the circle.
//   (b_u, p_u) ~ N(W traits_u, S): traits alone are the cold start, kept only if they passed their gate. The personal
//   part is multiplied by dampings that depend on the stratum of evidence (how many trials): one for how much the
//   customer answers, one for what depends on the arm, which has to earn its place beside the first. Nothing known and
//   no traits: exactly the global curve, bit for bit. b[c][kind][h] is there where it passed its gate, and so is what
//   traits say of kind, channel and hour together: v_u = sum of V's rows of the customer's traits. unsubscribe logit
//   P(leaves | c) = u_c + w x log(1 + recent sends), w >= 0, u_c shrunk to all channels'
// Source: docs/MODELS.md "Timing and channel".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "models/activity_model.h"
#include "models/response_vector.h"

namespace rapport {

inline constexpr uint32_t kNoContent = ~0u;  // a content the model has not learned from: its kind speaks

// One contact that was sent, and what became of it.
struct ResponseTrial {
  uint32_t content = kNoContent;  // row of ResponseShape::content_kind
  uint16_t hour = 0;              // of the week, 0..167, customer's wall clock
  uint8_t channel = 0, place = 0, kind = 0;
  bool responded = false, unsubscribed = false;
  float affinity = 0;      // the content model's standardised score of (customer, content); 0: not known
  float recent_sends = 0;  // sends before this one, each decayed by its age
  float age_days = 0;      // at the time of the fit, or of the fold-in
};

struct ResponseShape {
  uint32_t channels = 1, places = 1, kinds = 1, segments = 1, traits = 0;
  std::vector<uint8_t> content_kind;  // by content
};

// All that is known of one customer. Trials and activity oldest first.
struct CustomerEvidence {
  uint32_t segment = 0;
  std::span<const uint32_t> traits;  // rows of W, ascending
  std::span<const ResponseTrial> trials;
  std::span<const uint16_t> activity_hours;  // hours of the week of what the customer did, visits within an hour once
  std::span<const float> activity_age_days;  // of each of them at the same moment as the trials', or empty: not known
};

struct ResponseOptions {
  uint64_t seed = 1;
  int threads = 0;                      // 0: all cores
  double validation_share = 0.2;        // the newest trials and marks, on which dampings and gates are chosen
  uint32_t customers_max = 50'000;      // the fit reads this many, drawn by seed
  int rounds = 30;                      // of EM for S
  uint32_t prior_customers_max = 4000;  // for S: so many of them, evenly
  double trial_half_life_days = 365;    // how fast a trial's weight decays, at the fit and at fold-in
  ActivityOptions activity;
};

// How many ways of acting together (J) customers may differ in.
inline constexpr size_t kTogetherFactors = 4;

// Evidence strata by the number of trials: 0, 1-4, 5-19, 20-79, 80 and more.
inline constexpr size_t kResponseStrata = 5;
size_t ResponseStratum(size_t trials);

// What may be sent: one arm.
struct ResponseArm {
  uint32_t content = kNoContent;
  uint16_t hour = 0;
  uint8_t channel = 0, place = 0, kind = 0;
  float affinity = 0, recent_sends = 0;
};

inline ResponseArm ArmOf(const ResponseTrial& trial) {
  return {trial.content, trial.hour, trial.channel, trial.place, trial.kind, trial.affinity, trial.recent_sends};
}

// What the model knows of one customer: a pure function of (evidence, model). Already damped; all empty: the global
// curve.
struct CustomerResponse {
  uint8_t stratum = 0;
  float level = 0;                 // level damping x b_u, logit
  std::vector<float> vector;       // (level, p_u), damped
  std::vector<float> own_hour;     // (168) logit: damping x p_u . q_h + g x log(P(h | u) / P(h))
  std::vector<float> own_channel;  // (channels) logit
  std::vector<float> own_kind;     // (kinds) logit
  std::vector<float> together;     // (factors) damping x v_u
  std::vector<float> activity;     // (168) P(h | u), sums to 1
};

// logit(h, c, i, place) = hour_channel[c][h] + kind_hour[kind][h] + together[c][kind][h]
//                         + ContentChannel(i, kind, c) + place[place] + model.affinity x affinity + Fatigue(c, recent):
// what many arms of one customer share.
struct ResponseTable {
  std::vector<float> hour_channel;  // (channels, 168): level, channel x hour and all that is the customer's own
  std::vector<float> kind_hour;     // (kinds, 168)
  std::vector<float> together;      // (channels, kinds, 168): everybody's and the customer's; empty: none
  std::span<const float> place;     // (places), the model's
};

// What the fit saw on its validation trials, in log loss per trial (nats).
struct ResponseReport {
  uint64_t customers = 0, trials = 0, validation_trials = 0;
  double loss_global = 0, loss_personal = 0;
  double gain_lower = 0;        // of the personal model over the global one: lower end of its 95 % interval by customer
  double trait_gain_lower = 0;  // of the traits, on customers' first trials
  double together_gain_lower = 0;   // of J and V beside the other traits
  double three_way_gain_lower = 0;  // of b[c][kind][h], by customer; 0: there was nothing to try
  std::array<double, kResponseStrata> stratum_gain{};
  std::array<uint64_t, kResponseStrata> stratum_trials{};
};

// Immutable after the fit or load; shared by all threads. Logits throughout.
struct ResponseModel {
  ResponseShape shape;
  double trial_half_life_days = 365;
  float level = 0;                       // m
  std::vector<float> channel_hour;       // (channels, 168), with the channel's own level
  std::vector<float> kind_hour;          // (kinds, 168), with the kind's own level
  std::vector<float> content_channel;    // (contents, channels)
  std::vector<float> kind_channel;       // (kinds, channels): what a content not learned from gets
  std::vector<float> kind_channel_hour;  // (channels, kinds, 168): what no pair explains; empty: did not pass its gate
  std::vector<float> place;              // (places)
  float affinity = 0;                    // a
  std::vector<float> fatigue;            // (channels, 2): of log(1 + recent) and of recent / 10
  float activity_weight = 0;             // g
  // The customer's vector (response_vector.h), prior N(W traits, S).
  std::vector<double> prior_precision;  // (d, d): S^-1
  std::vector<double> traits;           // (traits, d): W; empty: did not pass the gate
  std::vector<float> factors;           // J: (factors, channels, kinds, 168), root mean square 1; empty: did not pass
  std::vector<double> trait_factors;    // V: (traits, factors)
  std::array<float, kResponseStrata> level_damping{}, damping{};
  std::vector<float> unsubscribe;  // (channels): u_c
  float unsubscribe_recent = 0;    // w
  ActivityModel activity;
  ResponseReport report;

  size_t vector_size() const;  // d
  size_t factor_count() const { return shape.traits == 0 ? 0 : trait_factors.size() / shape.traits; }
  // The logit before anything of the customer's own.
  double GlobalLogit(const ResponseArm& arm) const;
  // Pure; REQUIRES evidence within the shape (traits beyond it are passed over). Some 10 to 50 microseconds.
  CustomerResponse FoldIn(const CustomerEvidence& evidence) const;
  // `table`'s buffers are used again. The table lives as long as the model.
  void FillTable(const CustomerResponse& customer, ResponseTable& table) const;
  size_t TogetherAt(uint8_t channel, uint8_t kind, uint16_t hour) const {
    return (size_t{channel} * shape.kinds + kind) * kHoursOfWeek + hour;
  }
  // v . J[c][kind][h], v: (factors) or empty.
  template <typename Number>
  double OwnTogether(std::span<const Number> v, uint8_t channel, uint8_t kind, uint16_t hour) const {
    const size_t size = size_t{shape.channels} * shape.kinds * kHoursOfWeek, at = TogetherAt(channel, kind, hour);
    double sum = 0;
    for (size_t f = 0; f < v.size(); ++f) sum += static_cast<double>(v[f]) * factors[f * size + at];
    return sum;
  }
  // b[c][kind][h].
  float ThreeWay(uint8_t channel, uint8_t kind, uint16_t hour) const {
    return kind_channel_hour.empty() ? 0.0f : kind_channel_hour[TogetherAt(channel, kind, hour)];
  }
  float ContentChannel(uint32_t content, uint8_t kind, uint8_t channel) const {
    return content < shape.content_kind.size() ? content_channel[size_t{content} * shape.channels + channel]
                                               : kind_channel[size_t{kind} * shape.channels + channel];
  }
  float Fatigue(uint8_t channel, float recent_sends) const;
  // REQUIRES an arm within the shape: hour < 168, channel, place and kind below theirs; its kind is the content's.
  double Logit(const CustomerResponse& customer, const ResponseArm& arm) const;
  double Probability(const CustomerResponse& customer, const ResponseArm& arm) const;
  double UnsubscribeProbability(uint8_t channel, float recent_sends) const;
  // P(h | u), (168); the global curve for a customer without one.
  std::span<const float> ActivityCurve(const CustomerResponse& customer) const;

  // Parts of FoldIn, for the fit: W traits_u, v_u, and the trials with everybody's logit and v_u's as their offset.
  std::vector<double> PriorMean(std::span<const uint32_t> known) const;
  std::vector<double> TogetherOf(std::span<const uint32_t> known) const;
  std::vector<VectorTrial> FoldInTrials(std::span<const ResponseTrial> trials, std::span<const double> together) const;
};

// Fits both heads. kInvalidArgument for evidence outside the shape (says which customer and what);
// kFailedPrecondition without a single trial. Deterministic on any thread count.
Result<ResponseModel> FitResponse(const ResponseShape& shape, std::span<const CustomerEvidence> customers,
                                  const ResponseOptions& options);

// Shapes agree, everything is finite, kinds in range. kDataLoss says what is wrong.
Status CheckResponseModel(const ResponseModel& model);
// Part of the file that engine/contact/response_set.h writes: docs/DATA.md "Response model file". Little endian, last
// 32 bytes the SHA-256 of all before.
std::string SerializeResponseModel(const ResponseModel& model);
// kDataLoss for a bad checksum, a cut file, wrong shapes or non-finite numbers; kFailedPrecondition for a newer
// version.
Result<ResponseModel> ParseResponseModel(std::string_view file, const std::string& name);

}  // namespace rapport

// Judging when customers are here (docs/JUDGING.md "Timing"): P(h | u) of models/activity_model.h on what came after a
// cut, beside simple rivals.
//
//   visits   what a customer did, on the wall clock of the shop's zone; what follows within an hour of the last one is
//            the same visit
//   cut      the first 80 % of all visits are known, the rest is judged; nothing after the cut is known of anybody
//   bits     -log2 P(h | u) per visit;  hit: the visit lies in the customer's three likeliest hours of the week
//   gain     a rival's bits less the model's, pooled over visits; 95 % interval: customers drawn with replacement
// Rivals with a setting are tuned as the model is, on the newest fifth of the known visits. Shuffled: the same with
// hours dealt out anew among all known and among all judged visits: what is learned then is noise.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/time_zone.h"
#include "engine/learning/training_set.h"
#include "models/activity_model.h"
#include "models/metrics.h"

namespace rapport {

struct TimingVisit {
  Timestamp time;
  uint16_t hour = 0;  // of the week, 0..167
};
struct TimingCustomer {
  uint32_t segment = 0;
  std::vector<TimingVisit> visits;  // ascending
};

// Visits of a table's lines, in `zone`. Segments: customers by their first trait where they have one.
std::vector<TimingCustomer> BuildVisits(const TrainingSet& set, const TimeZone& zone);

struct TimingOptions {
  double known_share = 0.8;  // of the visits, before the cut
  ActivityOptions activity;
  int resamples = 1000;
  uint64_t seed = 1;
};

struct TimingRow {
  std::string model, settings;
  double bits = 0;    // per visit
  double hit3 = 0;    // share of visits
  Interval gain;      // bits per visit that the model saves against this one; of the model itself: 0
  Interval hit_gain;  // share of visits
};
struct TimingStratum {
  std::string name;  // known visits: "0", "1-4", "5-19", "20+"
  uint64_t customers = 0, visits = 0;
  Interval gain;  // against everybody's curve
};
struct TimingReport {
  Timestamp cut;
  uint64_t customers = 0, judged_customers = 0, visits_known = 0, visits_judged = 0;
  std::vector<TimingRow> rows;  // the model last
  std::vector<TimingStratum> strata;
  Interval shuffled_gain;  // against everybody's curve, hours shuffled
};

// kFailedPrecondition when nothing lies on either side of the cut.
Result<TimingReport> EvaluateTiming(const std::vector<TimingCustomer>& customers, const TimingOptions& options);

// A table for people.
std::string FormatTiming(const TimingReport& report);

}  // namespace rapport

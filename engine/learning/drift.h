// How the days since a model was trained differ from what it was trained on. A pure function of the table and the
// model.
//
//   since     = lines after the model's trained_until; before = as many days right before that
//   JS(P, Q)  = H((P + Q) / 2) - (H(P) + H(Q)) / 2, in bits, 0..1, of the lines' items (and types) before and since
//   expected  = the 99 % quantile of JS when each customer's lines of the two windows change places by the toss of a
//               coin: what chance alone gives, since a finite sample never has JS = 0
//   drifted   = JS above expected; or more than kShareChangeMax of the lines since are of items without a factor; or
//               the share of customers never seen before grew by more than that
//   ndcg10    = the model as it is, on the next baskets since (docs/JUDGING.md "Measures")
//   overlap   = |A and B| / |A or B| of the top 20 of this model and of the next one, by customer
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "engine/learning/training_set.h"
#include "models/content_model.h"
#include "models/metrics.h"

namespace rapport {

inline constexpr uint64_t kDriftLinesMin = 100;  // since, and before: fewer say nothing
inline constexpr double kShareChangeMax = 0.2;

struct DriftOptions {
  int permutations = 200;
  size_t customers_max = 1000;  // for ndcg10 and overlap, drawn by seed
  uint64_t seed = 1;
  int threads = 0;
};

struct Divergence {
  double value = 0, expected = 0;
  bool drifted() const { return value > expected; }
};

struct DriftReport {
  bool judged = false;  // false: too little happened since, or nothing is known from before
  bool drifted = false;
  std::string words;  // what was found, for people
  Timestamp trained_until, before_from, since_until;
  uint64_t lines_before = 0, lines_since = 0;
  double factorless_share = 0;                                     // of the lines since
  double new_customers_share = 0, new_customers_share_before = 0;  // of the customers in the window
  Divergence items, types;
  size_t judged_customers = 0;  // 0: nobody came back
  Interval ndcg10;
  std::optional<Interval> overlap20;
};

// `next` may be null: no overlap then. The same bits on every thread count.
DriftReport MeasureDrift(const TrainingSet& set, const ContentModel& model, const ContentModel* next,
                         const DriftOptions& options);

std::string FormatDrift(const DriftReport& report);

}  // namespace rapport

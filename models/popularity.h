// Decayed popularity: score_i(t) = sum over events w 2^-((t - t_event)/half_life). One formula, three boards: popular
// (long half-life), trending (short, against the long one), and the recent-popularity baseline of docs/MODELS.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace rapport {

struct PopularityEvent {
  uint32_t item;
  float weight;
  Timestamp time;
};

struct PopularityOptions {
  double popular_half_life_days = 90;
  double trending_half_life_days = 7;
};

// Immutable after Fit or load. (items) each; at time `as_of`.
struct PopularityModel {
  Timestamp as_of;
  std::vector<float> popular;
  std::vector<float> trending;  // short-term score / sqrt(long-term score + 1): rising, not merely big
};

PopularityModel FitPopularity(uint32_t items, std::span<const PopularityEvent> events, Timestamp as_of,
                              const PopularityOptions& options);
// One decayed sum per item, for baselines, added in input order. Left out: events later than as_of, items out of range,
// weights that are not finite. REQUIRES half_life_days > 0.
std::vector<float> DecayedCounts(uint32_t items, std::span<const PopularityEvent> events, Timestamp as_of,
                                 double half_life_days);

}  // namespace rapport

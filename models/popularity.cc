#include "models/popularity.h"

#include <cmath>

namespace rapport {

std::vector<float> DecayedCounts(uint32_t items, std::span<const PopularityEvent> events, Timestamp as_of,
                                 double half_life_days) {
  std::vector<double> sums(items);
  for (const PopularityEvent& event : events) {
    if (event.item >= items || event.time > as_of || !std::isfinite(event.weight)) continue;
    const double age_days = static_cast<double>(as_of.ms - event.time.ms) / static_cast<double>(kDayMs);
    sums[event.item] += event.weight * std::exp2(-age_days / half_life_days);
  }
  return {sums.begin(), sums.end()};
}

PopularityModel FitPopularity(uint32_t items, std::span<const PopularityEvent> events, Timestamp as_of,
                              const PopularityOptions& options) {
  PopularityModel model;
  model.as_of = as_of;
  model.popular = DecayedCounts(items, events, as_of, options.popular_half_life_days);
  model.trending = DecayedCounts(items, events, as_of, options.trending_half_life_days);
  for (size_t i = 0; i < items; ++i) {
    // Refunds can carry a sum below zero; such an item is not rising.
    const double long_term = model.popular[i] > 0 ? model.popular[i] : 0.0;
    model.trending[i] = static_cast<float>(model.trending[i] / std::sqrt(long_term + 1.0));
  }
  return model;
}

}  // namespace rapport

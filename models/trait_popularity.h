// What is liked by customers with the same traits (country, locale, ...): the only thing that speaks for a customer
// without history.
//   c_ti = sum over customers with trait t of 2^(-age / half-life) over their chosen items i;  p_i = share of i in all
//   s_ti = (c_ti + m p_i) / (sum_i c_ti + m),  m = 200: a trait of few events says what everybody says
// Traits of fewer than 5 customers are not kept: they would name a person.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "models/neighbours.h"
#include "models/popularity.h"

namespace rapport {

// Immutable after Fit or load.
struct TraitModel {
  std::vector<uint64_t> tokens;      // ascending
  std::vector<uint64_t> offsets{0};  // (tokens + 1)
  std::vector<Neighbour> liked;      // rows and s_ti of each trait, best first, ties by lower row
};

struct TraitEvent {
  uint32_t customer = 0;  // index into `traits`
  PopularityEvent event;
};

// `traits`: tokens of each customer, ascending, unique. The best `per_trait` items each.
TraitModel FitTraits(uint32_t rows, std::span<const std::vector<uint64_t>> traits, std::span<const TraitEvent> events,
                     Timestamp as_of, double half_life_days, size_t per_trait);

// scores[i] += s_ti for each trait the model knows; sets touched[i / 64], where there is one. (scores: rows)
void AddTraitScores(const TraitModel& model, std::span<const uint64_t> traits, std::span<float> scores,
                    std::span<uint8_t> touched_blocks = {});

}  // namespace rapport

// Customers with known ways of answering, for tests of the response model: everybody's curve peaks at 19:00; each
// customer has a level, a favourite hour, a favourite channel, and is more often here around that hour.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "models/block_logistic.h"
#include "models/response_model.h"

namespace rapport {

struct PlantedOptions {
  size_t customers = 400, trials = 30, marks = 15;
  double personal = 1;        // strength of what is the customer's own
  double trait = 0;           // of trait 0, on the level
  double together = 0;        // of kind, channel and hour of day: no two of them know anything of it
  double trait_together = 0;  // the same, of trait 0 alone; of the others the contrary
  uint64_t seed = 7;
};

struct PlantedContacts {
  ResponseShape shape;
  std::vector<std::vector<ResponseTrial>> trials;
  std::vector<std::vector<uint16_t>> hours;
  std::vector<std::vector<float>> ages;
  std::vector<std::vector<uint32_t>> traits;
  std::vector<double> favourite_hour;
  std::vector<CustomerEvidence> evidence;  // points into the above
};

inline double DayCurve(double hour_of_day, double peak) {
  return std::cos(2 * 3.14159265358979 * (hour_of_day - peak) / 24);
}

inline PlantedContacts PlantContacts(const PlantedOptions& options) {
  PlantedContacts world;
  world.shape.channels = 3;
  world.shape.kinds = 2;
  world.shape.places = 2;
  world.shape.traits = 2;
  world.shape.content_kind = {0, 0, 1, 1, 1, 0};
  for (size_t u = 0; u < options.customers; ++u) {
    Random random = Random(options.seed).Fork(u);
    const double level = options.personal * 0.7 * random.Normal(), peak = 24 * random.Uniform();
    const auto favourite = static_cast<uint8_t>(random.Below(3));
    const bool trait = random.Uniform() < 0.5;
    world.favourite_hour.push_back(peak);
    world.traits.push_back({trait ? 0u : 1u});
    std::vector<ResponseTrial> trials;
    for (size_t n = 0; n < options.trials; ++n) {
      ResponseTrial trial;
      trial.content = static_cast<uint32_t>(random.Below(world.shape.content_kind.size() + 1));
      if (trial.content == world.shape.content_kind.size()) trial.content = kNoContent;
      trial.kind = trial.content == kNoContent ? 0 : world.shape.content_kind[trial.content];
      trial.hour = static_cast<uint16_t>(random.Below(168));
      trial.channel = static_cast<uint8_t>(random.Below(3));
      trial.place = static_cast<uint8_t>(random.Below(2));
      trial.affinity = static_cast<float>(random.Normal());
      trial.recent_sends = static_cast<float>(3 * random.Uniform());
      trial.age_days =
          static_cast<float>(100.0 * static_cast<double>(options.trials - n) / static_cast<double>(options.trials));
      const double eta =
          -1.5 + level + 0.6 * DayCurve(trial.hour % 24, 19) +
          options.personal * (1.2 * DayCurve(trial.hour % 24, peak) + (trial.channel == favourite ? 0.8 : 0)) +
          (trial.kind == 1 ? 0.4 : 0) + 0.5 * trial.affinity - 0.3 * std::log1p(trial.recent_sends) +
          (trait ? options.trait : -options.trait) +
          (options.together + (trait ? 1 : -1) * options.trait_together) *
              ((trial.kind == 0) == (trial.channel == 0) ? 1 : -1) * (trial.channel == 2 ? 0 : 1) *
              DayCurve(trial.hour % 24, 12);
      trial.responded = random.Uniform() < Sigmoid(eta);
      trial.unsubscribed = random.Uniform() < 0.01 * (1 + trial.recent_sends);
      trials.push_back(trial);
    }
    std::vector<uint16_t> hours;
    std::vector<float> ages;
    for (size_t n = 0; n < options.marks; ++n) {
      size_t hour = 0;
      do {
        hour = random.Below(168);
      } while (random.Uniform() * std::exp(1.5 * options.personal) >
               std::exp(1.5 * options.personal * DayCurve(static_cast<double>(hour % 24), peak)));
      hours.push_back(static_cast<uint16_t>(hour));
      ages.push_back(
          static_cast<float>(100.0 * static_cast<double>(options.marks - n) / static_cast<double>(options.marks)));
    }
    world.trials.push_back(std::move(trials));
    world.hours.push_back(std::move(hours));
    world.ages.push_back(std::move(ages));
  }
  for (size_t u = 0; u < options.customers; ++u) {
    world.evidence.push_back({0, world.traits[u], world.trials[u], world.hours[u], world.ages[u]});
  }
  return world;
}

}  // namespace rapport

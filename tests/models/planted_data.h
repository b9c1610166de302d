// Random interactions with planted tastes and power-law activity, for the tests of models/.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "models/interactions.h"

namespace rapport {

struct PlantedOptions {
  uint32_t customers = 150;
  uint32_t items = 120;
  uint32_t clusters = 5;
  double mean_items = 12;
  uint64_t seed = 7;
};

// Customer 0 has no item, customer 1 all of them; the others follow a power law. Item 0 is never chosen but by
// customer 1.
inline Interactions PlantedInteractions(const PlantedOptions& options) {
  Random random(options.seed);
  std::vector<Triplet> triplets;
  for (uint32_t i = 0; i < options.items; ++i) triplets.push_back({1, i, static_cast<float>(0.5 + random.Uniform())});
  for (uint32_t u = 2; u < options.customers; ++u) {
    const auto count = static_cast<uint32_t>(
        std::min<double>(options.items / 2.0, options.mean_items * 0.3 * std::pow(1.0 - random.Uniform(), -0.7)));
    for (uint32_t n = 0; n <= count; ++n) {
      const double popularity = std::pow(random.Uniform(), 2.0);
      auto item = 1 + static_cast<uint32_t>(popularity * (options.items - 1));
      const bool own_taste = random.Uniform() < 0.8;
      if (own_taste) item = item / options.clusters * options.clusters + u % options.clusters;
      if (item == 0 || item >= options.items) item = 1 + u % (options.items - 1);
      triplets.push_back({u, item, static_cast<float>(0.2 + 2.0 * random.Uniform())});
    }
  }
  return Interactions::FromTriplets(options.customers, options.items, std::move(triplets)).Take();
}

}  // namespace rapport

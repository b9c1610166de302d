// A small generated shop as event lines, for tests of learning: planted tastes, so that there is something to learn,
// and the same bytes on every machine (base/random.h). Independent of `rapport simulate`, whose shop may grow.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "engine/learning/training_set.h"

namespace rapport {

struct FixtureLine {
  uint64_t customer = 0, item = 0, event = 0;
  EventType type = EventType::kOrdered;
  Timestamp time;
  std::string order_id;
  float weight = 0;
};

inline constexpr Timestamp kFixtureStart{1'600'000'000'000};

struct FixtureShop {
  uint32_t customers = 300, items = 120, tastes = 6;
  int days = 200;
  double refund_share = 0.03;
  uint64_t seed = 7;
};

inline float FixtureWeight(EventType type) {
  return static_cast<float>(EventWeights::Defaults().by_type[static_cast<size_t>(type)]);
}

// Each customer has one taste (an item of it is chosen 80 % of the time), buys some of it again, and views as well.
inline std::vector<FixtureLine> FixtureLines(const FixtureShop& shop) {
  std::vector<FixtureLine> lines;
  const Random root(shop.seed);
  uint64_t event = 0;
  for (uint32_t customer = 1; customer <= shop.customers; ++customer) {
    Random random = root.Fork(customer);
    const uint64_t taste = random.Below(shop.tastes);
    const uint64_t visits = 2 + random.Below(12);
    for (uint64_t visit = 0; visit < visits; ++visit) {
      const Timestamp time{kFixtureStart.ms + static_cast<int64_t>(random.Uniform() * shop.days * kDayMs)};
      const EventType type = random.Uniform() < 0.7 ? EventType::kOrdered : EventType::kViewed;
      const std::string order = "o" + std::to_string(customer) + "-" + std::to_string(visit);
      ++event;
      for (uint64_t line = 1 + random.Below(5); line > 0; --line) {
        const double skewed = random.Uniform() * random.Uniform();
        const uint64_t per_taste = shop.items / shop.tastes;
        const uint64_t within = static_cast<uint64_t>(skewed * static_cast<double>(per_taste));
        const uint64_t of = random.Uniform() < 0.8 ? taste : random.Below(shop.tastes);
        const uint64_t item = 1 + of * per_taste + within;
        lines.push_back(
            {customer, item, event, type, time, type == EventType::kOrdered ? order : "", FixtureWeight(type)});
        if (type == EventType::kOrdered && random.Uniform() < shop.refund_share) {
          lines.push_back({customer, item, ++event, EventType::kRefunded, Timestamp{time.ms + kDayMs}, "r" + order,
                           FixtureWeight(EventType::kRefunded)});
        }
      }
    }
  }
  return lines;
}

inline TrainingSet FixtureTable(const std::vector<FixtureLine>& lines, const TrainingSetOptions& options = {}) {
  TrainingSetBuilder builder(options);
  for (const FixtureLine& line : lines) {
    const Status status = builder.Add(CustomerId{line.customer}, ItemId{line.item}, EventId{line.event}, line.type,
                                      line.time, line.weight, line.order_id);
    if (!status.ok()) return {};
  }
  return builder.Build();
}

inline Timestamp FixtureDay(double day) {
  return Timestamp{kFixtureStart.ms + static_cast<int64_t>(day * static_cast<double>(kDayMs))};
}

}  // namespace rapport

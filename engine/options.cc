// Defaults of the engine's configuration (docs/API.md "Events: one table"), and the one definition of what an
// event line weighs.
#include "engine/options.h"

#include <algorithm>
#include <cmath>

namespace rapport {

namespace {

constexpr double kLineWeightMax = 100;  // a mistyped rating of 10^9 must not become the whole history

}  // namespace

EventWeights EventWeights::Defaults() {
  EventWeights weights;
  const auto set = [&weights](EventType type, double weight) { weights.by_type[static_cast<size_t>(type)] = weight; };
  set(EventType::kViewed, 1);
  set(EventType::kClicked, 1);
  set(EventType::kAdded, 3);
  set(EventType::kRemoved, -3);
  set(EventType::kOrdered, 5);
  set(EventType::kRefunded, -5);
  set(EventType::kCancelled, -5);
  set(EventType::kRated, 1);
  return weights;
}

double EventWeights::LineWeight(EventType type, int64_t quantity, std::optional<double> value,
                                const std::string& name) const {
  if (quantity == 0) return 0;
  const size_t index = static_cast<size_t>(type);
  double weight = index < by_type.size() ? by_type[index] : 0.0;
  if (type == EventType::kCustom) {
    const auto found = by_name.find(name);
    if (found != by_name.end()) weight = found->second;
  } else if (type == EventType::kRated) {
    weight = value && std::isfinite(*value) ? weight * (*value - rated_neutral) : 0.0;
  }
  if (quantity < 0) weight = -std::abs(weight);
  return std::clamp(weight, -kLineWeightMax, kLineWeightMax);
}

std::vector<Scenario> EngineOptions::DefaultScenarios() {
  std::vector<Scenario> scenarios(6);
  scenarios[0].name = "home";

  scenarios[1].name = "product";
  scenarios[1].count = 12;
  scenarios[1].source = CandidateSource::kSimilar;

  scenarios[2].name = "category";

  scenarios[3].name = "cart";
  scenarios[3].count = 8;
  scenarios[3].source = CandidateSource::kBoughtTogether;

  scenarios[4].name = "post-purchase";
  scenarios[4].count = 8;
  scenarios[4].source = CandidateSource::kBoughtTogether;
  scenarios[4].repeat = RepeatPolicy::kExcludeOwned;

  scenarios[5].name = "buy-again";
  scenarios[5].repeat = RepeatPolicy::kOnlyOrdered;
  return scenarios;
}

}  // namespace rapport

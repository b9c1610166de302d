// The simple models that Rapport is judged beside, each fitted on a table of the past and asked at the cut
// (docs/JUDGING.md "Rivals"), and how their settings are drawn when they are tuned. All of them get the same number of
// draws, from the ranges in DrawSettings.
#pragma once

#include <array>
#include <string>

#include "base/random.h"
#include "base/status.h"
#include "engine/learning/judging.h"
#include "engine/learning/training_set.h"
#include "models/als.h"
#include "models/ease.h"
#include "models/neighbours.h"

namespace rapport {

enum class Rival : uint8_t {
  kPopular,             // decayed counts, long half-life
  kRecent,              // decayed counts, short half-life
  kFrequency,           // what the customer had, then recent popularity
  kBasketNeighbours,    // item kNN by orders
  kCustomerNeighbours,  // item kNN by customers
  kShallow,             // EASE
  kFactors,             // iALS
};
inline constexpr std::array kRivals = {
    Rival::kPopular, Rival::kRecent, Rival::kFrequency, Rival::kBasketNeighbours, Rival::kCustomerNeighbours,
    Rival::kShallow, Rival::kFactors};
const char* RivalName(Rival rival);  // "item kNN by baskets"

// Each rival reads its own part.
struct RivalSettings {
  AlsOptions als;
  NeighbourOptions neighbours{.neighbours = 200};
  EaseOptions ease;
  double history_half_life_days = 90;    // of iALS: fit and fold-in
  double neighbour_half_life_days = 60;  // of the history that item kNN starts from
  double ease_half_life_days = 90;       // of the history that EASE starts from; its fit counts every item once
  double popular_half_life_days = 90;
  double recent_half_life_days = 7;
  double frequency_half_life_days = 365;
};

// Fitted on `past`, asked for the customers of `asked`, a table with the same item rows: mostly `past` itself.
// kInvalidArgument for settings out of range; kResourceExhausted where EASE would outgrow ease.size_max.
Result<Ranker> FitRival(Rival rival, const TrainingSet& past, const TrainingSet& asked, Timestamp cut,
                        const RivalSettings& settings);

// `defaults` with the rival's own part drawn anew, log-uniform unless said otherwise:
//   popularity 30..1500 days, recent popularity 1..30, personal frequency 30..1500 (fill 1..30), item kNN:
//   normalization 0..1 uniform, history 10..1500 days; EASE: regularization 3..3000, history 10..1500;
//   iALS: factors {32, 64, 128}, unobserved weight .03..30, regularization 1e-5..3e-2, history 20..1500
RivalSettings DrawSettings(Rival rival, const RivalSettings& defaults, Random& random);
// The rival's own part in words, for logs: "half-life 34 days".
std::string DescribeSettings(Rival rival, const RivalSettings& settings);

}  // namespace rapport

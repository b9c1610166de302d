#include "engine/content/exploration.h"

#include <algorithm>
#include <cmath>

#include "engine/content/diversity.h"

namespace rapport {

namespace {

constexpr double kTemperature = 0.2;  // the best is e^5 = 148 times as likely as the last, before epsilon

}  // namespace

std::vector<double> SlotProbabilities(std::span<const float> scores, size_t without_score, double epsilon) {
  const size_t count = scores.size() + without_score;
  const double share = scores.empty() ? 1.0 : epsilon;
  std::vector<double> probabilities(count, share / static_cast<double>(count));
  if (scores.empty()) return probabilities;
  std::vector<double> weights = ScaleToUnit(scores);
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp((weight - 1.0) / kTemperature);
  for (size_t i = 0; i < weights.size(); ++i) probabilities[i] += (1 - share) * weights[i] / sum;
  return probabilities;
}

size_t DrawCandidate(std::span<const double> probabilities, double uniform) {
  double sum = 0;
  for (size_t i = 0; i + 1 < probabilities.size(); ++i) {
    sum += probabilities[i];
    if (uniform < sum) return i;
  }
  return probabilities.size() - 1;
}

ShortlistSizes SizeShortlists(size_t slots, size_t candidates, size_t new_items, ShortlistSizes available) {
  const size_t room = slots * candidates;
  const size_t kept = std::min(available.without_history, slots * new_items);
  ShortlistSizes taken;
  taken.with_history = std::min(available.with_history, room - std::min(room, kept));
  taken.without_history = std::min(available.without_history, room - taken.with_history);
  return taken;
}

}  // namespace rapport

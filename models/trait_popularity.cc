#include "models/trait_popularity.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace rapport {
namespace {

constexpr size_t kCustomersMin = 5;
constexpr double kShrinkage = 200;

bool Better(const Neighbour& a, const Neighbour& b) { return a.score != b.score ? a.score > b.score : a.item < b.item; }

}  // namespace

TraitModel FitTraits(uint32_t rows, std::span<const std::vector<uint64_t>> traits, std::span<const TraitEvent> events,
                     Timestamp as_of, double half_life_days, size_t per_trait) {
  std::map<uint64_t, size_t> customers;
  for (const std::vector<uint64_t>& one : traits) {
    for (const uint64_t token : one) ++customers[token];
  }
  TraitModel model;
  for (const auto& [token, count] : customers) {
    if (count >= kCustomersMin) model.tokens.push_back(token);
  }
  std::vector<double> all(rows);
  std::vector<std::vector<std::pair<uint32_t, double>>> by_token(model.tokens.size());  // row, weight
  double total = 0;
  for (const TraitEvent& one : events) {
    if (one.event.item >= rows || one.event.time > as_of || !(one.event.weight > 0)) continue;
    const double age_days = static_cast<double>(as_of.ms - one.event.time.ms) / kDayMs;
    const double weight = one.event.weight * std::exp2(-age_days / half_life_days);
    all[one.event.item] += weight;
    total += weight;
    for (const uint64_t token : traits[one.customer]) {
      const auto at = std::lower_bound(model.tokens.begin(), model.tokens.end(), token);
      if (at == model.tokens.end() || *at != token) continue;
      by_token[static_cast<size_t>(at - model.tokens.begin())].push_back({one.event.item, weight});
    }
  }
  std::vector<double> counts(rows);
  for (const auto& choices : by_token) {
    std::fill(counts.begin(), counts.end(), 0.0);
    double sum = 0;
    for (const auto& [row, weight] : choices) {
      counts[row] += weight;
      sum += weight;
    }
    std::vector<Neighbour> liked;
    for (uint32_t row = 0; row < rows; ++row) {
      const double share = total > 0 ? all[row] / total : 0;
      const double score = (counts[row] + kShrinkage * share) / (sum + kShrinkage);
      if (score > 0 && std::isfinite(score)) liked.push_back({row, static_cast<float>(score)});
    }
    const size_t kept = std::min(liked.size(), per_trait);
    std::partial_sort(liked.begin(), liked.begin() + static_cast<ptrdiff_t>(kept), liked.end(), Better);
    model.liked.insert(model.liked.end(), liked.begin(), liked.begin() + static_cast<ptrdiff_t>(kept));
    model.offsets.push_back(model.liked.size());
  }
  return model;
}

void AddTraitScores(const TraitModel& model, std::span<const uint64_t> traits, std::span<float> scores,
                    std::span<uint8_t> touched_blocks) {
  for (const uint64_t token : traits) {
    const auto at = std::lower_bound(model.tokens.begin(), model.tokens.end(), token);
    if (at == model.tokens.end() || *at != token) continue;
    const auto index = static_cast<size_t>(at - model.tokens.begin());
    for (uint64_t k = model.offsets[index]; k < model.offsets[index + 1]; ++k) {
      scores[model.liked[k].item] += model.liked[k].score;
      if (!touched_blocks.empty()) touched_blocks[model.liked[k].item / 64] = 1;
    }
  }
}

}  // namespace rapport

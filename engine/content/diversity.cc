#include "engine/content/diversity.h"

#include <algorithm>
#include <cmath>

namespace rapport {

namespace {

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return sum;
}

using Texts = std::vector<const std::string*>;

Texts SortedUnique(const std::vector<std::string>& texts) {
  Texts sorted;
  for (const std::string& text : texts) sorted.push_back(&text);
  std::sort(sorted.begin(), sorted.end(), [](const std::string* a, const std::string* b) { return *a < *b; });
  sorted.erase(std::unique(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return *a == *b; }), sorted.end());
  return sorted;
}

double Jaccard(const Texts& a, const Texts& b) {
  size_t common = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const int order = a[i]->compare(*b[j]);
    common += order == 0;
    i += order <= 0;
    j += order >= 0;
  }
  return common == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(a.size() + b.size() - common);
}

}  // namespace

ItemSimilarity::ItemSimilarity(const ModelSet& models, std::span<const Item* const> items) {
  for (const Item* item : items) {
    Features& features = features_.emplace_back();
    features.categories = SortedUnique(item->categories);
    const uint32_t row = models.content == nullptr ? kNoRow : models.RowOf(item->id);
    if (row == kNoRow) continue;
    const auto d = static_cast<size_t>(models.content->als.options.factors);
    features.factors = std::span(models.content->als.item_factors).subspan(row * d, d);
    features.length = std::sqrt(Dot(features.factors, features.factors));
    if (!(features.length > 0)) features.factors = {};
  }
}

double ItemSimilarity::Of(size_t a, size_t b) const {
  const Features &one = features_[a], &other = features_[b];
  if (one.factors.empty() || other.factors.empty()) return Jaccard(one.categories, other.categories);
  return std::clamp(Dot(one.factors, other.factors) / (one.length * other.length), 0.0, 1.0);
}

std::vector<double> ScaleToUnit(std::span<const float> scores) {
  std::vector<double> scaled(scores.begin(), scores.end());
  if (scaled.empty()) return scaled;
  const auto [lowest, highest] = std::minmax_element(scores.begin(), scores.end());
  const double low = *lowest, range = static_cast<double>(*highest) - low;
  for (double& one : scaled) one = range > 0 ? (one - low) / range : 1.0;
  return scaled;
}

std::vector<uint32_t> ChooseDiverse(std::span<const float> scores, const ItemSimilarity& similarity, double diversity,
                                    size_t count) {
  const std::vector<double> relevance = ScaleToUnit(scores);
  std::vector<uint32_t> left(scores.size()), chosen;
  for (uint32_t i = 0; i < left.size(); ++i) left[i] = i;
  std::vector<double> nearest(scores.size(), 0.0);  // to what was chosen so far
  while (chosen.size() < count && !left.empty()) {
    size_t best = 0;
    double best_value = 0;
    for (size_t k = 0; k < left.size(); ++k) {
      const double value = (1 - diversity) * relevance[left[k]] - diversity * nearest[left[k]];
      if (k != 0 && !(value > best_value)) continue;
      best = k;
      best_value = value;
    }
    const uint32_t taken = left[best];
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    chosen.push_back(taken);
    for (const uint32_t i : left) nearest[i] = std::max(nearest[i], similarity.Of(taken, i));
  }
  return chosen;
}

size_t DiversityPool(size_t want) {
  constexpr size_t kTimes = 4, kMoreMax = 300;  // a page of 20 from 80; more than 300 beside it only costs time
  return want + std::min((kTimes - 1) * want, kMoreMax);
}

}  // namespace rapport

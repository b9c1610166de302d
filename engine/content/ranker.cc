#include "engine/content/ranker.h"

#include <algorithm>
#include <cmath>

namespace rapport {

namespace {

double Decay(Timestamp time, Timestamp now, double half_life_days) {
  const double age_days = static_cast<double>(std::max<int64_t>(0, now.ms - time.ms)) / kDayMs;
  return half_life_days > 0 ? std::exp2(-age_days / half_life_days) : 1.0;
}

// Sums equal items, in the order of the history (stable), and keeps what stays positive.
void SumByItem(std::vector<WeightedItem>& lines) {
  std::stable_sort(lines.begin(), lines.end(),
                   [](const WeightedItem& a, const WeightedItem& b) { return a.item < b.item; });
  size_t kept = 0;
  for (size_t i = 0; i < lines.size();) {
    WeightedItem sum = lines[i];
    for (++i; i < lines.size() && lines[i].item == sum.item; ++i) sum.weight += lines[i].weight;
    if (sum.weight > 0 && std::isfinite(sum.weight)) lines[kept++] = sum;
  }
  lines.resize(kept);
}

}  // namespace

void SumTaste(std::span<const HistoryEntry> history, const EventWeights& weights, double half_life_days, Timestamp now,
              std::vector<WeightedItem>& out) {
  out.clear();
  for (const HistoryEntry& line : history) {
    const double weight = weights.LineWeight(line.type, line.quantity, line.value, line.name);
    if (weight != 0) out.push_back({line.item, weight * Decay(line.time, now, half_life_days)});
  }
  SumByItem(out);
}

void SumRepeats(std::span<const HistoryEntry> history, double half_life_days, Timestamp now,
                std::vector<WeightedItem>& out) {
  out.clear();
  for (const HistoryEntry& line : history) {
    const bool order = line.type == EventType::kOrdered;
    const bool retraction = line.type == EventType::kRefunded || line.type == EventType::kCancelled;
    if ((!order && !retraction) || line.quantity == 0) continue;
    const double sign = order && line.quantity > 0 ? 1.0 : -1.0;
    out.push_back({line.item, sign * Decay(line.time, now, half_life_days)});
  }
  SumByItem(out);
}

std::span<const HistoryEntry> NewestEvents(std::span<const HistoryEntry> history, size_t events) {
  size_t first = history.size();
  for (size_t seen = 0; first > 0; --first) {
    const bool next_event = first == history.size() || history[first - 1].event != history[first].event;
    if (next_event && ++seen > events) break;
  }
  return history.subspan(first);
}

bool MapToRows(const ModelSet& models, std::span<const WeightedItem> items, RankScratch& scratch) {
  scratch.rows.clear();
  scratch.weights.clear();
  for (const WeightedItem& item : items) {
    const uint32_t row = models.RowOf(item.item);
    if (row == kNoRow) continue;
    scratch.rows.push_back(row);
    scratch.weights.push_back(static_cast<float>(item.weight));
  }
  return !scratch.rows.empty();
}

namespace {

// Training on too little ends near zero, where no order means anything and no bound of the scan holds.
constexpr float kFactorMin = 1e-12f;

}  // namespace

bool FoldInRows(const ContentModel& model, RankScratch& scratch) {
  scratch.factor.resize(static_cast<size_t>(model.als.options.factors));
  FoldIn(model.als, scratch.rows, scratch.weights, scratch.fold_in, scratch.factor);
  return std::any_of(scratch.factor.begin(), scratch.factor.end(), [](float x) { return std::abs(x) >= kFactorMin; });
}

namespace {

std::vector<Scored> BestPlain(const ContentModel& model, size_t k, const FilterPart* part, RankScratch& scratch) {
  return BestItems(model.als.quantized, model.als.item_factors, scratch.factor, k,
                   FilterPart::Allow(scratch.allowed_rows, part), ScoreFloor::kAboveZero, scratch.scan);
}

// What lifts each row, ascending, 0..weight.
std::vector<Scored> LiftOfRows(const ModelSet& models, const Lift& lift, const Bitmap& allowed) {
  std::vector<Scored> out;
  if (lift.weight <= 0) return out;
  double most = 0;
  for (const WeightedItem& repeat : lift.repeats) most = std::max(most, repeat.weight);
  for (const WeightedItem& repeat : lift.repeats) {
    const uint32_t row = models.RowOf(repeat.item);
    if (row == kNoRow || !TestBit(allowed, row)) continue;
    out.push_back({row, static_cast<float>(lift.weight * repeat.weight / most)});
  }
  std::sort(out.begin(), out.end(), [](const Scored& a, const Scored& b) { return a.index < b.index; });
  return out;
}

}  // namespace

float HighestByFactors(const ContentModel& model, const FilterPart* part, RankScratch& scratch) {
  const std::vector<Scored> best = BestPlain(model, 1, part, scratch);
  return best.empty() ? 0.0f : best.front().score;
}

std::vector<Scored> BestByFactors(const ModelSet& models, const Lift& lift, const Gains& gains, size_t k,
                                  const FilterPart* part, RankScratch& scratch) {
  const ContentModel& model = *models.content;
  const std::vector<Scored> lifts = LiftOfRows(models, lift, scratch.allowed_rows);
  const float scale = static_cast<float>(1.0 / (1.0 + (lift.repeats.empty() ? 0.0 : lift.weight)));
  for (size_t width = k;; width *= 4) {
    std::vector<Scored> best = BestPlain(model, width, part, scratch);
    const bool all = best.size() < width;
    std::erase_if(best, [](const Scored& one) { return !std::isfinite(one.score); });  // foreign factors can overflow
    const float highest = best.empty() ? 1.0f : best.front().score;
    // No row left out scores more.
    const float bound = all || best.empty() ? 0.0f : scale * gains.Most() * (best.back().score / highest);
    std::sort(best.begin(), best.end(), [](const Scored& a, const Scored& b) { return a.index < b.index; });
    const size_t found = best.size();
    for (const Scored& one : lifts) {
      const auto at = std::lower_bound(best.begin(), best.begin() + static_cast<ptrdiff_t>(found), one.index,
                                       [](const Scored& a, uint32_t row) { return a.index < row; });
      if (at != best.begin() + static_cast<ptrdiff_t>(found) && at->index == one.index) continue;
      best.push_back({one.index, std::max(0.0f, ScoreOne(model.als.item_factors, scratch.factor, one.index))});
    }
    for (Scored& one : best) {
      const auto at = std::lower_bound(lifts.begin(), lifts.end(), one.index,
                                       [](const Scored& a, uint32_t row) { return a.index < row; });
      const float lifted = at != lifts.end() && at->index == one.index ? at->score : 0.0f;
      one.score = scale * (one.score / highest + lifted) * (gains.empty() ? 1.0f : gains.Of(model.item_ids[one.index]));
    }
    KeepBest(k, best);
    // Without boosts what was left out is behind the last found, ties included.
    if (all || gains.empty() || (best.size() == k && best.back().score > bound)) return best;
  }
}

void ScalePositive(const Gains& gains, std::vector<Scored>& candidates) {
  float highest = 0;
  for (const Scored& one : candidates) highest = std::max(highest, one.score);
  for (Scored& one : candidates) one.score = (highest > 0 ? one.score / highest : 1.0f) * gains.Of(one.index);
}

}  // namespace rapport

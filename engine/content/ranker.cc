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

bool ScoreRows(const ContentModel& model, RankScratch& scratch) {
  scratch.factor.resize(static_cast<size_t>(model.als.options.factors));
  scratch.scores.resize(model.rows());
  FoldIn(model.als, scratch.rows, scratch.weights, scratch.fold_in, scratch.factor);
  if (std::all_of(scratch.factor.begin(), scratch.factor.end(), [](float x) { return x == 0; })) return false;
  ScoreAll(model.als.item_factors, scratch.factor, scratch.scores);
  return true;
}

ScoreRange RestrictRows(const ContentModel& model, std::span<const uint64_t> allowed, RankScratch& scratch) {
  scratch.allowed_rows.assign(WordsFor(model.rows()), 0);
  ScoreRange range;
  for (uint32_t row = 0; row < model.rows(); ++row) {
    const float score = scratch.scores[row];
    if (!TestBit(allowed, model.item_ids[row]) || !std::isfinite(score)) continue;
    SetBit(scratch.allowed_rows, row);
    range.lowest = range.count == 0 ? score : std::min(range.lowest, score);
    range.highest = range.count == 0 ? score : std::max(range.highest, score);
    ++range.count;
  }
  return range;
}

void BlendRows(const ModelSet& models, std::span<const WeightedItem> repeats, double repeat_weight, const Gains& gains,
               const ScoreRange& range, RankScratch& scratch) {
  const ContentModel& model = *models.content;
  const double share = repeats.empty() ? 0.0 : repeat_weight;
  const float scale = static_cast<float>(1.0 / (1.0 + share));
  ForEachBit(scratch.allowed_rows,
             [&](size_t row) { scratch.scores[row] = scale * range.Normalize(scratch.scores[row]); });
  double most = 0;
  for (const WeightedItem& repeat : repeats) most = std::max(most, repeat.weight);
  for (const WeightedItem& repeat : repeats) {
    const uint32_t row = models.RowOf(repeat.item);
    if (row != kNoRow) scratch.scores[row] += scale * static_cast<float>(share * repeat.weight / most);
  }
  if (gains.empty()) return;
  ForEachBit(scratch.allowed_rows, [&](size_t row) { scratch.scores[row] *= gains.Of(model.item_ids[row]); });
}

void ScalePositive(const Gains& gains, std::vector<Scored>& candidates) {
  float highest = 0;
  for (const Scored& one : candidates) highest = std::max(highest, one.score);
  for (Scored& one : candidates) one.score = (highest > 0 ? one.score / highest : 1.0f) * gains.Of(one.index);
}

}  // namespace rapport

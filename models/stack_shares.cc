#include "models/stack_shares.h"

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

// What counts as the weight of an item when only some can be asked for: every source hears less of what is old.
constexpr double kWeighingHalfLifeDays = 365;

// Rows of the history, ascending: all, or those that weigh most and those that are targets themselves.
std::vector<uint32_t> RowsToRemove(std::span<const SignalLine> lines, Timestamp now, size_t count,
                                   std::span<const uint32_t> targets) {
  std::vector<SignalLine> sorted(lines.begin(), lines.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const SignalLine& a, const SignalLine& b) { return a.row < b.row; });
  std::vector<Scored> rows;
  for (const SignalLine& line : sorted) {
    const double age_days = static_cast<double>(std::max<int64_t>(0, now.ms - line.time.ms)) / kDayMs;
    const auto weight = static_cast<float>(std::abs(line.weight) * std::exp2(-age_days / kWeighingHalfLifeDays));
    if (rows.empty() || rows.back().index != line.row) rows.push_back({line.row, 0});
    rows.back().score += weight;
  }
  if (rows.size() > count) {
    for (Scored& row : rows) {
      if (std::find(targets.begin(), targets.end(), row.index) != targets.end()) row.score = HUGE_VALF;
    }
    std::sort(rows.begin(), rows.end(), Better);
    rows.resize(count);
  }
  std::vector<uint32_t> out;
  for (const Scored& row : rows) out.push_back(row.index);
  std::sort(out.begin(), out.end());
  return out;
}

size_t PlaceOf(const StackScratch& scratch, uint32_t row) {
  const auto at = std::lower_bound(scratch.candidates.begin(), scratch.candidates.end(), row);
  return static_cast<size_t>(at - scratch.candidates.begin());
}

}  // namespace

bool IsBoard(StackSource source) {
  switch (source) {
    case StackSource::kPopular:
    case StackSource::kRecent14:
    case StackSource::kRecent7:
    case StackSource::kSeason:
    case StackSource::kTraits: return true;
    default: return false;
  }
}

size_t RemovalsMax(size_t rows) { return std::clamp<size_t>(4'000'000 / std::max<size_t>(1, rows), 16, 256); }

StackShares ShareStack(const ContentModel& model, std::span<const double> theta, const StackQuestion& question,
                       std::span<const uint32_t> targets, StackScratch& scratch) {
  StackShares shares;
  StackQuestion asked = question;
  asked.newcomers = nullptr;
  shares.history = RowsToRemove(question.lines, question.now, RemovalsMax(model.rows()), targets);
  const size_t n = shares.history.size();
  shares.drops.assign(targets.size() * n, 0);
  shares.boards.assign(targets.size() * kStackSources, 0);
  scratch.also.assign(targets.begin(), targets.end());
  CollectCandidates(model, asked, scratch);
  std::vector<double> full;
  for (size_t t = 0; t < targets.size(); ++t) {
    const size_t place = PlaceOf(scratch, targets[t]);
    full.push_back(ScoreCandidate(theta, scratch, place));
    const float* features = scratch.features.data() + place * kStackFeatures;
    for (size_t s = 0; s < kStackSources; ++s) {
      if (!IsBoard(static_cast<StackSource>(s))) continue;
      shares.boards[t * kStackSources + s] = theta[2 * s] * features[2 * s] + theta[2 * s + 1] * features[2 * s + 1];
    }
  }
  std::vector<SignalLine> left;
  for (size_t i = 0; i < n; ++i) {
    left.clear();
    for (const SignalLine& line : question.lines) {
      if (line.row != shares.history[i]) left.push_back(line);
    }
    asked.lines = left;
    CollectCandidates(model, asked, scratch);
    for (size_t t = 0; t < targets.size(); ++t) {
      shares.drops[t * n + i] = full[t] - ScoreCandidate(theta, scratch, PlaceOf(scratch, targets[t]));
    }
  }
  scratch.also.clear();
  return shares;
}

}  // namespace rapport

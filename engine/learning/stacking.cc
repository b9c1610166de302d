#include "engine/learning/stacking.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr size_t kFeaturesPerRanker = 2;

size_t FeatureCount(size_t rankers) { return kFeaturesPerRanker * rankers + 1; }

// Candidates of one customer with their features.
struct Candidates {
  std::vector<uint32_t> items;  // ascending
  std::vector<float> values;    // (items, features)
};

// Scores of every ranker, brought to 0..1; where the task is about new items, what the customer had is no candidate.
Candidates Collect(const std::vector<Ranker>& rankers, const TrainingSet& past, RepeatTask task, size_t depth,
                   uint32_t customer, JudgingScratch& scratch) {
  const size_t items = past.items();
  std::vector<uint64_t> had((items + 63) / 64, 0), allowed((items + 63) / 64, ~uint64_t{0});
  for (const TrainingLine& line : past.LinesOf(customer)) had[line.item / 64] |= uint64_t{1} << (line.item % 64);
  if (task == RepeatTask::kNewItemsOnly) {
    for (size_t word = 0; word < had.size(); ++word) allowed[word] = ~had[word];
  }
  std::vector<float> scores(rankers.size() * items);
  std::vector<float> highest(rankers.size(), 0.0f);
  Candidates out;
  for (size_t r = 0; r < rankers.size(); ++r) {
    const std::span<float> own = std::span(scores).subspan(r * items, items);
    rankers[r].score(customer, scratch, own);
    for (const Scored& one : TopK(own, depth, allowed)) {
      if (one.score <= 0) break;
      highest[r] = std::max(highest[r], one.score);
      out.items.push_back(one.index);
    }
  }
  std::sort(out.items.begin(), out.items.end());
  out.items.erase(std::unique(out.items.begin(), out.items.end()), out.items.end());
  out.values.reserve(out.items.size() * FeatureCount(rankers.size()));
  for (const uint32_t item : out.items) {
    for (size_t r = 0; r < rankers.size(); ++r) {
      const float score = scores[r * items + item];
      const float s = highest[r] > 0 && score > 0 && std::isfinite(score) ? score / highest[r] : 0.0f;
      out.values.push_back(s);
      out.values.push_back(std::sqrt(s));
    }
    out.values.push_back((had[item / 64] >> (item % 64) & 1) != 0 ? 1.0f : 0.0f);
  }
  return out;
}

}  // namespace

Result<std::vector<double>> FitStacking(const std::vector<BlendWindow>& windows, const StackingOptions& options) {
  BlendCases all;
  for (const BlendWindow& window : windows) {
    if (all.features != 0 && all.features != FeatureCount(window.rankers.size())) {
      return Status::InvalidArgument("the windows of a blend must have the same rankers");
    }
    all.features = FeatureCount(window.rankers.size());
    std::vector<Candidates> collected(window.cases.cases.size());
    ParallelFor(collected.size(), 16, options.blend.threads, [&](size_t begin, size_t end, size_t) {
      JudgingScratch scratch;
      for (size_t i = begin; i < end; ++i) {
        collected[i] = Collect(window.rankers, *window.past, window.cases.repeats, options.depth,
                               window.cases.cases[i].customer, scratch);
      }
    });
    for (size_t i = 0; i < collected.size(); ++i) {
      const std::vector<uint32_t>& relevant = window.cases.cases[i].relevant;
      all.values.insert(all.values.end(), collected[i].values.begin(), collected[i].values.end());
      for (const uint32_t item : collected[i].items) {
        all.chosen.push_back(std::binary_search(relevant.begin(), relevant.end(), item) ? 1 : 0);
      }
      all.offsets.push_back(all.chosen.size());
    }
  }
  return FitBlend(all, options.blend);
}

Ranker StackedRanker(std::string name, std::vector<Ranker> rankers, std::vector<double> theta, const TrainingSet& past,
                     RepeatTask task, size_t depth) {
  return {std::move(name), [rankers = std::move(rankers), theta = std::move(theta), &past, task, depth](
                               uint32_t customer, JudgingScratch& scratch, std::span<float> scores) {
            const Candidates candidates = Collect(rankers, past, task, depth, customer, scratch);
            rankers.front().score(customer, scratch, scores);
            // Below every candidate, whose score is at least 0 after the shift.
            float highest = 0;
            for (const float score : scores) highest = std::isfinite(score) ? std::max(highest, score) : highest;
            for (float& score : scores) score = std::isfinite(score) ? score - highest - 1 : score;
            std::vector<float> utility;
            for (size_t i = 0; i < candidates.items.size(); ++i) {
              double sum = 0;
              for (size_t k = 0; k < theta.size(); ++k) sum += theta[k] * candidates.values[i * theta.size() + k];
              utility.push_back(static_cast<float>(sum));
            }
            const float lowest = utility.empty() ? 0 : *std::min_element(utility.begin(), utility.end());
            for (size_t i = 0; i < utility.size(); ++i) scores[candidates.items[i]] = utility[i] - lowest;
          }};
}

}  // namespace rapport

// From a customer's history to ordered candidates. Pure functions over plain arguments and caller-owned scratch.
//
//   taste        t_i = sum over lines of item i of LineWeight x 2^(-age / half-life), kept where > 0: refunds subtract
//   personal     s_i = x . y_i for a model row i, x folded in from t (models/als.h)
//   repeats      f_i = sum over orders of item i of 2^(-age / repeat half-life), less refunds, kept where > 0
//   repeats mix  s'_i = (n(s_i) + w f_i / max f) / (1 + w), w = repeat_weight, where repeats are allowed and the model
//                has no blend of its own: what a customer orders again and again is the strongest single forecast of
//                the next basket (docs/MODELS.md section 7)
//   boost        n(s_i), or s'_i, x product of the factors of all boosts that item i matches
//
// n() maps a list's scores to [0, 1], so that a factor above 1 never lowers and one below 1 never raises an item:
// max(0, s_i) / the largest score of an allowed item, or 1 - rank / count for mere orders. Items that nothing but a
// negative score speaks for are left to the stages that follow. Without boosts and repeats the order is that of s.
// Order everywhere: score descending, then item id ascending. Ages are never negative.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "data/records.h"
#include "engine/content/bitmap.h"
#include "engine/content/filter_parts.h"
#include "engine/model_set.h"
#include "engine/options.h"
#include "models/als.h"
#include "models/quantized_scan.h"
#include "models/stack.h"
#include "models/top_k.h"

namespace rapport {

struct WeightedItem {
  ItemId item;
  double weight;
};

// `out` ascending by item, weights > 0.
void SumTaste(std::span<const HistoryEntry> history, const EventWeights& weights, double half_life_days, Timestamp now,
              std::vector<WeightedItem>& out);
void SumRepeats(std::span<const HistoryEntry> history, double half_life_days, Timestamp now,
                std::vector<WeightedItem>& out);
// The lines of the newest `events` events. REQUIRES history ascending by event.
std::span<const HistoryEntry> NewestEvents(std::span<const HistoryEntry> history, size_t events);

// What scoring needs and gives up again; one owner at a time.
struct RankScratch {
  FoldInScratch fold_in;
  std::vector<WeightedItem> items;
  std::vector<uint32_t> rows;  // model rows of items, parallel to weights
  std::vector<float> weights;
  std::vector<float> factor;  // (factors)
  std::vector<float> scores;  // (model rows)
  ScanScratch scan;
  StackScratch stack;        // of the blend
  Bitmap allowed_rows;       // bit = model row
  Bitmap allowed_newcomers;  // bit = newcomer
};

// Rows and weights of the items that the model knows, into scratch; false when there are none.
bool MapToRows(const ModelSet& models, std::span<const WeightedItem> items, RankScratch& scratch);
// x into scratch.factor, from scratch.rows and scratch.weights; false when it is zero, or as good as: then the factors
// say nothing.
bool FoldInRows(const ContentModel& model, RankScratch& scratch);

// The boosts of one request as bitmaps over item ids.
struct Gains {
  struct One {
    Bitmap items;
    float factor;
  };
  std::vector<One> boosts;
  bool empty() const { return boosts.empty(); }
  float Of(uint64_t item) const {
    float gain = 1.0f;
    for (const One& boost : boosts) {
      if (TestBit(boost.items, item)) gain *= boost.factor;
    }
    return gain;
  }
  // No item's gain is above.
  float Most() const {
    float most = 1.0f;
    for (const One& boost : boosts) most *= std::max(1.0f, boost.factor);
    return most;
  }
};

// The repeats that lift a personal ranking: none with a weight of 0.
struct Lift {
  std::span<const WeightedItem> repeats;
  double weight = 0;
};
// The best k of scratch.allowed_rows for scratch.factor, lifted and boosted, best first; fewer where no more have a
// score above 0. The same as of all rows sorted, by certified scans (models/quantized_scan.h) that widen until no row
// left out can be among them: a row's gain is at most gains.Most(). `part`: of a filter that scratch.allowed_rows has
// passed, or null.
std::vector<Scored> BestByFactors(const ModelSet& models, const Lift& lift, const Gains& gains, size_t k,
                                  const FilterPart* part, RankScratch& scratch);
// What BestByFactors divides by: the highest score of scratch.allowed_rows; 0 where none is above 0.
float HighestByFactors(const ContentModel& model, const FilterPart* part, RankScratch& scratch);

// Candidates with scores >= 0 and index = item id: divides by the largest and boosts.
void ScalePositive(const Gains& gains, std::vector<Scored>& candidates);

}  // namespace rapport

// The blend in service: what each simple model says of a candidate, as features, and one weighted sum of them
// (models/blend.h). The same functions fit, judge and serve, so that what was judged is what is shown.
//
//   candidates = union of every source's best `depth` allowed items with a score above 0
//   features   = per source s and sqrt(s), s = max(0, score) / the highest score among the allowed; had (0 or 1)
//   score      = theta . features
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "models/als.h"
#include "models/blend.h"
#include "models/content_model.h"
#include "models/quantized_scan.h"
#include "models/top_k.h"

namespace rapport {

// On disk by position in theta: new ones at the end, with a new version of the model file.
enum class StackSource : uint8_t {
  kPopular,   // long half-life
  kRecent14,  // decayed counts, half-life 14 days
  kRecent7,
  kOwn365,  // the customer's orders less returns, half-life 365 days
  kOwn90,
  kFactors,      // iALS, folded in
  kBaskets60,    // neighbours by orders of a history with half-life 60 days
  kCustomers60,  // neighbours by customers
  kBaskets365,
  kShallow,  // EASE of a history with half-life 365 days
};
inline constexpr size_t kStackSources = 10;
inline constexpr size_t kStackFeatures = 2 * kStackSources + 1;
inline constexpr size_t kStackDepth = 100;

// One line of a customer's history, on the model's rows.
struct SignalLine {
  uint32_t row = 0;
  float weight = 0;  // before decay, may be negative
  int8_t order = 0;  // 1 ordered, -1 came back, 0 neither
  Timestamp time;
};

// Sums over all rows that know which blocks of 64 rows they have touched: clearing and searching them costs that much.
struct TouchedSums {
  std::vector<float> sums;
  std::vector<uint8_t> touched;  // (blocks)
};

// Scratch of one thread.
struct StackScratch {
  struct WeightedRows {
    std::vector<uint32_t> rows;  // ascending, unique
    std::vector<float> weights;  // > 0
  };
  std::vector<SignalLine> lines;  // a caller may fill this one
  std::vector<SignalLine> sorted;
  WeightedRows own365, own90, history;
  std::array<TouchedSums, 4> sums;  // of the neighbours and of EASE
  std::vector<float> factor;        // of the customer; empty without a history of taste
  std::vector<uint64_t> had, bits;
  std::vector<uint32_t> also;  // a caller may fill this one: candidates whatever their scores
  FoldInScratch fold_in;
  ScanScratch scan;
  // What CollectCandidates leaves behind.
  std::vector<uint32_t> candidates;  // ascending
  std::vector<float> features;       // (candidates, kStackFeatures)
};

// Candidates and features of one customer, into scratch. `allowed`: one bit per row. `lines` in any order. Costs what
// the customer's history touches, and one int8 scan (models/quantized_scan.h); boards are walked in their own order.
void CollectCandidates(const ContentModel& model, std::span<const SignalLine> lines, Timestamp now,
                       std::span<const uint64_t> allowed, StackScratch& scratch);
// x . y_i of every row for the customer collected last, zeros without a history. (scores: rows)
void ScoreFactors(const ContentModel& model, const StackScratch& scratch, std::span<float> scores);

// Makes the orders in which boards are walked. To be called again when a board changes; without them boards are
// scanned, to the same effect.
void SortBoards(ContentModel& model);
// Empty, or what SortBoards would make of `board`. O(rows).
bool IsBoardOrder(std::span<const uint32_t> order, std::span<const float> board);

// theta . features of candidate number `candidate` of those collected last.
double ScoreCandidate(std::span<const double> theta, const StackScratch& scratch, size_t candidate);
// The same of all, best first.
std::vector<Scored> RankCandidates(std::span<const double> theta, const StackScratch& scratch);

}  // namespace rapport

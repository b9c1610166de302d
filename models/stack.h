// The blend in service: what each simple model says of a candidate, as features, and one weighted sum of them
// (models/blend.h). The same functions fit, judge and serve, so that what was judged is what is shown.
//
//   candidates = union of every source's best allowed items with a score above 0, and the newcomers
//                nearest to the customer
//   features   = per source s and sqrt(s), s = max(0, score) / the highest score among the allowed; then the marks;
//   then
//                the newcomer's slots, which are 0 for what the model has a row for (and the rest 0 for a newcomer), so
//                that a newcomer's weights are its own and compete in the same softmax
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
#include "models/newcomers.h"
#include "models/quantized_scan.h"
#include "models/session_knn.h"
#include "models/top_k.h"

namespace rapport {

// On disk by position in theta: a change needs a new version of the model file.
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
  kShallow,     // EASE of a history with half-life 365 days
  kSeason,      // the same weeks a year before
  kRepurchase,  // time to buy it again
  kSession,     // session kNN of the newest lines
  kAttributes,  // kin of the history by attributes
  kTraits,      // liked by customers with the same traits
};
inline constexpr size_t kStackSources = 15;

enum class StackMark : uint8_t {
  kHad,       // the customer had it
  kPrice,     // exp(-(log price - mean log price of the history)^2 / (2 0.7^2))
  kCategory,  // share of the history in its category
};
inline constexpr size_t kStackMarks = 3;

enum class NewcomerSlot : uint8_t {
  kIsNew,       // 1
  kFactor,      // factor from attributes: x . y / the highest of the model's rows, 0..2
  kAttributes,  // cosine with the history's attributes
  kRecent,      // its kin's boards
  kSeason,
  kPrice,
  kCategory,
};
inline constexpr size_t kNewcomerSlots = 7;

inline constexpr size_t kStackFeatures = 2 * kStackSources + kStackMarks + kNewcomerSlots;
inline constexpr size_t MarkAt(StackMark mark) { return 2 * kStackSources + static_cast<size_t>(mark); }
inline constexpr size_t SlotAt(NewcomerSlot slot) {
  return 2 * kStackSources + kStackMarks + static_cast<size_t>(slot);
}

inline constexpr size_t kStackDepth = 100;
inline constexpr size_t kNewcomerDepth = 30;  // by factor, and again by attributes

// One line of a customer's history, on the model's rows.
struct SignalLine {
  uint32_t row = 0;
  float weight = 0;  // before decay, may be negative
  int8_t order = 0;  // 1 ordered, -1 came back, 0 neither
  Timestamp time;
};

// Who is asked for, and what may be shown. Views: the caller owns everything.
struct StackQuestion {
  std::span<const SignalLine> lines;            // in any order; equal times: oldest first
  std::span<const uint64_t> traits;             // tokens of the customer's traits
  Timestamp now;                                // ages count to here
  AllowedSet allowed;                           // one bit per row of the model
  const Newcomers* newcomers = nullptr;         // candidates without a row; null: none
  std::span<const uint64_t> newcomers_allowed;  // one bit per newcomer
};

// Sums over all rows that know which blocks of 64 rows they have touched: clearing and searching them costs that much.
struct TouchedSums {
  std::vector<float> sums;
  std::vector<uint8_t> touched;  // (blocks)
  // Zeros, of this many rows.
  void Clear(size_t rows);
};

// What a source is measured by: its best allowed rows, best first.
inline constexpr size_t kStackLeaders = 4;
struct SourceLeaders {
  float highest = 0;  // score of the first; 0: nothing has a score
  size_t count = 0;
  std::array<uint32_t, kStackLeaders> rows{};
};

// Scratch of one thread.
struct StackScratch {
  struct WeightedRows {
    std::vector<uint32_t> rows;  // ascending, unique
    std::vector<float> weights;  // > 0
  };
  std::vector<SignalLine> lines;  // a caller may fill this one
  std::vector<SignalLine> sorted;
  WeightedRows own365, own90, repurchase;
  WeightedRows taste;              // decayed as the factors hear it
  WeightedRows taste60, taste365;  // what the neighbours hear
  std::array<SourceLeaders, kStackSources> leaders;
  std::array<TouchedSums, 7> sums;  // of the neighbours, EASE, kin, sessions and traits
  std::vector<float> factor;        // of the customer; empty without a history of taste
  std::vector<float> profile;       // of attributes; empty: none
  std::vector<uint64_t> had, bits;
  std::vector<uint32_t> also;  // a caller may fill this one: candidates whatever their scores
  FoldInScratch fold_in;
  std::vector<float> dots;  // of the candidates with the factor
  BestSetScratch best_set;
  ScanScratch scan;
  SessionScratch session;
  std::vector<uint32_t> asked;  // the session that the session kNN was asked about, newest first, and the item after it
  // What CollectCandidates leaves behind. A candidate from model.rows() on is newcomer candidate - rows.
  std::vector<uint32_t> candidates;  // ascending
  std::vector<float> features;       // (candidates, kStackFeatures)
};

// Places in StackScratch::sums.
inline constexpr size_t kSumBaskets60 = 0, kSumCustomers60 = 1, kSumBaskets365 = 2, kSumShallow = 3, kSumAttributes = 4,
                        kSumSession = 5, kSumTraits = 6;

// Candidates and features of one customer, into scratch. Costs what the customer's history touches, and one int8 scan
// (models/quantized_scan.h); boards are walked in their own order.
void CollectCandidates(const ContentModel& model, const StackQuestion& question, StackScratch& scratch);
// x . y_i of every row for the customer collected last, zeros without a history. (scores: rows)
void ScoreFactors(const ContentModel& model, const StackScratch& scratch, std::span<float> scores);

// Makes the orders in which boards are walked. To be called again when a board changes; without them boards are
// scanned, to the same effect.
void SortBoards(ContentModel& model);
// Empty, or what SortBoards would make of `board`. O(rows).
bool IsBoardOrder(std::span<const uint32_t> order, std::span<const float> board);

// theta . features of candidate number `candidate` of those collected last.
double ScoreCandidate(std::span<const double> theta, const StackScratch& scratch, size_t candidate);
// The same of all, in their order.
std::vector<Scored> ScoreCandidates(std::span<const double> theta, const StackScratch& scratch);
// And best first.
std::vector<Scored> RankCandidates(std::span<const double> theta, const StackScratch& scratch);

}  // namespace rapport

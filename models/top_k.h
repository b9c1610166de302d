// Scores and the best k of them. Order is total: score descending, then index ascending, so that every path and every
// thread count ranks the same. A score that is not finite is never returned.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rapport {

struct Scored {
  uint32_t index;
  float score;
  bool operator==(const Scored&) const = default;
};
// An object, not a function, so that sorting inlines it.
inline constexpr auto Better = [](const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.index < b.index;
};

// The best k of them, best first; the others go. Selects, then sorts what is left: a heap of them costs three times
// that.
void KeepBest(size_t k, std::vector<Scored>& candidates);

// The same set, but only the first `leading` of it stand in their order: most of the time goes into the others'.
void KeepBestSet(size_t k, size_t leading, std::vector<Scored>& candidates);

// scores[i] = item_factors[i] . user; (items, factors) x (factors) -> (items). Summed in one fixed order whatever the
// processor: run-time dispatch keeps the same association.
void ScoreAll(std::span<const float> item_factors, std::span<const float> user, std::span<float> scores);

// The best k of scores[i] where allowed is empty or bit i of it is set (64 per word), in order.
std::vector<Scored> TopK(std::span<const float> scores, size_t k, std::span<const uint64_t> allowed = {});
// The same among scores above zero: fast where most are zero.
std::vector<Scored> TopKPositive(std::span<const float> scores, size_t k, std::span<const uint64_t> allowed = {});

// Scratch of one thread.
struct BestSetScratch {
  std::vector<float> highest, ranked;  // (blocks of 64 scores)
  std::vector<Scored> best;
};
// The set of TopKPositive as KeepBestSet leaves it, in scratch.best. The k-th highest of the blocks' highest scores is
// a bound that k scores reach: only blocks that do are looked into.
std::span<const Scored> BestSetPositive(std::span<const float> scores, size_t k, size_t leading,
                                        std::span<const uint64_t> allowed, BestSetScratch& scratch);

}  // namespace rapport

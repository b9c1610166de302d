// Ranking metrics for one customer and their summary over customers (docs/MODELS.md section 7).
//   recall@k = hits / min(k, |relevant|)      plain_recall@k = hits / |relevant|
//   ndcg@k   = sum over hits 1/log2(rank + 1) / sum over 1..min(k, |relevant|) 1/log2(rank + 1)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rapport {

enum class RecallKind { kOfRelevant /* hits / |relevant| */, kOfPossible /* hits / min(k, |relevant|) */ };

// `ranked` best first; `relevant` ascending and unique, not empty.
double RecallAt(std::span<const uint32_t> ranked, std::span<const uint32_t> relevant, size_t k, RecallKind kind);
double NdcgAt(std::span<const uint32_t> ranked, std::span<const uint32_t> relevant, size_t k);

// Spearman's rank correlation, equal values sharing the mean of their ranks. nullopt for fewer than two values, or
// where either side is all equal. REQUIRES equal sizes, finite values.
std::optional<double> RankCorrelation(std::span<const double> a, std::span<const double> b);

struct Interval {
  double mean = 0, lower = 0, upper = 0;
};
// Percentile bootstrap over customers, 95 %, `resamples` seeded draws; deterministic.
Interval BootstrapMean(std::span<const double> values, uint64_t seed, int resamples = 1000);
// The same for the mean of a - b, pairs drawn together. REQUIRES equal sizes.
Interval BootstrapPairedDifference(std::span<const double> a, std::span<const double> b, uint64_t seed,
                                   int resamples = 1000);

}  // namespace rapport

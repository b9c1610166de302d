#include "models/metrics.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace rapport {
namespace {

bool Contains(std::span<const uint32_t> relevant, uint32_t item) {
  return std::binary_search(relevant.begin(), relevant.end(), item);
}

double Discount(size_t position) { return 1.0 / std::log2(static_cast<double>(position) + 2.0); }

// The middle 95 % of means of resamples; `values` is not empty.
Interval Bootstrap(std::span<const double> values, uint64_t seed, int resamples) {
  double total = 0;
  for (double value : values) total += value;
  const auto count = static_cast<double>(values.size());
  Interval interval{total / count, total / count, total / count};
  if (resamples < 1) return interval;
  std::vector<double> means(static_cast<size_t>(resamples));
  const Random root(seed);
  for (size_t r = 0; r < means.size(); ++r) {
    Random random = root.Fork(r);
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.Below(values.size())];
    means[r] = sum / count;
  }
  std::sort(means.begin(), means.end());
  const auto tail = static_cast<size_t>(0.025 * static_cast<double>(means.size()));
  interval.lower = means[tail];
  interval.upper = means[means.size() - 1 - tail];
  return interval;
}

// Ranks from 1, equal values sharing the mean of theirs.
std::vector<double> MeanRanks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end + 1) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

std::optional<double> RankCorrelation(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = MeanRanks(a), y = MeanRanks(b);
  const double middle = (static_cast<double>(x.size()) + 1) / 2;  // the mean of any ranks
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

double RecallAt(std::span<const uint32_t> ranked, std::span<const uint32_t> relevant, size_t k, RecallKind kind) {
  const size_t possible = kind == RecallKind::kOfPossible ? std::min(k, relevant.size()) : relevant.size();
  if (possible == 0) return 0;
  size_t hits = 0;
  for (size_t p = 0; p < std::min(k, ranked.size()); ++p) hits += Contains(relevant, ranked[p]) ? 1 : 0;
  return static_cast<double>(hits) / static_cast<double>(possible);
}

double NdcgAt(std::span<const uint32_t> ranked, std::span<const uint32_t> relevant, size_t k) {
  double gain = 0, ideal = 0;
  for (size_t p = 0; p < std::min(k, ranked.size()); ++p) gain += Contains(relevant, ranked[p]) ? Discount(p) : 0;
  for (size_t p = 0; p < std::min(k, relevant.size()); ++p) ideal += Discount(p);
  return ideal > 0 ? gain / ideal : 0;
}

Interval BootstrapMean(std::span<const double> values, uint64_t seed, int resamples) {
  return values.empty() ? Interval{} : Bootstrap(values, seed, resamples);
}

Interval BootstrapPairedDifference(std::span<const double> a, std::span<const double> b, uint64_t seed, int resamples) {
  std::vector<double> differences(std::min(a.size(), b.size()));
  for (size_t i = 0; i < differences.size(); ++i) differences[i] = a[i] - b[i];
  return BootstrapMean(differences, seed, resamples);
}

}  // namespace rapport

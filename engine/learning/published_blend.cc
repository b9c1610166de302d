#include "engine/learning/published_blend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "base/random.h"
#include "models/blend.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr uint32_t kCustomersPerBlock = 16;
constexpr uint32_t kNoPlace = 0xffffffffu;

// Candidates and features of one customer. One owner, one thread.
struct Candidates {
  std::vector<uint32_t> items;  // in the order they were found
  std::vector<float> features;  // (items, 2 x scorers)
};

// Of customers first .. first + count, from every scorer.
std::vector<Candidates> Collect(const PublishedSplit& split, const std::vector<BlockScorer>& scorers, size_t depth,
                                uint32_t first, uint32_t count) {
  const size_t items = split.train.columns_count, width = 2 * scorers.size();
  std::vector<Candidates> collected(count);
  std::vector<float> scores(size_t{count} * items);
  std::vector<std::vector<uint32_t>> places(count, std::vector<uint32_t>(items, kNoPlace));
  for (size_t s = 0; s < scorers.size(); ++s) {
    scorers[s].score(first, count, scores);
    for (uint32_t c = 0; c < count; ++c) {
      const std::span<float> own = std::span(scores).subspan(c * items, items);
      for (const uint32_t seen : split.train.RowColumns(first + c)) own[seen] = -std::numeric_limits<float>::infinity();
      const std::vector<Scored> best = TopK(own, depth);
      if (best.empty()) continue;
      const float low = best.back().score, range = std::max(best.front().score - low, 1e-12f);
      Candidates& one = collected[c];
      for (const Scored& scored : best) {
        uint32_t& place = places[c][scored.index];
        if (place == kNoPlace) {
          place = static_cast<uint32_t>(one.items.size());
          one.items.push_back(scored.index);
          one.features.resize(one.features.size() + width, 0.0f);
        }
        const float scaled = (scored.score - low) / range;
        one.features[place * width + 2 * s] = scaled;
        one.features[place * width + 2 * s + 1] = std::sqrt(scaled);
      }
    }
  }
  return collected;
}

}  // namespace

Result<std::vector<double>> FitPublishedBlend(const PublishedSplit& split, const std::vector<BlockScorer>& scorers,
                                              const PublishedBlendOptions& options) {
  // Whole blocks of neighbouring customers: scorers share work inside a block.
  const size_t blocks = (split.train.rows + kCustomersPerBlock - 1) / kCustomersPerBlock;
  std::vector<size_t> order(blocks);
  for (size_t i = 0; i < blocks; ++i) order[i] = i;
  Random random(options.seed);
  for (size_t i = 0; i + 1 < blocks; ++i) std::swap(order[i], order[i + random.Below(blocks - i)]);
  order.resize(std::min(blocks, (options.customers_max + kCustomersPerBlock - 1) / kCustomersPerBlock));

  std::vector<std::vector<Candidates>> collected(order.size());
  ParallelFor(order.size(), 1, options.threads, [&](size_t i, size_t, size_t) {
    const auto first = static_cast<uint32_t>(order[i] * kCustomersPerBlock);
    collected[i] =
        Collect(split, scorers, options.depth, first, std::min(kCustomersPerBlock, split.train.rows - first));
  });
  BlendCases cases;
  cases.features = 2 * scorers.size();
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t c = 0; c < collected[i].size(); ++c) {
      const Candidates& one = collected[i][c];
      const std::vector<uint32_t>& test = split.test[order[i] * kCustomersPerBlock + c];
      if (test.empty()) continue;
      cases.values.insert(cases.values.end(), one.features.begin(), one.features.end());
      for (const uint32_t item : one.items) {
        cases.chosen.push_back(std::binary_search(test.begin(), test.end(), item) ? 1 : 0);
      }
      cases.offsets.push_back(cases.chosen.size());
    }
    collected[i].clear();
  }
  BlendOptions blend;
  blend.l2 = options.l2;
  blend.threads = options.threads;
  return FitBlend(cases, blend);
}

BlockScorer BlendBlocks(std::string name, const PublishedSplit& split, std::vector<BlockScorer> scorers,
                        std::vector<double> theta, size_t depth) {
  const auto score = [&split, scorers = std::move(scorers), theta = std::move(theta), depth](
                         uint32_t first, uint32_t count, std::span<float> scores) {
    const size_t items = split.train.columns_count;
    std::fill(scores.begin(), scores.end(), std::numeric_limits<float>::lowest());
    const std::vector<Candidates> collected = Collect(split, scorers, depth, first, count);
    for (size_t c = 0; c < collected.size(); ++c) {
      const Candidates& one = collected[c];
      for (size_t i = 0; i < one.items.size(); ++i) {
        double sum = 0;
        for (size_t k = 0; k < theta.size(); ++k) sum += theta[k] * one.features[i * theta.size() + k];
        scores[c * items + one.items[i]] = static_cast<float>(sum);
      }
    }
  };
  return {std::move(name), score};
}

}  // namespace rapport

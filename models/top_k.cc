#include "models/top_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "models/kernels.h"

namespace rapport {
namespace {

// Keeps candidates until there are twice as many as asked for, then drops the worse half: amortised O(1) a candidate.
class Collector {
 public:
  Collector(size_t k, float lowest) : k_(k), threshold_(lowest) { kept_.reserve(std::min<size_t>(2 * k + 16, 4096)); }

  // Scores below this cannot be among the best; equal ones still can, by index.
  float threshold() const { return threshold_; }
  void Add(Scored candidate) {
    kept_.push_back(candidate);
    if (kept_.size() >= 2 * k_ + 16) Shrink();
  }
  std::vector<Scored> Take() {
    KeepBest(k_, kept_);
    return std::move(kept_);
  }

 private:
  void Shrink() {
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), Better);
    threshold_ = last->score;
    kept_.resize(k_);
  }

  size_t k_;
  float threshold_;
  std::vector<Scored> kept_;
};

std::vector<Scored> TopKFrom(float lowest, std::span<const float> scores, size_t k, std::span<const uint64_t> allowed) {
  if (k == 0) return {};
  Collector collector(std::min(k, scores.size()), lowest);
  const auto reaching = kernels::BestKernels().reaching;
  for (size_t block = 0; block < scores.size(); block += 64) {
    const size_t count = std::min<size_t>(64, scores.size() - block);
    uint64_t bits = ~uint64_t{0} >> (64 - count);
    if (!allowed.empty()) bits &= block / 64 < allowed.size() ? allowed[block / 64] : 0;
    if (bits != 0 && count == 64) bits &= reaching(scores.data() + block, collector.threshold());
    for (; bits != 0; bits &= bits - 1) {
      const size_t i = block + static_cast<size_t>(__builtin_ctzll(bits));
      const float score = scores[i];
      if (score >= collector.threshold() && std::isfinite(score)) collector.Add({static_cast<uint32_t>(i), score});
    }
  }
  return collector.Take();
}

}  // namespace

void KeepBest(size_t k, std::vector<Scored>& candidates) {
  if (candidates.size() > k) {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k), candidates.end(), Better);
    candidates.resize(k);
  }
  std::sort(candidates.begin(), candidates.end(), Better);
}

void KeepBestSet(size_t k, size_t leading, std::vector<Scored>& candidates) {
  if (candidates.size() > k) {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k), candidates.end(), Better);
    candidates.resize(k);
  }
  const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(std::min(leading, candidates.size()));
  std::partial_sort(candidates.begin(), end, candidates.end(), Better);
}

void ScoreAll(std::span<const float> item_factors, std::span<const float> user, std::span<float> scores) {
  kernels::BestKernels().dot_rows(item_factors.data(), scores.size(), user.size(), user.data(), scores.data());
}

std::vector<Scored> TopK(std::span<const float> scores, size_t k, std::span<const uint64_t> allowed) {
  return TopKFrom(std::numeric_limits<float>::lowest(), scores, k, allowed);
}

std::vector<Scored> TopKPositive(std::span<const float> scores, size_t k, std::span<const uint64_t> allowed) {
  return TopKFrom(std::numeric_limits<float>::denorm_min(), scores, k, allowed);
}

namespace {

// The bits of block `block` that are scores and allowed.
uint64_t BitsOfBlock(std::span<const float> scores, std::span<const uint64_t> allowed, size_t block) {
  const size_t count = std::min<size_t>(64, scores.size() - block * 64);
  const uint64_t bits = ~uint64_t{0} >> (64 - count);
  return allowed.empty() ? bits : block < allowed.size() ? bits & allowed[block] : 0;
}

// The first 64 scores from `block` on, in `spare` where they end earlier.
const float* WholeBlock(std::span<const float> scores, size_t block, std::array<float, 64>& spare) {
  const size_t count = std::min<size_t>(64, scores.size() - block * 64);
  if (count == 64) return scores.data() + block * 64;
  spare = {};
  std::copy_n(scores.data() + block * 64, count, spare.begin());
  return spare.data();
}

}  // namespace

std::span<const Scored> BestSetPositive(std::span<const float> scores, size_t k, size_t leading,
                                        std::span<const uint64_t> allowed, BestSetScratch& scratch) {
  std::vector<Scored>& best = scratch.best;
  best.clear();
  if (k == 0) return best;
  const kernels::Kernels& kernel = kernels::BestKernels();
  const size_t blocks = (scores.size() + 63) / 64;
  std::array<float, 64> spare;
  scratch.highest.resize(blocks);
  scratch.ranked.clear();
  for (size_t block = 0; block < blocks; ++block) {
    const uint64_t bits = BitsOfBlock(scores, allowed, block);
    const float highest = bits == 0 ? 0.0f : kernel.highest(WholeBlock(scores, block, spare), bits);
    if (highest > std::numeric_limits<float>::max()) {  // no bound
      best = TopKPositive(scores, k, allowed);
      return best;
    }
    scratch.highest[block] = highest;
    if (highest > 0) scratch.ranked.push_back(highest);
  }
  float least = std::numeric_limits<float>::denorm_min();
  if (scratch.ranked.size() >= k) {
    const auto kth = scratch.ranked.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(scratch.ranked.begin(), kth, scratch.ranked.end(), std::greater<>());
    least = *kth;
  }
  for (size_t block = 0; block < blocks; ++block) {
    if (scratch.highest[block] < least) continue;
    const float* const from = WholeBlock(scores, block, spare);
    for (uint64_t bits = BitsOfBlock(scores, allowed, block) & kernel.reaching(from, least); bits != 0;
         bits &= bits - 1) {
      const auto at = static_cast<size_t>(std::countr_zero(bits));
      best.push_back({static_cast<uint32_t>(block * 64 + at), from[at]});
    }
  }
  KeepBestSet(k, leading, best);
  return best;
}

}  // namespace rapport

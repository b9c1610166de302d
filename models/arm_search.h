// The best of all arms of one customer at given prices, without computing them all.
//
//   worth(i, c, s) = value(i, c, s) - price(i, c) - price(c, s)
//   bound(i, c)    = margin_i P at the best logit of (kind(i), c) over all slots - cost_c - price(i, c) - least
//   price(c, .)
//
// Prices are never negative, so no arm of (i, c) is worth more than bound(i, c). Pairs are opened (168 slots computed)
// in falling order of their bounds until the next bound is below what has been found: the answer is that of a search
// over all arms, up to kSlack x margin, the rounding of the sigmoid. Where no limit knows hours, one pair is opened.
// Source: docs/MODELS.md "Allocation"; the slow definition stands in tests/models/allocation_reference.h.
#pragma once

#include <vector>

#include "models/arm_kernels.h"
#include "models/arms.h"
#include "models/shared_limits.h"

namespace rapport {

struct WorthArm {
  Arm arm;
  float worth = 0;  // of kNothingArm: 0
};

struct ShortlistOptions {
  uint32_t arms_max = 64;          // with nothing
  uint32_t arms_per_pair_max = 8;  // of one (content, channel): a shortlist of one message at 63 hours teaches little
};

// Scratch space for one customer at a time: one owner, one thread. `shape` and `limits` outlive it.
class ArmSearch {
 public:
  static constexpr float kSlack = 2e-6f;
  // For estimates only: after this many pairs the runner-up is what has been found.
  static constexpr size_t kRunnerUpPairsMax = 8;

  ArmSearch(const ArmShape& shape, const LimitSet& limits);

  // Where the source writes the next customer.
  CustomerArms* writable_arms() { return &arms_; }
  const CustomerArms& arms() const { return arms_; }
  // After the source has written: the best logits of each (kind, channel).
  void Load();

  struct Best {
    WorthArm best, runner_up;  // the runner-up takes other limits than the best
  };
  // REQUIRES Load. kNothingArm is one of the arms.
  Best FindBest(const PriceTables& prices, bool with_runner_up);
  // The best arms, falling by worth, nothing among them (always, at its place). REQUIRES Load.
  void FindShortlist(const PriceTables& prices, const ShortlistOptions& options, std::vector<WorthArm>* out);
  // Pairs opened since the search was made.
  uint64_t opened() const { return opened_; }

 private:
  struct Pair {
    float bound;
    uint32_t index;  // channel x stride + content
  };
  static bool Later(const Pair& a, const Pair& b) {
    return a.bound < b.bound || (a.bound == b.bound && a.index > b.index);
  }
  void BoundPairs(const PriceTables& prices);
  void HeapPairs(float above);
  // Fills slots_; returns the largest worth of the pair.
  float Open(const PriceTables& prices, uint32_t pair);
  Arm ArmOf(uint32_t pair, size_t slot) const;
  void Consider(uint32_t pair, float most, Best* found) const;
  void BestOfPair(uint32_t pair, float above, size_t most);

  const ArmShape& shape_;
  const LimitSet& limits_;
  const arm_kernels::Kernels& kernels_;
  CustomerArms arms_;
  std::vector<float> margins_;      // (content_stride)
  std::vector<float> best_logits_;  // (channels, kinds)
  std::vector<float> best_row_;     // (content_stride)
  std::vector<float> bounds_;       // (channels, content_stride)
  std::vector<float> slots_;        // (kSlotStride)
  std::vector<Pair> heap_;
  std::vector<WorthArm> of_pair_;
  uint64_t opened_ = 0;
};

}  // namespace rapport

#include "models/arm_search.h"

#include <algorithm>

namespace rapport {
namespace {

bool IsBetter(const WorthArm& a, const WorthArm& b) {
  if (a.worth != b.worth) return a.worth > b.worth;
  if (a.arm.content != b.arm.content) return a.arm.content < b.arm.content;
  if (a.arm.channel != b.arm.channel) return a.arm.channel < b.arm.channel;
  return a.arm.slot < b.arm.slot;
}

// One arm in a row of 16 through the same loop as the search.
float OneArm(const CustomerArms& arms, const ArmShape& shape, Arm arm, float margin, float cost) {
  const size_t kind = shape.content_kind[arm.content];
  const float best = arms.channel_slot[arm.channel * kSlotStride + arm.slot] +
                     arms.KindSlots(arm.channel)[kind * kSlotStride + arm.slot];
  float bests[16] = {}, contents[16] = {}, margins[16] = {}, prices[16] = {}, out[16];
  bests[0] = best;
  contents[0] = arms.content_channel[arm.channel * shape.content_stride() + arm.content];
  margins[0] = margin;
  arm_kernels::KernelsOf(kernels::InstructionSet::kBaseline)
      .content_values(bests, contents, margins, prices, cost, 16, out);
  return out[0];
}

}  // namespace

float ProbabilityOf(const ArmShape& shape, const CustomerArms& arms, Arm arm) {
  return std::max(0.0f, OneArm(arms, shape, arm, 1, 0));
}

float ValueOf(const ArmShape& shape, const CustomerArms& arms, Arm arm) {
  return OneArm(arms, shape, arm, shape.margins[arm.content], arms.cost[arm.channel]);
}

ArmSearch::ArmSearch(const ArmShape& shape, const LimitSet& limits)
    : shape_(shape),
      limits_(limits),
      kernels_(arm_kernels::BestKernels()),
      arms_(shape),
      margins_(shape.content_stride()),
      best_logits_(shape.channels * shape.kinds),
      best_row_(shape.content_stride()),
      bounds_(shape.channels * shape.content_stride()),
      slots_(kSlotStride) {
  std::copy(shape.margins.begin(), shape.margins.end(), margins_.begin());
}

void ArmSearch::Load() {
  for (size_t c = 0; c < shape_.channels; ++c) {
    float* row = arms_.channel_slot.data() + c * kSlotStride;
    std::fill(row + kSlots, row + kSlotStride, kNotAllowed);
    kernels_.best_logits(row, arms_.KindSlots(c), shape_.kinds, kSlotStride, best_logits_.data() + c * shape_.kinds);
  }
}

void ArmSearch::BoundPairs(const PriceTables& prices) {
  const size_t stride = shape_.content_stride();
  for (size_t c = 0; c < shape_.channels; ++c) {
    const float* best = best_logits_.data() + c * shape_.kinds;
    for (size_t i = 0; i < shape_.contents(); ++i) best_row_[i] = best[shape_.content_kind[i]];
    kernels_.content_values(best_row_.data(), arms_.content_channel.data() + c * stride, margins_.data(),
                            prices.content_channel.data() + c * stride, arms_.cost[c] + prices.slot_least[c], stride,
                            bounds_.data() + c * stride);
    // Rounding must never hide the best arm.
    for (size_t i = 0; i < shape_.contents(); ++i) bounds_[c * stride + i] += kSlack * margins_[i];
  }
}

void ArmSearch::HeapPairs(float above) {
  heap_.clear();
  for (uint32_t p = 0; p < bounds_.size(); ++p) {
    if (bounds_[p] > above) heap_.push_back({bounds_[p], p});
  }
  std::make_heap(heap_.begin(), heap_.end(), Later);
}

float ArmSearch::Open(const PriceTables& prices, uint32_t pair) {
  const size_t stride = shape_.content_stride(), c = pair / stride, i = pair % stride;
  ++opened_;
  return kernels_.slot_values(arms_.channel_slot.data() + c * kSlotStride,
                              arms_.KindSlots(c) + shape_.content_kind[i] * kSlotStride,
                              prices.channel_slot.data() + c * kSlotStride, arms_.content_channel[pair], margins_[i],
                              arms_.cost[c] + prices.content_channel[pair], kSlotStride, slots_.data());
}

Arm ArmSearch::ArmOf(uint32_t pair, size_t slot) const {
  const size_t stride = shape_.content_stride();
  return {static_cast<uint16_t>(pair % stride), static_cast<uint8_t>(pair / stride), static_cast<uint8_t>(slot)};
}

// The opened pair against the two best so far.
void ArmSearch::Consider(uint32_t pair, float most, Best* found) const {
  if (!(most > found->runner_up.worth)) return;
  const bool one_is_enough = !limits_.TellsSlots(pair / shape_.content_stride());  // all slots take the same
  for (size_t s = 0; s < kSlots; ++s) {
    if (!(slots_[s] > found->runner_up.worth) || (one_is_enough && slots_[s] < most)) continue;
    const WorthArm here{ArmOf(pair, s), slots_[s]};
    if (here.worth > found->best.worth) {
      if (!limits_.TakeTheSame(here.arm, found->best.arm)) found->runner_up = found->best;
      found->best = here;
    } else if (!limits_.TakeTheSame(here.arm, found->best.arm)) {
      found->runner_up = here;
    }
    if (one_is_enough) break;
  }
}

ArmSearch::Best ArmSearch::FindBest(const PriceTables& prices, bool with_runner_up) {
  BoundPairs(prices);
  Best found;  // both nothing, worth 0; the runner-up is set apart once the best is something
  HeapPairs(0);
  size_t opened = 0;
  while (!heap_.empty()) {
    const Pair next = heap_.front();
    const float enough = with_runner_up && opened < kRunnerUpPairsMax ? found.runner_up.worth : found.best.worth;
    if (next.bound <= enough) break;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
    Consider(next.index, Open(prices, next.index), &found);
    ++opened;
  }
  return found;
}

// The best slots of the opened pair that are worth more than `above`, falling, to of_pair_.
void ArmSearch::BestOfPair(uint32_t pair, float above, size_t most) {
  of_pair_.clear();
  for (size_t s = 0; s < kSlots; ++s) {
    if (!(slots_[s] > above)) continue;
    const WorthArm here{ArmOf(pair, s), slots_[s]};
    if (of_pair_.size() == most) of_pair_.pop_back();
    size_t at = of_pair_.size();
    of_pair_.push_back(here);
    for (; at > 0 && of_pair_[at - 1].worth < here.worth; --at) of_pair_[at] = of_pair_[at - 1];
    of_pair_[at] = here;
    if (of_pair_.size() == most) above = of_pair_.back().worth;
  }
}

void ArmSearch::FindShortlist(const PriceTables& prices, const ShortlistOptions& options, std::vector<WorthArm>* out) {
  out->clear();
  const size_t most = std::max<size_t>(options.arms_max, 1) - 1, of_pair_max = options.arms_per_pair_max;
  if (most > 0 && of_pair_max > 0) {
    BoundPairs(prices);
    HeapPairs(kNotAllowed);
  } else {
    heap_.clear();
  }
  // `out` is a heap with the least at its front; once full, only what is worth more than that enters.
  while (!heap_.empty()) {
    const float last = out->size() == most ? out->front().worth : kNotAllowed;
    const Pair next = heap_.front();
    if (next.bound <= last) break;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    heap_.pop_back();
    if (Open(prices, next.index) <= last) continue;
    BestOfPair(next.index, last, of_pair_max);
    for (const WorthArm& arm : of_pair_) {
      if (out->size() == most) {
        if (!IsBetter(arm, out->front())) continue;
        std::pop_heap(out->begin(), out->end(), IsBetter);
        out->pop_back();
      }
      out->push_back(arm);
      std::push_heap(out->begin(), out->end(), IsBetter);
    }
  }
  out->push_back({kNothingArm, 0});
  std::sort(out->begin(), out->end(), IsBetter);
}

}  // namespace rapport

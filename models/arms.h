// What may be done for one customer: send content i on channel c in slot s (one of the plan's 168 hours), or nothing.
//
//   value(i, c, s) = margin_i x P(i, c, s) - cost_c;  logit P = channel_slot[c][s] + kind_slot[c][kind(i)][s]
//                                                              + content_channel[c][i]
//   value(nothing) = 0;  cost_c is the money of a send and the risk of losing the customer x lifetime value.
//
// A logit that is a sum of three tables lets all arms of a customer (50 x 5 x 168 = 42,000) be compared from about
// 4,200 sums: see arm_search.h. Most shops' kinds have one table for all channels; where kind, channel and hour act
// together each channel has its own, at the same number of sums. Slots are hours of the plan, the same instants for all
// customers; who fills the tables turns the customer's own hours into slots. Source: docs/MODELS.md "Allocation".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

inline constexpr size_t kSlots = 168;
inline constexpr size_t kSlotStride = 176;  // rows of slots, padded to whole registers
inline constexpr size_t kContentsMax = 10'000;
inline constexpr size_t kChannelsMax = 32;
inline constexpr size_t kKindsMax = 64;
inline constexpr float kNotAllowed = -std::numeric_limits<float>::infinity();  // a logit of what may not be done

struct Arm {
  uint16_t content = 0xffff;
  uint8_t channel = 0, slot = 0;

  bool IsNothing() const { return content == 0xffff; }
  bool operator==(const Arm&) const = default;
};
inline constexpr Arm kNothingArm{};

// The same for all customers of a plan. Immutable, any thread.
struct ArmShape {
  uint32_t channels = 1, kinds = 1;
  std::vector<uint8_t> content_kind;  // by content
  std::vector<float> margins;         // by content, money of one response, >= 0

  size_t contents() const { return content_kind.size(); }
  size_t content_stride() const { return (contents() + 15) / 16 * 16; }
  Status Check() const;
};

// One customer's tables; filled by an ArmSource, owned by the caller, one thread at a time. Rows are padded; padding is
// never read as an arm. kNotAllowed in either of the first two removes the arms it is part of.
struct CustomerArms {
  explicit CustomerArms(const ArmShape& shape)
      : channel_slot(shape.channels * kSlotStride),
        content_channel(shape.channels * shape.content_stride()),
        cost(shape.channels) {}

  std::vector<float> channel_slot;     // (channels, kSlotStride)
  std::vector<float> content_channel;  // (channels, content_stride)
  std::vector<float> cost;             // (channels), money, finite
  const float* kind_slot = nullptr;    // (kinds, kSlotStride), finite; the source owns it
  std::vector<float> own_kind_slot;    // room for a table of this customer's own, where the source wants one
  size_t kind_slot_step = 0;           // from one channel's table to the next one's; 0: the same for all

  const float* KindSlots(size_t channel) const { return kind_slot + channel * kind_slot_step; }
};

// Fills the tables of customer 0 .. count - 1. Called from many threads at once, each with tables of its own; the same
// customer must give the same bits each time.
using ArmSource = std::function<void(uint32_t customer, CustomerArms* arms)>;

// One arm alone, with the bits that a search gives. REQUIRES an arm that is not nothing.
float ProbabilityOf(const ArmShape& shape, const CustomerArms& arms, Arm arm);
// kNotAllowed where the arm may not be chosen.
float ValueOf(const ArmShape& shape, const CustomerArms& arms, Arm arm);

}  // namespace rapport

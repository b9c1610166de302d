// The slow definition of allocation in double precision over all arms, and random instances to hold the fast one to.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "models/arm_search.h"

namespace rapport {

// Random tables for `customers`, with a table of kinds for each channel where the seed is odd; small enough to look at
// every arm.
struct RandomInstance {
  ArmShape shape;
  std::vector<CustomerArms> arms;
  std::vector<float> kind_slot;
  size_t kind_slot_step = 0;

  RandomInstance(uint32_t customers, uint32_t contents, uint32_t channels, uint32_t kinds, uint64_t seed,
                 double refused = 0.1) {
    Random random(seed);
    shape.channels = channels;
    shape.kinds = kinds;
    for (uint32_t i = 0; i < contents; ++i) {
      shape.content_kind.push_back(static_cast<uint8_t>(random.Below(kinds)));
      shape.margins.push_back(static_cast<float>(5 + 20 * random.Uniform()));
    }
    kind_slot_step = seed % 2 == 0 ? 0 : kinds * kSlotStride;
    kind_slot.resize((seed % 2 == 0 ? 1 : channels) * kinds * kSlotStride);
    for (float& x : kind_slot) x = static_cast<float>(0.3 * random.Normal());
    for (uint32_t u = 0; u < customers; ++u) {
      CustomerArms one(shape);
      for (float& x : one.channel_slot) {
        x = random.Uniform() < refused ? kNotAllowed : static_cast<float>(-2.5 + random.Normal());
      }
      for (float& x : one.content_channel) {
        x = random.Uniform() < refused ? kNotAllowed : static_cast<float>(0.7 * random.Normal());
      }
      for (float& x : one.cost) x = static_cast<float>(0.5 * random.Uniform());
      arms.push_back(std::move(one));
    }
  }
  RandomInstance(const RandomInstance&) = delete;
  RandomInstance& operator=(const RandomInstance&) = delete;

  ArmSource Source() const {
    return [this](uint32_t customer, CustomerArms* out) {
      *out = arms[customer];
      out->kind_slot = kind_slot.data();
      out->kind_slot_step = kind_slot_step;
    };
  }
  // value(u, arm) by definition; -infinity: not allowed.
  double Value(uint32_t customer, Arm arm) const {
    const CustomerArms& one = arms[customer];
    const double logit =
        static_cast<double>(one.channel_slot[arm.channel * kSlotStride + arm.slot]) +
        kind_slot[arm.channel * kind_slot_step + shape.content_kind[arm.content] * kSlotStride + arm.slot] +
        one.content_channel[arm.channel * shape.content_stride() + arm.content];
    if (std::isinf(logit)) return -std::numeric_limits<double>::infinity();
    return shape.margins[arm.content] / (1 + std::exp(-logit)) - one.cost[arm.channel];
  }
  std::vector<Arm> AllArms() const {
    std::vector<Arm> all;
    for (size_t i = 0; i < shape.contents(); ++i) {
      for (size_t c = 0; c < shape.channels; ++c) {
        for (size_t s = 0; s < kSlots; ++s) {
          all.push_back({static_cast<uint16_t>(i), static_cast<uint8_t>(c), static_cast<uint8_t>(s)});
        }
      }
    }
    return all;
  }
};

inline SharedLimit LimitOf(std::string name, int64_t most, std::vector<int64_t> per_send,
                           std::vector<uint16_t> contents = {}, std::vector<uint8_t> slots = {}) {
  SharedLimit limit;
  limit.name = std::move(name);
  limit.most = most;
  limit.per_send = std::move(per_send);
  limit.contents = std::move(contents);
  limit.slots = std::move(slots);
  return limit;
}

// Sends, money, a content's stock and some hours of three channels, tight for `customers`.
inline std::vector<SharedLimit> MixedLimits(uint32_t customers, Random& random) {
  const auto some = [&](double part) { return static_cast<int64_t>(part * customers * (0.5 + random.Uniform())); };
  std::vector<SharedLimit> limits = {LimitOf("all sends", some(0.6), {1, 1, 1}), LimitOf("money", some(3), {2, 7, 30}),
                                     LimitOf("first channel", some(0.2), {1, 0, 0}),
                                     LimitOf("stock of 0", some(0.05), {1, 1, 1}, {0}),
                                     LimitOf("wide", 10 * customers, {0, 1, 1})};
  for (uint8_t s = 0; s < kSlots; s = static_cast<uint8_t>(s + 1 + random.Below(12))) {
    limits.push_back(LimitOf("hour", some(0.01), {0, 1, 0}, {}, {s}));
  }
  return limits;
}

}  // namespace rapport

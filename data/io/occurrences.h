// Counts how often each 16-byte hash was seen: one flat table, linear probing, about 40 bytes per distinct hash at
// worst, and no allocation per entry. The hashes are SHA-256 prefixes, so their first bytes are the slot.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/crypto.h"

namespace rapport {

// One owner, one thread.
class Occurrences {
 public:
  // 1 for the first time, then 2, 3, ...
  uint32_t Count(const Hash128& hash) {
    if ((used_ + 1) * 3 > slots_.size() * 2) Grow();
    Slot& slot = Find(slots_, hash);
    if (slot.count == 0) {
      slot.hash = hash;
      ++used_;
    }
    return ++slot.count;
  }
  size_t distinct() const { return used_; }
  void Clear() {
    slots_.assign(kSlotsMin, {});
    used_ = 0;
  }

 private:
  static constexpr size_t kSlotsMin = 1024;
  struct Slot {
    Hash128 hash{};
    uint32_t count = 0;
  };
  static Slot& Find(std::vector<Slot>& slots, const Hash128& hash) {
    uint64_t start;
    std::memcpy(&start, hash.data(), sizeof start);
    size_t at = start & (slots.size() - 1);
    while (slots[at].count != 0 && slots[at].hash != hash) at = (at + 1) & (slots.size() - 1);
    return slots[at];
  }
  void Grow() {
    std::vector<Slot> larger(slots_.size() * 2);
    for (const Slot& slot : slots_) {
      if (slot.count != 0) Find(larger, slot.hash) = slot;
    }
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlotsMin);
  size_t used_ = 0;
};

}  // namespace rapport

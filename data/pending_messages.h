// Messages that a group has taken and that no table holds yet: (customer, identity) -> event. One flat table, linear
// probing, 32 bytes a slot, at most three quarters full. Identities are prefixes of SHA-256, so their bytes are the
// slot.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"

namespace rapport {

// One owner, one thread.
class PendingMessages {
 public:
  // The event that took it, or 0.
  uint64_t Find(CustomerId customer, const Hash128& identity) const {
    return slots_.empty() ? 0 : slots_[At(slots_, customer, identity)].event;
  }
  // REQUIRES that Find gave 0, and event > 0.
  void Add(CustomerId customer, const Hash128& identity, uint64_t event) {
    if ((used_ + 1) * 4 > slots_.size() * 3) Grow();
    slots_[At(slots_, customer, identity)] = {customer, identity, event};
    ++used_;
  }
  size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  static constexpr size_t kSlotsMin = 64;
  struct Slot {
    CustomerId customer;
    Hash128 identity{};
    uint64_t event = 0;  // 0: free
  };
  static size_t At(const std::vector<Slot>& slots, CustomerId customer, const Hash128& identity) {
    uint64_t start;
    std::memcpy(&start, identity.data(), sizeof start);
    size_t at = (start ^ customer.value) & (slots.size() - 1);
    while (slots[at].event != 0 && (slots[at].identity != identity || slots[at].customer != customer)) {
      at = (at + 1) & (slots.size() - 1);
    }
    return at;
  }
  void Grow() {
    std::vector<Slot> larger(slots_.empty() ? kSlotsMin : slots_.size() * 2);
    for (const Slot& slot : slots_) {
      if (slot.event != 0) larger[At(larger, slot.customer, slot.identity)] = slot;
    }
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace rapport

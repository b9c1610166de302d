// Sequence numbers that the write path gives out: dense, from 1, ordered, the same on every replay of the
// same log, and meaningless outside. 0 means "none". Distinct types, so that they cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace rapport {

template <typename Tag>
struct SequenceId {
  uint64_t value = 0;
  explicit operator bool() const { return value != 0; }
  auto operator<=>(const SequenceId&) const = default;
};

using CustomerId = SequenceId<struct CustomerTag>;
using ItemId = SequenceId<struct ItemTag>;
using EventId = SequenceId<struct EventTag>;  // arrival order: also the history version

}  // namespace rapport

template <typename Tag>
struct std::hash<rapport::SequenceId<Tag>> {
  size_t operator()(const rapport::SequenceId<Tag>& id) const noexcept {
    uint64_t x = id.value * 0x9e3779b97f4a7c15ull;  // Fibonacci hashing spreads dense ids
    return static_cast<size_t>(x ^ (x >> 32));
  }
};

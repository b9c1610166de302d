// Sets of items as bits: bit i of word i / 64 is the item with ItemId.value == i; bit 0 is nobody's.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rapport {

using Bitmap = std::vector<uint64_t>;

inline size_t WordsFor(size_t bits) { return (bits + 63) / 64; }
inline bool TestBit(std::span<const uint64_t> words, size_t bit) {
  return bit / 64 < words.size() && (words[bit / 64] >> (bit % 64) & 1) != 0;
}
// REQUIRES bit < 64 * words.size().
inline void SetBit(std::span<uint64_t> words, size_t bit) { words[bit / 64] |= uint64_t{1} << (bit % 64); }
inline void ClearBit(std::span<uint64_t> words, size_t bit) {
  if (bit / 64 < words.size()) words[bit / 64] &= ~(uint64_t{1} << (bit % 64));
}
size_t CountBits(std::span<const uint64_t> words);
// Bit i of `out` is bit places[i] of `words`. REQUIRES places ascending, unique. Where 64 of them follow each other, as
// items mostly do, they are one word's worth.
inline void PickBits(std::span<const uint64_t> words, std::span<const uint64_t> places, Bitmap& out) {
  out.assign(WordsFor(places.size()), 0);
  const auto word = [&](size_t at) { return at < words.size() ? words[at] : 0; };
  for (size_t w = 0; w < out.size(); ++w) {
    const size_t first = w * 64, count = std::min<size_t>(64, places.size() - first);
    const uint64_t at = places[first];
    if (count == 64 && places[first + 63] == at + 63) {
      const size_t shift = at % 64;
      out[w] = word(at / 64) >> shift | (shift == 0 ? 0 : word(at / 64 + 1) << (64 - shift));
      continue;
    }
    for (size_t i = 0; i < count; ++i) out[w] |= static_cast<uint64_t>(TestBit(words, places[first + i])) << i;
  }
}
// The same where the places are given as a bitmap of `count` bits, whatever gaps they leave: bit i of `out` is the bit
// of `words` at the place of the i-th bit of `places`. Costs a few instructions for 64 places (PEXT, where there is
// one).
void PickBitsOf(std::span<const uint64_t> words, std::span<const uint64_t> places, size_t count, Bitmap& out);
// As PickBitsOf without PEXT, for tests.
void PickBitsOfPortably(std::span<const uint64_t> words, std::span<const uint64_t> places, size_t count, Bitmap& out);
// Calls visit(bit) for every set bit, ascending.
template <typename Visit>
void ForEachBit(std::span<const uint64_t> words, Visit&& visit) {
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1) {
      visit(w * 64 + static_cast<size_t>(std::countr_zero(rest)));
    }
  }
}

}  // namespace rapport

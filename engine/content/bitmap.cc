#include "engine/content/bitmap.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapport {
namespace {

// `count` bits behind the first `bit` of `out`: they may end one word and begin the next.
[[gnu::always_inline]] inline void Append(uint64_t bits, size_t count, Bitmap& out, size_t& bit) {
  if (count == 0) return;
  const size_t at = bit / 64, shift = bit % 64;
  out[at] |= bits << shift;
  if (shift + count > 64) out[at + 1] |= bits >> (64 - shift);
  bit += count;
}

uint64_t ExtractPortably(uint64_t word, uint64_t places) {
  uint64_t out = 0;
  for (size_t i = 0; places != 0; places &= places - 1, ++i) {
    out |= (word >> std::countr_zero(places) & 1) << i;
  }
  return out;
}

[[gnu::always_inline]] inline size_t Count(std::span<const uint64_t> words) {
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  return count;
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) size_t CountWithPopcnt(std::span<const uint64_t> words) { return Count(words); }

__attribute__((target("bmi2,popcnt"))) void PickWithPext(std::span<const uint64_t> words,
                                                         std::span<const uint64_t> places, Bitmap& out) {
  size_t bit = 0;
  for (size_t w = 0; w < places.size(); ++w) {
    const uint64_t word = w < words.size() ? words[w] : 0;
    Append(_pext_u64(word, places[w]), static_cast<size_t>(_mm_popcnt_u64(places[w])), out, bit);
  }
}
#endif

}  // namespace

size_t CountBits(std::span<const uint64_t> words) {
#if defined(__x86_64__)
  static const bool kHasPopcnt = __builtin_cpu_supports("popcnt") != 0;
  if (kHasPopcnt) return CountWithPopcnt(words);
#endif
  return Count(words);
}

void PickBitsOfPortably(std::span<const uint64_t> words, std::span<const uint64_t> places, size_t count, Bitmap& out) {
  out.assign(WordsFor(count), 0);
  size_t bit = 0;
  for (size_t w = 0; w < places.size(); ++w) {
    const uint64_t word = w < words.size() ? words[w] : 0;
    Append(ExtractPortably(word, places[w]), static_cast<size_t>(std::popcount(places[w])), out, bit);
  }
}

void PickBitsOf(std::span<const uint64_t> words, std::span<const uint64_t> places, size_t count, Bitmap& out) {
#if defined(__x86_64__)
  static const bool kHasPext = __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  if (kHasPext) {
    out.assign(WordsFor(count), 0);
    PickWithPext(words, places, out);
    return;
  }
#endif
  PickBitsOfPortably(words, places, count, out);
}

}  // namespace rapport

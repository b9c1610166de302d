// Inner loops of the int8 scan (quantized_scan.h), compiled for several instruction sets and chosen at run time.
// Integer sums are exact, so every set gives the same integers; the bounds around them may differ in a last bit, which
// changes what is looked at twice and never the answer.
//
// Layout: row after row, by place, of `stride` bytes (the factors, rounded up to 16), and kBytesBehind more:
//   bytes[stride p + k] = q[order[p]][k] + 128        (0 in factors beyond the last: 128)
// A row of 64 factors is one line of the cache: rows that no bit is set for are not read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/kernels.h"

namespace rapport::scan {

inline constexpr size_t kBlockItems = 16;
inline constexpr size_t kRowStep = 16;      // a row's bytes are a multiple of it
inline constexpr size_t kCodeStep = 64;     // a customer's codes, padded with zeros, are a multiple of it:
inline constexpr size_t kBytesBehind = 48;  // so much is read behind a row, and multiplied by them

struct alignas(64) Line {
  uint8_t bytes[64];
  bool operator==(const Line&) const = default;
};

// Of 16 places: |y_i| <= norm and |e_i| <= error s_i for each of them.
struct BlockBound {
  float norm = 0, error = 0;
  bool operator==(const BlockBound&) const = default;
};

// Views of one copy and one customer; the caller owns what they point to.
struct Items {
  const uint8_t* bytes;      // (blocks x 16, stride) and kBytesBehind more
  const uint32_t* order;     // (blocks x 16): the item at this place
  const float* scales;       // (blocks x 16): s_i
  const BlockBound* bounds;  // (blocks)
  size_t count;
  size_t stride;
};
struct Query {
  const int8_t* codes;   // p, zeros up to a multiple of kCodeStep
  const int16_t* words;  // the same numbers
  int32_t offset;        // 128 sum p
  float unit;            // t
  float norm_weight;     // radius_i = norm_weight norm + slack + error_weight error s_i
  float error_weight;
  float slack;
};
// A bit for each; null: no limit. By place, only rows with one are read; by item, what reaches the threshold is asked
// last: cheaper where most have one.
struct Allowed {
  const uint64_t* places = nullptr;
  const uint64_t* items = nullptr;
};
struct Survivor {
  uint32_t index;
  float lower, upper;  // the score lies between them
};

// A table of functions; immutable, any thread.
struct Kernels {
  // out[i] = p . q of the item at place i, for `blocks` blocks.
  void (*dots)(const Items& items, const Query& query, size_t blocks, int32_t* out);
  // The allowed items of blocks [begin, end) whose upper bound reaches `threshold`, in the order of their places, to
  // `out` (16 per block). Returns how many.
  size_t (*survivors)(const Items& items, const Query& query, size_t begin, size_t end, const Allowed& allowed,
                      float threshold, Survivor* out);
};

// kAvx512 stands for AVX-512 with VNNI.
bool IsSupported(kernels::InstructionSet set);
// REQUIRES IsSupported(set).
const Kernels& KernelsOf(kernels::InstructionSet set);
const Kernels& BestKernels();

}  // namespace rapport::scan

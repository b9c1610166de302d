// The exact best k of a factor model, mostly from an int8 copy: a quarter of the memory to read, and the same answer as
// TopK(ScoreAll), float for float. The copy says of every score where it can lie at most; only items that can still be
// among the best are scored from the floats.
//
//   item      y_i = s_i q_i + e_i,  s_i = max |y_ik| / 127,  q_i = round(y_i / s_i), int8 in [-127, 127]
//   customer  x = t p + r,          the same for x
//   x.y_i - t s_i (p.q_i) = r.y_i + t p.e_i,   hence by Cauchy and Schwarz
//   |x.y_i - t s_i (p.q_i)| <= |r| |y_i| + |t p| |e_i|
//
// The score itself is a float: ScoreAll's 16 lanes round a product, at most d / 16 sums and 4 folds on any path, so it
// lies within g |x| |y_i| of x.y_i, g = n u / (1 - n u), n = d / 16 + 8, u = 2^-24 (Higham, "Accuracy and Stability of
// Numerical Algorithms", section 3.1). t s_i (p.q_i), whose integer is exact up to d = 1,024, is rounded three times
// until it is a bound: 4 u |t p| (|y_i| + |e_i|). Together
//   radius_i = (|r| + g |x| + 4 u |t p|) |y_i| + (1 + 4 u) |t p| |e_i| + c
// with norms in double, both factors 2^-16 larger for the roundings of radius_i itself, and c = 1e-36 for what falls
// below the range of floats. Held for finite factors and 1e-15 <= |x| <= 1e15, |y_i| <= 1e15; beyond that all is read.
// 16 items at a time share what bounds |y_i|, for their norms are neighbours, and |e_i| / s_i, which hardly differs.
//
// Items stand in the copy by falling norm. No score is above (1 + g) |x| |y_i|: where that is below L, it is for all
// that follow, and the scan ends. How soon depends on the factors: docs/MODELS.md section 3.
//
//   scan      keep i while middle_i + radius_i >= L, L = the k-th largest of middle_j - radius_j so far
//   certify   score the k with the highest middle; T = the lowest of these; score all whose upper bound reaches T.
// What is left out has a score below T, and k have T or more: the answer is complete, ties included.
//
// A filter lets the scan end later: the best k of fewer rows score less. Where few pass, their bits are put by place
// and only their rows are read (scan_kernels.h: a row stands by itself). And what passes may be put together as a part:
// the same rows' codes, still by falling norm, for the places [0, reach) of the copy. The scan walks the part first,
// then the copy from `reach` on; every row is met at most once, so the answer is the same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/scan_kernels.h"
#include "models/top_k.h"

namespace rapport {

// Rows by falling norm.
struct QuantizedRows {
  uint32_t items = 0;
  uint32_t factors = 0;
  std::vector<uint32_t> order;           // (items, rounded up to 16): the item at each place; largest norm first
  std::vector<scan::Line> lines;         // rows by place; layout: scan_kernels.h
  std::vector<float> scales;             // (items, rounded up to 16), by place: s_i
  std::vector<scan::BlockBound> bounds;  // (items / 16, rounded up): of 16 places
  const uint8_t* bytes() const { return lines.data()->bytes; }
  bool operator==(const QuantizedRows&) const = default;
};

// All items; none: no copy, searches read the floats. Immutable after Quantize, shared by all threads. Never stored:
// made when a model is fitted or loaded.
struct QuantizedItems : QuantizedRows {
  std::vector<uint32_t> places;  // (items): where each item stands
  bool operator==(const QuantizedItems&) const = default;
};

// The rows of a copy that pass a filter, as far as `reach`. Immutable.
struct QuantizedPart : QuantizedRows {
  size_t reach = 0;  // places of the copy that it speaks for, a multiple of 16
  size_t bytes() const;
};

// The copy of (items, factors); none where a factor is not finite, too large (above), or factors > 1,024.
QuantizedItems Quantize(std::span<const float> item_factors, size_t factors);

// What passes (a bit a row) of the places before the first at which `items_max` rows would not do; the codes and
// about 20 bytes more are read for each.
QuantizedPart PartOf(const QuantizedItems& copy, std::span<const uint64_t> passing, size_t items_max);

// Which rows may be found. Views: what they point to must outlive it.
struct AllowedSet {
  AllowedSet() = default;
  // Not explicit: mostly there are bits and nothing else.
  AllowedSet(std::span<const uint64_t> given) : bits(given) {}
  AllowedSet(const std::vector<uint64_t>& given) : bits(given) {}
  std::span<const uint64_t> bits;       // one a row, as in TopK; empty: all
  const QuantizedPart* part = nullptr;  // of the same copy: has all whose bit is set and that stand before its reach,
  std::span<const uint32_t> also;       // but these, which it has not
};

// Scratch of one thread.
struct ScanScratch {
  std::vector<int8_t> codes;
  std::vector<int16_t> words;
  std::vector<scan::Survivor> survivors;
  std::vector<float> floats;
  std::vector<uint32_t> rows;
  std::vector<uint64_t> bits;
};

enum class ScoreFloor { kNone, kAboveZero };  // as TopK, or as TopKPositive

// TopK (TopKPositive) of ScoreAll(item_factors, user), equal to the last bit. `copy` is Quantize(item_factors, ...) or
// empty; (items, factors) x (factors).
std::vector<Scored> BestItems(const QuantizedItems& copy, std::span<const float> item_factors,
                              std::span<const float> user, size_t k, const AllowedSet& allowed, ScoreFloor floor,
                              ScanScratch& scratch, const scan::Kernels& kernels = scan::BestKernels());

// What ScoreAll says of one item.
float ScoreOne(std::span<const float> item_factors, std::span<const float> user, size_t item);

}  // namespace rapport

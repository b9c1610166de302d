// The loops of scan_kernels.h for one instruction set. Included by scan_kernels.cc several times, each time inside a
// namespace that has BlockDots and ReachMask. No include guard on purpose.

static void Dots(const Items& items, const Query& query, size_t blocks, int32_t* out) {
  for (size_t block = 0; block < blocks; ++block) {
    int32_t* dots = out + block * kBlockItems;
    BlockDots(RowsAt{items.bytes + block * kBlockItems * items.stride, items.stride}, items.stride, query, dots);
    for (size_t i = 0; i < kBlockItems; ++i) dots[i] -= query.offset;
  }
}

static inline void PrefetchBytes(const uint8_t* begin, size_t bytes) {
#pragma GCC unroll 4
  for (size_t b = 0; b < bytes; b += sizeof(Line)) __builtin_prefetch(begin + b);
}

// Bounds of 16 items.
struct Bounds {
  float middle[kBlockItems], radius[kBlockItems], upper[kBlockItems];
};
static inline float FixedRadius(const BlockBound& bound, const Query& query) {
  return query.norm_weight * bound.norm + query.slack;
}
static inline float RadiusOfScale(const BlockBound& bound, const Query& query) {
  return query.error_weight * bound.error;
}
template <typename Floats>
static inline void Bound(const int32_t* dots, const float* scales, Floats fixed, Floats of_scale, const Query& query,
                         Bounds& out) {
  for (size_t i = 0; i < kBlockItems; ++i) {
    out.middle[i] = static_cast<float>(dots[i] - query.offset) * query.unit * scales[i];
    out.radius[i] = fixed[i] + of_scale[i] * scales[i];
    out.upper[i] = out.middle[i] + out.radius[i];
  }
}

// The processor's own reading ahead ends with each page.
constexpr size_t kBlocksAhead = 8;

// kStride: of the items; 0: told by them.
template <size_t kStride>
static size_t AllSurvivors(const Items& items, const Query& query, size_t begin, size_t end, const uint64_t* allowed,
                           float threshold, Survivor* out) {
  size_t count = 0;
  const size_t stride = kStride > 0 ? kStride : items.stride, block_bytes = kBlockItems * stride;
  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlockItems;
    if (block + kBlocksAhead < end) PrefetchBytes(items.bytes + (block + kBlocksAhead) * block_bytes, block_bytes);
    int32_t dots[kBlockItems];
    BlockDots(RowsAt{items.bytes + block * block_bytes, stride}, stride, query, dots);
    Bounds bounds;
    const BlockBound& bound = items.bounds[block];
    Bound(dots, items.scales + first, Same{FixedRadius(bound, query)}, Same{RadiusOfScale(bound, query)}, query,
          bounds);
    uint32_t bits = items.count - first >= kBlockItems ? 0xffffu : (1u << (items.count - first)) - 1;
    for (bits &= ReachMask(bounds.upper, threshold); bits != 0; bits &= bits - 1) {
      const auto i = static_cast<size_t>(__builtin_ctz(bits));
      const uint32_t item = items.order[first + i];
      if (allowed != nullptr && (allowed[item / 64] >> (item % 64) & 1) == 0) continue;
      out[count++] = {item, bounds.middle[i] - bounds.radius[i], bounds.upper[i]};
    }
  }
  return count;
}

// Of up to 16 places; there is room for 16.
static size_t NamedSurvivors(const Items& items, const Query& query, uint32_t* places, size_t named, float threshold,
                             Survivor* out) {
  for (size_t i = named; i < kBlockItems; ++i) places[i] = places[0];
  int32_t dots[kBlockItems];
  BlockDots(RowsNamed{items.bytes, items.stride, places}, items.stride, query, dots);
  float scales[kBlockItems], fixed[kBlockItems], of_scale[kBlockItems];
  for (size_t i = 0; i < kBlockItems; ++i) {
    const BlockBound& bound = items.bounds[places[i] / kBlockItems];
    scales[i] = items.scales[places[i]];
    fixed[i] = FixedRadius(bound, query);
    of_scale[i] = RadiusOfScale(bound, query);
  }
  Bounds bounds;
  Bound<const float*>(dots, scales, fixed, of_scale, query, bounds);
  size_t count = 0;
  const uint32_t given = (1u << named) - 1;
  for (uint32_t bits = given & ReachMask(bounds.upper, threshold); bits != 0; bits &= bits - 1) {
    const auto i = static_cast<size_t>(__builtin_ctz(bits));
    out[count++] = {items.order[places[i]], bounds.middle[i] - bounds.radius[i], bounds.upper[i]};
  }
  return count;
}

// Rows are asked for as their bits are met, and read so many rows later.
constexpr size_t kRowsAhead = 64;

static size_t PlacedSurvivors(const Items& items, const Query& query, size_t begin, size_t end, const uint64_t* allowed,
                              float threshold, Survivor* out) {
  const size_t first = begin * kBlockItems;
  const size_t last = end * kBlockItems < items.count ? end * kBlockItems : items.count;
  uint32_t places[2 * kRowsAhead + kBlockItems];
  size_t waiting = 0, count = 0;
  const auto read = [&](size_t rows) {
    for (size_t at = 0; at < rows; at += kBlockItems) {
      const size_t named = rows - at < kBlockItems ? rows - at : kBlockItems;
      count += NamedSurvivors(items, query, places + at, named, threshold, out + count);
    }
  };
  for (size_t word = first / 64; word * 64 < last; ++word) {
    uint64_t bits = allowed[word];
    if (word * 64 < first) bits &= ~uint64_t{0} << (first % 64);
    if (last - word * 64 < 64) bits &= (uint64_t{1} << (last % 64)) - 1;
    for (; bits != 0; bits &= bits - 1) {
      const size_t place = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
      PrefetchBytes(items.bytes + place * items.stride, items.stride);
      __builtin_prefetch(items.scales + place);
      __builtin_prefetch(items.bounds + place / kBlockItems);
      places[waiting++] = static_cast<uint32_t>(place);
      if (waiting < 2 * kRowsAhead) continue;
      read(kRowsAhead);
      waiting = kRowsAhead;
      __builtin_memcpy(places, places + kRowsAhead, kRowsAhead * sizeof(*places));
    }
  }
  read(waiting);
  return count;
}

static size_t Survivors(const Items& items, const Query& query, size_t begin, size_t end, const Allowed& allowed,
                        float threshold, Survivor* out) {
  if (allowed.places != nullptr) return PlacedSurvivors(items, query, begin, end, allowed.places, threshold, out);
  if (items.stride == sizeof(Line)) {
    return AllSurvivors<sizeof(Line)>(items, query, begin, end, allowed.items, threshold, out);
  }
  return AllSurvivors<0>(items, query, begin, end, allowed.items, threshold, out);
}

static constexpr Kernels kTable{Dots, Survivors};

// The loops of scan_kernels.h for one instruction set. Included by scan_kernels.cc several times, each time inside a
// namespace that has BlockDots and ReachMask. No include guard on purpose.

static void Dots(const Items& items, const Query& query, size_t blocks, int32_t* out) {
  for (size_t block = 0; block < blocks; ++block) {
    int32_t* dots = out + block * kBlockItems;
    BlockDots(items.lines + block * items.groups, items.groups, query, dots);
    for (size_t i = 0; i < kBlockItems; ++i) dots[i] -= query.offset;
  }
}

// The processor's own reading ahead ends with each page.
constexpr size_t kBlocksAhead = 8;
static inline void PrefetchBlock(const Line* lines, size_t groups) {
  for (size_t g = 0; g < groups; ++g) __builtin_prefetch(lines + g);
}

static size_t Survivors(const Items& items, const Query& query, size_t begin, size_t end, const Allowed& allowed,
                        float threshold, Survivor* out) {
  size_t count = 0;
  for (size_t block = begin; block < end; ++block) {
    const size_t first = block * kBlockItems;
    uint32_t bits = items.count - first >= kBlockItems ? 0xffffu : (1u << (items.count - first)) - 1;
    if (allowed.places != nullptr) bits &= static_cast<uint32_t>(allowed.places[first / 64] >> (first % 64));
    if (bits == 0) continue;
    if (block + kBlocksAhead < end) PrefetchBlock(items.lines + (block + kBlocksAhead) * items.groups, items.groups);
    int32_t dots[kBlockItems];
    BlockDots(items.lines + block * items.groups, items.groups, query, dots);
    const float *scales = items.scales + first, *norms = items.norms + first, *errors = items.errors + first;
    float middle[kBlockItems], radius[kBlockItems], upper[kBlockItems];
    for (size_t i = 0; i < kBlockItems; ++i) {
      middle[i] = static_cast<float>(dots[i] - query.offset) * query.unit * scales[i];
      radius[i] = query.norm_weight * norms[i] + query.error_weight * errors[i] + query.slack;
      upper[i] = middle[i] + radius[i];
    }
    for (bits &= ReachMask(upper, threshold); bits != 0; bits &= bits - 1) {
      const auto i = static_cast<size_t>(__builtin_ctz(bits));
      const uint32_t item = items.order[first + i];
      if (allowed.items != nullptr && (allowed.items[item / 64] >> (item % 64) & 1) == 0) continue;
      out[count++] = {item, middle[i] - radius[i], upper[i]};
    }
  }
  return count;
}

static constexpr Kernels kTable{Dots, Survivors};

// The kernels of kernels.h that run along rows, for one vector width. Included by kernels.cc several times, each time
// inside a namespace and with other target options; RAPPORT_LANES is the number of floats in a register (4, 8 or 16).
// No include guard on purpose. Plain arithmetic on GCC vector types: no intrinsics, no dependence on the optimiser's
// taste.

typedef float Vector __attribute__((vector_size(4 * RAPPORT_LANES)));
typedef double WideVector __attribute__((vector_size(4 * RAPPORT_LANES)));
typedef float HalfVector __attribute__((vector_size(2 * RAPPORT_LANES)));
constexpr size_t kLanes = RAPPORT_LANES;
constexpr size_t kWideLanes = RAPPORT_LANES / 2;

static inline Vector Load(const float* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
static inline void Store(float* p, Vector v) { __builtin_memcpy(p, &v, sizeof(v)); }
// The first `lanes` of two registers.
static inline void StoreLanes(float* p, Vector a, Vector b, size_t lanes) {
  if (lanes == 2 * kLanes) {
    Store(p, a);
    Store(p + kLanes, b);
    return;
  }
  float both[2 * kLanes];
  Store(both, a);
  Store(both + kLanes, b);
  __builtin_memcpy(p, both, lanes * sizeof(float));
}
static inline WideVector LoadWide(const double* p) {
  WideVector v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
static inline void StoreWide(double* p, WideVector v) { __builtin_memcpy(p, &v, sizeof(v)); }

static inline void AddWide(double* to, Vector v) {
  HalfVector low, high;
  __builtin_memcpy(&low, &v, sizeof(low));
  __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof(low), sizeof(high));
  StoreWide(to, LoadWide(to) + __builtin_convertvector(low, WideVector));
  StoreWide(to + kWideLanes, LoadWide(to + kWideLanes) + __builtin_convertvector(high, WideVector));
}

// Of 16 lanes that stand in 16 / kLanes registers: (l, l + 8), then (l, l + 4).
static inline Quad FoldLanes(const Vector* sum) {
#if RAPPORT_LANES == 16
  const Octet low = __builtin_shufflevector(sum[0], sum[0], 0, 1, 2, 3, 4, 5, 6, 7);
  const Octet half = low + __builtin_shufflevector(sum[0], sum[0], 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif RAPPORT_LANES == 8
  const Vector half = sum[0] + sum[1];
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#else
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
#endif
}

// The 16 lane sums of one row, folded to four. REQUIRES size % 16 == 0.
static inline Quad FoldedLanes(const float* row, const float* vector, size_t size) {
  constexpr size_t kParts = 16 / kLanes;
  Vector sums[kParts] = {};
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 4
    for (size_t part = 0; part < kParts; ++part) {
      sums[part] += Load(row + j + part * kLanes) * Load(vector + j + part * kLanes);
    }
  }
  return FoldLanes(sums);
}

// Last two folds, (l, l + 2) and (l, l + 1), of four rows at once.
static inline Quad FoldFour(Quad a, Quad b, Quad c, Quad d) {
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Quad ab = ab_low + ab_high, cd = cd_low + cd_high;  // a02 b02 a13 b13, and c, d
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

static inline float FoldOne(Quad q) { return (q[0] + q[2]) + (q[1] + q[3]); }

// Any size: the tail is padded with zeros, which add nothing to the lanes.
static void DotRowsWithTail(const float* rows, size_t count, size_t size, const float* vector, float* out) {
  const size_t whole = size / 16 * 16, tail = size - whole;
  float padded_row[kSizeMax + 16], padded_vector[kSizeMax + 16];
  if (size > kSizeMax) {  // rare: no buffer of that size; the same lanes in plain code
    for (size_t r = 0; r < count; ++r) {
      float lanes[16] = {};
      for (size_t j = 0; j < size; ++j) lanes[j % 16] += rows[r * size + j] * vector[j];
      for (size_t width = 8; width > 0; width /= 2) {
        for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
      }
      out[r] = lanes[0];
    }
    return;
  }
  const size_t padded = whole + 16;
  for (size_t j = 0; j < padded; ++j) {
    padded_row[j] = 0;
    padded_vector[j] = j < size ? vector[j] : 0;
  }
  for (size_t r = 0; r < count; ++r) {
    __builtin_memcpy(padded_row, rows + r * size, (whole + tail) * sizeof(float));
    out[r] = FoldOne(FoldedLanes(padded_row, padded_vector, padded));
  }
}

static void DotRows(const float* rows, size_t count, size_t size, const float* vector, float* out) {
  if (size % 16 != 0) return DotRowsWithTail(rows, count, size, vector, out);
  size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const float* row = rows + r * size;
    const Quad sums = FoldFour(FoldedLanes(row, vector, size), FoldedLanes(row + size, vector, size),
                               FoldedLanes(row + 2 * size, vector, size), FoldedLanes(row + 3 * size, vector, size));
    __builtin_memcpy(out + r, &sums, sizeof(sums));
  }
  for (; r < count; ++r) out[r] = FoldOne(FoldedLanes(rows + r * size, vector, size));
}

static void AddScaled(const float* source, size_t size, size_t stride, float factor, float* row, float* sum) {
  const size_t whole = size / kLanes * kLanes;
  for (size_t k = 0; k < whole; k += kLanes) {
    const Vector scaled = factor * Load(source + k);
    Store(row + k, scaled);
    Store(sum + k, Load(sum + k) + factor * scaled);
  }
  for (size_t k = whole; k < size; ++k) {
    row[k] = factor * source[k];
    sum[k] += factor * row[k];
  }
  for (size_t k = size; k < stride; ++k) row[k] = 0;
}

static void AddCombination(const float* rows, size_t count, size_t stride, const float* coefficients, double* sum) {
  for (size_t j = 0; j < stride; j += kLanes) {
    WideVector a = LoadWide(sum + j), b = LoadWide(sum + j + kWideLanes);
    const float* row = rows + j;
    for (size_t r = 0; r < count; ++r, row += stride) {
      HalfVector low, high;
      __builtin_memcpy(&low, row, sizeof(low));
      __builtin_memcpy(&high, row + kWideLanes, sizeof(high));
      const double coefficient = coefficients[r];
      a += coefficient * __builtin_convertvector(low, WideVector);
      b += coefficient * __builtin_convertvector(high, WideVector);
    }
    StoreWide(sum + j, a);
    StoreWide(sum + j + kWideLanes, b);
  }
}

// The one place where the compiler must be told the instruction: it makes no mask of a comparison by itself.
static uint64_t Reaching(const float* scores, float threshold) {
  uint64_t bits = 0;
#if RAPPORT_LANES == 16
  const Vector least = threshold - Vector{};
  for (size_t i = 0; i < 64; i += 16) {
    bits |= uint64_t{__builtin_ia32_cmpps512_mask(Load(scores + i), least, kGreaterEqual, 0xffff, kCurrentRounding)}
            << i;
  }
#elif RAPPORT_LANES == 8
  const Vector least = threshold - Vector{};
  for (size_t i = 0; i < 64; i += 8) {
    const Vector reached = __builtin_ia32_cmpps256(Load(scores + i), least, kGreaterEqual);
    bits |= uint64_t{static_cast<uint32_t>(__builtin_ia32_movmskps256(reached))} << i;
  }
#else
  for (size_t i = 0; i < 64; ++i) bits |= uint64_t{scores[i] >= threshold} << i;
#endif
  return bits;
}

// Each lane the larger one; not a number is never larger.
static inline Quad Larger(Quad a, Quad b) { return b > a ? b : a; }

static float Highest(const float* scores, uint64_t bits) {
  typedef int32_t Lanes __attribute__((vector_size(4 * RAPPORT_LANES)));
  Lanes own_bit;
  __builtin_memcpy(&own_bit, kLaneBits, sizeof(own_bit));
  Vector most{};
  for (size_t i = 0; i < 64; i += kLanes) {
    const Vector v = Load(scores + i);
    const Lanes named = (own_bit & static_cast<int32_t>(bits >> i & 0xffff)) != 0;
    most = (named & (v > most)) ? v : most;
  }
#if RAPPORT_LANES == 16
  const Octet a = __builtin_shufflevector(most, most, 0, 1, 2, 3, 4, 5, 6, 7);
  const Octet b = __builtin_shufflevector(most, most, 8, 9, 10, 11, 12, 13, 14, 15);
  const Octet half = b > a ? b : a;
  const Quad q =
      Larger(__builtin_shufflevector(half, half, 0, 1, 2, 3), __builtin_shufflevector(half, half, 4, 5, 6, 7));
#elif RAPPORT_LANES == 8
  const Quad q =
      Larger(__builtin_shufflevector(most, most, 0, 1, 2, 3), __builtin_shufflevector(most, most, 4, 5, 6, 7));
#else
  const Quad q = most;
#endif
  const Quad two = Larger(q, __builtin_shufflevector(q, q, 2, 3, 2, 3));
  return two[1] > two[0] ? two[1] : two[0];
}

static inline Vector Roots(Vector v) {
#if RAPPORT_LANES == 16
  return __builtin_ia32_sqrtps512_mask(v, Vector{}, -1, kCurrentRounding);
#elif RAPPORT_LANES == 8
  return __builtin_ia32_sqrtps256(v);
#else
  for (size_t i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

static void ScaledRoots(const float* scores, const float* highest, float* out) {
  for (size_t i = 0; i < 16; i += kLanes) {
    const Vector v = Load(scores + i);
    const Vector s = (((v > 0) & (v <= __FLT_MAX__)) ? v : Vector{}) / Load(highest + i);
    const Vector root = Roots(s);
#if RAPPORT_LANES == 16
    Store(out + 2 * i, __builtin_shufflevector(s, root, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    Store(out + 2 * i + 16,
          __builtin_shufflevector(s, root, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
#elif RAPPORT_LANES == 8
    Store(out + 2 * i, __builtin_shufflevector(s, root, 0, 8, 1, 9, 2, 10, 3, 11));
    Store(out + 2 * i + 8, __builtin_shufflevector(s, root, 4, 12, 5, 13, 6, 14, 7, 15));
#else
    Store(out + 2 * i, __builtin_shufflevector(s, root, 0, 4, 1, 5));
    Store(out + 2 * i + 4, __builtin_shufflevector(s, root, 2, 6, 3, 7));
#endif
  }
}

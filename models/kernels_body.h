// The kernels of kernels.h for one vector width. Included by kernels.cc several times, each time inside a namespace and
// with other target options; RAPPORT_LANES is the number of floats in a register (4, 8 or 16). No include guard on
// purpose. Plain arithmetic on GCC vector types: no intrinsics, no dependence on the optimiser's taste.

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
static inline WideVector LoadWide(const double* p) {
  WideVector v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
static inline void StoreWide(double* p, WideVector v) { __builtin_memcpy(p, &v, sizeof(v)); }

// The 16 lane sums of one row, folded to four: (l, l + 8), then (l, l + 4). REQUIRES size % 16 == 0.
static inline Quad FoldedLanes(const float* row, const float* vector, size_t size) {
#if RAPPORT_LANES == 16
  Vector sum{};
  for (size_t j = 0; j < size; j += 16) sum += Load(row + j) * Load(vector + j);
  const Octet low = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7);
  const Octet high = __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15);
  const Octet folded = low + high;
  return __builtin_shufflevector(folded, folded, 0, 1, 2, 3) + __builtin_shufflevector(folded, folded, 4, 5, 6, 7);
#elif RAPPORT_LANES == 8
  Vector a{}, b{};
  for (size_t j = 0; j < size; j += 16) {
    a += Load(row + j) * Load(vector + j);
    b += Load(row + j + 8) * Load(vector + j + 8);
  }
  const Vector folded = a + b;
  return __builtin_shufflevector(folded, folded, 0, 1, 2, 3) + __builtin_shufflevector(folded, folded, 4, 5, 6, 7);
#else
  Vector a{}, b{}, c{}, d{};
  for (size_t j = 0; j < size; j += 16) {
    a += Load(row + j) * Load(vector + j);
    b += Load(row + j + 4) * Load(vector + j + 4);
    c += Load(row + j + 8) * Load(vector + j + 8);
    d += Load(row + j + 12) * Load(vector + j + 12);
  }
  return (a + c) + (b + d);
#endif
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

// Tiles of eight rows and one register: eight sums in registers, one load and eight broadcasts per input row.
static void AddOuter(const float* rows, size_t count, size_t stride, float* matrix) {
  for (size_t i = 0; i < stride; i += 8) {
    for (size_t j = i / kLanes * kLanes; j < stride; j += kLanes) {
      Vector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{};
      const float* left = rows + i;
      const float* right = rows + j;
      for (size_t r = 0; r < count; ++r, left += stride, right += stride) {
        const Vector v = Load(right);
        a += left[0] * v;
        b += left[1] * v;
        c += left[2] * v;
        d += left[3] * v;
        e += left[4] * v;
        f += left[5] * v;
        g += left[6] * v;
        h += left[7] * v;
      }
      float* out = matrix + i * stride + j;
      Store(out, Load(out) + a);
      Store(out + stride, Load(out + stride) + b);
      Store(out + 2 * stride, Load(out + 2 * stride) + c);
      Store(out + 3 * stride, Load(out + 3 * stride) + d);
      Store(out + 4 * stride, Load(out + 4 * stride) + e);
      Store(out + 5 * stride, Load(out + 5 * stride) + f);
      Store(out + 6 * stride, Load(out + 6 * stride) + g);
      Store(out + 7 * stride, Load(out + 7 * stride) + h);
    }
  }
}

static void AddOuterDouble(const double* rows, size_t count, size_t stride, double* matrix) {
  for (size_t i = 0; i < stride; i += 4) {
    for (size_t j = i / kWideLanes * kWideLanes; j < stride; j += kWideLanes) {
      WideVector a{}, b{}, c{}, d{};
      const double* left = rows + i;
      const double* right = rows + j;
      for (size_t r = 0; r < count; ++r, left += stride, right += stride) {
        const WideVector v = LoadWide(right);
        a += left[0] * v;
        b += left[1] * v;
        c += left[2] * v;
        d += left[3] * v;
      }
      double* out = matrix + i * stride + j;
      StoreWide(out, LoadWide(out) + a);
      StoreWide(out + stride, LoadWide(out + stride) + b);
      StoreWide(out + 2 * stride, LoadWide(out + 2 * stride) + c);
      StoreWide(out + 3 * stride, LoadWide(out + 3 * stride) + d);
    }
  }
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

// One finished row of U leaves the rows [begin, end) below it. Lanes left of a diagonal hold rubbish that nobody reads.
static inline void EliminateOne(float* matrix, size_t stride, size_t pivot, size_t begin, size_t end) {
  const float* source = matrix + pivot * stride;
  for (size_t i = begin; i < end; ++i) {
    float* row = matrix + i * stride;
    const float factor = source[i];
    for (size_t j = i / kLanes * kLanes; j < stride; j += kLanes)
      Store(row + j, Load(row + j) - factor * Load(source + j));
  }
}

// Right-looking, four pivots at a time, so that the trailing matrix is read and written once per four.
static bool Cholesky(float* matrix, size_t size, size_t stride, float pivot_ratio_min) {
  float pivot_min[kSizeMax];
  for (size_t k = 0; k < size; ++k) pivot_min[k] = matrix[k * stride + k] * pivot_ratio_min;
  for (size_t panel = 0; panel < size; panel += 4) {
    for (size_t k = panel; k < panel + 4; ++k) {
      float* row = matrix + k * stride;
      const float pivot = row[k];
      if (!(pivot > pivot_min[k]) || !(pivot < 3e38f)) return false;
      const float inverse = 1.0f / __builtin_sqrtf(pivot);
      for (size_t j = k / kLanes * kLanes; j < stride; j += kLanes) Store(row + j, Load(row + j) * inverse);
      EliminateOne(matrix, stride, k, k + 1, panel + 4);
    }
    const float* a = matrix + panel * stride;
    const float *b = a + stride, *c = b + stride, *d = c + stride;
    for (size_t i = panel + 4; i < size; ++i) {
      float* row = matrix + i * stride;
      const float factor_a = a[i], factor_b = b[i], factor_c = c[i], factor_d = d[i];
      for (size_t j = i / kLanes * kLanes; j < stride; j += kLanes) {
        Vector v = Load(row + j);
        v -= factor_a * Load(a + j);
        v -= factor_b * Load(b + j);
        v -= factor_c * Load(c + j);
        v -= factor_d * Load(d + j);
        Store(row + j, v);
      }
    }
  }
  return true;
}

static void CholeskySolve(const float* upper, size_t size, size_t stride, float* vector, float* scratch) {
  for (size_t k = 0; k < size; ++k) {  // U^T y = b; lanes up to k of `vector` are rubbish from here on, y is in scratch
    const float* row = upper + k * stride;
    const float y = vector[k] / row[k];
    scratch[k] = y;
    for (size_t j = (k + 1) / kLanes * kLanes; j < stride; j += kLanes) {
      Store(vector + j, Load(vector + j) - y * Load(row + j));
    }
  }
  for (size_t j = size; j < stride; ++j) vector[j] = 0;
  for (size_t k = size; k-- > 0;) {  // U x = y; whole 16-lane groups by registers, the head one by one
    const float* row = upper + k * stride;
    const size_t whole = (k + 16) / 16 * 16;
    float sum = whole < stride ? FoldOne(FoldedLanes(row + whole, vector + whole, stride - whole)) : 0.0f;
    for (size_t j = k + 1; j < whole && j < size; ++j) sum += row[j] * vector[j];
    vector[k] = (scratch[k] - sum) / row[k];
  }
}

static void RotateRows(float* rows, size_t count, size_t size, const double* basis, size_t stride) {
  constexpr size_t kBlock = 4;
  double rotated[kBlock * kSizeMax];
  for (size_t r = 0; r < count; r += kBlock) {
    const size_t block = count - r < kBlock ? count - r : kBlock;
    const float* in[kBlock];  // the last block repeats its last row
    for (size_t i = 0; i < kBlock; ++i) in[i] = rows + (r + (i < block ? i : block - 1)) * size;
    for (size_t k = 0; k < stride; k += kWideLanes) {
      WideVector a{}, b{}, c{}, d{};
      for (size_t j = 0; j < size; ++j) {
        const WideVector v = LoadWide(basis + j * stride + k);
        a += static_cast<double>(in[0][j]) * v;
        b += static_cast<double>(in[1][j]) * v;
        c += static_cast<double>(in[2][j]) * v;
        d += static_cast<double>(in[3][j]) * v;
      }
      StoreWide(rotated + k, a);
      StoreWide(rotated + kSizeMax + k, b);
      StoreWide(rotated + 2 * kSizeMax + k, c);
      StoreWide(rotated + 3 * kSizeMax + k, d);
    }
    for (size_t i = 0; i < block; ++i) {
      for (size_t k = 0; k < size; ++k) rows[(r + i) * size + k] = static_cast<float>(rotated[i * kSizeMax + k]);
    }
  }
}

static constexpr Kernels kTable{DotRows,        AddScaled, AddOuter,      AddOuterDouble,
                                AddCombination, Cholesky,  CholeskySolve, RotateRows};

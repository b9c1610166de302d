// The kernels of kernels.h on rows of a table that are named by indices, for one vector width; after
// kernels_rows_body.h, and included like it. However the rows are held, every dot is summed in 16 lanes and folded as
// FoldedLanes and FoldFour do, and every element of a sum takes the rows in their order: the same bits on every
// instruction set.

// Rows of a table that are named by indices; a missing one is stood in for by the first.
static inline void NamedRows(const float* table, const uint32_t* indices, size_t first, size_t end, size_t count,
                             size_t size, size_t ahead, size_t group, const float** rows) {
  for (size_t i = 0; i < group; ++i) {
    const size_t at = first + i < end ? first + i : first;
    rows[i] = table + size_t{indices[at]} * size;
    if (ahead == 0 || at + ahead >= count) continue;
    const float* next = table + size_t{indices[at + ahead]} * size;
    if (size <= 64) {
      for (size_t j = 0; j < size; j += 16) __builtin_prefetch(next + j);
    } else {  // too much for the nearest cache, which the rows at hand need
      for (size_t j = 0; j < size; j += 16) __builtin_prefetch(next + j, 0, 2);
    }
  }
}

// The dots of four rows, the vector read once for all. REQUIRES size % 16 == 0.
static inline Quad FourDots(const float* const* rows, const float* vector, size_t size) {
  constexpr size_t kParts = 16 / kLanes;
  Vector a[kParts] = {}, b[kParts] = {}, c[kParts] = {}, d[kParts] = {};
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 4
    for (size_t part = 0; part < kParts; ++part) {
      const size_t at = j + part * kLanes;
      const Vector v = Load(vector + at);
      a[part] += Load(rows[0] + at) * v;
      b[part] += Load(rows[1] + at) * v;
      c[part] += Load(rows[2] + at) * v;
      d[part] += Load(rows[3] + at) * v;
    }
  }
  return FoldFour(FoldLanes(a), FoldLanes(b), FoldLanes(c), FoldLanes(d));
}

static void DotNamed(const float* table, const uint32_t* indices, size_t count, size_t size, const float* vector,
                     float* out) {
  constexpr size_t kAhead = 8;
  if (size % 16 != 0) {
    for (size_t r = 0; r < count; ++r) DotRows(table + size_t{indices[r]} * size, 1, size, vector, out + r);
    return;
  }
  size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const float* rows[4];
    NamedRows(table, indices, r, count, count, size, kAhead, 4, rows);
    const Quad dots = FourDots(rows, vector, size);
    __builtin_memcpy(out + r, &dots, sizeof(dots));
  }
  for (; r < count; ++r) out[r] = FoldOne(FoldedLanes(table + size_t{indices[r]} * size, vector, size));
}

// The elements [j, j + kHeld kLanes) of SumNamed, which stay in registers.
template <size_t kHeld>
static inline void SumStretch(const float* table, const uint32_t* indices, const float* weights, size_t count,
                              size_t size, size_t j, float* out) {
  constexpr size_t kAhead = 8;
  Vector sum[kHeld] = {};
  for (size_t r = 0; r < count; ++r) {
    if (r + kAhead < count) {
      const float* next = table + size_t{indices[r + kAhead]} * size + j;
      for (size_t k = 0; k < kHeld * kLanes; k += 16) __builtin_prefetch(next + k);
    }
    const float* row = table + size_t{indices[r]} * size + j;
#pragma GCC unroll 8
    for (size_t k = 0; k < kHeld; ++k) sum[k] += weights[r] * Load(row + k * kLanes);
  }
#pragma GCC unroll 8
  for (size_t k = 0; k < kHeld; ++k) Store(out + j + k * kLanes, sum[k]);
}

static void SumNamed(const float* table, const uint32_t* indices, const float* weights, size_t count, size_t size,
                     float* out) {
  constexpr size_t kHeld = kLanes == 16 ? 4 : 8, kHeldLess = 16 / kLanes;
  size_t j = 0;
  for (; j + kHeld * kLanes <= size; j += kHeld * kLanes) {
    SumStretch<kHeld>(table, indices, weights, count, size, j, out);
  }
  for (; j + 16 <= size; j += 16) SumStretch<kHeldLess>(table, indices, weights, count, size, j, out);
  for (; j < size; ++j) {
    float sum = 0;
    for (size_t r = 0; r < count; ++r) sum += weights[r] * table[size_t{indices[r]} * size + j];
    out[j] = sum;
  }
}

// c = weight (target - dot) of rows [first, end), at most four; a missing one gets 0.
static inline Quad Coefficients(const float* weights, size_t first, size_t end, float target, Quad dots) {
  Quad weight{};
  __builtin_memcpy(&weight, weights + first, (end - first < 4 ? end - first : 4) * sizeof(float));
  return weight * (target - dots);
}

#if RAPPORT_LANES == 16
// Rows of 64: four rows, the vector and the sum all stay in registers.
static void AddProjectionHeld(const float* table, const uint32_t* indices, const float* weights, size_t first,
                              size_t end, size_t count, const float* vector, float target, size_t ahead, float* part) {
  constexpr size_t kVectors = 4, kSize = kVectors * 16;
  Vector v[kVectors], sum[kVectors];
#pragma GCC unroll 4
  for (size_t j = 0; j < kVectors; ++j) v[j] = Load(vector + 16 * j), sum[j] = Vector{};
  for (size_t r = first; r < end; r += 4) {
    const float* rows[4];
    NamedRows(table, indices, r, end, count, kSize, ahead, 4, rows);
    Vector held[4][kVectors], dot[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      dot[i] = Vector{};
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        held[i][j] = Load(rows[i] + 16 * j);
        dot[i] += held[i][j] * v[j];
      }
    }
    const Quad dots = FoldFour(FoldLanes(&dot[0]), FoldLanes(&dot[1]), FoldLanes(&dot[2]), FoldLanes(&dot[3]));
    const Quad c = Coefficients(weights, r, end, target, dots);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) sum[j] += c[i] * held[i][j];
    }
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < kVectors; ++j) Store(part + 16 * j, sum[j]);
}
#endif

// Rows of any size, eight at a time while they are in the nearest cache: their dots, then their share of the sum.
static void AddProjectionNear(const float* table, const uint32_t* indices, const float* weights, size_t first,
                              size_t end, size_t count, size_t size, const float* vector, float target, size_t ahead,
                              float* part) {
  for (size_t j = 0; j < size; j += kLanes) Store(part + j, Vector{});
  for (size_t r = first; r < end; r += 8) {
    const float* rows[8];
    const bool both = end - r > 4;
    NamedRows(table, indices, r, end, count, size, ahead, both ? 8 : 4, rows);
    const Quad a = Coefficients(weights, r, end, target, FourDots(rows, vector, size));
    if (!both) {
      for (size_t j = 0; j < size; j += kLanes) {
        Vector v = Load(part + j);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; ++i) v += a[i] * Load(rows[i] + j);
        Store(part + j, v);
      }
      continue;
    }
    const Quad b = Coefficients(weights, r + 4, end, target, FourDots(rows + 4, vector, size));
    for (size_t j = 0; j < size; j += kLanes) {
      Vector v = Load(part + j);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) v += a[i] * Load(rows[i] + j);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) v += b[i] * Load(rows[4 + i] + j);
      Store(part + j, v);
    }
  }
}

static void AddProjection(const float* table, const uint32_t* indices, const float* weights, size_t count, size_t size,
                          const float* vector, float target, size_t ahead, double* sum) {
  constexpr size_t kChunk = 64;
  float part[kSizeMax];
  for (size_t first = 0; first < count; first += kChunk) {
    const size_t end = count - first < kChunk ? count : first + kChunk;
#if RAPPORT_LANES == 16
    if (size == 64) {
      AddProjectionHeld(table, indices, weights, first, end, count, vector, target, ahead, part);
    } else {
      AddProjectionNear(table, indices, weights, first, end, count, size, vector, target, ahead, part);
    }
#else
    AddProjectionNear(table, indices, weights, first, end, count, size, vector, target, ahead, part);
#endif
    for (size_t j = 0; j < size; j += kLanes) AddWide(sum + j, Load(part + j));
  }
}

static double ProjectionEnergy(const float* table, const uint32_t* indices, const float* weights, size_t count,
                               size_t size, const float* vector, size_t ahead) {
  typedef double WideQuad __attribute__((vector_size(32)));
  WideQuad energy{};
  for (size_t r = 0; r < count; r += 4) {
    const float* rows[4];
    NamedRows(table, indices, r, count, count, size, ahead, 4, rows);
    const Quad dots = FourDots(rows, vector, size);
    const Quad weighted = -Coefficients(weights, r, count, 0.0f, dots);
    energy += __builtin_convertvector(weighted, WideQuad) * __builtin_convertvector(dots, WideQuad);
  }
  return (energy[0] + energy[2]) + (energy[1] + energy[3]);
}

// The kernels of kernels.h on square matrices, for one vector width; after kernels_rows_body.h, and included like it.

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

// Up to 64 rows are first copied into panels of one register's width: as they lie, the elements of a column are a whole
// row apart and push each other out of the cache.
static void AddOuterDouble(const double* rows, size_t count, size_t stride, double* matrix) {
  constexpr size_t kPanelRows = 64;
  double packed[kPanelRows * (kSizeMax + 16)];
  const bool is_packed = count <= kPanelRows && stride <= kSizeMax + 16;
  if (is_packed) {
    for (size_t r = 0; r < count; ++r) {
      for (size_t j = 0; j < stride; j += kWideLanes) {
        StoreWide(packed + j * count + r * kWideLanes, LoadWide(rows + r * stride + j));
      }
    }
  }
  const size_t step = is_packed ? kWideLanes : stride;
  // Element (0, j) of the rows; the elements below it are `step` apart.
  const auto column = [&](size_t j) {
    return is_packed ? packed + j / kWideLanes * kWideLanes * count + j % kWideLanes : rows + j;
  };
  for (size_t i = 0; i < stride; i += 4) {
    const double *left_a = column(i), *left_b = column(i + 1), *left_c = column(i + 2), *left_d = column(i + 3);
    for (size_t j = i / kWideLanes * kWideLanes; j < stride; j += kWideLanes) {
      WideVector a{}, b{}, c{}, d{};
      const double* right = column(j);
      for (size_t r = 0, at = 0; r < count; ++r, at += step) {
        const WideVector v = LoadWide(right + at);
        a += left_a[at] * v;
        b += left_b[at] * v;
        c += left_c[at] * v;
        d += left_d[at] * v;
      }
      double* out = matrix + i * stride + j;
      StoreWide(out, LoadWide(out) + a);
      StoreWide(out + stride, LoadWide(out + stride) + b);
      StoreWide(out + 2 * stride, LoadWide(out + 2 * stride) + c);
      StoreWide(out + 3 * stride, LoadWide(out + 3 * stride) + d);
    }
  }
}

// sums[r][c] += sum_j left[r][j left_step] right[c][j right_step ..], one tile in registers, products in float.
constexpr size_t kTileRows = kLanes == 16 ? 8 : 4, kTileColumns = 2;
__attribute__((always_inline)) static inline void AddTile(const float* const* left, size_t left_step,
                                                          const float* const* right, size_t right_step, size_t count,
                                                          Vector (*sums)[kTileColumns]) {
  for (size_t j = 0; j < count; ++j) {
    Vector v[kTileColumns];
#pragma GCC unroll 2
    for (size_t c = 0; c < kTileColumns; ++c) v[c] = Load(right[c] + j * right_step);
#pragma GCC unroll 8
    for (size_t r = 0; r < kTileRows; ++r) {
      const float factor = left[r][j * left_step];
#pragma GCC unroll 2
      for (size_t c = 0; c < kTileColumns; ++c) sums[r][c] += factor * v[c];
    }
  }
}

// In panels of one register's width, as AddOuterDouble; 64 rows at a time are summed in float.
static void AddOuterWide(const float* rows, size_t count, size_t stride, double* matrix) {
  constexpr size_t kPanelRows = 64;
  float packed[kPanelRows * kSizeMax];
  for (size_t first = 0; first < count; first += kPanelRows) {
    const size_t here = count - first < kPanelRows ? count - first : kPanelRows;
    for (size_t r = 0; r < here; ++r) {
      const float* row = rows + (first + r) * stride;
      for (size_t j = 0; j < stride; j += kLanes) Store(packed + j * here + r * kLanes, Load(row + j));
    }
    const auto column = [&](size_t j) { return packed + j / kLanes * kLanes * here + j % kLanes; };
    for (size_t i = 0; i < stride; i += kTileRows) {
      const float* left[kTileRows];
      for (size_t r = 0; r < kTileRows; ++r) left[r] = column(i + r);
      for (size_t j = i / kLanes * kLanes; j < stride; j += 2 * kLanes) {
        const bool both = j + kLanes < stride;
        const float* right[kTileColumns] = {column(j), column(both ? j + kLanes : j)};
        Vector sums[kTileRows][kTileColumns] = {};
        AddTile(left, kLanes, right, kLanes, here, sums);
#pragma GCC unroll 8
        for (size_t r = 0; r < kTileRows; ++r) {
          double* out = matrix + (i + r) * stride + j;
          AddWide(out, sums[r][0]);
          if (both) AddWide(out + kLanes, sums[r][1]);
        }
      }
    }
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

// Eight rows at a time against one register's width of the basis, which is copied together first (as AddOuterDouble).
static void RotateRows(float* rows, size_t count, size_t size, const double* basis, size_t stride) {
  constexpr size_t kChunk = 32, kTile = 8;
  double wide[kChunk * kSizeMax], panel[kSizeMax * kWideLanes];
  for (size_t first = 0; first < count; first += kChunk) {
    const size_t chunk = count - first < kChunk ? count - first : kChunk;
    float* out = rows + first * size;
    for (size_t i = 0; i < chunk * size; ++i) wide[i] = out[i];
    for (size_t k = 0; k < size; k += kWideLanes) {
      for (size_t j = 0; j < size; ++j) StoreWide(panel + j * kWideLanes, LoadWide(basis + j * stride + k));
      const size_t lanes = size - k < kWideLanes ? size - k : kWideLanes;
      for (size_t tile = 0; tile < chunk; tile += kTile) {
        const double* in[kTile];  // the last tile repeats its last row
        for (size_t i = 0; i < kTile; ++i) in[i] = wide + (tile + i < chunk ? tile + i : chunk - 1) * size;
        WideVector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{};
        for (size_t j = 0; j < size; ++j) {
          const WideVector v = LoadWide(panel + j * kWideLanes);
          a += in[0][j] * v;
          b += in[1][j] * v;
          c += in[2][j] * v;
          d += in[3][j] * v;
          e += in[4][j] * v;
          f += in[5][j] * v;
          g += in[6][j] * v;
          h += in[7][j] * v;
        }
        const WideVector sums[kTile] = {a, b, c, d, e, f, g, h};
        for (size_t i = 0; i < kTile && tile + i < chunk; ++i) {
          for (size_t l = 0; l < lanes; ++l) out[(tile + i) * size + k + l] = static_cast<float>(sums[i][l]);
        }
      }
    }
  }
}

// As RotateRows, products and sums in float.
static void RotateRowsFloat(float* rows, size_t count, size_t size, const float* basis, size_t stride) {
  constexpr size_t kChunk = 32;
  float copy[kChunk * kSizeMax], panel[kTileColumns][kSizeMax * kLanes];
  for (size_t first = 0; first < count; first += kChunk) {
    const size_t chunk = count - first < kChunk ? count - first : kChunk;
    float* out = rows + first * size;
    __builtin_memcpy(copy, out, chunk * size * sizeof(float));
    for (size_t k = 0; k < size; k += kTileColumns * kLanes) {
      const bool both = k + kLanes < stride;
      for (size_t j = 0; j < size; ++j) {
        Store(panel[0] + j * kLanes, Load(basis + j * stride + k));
        if (both) Store(panel[1] + j * kLanes, Load(basis + j * stride + k + kLanes));
      }
      const float* right[kTileColumns] = {panel[0], both ? panel[1] : panel[0]};
      const size_t lanes = size - k < kTileColumns * kLanes ? size - k : kTileColumns * kLanes;
      for (size_t tile = 0; tile < chunk; tile += kTileRows) {
        const float* left[kTileRows];  // the last tile repeats its last row
        for (size_t r = 0; r < kTileRows; ++r) left[r] = copy + (tile + r < chunk ? tile + r : chunk - 1) * size;
        Vector sums[kTileRows][kTileColumns] = {};
        AddTile(left, 1, right, kLanes, size, sums);
#pragma GCC unroll 8
        for (size_t r = 0; r < kTileRows; ++r) {
          if (tile + r >= chunk) break;
          StoreLanes(out + (tile + r) * size + k, sums[r][0], sums[r][1], lanes);
        }
      }
    }
  }
}

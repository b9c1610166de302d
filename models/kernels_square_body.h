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

// The loops of arm_kernels.h for one vector width. Included by arm_kernels.cc several times, each time inside a
// namespace and with other target options; RAPPORT_LANES is the number of floats in a register. No include guard on
// purpose.

typedef float Vector __attribute__((vector_size(4 * RAPPORT_LANES)));
typedef unsigned Integers __attribute__((vector_size(4 * RAPPORT_LANES)));
constexpr size_t kLanes = RAPPORT_LANES;

static inline Vector Load(const float* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
static inline void Store(float* p, Vector v) { __builtin_memcpy(p, &v, sizeof(v)); }

// A product and a sum; -80 .. 80 keeps the power of two inside its exponent.
static inline Vector Sigmoid(Vector z) {
  const Vector high = Vector{} + 80.0f, low = Vector{} - 80.0f;
  z = z > high ? high : z;
  z = z < low ? low : z;
  const Vector t = z * -1.44269504f;
  const Vector rounded = t + 12582912.0f;  // 1.5 x 2^23: the integer lands in the low bits
  const Vector f = t - (rounded - 12582912.0f);
  Vector p = Vector{} + 1.54035304e-4f;  // ln(2)^k / k!, k = 6 .. 0
  p = p * f + 1.33335581e-3f;
  p = p * f + 9.61812911e-3f;
  p = p * f + 5.55041087e-2f;
  p = p * f + 2.40226507e-1f;
  p = p * f + 6.93147181e-1f;
  p = p * f + 1.0f;
  Integers bits;
  __builtin_memcpy(&bits, &rounded, sizeof(bits));
  Integers power_bits;
  __builtin_memcpy(&power_bits, &p, sizeof(power_bits));
  power_bits += bits << 23;  // 0x4b400000 << 23 is 0: only the integer is left
  __builtin_memcpy(&p, &power_bits, sizeof(p));
  return 1.0f / (1.0f + p);
}

static inline float Largest(Vector v) {
  float lanes[kLanes];
  Store(lanes, v);
  float largest = lanes[0];
  for (size_t l = 1; l < kLanes; ++l) largest = lanes[l] > largest ? lanes[l] : largest;
  return largest;
}

static void BestLogits(const float* channel_row, const float* kind_rows, size_t kinds, size_t size, float* best) {
  for (size_t k = 0; k < kinds; ++k) {
    const float* kind_row = kind_rows + k * size;
    Vector most = Load(channel_row) + Load(kind_row);
    for (size_t j = kLanes; j < size; j += kLanes) {
      const Vector sum = Load(channel_row + j) + Load(kind_row + j);
      most = sum > most ? sum : most;
    }
    best[k] = Largest(most);
  }
}

static void MixedRow(const float* base, const float* rows, size_t step, const float* weights, size_t count, size_t size,
                     float* out) {
  for (size_t j = 0; j < size; j += kLanes) {
    Vector sum = Load(base + j);
    for (size_t f = 0; f < count; ++f) sum += Load(rows + f * step + j) * weights[f];
    Store(out + j, sum);
  }
}

static inline Vector Valued(Vector logit, Vector margin, float fixed, Vector price) {
  const Vector value = margin * Sigmoid(logit) - fixed - price;
  return logit < -1e30f ? Vector{} - __builtin_inff() : value;
}

static void ContentValues(const float* best, const float* content, const float* margins, const float* prices,
                          float fixed, size_t size, float* out) {
  for (size_t j = 0; j < size; j += kLanes) {
    Store(out + j, Valued(Load(best + j) + Load(content + j), Load(margins + j), fixed, Load(prices + j)));
  }
}

static float SlotValues(const float* channel_row, const float* kind_row, const float* prices, float content,
                        float margin, float fixed, size_t size, float* out) {
  const Vector margins = Vector{} + margin;
  Vector most = Vector{} - __builtin_inff();
  for (size_t j = 0; j < size; j += kLanes) {
    const Vector logit = (Load(channel_row + j) + Load(kind_row + j)) + content;
    const Vector value = Valued(logit, margins, fixed, Load(prices + j));
    most = value > most ? value : most;
    Store(out + j, value);
  }
  return Largest(most);
}

static constexpr Kernels kTable{BestLogits, MixedRow, ContentValues, SlotValues};

// Three compilations of scan_kernels_body.h around three ways to sum products of bytes, and the choice between them.
#include "models/scan_kernels.h"

#ifdef RAPPORT_X86_KERNELS
#include <immintrin.h>
#endif

// The loops are of a block: a call for each would cost as much.
#ifdef __GNUC__
#define RAPPORT_INLINED __attribute__((always_inline))
#else
#define RAPPORT_INLINED
#endif

namespace rapport::scan {

using kernels::InstructionSet;

// Where 16 rows begin: in a row, or at places named one by one.
struct RowsAt {
  const uint8_t* bytes;
  size_t stride;
  const uint8_t* operator()(size_t i) const { return bytes + i * stride; }
};
struct RowsNamed {
  const uint8_t* bytes;
  size_t stride;
  const uint32_t* places;
  const uint8_t* operator()(size_t i) const { return bytes + places[i] * stride; }
};

// A number that 16 items have in common, read as if each had its own.
struct Same {
  float value;
  float operator[](size_t) const { return value; }
};

namespace baseline {
// Steps of a known length, in words: so that compilers find the instructions for several at once.
template <typename Rows>
RAPPORT_INLINED static inline void BlockDots(const Rows& rows, size_t stride, const Query& query, int32_t* dots) {
  for (size_t i = 0; i < kBlockItems; ++i) {
    const uint8_t* bytes = rows(i);
    const int16_t* words = query.words;
    int32_t dot = 0;
    for (const uint8_t* end = bytes + stride; bytes != end; bytes += kRowStep, words += kRowStep) {
      int32_t sum = 0;
      for (size_t k = 0; k < kRowStep; ++k) sum += static_cast<int16_t>(bytes[k]) * words[k];
      dot += sum;
    }
    dots[i] = dot;
  }
}
static inline uint32_t ReachMask(const float* upper, float threshold) {
  uint32_t mask = 0;
  for (size_t i = 0; i < kBlockItems; ++i) mask |= (upper[i] >= threshold ? 1u : 0u) << i;
  return mask;
}
#include "models/scan_kernels_body.h"
}  // namespace baseline

#ifdef RAPPORT_X86_KERNELS

#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
// 16 factors at a time: bytes widen to words, products are added in pairs.
static inline __m256i Products(const uint8_t* bytes, __m256i words, __m256i sum) {
  const __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(codes, words));
}
template <typename Rows>
RAPPORT_INLINED static inline void BlockDots(const Rows& rows, size_t stride, const Query& query, int32_t* dots) {
  for (size_t i = 0; i < kBlockItems; i += 4) {
    const uint8_t *first = rows(i), *second = rows(i + 1), *third = rows(i + 2), *fourth = rows(i + 3);
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t k = 0; k < stride; k += 16) {
      const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.words + k));
      a = Products(first + k, words, a);
      b = Products(second + k, words, b);
      c = Products(third + k, words, c);
      d = Products(fourth + k, words, d);
    }
    const __m256i mixed = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(mixed), _mm256_extracti128_si256(mixed, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dots + i), four);
  }
}
static inline uint32_t ReachMask(const float* upper, float threshold) {
  const __m256 bound = _mm256_set1_ps(threshold);
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(upper), bound, _CMP_GE_OQ));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(upper + 8), bound, _CMP_GE_OQ));
  return static_cast<uint32_t>(low | high << 8);
}
#include "models/scan_kernels_body.h"
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vnni,prefer-vector-width=512")
namespace vnni {
// Masks that leave nothing out: gcc 12 takes the forms without a mask for uses of what was never set.
constexpr __mmask16 kAll = 0xffff;
constexpr __mmask8 kAllWide = 0xff;

static inline __m512i Products(const uint8_t* bytes, __m512i codes, __m512i sum) {
  return _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(bytes), codes);
}
static inline __m512i AddPairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_maskz_unpacklo_epi32(kAll, a, b), _mm512_maskz_unpackhi_epi32(kAll, a, b));
}
// Of four sums that hold 16 numbers each: by lanes of four, theirs side by side, each added up within the lane.
static inline __m512i AddFours(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i x = AddPairs(a, b), y = AddPairs(c, d);
  return _mm512_add_epi32(_mm512_maskz_unpacklo_epi64(kAllWide, x, y), _mm512_maskz_unpackhi_epi64(kAllWide, x, y));
}
// Lanes of four added up by twos: those of a, those of b.
static inline __m512i AddLanes(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_maskz_shuffle_i32x4(kAll, a, b, 0x88), _mm512_maskz_shuffle_i32x4(kAll, a, b, 0xdd));
}

template <typename Rows>
RAPPORT_INLINED static inline void BlockDots(const Rows& rows, size_t stride, const Query& query, int32_t* dots) {
  __m512i sums[kBlockItems];
  const __m512i first = _mm512_loadu_si512(query.codes);
#pragma GCC unroll 16
  for (size_t i = 0; i < kBlockItems; ++i) sums[i] = Products(rows(i), first, _mm512_setzero_si512());
  for (size_t k = kCodeStep; k < stride; k += kCodeStep) {
    const __m512i codes = _mm512_loadu_si512(query.codes + k);
#pragma GCC unroll 16
    for (size_t i = 0; i < kBlockItems; ++i) sums[i] = Products(rows(i) + k, codes, sums[i]);
  }
  const __m512i a = AddFours(sums[0], sums[1], sums[2], sums[3]), b = AddFours(sums[4], sums[5], sums[6], sums[7]);
  const __m512i c = AddFours(sums[8], sums[9], sums[10], sums[11]);
  const __m512i d = AddFours(sums[12], sums[13], sums[14], sums[15]);
  _mm512_storeu_si512(dots, AddLanes(AddLanes(a, b), AddLanes(c, d)));
}
// Eight sums that hold two rows each, their halves apart.
RAPPORT_INLINED static inline __m512i PairsInOrder(const __m512i* sums) {
  const __m512i apart = AddLanes(AddFours(sums[0], sums[1], sums[2], sums[3]),
                                 AddFours(sums[4], sums[5], sums[6], sums[7]));  // rows 0 2 4 6, 1 3 5 7, 8 10 ...
  const __m512i order = _mm512_set_epi32(15, 11, 14, 10, 13, 9, 12, 8, 7, 3, 6, 2, 5, 1, 4, 0);
  return _mm512_maskz_permutexvar_epi32(kAll, order, apart);
}
// Rows of one line each, in a row. Two of them come to one sum with their halves apart, from the first one's first
// half, the second one's second half, and the line's length between: half as many sums to turn round.
RAPPORT_INLINED static inline __m512i LineDots(const uint8_t* bytes, const Query& query) {
  const __m512i codes = _mm512_loadu_si512(query.codes), zeros = _mm512_setzero_si512();
  const __m512i low = _mm512_maskz_mov_epi32(0x00ff, codes), high = _mm512_maskz_mov_epi32(0xff00, codes);
  const __m512i turned = _mm512_maskz_shuffle_i32x4(kAll, codes, codes, 0x4e);
  __m512i sums[kBlockItems / 2];
#pragma GCC unroll 8
  for (size_t i = 0; i < kBlockItems / 2; ++i) {
    const uint8_t* pair = bytes + 2 * sizeof(Line) * i;
    sums[i] = Products(pair + 32, turned, Products(pair + 64, high, Products(pair, low, zeros)));
  }
  return PairsInOrder(sums);
}
// Rows of half a line.
RAPPORT_INLINED static inline __m512i HalfLineDots(const uint8_t* bytes, const Query& query) {
  const __m512i first = _mm512_loadu_si512(query.codes);
  const __m512i codes = _mm512_maskz_shuffle_i32x4(kAll, first, first, 0x44);
  __m512i sums[kBlockItems / 2];
#pragma GCC unroll 8
  for (size_t i = 0; i < kBlockItems / 2; ++i) {
    sums[i] = Products(bytes + sizeof(Line) * i, codes, _mm512_setzero_si512());
  }
  return PairsInOrder(sums);
}
// Rows of a quarter.
RAPPORT_INLINED static inline __m512i QuarterLineDots(const uint8_t* bytes, const Query& query) {
  const __m512i first = _mm512_loadu_si512(query.codes);
  const __m512i codes = _mm512_maskz_shuffle_i32x4(kAll, first, first, 0x00);
  __m512i sums[kBlockItems / 4];
#pragma GCC unroll 4
  for (size_t i = 0; i < kBlockItems / 4; ++i) {
    sums[i] = Products(bytes + sizeof(Line) * i, codes, _mm512_setzero_si512());
  }
  const __m512i apart = AddFours(sums[0], sums[1], sums[2], sums[3]);  // rows 0 4 8 12, 1 5 9 13, ...
  const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  return _mm512_maskz_permutexvar_epi32(kAll, order, apart);
}
RAPPORT_INLINED static inline void BlockDots(const RowsAt& rows, size_t stride, const Query& query, int32_t* dots) {
  if (stride == sizeof(Line)) return _mm512_storeu_si512(dots, LineDots(rows.bytes, query));
  if (stride == sizeof(Line) / 2) return _mm512_storeu_si512(dots, HalfLineDots(rows.bytes, query));
  if (stride == sizeof(Line) / 4) return _mm512_storeu_si512(dots, QuarterLineDots(rows.bytes, query));
  BlockDots<RowsAt>(rows, stride, query, dots);
}
static inline uint32_t ReachMask(const float* upper, float threshold) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(upper), _mm512_set1_ps(threshold), _CMP_GE_OQ);
}
#include "models/scan_kernels_body.h"
}  // namespace vnni
#pragma GCC pop_options

bool IsSupported(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline: return true;
    case InstructionSet::kAvx2: return __builtin_cpu_supports("avx2") != 0;
    case InstructionSet::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("avx512vnni") != 0;
  }
  return false;
}

const Kernels& KernelsOf(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline: return baseline::kTable;
    case InstructionSet::kAvx2: return avx2::kTable;
    case InstructionSet::kAvx512: return vnni::kTable;
  }
  return baseline::kTable;
}

const Kernels& BestKernels() {
  if (scan::IsSupported(InstructionSet::kAvx512)) return vnni::kTable;
  if (scan::IsSupported(InstructionSet::kAvx2)) return avx2::kTable;
  return baseline::kTable;
}

#else

bool IsSupported(InstructionSet set) { return set == InstructionSet::kBaseline; }
const Kernels& KernelsOf(InstructionSet) { return baseline::kTable; }
const Kernels& BestKernels() { return baseline::kTable; }

#endif

}  // namespace rapport::scan

// Three compilations of scan_kernels_body.h around three ways to sum products of bytes, and the choice between them.
#include "models/scan_kernels.h"

#ifdef RAPPORT_X86_KERNELS
#include <immintrin.h>
#endif

namespace rapport::scan {

using kernels::InstructionSet;

namespace baseline {
static inline void BlockDots(const Line* lines, size_t groups, const Query& query, int32_t* dots) {
  for (size_t i = 0; i < kBlockItems; ++i) dots[i] = 0;
  for (size_t g = 0; g < groups; ++g) {
    const uint8_t* bytes = lines[g].bytes;
    const int16_t* words = query.words + kGroupFactors * g;
    for (size_t i = 0; i < kBlockItems; ++i, bytes += kGroupFactors) {
      dots[i] += bytes[0] * words[0] + bytes[1] * words[1] + bytes[2] * words[2] + bytes[3] * words[3];
    }
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
// Four items at a time: bytes widen to words, products are added in pairs, and the pairs at the end.
static inline __m256i Products(const uint8_t* bytes, __m256i words, __m256i sum) {
  const __m256i items = _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(items, words));
}
static inline void StorePairs(__m256i low, __m256i high, int32_t* dots) {
  const __m256i mixed = _mm256_hadd_epi32(low, high);  // items 0 1 4 5, 2 3 6 7
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dots), _mm256_permute4x64_epi64(mixed, 0xd8));
}
static inline void BlockDots(const Line* lines, size_t groups, const Query& query, int32_t* dots) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (size_t g = 0; g < groups; ++g) {
    int64_t four;
    __builtin_memcpy(&four, query.words + kGroupFactors * g, sizeof(four));
    const __m256i words = _mm256_set1_epi64x(four);
    const uint8_t* bytes = lines[g].bytes;
    a = Products(bytes, words, a);
    b = Products(bytes + 16, words, b);
    c = Products(bytes + 32, words, c);
    d = Products(bytes + 48, words, d);
  }
  StorePairs(a, b, dots);
  StorePairs(c, d, dots + 8);
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
static inline __m512i Products(const Line& line, const int8_t* codes, __m512i sum) {
  int32_t four;
  __builtin_memcpy(&four, codes, sizeof(four));
  return _mm512_dpbusd_epi32(sum, _mm512_load_si512(line.bytes), _mm512_set1_epi32(four));
}
static inline void BlockDots(const Line* lines, size_t groups, const Query& query, int32_t* dots) {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;  // four, because a sum takes longer than a product
  const int8_t* codes = query.codes;
  size_t g = 0;
  for (; g + 4 <= groups; g += 4) {
    a = Products(lines[g], codes + kGroupFactors * g, a);
    b = Products(lines[g + 1], codes + kGroupFactors * (g + 1), b);
    c = Products(lines[g + 2], codes + kGroupFactors * (g + 2), c);
    d = Products(lines[g + 3], codes + kGroupFactors * (g + 3), d);
  }
  for (; g < groups; ++g) a = Products(lines[g], codes + kGroupFactors * g, a);
  _mm512_storeu_si512(dots, _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d)));
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

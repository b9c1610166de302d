// What an epoch of conjugate-gradient iALS takes at least on this machine, one thread:
//   arithmetic   its operations at the rate of fused multiply-adds that the processor sustains from registers
//   memory       every row of the other side that the matrix names read once per half-epoch, in the matrix's order,
//   with
//                the next ones prefetched and nothing done but adding them up; and the solved side written once
// floor = max of both. Rates are the best of several tries.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "models/als.h"
#include "models/als_steps.h"
#include "models/kernels.h"

namespace rapport::bench {

inline double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Twelve independent sums of `Lanes` floats: enough to keep two units of four cycles' latency busy.
#define RAPPORT_FUSED_RATE(name, lanes, target_text)                                        \
  __attribute__((target(target_text), optimize("fp-contract=fast"))) inline double name() { \
    typedef float Vector __attribute__((vector_size(4 * lanes)));                           \
    Vector s[12] = {};                                                                      \
    Vector x, y;                                                                            \
    for (int l = 0; l < lanes; ++l) x[l] = 0.999f, y[l] = 1e-3f;                            \
    constexpr int kTurns = 2000000;                                                         \
    const double started = WallSeconds();                                                   \
    for (int turn = 0; turn < kTurns; ++turn) {                                             \
      _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) s[i] = s[i] * x + y;            \
      asm volatile("" : "+v"(x), "+v"(y));                                                  \
    }                                                                                       \
    const double seconds = WallSeconds() - started;                                         \
    Vector sum = s[0];                                                                      \
    for (int i = 1; i < 12; ++i) sum += s[i];                                               \
    asm volatile("" : : "m"(sum));                                                          \
    return 2.0 * 12 * lanes * kTurns / seconds;                                             \
  }
#if defined(__x86_64__)
RAPPORT_FUSED_RATE(FusedRateWide, 16, "avx512f,avx512vl,fma")
RAPPORT_FUSED_RATE(FusedRateMiddle, 8, "avx2,fma")
RAPPORT_FUSED_RATE(FusedRateNarrow, 4, "sse2")
#endif
#undef RAPPORT_FUSED_RATE

// Operations per second of one core in single precision: a multiply and an add are two.
inline double ArithmeticRate() {
  double best = 0;
#if defined(__x86_64__)
  for (int tries = 0; tries < 5; ++tries) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) best = std::max(best, FusedRateWide());
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = std::max(best, FusedRateMiddle());
    best = std::max(best, FusedRateNarrow());
  }
#endif
  return best;
}

inline double RowOperations(double n, double d, int steps) {
  if (n == 0) return 0;
  return (steps + 0.5) * 4 * n * d;  // the last step forms no product
}

// Of one epoch: rows by steps; per half-epoch one Gram matrix (half of it) and both sides turned.
inline double EpochOperations(const Interactions& by_customer, const Interactions& by_item, int factors, int steps) {
  const double d = factors;
  double sum = (5.0 * by_customer.rows + 5.0 * by_item.rows) * d * d;  // rows d^2 once, and 2 d^2 for both twice
  for (const Interactions* side : {&by_customer, &by_item}) {
    for (uint32_t r = 0; r < side->rows; ++r) {
      sum += RowOperations(static_cast<double>(side->RowColumns(r).size()), d, steps);
    }
  }
  return sum;
}

typedef float WideRow __attribute__((vector_size(64)));
__attribute__((target_clones("default", "avx2", "avx512f"))) inline float SumOfRows(const uint32_t* columns,
                                                                                    size_t count, const float* table,
                                                                                    size_t factors) {
  constexpr size_t kAhead = 12;
  WideRow sum = {};
  for (size_t e = 0; e < count; ++e) {
    const float* ahead = table + size_t{columns[std::min(e + kAhead, count - 1)]} * factors;
    for (size_t k = 0; k < factors; k += 16) __builtin_prefetch(ahead + k);
    const float* row = table + size_t{columns[e]} * factors;
    for (size_t k = 0; k + 16 <= factors; k += 16) {
      WideRow v;
      __builtin_memcpy(&v, row + k, sizeof(v));
      sum += v;
    }
  }
  return sum[0];
}

// Seconds to read what an epoch has to read and to write what it has to write.
inline double EpochMemorySeconds(const Interactions& by_customer, const Interactions& by_item, int factors) {
  const auto d = static_cast<size_t>(factors);
  std::vector<float> customers(by_customer.rows * d, 1.0f), items(by_item.rows * d, 1.0f);
  double best = 1e30;
  for (int tries = 0; tries < 3; ++tries) {
    const double started = WallSeconds();
    volatile float sink = SumOfRows(by_customer.columns.data(), by_customer.nnz(), items.data(), d) +
                          SumOfRows(by_item.columns.data(), by_item.nnz(), customers.data(), d);
    static_cast<void>(sink);
    std::fill(customers.begin(), customers.end(), static_cast<float>(tries));
    std::fill(items.begin(), items.end(), static_cast<float>(tries));
    best = std::min(best, WallSeconds() - started);
  }
  return best;
}

}  // namespace rapport::bench

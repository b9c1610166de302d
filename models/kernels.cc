// Three compilations of kernels_*_body.h, and the choice between them.
#include "models/kernels.h"

// The promise of equal bits: a product and its sum are two roundings on every instruction set.
#pragma GCC optimize("fp-contract=off")

namespace rapport::kernels {

// Widths below a register, used to fold lanes.
typedef float Quad __attribute__((vector_size(16)));
typedef float Octet __attribute__((vector_size(32)));

// Bit l of lane l.
constexpr int32_t kLaneBits[16] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                   1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};

// Of the comparison instructions: greater or equal, ordered, quiet; and the rounding as it is.
[[maybe_unused]] constexpr int kGreaterEqual = 29, kCurrentRounding = 4;

namespace baseline {
#define RAPPORT_LANES 4
#include "models/kernels_rows_body.h"
#include "models/kernels_rows_named_body.h"
#include "models/kernels_square_body.h"
#include "models/kernels_steps_body.h"
#undef RAPPORT_LANES
}  // namespace baseline

#ifdef RAPPORT_X86_KERNELS

#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
#define RAPPORT_LANES 8
#include "models/kernels_rows_body.h"
#include "models/kernels_rows_named_body.h"
#include "models/kernels_square_body.h"
#include "models/kernels_steps_body.h"
#undef RAPPORT_LANES
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,prefer-vector-width=512")
namespace avx512 {
#define RAPPORT_LANES 16
#include "models/kernels_rows_body.h"
#include "models/kernels_rows_named_body.h"
#include "models/kernels_square_body.h"
#include "models/kernels_steps_body.h"
#undef RAPPORT_LANES
}  // namespace avx512
#pragma GCC pop_options

bool IsSupported(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline: return true;
    case InstructionSet::kAvx2: return __builtin_cpu_supports("avx2") != 0;
    case InstructionSet::kAvx512: return __builtin_cpu_supports("avx512f") != 0;
  }
  return false;
}

const Kernels& KernelsOf(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline: return baseline::kTable;
    case InstructionSet::kAvx2: return avx2::kTable;
    case InstructionSet::kAvx512: return avx512::kTable;
  }
  return baseline::kTable;
}

const Kernels& BestKernels() {
  if (IsSupported(InstructionSet::kAvx512)) return avx512::kTable;
  if (IsSupported(InstructionSet::kAvx2)) return avx2::kTable;
  return baseline::kTable;
}

#else

bool IsSupported(InstructionSet set) { return set == InstructionSet::kBaseline; }
const Kernels& KernelsOf(InstructionSet) { return baseline::kTable; }
const Kernels& BestKernels() { return baseline::kTable; }

#endif

}  // namespace rapport::kernels

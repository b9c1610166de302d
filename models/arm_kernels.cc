// Three compilations of arm_kernels_body.h and the choice between them.
#include "models/arm_kernels.h"

// The promise of equal bits: a product and its sum are two roundings on every instruction set.
#pragma GCC optimize("fp-contract=off")

namespace rapport::arm_kernels {

using kernels::InstructionSet;

namespace baseline {
#define RAPPORT_LANES 4
#include "models/arm_kernels_body.h"
#undef RAPPORT_LANES
}  // namespace baseline

#ifdef RAPPORT_X86_KERNELS

#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
#define RAPPORT_LANES 8
#include "models/arm_kernels_body.h"
#undef RAPPORT_LANES
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,prefer-vector-width=512")
namespace avx512 {
#define RAPPORT_LANES 16
#include "models/arm_kernels_body.h"
#undef RAPPORT_LANES
}  // namespace avx512
#pragma GCC pop_options

bool IsSupported(InstructionSet set) { return kernels::IsSupported(set); }

const Kernels& KernelsOf(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline: return baseline::kTable;
    case InstructionSet::kAvx2: return avx2::kTable;
    case InstructionSet::kAvx512: return avx512::kTable;
  }
  return baseline::kTable;
}

const Kernels& BestKernels() {
  if (arm_kernels::IsSupported(InstructionSet::kAvx512)) return avx512::kTable;
  if (arm_kernels::IsSupported(InstructionSet::kAvx2)) return avx2::kTable;
  return baseline::kTable;
}

#else

bool IsSupported(InstructionSet set) { return set == InstructionSet::kBaseline; }
const Kernels& KernelsOf(InstructionSet) { return baseline::kTable; }
const Kernels& BestKernels() { return baseline::kTable; }

#endif

}  // namespace rapport::arm_kernels

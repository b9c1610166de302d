// libFuzzer's door to one target, named by RAPPORT_FUZZ_TARGET: see targets.h and scripts/fuzz.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rapport::fuzz::RAPPORT_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}

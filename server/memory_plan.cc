#include "server/memory_plan.h"

#include <algorithm>

namespace rapport {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// Four families are written often and eight seldom, with an eighth each; each may have two buffers, one being flushed.
constexpr uint64_t kWriteBuffers = 2 * (4 + 1);
// A thousand lines at about 100 bytes are the most that one has; most have some tens.
constexpr uint64_t kBytesOfOneCustomer = 16 * 1024;

}  // namespace

MemoryPlan PlanMemory(uint64_t bytes) {
  MemoryPlan plan;
  if (bytes == 0) return plan;
  plan.bytes = bytes;
  plan.block_cache_bytes = std::clamp(bytes / 2, 8 * kMiB, 16384 * kMiB);
  plan.write_buffer_bytes = std::clamp(bytes / 8 / kWriteBuffers, 1 * kMiB, 64 * kMiB);
  plan.history_cache_customers = std::clamp<uint64_t>(bytes / 4 / kBytesOfOneCustomer, 1000, 1'000'000);
  plan.filter_cache_bytes = std::clamp(bytes / 16, 4 * kMiB, 256 * kMiB);
  return plan;
}

}  // namespace rapport

// How much memory goes where when the configuration does not say: shares of one figure, which is half of what the
// machine (or the control group) has. The other half is for models, the catalogue, requests and the page cache.
//
//   block cache 1/2   write buffers 1/8   customers' histories 1/4   filters, their columns and rows 1/16     of that
//   figure, within bounds
#pragma once

#include <cstddef>
#include <cstdint>

namespace rapport {

struct MemoryPlan {
  uint64_t bytes = 0;  // the figure; 0: unknown, what follows are fixed defaults
  size_t block_cache_bytes = 256u << 20;
  size_t write_buffer_bytes = 32u << 20;  // of one column family that is written often
  size_t history_cache_customers = 100000;
  size_t filter_cache_bytes = 64u << 20;
};

MemoryPlan PlanMemory(uint64_t bytes);

}  // namespace rapport

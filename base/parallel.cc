#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#ifndef RAPPORT_PARALLEL_JTHREAD
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

namespace rapport {

int HardwareThreads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void ParallelFor(size_t count, size_t grain, int threads, const std::function<void(size_t, size_t, size_t)>& body) {
  const size_t blocks = (count + grain - 1) / grain;
  const auto run_block = [&](size_t block) { body(block * grain, std::min(count, (block + 1) * grain), block); };
  // More threads than cores only wait for each other, and the pool would say so on stderr.
  if (threads <= 0 || threads > HardwareThreads()) threads = HardwareThreads();
  const size_t workers = std::min<size_t>(static_cast<size_t>(threads), blocks);
  if (workers <= 1) {
    for (size_t block = 0; block < blocks; ++block) run_block(block);
    return;
  }
#ifdef RAPPORT_PARALLEL_JTHREAD
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t block = next.fetch_add(1); block < blocks; block = next.fetch_add(1)) run_block(block);
  };
  std::vector<std::jthread> pool;
  for (size_t i = 1; i < workers; ++i) pool.emplace_back(work);
  work();
#else
  tbb::task_arena arena(static_cast<int>(workers));
  arena.execute([&] { tbb::parallel_for(size_t{0}, blocks, run_block, tbb::simple_partitioner()); });
#endif
}

}  // namespace rapport

// Parallel loops. Wall: oneTBB is included only in parallel.cc, where a twin on std::jthread stands beside it
// (chosen at configure time with RAPPORT_PARALLEL=jthread) so that the thread sanitizer can see through it.
//
// Determinism: a range is always cut into the same blocks, [0,grain), [grain,2 grain), ..., whatever the number of
// threads. A body that writes only its block's output, or reduces per block and combines in block order, gives
// the same bits on every thread count.
#pragma once

#include <cstddef>
#include <functional>

namespace rapport {

// Calls body(begin, end, block) for each block of [0, count), block = begin / grain. Blocks run in any order on
// at most `threads` threads (0: all cores). Returns when all have run. Body must not throw. REQUIRES grain > 0.
void ParallelFor(size_t count, size_t grain, int threads,
                 const std::function<void(size_t begin, size_t end, size_t block)>& body);

// Cores this process may use, at least 1.
int HardwareThreads();

}  // namespace rapport

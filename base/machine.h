// What this machine, or the group that this process runs in, lets it have; and what the process gives back.
#pragma once

#include <cstdint>
#include <string>

namespace rapport {

// Bytes of memory: what is built in, or the smallest limit of this process's control groups (version 1 or 2) when that
// is less. Containers and `MemoryMax=` of a systemd unit are such limits. 0 when nothing can be found out.
uint64_t MachineMemoryBytes();

// The same from given places, for tests: `self` is what /proc/self/cgroup holds, `root` where control groups are
// mounted.
uint64_t MemoryLimitBytes(uint64_t physical_bytes, const std::string& self, const std::string& root);

// Gives back to the system what this process has freed and the C library keeps for later. Takes milliseconds for each
// gigabyte that goes; other threads may wait that long for memory. Thread-safe.
void ReturnFreedMemory();

}  // namespace rapport

// What this machine, or the group that this process runs in, lets it have.
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

}  // namespace rapport

#include "base/machine.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace rapport {
namespace {

constexpr uint64_t kSmallFileBytesMax = 1u << 20;

// "max" and what is no number are no limit.
uint64_t ReadLimit(const std::string& path, uint64_t otherwise) {
  const Result<std::string> text = ReadFile(path, kSmallFileBytesMax);
  if (!text.ok()) return otherwise;
  const std::optional<int64_t> limit = ParseInt64(text->substr(0, text->find('\n')));
  return limit && *limit > 0 ? std::min(otherwise, static_cast<uint64_t>(*limit)) : otherwise;
}

// Every group above the process's own can be the one that limits.
uint64_t LimitUpwards(const std::string& root, std::string group, const std::string& file, uint64_t limit) {
  for (;;) {
    limit = ReadLimit(root + group + "/" + file, limit);
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos || group.empty()) return limit;
    group.resize(slash);
  }
}

}  // namespace

uint64_t MemoryLimitBytes(uint64_t physical_bytes, const std::string& self, const std::string& root) {
  uint64_t limit = physical_bytes;
  for (size_t at = 0; at < self.size();) {
    const size_t end = std::min(self.find('\n', at), self.size());
    const std::string line = self.substr(at, end - at);
    at = end + 1;
    // "0::/group" (version 2), "7:memory:/group" (version 1)
    const size_t colon = line.find(':'), second = line.find(':', colon + 1);
    if (colon == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(colon + 1, second - colon - 1), group = line.substr(second + 1);
    if (controllers.empty()) limit = LimitUpwards(root, group, "memory.max", limit);
    if (controllers == "memory") limit = LimitUpwards(root + "/memory", group, "memory.limit_in_bytes", limit);
  }
  return limit;
}

uint64_t MachineMemoryBytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page_bytes <= 0) return 0;
  const Result<std::string> self = ReadFile("/proc/self/cgroup", kSmallFileBytesMax);
  return MemoryLimitBytes(static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes), self.ok() ? *self : "",
                          "/sys/fs/cgroup");
}

void ReturnFreedMemory() { ::malloc_trim(0); }

}  // namespace rapport

// Asks the kernel to back a large array with pages of 2 MiB: rows that are read in random order then miss the table of
// pages far less often. A hint without effect on what is computed; nothing happens where the system has no such pages.
#pragma once

#include <cstddef>
#include <vector>

namespace rapport {

// Call between reserving memory and writing to it first. Any thread.
void AdviseHugePages(void* begin, size_t bytes);

// `count` zeros.
template <typename T>
void ResizeInHugePages(std::vector<T>& values, size_t count) {
  values.reserve(count);
  AdviseHugePages(values.data(), count * sizeof(T));
  values.resize(count);
}

}  // namespace rapport

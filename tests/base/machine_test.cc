// Memory limits of control groups of both versions, from made-up files.
#include "base/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "base/file.h"
#include "base/temp_folder.h"
#include "base/text.h"

namespace rapport {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

void Put(const std::string& root, const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
  ASSERT_TRUE(WriteFileAtomically(root + path, text, FileMode::kPublic).ok());
}

TEST(MachineTest, TheSmallestLimitOnTheWayUpCounts) {
  TempFolder folder;
  const std::string root = folder.path();
  const std::string self = "0::/system.slice/rapport.service\n";
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, self, root), 8 * kGiB);  // no files: no limit
  Put(root, "/system.slice/rapport.service/memory.max", "max\n");
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, self, root), 8 * kGiB);
  Put(root, "/system.slice/memory.max", std::to_string(2 * kGiB) + "\n");
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, self, root), 2 * kGiB);
  Put(root, "/system.slice/rapport.service/memory.max", std::to_string(3 * kGiB) + "\n");
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, self, root), 2 * kGiB);
  Put(root, "/memory.max", std::to_string(kGiB) + "\n");  // of a container: its own root
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, self, root), kGiB);
}

TEST(MachineTest, VersionOneAndNonsense) {
  TempFolder folder;
  const std::string root = folder.path();
  Put(root, "/memory/docker/1/memory.limit_in_bytes", std::to_string(kGiB) + "\n");
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, "9:cpu:/docker/1\n7:memory:/docker/1\n", root), kGiB);
  Put(root, "/memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n");  // what "no limit" looks like there
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, "7:memory:/docker/1\n", root), 8 * kGiB);
  EXPECT_EQ(MemoryLimitBytes(8 * kGiB, "nonsense\n::\n", root), 8 * kGiB);
}

TEST(MachineTest, ThisMachineHasSome) { EXPECT_GT(MachineMemoryBytes(), 64u << 20); }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = true;
#else
constexpr bool kOwnAllocator = false;
#endif

int64_t ResidentBytes() {
  const Result<std::string> pages = ReadFile("/proc/self/statm", 4096);
  const size_t at = pages.ok() ? pages->find(' ') + 1 : 0;
  return ParseInt64(pages->substr(at, pages->find(' ', at) - at)).value_or(0) * ::sysconf(_SC_PAGESIZE);
}

// What is freed below a block that is still held stays with the C library. Twin seen caught: no call.
TEST(MachineTest, FreedMemoryGoesBackToTheSystem) {
  if (kOwnAllocator) GTEST_SKIP() << "a sanitizer's allocator has nothing to give back";
  constexpr size_t kBlocks = 64 * 1024, kBlockBytes = 1000;
  std::vector<std::unique_ptr<std::string>> blocks(kBlocks);
  for (auto& block : blocks) block = std::make_unique<std::string>(kBlockBytes, 'x');
  const auto last = std::move(blocks.back());
  const int64_t full = ResidentBytes();
  blocks.clear();
  ReturnFreedMemory();
  EXPECT_LT(ResidentBytes(), full - static_cast<int64_t>(kBlocks * kBlockBytes / 2));
}

}  // namespace
}  // namespace rapport

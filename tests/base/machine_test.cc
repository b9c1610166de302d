// Memory limits of control groups of both versions, from made-up files.
#include "base/machine.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/temp_folder.h"

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

}  // namespace
}  // namespace rapport

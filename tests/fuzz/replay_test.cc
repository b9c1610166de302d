// Every fuzz target over its committed seeds and over mutations of them that a seed of random numbers gives: the same
// on every run, under whatever sanitizer the suite runs. libFuzzer goes further where clang is there (scripts/fuzz).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {
namespace {

constexpr uint64_t kSeedBytesMax = 1 << 20;
constexpr size_t kMutations = 1500;  // per target

std::vector<std::string> SeedsOf(const std::string& target) {
  std::vector<std::string> paths, seeds;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(RAPPORT_SOURCE_FOLDER) + "/tests/fuzz/seeds/" + target)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) seeds.push_back(ReadFile(path, kSeedBytesMax).Take());
  return seeds;
}

// One to eight small changes: a bit, a byte, a piece taken out, doubled, or put in from another seed.
std::string Mutated(std::string bytes, const std::vector<std::string>& seeds, Random& random) {
  const size_t changes = 1 + random.Below(8);
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = random.Below(bytes.size() + 1);
    const size_t length = random.Below(std::min<size_t>(16, bytes.size() - at) + 1);
    switch (random.Below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
        break;
      case 1: bytes.insert(at, 1, static_cast<char>(random.Below(256))); break;
      case 2: bytes.erase(at, length); break;
      case 3: bytes.insert(at, bytes.substr(at, length)); break;
      case 4: bytes.resize(at); break;
      default: {
        const std::string& other = seeds[random.Below(seeds.size())];
        const size_t from = random.Below(other.size() + 1);
        bytes.insert(at, other.substr(from, random.Below(32)));
      }
    }
  }
  return bytes;
}

class FuzzTest : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzTest, SeedsAndTheirMutationsComeBack) {
  const std::vector<std::string> seeds = SeedsOf(GetParam().name);
  ASSERT_FALSE(seeds.empty());
  GetParam().run("");
  for (const std::string& seed : seeds) GetParam().run(seed);
  Random random(1);
  for (size_t i = 0; i < kMutations; ++i) GetParam().run(Mutated(seeds[i % seeds.size()], seeds, random));
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzTest, ::testing::ValuesIn(Targets().begin(), Targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace rapport::fuzz

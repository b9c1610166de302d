// The table below all caches, call by call against one that keeps a plain list in order of use; and twins that err.
#include "base/recently_used.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"

namespace rapport {
namespace {

using Table = RecentlyUsed<std::string, int>;

// What the contract says, slowly.
class PlainTable {
 public:
  PlainTable(size_t entries_max, size_t bytes_max) : entries_max_(entries_max), bytes_max_(bytes_max) {}
  std::optional<int> Peek(const std::string& key) const {
    for (const Entry& entry : entries_) {
      if (entry.key == key) return entry.value;
    }
    return std::nullopt;
  }
  std::optional<int> Find(const std::string& key) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
    if (at == entries_.end()) return std::nullopt;
    std::rotate(at, at + 1, entries_.end());
    return entries_.back().value;
  }
  bool Put(const std::string& key, int value, size_t bytes) {
    Erase(key);
    if (entries_max_ == 0 || bytes > bytes_max_) return false;
    entries_.push_back({key, value, bytes});
    while (entries_.size() > entries_max_ || this->bytes() > bytes_max_) entries_.erase(entries_.begin());
    return true;
  }
  void Erase(const std::string& key) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
  }
  size_t entries() const { return entries_.size(); }
  size_t bytes() const {
    size_t sum = 0;
    for (const Entry& entry : entries_) sum += entry.bytes;
    return sum;
  }

 private:
  struct Entry {
    std::string key;
    int value;
    size_t bytes;
  };
  const size_t entries_max_, bytes_max_;
  std::vector<Entry> entries_;  // newest use last
};

// First in, first out: a use does not count.
class QueueTwin : public Table {
 public:
  using Table::Table;
  int* Find(const std::string& key) { return Peek(key); }
};
// Looking is using.
class LookingTwin : public Table {
 public:
  using Table::Table;
  int* Peek(const std::string& key) { return Find(key); }
};
// What weighs too much goes on weighing.
class HeavyTwin : public Table {
 public:
  using Table::Table;
  bool Put(std::string key, int value, size_t bytes) {
    return Table::Put(std::move(key), value, std::min<size_t>(bytes, 9));
  }
};

std::optional<int> Value(const int* value) { return value ? std::optional<int>(*value) : std::nullopt; }

// Whether random calls find both the same, all the time.
template <typename Tested>
bool Agree(uint64_t seed) {
  Random random(seed);
  const size_t entries_max = random.Below(4) == 0 ? Table::kUnbounded : random.Below(12);
  const size_t bytes_max = random.Below(4) == 0 ? Table::kUnbounded : random.Below(60);
  Tested table(entries_max, bytes_max);
  PlainTable plain(entries_max, bytes_max);
  for (int step = 0; step < 400; ++step) {
    const std::string key = "a key that is not kept in place " + std::to_string(random.Below(20));
    bool same = true;
    switch (random.Below(8)) {
      case 0: table.Erase(key), plain.Erase(key); break;
      case 1: same = Value(table.Peek(key)) == plain.Peek(key); break;
      case 2:
      case 3:
      case 4: same = Value(table.Find(key)) == plain.Find(key); break;
      default: {
        const size_t bytes = random.Below(12) == 0 ? 100 : random.Below(12);
        same = table.Put(key, step, bytes) == plain.Put(key, step, bytes);
      }
    }
    if (!same || table.entries() != plain.entries() || table.bytes() != plain.bytes()) return false;
  }
  return true;
}

constexpr uint64_t kSeeds = 300;

TEST(RecentlyUsedTest, DoesWhatAPlainListDoes) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) EXPECT_TRUE(Agree<Table>(seed)) << seed;
}

template <typename Twin>
size_t Caught() {
  size_t caught = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) caught += !Agree<Twin>(seed);
  return caught;
}

TEST(RecentlyUsedTest, BrokenTwinsAreCaught) {
  EXPECT_GT(Caught<QueueTwin>(), kSeeds / 2);
  EXPECT_GT(Caught<LookingTwin>(), kSeeds / 2);
  EXPECT_GT(Caught<HeavyTwin>(), kSeeds / 2);
}

TEST(RecentlyUsedTest, WhatIsTooHeavyIsRefusedAndCostsNobody) {
  Table table(3, 100);
  EXPECT_TRUE(table.Put("a", 1, 50));
  EXPECT_TRUE(table.Put("b", 2, 50));
  EXPECT_FALSE(table.Put("c", 3, 101));
  EXPECT_EQ(table.entries(), 2u);
  EXPECT_FALSE(table.Put("b", 4, 101)) << "and what it was to replace is out of date";
  EXPECT_EQ(table.Peek("b"), nullptr);
  EXPECT_EQ(*table.Peek("a"), 1);
}

TEST(RecentlyUsedTest, AssignedBoundsHoldAndNoneKeepNothing) {
  Table table;
  EXPECT_FALSE(table.Put("a", 1));
  table = Table(2);
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(table.Put(key, 1));
  EXPECT_EQ(table.entries(), 2u);
  EXPECT_EQ(table.Find("a"), nullptr);
}

}  // namespace
}  // namespace rapport

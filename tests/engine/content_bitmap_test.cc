#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "engine/content/answer.h"
#include "engine/content/bitmap.h"

namespace rapport {
namespace {

// Runs of neighbours, gaps between them, more places than bits: against one bit after the other. Broken twin, seen to
// fail: without the second word where a run does not begin at a word.
TEST(BitmapTest, PickedBitsAreTheBitsAtTheirPlaces) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Bitmap words(random.Below(12));
    for (uint64_t& word : words) word = random.NextU64();
    std::vector<uint64_t> places;
    for (uint64_t at = random.Below(5); places.size() < random.Below(900); at += 1 + random.Below(70)) {
      for (uint64_t run = 1 + random.Below(200); run > 0; --run) places.push_back(at++);
    }
    Bitmap picked(3, ~uint64_t{0});
    PickBits(words, places, picked);
    ASSERT_EQ(picked.size(), WordsFor(places.size()));
    for (size_t i = 0; i < 64 * picked.size(); ++i) {
      ASSERT_EQ(TestBit(picked, i), i < places.size() && TestBit(words, places[i])) << seed << " " << i;
    }
    Bitmap as_bits(places.empty() ? 0 : places.back() / 64 + 1);
    for (const uint64_t place : places) SetBit(as_bits, place);
    Bitmap fast(1, ~uint64_t{0}), portable(7, ~uint64_t{0});
    PickBitsOf(words, as_bits, places.size(), fast);
    PickBitsOfPortably(words, as_bits, places.size(), portable);
    ASSERT_EQ(fast, picked) << seed;
    ASSERT_EQ(portable, picked) << seed;
  }
}

TEST(TakenSetTest, TakesEachNumberOnce) {
  Random random(6);
  for (const uint64_t range : {10u, 300u, 100'000u}) {
    TakenSet taken;
    std::set<uint64_t> expected;
    for (int i = 0; i < 2000; ++i) {
      const uint64_t number = 1 + random.Below(range);
      EXPECT_EQ(taken.Insert(number), expected.insert(number).second) << number;
    }
  }
}

}  // namespace
}  // namespace rapport

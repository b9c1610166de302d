// Words: folded, normalised, cut where Unicode says; whatever bytes come in.
#include "base/words.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace rapport {
namespace {

using Words = std::vector<std::string>;

TEST(WordsTest, FoldsNormalisesAndCuts) {
  WordBreaker breaker;
  EXPECT_EQ(breaker.Words("WHITE Hanging  HEART, T-light holder!", 64),
            (Words{"white", "hanging", "heart", "t", "light", "holder"}));
  EXPECT_EQ(breaker.Words("Stra\xc3\x9f"
                          "e",
                          64),
            (Words{"strasse"}));
  EXPECT_EQ(breaker.Words("\xef\xbc\xa1\xef\xbc\xa2 \xef\xac\x81ne", 64), (Words{"ab", "fine"}))
      << "full width, ligature";
  EXPECT_EQ(breaker.Words("e\xcc\x81t\xc3\xa9", 64), (Words{"\xc3\xa9t\xc3\xa9"}));
  EXPECT_EQ(breaker.Words("set of 6 3.5cm", 64).front(), "set");
  EXPECT_GT(breaker.Words("\xe6\x9d\xb1\xe4\xba\xac\xe3\x82\xbf\xe3\x83\xaf\xe3\x83\xbc", 64).size(), 0u);
  EXPECT_EQ(breaker.Words("a b c d", 2), (Words{"a", "b"}));
  EXPECT_EQ(breaker.Words(" -- !? ", 64), Words{});
  EXPECT_EQ(breaker.Words("", 64), Words{});
}

TEST(WordsTest, TakesAnyBytes) {
  WordBreaker breaker;
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint64_t n = random.Below(40); n > 0; --n) bytes.push_back(static_cast<char>(random.Below(256)));
    EXPECT_LE(breaker.Words(bytes, 5).size(), 5u);
  }
}

}  // namespace
}  // namespace rapport

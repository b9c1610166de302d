// A hint about pages changes no value.
#include "base/huge_pages.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rapport {
namespace {

TEST(HugePagesTest, GivesZerosOfTheSizeAskedFor) {
  for (size_t count : {size_t{0}, size_t{1}, size_t{1} << 10, size_t{3} << 20}) {
    std::vector<float> values;
    ResizeInHugePages(values, count);
    EXPECT_EQ(values.size(), count);
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float value) { return value == 0; }));
  }
}

}  // namespace
}  // namespace rapport

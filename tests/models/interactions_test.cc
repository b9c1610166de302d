#include "models/interactions.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "base/random.h"

namespace rapport {
namespace {

TEST(InteractionsTest, SumsEqualCellsAndDropsWhatIsNotPositive) {
  const auto data = Interactions::FromTriplets(
      3, 4, {{2, 1, 1.0f}, {0, 3, 2.0f}, {2, 1, 0.5f}, {0, 0, 1.0f}, {0, 0, -1.0f}, {2, 0, -3.0f}});
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->offsets, (std::vector<uint64_t>{0, 1, 1, 2}));
  EXPECT_EQ(data->columns, (std::vector<uint32_t>{3, 1}));
  EXPECT_EQ(data->weights, (std::vector<float>{2.0f, 1.5f}));
}

TEST(InteractionsTest, RefusesWhatIsOutsideOrNotANumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), huge = std::numeric_limits<float>::max();
  EXPECT_EQ(Interactions::FromTriplets(2, 2, {{2, 0, 1}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Interactions::FromTriplets(2, 2, {{0, 2, 1}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Interactions::FromTriplets(2, 2, {{0, 0, nan}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Interactions::FromTriplets(2, 2, {{0, 0, huge}, {0, 0, huge}}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(Interactions::FromTriplets(0, 0, {}).ok());
}

TEST(InteractionsTest, AgreesWithAMapAndTransposesBack) {
  Random random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Triplet> triplets;
    std::map<std::pair<uint32_t, uint32_t>, double> expected;
    for (int n = 0; n < 300; ++n) {
      const Triplet t{static_cast<uint32_t>(random.Below(20)), static_cast<uint32_t>(random.Below(15)),
                      static_cast<float>(random.Normal() + 0.3)};
      triplets.push_back(t);
      expected[{t.row, t.column}] += t.weight;
    }
    std::erase_if(expected, [](const auto& cell) { return !(static_cast<float>(cell.second) > 0); });
    const Interactions data = Interactions::FromTriplets(20, 15, triplets).Take();
    ASSERT_EQ(data.nnz(), expected.size());
    auto cell = expected.begin();
    for (uint32_t row = 0; row < 20; ++row) {
      for (size_t k = 0; k < data.RowColumns(row).size(); ++k, ++cell) {
        EXPECT_EQ(cell->first, std::make_pair(row, data.RowColumns(row)[k]));
        EXPECT_EQ(static_cast<float>(cell->second), data.RowWeights(row)[k]);
      }
    }
    const Interactions back = data.Transposed().Transposed();
    EXPECT_EQ(back.offsets, data.offsets);
    EXPECT_EQ(back.columns, data.columns);
    EXPECT_EQ(back.weights, data.weights);
    const Interactions turned = data.Transposed();
    for (uint32_t row = 0; row < turned.rows; ++row) {
      for (size_t k = 0; k < turned.RowColumns(row).size(); ++k) {
        const double weight = expected[{turned.RowColumns(row)[k], row}];
        EXPECT_EQ(turned.RowWeights(row)[k], static_cast<float>(weight));
      }
    }
  }
}

}  // namespace
}  // namespace rapport

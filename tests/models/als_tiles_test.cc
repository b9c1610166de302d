// Rows stepped together, tile by tile, against the same rows stepped one after another (als_steps.h).
#include "models/als_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "models/als_steps.h"
#include "planted_data.h"

namespace rapport {
namespace {

constexpr size_t kFactors = 32;

// A half-epoch to be taken: factors of the fixed side, and what the rows had before.
struct Problem {
  Interactions rows = PlantedInteractions({});
  AlsOptions options;
  std::vector<float> fixed, before;
  std::vector<double> diagonal;
  AlsSide side() const { return {fixed.data(), kFactors, diagonal.data()}; }
};

Problem MakeProblem(int steps) {
  Problem problem;
  problem.options.factors = static_cast<int>(kFactors);
  problem.options.regularization = 0.01;
  problem.options.conjugate_gradient_steps = steps;
  problem.options.threads = 1;
  Random random(5);
  problem.fixed.resize(problem.rows.columns_count * kFactors);
  for (float& factor : problem.fixed) factor = static_cast<float>(0.3 * random.Normal());
  problem.before.resize(problem.rows.rows * kFactors);
  for (float& factor : problem.before) factor = static_cast<float>(0.3 * random.Normal());
  problem.diagonal.resize(kFactors);
  for (double& mass : problem.diagonal) mass = 0.1 + random.Uniform();
  return problem;
}

std::vector<float> RowByRow(const Problem& problem) {
  std::vector<float> solved = problem.before;
  FoldInScratch scratch;
  for (uint32_t r = 0; r < problem.rows.rows; ++r) {
    const auto columns = problem.rows.RowColumns(r);
    const std::span<float> x(solved.data() + r * kFactors, kFactors);
    const double shift = AlsShift(problem.options, columns.size(), problem.rows.columns_count);
    if (columns.empty()) {
      std::fill(x.begin(), x.end(), 0.0f);
    } else {
      EXPECT_TRUE(ConjugateGradientSteps(problem.side(), shift, columns, problem.rows.RowWeights(r),
                                         problem.options.conjugate_gradient_steps, scratch, x));
    }
  }
  return solved;
}

std::vector<float> Tiled(const Problem& problem, size_t tile_rows) {
  std::vector<float> solved = problem.before;
  TiledConjugateGradients(problem.rows, problem.options, problem.side(), tile_rows, solved);
  return solved;
}

double Gap(const std::vector<float>& a, const std::vector<float>& b) {
  double gap = 0, size = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    gap += (static_cast<double>(a[k]) - b[k]) * (static_cast<double>(a[k]) - b[k]);
    size += static_cast<double>(b[k]) * b[k];
  }
  return std::sqrt(gap / size);
}

TEST(AlsTilesTest, TilesOfAnySizeTakeTheStepsOfRows) {
  for (int steps : {1, 2, 3, 6}) {
    const Problem problem = MakeProblem(steps);
    const std::vector<float> expected = RowByRow(problem);
    for (size_t tile_rows : {1, 7, 40, 119, 120, 1000}) {
      EXPECT_LE(Gap(Tiled(problem, tile_rows), expected), 1e-5) << steps << " steps, tiles of " << tile_rows;
    }
  }
}

// The broken twins: a tile that is left out, a step more or less.
TEST(AlsTilesTest, ATileOrAStepMoreOrLessWouldBeSeen) {
  const Problem problem = MakeProblem(2);
  const std::vector<float> tiled = Tiled(problem, 40);
  EXPECT_GT(Gap(tiled, RowByRow(MakeProblem(1))), 1e-3);
  EXPECT_GT(Gap(tiled, RowByRow(MakeProblem(3))), 1e-3);
  Problem without = problem;
  std::vector<Triplet> cells;
  for (uint32_t r = 0; r < problem.rows.rows; ++r) {
    for (size_t e = 0; e < problem.rows.RowColumns(r).size(); ++e) {
      const uint32_t column = problem.rows.RowColumns(r)[e];
      if (column < 80) cells.push_back({r, column, problem.rows.RowWeights(r)[e]});
    }
  }
  without.rows = Interactions::FromTriplets(problem.rows.rows, problem.rows.columns_count, std::move(cells)).Take();
  EXPECT_GT(Gap(tiled, RowByRow(without)), 1e-3);
}

TEST(AlsTilesTest, ThreadsDoNotChangeABit) {
  Problem problem = MakeProblem(3);
  const std::vector<float> one = Tiled(problem, 40);
  for (int threads : {0, 2, 7}) {
    problem.options.threads = threads;
    EXPECT_EQ(Tiled(problem, 40), one) << threads;
  }
}

TEST(AlsTilesTest, OnlyFactorsThatOutgrowTheCachesAreTiled) {
  EXPECT_EQ(TileRows(71'428, 64), 0u);
  EXPECT_EQ(TileRows(714'285, 64), 65'536u);
  EXPECT_EQ(TileRows(714'285, 100), 0u) << "the kernels want a multiple of 16";
  EXPECT_GT(TileRows(100'000'000, 1024), 0u);
}

}  // namespace
}  // namespace rapport

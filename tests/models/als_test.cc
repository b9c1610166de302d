// The fast solver against the slow one, and the promises of als.h.
#include "models/als.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "als_reference.h"
#include "models/als_row.h"
#include "planted_data.h"

namespace rapport {
namespace {

constexpr double kParity = 1e-6;  // relative, at every epoch

AlsOptions SmallOptions(int factors, double unobserved_weight = 0.1, double power = 1.0) {
  AlsOptions options;
  options.factors = factors;
  options.unobserved_weight = unobserved_weight;
  options.regularization = 0.01;
  options.regularization_power = power;
  options.epochs = 3;
  options.threads = 1;
  return options;
}

class AlsParityTest : public testing::TestWithParam<int> {};

TEST_P(AlsParityTest, LossesOfTheFirstEpochsAreThoseOfTheReference) {
  const Interactions data = PlantedInteractions({});
  double largest = 0;
  for (double unobserved_weight : {0.003, 0.1, 1.0}) {
    for (double power : {0.0, 0.5, 1.0}) {
      const AlsOptions options = SmallOptions(GetParam(), unobserved_weight, power);
      const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
      ASSERT_TRUE(fit.ok()) << fit.status().ToString();
      ASSERT_EQ(fit->epoch_losses.size(), 3u);
      const double gap = reference::LargestLossGap(*fit, reference::FitAls(data, options));
      EXPECT_LE(gap, kParity) << "d " << GetParam() << " a " << unobserved_weight << " nu " << power;
      largest = std::max(largest, gap);
    }
  }
  RecordProperty("largest_relative_gap", std::to_string(largest));
  std::printf("d = %d: largest relative gap %.2e\n", GetParam(), largest);
}

INSTANTIATE_TEST_SUITE_P(Factors, AlsParityTest, testing::Values(1, 8, 20, 32, 64));

TEST(AlsTest, WeakRegularizationStillAgrees) {
  const Interactions data = PlantedInteractions({});
  AlsOptions options = SmallOptions(32, 0.001, 1.0);
  options.regularization = 1e-4;
  const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(fit.ok());
  EXPECT_LE(reference::LargestLossGap(*fit, reference::FitAls(data, options)), kParity);
}

TEST(AlsTest, LongRowsAgree) {  // more than 4,096 entries: sums combined in double
  const Interactions data =
      PlantedInteractions({.customers = 30, .items = 9000, .clusters = 3, .mean_items = 50, .seed = 3});
  AlsOptions options = SmallOptions(16);
  options.epochs = 1;
  const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(fit.ok());
  EXPECT_LE(reference::LargestLossGap(*fit, reference::FitAls(data, options)), kParity);
}

TEST(AlsTest, ParitySeesABrokenReference) {
  const Interactions data = PlantedInteractions({});
  const AlsOptions options = SmallOptions(8);
  const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(fit.ok());
  using reference::Breakage;
  for (Breakage breakage : {Breakage::kUnscaledRegularization, Breakage::kCountWithoutUnobserved,
                            Breakage::kUnweightedRightSide, Breakage::kUnobservedOnlyMissing}) {
    EXPECT_GT(reference::LargestLossGap(*fit, reference::FitAls(data, options, breakage)), 100 * kParity)
        << "breakage " << static_cast<int>(breakage);
  }
}

TEST(AlsTest, LossIsItsDefinition) {
  const Interactions data = PlantedInteractions({});
  const AlsOptions options = SmallOptions(8);
  const Result<AlsFit> fit = FitAls(data, options);
  ASSERT_TRUE(fit.ok());
  const double expected = reference::Loss(data, options, reference::ToMatrix(fit->customer_factors, 8),
                                          reference::ToMatrix(fit->model.item_factors, 8));
  EXPECT_NEAR(AlsLoss(data, options, fit->customer_factors, fit->model.item_factors) / expected, 1.0, 1e-12);
}

TEST(AlsTest, LossNeverRises) {
  const Interactions data = PlantedInteractions({});
  AlsOptions options = SmallOptions(16);
  options.epochs = 12;
  const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(fit.ok());
  for (size_t e = 1; e < fit->epoch_losses.size(); ++e) {
    EXPECT_LE(fit->epoch_losses[e], fit->epoch_losses[e - 1] * (1 + 1e-7));
  }
}

TEST(AlsTest, ThreadsDoNotChangeABit) {
  const Interactions data =
      PlantedInteractions({.customers = 1500, .items = 1300, .clusters = 7, .mean_items = 20, .seed = 5});
  AlsOptions options = SmallOptions(24);
  const Result<AlsFit> one = FitAls(data, options);
  ASSERT_TRUE(one.ok());
  for (int threads : {0, 2, 3, 7}) {
    options.threads = threads;
    const Result<AlsFit> many = FitAls(data, options);
    ASSERT_TRUE(many.ok());
    EXPECT_EQ(one->model.item_factors, many->model.item_factors) << threads;
    EXPECT_EQ(one->customer_factors, many->customer_factors) << threads;
    EXPECT_EQ(one->model.gram, many->model.gram) << threads;
  }
}

TEST(AlsTest, TheSeedDecides) {
  const Interactions data = PlantedInteractions({});
  AlsOptions options = SmallOptions(8);
  const Result<AlsFit> first = FitAls(data, options), again = FitAls(data, options);
  options.seed = 2;
  const Result<AlsFit> other = FitAls(data, options);
  ASSERT_TRUE(first.ok() && again.ok() && other.ok());
  EXPECT_EQ(first->model.item_factors, again->model.item_factors);
  EXPECT_NE(first->model.item_factors, other->model.item_factors);
}

TEST(AlsTest, EmptyRowsAreZero) {
  const Interactions data = PlantedInteractions({});
  const Result<AlsFit> fit = FitAls(data, SmallOptions(8));
  ASSERT_TRUE(fit.ok());
  for (size_t k = 0; k < 8; ++k) EXPECT_EQ(fit->customer_factors[k], 0.0f);
}

TEST(AlsTest, AFittedModelIsInPrincipalAxes) {
  const Interactions data = PlantedInteractions({});
  Result<AlsFit> fit = FitAls(data, SmallOptions(16));
  ASSERT_TRUE(fit.ok());
  const std::vector<double>& gram = fit->model.gram;
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_LE(std::abs(gram[i * 16 + j]), 1e-6 * std::sqrt(gram[i * 17] * gram[j * 17]) + 1e-12 * gram[0]);
    }
  }
  const std::vector<float> before = fit->model.item_factors;
  ASSERT_TRUE(CheckAndPrepare(fit->model).ok());
  EXPECT_EQ(before, fit->model.item_factors);
}

// More factors than the data has dimensions: some columns are only rounding; loading must still not move a bit.
TEST(AlsTest, ARankDeficientModelKeepsItsBits) {
  const Interactions data =
      PlantedInteractions({.customers = 12, .items = 40, .clusters = 2, .mean_items = 5, .seed = 1});
  Result<AlsFit> fit = FitAls(data, SmallOptions(32));
  ASSERT_TRUE(fit.ok());
  const std::vector<float> before = fit->model.item_factors;
  ASSERT_TRUE(CheckAndPrepare(fit->model).ok());
  EXPECT_EQ(before, fit->model.item_factors);
}

TEST(AlsTest, CancelsBetweenEpochs) {
  int calls = 0;
  const auto fit = FitAls(PlantedInteractions({}), SmallOptions(8), LossTracking::kOff, [&](int epoch) {
    calls = epoch;
    return epoch < 2;
  });
  EXPECT_EQ(fit.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(calls, 2);
}

TEST(AlsTest, RefusesBadOptions) {
  const Interactions data = PlantedInteractions({});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<AlsOptions> bad(10, SmallOptions(8));
  bad[0].factors = 0;
  bad[1].factors = 100000;
  bad[2].regularization = 0;
  bad[3].regularization = nan;
  bad[4].unobserved_weight = -1;
  bad[5].regularization_power = nan;
  bad[6].init_scale = 0;
  bad[7].epochs = 0;
  bad[8].threads = -1;
  bad[9].unobserved_weight = std::numeric_limits<double>::infinity();
  for (const AlsOptions& options : bad) {
    EXPECT_EQ(FitAls(data, options).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(FitAls(Interactions::FromTriplets(3, 3, {}).Take(), SmallOptions(8)).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(AlsTest, ExtremeWeightsFailOrStayFinite) {
  std::vector<Triplet> triplets;
  for (uint32_t u = 0; u < 20; ++u) {
    for (uint32_t i = 0; i < 10; ++i) triplets.push_back({u, (u + i * i) % 15, u % 2 == 0 ? 3e38f / 16 : 1e-30f});
  }
  const Interactions data = Interactions::FromTriplets(20, 15, triplets).Take();
  const Result<AlsFit> fit = FitAls(data, SmallOptions(8));
  if (!fit.ok()) {
    EXPECT_EQ(fit.status().code(), StatusCode::kInternal);
    return;
  }
  for (float factor : fit->model.item_factors) EXPECT_TRUE(std::isfinite(factor));
}

// --- fold-in ---

double RelativeGap(std::span<const float> actual, const std::vector<double>& expected) {
  double difference = 0, norm = 0;
  for (size_t k = 0; k < expected.size(); ++k) {
    difference += std::pow(actual[k] - expected[k], 2);
    norm += std::pow(expected[k], 2);
  }
  return std::sqrt(difference / (norm + 1e-30));
}

TEST(FoldInTest, ATrainingCustomerGetsTheReferenceSolution) {
  const Interactions data = PlantedInteractions({});
  for (int factors : {8, 20, 64}) {
    const Result<AlsFit> fit = FitAls(data, SmallOptions(factors));
    ASSERT_TRUE(fit.ok());
    const auto d = static_cast<size_t>(factors);
    const reference::Matrix items = reference::ToMatrix(fit->model.item_factors, d);
    FoldInScratch scratch;
    std::vector<float> folded(d);
    for (uint32_t u = 0; u < data.rows; ++u) {
      FoldIn(fit->model, data.RowColumns(u), data.RowWeights(u), scratch, folded);
      const auto expected = reference::SolveRow(items, fit->model.options, data.RowColumns(u), data.RowWeights(u));
      EXPECT_LE(RelativeGap(folded, expected), 2e-5) << "customer " << u << " d " << factors;
    }
  }
}

TEST(FoldInTest, ComparisonSeesABrokenReference) {
  const Interactions data = PlantedInteractions({});
  const Result<AlsFit> fit = FitAls(data, SmallOptions(8));
  ASSERT_TRUE(fit.ok());
  FoldInScratch scratch;
  std::vector<float> folded(8);
  FoldIn(fit->model, data.RowColumns(5), data.RowWeights(5), scratch, folded);
  const auto broken =
      reference::SolveRow(reference::ToMatrix(fit->model.item_factors, 8), fit->model.options, data.RowColumns(5),
                          data.RowWeights(5), reference::Breakage::kCountWithoutUnobserved);
  EXPECT_GT(RelativeGap(folded, broken), 1e-3);
}

TEST(FoldInTest, PrimalDualAndDoubleAgree) {
  const Interactions data = PlantedInteractions({});
  const Result<AlsFit> fit = FitAls(data, SmallOptions(64));
  ASSERT_TRUE(fit.ok());
  std::vector<double> diagonal(64);
  for (size_t k = 0; k < 64; ++k) diagonal[k] = 0.1 * fit->model.gram[k * 65];
  const AlsSide side{fit->model.item_factors.data(), 64, diagonal.data()};
  FoldInScratch scratch;
  std::vector<float> primal(64), dual(64), exact(64);
  for (uint32_t u = 1; u < data.rows; ++u) {
    const auto items = data.RowColumns(u);
    const auto weights = data.RowWeights(u);
    const double shift = AlsShift(fit->model.options, items.size(), data.columns_count);
    ASSERT_TRUE(SolveAlsRow(side, shift, items, weights, RowMethod::kPrimal, scratch, primal));
    ASSERT_TRUE(SolveAlsRow(side, shift, items, weights, RowMethod::kDual, scratch, dual));
    ASSERT_TRUE(SolveAlsRow(side, shift, items, weights, RowMethod::kPrimalDouble, scratch, exact));
    const std::vector<double> expected(exact.begin(), exact.end());
    EXPECT_LE(RelativeGap(primal, expected), 1e-5) << "customer " << u;
    EXPECT_LE(RelativeGap(dual, expected), 1e-5) << "customer " << u;
  }
}

TEST(FoldInTest, NothingIsZeroAndScratchCarriesNothingOver) {
  const Interactions data = PlantedInteractions({});
  const Result<AlsFit> fit = FitAls(data, SmallOptions(20));
  ASSERT_TRUE(fit.ok());
  FoldInScratch used;
  std::vector<float> first(20), second(20);
  FoldIn(fit->model, data.RowColumns(1), data.RowWeights(1), used, first);
  FoldIn(fit->model, data.RowColumns(9), data.RowWeights(9), used, first);
  FoldInScratch fresh;
  FoldIn(fit->model, data.RowColumns(9), data.RowWeights(9), fresh, second);
  EXPECT_EQ(first, second);
  FoldIn(fit->model, {}, {}, used, first);
  EXPECT_EQ(first, std::vector<float>(20, 0.0f));
}

// --- preparing a model that did not come from FitAls ---

TEST(CheckAndPrepareTest, TurnsForeignFactorsWithoutChangingScores) {
  Random random(11);
  AlsModel model;
  model.options = SmallOptions(6);
  model.items = 40;
  for (int i = 0; i < 40 * 6; ++i) model.item_factors.push_back(static_cast<float>(random.Normal()));
  const reference::Matrix original = reference::ToMatrix(model.item_factors, 6);
  ASSERT_TRUE(CheckAndPrepare(model).ok());
  const std::vector<uint32_t> items{3, 7, 30};
  const std::vector<float> weights{1, 2, 0.5f};
  FoldInScratch scratch;
  std::vector<float> folded(6);
  FoldIn(model, items, weights, scratch, folded);
  const auto expected = reference::SolveRow(original, model.options, items, weights);
  for (size_t i = 0; i < 40; ++i) {
    double score = 0, expected_score = 0;
    for (size_t k = 0; k < 6; ++k) {
      score += folded[k] * model.item_factors[i * 6 + k];
      expected_score += expected[k] * original[i][k];
    }
    EXPECT_NEAR(score, expected_score, 1e-5);
  }
}

TEST(CheckAndPrepareTest, RefusesWrongShapesAndNumbers) {
  AlsModel model;
  model.options = SmallOptions(4);
  model.items = 3;
  model.item_factors.assign(11, 1.0f);
  EXPECT_EQ(CheckAndPrepare(model).code(), StatusCode::kInvalidArgument);
  model.item_factors.assign(12, 1.0f);
  model.item_factors[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(CheckAndPrepare(model).code(), StatusCode::kDataLoss);
  model.item_factors[5] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(CheckAndPrepare(model).code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rapport

// The solvers that take steps: each against its own slow twin, and against what they converge to.
#include "models/als_steps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "als_reference.h"
#include "planted_data.h"

namespace rapport {
namespace {

constexpr double kParity = 1e-6;  // relative, at every epoch

AlsOptions StepOptions(AlsSolver solver, int factors, double unobserved_weight = 0.1, double power = 1.0) {
  AlsOptions options;
  options.solver = solver;
  options.factors = factors;
  options.block_size = std::max(2, factors / 4);
  options.unobserved_weight = unobserved_weight;
  options.regularization = 0.01;
  options.regularization_power = power;
  options.epochs = 3;
  options.threads = 1;
  return options;
}

class AlsStepsParityTest : public testing::TestWithParam<std::tuple<AlsSolver, int>> {};

TEST_P(AlsStepsParityTest, LossesOfTheFirstEpochsAreThoseOfTheReference) {
  const auto [solver, factors] = GetParam();
  const Interactions data = PlantedInteractions({});
  double largest = 0;
  for (double unobserved_weight : {0.003, 0.1, 1.0, 4.0}) {
    for (double power : {0.0, 0.5, 1.0}) {
      const AlsOptions options = StepOptions(solver, factors, unobserved_weight, power);
      const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
      ASSERT_TRUE(fit.ok()) << fit.status().ToString();
      const double gap = reference::LargestLossGap(*fit, reference::FitAls(data, options));
      EXPECT_LE(gap, kParity) << "d " << factors << " a " << unobserved_weight << " nu " << power;
      largest = std::max(largest, gap);
    }
  }
  std::printf("%s, d = %d: largest relative gap %.2e\n", std::string(AlsSolverName(solver)).c_str(), factors, largest);
}

INSTANTIATE_TEST_SUITE_P(Solvers, AlsStepsParityTest,
                         testing::Combine(testing::Values(AlsSolver::kConjugateGradient, AlsSolver::kBlocks),
                                          testing::Values(8, 32, 64)));

TEST(AlsStepsTest, ParitySeesABrokenReference) {
  const Interactions data = PlantedInteractions({});
  using reference::Breakage;
  for (const auto& [solver, breakage] : {std::pair{AlsSolver::kConjugateGradient, Breakage::kColdStart},
                                         std::pair{AlsSolver::kConjugateGradient, Breakage::kUnturnedStart},
                                         std::pair{AlsSolver::kConjugateGradient, Breakage::kUnscaledRegularization},
                                         std::pair{AlsSolver::kBlocks, Breakage::kBlockWithoutUnobserved},
                                         std::pair{AlsSolver::kBlocks, Breakage::kUnturnedStart},
                                         std::pair{AlsSolver::kBlocks, Breakage::kUnweightedRightSide}}) {
    AlsOptions options = StepOptions(solver, 16);
    options.conjugate_gradient_steps = 2;
    const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
    ASSERT_TRUE(fit.ok());
    EXPECT_LE(reference::LargestLossGap(*fit, reference::FitAls(data, options)), kParity);
    EXPECT_GT(reference::LargestLossGap(*fit, reference::FitAls(data, options, breakage)), 10 * kParity)
        << AlsSolverName(solver) << " breakage " << static_cast<int>(breakage);
  }
}

AlsFit Fit(const Interactions& data, const AlsOptions& options) {
  return FitAls(data, options, LossTracking::kEveryEpoch).Take();
}

double LargestGap(const AlsFit& a, const AlsFit& b) {
  double gap = 0;
  for (size_t e = 0; e < a.epoch_losses.size(); ++e) {
    gap = std::max(gap, std::abs(a.epoch_losses[e] / b.epoch_losses[e] - 1));
  }
  return gap;
}

TEST(AlsStepsTest, ManyStepsAreTheExactSolution) {
  const Interactions data = PlantedInteractions({});
  for (int factors : {8, 32, 64}) {
    AlsOptions options = StepOptions(AlsSolver::kConjugateGradient, factors);
    AlsOptions exact = options;
    exact.solver = AlsSolver::kExact;
    options.conjugate_gradient_steps = 100;
    EXPECT_LE(LargestGap(Fit(data, options), Fit(data, exact)), kParity) << factors;
    options.conjugate_gradient_steps = 1;
    EXPECT_GT(LargestGap(Fit(data, options), Fit(data, exact)), 10 * kParity) << "one step is not many";
  }
}

TEST(AlsStepsTest, OneBlockIsTheExactSolution) {
  const Interactions data = PlantedInteractions({});
  for (int factors : {8, 32, 64}) {
    AlsOptions options = StepOptions(AlsSolver::kBlocks, factors);
    AlsOptions exact = options;
    exact.solver = AlsSolver::kExact;
    EXPECT_GT(LargestGap(Fit(data, options), Fit(data, exact)), 10 * kParity) << "four blocks are not one";
    options.block_size = factors;
    EXPECT_LE(LargestGap(Fit(data, options), Fit(data, exact)), kParity) << factors;
  }
}

TEST(AlsStepsTest, LongRowsAgree) {  // beyond what is gathered once, and beyond what is summed in float
  const Interactions data =
      PlantedInteractions({.customers = 30, .items = 17000, .clusters = 3, .mean_items = 50, .seed = 3});
  for (AlsSolver solver : {AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    AlsOptions options = StepOptions(solver, 12);
    options.epochs = 1;
    EXPECT_LE(reference::LargestLossGap(Fit(data, options), reference::FitAls(data, options)), kParity)
        << AlsSolverName(solver);
  }
}

TEST(AlsStepsTest, TheLossNeverRisesAndReachesThatOfTheExactSolver) {
  const Interactions data = PlantedInteractions({});
  AlsOptions options = StepOptions(AlsSolver::kExact, 32);
  options.epochs = 30;
  const double target = Fit(data, options).epoch_losses.back();
  for (AlsSolver solver : {AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    options.solver = solver;
    const AlsFit fit = Fit(data, options);
    for (size_t e = 1; e < fit.epoch_losses.size(); ++e) {
      EXPECT_LE(fit.epoch_losses[e], fit.epoch_losses[e - 1] * (1 + 1e-7)) << AlsSolverName(solver);
    }
    EXPECT_LE(fit.epoch_losses.back(), target * 1.01) << AlsSolverName(solver);
  }
}

TEST(AlsStepsTest, ThreadsDoNotChangeABit) {
  const Interactions data =
      PlantedInteractions({.customers = 1500, .items = 1300, .clusters = 7, .mean_items = 40, .seed = 5});
  for (AlsSolver solver : {AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    AlsOptions options = StepOptions(solver, 24);
    const Result<AlsFit> one = FitAls(data, options);
    ASSERT_TRUE(one.ok());
    for (int threads : {0, 2, 3, 7}) {
      options.threads = threads;
      const Result<AlsFit> many = FitAls(data, options);
      ASSERT_TRUE(many.ok());
      EXPECT_EQ(one->model.item_factors, many->model.item_factors) << AlsSolverName(solver) << threads;
      EXPECT_EQ(one->customer_factors, many->customer_factors) << AlsSolverName(solver) << threads;
    }
  }
}

TEST(AlsStepsTest, RowsThatTheSolverCannotImproveAreSolvedExactlyOrRefused) {
  std::vector<Triplet> triplets;
  for (uint32_t u = 0; u < 60; ++u) {
    for (uint32_t i = 0; i < 40; ++i) triplets.push_back({u, (u + i * i) % 50, u % 2 == 0 ? 3e38f / 64 : 1e-30f});
  }
  const Interactions data = Interactions::FromTriplets(60, 50, triplets).Take();
  for (AlsSolver solver : {AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    const Result<AlsFit> fit = FitAls(data, StepOptions(solver, 8));
    if (!fit.ok()) {
      EXPECT_EQ(fit.status().code(), StatusCode::kInternal);
      continue;
    }
    for (float factor : fit->model.item_factors) EXPECT_TRUE(std::isfinite(factor));
  }
}

TEST(AlsSolverTest, NamesAreReadAndWritten) {
  for (AlsSolver solver : {AlsSolver::kAuto, AlsSolver::kExact, AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    const Result<AlsSolver> parsed = ParseAlsSolver(AlsSolverName(solver));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, solver);
  }
  const Result<AlsSolver> unknown = ParseAlsSolver("cg");
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("use auto, exact, conjugate-gradient or blocks"), std::string::npos);
}

TEST(AlsSolverTest, TheDefaultIsExactAtItsSize) {
  AlsOptions options;
  ASSERT_EQ(options.factors, 64);
  EXPECT_EQ(ResolveAlsSolver(options), AlsSolver::kExact);
  options.solver = AlsSolver::kBlocks;
  EXPECT_EQ(ResolveAlsSolver(options), AlsSolver::kBlocks);
}

TEST(AlsSolverTest, RefusesBadOptions) {
  const Interactions data = PlantedInteractions({});
  for (auto [steps, block] : {std::pair{0, 64}, std::pair{1001, 64}, std::pair{3, 0}, std::pair{3, 1025}}) {
    AlsOptions options = StepOptions(AlsSolver::kConjugateGradient, 8);
    options.conjugate_gradient_steps = steps;
    options.block_size = block;
    EXPECT_EQ(FitAls(data, options).status().code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace rapport

// A spectral start against its formula in dense double matrices, and what it is for: fewer epochs.
#include "models/als_start.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "als_reference.h"
#include "base/random.h"
#include "models/als.h"
#include "models/als_loss.h"
#include "planted_data.h"

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

AlsOptions SpectralOptions(int factors) {
  AlsOptions options;
  options.factors = factors;
  options.unobserved_weight = 0.1;
  options.regularization = 0.01;
  options.epochs = 3;
  options.start = AlsStart::kSpectral;
  return options;
}

struct Start {
  Status status;
  std::vector<float> customers, items;
};
Start StartOf(const Interactions& data, const AlsOptions& options) {
  const auto d = static_cast<size_t>(options.factors);
  Start start{{}, std::vector<float>(data.rows * d, 1.0f), std::vector<float>(data.columns_count * d, 1.0f)};
  start.status = StartItems(data, data.Transposed(), options, start.customers, start.items);
  return start;
}

MatrixXd MatrixOf(std::span<const float> factors, int d) {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Rows>(factors.data(), static_cast<Eigen::Index>(factors.size()) / d, d).cast<double>();
}

enum class Breakage { kNone, kNotNormalized, kWithoutPower, kAllAxesAlike };

// Y Y^T of als_start.h, in which no axis' sign is seen.
MatrixXd ExpectedOuter(const Interactions& data, const AlsOptions& options, Breakage breakage) {
  MatrixXd w = MatrixXd::Zero(data.rows, data.columns_count), signs(data.columns_count, options.factors);
  for (uint32_t u = 0; u < data.rows; ++u) {
    for (size_t e = 0; e < data.RowColumns(u).size(); ++e) w(u, data.RowColumns(u)[e]) = data.RowWeights(u)[e];
  }
  for (Eigen::Index i = 0; i < signs.rows(); ++i) {
    Random stream = Random(options.seed).Fork(static_cast<uint64_t>(i));
    uint64_t bits = 0;
    for (Eigen::Index k = 0; k < signs.cols(); ++k, bits >>= 1) {
      if (k % 64 == 0) bits = stream.NextU64();
      signs(i, k) = (bits & 1) != 0 ? -1 : 1;
    }
  }
  const VectorXd r = w.rowwise().sum().cwiseMax(1e-9), c = w.colwise().sum().transpose().cwiseMax(1e-9);
  MatrixXd n = r.cwiseSqrt().cwiseInverse().asDiagonal() * w * c.cwiseSqrt().cwiseInverse().asDiagonal();
  if (breakage == Breakage::kNotNormalized) n = w;
  MatrixXd z = n.transpose() * (n * signs);
  if (breakage != Breakage::kWithoutPower) z = n.transpose() * (n * z);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> axes(z.transpose() * z);
  const VectorXd masses = axes.eigenvalues();
  VectorXd s = (masses / masses.maxCoeff()).array().pow(1.0 / 8);
  if (breakage == Breakage::kAllAxesAlike) s.setOnes();
  const MatrixXd y = c.cwiseSqrt().asDiagonal() * z * axes.eigenvectors();
  return y * s.cwiseQuotient(masses).asDiagonal() * y.transpose();
}

double Gap(const MatrixXd& outer, const MatrixXd& expected) { return (outer - expected).norm() / expected.norm(); }

TEST(AlsStartTest, SpectralIsItsFormula) {
  const Interactions data = PlantedInteractions({});
  for (int factors : {1, 5, 16}) {
    const AlsOptions options = SpectralOptions(factors);
    const Start start = StartOf(data, options);
    ASSERT_TRUE(start.status.ok()) << start.status.ToString();
    const MatrixXd y = MatrixOf(start.items, factors);
    EXPECT_LE(Gap(y * y.transpose(), ExpectedOuter(data, options, Breakage::kNone)), 1e-4) << factors;
    EXPECT_EQ(start.customers, std::vector<float>(start.customers.size())) << "working space is left as zeros";
  }
}

TEST(AlsStartTest, TheFormulaSeesABrokenOne) {
  const Interactions data = PlantedInteractions({});
  const AlsOptions options = SpectralOptions(5);
  const MatrixXd y = MatrixOf(StartOf(data, options).items, 5);
  for (Breakage breakage : {Breakage::kNotNormalized, Breakage::kWithoutPower, Breakage::kAllAxesAlike}) {
    EXPECT_GT(Gap(y * y.transpose(), ExpectedOuter(data, options, breakage)), 0.01) << static_cast<int>(breakage);
  }
}

// What training from it is held to: the reference starts where it starts and goes on in double.
TEST(AlsStartTest, LossesAreThoseOfTheReference) {
  const Interactions data = PlantedInteractions({});
  for (AlsSolver solver : {AlsSolver::kExact, AlsSolver::kConjugateGradient, AlsSolver::kBlocks}) {
    AlsOptions options = SpectralOptions(16);
    options.solver = solver;
    options.block_size = 8;
    const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
    ASSERT_TRUE(fit.ok()) << fit.status().ToString();
    EXPECT_LE(reference::LargestLossGap(*fit, reference::FitAls(data, options)), 1e-6) << AlsSolverName(solver);
  }
}

// The broken twin: sides that are not balanced end elsewhere after as many steps.
TEST(AlsStartTest, ParitySeesSidesThatAreNotBalanced) {
  const Interactions data = PlantedInteractions({});
  AlsOptions options = SpectralOptions(16);
  options.solver = AlsSolver::kConjugateGradient;
  const Result<AlsFit> fit = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(fit.ok());
  const auto unbalanced = reference::FitAls(data, options, reference::Breakage::kUnbalanced);
  EXPECT_GT(reference::LargestLossGap(*fit, unbalanced), 1e-5);
}

TEST(AlsStartTest, BalanceLowersThePenaltyAndChangesNoScore) {
  const Interactions data = PlantedInteractions({});
  const AlsOptions options = SpectralOptions(8);
  Random random(3);
  std::vector<float> customers(data.rows * 8), items(data.columns_count * 8);
  for (float& factor : customers) factor = static_cast<float>(random.Normal());
  for (float& factor : items) factor = static_cast<float>(0.01 * random.Normal());
  const double loss = AlsLoss(data, options, customers, items);
  const MatrixXd scores = MatrixOf(customers, 8) * MatrixOf(items, 8).transpose();
  BalanceSides(data, options, customers, items);
  EXPECT_LE(Gap(MatrixOf(customers, 8) * MatrixOf(items, 8).transpose(), scores), 1e-6);
  const double balanced = AlsLoss(data, options, customers, items);
  EXPECT_LT(balanced, loss);
  for (float t : {0.97f, 1.03f}) {  // the least of all such
    std::vector<float> x = customers, y = items;
    for (float& factor : x) factor /= t;
    for (float& factor : y) factor *= t;
    EXPECT_GT(AlsLoss(data, options, x, y), balanced);
  }
}

TEST(AlsStartTest, ItsLossIsTheLowerAfterAsManyEpochs) {
  const Interactions data =
      PlantedInteractions({.customers = 1500, .items = 800, .clusters = 8, .mean_items = 20, .seed = 5});
  AlsOptions options = SpectralOptions(16);
  options.solver = AlsSolver::kConjugateGradient;
  const Result<AlsFit> spectral = FitAls(data, options, LossTracking::kEveryEpoch);
  options.start = AlsStart::kRandom;
  const Result<AlsFit> random = FitAls(data, options, LossTracking::kEveryEpoch);
  ASSERT_TRUE(spectral.ok() && random.ok());
  for (size_t e = 0; e < 3; ++e) EXPECT_LT(spectral->epoch_losses[e], random->epoch_losses[e]) << e;
}

TEST(AlsStartTest, ThreadsDoNotChangeABitAndTheSeedDecides) {
  const Interactions data =
      PlantedInteractions({.customers = 1500, .items = 1300, .clusters = 7, .mean_items = 20, .seed = 5});
  AlsOptions options = SpectralOptions(24);
  options.threads = 1;
  const Start one = StartOf(data, options);
  for (int threads : {0, 2, 7}) {
    options.threads = threads;
    EXPECT_EQ(StartOf(data, options).items, one.items) << threads;
  }
  options.seed = 2;
  EXPECT_NE(StartOf(data, options).items, one.items);
}

TEST(AlsStartTest, FewItemsOneCustomerAndExtremeWeightsTrain) {
  const auto trains = [](uint32_t rows, uint32_t columns, std::vector<Triplet> cells) {
    const Interactions data = Interactions::FromTriplets(rows, columns, std::move(cells)).Take();
    const Result<AlsFit> fit = FitAls(data, SpectralOptions(32), LossTracking::kEveryEpoch);
    ASSERT_TRUE(fit.ok()) << fit.status().ToString();
    EXPECT_TRUE(std::isfinite(fit->epoch_losses.back()));
  };
  trains(1, 1, {{0, 0, 1}});
  trains(3, 5, {{0, 1, 1}, {1, 1, 1}, {2, 4, 1}});
  trains(2, 3, {{0, 0, 1e-20f}, {0, 1, 1e15f}, {1, 1, 1}, {1, 2, 1e-3f}});
}

}  // namespace
}  // namespace rapport

// EASE against its definition in dense double precision; both ways give the same scores; the inverse inverts.
#include "models/ease.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "base/random.h"
#include "models/symmetric_inverse.h"

namespace rapport {
namespace {

Interactions RandomInteractions(uint64_t seed, uint32_t rows, uint32_t columns, double density) {
  Random random(seed);
  std::vector<Triplet> triplets;
  for (uint32_t u = 0; u < rows; ++u) {
    for (uint32_t i = 0; i < columns; ++i) {
      if (random.Uniform() < density * (1 + 3.0 * (i % 7 == u % 7))) triplets.push_back({u, i, 1.0f});
    }
  }
  return Interactions::FromTriplets(rows, columns, std::move(triplets)).Take();
}

Eigen::MatrixXd Dense(const Interactions& x) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(x.rows, x.columns_count);
  for (uint32_t u = 0; u < x.rows; ++u) {
    for (const uint32_t i : x.RowColumns(u)) out(u, i) = 1;
  }
  return out;
}

// The definition at the top of models/ease.h.
Eigen::MatrixXd ReferenceWeights(const Interactions& by_customer, const EaseOptions& options) {
  const Eigen::MatrixXd x = Dense(by_customer);
  const double mean = static_cast<double>(by_customer.nnz()) / by_customer.rows;
  Eigen::VectorXd d = x.rowwise().sum();
  for (Eigen::Index u = 0; u < d.size(); ++u) d(u) = d(u) == 0 ? 0 : std::pow(d(u) / mean, -options.customer_power);
  const Eigen::MatrixXd g =
      x.transpose() * d.asDiagonal() * x + options.regularization * Eigen::MatrixXd::Identity(x.cols(), x.cols());
  const Eigen::MatrixXd p = g.inverse();
  Eigen::MatrixXd b = -(p * p.diagonal().cwiseInverse().asDiagonal());
  b.diagonal().setZero();
  return b;
}

class EaseTest : public ::testing::TestWithParam<double> {};

TEST_P(EaseTest, EqualsItsDefinitionByItemsAndByCustomers) {
  const Interactions x = RandomInteractions(3, 170, 301, 0.03);
  EaseOptions options;
  options.regularization = 5;
  options.customer_power = GetParam();
  const Eigen::MatrixXd reference = ReferenceWeights(x, options);
  const EaseModel model = FitEase(x, options).Take();
  for (uint32_t i = 0; i < model.items; ++i) {
    for (uint32_t j = 0; j < model.items; ++j) {
      ASSERT_NEAR(model.weights[size_t{i} * model.items + j], reference(i, j), 2e-5) << i << " " << j;
    }
  }
  const EaseByCustomer dual = EaseByCustomer::Fit(x, options).Take();
  const Eigen::MatrixXd expected = Dense(x) * reference;
  std::vector<float> by_items(x.columns_count), by_customers(x.columns_count), scratch;
  for (uint32_t u = 0; u < x.rows; ++u) {
    std::fill(by_items.begin(), by_items.end(), 0.0f);
    AddEaseScores(model, x.RowColumns(u), x.RowWeights(u), by_items);
    dual.Score(u, by_customers, scratch);
    for (uint32_t i = 0; i < x.columns_count && !x.RowColumns(u).empty(); ++i) {
      ASSERT_NEAR(by_items[i], expected(u, i), 1e-4);
      ASSERT_NEAR(by_customers[i], expected(u, i), 1e-4) << "customer " << u << " item " << i;
    }
  }
  // Broken twin: another regularization is another model, and the comparison sees it.
  EaseOptions broken = options;
  broken.regularization = 6;
  const Eigen::MatrixXd other = ReferenceWeights(x, broken);
  EXPECT_GT((other - reference).cwiseAbs().maxCoeff(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(CustomerPowers, EaseTest, ::testing::Values(0.0, 0.3));

TEST(EaseTest, RefusesWhatItCannotFit) {
  const Interactions x = RandomInteractions(1, 20, 30, 0.1);
  EaseOptions options;
  options.size_max = 10;
  EXPECT_EQ(FitEase(x, options).status().code(), StatusCode::kResourceExhausted);
  options = {};
  options.regularization = 0;
  EXPECT_EQ(FitEase(x, options).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FitEase(Interactions{}, EaseOptions{}).status().code(), StatusCode::kInvalidArgument);
}

TEST(SymmetricInverseTest, TimesTheMatrixIsTheUnitOnAnyThreadCount) {
  for (const size_t n : {1u, 127u, 128u, 300u}) {
    Random random(n);
    SymmetricTiles matrix(n);
    std::vector<float> z(n);
    for (int rank = 0; rank < 20; ++rank) {
      for (float& value : z) value = static_cast<float>(random.Normal());
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j <= i; ++j) matrix.Add(i, j, z[i] * z[j]);
      }
    }
    for (size_t i = 0; i < n; ++i) matrix.Add(i, i, 30.0f);
    SymmetricTiles one = matrix, two = matrix;
    ASSERT_TRUE(InvertSymmetric(one, 1).ok());
    ASSERT_TRUE(InvertSymmetric(two, 2).ok());
    std::vector<float> row(n), column(n);
    for (size_t i = 0; i < n; i += 13) {
      for (size_t j = 0; j < n; j += 11) {
        ASSERT_EQ(one.At(i, j), two.At(i, j));
        one.CopyRow(i, row.data());
        matrix.CopyRow(j, column.data());
        double sum = 0;
        for (size_t k = 0; k < n; ++k) sum += double{row[k]} * column[k];
        ASSERT_NEAR(sum, i == j ? 1 : 0, 1e-4);
      }
    }
  }
  SymmetricTiles indefinite(3);
  indefinite.Add(0, 0, -1);
  EXPECT_FALSE(InvertSymmetric(indefinite, 1).ok());
}

}  // namespace
}  // namespace rapport

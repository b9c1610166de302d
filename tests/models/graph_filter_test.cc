// The graph filter against its definition with dense matrices and a full eigendecomposition in double.
#include "models/graph_filter.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "planted_data.h"

namespace rapport {
namespace {

struct Reference {
  Eigen::MatrixXd scores;  // (customers, items)
  Eigen::VectorXd eigenvalues;
};

// The definition at the head of models/graph_filter.h.
Reference Define(const Interactions& x, int rank, double share) {
  Eigen::MatrixXd r = Eigen::MatrixXd::Zero(x.rows, x.columns_count);
  for (uint32_t u = 0; u < x.rows; ++u) {
    for (const uint32_t i : x.RowColumns(u)) r(u, i) = 1;
  }
  const auto inverse_root = [](const Eigen::VectorXd& degrees) {
    return Eigen::VectorXd(degrees.unaryExpr([](double n) { return n > 0 ? 1 / std::sqrt(n) : 0.0; }));
  };
  const Eigen::VectorXd customers = inverse_root(r.rowwise().sum()), items = inverse_root(r.colwise().sum());
  const Eigen::VectorXd roots = items.unaryExpr([](double n) { return n > 0 ? 1 / n : 0.0; });
  const Eigen::MatrixXd normalized = customers.asDiagonal() * r * items.asDiagonal();
  const Eigen::MatrixXd p = normalized.transpose() * normalized;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(p);
  const Eigen::MatrixXd v = eigen.eigenvectors().rightCols(rank);
  const Eigen::MatrixXd low_pass = items.asDiagonal() * (v * v.transpose()) * roots.asDiagonal();
  return {r * (p + share * low_pass), eigen.eigenvalues().reverse().head(rank)};
}

double LargestGap(const GraphFilter& model, const Interactions& x, const Eigen::MatrixXd& scores) {
  GraphFilterScratch scratch;
  std::vector<float> own(x.columns_count);
  double gap = 0;
  for (uint32_t u = 0; u < x.rows; ++u) {
    model.Score(x.RowColumns(u), scratch, own);
    for (uint32_t i = 0; i < x.columns_count; ++i) gap = std::max(gap, std::abs(own[i] - scores(u, i)));
  }
  return gap;
}

GraphFilterOptions SmallOptions(int threads) {
  GraphFilterOptions options;
  options.rank = 6;
  options.iterations = 200;  // eigenvalues of a random graph lie close together
  options.threads = threads;
  return options;
}

TEST(GraphFilterTest, EqualsItsDefinition) {
  const Interactions x = PlantedInteractions({});
  const GraphFilter model = GraphFilter::Fit(x, SmallOptions(1)).Take();
  const Reference reference = Define(x, 6, 0.3);
  ASSERT_EQ(model.eigenvalues().size(), 6u);
  for (int k = 0; k < 6; ++k) EXPECT_NEAR(model.eigenvalues()[k], reference.eigenvalues(k), 1e-9);
  EXPECT_LT(LargestGap(model, x, reference.scores), 1e-5);
  // The check can fail: without the second part, and with the directions of another rank.
  EXPECT_GT(LargestGap(model, x, Define(x, 6, 0.0).scores), 1e-3);
  EXPECT_GT(LargestGap(model, x, Define(x, 5, 0.3).scores), 1e-4);
}

TEST(GraphFilterTest, TheSameBitsOnEveryThreadCount) {
  const Interactions x = PlantedInteractions({.customers = 700, .items = 300});
  const GraphFilter one = GraphFilter::Fit(x, SmallOptions(1)).Take(),
                    three = GraphFilter::Fit(x, SmallOptions(3)).Take();
  GraphFilterScratch scratch;
  std::vector<float> a(x.columns_count), b(x.columns_count);
  for (uint32_t u = 0; u < x.rows; u += 13) {
    one.Score(x.RowColumns(u), scratch, a);
    three.Score(x.RowColumns(u), scratch, b);
    ASSERT_EQ(a, b);
  }
}

TEST(GraphFilterTest, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(GraphFilter::Fit(Interactions{}, {}).ok());
  const Interactions x = PlantedInteractions({});
  EXPECT_FALSE(GraphFilter::Fit(x, {.rank = -1}).ok());
  EXPECT_FALSE(GraphFilter::Fit(x, {.low_pass_share = std::nan("")}).ok());
  EXPECT_TRUE(GraphFilter::Fit(x, {.rank = 0}).ok());
  EXPECT_TRUE(GraphFilter::Fit(x, {.rank = 4000}).ok()) << "no more directions than rows";
}

}  // namespace
}  // namespace rapport

// Attributes: vectors and kin equal a plain computation in double; the map equals a dense solve; a newcomer is what its
// attributes say and nothing else.
#include "models/attributes.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "models/attribute_map.h"
#include "models/newcomers.h"
#include "planted_data.h"

namespace rapport {
namespace {

std::vector<AttributeItem> RandomItems(size_t count, size_t embedding, uint64_t seed) {
  Random random(seed);
  std::vector<AttributeItem> items(count);
  for (AttributeItem& item : items) {
    std::set<uint64_t> tokens;
    for (uint64_t n = random.Below(8); n > 0; --n) tokens.insert(100 + random.Below(30) * random.Below(4));
    item.tokens.assign(tokens.begin(), tokens.end());
    item.price = static_cast<float>(random.Below(3));
    item.category = random.Below(4);
    if (random.Uniform() < 0.7) {
      for (size_t k = 0; k < embedding; ++k) item.embedding.push_back(static_cast<float>(random.Normal()));
    }
  }
  return items;
}

// The vector of the head of attributes.h, by token and by dimension, in double.
struct PlainVector {
  std::map<uint64_t, double> text;
  std::vector<double> dense;
};
PlainVector PlainEncode(const std::vector<AttributeItem>& items, const AttributeItem& item) {
  PlainVector out;
  double square = 0, dense_square = 0;
  for (const uint64_t token : item.tokens) {
    size_t count = 0;
    for (const AttributeItem& other : items) {
      count += static_cast<size_t>(std::count(other.tokens.begin(), other.tokens.end(), token));
    }
    if (count < 2 || 2 * count > items.size()) continue;
    const double idf = std::log((1.0 + static_cast<double>(items.size())) / (1.0 + static_cast<double>(count)));
    out.text[token] = idf;
    square += idf * idf;
  }
  for (const float x : item.embedding) dense_square += static_cast<double>(x) * x;
  const double parts = (out.text.empty() ? 0 : 1) + (dense_square > 0 ? 1 : 0);
  for (auto& [token, value] : out.text) value /= std::sqrt(square * parts);
  for (const float x : item.embedding) out.dense.push_back(dense_square > 0 ? x / std::sqrt(dense_square * parts) : 0);
  return out;
}
double PlainCosine(const PlainVector& a, const PlainVector& b) {
  double sum = 0;
  for (const auto& [token, value] : a.text) {
    const auto found = b.text.find(token);
    if (found != b.text.end()) sum += value * found->second;
  }
  for (size_t k = 0; k < std::min(a.dense.size(), b.dense.size()); ++k) sum += a.dense[k] * b.dense[k];
  return sum;
}

TEST(AttributesTest, KinAreTheNearestByCosine) {
  for (const size_t embedding : {0, 5}) {
    const std::vector<AttributeItem> items = RandomItems(60, embedding, 3 + embedding);
    AttributeOptions options;
    options.neighbours = 7;
    const AttributeModel model = FitAttributes(items, options);
    EXPECT_EQ(model.embedding, embedding);
    for (uint32_t row = 0; row < items.size(); ++row) {
      const PlainVector own = PlainEncode(items, items[row]);
      std::vector<double> cosines;
      for (uint32_t other = 0; other < items.size(); ++other) {
        if (other != row) cosines.push_back(PlainCosine(own, PlainEncode(items, items[other])));
      }
      std::sort(cosines.begin(), cosines.end(), std::greater<>());
      const auto kin = model.kin.Of(row);
      const size_t positive = static_cast<size_t>(
          std::count_if(cosines.begin(), cosines.end(), [](double cosine) { return cosine > 1e-6; }));
      ASSERT_GE(kin.size(), std::min<size_t>(7, positive)) << row;
      for (size_t i = 0; i < kin.size(); ++i) {
        EXPECT_NEAR(kin[i].score, cosines[i], 1e-5) << row;
        EXPECT_NEAR(kin[i].score, PlainCosine(own, PlainEncode(items, items[kin[i].item])), 1e-5);
      }
    }
  }
}

TEST(AttributesTest, AProfileScoresAsTheSumOfCosines) {
  const std::vector<AttributeItem> items = RandomItems(40, 3, 9);
  const AttributeModel model = FitAttributes(items, {});
  const std::vector<uint32_t> rows{2, 5, 30};
  const std::vector<float> weights{1, 0.5f, 2};
  std::vector<float> profile;
  AttributeProfile(model, rows, weights, profile);
  double length = 0;
  for (const float x : profile) length += static_cast<double>(x) * x;
  EXPECT_NEAR(length, 1, 1e-5);
  double first_share = 0;
  for (uint32_t item = 0; item < items.size(); ++item) {
    double sum = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      sum += weights[i] * PlainCosine(PlainEncode(items, items[rows[i]]), PlainEncode(items, items[item]));
    }
    const double dot = Dot(EncodeAttributes(model, items[item]), profile);
    if (std::abs(sum) < 1e-6) continue;
    if (first_share == 0) first_share = dot / sum;
    EXPECT_NEAR(dot / sum, first_share, 1e-3 * std::abs(first_share)) << "one scale for all";
  }
}

TEST(AttributesTest, OddLengthsAndUnknownWordsAreLeftOut) {
  std::vector<AttributeItem> items = RandomItems(30, 4, 1);
  items[3].embedding = {1, 2};
  const AttributeModel model = FitAttributes(items, {});
  EXPECT_EQ(model.embedding, 4u);
  AttributeItem unknown;
  unknown.tokens = {7, 8, 9};
  unknown.embedding = {1};
  EXPECT_TRUE(EncodeAttributes(model, unknown).columns.empty());
  EXPECT_TRUE(EncodeAttributes(model, AttributeItem{}).columns.empty());
  EXPECT_EQ(FitAttributes({}, {}).rows(), 0u);
  EXPECT_EQ(FitAttributes(std::vector<AttributeItem>(1), {}).rows(), 1u) << "a catalogue of one";
}

TEST(AttributesTest, TheSameBitsOnEveryThreadCount) {
  const std::vector<AttributeItem> items = RandomItems(400, 3, 4);
  AttributeOptions one, three;
  one.threads = 1;
  three.threads = 3;
  const AttributeModel a = FitAttributes(items, one), b = FitAttributes(items, three);
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.kin.neighbours.size(), b.kin.neighbours.size());
  for (size_t i = 0; i < a.kin.neighbours.size(); ++i) EXPECT_EQ(a.kin.neighbours[i].score, b.kin.neighbours[i].score);
}

// (Z^T E Z + R)^-1 Z^T E Y, dense, in double.
Eigen::MatrixXd DenseMap(const AttributeModel& model, const std::vector<float>& factors, size_t d,
                         const std::vector<double>& evidence, double r) {
  const auto rows = static_cast<Eigen::Index>(model.rows()), width = static_cast<Eigen::Index>(model.width()) + 1;
  Eigen::MatrixXd z = Eigen::MatrixXd::Zero(rows, width), y(rows, static_cast<Eigen::Index>(d));
  Eigen::VectorXd e(rows);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const auto row = static_cast<size_t>(i);
    for (uint64_t k = model.offsets[row]; k < model.offsets[row + 1]; ++k) z(i, model.columns[k]) = model.values[k];
    z(i, width - 1) = 1;
    e(i) = evidence[row];
    for (size_t k = 0; k < d; ++k) y(i, static_cast<Eigen::Index>(k)) = factors[row * d + k];
  }
  Eigen::MatrixXd left = z.transpose() * e.asDiagonal() * z;
  left.diagonal().array() += r;
  left(width - 1, width - 1) += r / 1000 - r;
  return left.fullPivLu().solve(z.transpose() * e.asDiagonal() * y);
}

TEST(AttributeMapTest, EqualsADenseSolveAndTellsABrokenOneApart) {
  Random random(5);
  const size_t d = 3;
  const AttributeModel model = FitAttributes(RandomItems(80, 4, 2), {});
  std::vector<float> factors;
  std::vector<uint32_t> counts;
  std::vector<double> evidence, unweighted(model.rows(), 1.0);
  for (uint32_t row = 0; row < model.rows(); ++row) {
    for (size_t k = 0; k < d; ++k) factors.push_back(static_cast<float>(random.Normal()));
    counts.push_back(static_cast<uint32_t>(random.Below(40)));
    evidence.push_back(counts.back() / (counts.back() + 10.0));
  }
  for (const double r : {0.01, 1.0, 30.0}) {
    AttributeOptions options;
    options.regularization = r;
    const std::vector<float> map = FitAttributeMap(model, factors, d, counts, options).Take();
    const Eigen::MatrixXd expected = DenseMap(model, factors, d, evidence, r);
    const Eigen::MatrixXd broken = DenseMap(model, factors, d, unweighted, r);
    double largest = 0, apart = 0;
    for (size_t c = 0; c <= model.width(); ++c) {
      for (size_t k = 0; k < d; ++k) {
        const auto i = static_cast<Eigen::Index>(c), j = static_cast<Eigen::Index>(k);
        largest = std::max(largest, std::abs(map[c * d + k] - expected(i, j)));
        apart = std::max(apart, std::abs(map[c * d + k] - broken(i, j)));
      }
    }
    EXPECT_LT(largest, 1e-5) << r;
    EXPECT_GT(apart, 1e-3) << "a map that ignores the evidence is told apart, r = " << r;
  }
  EXPECT_EQ(FitAttributeMap(model, factors, d, std::vector<uint32_t>(3), {}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(NewcomersTest, AreAFunctionOfTheirAttributes) {
  const Interactions data = PlantedInteractions({.customers = 60, .items = 40});
  AlsOptions als;
  als.factors = 8;
  als.epochs = 2;
  ContentModel model;
  model.als = FitAls(data, als).Take().model;
  for (uint64_t i = 0; i < 40; ++i) model.item_ids.push_back(i + 1);
  const std::vector<AttributeItem> items = RandomItems(40, 0, 6);
  model.attributes = FitAttributes(items, {});
  uint32_t twin = 0;  // some item that has words
  while (model.attributes.kin.Of(twin).empty()) ++twin;
  model.attributes.map =
      FitAttributeMap(model.attributes, model.als.item_factors, 8, std::vector<uint32_t>(40, 5), {}).Take();
  model.stack.recent14.assign(40, 0.0f);
  model.stack.recent14[twin] = 3;
  const AttributeIndex index(model.attributes);
  const std::vector<uint64_t> ids{50, 51, 60};
  std::vector<AttributeItem> fresh{items[twin], AttributeItem{}, items[twin]};
  const Newcomers newcomers = MakeNewcomers(model, index, ids, fresh, 2);
  ASSERT_EQ(newcomers.size(), 3u);
  ASSERT_FALSE(newcomers.kin[0].empty());
  EXPECT_NEAR(newcomers.kin[0][0].score, 1, 1e-5) << "the item it is a copy of";
  EXPECT_GT(newcomers.recent[0], 0);
  EXPECT_EQ(newcomers.recent[1], 0) << "nothing is known of it";
  EXPECT_TRUE(newcomers.kin[1].empty());
  for (size_t k = 0; k < 8; ++k) {
    EXPECT_EQ(newcomers.factors[k], newcomers.factors[16 + k]);
    EXPECT_EQ(newcomers.factors[8 + k], model.attributes.map[model.attributes.width() * 8 + k]) << "the constant alone";
  }
}

}  // namespace
}  // namespace rapport

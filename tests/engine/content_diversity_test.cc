// Diversity against the definition written plainly, its two ends, and what it promises of whole lists.
#include <gtest/gtest.h>

#include "engine/content/diversity.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {6};

// Random candidates with descending scores, some of them equal.
struct Candidates {
  Candidates(uint64_t seed, size_t count) : random(seed) {
    models = ModelSet::Make(1, RandomContentModel(random, count, 3));
    float score = 5;
    for (uint64_t id = 1; id <= count; ++id) {
      Item& item = items.emplace_back(RandomShopItem(random, id, count, kShopOpens));
      item.categories.push_back("c" + std::to_string(random.Below(5)));
      scores.push_back(score);
      if (Chance(random, 0.7)) score -= static_cast<float>(random.Uniform());
    }
    for (const Item& item : items) pointers.push_back(&item);
  }
  Random random;
  std::shared_ptr<const ModelSet> models;
  std::vector<Item> items;
  std::vector<const Item*> pointers;
  std::vector<float> scores;
};

// Similarity by its definition: dense factors out of the model, sets of texts.
double PlainSimilarity(const Candidates& all, size_t a, size_t b) {
  const ContentModel& model = *all.models->content;
  const auto d = static_cast<size_t>(model.als.options.factors);
  const uint32_t row_a = model.RowOf(all.items[a].id), row_b = model.RowOf(all.items[b].id);
  if (row_a != kNoRow && row_b != kNoRow) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t k = 0; k < d; ++k) {
      const double x = model.als.item_factors[row_a * d + k], y = model.als.item_factors[row_b * d + k];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return std::max(0.0, ab / std::sqrt(aa * bb));
  }
  const std::set<std::string> one(all.items[a].categories.begin(), all.items[a].categories.end());
  std::set<std::string> both(all.items[b].categories.begin(), all.items[b].categories.end());
  double common = 0;
  for (const std::string& text : one) common += static_cast<double>(both.count(text));
  both.insert(one.begin(), one.end());
  return both.empty() ? 0 : common / static_cast<double>(both.size());
}

// What an item is held against: the most similar one chosen (the method), or, in the broken twin, the average one.
enum class Against { kMostSimilar, kAverage };

// Every step looks at every pair anew.
std::vector<uint32_t> PlainGreedy(const Candidates& all, double d, size_t count,
                                  Against against = Against::kMostSimilar) {
  std::vector<uint32_t> chosen;
  const double low = all.scores.back(), range = all.scores.front() - low;
  while (chosen.size() < std::min(count, all.scores.size())) {
    int best = -1;
    double best_value = 0;
    for (uint32_t i = 0; i < all.scores.size(); ++i) {
      if (std::count(chosen.begin(), chosen.end(), i) != 0) continue;
      double nearest = 0, sum = 0;
      for (const uint32_t j : chosen) {
        nearest = std::max(nearest, PlainSimilarity(all, i, j));
        sum += PlainSimilarity(all, i, j);
      }
      if (against == Against::kAverage && !chosen.empty()) nearest = sum / static_cast<double>(chosen.size());
      const double relevance = range > 0 ? (all.scores[i] - low) / range : 1;
      const double value = (1 - d) * relevance - d * nearest;
      if (best < 0 || value > best_value + 1e-12) {
        best = static_cast<int>(i);
        best_value = value;
      }
    }
    chosen.push_back(static_cast<uint32_t>(best));
  }
  return chosen;
}

double MeanSimilarity(const Candidates& all, const std::vector<uint32_t>& chosen) {
  double sum = 0, pairs = 0;
  for (size_t i = 0; i < chosen.size(); ++i) {
    for (size_t j = 0; j < i; ++j, ++pairs) sum += PlainSimilarity(all, chosen[i], chosen[j]);
  }
  return pairs > 0 ? sum / pairs : 0;
}

TEST(DiversityTest, SimilarityIsWhatItIsDefinedToBe) {
  const Candidates all(1, 60);
  const ItemSimilarity similarity(*all.models, all.pointers);
  for (size_t a = 0; a < 60; ++a) {
    for (size_t b = 0; b < 60; ++b) {
      EXPECT_NEAR(similarity.Of(a, b), PlainSimilarity(all, a, b), 1e-6);
      EXPECT_EQ(similarity.Of(a, b), similarity.Of(b, a));
    }
  }
}

TEST(DiversityTest, ChoosesWhatTheDefinitionChooses) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Candidates all(seed, 1 + seed % 40);
    const ItemSimilarity similarity(*all.models, all.pointers);
    for (const double d : {0.0, 0.1, 0.5, 0.9, 1.0}) {
      const size_t count = 1 + all.random.Below(15);
      const auto chosen = ChooseDiverse(all.scores, similarity, d, count);
      EXPECT_EQ(chosen, PlainGreedy(all, d, count)) << seed << " at " << d;
      EXPECT_EQ(chosen, ChooseDiverse(all.scores, similarity, d, count));  // the same again
      EXPECT_EQ(chosen.size(), std::min(count, all.scores.size()));
    }
    const auto ranking = ChooseDiverse(all.scores, similarity, 0, 15);
    for (uint32_t i = 0; i < ranking.size(); ++i) EXPECT_EQ(ranking[i], i) << "0 is the ranking";
  }
}

TEST(DiversityTest, BrokenTwinThatLooksAtTheAverageIsCaught) {
  int told_apart = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Candidates all(seed, 40);
    const ItemSimilarity similarity(*all.models, all.pointers);
    told_apart += ChooseDiverse(all.scores, similarity, 0.5, 10) != PlainGreedy(all, 0.5, 10, Against::kAverage);
  }
  EXPECT_GT(told_apart, 40);
}

TEST(DiversityTest, ListsGetLessAlikeAsItGrows) {
  constexpr std::array kSteps = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
  std::array<double, kSteps.size()> mean{}, relevance{};
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Candidates all(seed, 60);
    const ItemSimilarity similarity(*all.models, all.pointers);
    for (size_t k = 0; k < kSteps.size(); ++k) {
      const auto chosen = ChooseDiverse(all.scores, similarity, kSteps[k], 10);
      mean[k] += MeanSimilarity(all, chosen) / 300;
      for (const uint32_t i : chosen) relevance[k] += all.scores[i] / 300;
    }
  }
  for (size_t k = 0; k < kSteps.size(); ++k) {
    std::printf("[          ]   diversity %.1f: mean similarity %.4f, sum of scores %.2f\n", kSteps[k], mean[k],
                relevance[k]);
    if (k == 0) continue;
    EXPECT_LE(mean[k], mean[k - 1]) << "at " << kSteps[k];
    EXPECT_LE(relevance[k], relevance[k - 1] + 1e-9) << "it is paid for in relevance, at " << kSteps[k];
  }
  EXPECT_LT(mean.back(), 0.7 * mean.front());
}

TEST(DiversityTest, AnswersKeepTheirLengthAndZeroChangesNothing) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const uint64_t size = 10 + random.Below(120);
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size; ++id) builder.Put(RandomShopItem(random, id, size, kShopOpens));
    const RecommendContext context{builder.Build(), ModelSet::Make(1, RandomContentModel(random, size)),
                                   RandomCustomer(random, size, kShopOpens)};
    const auto recommender = Recommender::Make({}, kKey).Take();
    EngineOptions options;
    options.scenarios[0].diversity = 0.7;
    const auto configured = Recommender::Make(options, kKey).Take();
    RecommendRequest request;
    request.now = kShopOpens;
    request.count = 8;
    if (Chance(random, 0.5)) request.pins = {{ItemName(2), 3}};
    const auto ids = [&](const Recommender& one) {
      std::vector<uint64_t> list;
      const auto answer = one.Recommend(context, request);
      EXPECT_TRUE(answer.ok());
      for (const RecommendedItem& item : answer->items) list.push_back(item.item.value);
      return list;
    };
    const auto plain = ids(*recommender), by_scenario = ids(*configured);
    request.diversity = 0;
    EXPECT_EQ(ids(*recommender), plain);
    EXPECT_EQ(ids(*configured), plain) << "the request's word counts more than the scenario's";
    request.diversity = 0.7;
    EXPECT_EQ(ids(*recommender), by_scenario);
    EXPECT_EQ(by_scenario.size(), plain.size());
    if (!plain.empty() && request.pins.empty()) {
      EXPECT_EQ(by_scenario.front(), plain.front()) << "the best stays";
    }
    request.diversity = 1.5;
    EXPECT_NE(recommender->Recommend(context, request).status().message().find("diversity"), std::string::npos);
  }
}

}  // namespace
}  // namespace rapport

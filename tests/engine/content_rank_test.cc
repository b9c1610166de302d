// Given items in order: each that may be shown exactly once, every other one named with the reason, and the order that
// a page would have.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {4};

struct Shop {
  explicit Shop(uint64_t seed) : random(seed), size(5 + random.Below(120)) {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size; ++id) builder.Put(RandomShopItem(random, id, size, kShopOpens));
    auto model = RandomContentModel(random, size);
    if (Chance(random, 0.5)) model = WithRandomBlend(random, model);
    context.catalog = builder.Build();
    context.models = ModelSet::Make(3, Chance(random, 0.15) ? nullptr : model);
    context.customer = RandomCustomer(random, size, kShopOpens);
    recommender = Recommender::Make({}, kKey).Take();
    request.question.now = kShopOpens;
  }
  Asked AskedOf() const {
    Asked asked;
    asked.now = kShopOpens;
    asked.audiences = context.customer->audiences;
    if (context.customer->personalization == Personalization::kOn) asked.items = context.customer->items;
    return asked;
  }
  Random random;
  uint64_t size;
  RecommendContext context;
  std::unique_ptr<Recommender> recommender;
  RankRequest request;
};

TEST(RankTest, EveryGivenItemIsRankedOnceOrSaidWhyNot) {
  size_t ranked = 0, refused = 0, unknown = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Shop shop(seed);
    Asked asked = shop.AskedOf();
    const KnownFilter& filter = KnownFilters()[shop.random.Below(KnownFilters().size())];
    shop.request.question.filter = filter.text;
    asked.filters = {&filter};
    if (Chance(shop.random, 0.3)) shop.request.question.repeat = asked.repeat = RepeatPolicy::kExcludeOrdered;
    if (Chance(shop.random, 0.2)) shop.request.question.repeat = asked.repeat = RepeatPolicy::kOnlyOrdered;
    if (Chance(shop.random, 0.3)) {
      shop.request.question.exclude = {ItemName(1)};
      asked.excluded = {ItemName(1)};
    }
    std::set<std::string> expected_ranked, expected_refused, expected_unknown;
    for (uint64_t n = 1 + shop.random.Below(60); n > 0; --n) {
      const std::string name = ItemName(1 + shop.random.Below(shop.size + 4));
      shop.request.items.push_back(name);
      const Item* item = shop.context.catalog->Find(name);
      if (item == nullptr || !item->catalogued) {
        expected_unknown.insert(name);
      } else {
        (WhyNot(item, asked).empty() ? expected_ranked : expected_refused).insert(name);
      }
    }
    const auto answer = shop.recommender->Rank(shop.context, shop.request);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    std::set<std::string> got_ranked, got_refused;
    float last = std::numeric_limits<float>::max();
    for (const RecommendedItem& item : answer->ranked.items) {
      EXPECT_TRUE(got_ranked.insert(item.external_id).second) << "twice";
      EXPECT_LE(item.score, last) << "scores rise";
      last = item.score;
    }
    for (const RankResponse::Refused& one : answer->refused) {
      EXPECT_TRUE(got_refused.insert(one.external_id).second) << "twice";
      EXPECT_NE(one.reason, "");
      EXPECT_NE(one.reason, "may be shown");
    }
    EXPECT_EQ(got_ranked, expected_ranked) << seed;
    EXPECT_EQ(got_refused, expected_refused) << seed;
    EXPECT_EQ(std::set<std::string>(answer->unknown.begin(), answer->unknown.end()), expected_unknown) << seed;
    ranked += got_ranked.size();
    refused += got_refused.size();
    unknown += expected_unknown.size();
  }
  std::printf("[  cases   ] rank: 400 questions, %zu ranked, %zu refused, %zu unknown\n", ranked, refused, unknown);
  EXPECT_GT(ranked, 500u);
  EXPECT_GT(refused, 500u);
}

// The reference: a page that has room for everything, of a shop without variants.
TEST(RankTest, AllItemsStandAsOnAPageOfAllItems) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Shop shop(seed);
    CatalogBuilder builder(*shop.context.catalog);
    for (uint64_t id = 1; id <= shop.size; ++id) {
      Item item = *shop.context.catalog->Get(ItemId{id});
      item.variant_of.clear();
      builder.Put(std::move(item));
      shop.request.items.push_back(ItemName(shop.size + 1 - id));  // whatever the order given
    }
    shop.context.catalog = builder.Build();
    shop.request.question.kind = "";
    RecommendRequest page = shop.request.question;
    page.count = limits::kRecommendationCountMax;
    const auto expected = shop.recommender->Recommend(shop.context, page);
    const auto answer = shop.recommender->Rank(shop.context, shop.request);
    ASSERT_TRUE(expected.ok() && answer.ok());
    ASSERT_EQ(answer->ranked.items.size(), expected->items.size()) << seed;
    for (size_t i = 0; i < expected->items.size(); ++i) {
      EXPECT_EQ(answer->ranked.items[i].item, expected->items[i].item) << seed;
      EXPECT_EQ(answer->ranked.items[i].score, expected->items[i].score) << seed;
    }
  }
}

TEST(RankTest, VariantsOfOneProductAllCount) {
  Shop shop(1);
  CatalogBuilder builder;
  for (uint64_t id = 1; id <= 3; ++id) {
    Item item;
    item.id = ItemId{id};
    item.external_id = ItemName(id);
    item.kind = id == 3 ? "article" : "product";
    item.catalogued = true;
    item.variant_of = "shirt";
    builder.Put(std::move(item));
    shop.request.items.push_back(ItemName(id));
  }
  shop.context.catalog = builder.Build();
  EXPECT_EQ(shop.recommender->Rank(shop.context, shop.request)->ranked.items.size(), 3u);
  shop.request.question.kind = "article";
  EXPECT_EQ(shop.recommender->Rank(shop.context, shop.request)->ranked.items.size(), 1u);
}

TEST(RankTest, WrongQuestionsSayWhatIsWrong) {
  Shop shop(1);
  const auto error = [&] {
    const auto answer = shop.recommender->Rank(shop.context, shop.request);
    EXPECT_FALSE(answer.ok());
    return answer.status().message();
  };
  EXPECT_NE(error().find("items"), std::string::npos);
  shop.request.items.assign(limits::kRankItemsMax + 1, ItemName(1));
  EXPECT_NE(error().find("1000"), std::string::npos);
  shop.request.items.resize(1);
  shop.request.question.filter = "price <";
  EXPECT_NE(error().find("filter"), std::string::npos);
}

}  // namespace
}  // namespace rapport

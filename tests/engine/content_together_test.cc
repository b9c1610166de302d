// Several lists of one page: no product in two of them unless that is asked for, each otherwise as it would be alone.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {5};

class TogetherTest : public ::testing::Test {
 protected:
  void Open(uint64_t seed) {
    random_ = Random(seed);
    size_ = 10 + random_.Below(150);
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size_; ++id) builder.Put(RandomShopItem(random_, id, size_, kShopOpens));
    context_.catalog = builder.Build();
    context_.models = ModelSet::Make(3, RandomContentModel(random_, size_));
    context_.customer = RandomCustomer(random_, size_, kShopOpens);
    recommender_ = Recommender::Make({}, kKey).Take();
    page_ = {};
    page_.now = kShopOpens;
    static const std::vector<std::string> kScenarios = {"home", "product", "cart", "buy-again"};
    for (uint64_t n = 2 + random_.Below(4); n > 0; --n) {
      RecommendRequest& one = page_.placements.emplace_back();
      one.scenario = kScenarios[random_.Below(kScenarios.size())];
      one.count = 1 + random_.Below(12);
      one.kind = "";
      one.now = kShopOpens;
      one.filter = KnownFilters()[random_.Below(KnownFilters().size())].text;
      if (Chance(random_, 0.3)) one.diversity = 0.6;
      if (Chance(random_, 0.5)) one.seed_items = {ItemName(1 + random_.Below(size_))};
      if (Chance(random_, 0.5)) one.pins = {{ItemName(1 + random_.Below(3)), 1}};
    }
  }
  // Products that stand in more than one list.
  size_t Twice(const std::vector<RecommendResponse>& lists) const {
    std::set<std::string> products;
    size_t twice = 0;
    for (const RecommendResponse& list : lists) {
      for (const RecommendedItem& shown : list.items) {
        twice += !products.insert(ProductOf(*context_.catalog->Get(shown.item))).second;
      }
    }
    return twice;
  }

  Random random_{1};
  uint64_t size_ = 0;
  RecommendContext context_;
  std::unique_ptr<Recommender> recommender_;
  TogetherRequest page_;
};

TEST_F(TogetherTest, NoProductStandsInTwoLists) {
  size_t items = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Open(seed);
    const auto lists = recommender_->Together(context_, page_);
    ASSERT_TRUE(lists.ok()) << lists.status().ToString();
    ASSERT_EQ(lists->size(), page_.placements.size());
    EXPECT_EQ(Twice(*lists), 0u) << seed;
    for (const RecommendResponse& list : *lists) {
      items += list.items.size();
      EXPECT_EQ(list.catalog, context_.catalog);
    }
    // The first list knows of no other, and each goes on without what the ones before it showed.
    const auto alone = recommender_->Recommend(context_, page_.placements[0]);
    EXPECT_EQ((*lists)[0].recommendation_id, alone->recommendation_id);
    const auto next = recommender_->Continue(lists->back().recommendation_id, kShopOpens);
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    std::vector<RecommendResponse> more = *lists;
    more.push_back(*recommender_->Recommend(context_, *next));
    EXPECT_EQ(Twice(more), 0u) << seed;
  }
  EXPECT_GT(items, 1000u);
}

TEST_F(TogetherTest, DuplicatesAreThereWhenAskedFor) {
  size_t twice = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Open(seed);
    page_.duplicates = Duplicates::kAllowed;
    const auto lists = recommender_->Together(context_, page_);
    ASSERT_TRUE(lists.ok());
    twice += Twice(*lists);
    for (size_t i = 0; i < lists->size(); ++i) {
      EXPECT_EQ((*lists)[i].recommendation_id,
                recommender_->Recommend(context_, page_.placements[i])->recommendation_id);
    }
  }
  EXPECT_GT(twice, 50u);  // the check above would see it
}

TEST_F(TogetherTest, LimitsAreSaid) {
  Open(1);
  page_.placements.assign(limits::kPlacementsMax + 1, RecommendRequest());
  EXPECT_NE(recommender_->Together(context_, page_).status().message().find("at most 16"), std::string::npos);
  page_.placements.assign(3, RecommendRequest());
  for (RecommendRequest& one : page_.placements) one.count = 400;
  EXPECT_NE(recommender_->Together(context_, page_).status().message().find("1200"), std::string::npos);
  page_.placements.assign(2, RecommendRequest());
  page_.placements[1].filter = "price <";
  EXPECT_NE(recommender_->Together(context_, page_).status().message().find("placements[1]: filter"),
            std::string::npos);
}

}  // namespace
}  // namespace rapport

// Newcomers in service: an item that the model never saw is recommended the moment it is put, to those its attributes
// speak to and to nobody who may not see it; what follows the catalogue equals what is made from scratch; customers and
// visitors without history get their level.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/content/attributes.h"
#include "engine/content/newcomer_cache.h"
#include "engine/content/recommender.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {9};

Item MakeItem(uint64_t id, const std::string& title) {
  Item item;
  item.id = ItemId{id};
  item.external_id = ItemName(id);
  item.catalogued = true;
  item.title = title;
  return item;
}

std::string TitleOf(uint64_t id) { return id % 2 != 0 ? "oolong tea" : "ground coffee"; }

// Twenty items the model knows, odd ones tea and even ones coffee; weights that follow newcomers' attributes.
std::shared_ptr<const ContentModel> TeaAndCoffee() {
  auto model = std::make_shared<ContentModel>();
  model->als.options.factors = 2;
  model->als.items = 20;
  std::vector<AttributeItem> items;
  WordBreaker words;
  for (uint64_t id = 1; id <= 20; ++id) {
    model->item_ids.push_back(id);
    for (const float x : {id % 2 != 0 ? 1.0f : 0.0f, id % 2 != 0 ? 0.0f : 1.0f}) model->als.item_factors.push_back(x);
    items.push_back(DescribeItem(MakeItem(id, TitleOf(id)), words));
    model->popularity.popular.push_back(static_cast<float>(id));
    model->popularity.trending.push_back(0);
  }
  for (NeighbourLists* lists : {&model->similar, &model->bought_together}) {
    lists->items = 20;
    lists->offsets.assign(21, 0);
  }
  EXPECT_TRUE(CheckAndPrepare(model->als).ok());
  model->trained_until = kShopOpens;
  model->attributes = FitAttributes(items, {});
  model->attributes.map.assign((model->attributes.width() + 1) * 2, 0.0f);
  model->traits = {{HashToken("country=France")}, {0, 1}, {{3, 0.9f}}};
  std::vector<double> theta(kStackFeatures, 0.0);
  theta[2 * static_cast<size_t>(StackSource::kPopular)] = 1;
  theta[SlotAt(NewcomerSlot::kAttributes)] = 5;
  model->stack.repeats_theta = model->stack.session_theta = model->stack.cold_theta = theta;
  model->stack.cold_theta[2 * static_cast<size_t>(StackSource::kTraits)] = 9;
  EXPECT_TRUE(CheckContentModel(*model).ok()) << CheckContentModel(*model).ToString();
  return model;
}

class NewcomersTest : public testing::Test {
 protected:
  NewcomersTest() {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= 20; ++id) builder.Put(MakeItem(id, TitleOf(id)));
    catalog_ = builder.Build();
    recommender_ = Recommender::Make({}, kKey).Take();
    request_.now = kShopOpens;
    request_.count = 5;
    customer_.root = CustomerId{1};
    customer_.anonymous = false;
    customer_.history = {{EventId{1}, ItemId{1}, EventType::kOrdered, kShopOpens, 1, {}, "", "o"}};
  }
  void Put(Item item) {
    CatalogBuilder builder(*catalog_);
    builder.Put(std::move(item));
    catalog_ = builder.Build();
  }
  RecommendResponse Ask() {
    return recommender_->Recommend({catalog_, models_, std::make_shared<const CustomerView>(customer_)}, request_)
        .Take();
  }
  static bool Shows(const RecommendResponse& response, uint64_t id) {
    return std::any_of(response.items.begin(), response.items.end(),
                       [id](const RecommendedItem& item) { return item.item.value == id; });
  }

  std::shared_ptr<const ModelSet> models_ = ModelSet::Make(1, TeaAndCoffee());
  std::shared_ptr<const Catalog> catalog_;
  std::unique_ptr<Recommender> recommender_;
  RecommendRequest request_;
  CustomerView customer_;
};

TEST_F(NewcomersTest, AreShownTheMomentTheyArePut) {
  EXPECT_FALSE(Shows(Ask(), 21));
  Put(MakeItem(21, "Oolong TEA"));
  Put(MakeItem(22, "ground coffee"));
  const RecommendResponse response = Ask();
  ASSERT_TRUE(Shows(response, 21));
  EXPECT_EQ(response.items[0].item.value, 21u);
  EXPECT_EQ(response.items[0].level, Level::kPersonal);
  EXPECT_FALSE(Shows(response, 22)) << "coffee speaks to nobody who drinks tea";
  Item gone = MakeItem(21, "Oolong TEA");
  gone.available = false;
  Put(gone);
  EXPECT_FALSE(Shows(Ask(), 21));
  gone.available = true;
  gone.audience = {"dealers"};
  Put(gone);
  EXPECT_FALSE(Shows(Ask(), 21));
  customer_.audiences = {"dealers"};
  EXPECT_TRUE(Shows(Ask(), 21));
  gone.title = "ground coffee";
  Put(gone);
  EXPECT_FALSE(Shows(Ask(), 21)) << "a new title is a new item to the attributes";
}

TEST_F(NewcomersTest, ASeedWithoutHistoryHasItsKin) {
  Put(MakeItem(21, "oolong tea"));
  ListRequest list;
  list.now = kShopOpens;
  list.count = 4;
  const auto response = recommender_->Similar({catalog_, models_, nullptr}, ItemId{21}, list);
  ASSERT_TRUE(response.ok());
  ASSERT_EQ(response->items.size(), 4u);
  for (const RecommendedItem& item : response->items) {
    EXPECT_EQ(item.item.value % 2, 1u) << "tea";
    EXPECT_EQ(item.level, Level::kSimilar);
  }
}

TEST_F(NewcomersTest, WithoutHistoryTraitsSpeakAndThenWhatIsPopular) {
  customer_.history.clear();
  RecommendResponse response = Ask();
  EXPECT_EQ(response.level, Level::kPopular);
  EXPECT_EQ(response.items[0].item.value, 20u);
  customer_.traits = {HashToken("country=France")};
  response = Ask();
  EXPECT_EQ(response.level, Level::kSegment);
  EXPECT_EQ(response.items[0].item.value, 4u) << "what the French choose";
  customer_.personalization = Personalization::kOff;
  EXPECT_EQ(Ask().items[0].item.value, 20u) << "traits are not read";
}

TEST_F(NewcomersTest, ASessionIsNotShownItsOwnItemsFirst) {
  customer_.anonymous = true;
  customer_.history[0].item = ItemId{20};
  const RecommendResponse response = Ask();
  EXPECT_EQ(response.level, Level::kSession);
  EXPECT_EQ(response.items[0].item.value, 19u);
  customer_.anonymous = false;
  EXPECT_EQ(Ask().items[0].item.value, 20u);
}

bool Same(const Newcomers* a, const Newcomers* b) {
  if (a == nullptr || b == nullptr) return a == b;
  bool same = a->item_ids == b->item_ids && a->factors == b->factors && a->recent == b->recent &&
              a->prices == b->prices && a->categories == b->categories;
  for (size_t i = 0; same && i < a->size(); ++i) {
    same = a->vectors[i].columns == b->vectors[i].columns && a->vectors[i].values == b->vectors[i].values &&
           a->kin[i].size() == b->kin[i].size();
  }
  return same;
}

TEST_F(NewcomersTest, FollowingTheCatalogueEqualsStartingAnew) {
  Random random(3);
  NewcomerCache following;
  CatalogIndexCache indexes;
  size_t most = 0;
  for (int round = 0; round < 120; ++round) {
    for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
      Item item = MakeItem(1 + random.Below(40), random.Below(2) != 0 ? "oolong tea" : "coffee cup");
      item.catalogued = random.Below(5) != 0;
      item.hidden = random.Below(6) == 0;
      item.price = Decimal{static_cast<int64_t>(random.Below(500)), 2};
      if (item.id.value > catalog_->size() + 1) item.id.value = catalog_->size() + 1;
      item.external_id = ItemName(item.id.value);
      Put(item);
    }
    const auto index = indexes.Get(catalog_);
    NewcomerCache anew;
    const auto expected = anew.Get(*index, models_);
    ASSERT_TRUE(Same(following.Get(*index, models_).get(), expected.get())) << round;
    if (expected != nullptr) most = std::max(most, expected->size());
  }
  EXPECT_GT(most, 5u);
}

// What would take seconds is made before the swap. Broken twin: without the former models' place each straggler had the
// newcomers of both made anew, everybody waiting.
TEST_F(NewcomersTest, PreparedOnesAreThereWhenTheirModelsComeIntoService) {
  NewcomerCache cache;
  CatalogIndexCache indexes;
  for (int n = 0; n < 6; ++n) Put(MakeItem(catalog_->size() + 1, "oolong tea"));
  const auto index = indexes.Get(catalog_);
  const auto in_service = cache.Get(*index, models_);
  ASSERT_NE(in_service, nullptr);
  const auto next = ModelSet::Make(2, models_->content);
  const auto prepared = cache.Prepare(*index, next);
  ASSERT_NE(prepared, nullptr);
  EXPECT_TRUE(Same(prepared.get(), in_service.get())) << "two generations of one model";
  EXPECT_EQ(cache.Get(*index, models_), in_service) << "still in service";
  EXPECT_EQ(cache.Get(*index, next), prepared);
  EXPECT_EQ(cache.Get(*index, models_), in_service) << "a request that began before the swap";
  EXPECT_EQ(cache.Get(*index, next), prepared);
  Item changed = MakeItem(in_service->item_ids.front(), "coffee cup");
  Put(changed);
  const auto later = indexes.Get(catalog_);
  NewcomerCache anew;
  EXPECT_TRUE(Same(cache.Get(*later, next).get(), anew.Get(*later, next).get())) << "kept up with the catalogue";
}

}  // namespace
}  // namespace rapport

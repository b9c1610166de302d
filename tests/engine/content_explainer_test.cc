// Reasons of what is shown: true ones, at most three, their shares in order; asking for them changes nothing else; and
// no reason ever names an item that may not be named.
#include <gtest/gtest.h>

#include "engine/content/explainer.h"
#include "engine/content/recommender.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {5};

bool Nameable(const Item* item, const std::vector<std::string>& audiences) {
  if (item == nullptr || !item->catalogued || item->hidden) return false;
  bool addressed = item->audience.empty();
  for (const std::string& audience : item->audience) {
    addressed |= std::count(audiences.begin(), audiences.end(), audience) > 0;
  }
  return addressed;
}

TEST(ExplainerTest, RandomShopsHaveReasonsThatNameNothingForbidden) {
  Random random(31);
  const auto recommender = Recommender::Make({}, kKey).Take();
  size_t named = 0, unnamed = 0;
  for (int round = 0; round < 300; ++round) {
    const uint64_t items = 5 + random.Below(40);
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= items; ++id) builder.Put(RandomShopItem(random, id, items, kShopOpens));
    std::shared_ptr<const ContentModel> model = RandomContentModel(random, items);
    if (Chance(random, 0.6)) model = WithRandomBlend(random, model);
    RecommendContext context{builder.Build(), ModelSet::Make(1, model), RandomCustomer(random, items, kShopOpens)};
    RecommendRequest request;
    request.now = kShopOpens;
    request.count = 1 + random.Below(12);
    request.scenario = std::vector<std::string>{"home", "product", "cart", "buy-again"}[random.Below(4)];
    if (Chance(random, 0.5)) request.seed_items = {ItemName(1 + random.Below(items))};
    if (Chance(random, 0.3)) request.pins = {{ItemName(1 + random.Below(items)), 1}};
    const auto plain = recommender->Recommend(context, request);
    request.explain = true;
    const auto explained = recommender->Recommend(context, request);
    ASSERT_TRUE(plain.ok() && explained.ok());
    ASSERT_EQ(plain->items.size(), explained->items.size());
    for (size_t i = 0; i < plain->items.size(); ++i) {
      const RecommendedItem& shown = explained->items[i];
      EXPECT_EQ(plain->items[i].external_id, shown.external_id);
      EXPECT_EQ(plain->items[i].score, shown.score);
      EXPECT_TRUE(plain->items[i].reasons.empty());
      ASSERT_GE(shown.reasons.size(), 1u);
      ASSERT_LE(shown.reasons.size(), kReasonsMax);
      float sum = 0, before = 1.0001f;
      for (const Reason& reason : shown.reasons) {
        EXPECT_GT(reason.share, 0);
        EXPECT_LE(reason.share, before);
        before = reason.share;
        sum += reason.share;
        if (context.customer->personalization == Personalization::kOff) {
          EXPECT_GE(reason.because, Because::kBoughtWith) << "switched off, yet a reason speaks of the history";
        }
        if (reason.item.empty()) {
          EXPECT_TRUE(reason.title.empty());
          ++unnamed;
          continue;
        }
        ++named;
        EXPECT_TRUE(Nameable(context.catalog->Find(reason.item), context.customer->audiences)) << reason.item;
      }
      EXPECT_LE(sum, 1.0001f);
    }
  }
  EXPECT_GT(named, 200u);
  EXPECT_GT(unnamed, 200u);
}

// Four products; the customer ordered 1 and viewed 2; bought-together lists of the model say 1 -> 3 and 2 -> 4.
class ReasonsTest : public ::testing::Test {
 protected:
  ReasonsTest() {
    auto model = std::make_shared<ContentModel>();
    model->trained_until = kShopOpens;
    model->als.options.factors = 2;
    model->als.items = 4;
    model->als.item_factors = {1, 0, 0, 1, 0.9f, 0, 0, 0.9f};
    EXPECT_TRUE(CheckAndPrepare(model->als).ok());
    for (uint64_t id = 1; id <= 4; ++id) model->item_ids.push_back(id);
    model->popularity.popular = {1, 1, 1, 1};
    model->popularity.trending = {0, 0, 0, 0};
    model->stack.recent14 = model->stack.recent7 = {0, 0, 0, 0};
    for (NeighbourLists* lists : {&model->similar, &model->bought_together}) {
      lists->items = 4;
      lists->offsets = {0, 1, 2, 2, 2};
      lists->neighbours = {{2, 0.5f}, {3, 0.5f}};
    }
    model->stack.repeats_theta.assign(kStackFeatures, 0.0);
    model->stack.repeats_theta[2 * static_cast<size_t>(StackSource::kBaskets60)] = 1;
    model->stack.repeats_theta[2 * static_cast<size_t>(StackSource::kPopular)] = 0.25;
    model_ = model;
    auto view = std::make_shared<CustomerView>();
    view->root = CustomerId{1};
    view->anonymous = false;
    view->history = {Line(1, EventType::kOrdered), Line(2, EventType::kViewed), Line(2, EventType::kViewed)};
    customer_ = view;
    for (uint64_t id = 1; id <= 4; ++id) {
      Item item;
      item.id = ItemId{id};
      item.external_id = ItemName(id);
      item.title = "Title " + std::to_string(id);
      item.catalogued = true;
      items_.push_back(item);
    }
  }

  HistoryEntry Line(uint64_t item, EventType type) {
    HistoryEntry line;
    line.event = EventId{++events_};
    line.item = ItemId{item};
    line.type = type;
    line.time = kShopOpens;
    return line;
  }

  RecommendedItem Shown(uint64_t id, RecommendRequest request = {}) {
    CatalogBuilder builder;
    for (const Item& item : items_) builder.Put(item);
    request.now = kShopOpens;
    request.count = 4;
    request.explain = true;
    const auto recommender = Recommender::Make({}, kKey).Take();
    const auto answer = recommender->Recommend({builder.Build(), ModelSet::Make(1, model_), customer_}, request);
    EXPECT_TRUE(answer.ok());
    for (const RecommendedItem& shown : answer->items) {
      if (shown.item.value == id) return shown;
    }
    ADD_FAILURE() << "item " << id << " is not shown";
    return {};
  }

  uint64_t events_ = 0;
  std::vector<Item> items_;
  std::shared_ptr<const ContentModel> model_;
  std::shared_ptr<const CustomerView> customer_;
};

TEST_F(ReasonsTest, TheBlendNamesTheItemThatBroughtIt) {
  const RecommendedItem third = Shown(3);
  ASSERT_EQ(third.reasons.size(), 2u);
  EXPECT_EQ(third.reasons[0].because, Because::kOrdered);
  EXPECT_EQ(third.reasons[0].item, "item-1");
  EXPECT_EQ(third.reasons[0].title, "Title 1");
  EXPECT_NEAR(third.reasons[0].share, 0.8, 1e-5);  // 1 of 1.25
  EXPECT_EQ(third.reasons[1].because, Because::kPopular);
  EXPECT_EQ(third.reasons[1].item, "");
  const RecommendedItem fourth = Shown(4);
  EXPECT_EQ(fourth.reasons[0].because, Because::kViewed);
  EXPECT_EQ(fourth.reasons[0].item, "item-2");
}

TEST_F(ReasonsTest, WhatMayNotBeNamedIsNot) {
  items_[0].hidden = true;
  EXPECT_EQ(Shown(3).reasons[0].because, Because::kOrdered);
  EXPECT_EQ(Shown(3).reasons[0].item, "");
  EXPECT_EQ(Shown(3).reasons[0].title, "");
  items_[0].hidden = false;
  items_[0].audience = {"dealers"};
  EXPECT_EQ(Shown(3).reasons[0].item, "");
  items_[0].audience = {};
  items_[0].stock = 0;
  EXPECT_EQ(Shown(3).reasons[0].item, "item-1") << "sold out, but the customer ordered it";
}

TEST_F(ReasonsTest, WhatWasDrawnSaysSo) {
  EngineOptions options;
  options.scenarios[0].exploration = {{2}, 1.0, 2, 0};
  CatalogBuilder builder;
  for (const Item& item : items_) builder.Put(item);
  RecommendRequest request;
  request.now = kShopOpens;
  request.count = 2;
  request.explain = true;
  const auto recommender = Recommender::Make(options, kKey).Take();
  const auto answer = recommender->Recommend({builder.Build(), ModelSet::Make(1, model_), customer_}, request);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  ASSERT_EQ(answer->items.size(), 2u);
  EXPECT_NE(answer->items[0].reasons[0].because, Because::kExplored);
  ASSERT_TRUE(answer->items[1].explored);
  EXPECT_EQ(answer->items[1].reasons[0].because, Because::kExplored);
  EXPECT_EQ(answer->items[1].reasons[0].item, "");
}

TEST_F(ReasonsTest, FactorsSeedsPinsAndBoardsHaveTheirs) {
  RecommendRequest pinned;
  pinned.pins = {{"item-4", 1}};
  EXPECT_EQ(Shown(4, pinned).reasons[0].because, Because::kPinned);
  auto plain = std::make_shared<ContentModel>(*model_);
  plain->stack.repeats_theta.clear();
  model_ = plain;
  EXPECT_EQ(Shown(3).origin, Origin::kFactors);
  EXPECT_EQ(Shown(3).reasons[0].item, "item-1");
  EXPECT_EQ(Shown(1).reasons[0].because, Because::kOrdered) << "ordered before";
  RecommendRequest cart;
  cart.scenario = "cart";
  cart.seed_items = {"item-2"};
  EXPECT_EQ(Shown(4, cart).reasons[0].because, Because::kBoughtWith);
  EXPECT_EQ(Shown(4, cart).reasons[0].item, "item-2");
  cart.scenario = "product";
  EXPECT_EQ(Shown(4, cart).reasons[0].because, Because::kSimilarTo);
  customer_ = std::make_shared<CustomerView>();
  EXPECT_EQ(Shown(1).reasons[0].because, Because::kPopular);
  model_ = nullptr;
  EXPECT_EQ(Shown(1).reasons[0].because, Because::kNew);
}

}  // namespace
}  // namespace rapport

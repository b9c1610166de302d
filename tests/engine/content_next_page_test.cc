// The pages after the first: a list goes on from its id alone, without repeats, while stock, events and models change;
// what the id carries comes back as it was, and nothing else is taken for it.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "engine/content/carried_question.h"
#include "engine/content/impression.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {7, 7};

RecommendRequest RandomQuestion(Random& random) {
  const auto text = [&] { return std::string(random.Below(20), static_cast<char>('a' + random.Below(26))); };
  RecommendRequest request;
  if (Chance(random, 0.7)) {
    request.customer =
        CustomerRef{Chance(random, 0.5) ? CustomerNamespace::kUser : CustomerNamespace::kAnonymous, "c" + text()};
  }
  request.scenario = text();
  if (Chance(random, 0.5)) request.kind = text();
  if (Chance(random, 0.5)) request.repeat = static_cast<RepeatPolicy>(random.Below(4));
  if (Chance(random, 0.5)) request.diversity = random.Uniform();
  request.explain = Chance(random, 0.5);
  request.count = random.Below(1000);
  request.filter = text();
  for (uint64_t n = random.Below(4); n > 0; --n) request.seed_items.push_back(text());
  for (uint64_t n = random.Below(4); n > 0; --n) request.exclude.push_back(text());
  for (uint64_t n = random.Below(4); n > 0; --n) request.boosts.push_back({text(), random.Uniform()});
  for (uint64_t n = random.Below(4); n > 0; --n) request.pins.push_back({text(), random.Below(1000)});
  request.note = text();
  return request;
}

TEST(CarriedQuestionTest, ComesBackAsItWasAndNothingElseDoes) {
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const RecommendRequest request = RandomQuestion(random);
    const std::string bytes = EncodeQuestion(request);
    const auto decoded = DecodeQuestion(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    EXPECT_EQ(EncodeQuestion(*decoded), bytes);
    EXPECT_EQ(decoded->customer, request.customer);
    EXPECT_EQ(decoded->pins.size(), request.pins.size());
    EXPECT_EQ(decoded->diversity, request.diversity);
    EXPECT_EQ(decoded->explain, request.explain);
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeQuestion(bytes.substr(0, size)).ok());
    EXPECT_FALSE(DecodeQuestion(bytes + "x").ok());
    const std::string sealed = SealQuestion(kKey, request);
    EXPECT_EQ(EncodeQuestion(*OpenQuestion(kKey, sealed)), bytes);
    EXPECT_FALSE(OpenQuestion(SecretKey{1}, sealed).ok());
    EXPECT_EQ(sealed.find(request.note.size() > 3 ? request.note : "never there"), std::string::npos);
    std::string changed = sealed;
    changed[random.Below(changed.size())] ^= 4;
    EXPECT_EQ(OpenQuestion(kKey, changed).status().code(), StatusCode::kInvalidArgument);
  }
  RecommendRequest large;
  large.exclude.assign(limits::kExcludeMax, "an item among very many");
  EXPECT_EQ(SealQuestion(kKey, large), "");
  EXPECT_NE(OpenQuestion(kKey, "").status().message().find("exclude"), std::string::npos);
  // Bytes of nobody's making never crash it.
  for (int i = 0; i < 3000; ++i) {
    std::string noise;
    for (uint64_t n = random.Below(60); n > 0; --n) noise.push_back(static_cast<char>(random.NextU64()));
    if (!noise.empty()) noise[0] = 1;
    (void)DecodeQuestion(noise);
  }
}

// A shop that changes between the pages.
class Pages {
 public:
  explicit Pages(uint64_t seed) : random_(seed), size_(20 + random_.Below(200)) {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size_; ++id) builder.Put(RandomShopItem(random_, id, size_, kShopOpens));
    catalog_ = builder.Build();
    options_.scenarios[0].diversity = Chance(random_, 0.3) ? 0.5 : 0;
    if (Chance(random_, 0.3)) options_.scenarios[0].exploration.slots = {2, 5};
    recommender_ = Recommender::Make(options_, kKey).Take();
    request_.count = 1 + random_.Below(30);
    request_.kind = "";
    request_.now = kShopOpens;
    ChangeModelAndCustomer();
  }

  void ChangeModelAndCustomer() {
    auto model = RandomContentModel(random_, size_);
    if (Chance(random_, 0.5)) model = WithRandomBlend(random_, model);
    models_ = ModelSet::Make(1 + random_.Below(9), Chance(random_, 0.2) ? nullptr : model);
    auto customer = std::make_shared<CustomerView>(*RandomCustomer(random_, size_, kShopOpens));
    customer->audiences.clear();  // who is addressed does not change while somebody turns pages
    customer_ = customer;
  }
  void ChangeCatalogue() {
    CatalogBuilder builder(*catalog_);
    for (uint64_t n = random_.Below(8); n > 0; --n) {
      const uint64_t id = 1 + random_.Below(size_);
      Item changed = RandomShopItem(random_, id, size_, kShopOpens);
      changed.variant_of = catalog_->Get(ItemId{id})->variant_of;  // a product that changes hands is another one
      builder.Put(std::move(changed));
    }
    catalog_ = builder.Build();
  }
  RecommendResponse Ask(const RecommendRequest& request) {
    auto answer = recommender_->Recommend({catalog_, models_, customer_}, request);
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer.Take() : RecommendResponse();
  }
  // Turns pages until one is empty; returns how often a product came again.
  size_t TurnAll(bool changes, bool forget) {
    std::set<std::string> products;
    size_t again = 0, pages = 0;
    RecommendRequest request = request_;
    for (;; ++pages) {
      EXPECT_LE(pages, 2 * size_) << "no end";
      const RecommendResponse page = Ask(request);
      if (page.items.empty() || pages > 2 * size_) break;
      for (const RecommendedItem& shown : page.items) {
        const Item* item = catalog_->Get(shown.item);
        Asked asked;
        asked.now = request.now;
        EXPECT_EQ(WhyNot(item, asked), "");
        again += !products.insert(ProductOf(*item)).second;
      }
      if (changes && Chance(random_, 0.6)) ChangeCatalogue();
      if (changes && Chance(random_, 0.4)) ChangeModelAndCustomer();
      if (forget && pages > 3) break;
      const auto next = recommender_->Continue(page.recommendation_id, request.now);
      EXPECT_TRUE(next.ok()) << next.status().ToString();
      if (!next.ok()) break;
      request = *next;
      if (forget) request.after.clear();
      request.count = 1 + random_.Below(30);
    }
    shown_ = products.size();
    return again;
  }
  size_t Showable() const {
    Asked asked;
    asked.now = kShopOpens;
    return ShowableProducts(*catalog_, asked);
  }

  Random random_;
  uint64_t size_;
  EngineOptions options_;
  std::shared_ptr<const Catalog> catalog_;
  std::shared_ptr<const ModelSet> models_;
  std::shared_ptr<const CustomerView> customer_;
  std::unique_ptr<Recommender> recommender_;
  RecommendRequest request_;
  size_t shown_ = 0;
};

TEST(NextPageTest, PagesOverAWholeCatalogueShowEverythingOnce) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Pages pages(seed);
    const size_t showable = pages.Showable();
    EXPECT_EQ(pages.TurnAll(false, false), 0u) << seed;
    EXPECT_EQ(pages.shown_, showable) << seed;
  }
}

TEST(NextPageTest, NothingComesAgainWhileEverythingChanges) {
  for (uint64_t seed = 100; seed <= 160; ++seed) EXPECT_EQ(Pages(seed).TurnAll(true, false), 0u) << seed;
}

TEST(NextPageTest, BrokenTwinThatForgetsWhatWasShownIsCaught) {
  size_t again = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) again += Pages(seed).TurnAll(false, true);
  EXPECT_GT(again, 20u);
}

TEST(NextPageTest, AListOfAThousandItemsEndsThere) {
  CatalogBuilder builder;
  for (uint64_t id = 1; id <= limits::kRecommendationCountMax + 50; ++id) {
    Item item;
    item.id = ItemId{id};
    item.external_id = ItemName(id);
    item.catalogued = true;
    builder.Put(std::move(item));
  }
  Pages pages(1);
  pages.catalog_ = builder.Build();
  pages.request_.count = 400;
  RecommendRequest request = pages.request_;
  for (const size_t expected : {400u, 400u, 200u, 0u, 0u}) {
    const RecommendResponse page = pages.Ask(request);
    EXPECT_EQ(page.items.size(), expected);
    EXPECT_LT(page.recommendation_id.size(), limits::kRecommendationIdBytesMax);
    request = *pages.recommender_->Continue(page.recommendation_id, request.now);
    EXPECT_EQ(request.count, 400u);
  }
}

TEST(NextPageTest, TheQuestionGoesOnAndPinsComeNearer) {
  Pages pages(1);
  RecommendRequest request = pages.request_;
  request.count = 3;
  request.customer = CustomerRef{CustomerNamespace::kUser, "anna"};
  request.pins = {{ItemName(1), 2}, {ItemName(2), 5}};
  request.filter = "NOT price <= 10";
  request.note = "the caller's";
  const RecommendResponse page = pages.Ask(request);
  const size_t length = page.items.size();
  const auto next = pages.recommender_->Continue(page.recommendation_id, Timestamp{kShopOpens.ms + kHourMs});
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  EXPECT_EQ(next->customer, request.customer);
  EXPECT_EQ(next->filter, request.filter);
  EXPECT_EQ(next->note, request.note);
  EXPECT_EQ(next->count, 3u);
  EXPECT_EQ(next->now.ms, kShopOpens.ms + kHourMs);
  ASSERT_EQ(next->pins.size(), 1u);
  EXPECT_EQ(next->pins[0].item, ItemName(2));
  EXPECT_EQ(next->pins[0].position, 5 - length);
}

TEST(NextPageTest, WhatIsForgedExpiredOrNoListIsRefused) {
  Pages pages(2);
  const auto error = [&](const std::string& id, Timestamp now) {
    const auto next = pages.recommender_->Continue(id, now);
    EXPECT_FALSE(next.ok());
    EXPECT_EQ(next.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(next.status().message().find("recommendationId"), std::string::npos) << next.status().message();
    return next.status().message();
  };
  const RecommendResponse page = pages.Ask(pages.request_);
  const std::string id = page.recommendation_id;
  ASSERT_FALSE(page.items.empty());
  EXPECT_TRUE(pages.recommender_->Continue(id, Timestamp{kShopOpens.ms + limits::kListLifeMs}).ok());
  EXPECT_NE(error(id, Timestamp{kShopOpens.ms + limits::kListLifeMs + 1}).find("expired"), std::string::npos);
  EXPECT_NE(error(page.items[0].impression, kShopOpens).find("something else"), std::string::npos);
  for (size_t i = 0; i < id.size(); i += 1 + id.size() / 50) {
    std::string changed = id;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed != id) error(changed, kShopOpens);
    error(id.substr(0, i), kShopOpens);
  }
  const auto other = Recommender::Make({}, SecretKey{8}).Take();
  error(other->Recommend({pages.catalog_, pages.models_, pages.customer_}, pages.request_)->recommendation_id,
        kShopOpens);
  ListRequest list;
  list.now = kShopOpens;
  const auto board =
      pages.recommender_->Board({pages.catalog_, pages.models_, pages.customer_}, BoardKind::kLatest, list);
  EXPECT_NE(error(board->recommendation_id, kShopOpens).find("not continued"), std::string::npos);
}

}  // namespace
}  // namespace rapport

// The recommender's stories: levels and fall-backs, pins, boosts, pages, repeats, switching personalization off,
// errors, and the same answer from many threads.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/limits.h"
#include "engine/content/impression.h"
#include "engine/content/recommender.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {9};

// Twelve products; the model knows 1..10; two groups of taste: odd and even items.
class RecommenderTest : public ::testing::Test {
 protected:
  RecommenderTest() {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= 12; ++id) {
      Item item;
      item.id = ItemId{id};
      item.external_id = ItemName(id);
      item.catalogued = true;
      item.categories = {id % 2 ? "odd" : "even"};
      item.published_at = Timestamp{static_cast<int64_t>(id) * kDayMs};
      builder.Put(std::move(item));
    }
    catalog_ = builder.Build();
    auto model = std::make_shared<ContentModel>();
    model->als.options.factors = 2;
    model->als.items = 10;
    model->similar.items = model->bought_together.items = 10;
    for (uint32_t row = 0; row < 10; ++row) {
      model->item_ids.push_back(row + 1);
      const float strength = 1.0f + 0.01f * static_cast<float>(row);
      model->als.item_factors.insert(model->als.item_factors.end(),
                                     {row % 2 ? 0.0f : strength, row % 2 ? strength : 0.0f});
      model->similar.neighbours.push_back({(row + 2) % 10, 0.5f});
      model->similar.offsets.push_back(row + 1);
      model->bought_together.neighbours.push_back({(row + 1) % 10, 0.5f});
      model->bought_together.offsets.push_back(row + 1);
      model->popularity.popular.push_back(static_cast<float>(10 - row));
      model->popularity.trending.push_back(row == 4 ? 1.0f : 0.0f);
    }
    EXPECT_TRUE(CheckAndPrepare(model->als).ok());
    model_ = model;
    models_ = ModelSet::Make(5, model);
    customer_ = Customer(false, {3});
    request_.now = kShopOpens;
    request_.count = 3;
    list_.now = kShopOpens;
    list_.count = 3;
    Configure({});
  }

  void Configure(EngineOptions options) {
    auto made = Recommender::Make(std::move(options), kKey);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    recommender_ = made.Take();
  }

  static std::shared_ptr<CustomerView> Customer(bool anonymous, const std::vector<uint64_t>& ordered) {
    auto view = std::make_shared<CustomerView>();
    view->root = CustomerId{1};
    view->anonymous = anonymous;
    uint64_t event = 0;
    for (const uint64_t item : ordered) {
      HistoryEntry line;
      line.event = EventId{++event};
      line.item = ItemId{item};
      line.type = EventType::kOrdered;
      line.time = kShopOpens;
      view->history.push_back(line);
      view->items.push_back({ItemId{item}, false, true, 1});
    }
    return view;
  }

  RecommendContext Context() const { return {catalog_, models_, customer_}; }
  RecommendResponse Ask() {
    auto answer = recommender_->Recommend(Context(), request_);
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer.Take() : RecommendResponse();
  }
  static std::vector<uint64_t> Ids(const RecommendResponse& answer) {
    std::vector<uint64_t> ids;
    for (const RecommendedItem& shown : answer.items) ids.push_back(shown.item.value);
    return ids;
  }
  std::string ErrorOf() {
    const auto answer = recommender_->Recommend(Context(), request_);
    EXPECT_FALSE(answer.ok());
    EXPECT_EQ(answer.status().code(), StatusCode::kInvalidArgument);
    return answer.status().message();
  }

  std::shared_ptr<const Catalog> catalog_;
  std::shared_ptr<const ContentModel> model_;
  std::shared_ptr<const ModelSet> models_;
  std::shared_ptr<const CustomerView> customer_;
  std::unique_ptr<Recommender> recommender_;
  RecommendRequest request_;
  ListRequest list_;
};

using Ids = std::vector<uint64_t>;

TEST_F(RecommenderTest, KnownCustomersGetTheirTaste) {
  const RecommendResponse answer = Ask();
  EXPECT_EQ(answer.level, Level::kPersonal);
  EXPECT_EQ(answer.generation, 5u);
  EXPECT_EQ(Ids(answer), (std::vector<uint64_t>{3, 9, 7}));  // ordered before, then the strongest odd ones
}

TEST_F(RecommenderTest, AnonymousVisitorsGetTheirSession) {
  customer_ = Customer(true, {3});
  EXPECT_EQ(Ask().level, Level::kSession);
  EngineOptions options;
  options.session_events = 1;
  options.repeat_weight = 0;
  Configure(options);
  customer_ = Customer(true, {3, 5, 7, 9, 2});  // only the last event counts
  for (const RecommendedItem& shown : Ask().items) EXPECT_EQ(shown.item.value % 2, 0u);
}

TEST_F(RecommenderTest, FallsBackStepByStep) {
  customer_ = nullptr;
  EXPECT_EQ(Ask().level, Level::kPopular);
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{1, 2, 3}));
  request_.seed_items = {ItemName(4), "unknown"};
  RecommendResponse answer = Ask();
  EXPECT_EQ(answer.level, Level::kSimilar);
  EXPECT_EQ(Ids(answer), (std::vector<uint64_t>{6, 1, 2}));
  request_.seed_items.clear();
  models_ = nullptr;
  answer = Ask();
  EXPECT_EQ(answer.level, Level::kStatic);
  EXPECT_EQ(answer.generation, 0u);
  EXPECT_EQ(Ids(answer), (std::vector<uint64_t>{12, 11, 10}));  // latest first
  EngineOptions options;
  options.static_items = {"gone", ItemName(2), ItemName(7)};
  Configure(options);
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{2, 7, 12}));
}

// Factors that collapsed in training (1e-28 on a million items with two views each) have no say; the stages after them
// have. Without that the page is in the order of rounding errors.
TEST_F(RecommenderTest, CollapsedFactorsSayNothing) {
  auto collapsed = std::make_shared<ContentModel>(*model_);
  for (float& value : collapsed->als.item_factors) value *= 1e-20f;
  ASSERT_TRUE(CheckAndPrepare(collapsed->als).ok());
  models_ = ModelSet::Make(6, collapsed);
  const RecommendResponse answer = Ask();
  EXPECT_EQ(answer.items.size(), 3u);
  for (const RecommendedItem& shown : answer.items) EXPECT_NE(shown.origin, Origin::kFactors);
}

TEST_F(RecommenderTest, PersonalizationOffBindsAtOnce) {
  auto off = std::make_shared<CustomerView>(*customer_);
  off->personalization = Personalization::kOff;
  customer_ = off;
  const RecommendResponse answer = Ask();
  EXPECT_EQ(answer.level, Level::kPopular);
  EXPECT_EQ(Ids(answer), (std::vector<uint64_t>{1, 2, 3}));
  request_.filter = "NOT ordered";  // not even looked at
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{1, 2, 3}));
}

TEST_F(RecommenderTest, PinsStandAtTheirPositions) {
  request_.count = 4;
  request_.pins = {{ItemName(8), 3}, {ItemName(2), 1}, {"unknown", 2}, {ItemName(4), 9}};
  const RecommendResponse answer = Ask();
  EXPECT_EQ(Ids(answer), (std::vector<uint64_t>{2, 3, 8, 9}));
  EXPECT_TRUE(answer.items[0].pinned);
  EXPECT_FALSE(answer.items[1].pinned);
  EXPECT_TRUE(answer.items[2].pinned);
  request_.exclude = {ItemName(2)};
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{3, 9, 8, 7}));
}

TEST_F(RecommenderTest, BoostsNeverWorkAgainstTheirSign) {
  // Even items score lowest for this customer; whatever the sign of the score, a factor above 1 must not lower them.
  EngineOptions options;
  options.repeat_weight = 0;
  Configure(options);
  request_.count = 12;
  const auto rank_of = [&](uint64_t item) {
    const auto ids = Ids(Ask());
    return std::find(ids.begin(), ids.end(), item) - ids.begin();
  };
  for (uint64_t item = 1; item <= 10; ++item) {
    request_.boosts.clear();
    const auto plain = rank_of(item);
    request_.boosts = {{"itemId = '" + ItemName(item) + "'", 4}};
    EXPECT_LE(rank_of(item), plain) << item;
    request_.boosts[0].factor = 0.1;
    EXPECT_GE(rank_of(item), plain) << item;
  }
}

TEST_F(RecommenderTest, PagesGoOnWithoutRepeats) {
  request_.count = 5;
  std::set<uint64_t> seen;
  for (const size_t expected : {5u, 5u, 2u, 0u}) {
    const RecommendResponse page = Ask();
    EXPECT_EQ(page.items.size(), expected);
    for (const uint64_t id : Ids(page)) EXPECT_TRUE(seen.insert(id).second) << id;
    request_.after = page.recommendation_id;
  }
  EXPECT_EQ(seen.size(), 12u);
  request_.after[3] ^= 1;
  EXPECT_NE(ErrorOf().find("recommendationId"), std::string::npos);
  request_.after = "";
  request_.after = recommender_->Recommend(Context(), request_)->items[0].impression;
  EXPECT_NE(ErrorOf().find("something else"), std::string::npos);
}

TEST_F(RecommenderTest, RepeatPolicies) {
  auto view = Customer(false, {3, 5});
  view->items[1].owned = 0;  // 5 came back
  customer_ = view;
  request_.count = 12;
  const auto has = [&](uint64_t item) {
    const auto ids = Ids(Ask());
    return std::find(ids.begin(), ids.end(), item) != ids.end();
  };
  request_.repeat = RepeatPolicy::kExcludeOwned;
  EXPECT_FALSE(has(3));
  EXPECT_TRUE(has(5));
  request_.repeat = RepeatPolicy::kExcludeOrdered;
  EXPECT_FALSE(has(5));
  request_.repeat = RepeatPolicy::kOnlyOrdered;
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{3, 5}));
  request_.repeat.reset();
  request_.scenario = "buy-again";
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{3, 5}));
  EXPECT_EQ(Ask().level, Level::kPersonal);
}

TEST_F(RecommenderTest, ScenariosAboutSeedsBeginWithTheirNeighbours) {
  request_.seed_items = {ItemName(1)};
  request_.scenario = "product";
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{3, 5, 7}));  // neighbour, then the same category by popularity
  EXPECT_EQ(Ask().level, Level::kSimilar);
  request_.scenario = "cart";
  EXPECT_EQ(Ids(Ask()), (std::vector<uint64_t>{2, 3, 5}));
}

TEST_F(RecommenderTest, ListsAndBoards) {
  EXPECT_EQ(Ids(*recommender_->Similar(Context(), ItemId{1}, list_)), (std::vector<uint64_t>{3, 5, 7}));
  EXPECT_EQ(Ids(*recommender_->BoughtTogether(Context(), ItemId{1}, list_)), (std::vector<uint64_t>{2, 3, 5}));
  EXPECT_EQ(Ids(*recommender_->Similar(Context(), ItemId{11}, list_)),
            (std::vector<uint64_t>{1, 3, 5}));  // unknown to the model
  EXPECT_EQ(Ids(*recommender_->Board(Context(), BoardKind::kTrending, list_)), (std::vector<uint64_t>{5, 1, 2}));
  EXPECT_EQ(Ids(*recommender_->Board(Context(), BoardKind::kPopular, list_)), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(Ids(*recommender_->Board(Context(), BoardKind::kLatest, list_)), (std::vector<uint64_t>{12, 11, 10}));
  list_.filter = "category = 'even'";
  EXPECT_EQ(Ids(*recommender_->Board(Context(), BoardKind::kPopular, list_)), (std::vector<uint64_t>{2, 4, 6}));
}

TEST_F(RecommenderTest, WrongRequestsSayWhatIsWrong) {
  request_.filter = "price <";
  EXPECT_NE(ErrorOf().find("filter: at byte 7"), std::string::npos);
  request_.filter = "";
  request_.boosts = {{"", 2.0}, {"tag", 1.0}};
  EXPECT_NE(ErrorOf().find("boost[1]: filter: at byte 3"), std::string::npos);
  for (const double factor : {0.0, -1.0, 101.0, std::nan("")}) {
    request_.boosts = {{"", factor}};
    EXPECT_NE(ErrorOf().find("boost[0].factor"), std::string::npos);
  }
  request_.boosts.clear();
  request_.pins = {{ItemName(1), 0}};
  EXPECT_NE(ErrorOf().find("pin[0].position"), std::string::npos);
  request_.pins.clear();
  request_.count = limits::kRecommendationCountMax + 1;
  EXPECT_NE(ErrorOf().find("count: at most 1000"), std::string::npos);
  EngineOptions options;
  options.scenarios[0].filter = "oops";
  const auto made = Recommender::Make(options, kKey);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.status().message().find("scenario 'home': filter: at byte 0"), std::string::npos);
}

TEST_F(RecommenderTest, SameInputsSameAnswerOnEveryThread) {
  // Threads share one Recommender and its caches, on two catalogue versions at once.
  CatalogBuilder builder(*catalog_);
  Item changed = *catalog_->Get(ItemId{9});
  changed.stock = 0;
  builder.Put(changed);
  const auto second = builder.Build();
  request_.boosts = {{"category = 'even' AND NOT ordered", 1.5}};
  request_.filter = "stock != 0 OR NOT stock >= 0";
  const auto ask = [&](const std::shared_ptr<const Catalog>& catalog) {
    return recommender_->Recommend({catalog, models_, customer_}, request_);
  };
  const auto expected_first = ask(catalog_), expected_second = ask(second);
  std::atomic<int> different{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const bool first = (i + t) % 3 == 0;
        const auto answer = ask(first ? catalog_ : second);
        const auto& expected = first ? expected_first : expected_second;
        const bool same = answer.ok() && Ids(*answer) == Ids(*expected) &&
                          answer->recommendation_id == expected->recommendation_id &&
                          answer->items.back().impression == expected->items.back().impression;
        if (!same) ++different;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different.load(), 0);
}

TEST(ImpressionTest, TokensComeBackAsTheyWereAndNothingElseDoes) {
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    const Impression impression{random.NextU64(), ItemId{random.NextU64() >> random.Below(60)},
                                static_cast<uint32_t>(random.Below(1000)), static_cast<float>(random.Uniform()),
                                Timestamp{static_cast<int64_t>(random.NextU64() >> 20)}};
    const std::string token = SignImpression(kKey, impression);
    EXPECT_LE(token.size(), 80u);
    ASSERT_TRUE(VerifyImpression(kKey, token).ok());
    EXPECT_EQ(*VerifyImpression(kKey, token), impression);
    std::string broken = token;
    broken[random.Below(broken.size())] ^= 1;
    EXPECT_FALSE(VerifyImpression(kKey, broken).ok() && *VerifyImpression(kKey, broken) != impression);
    EXPECT_FALSE(VerifyImpression(SecretKey{1}, token).ok());
    EXPECT_FALSE(VerifyImpression(kKey, token.substr(0, token.size() - 4)).ok());
    EXPECT_FALSE(VerifyCursor(kKey, token).ok());
  }
  for (const std::string bad : {"", "x", "!!!!", "AAAA", "\xff\xfe"}) {
    EXPECT_EQ(VerifyImpression(kKey, bad).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(VerifyCursor(kKey, bad).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(VerifyCursor(kKey, std::string(1 << 20, 'A')).ok());
}

TEST(ImpressionTest, CursorsHoldUpToAThousandItems) {
  Cursor cursor{42, 7, kShopOpens, {}};
  for (uint64_t i = 1; i <= kCursorItemsMax; ++i) cursor.shown.push_back(ItemId{i * 1000003});
  const SignedCursor signed_cursor = SignCursor(kKey, cursor);
  const auto verified = VerifyCursor(kKey, signed_cursor.token);
  ASSERT_TRUE(verified.ok()) << verified.status().ToString();
  EXPECT_EQ(*verified, cursor);
  EXPECT_EQ(*ShortIdOf(kKey, signed_cursor.token), signed_cursor.short_id);
}

}  // namespace
}  // namespace rapport

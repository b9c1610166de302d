// Parts of the int8 copy by filter: a page with a filter is the same with parts and without, whatever the filter, the
// customer, the catalogue and the generation become; and parts are bounded.
#include <gtest/gtest.h>

#include <thread>

#include "engine/content/filter_parts.h"
#include "engine/content/recommender.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

constexpr uint64_t kItems = 1500;
const SecretKey kKey = {7};

// A catalogue that changes, and models that are trained anew.
class Shop {
 public:
  explicit Shop(uint64_t seed) : random_(seed) {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= kItems; ++id) builder.Put(RandomShopItem(random_, id, kItems, kShopOpens));
    catalog = builder.Build();
    Train();
  }
  void Change(size_t items) {
    CatalogBuilder builder(*catalog);
    for (size_t n = 0; n < items; ++n) {
      builder.Put(RandomShopItem(random_, 1 + random_.Below(kItems), kItems, kShopOpens));
    }
    catalog = builder.Build();
  }
  void Train() {
    auto model = RandomContentModel(random_, kItems, 16);
    if (Chance(random_, 0.5)) model = WithRandomBlend(random_, model);
    models = ModelSet::Make(++generation_, std::move(model));
  }
  Random& random() { return random_; }

  std::shared_ptr<const Catalog> catalog;
  std::shared_ptr<const ModelSet> models;

 private:
  Random random_;
  uint64_t generation_ = 0;
};

std::shared_ptr<Recommender> Make(size_t filter_bytes) {
  EngineOptions options;
  options.filter_cache_bytes = filter_bytes;
  auto made = Recommender::Make(options, kKey);
  EXPECT_TRUE(made.ok());
  return std::shared_ptr<Recommender>(made.Take());
}

std::vector<std::pair<uint64_t, float>> Page(const Recommender& recommender, const Shop& shop,
                                             const std::shared_ptr<const CustomerView>& customer,
                                             const std::string& filter, const std::string& kind) {
  RecommendRequest request;
  request.now = kShopOpens;
  request.count = 30;
  request.filter = filter;
  request.kind = kind;
  request.explain = true;
  const auto answer = recommender.Recommend({shop.catalog, shop.models, customer}, request);
  EXPECT_TRUE(answer.ok()) << answer.status().ToString();
  std::vector<std::pair<uint64_t, float>> out;
  for (const RecommendedItem& item : answer->items) out.emplace_back(item.item.value, static_cast<float>(item.score));
  return out;
}

const char* const kFilters[] = {"price <= 2",
                                "price <= 8",
                                "price <= 2 AND NOT viewed",
                                "(price <= 4 OR viewed) AND NOT owned",
                                "NOT (price > 2 OR NOT ordered)",
                                "category = 'c1' AND tag = 'new'",
                                "stock > 1",
                                "viewed",
                                ""};

TEST(FilterPartsTest, PagesAreTheSameWithPartsAndWithout) {
  size_t pages = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Shop shop(seed);
    const auto with = Make(64u << 20), without = Make(0);  // no room: every filter compiled anew, no part kept
    for (size_t step = 0; step < 30; ++step) {
      if (step % 5 == 4) shop.Change(step % 10 == 9 ? 1400 : 5);  // too many to be named beside, and few
      if (step == 17) shop.Train();
      const auto customer = RandomCustomer(shop.random(), kItems, kShopOpens);
      for (const char* filter : kFilters) {
        const std::string kind = Chance(shop.random(), 0.3) ? "article" : "";
        EXPECT_EQ(Page(*with, shop, customer, filter, kind), Page(*without, shop, customer, filter, kind))
            << "seed " << seed << " step " << step << " filter " << filter;
        ++pages;
      }
    }
  }
  EXPECT_EQ(pages, 6 * 30 * std::size(kFilters));
}

// One filter over one index after the other.
class Parts {
 public:
  explicit Parts(size_t entries = 64, size_t bytes = 64u << 20) : filters_(64, 64u << 20), parts(entries, bytes) {}
  std::shared_ptr<const FilterPart> Get(const std::string& text, const Shop& shop) {
    return Get(text, shop, shop.models);
  }
  std::shared_ptr<const FilterPart> Get(const std::string& text, const Shop& shop,
                                        const std::shared_ptr<const ModelSet>& models) {
    index = indexes_.Get(shop.catalog);
    compiled = filters_.Get(text, *index).Take();
    return parts.Get(std::span(&compiled, 1), *index, models);
  }
  // Every row that the filter lets pass, and how it is known.
  void ExpectWhole(const FilterPart& part, const Shop& shop) const {
    const QuantizedItems& copy = shop.models->content->als.quantized;
    Bitmap passes;
    PickBitsOf(compiled->Bound(), shop.models->has_row, copy.items, passes);
    for (uint32_t row = 0; row < copy.items; ++row) {
      if (!TestBit(passes, row) || copy.places[row] >= part.rows->reach) continue;
      const auto end = part.rows->order.begin() + part.rows->items;
      const auto inside = std::count(part.rows->order.begin(), end, row);
      EXPECT_EQ(inside + std::count(part.also.begin(), part.also.end(), row), 1) << row;
    }
  }

 private:
  CatalogIndexCache indexes_;
  FilterCache filters_;

 public:
  FilterPartCache parts;
  std::shared_ptr<const CatalogIndex> index;
  std::shared_ptr<const CompiledFilter> compiled;
};

TEST(FilterPartsTest, IsMadeAtTheSecondQuestionAndFollowsTheCatalogue) {
  Shop shop(11);
  Parts parts;
  EXPECT_EQ(parts.Get("price <= 9", shop), nullptr);
  const auto made = parts.Get("price <= 9", shop);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(parts.Get("price <= 9", shop), made);
  parts.ExpectWhole(*made, shop);
  size_t named = 0;
  for (int n = 0; n < 10; ++n) {
    shop.Change(4);
    const auto followed = parts.Get("price <= 9", shop);
    ASSERT_NE(followed, nullptr);
    EXPECT_EQ(followed->rows, made->rows);
    parts.ExpectWhole(*followed, shop);
    named += followed->also.size();
  }
  EXPECT_GT(named, 0u);
  shop.Change(1400);  // more than are named beside it
  const auto anew = parts.Get("price <= 9", shop);
  ASSERT_NE(anew, nullptr);
  EXPECT_NE(anew->rows, made->rows);
  EXPECT_TRUE(anew->also.empty());
  parts.ExpectWhole(*anew, shop);
}

TEST(FilterPartsTest, OtherModelsHaveTheirOwn) {
  Shop shop(12);
  Parts parts;
  parts.Get("price <= 5", shop);
  const auto before = parts.Get("price <= 5", shop);
  ASSERT_NE(before, nullptr);
  const auto former = shop.models;
  shop.Train();
  EXPECT_EQ(parts.Get("price <= 5", shop), nullptr);
  const auto after = parts.Get("price <= 5", shop);
  ASSERT_NE(after, nullptr);
  parts.ExpectWhole(*after, shop);
  EXPECT_EQ(parts.Get("price <= 5", shop, former), nullptr);  // of a request that began before
  EXPECT_EQ(parts.Get("price <= 5", shop), after);
}

TEST(FilterPartsTest, NoneIsMadeWhereItSparesNothing) {
  Shop shop(13);
  Parts parts;
  for (const char* filter : {"price >= 0", "NOT viewed", "viewed OR price <= 1"}) {
    for (int n = 0; n < 3; ++n) EXPECT_EQ(parts.Get(filter, shop), nullptr) << filter;
  }
  Shop untrained(14);
  untrained.models = std::make_shared<const ModelSet>();
  for (int n = 0; n < 3; ++n) EXPECT_EQ(parts.Get("price <= 5", untrained), nullptr);
}

TEST(FilterPartsTest, AreBoundedByEntriesAndBytes) {
  Shop shop(15);
  Parts few(3, 64u << 20), small(64, 40'000);
  for (int n = 0; n < 20; ++n) {
    const std::string filter = "price <= " + std::to_string(2 + n % 7);
    few.Get(filter, shop);
    few.Get(filter, shop);
    small.Get(filter, shop);
    const auto part = small.Get(filter, shop);
    if (part != nullptr) small.ExpectWhole(*part, shop);
    EXPECT_LE(few.parts.entries(), 3u);
    EXPECT_GT(few.parts.bytes(), 0u);
    EXPECT_LE(small.parts.bytes(), 40'000u);
  }
}

// A broken twin of the part: one row less, and a page can tell.
TEST(FilterPartsTest, ARowThatIsMissingIsCaught) {
  Shop shop(16);
  Parts parts;
  parts.Get("price <= 5", shop);
  const auto part = parts.Get("price <= 5", shop);
  ASSERT_NE(part, nullptr);
  const AlsModel& als = shop.models->content->als;
  Bitmap allowed;
  PickBitsOf(parts.compiled->Bound(), shop.models->has_row, als.items, allowed);
  std::vector<float> user(16, 1.0f), scores(als.items);
  ScoreAll(als.item_factors, user, scores);
  ScanScratch scratch;
  const auto best = [&](const FilterPart& of) {
    return BestItems(als.quantized, als.item_factors, user, 10, FilterPart::Allow(allowed, &of), ScoreFloor::kNone,
                     scratch);
  };
  const std::vector<Scored> expected = TopK(scores, 10, allowed);
  EXPECT_EQ(best(*part), expected);
  Bitmap fewer = allowed;
  ClearBit(fewer, expected.front().index);
  const FilterPart broken{std::make_shared<const QuantizedPart>(PartOf(als.quantized, fewer, als.items)), {}};
  EXPECT_NE(best(broken), expected);
}

TEST(FilterPartsTest, ManyThreadsGetWholeParts) {
  Shop shop(17);
  const auto shared = Make(1u << 20), alone = Make(0);
  std::vector<std::shared_ptr<const CustomerView>> customers;
  for (int n = 0; n < 8; ++n) customers.push_back(RandomCustomer(shop.random(), kItems, kShopOpens));
  std::vector<std::thread> threads;
  std::vector<size_t> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t n = 0; n < 40; ++n) {
        const char* filter = kFilters[(n + t) % std::size(kFilters)];
        const auto& customer = customers[n % customers.size()];
        wrong[t] += Page(*shared, shop, customer, filter, "") != Page(*alone, shop, customer, filter, "");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<size_t>(4));
}

}  // namespace
}  // namespace rapport

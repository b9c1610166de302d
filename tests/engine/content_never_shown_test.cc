// The promise of the shop window: a hidden, expired, not yet published, unavailable, sold out, excluded, uncatalogued
// or wrong-audience item never appears on any path; no item and no product twice; never more than asked for; and as
// many as there are, so never nothing while something may be shown.
//
// Random shops live for some steps: time passes, stock, hiding, expiry, audiences and variants change, items come and
// go, while the same Recommender (with its caches) answers every kind of question, now and then on an older catalogue.
// The oracle is WhyNot() of content_fixture.h. Broken twins show that it notices.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "engine/content/impression.h"
#include "engine/content/recommender_seam.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

const SecretKey kKey = {1, 2, 3};

struct Tally {
  uint64_t answers = 0, items = 0, pinned = 0, explored = 0, pages = 0, empty = 0, violations = 0;
  std::map<std::string, uint64_t> by_path;
  std::map<Level, uint64_t> by_level;
  std::vector<std::string> examples;
  void Violation(const std::string& what) {
    ++violations;
    if (examples.size() < 10) examples.push_back(what);
  }
};

// Whether a list is in the order of its scores: diversity reorders it, and a draw has an order of its own.
enum class Order { kRanked, kDiverse };

void CheckShape(const RecommendResponse& answer, Order order, Tally& tally, const std::string& path) {
  Level last_level = Level::kPersonal;
  float last_score = std::numeric_limits<float>::max();
  for (const RecommendedItem& shown : answer.items) {
    if (shown.pinned) continue;
    ++tally.by_level[shown.level];
    tally.explored += shown.explored;
    if (shown.level < answer.level) tally.Violation(path + ": the answer's level is not its best");
    if (shown.explored || order == Order::kDiverse) continue;
    // Lists about seeds begin with what is similar to them; all others with what is most personal.
    const bool about_seeds =
        path == "recommend product" || path == "recommend cart" || path == "recommend post-purchase";
    if (shown.level < last_level && !about_seeds)
      tally.Violation(path + ": a more personal level after a less personal one");
    if (!(shown.score <= last_score)) tally.Violation(path + ": scores rise");
    last_level = shown.level;
    last_score = shown.score;
  }
  const Result<Cursor> cursor = VerifyCursor(kKey, answer.recommendation_id);
  const Result<uint64_t> short_id = ShortIdOf(kKey, answer.recommendation_id);
  if (!cursor.ok() || !short_id.ok()) return tally.Violation(path + ": recommendation id does not verify");
  for (size_t i = 0; i < answer.items.size(); ++i) {
    const Result<Impression> impression = VerifyImpression(kKey, answer.items[i].impression);
    if (!impression.ok() || impression->item != answer.items[i].item || impression->slot != i + 1 ||
        impression->recommendation != *short_id || impression->propensity != answer.items[i].propensity ||
        !(impression->propensity > 0 && impression->propensity <= 1)) {
      tally.Violation(path + ": impression does not say what was shown");
    }
  }
}

// `live`: the catalogue that the oracle believes in.
void CheckAnswer(const Catalog& live, const Asked& asked, size_t count, const Result<RecommendResponse>& result,
                 const std::string& path, Tally& tally, Order order = Order::kRanked) {
  ++tally.answers;
  ++tally.by_path[path];
  if (!result.ok()) return tally.Violation(path + ": " + result.status().ToString());
  tally.items += result->items.size();
  tally.empty += result->items.empty();
  std::set<uint64_t> ids;
  std::set<std::string> products;
  for (const RecommendedItem& shown : result->items) {
    const Item* item = live.Get(shown.item);
    const std::string why = WhyNot(item, asked);
    if (!why.empty())
      tally.Violation(path + ": shows " + shown.external_id + ", " + why + (shown.pinned ? ", pinned" : ""));
    if (item == nullptr) continue;
    if (item->external_id != shown.external_id) tally.Violation(path + ": names disagree");
    if (!ids.insert(shown.item.value).second) tally.Violation(path + ": an item twice");
    if (!products.insert(ProductOf(*item)).second) tally.Violation(path + ": two variants of a product");
    tally.pinned += shown.pinned;
  }
  if (result->items.size() > count) tally.Violation(path + ": more than asked for");
  const size_t possible = std::min(count, ShowableProducts(live, asked));
  if (result->items.size() < possible) {
    tally.Violation(path + ": " + std::to_string(result->items.size()) + " of " + std::to_string(possible) +
                    " possible");
  }
  CheckShape(*result, order, tally, path);
}

// One shop through its life.
class Shop {
 public:
  explicit Shop(uint64_t seed, RecommenderSeam seam) : random_(seed), size_(3 + random_.Below(150)), now_(kShopOpens) {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size_; ++id) builder.Put(RandomShopItem(random_, id, size_, now_));
    catalog_ = before_ = builder.Build();
    for (uint64_t i = 0; i < 4; ++i) options_.static_items.push_back(ItemName(1 + random_.Below(size_ + 2)));
    for (Scenario& scenario : options_.scenarios) {
      scenario.exclude_viewed = Chance(random_, 0.2);
      scenario.exclude_seeds = Chance(random_, 0.8);
      filter_of_[scenario.name] = RandomFilter(0.7);
      scenario.filter = filter_of_[scenario.name]->text;
      if (Chance(random_, 0.3)) scenario.diversity = random_.Uniform();
      if (Chance(random_, 0.3)) {
        for (uint64_t n = 1 + random_.Below(3); n > 0; --n) {
          scenario.exploration.slots.push_back(1 + random_.Below(10));
        }
        scenario.exploration.candidates = 2 + random_.Below(10);
        scenario.exploration.new_items = random_.Below(scenario.exploration.candidates);
      }
    }
    options_.filter_cache_entries = 6;  // so that eviction is part of it
    options_.repeat_weight = Chance(random_, 0.5) ? 1.0 : 0.0;
    NewModel();
    recommender_ = MakeRecommenderForTest(options_, kKey, seam).Take();
    without_prefilter_ = MakeRecommenderForTest(options_, kKey, RecommenderSeam::kNoPrefilter).Take();
  }

  void Step() {
    now_.ms += static_cast<int64_t>(random_.Below(4)) * kHourMs;
    before_ = catalog_;
    CatalogBuilder builder(*catalog_);
    for (uint64_t n = random_.Below(6); n > 0; --n) Change(builder);
    if (Chance(random_, 0.2)) {
      ++size_;
      builder.Put(RandomShopItem(random_, size_, size_, now_));
    }
    catalog_ = builder.Build();
    if (Chance(random_, 0.1)) NewModel();
  }

  void Ask(Tally& tally) {
    customer_ = RandomCustomer(random_, size_, now_);
    switch (random_.Below(14)) {
      case 0: return AskItem(tally, "similar");
      case 1: return AskItem(tally, "bought together");
      case 2: return AskBoard(tally);
      case 3:
      case 4: return AskRank(tally);
      case 5:
      case 6: return AskTogether(tally);
      default: return AskRecommend(tally);
    }
  }

  // Oracle and recommender see different catalogues: what a stale cache would look like.
  bool stale = false;

 private:
  const KnownFilter* RandomFilter(double none) {
    const auto& filters = KnownFilters();
    return &filters[Chance(random_, none) ? 0 : random_.Below(filters.size())];
  }

  void NewModel() {
    if (Chance(random_, 0.2)) {
      models_ = ModelSet::Make(0, nullptr);
      return;
    }
    auto model = RandomContentModel(random_, size_);
    if (Chance(random_, 0.6)) model = WithRandomBlend(random_, model);
    models_ = ModelSet::Make(1 + random_.Below(9), std::move(model));
  }

  void Change(CatalogBuilder& builder) {
    const uint64_t id = 1 + random_.Below(catalog_->size());
    if (Chance(random_, 0.2)) return builder.Put(RandomShopItem(random_, id, size_, now_));
    Item item = *builder.Find(ItemName(id));
    switch (random_.Below(6)) {
      case 0: item.stock = static_cast<int64_t>(random_.Below(2)); break;
      case 1: item.hidden = !item.hidden; break;
      case 2: item.available = !item.available; break;
      case 3: item.expires_at = Timestamp{now_.ms + static_cast<int64_t>(random_.Below(3)) * kHourMs}; break;
      case 4:
        item.audience = Chance(random_, 0.5) ? std::vector<std::string>{} : std::vector<std::string>{"vip"};
        break;
      default: item.catalogued = !item.catalogued; break;
    }
    builder.Put(std::move(item));
  }

  RecommendContext Context(const std::shared_ptr<const Catalog>& catalog) const {
    return {catalog, models_, customer_};
  }

  Asked AskedOf(std::string kind, std::vector<const KnownFilter*> filters) const {
    Asked asked;
    asked.now = now_;
    asked.audiences = customer_->audiences;
    if (customer_->personalization == Personalization::kOn) asked.items = customer_->items;
    asked.kind = std::move(kind);
    asked.filters = std::move(filters);
    return asked;
  }

  ListRequest RandomList(const KnownFilter* filter) {
    ListRequest request;
    request.kind = Chance(random_, 0.5) ? "" : "product";
    request.count = 1 + random_.Below(12);
    request.filter = filter->text;
    request.now = now_;
    return request;
  }

  void AskBoard(Tally& tally) {
    static constexpr BoardKind kBoards[] = {BoardKind::kTrending, BoardKind::kPopular, BoardKind::kLatest};
    const KnownFilter* filter = RandomFilter(0.5);
    const ListRequest request = RandomList(filter);
    const uint64_t board = random_.Below(3);
    const auto answer = recommender_->Board(Context(stale ? before_ : catalog_), kBoards[board], request);
    CheckAnswer(*catalog_, AskedOf(request.kind, {filter}), request.count, answer, "board " + std::to_string(board),
                tally);
  }

  void AskItem(Tally& tally, const std::string& path) {
    const KnownFilter* filter = RandomFilter(0.5);
    const ListRequest request = RandomList(filter);
    const auto& catalog = stale ? before_ : catalog_;
    const ItemId item{1 + random_.Below(catalog->size())};
    Asked asked = AskedOf(request.kind, {filter});
    asked.taken_products.insert(ProductOf(*catalog->Get(item)));
    const auto answer = path == "similar" ? recommender_->Similar(Context(catalog), item, request)
                                          : recommender_->BoughtTogether(Context(catalog), item, request);
    CheckAnswer(*catalog_, asked, request.count, answer, path, tally);
  }

  RecommendRequest RandomRequest(const KnownFilter* filter) {
    static const std::vector<std::string> kScenarios = {"home",          "product",   "category",  "cart",
                                                        "post-purchase", "buy-again", "unheard of"};
    RecommendRequest request;
    request.now = now_;
    request.scenario = kScenarios[random_.Below(kScenarios.size())];
    request.count = random_.Below(15);
    request.filter = filter->text;
    if (Chance(random_, 0.4)) request.kind = Chance(random_, 0.5) ? "" : (Chance(random_, 0.5) ? "product" : "article");
    if (Chance(random_, 0.2)) request.repeat = static_cast<RepeatPolicy>(random_.Below(4));
    const auto some_item = [this] { return ItemName(1 + random_.Below(size_ + 2)); };
    for (uint64_t n = random_.Below(4); n > 0; --n) request.seed_items.push_back(some_item());
    for (uint64_t n = random_.Below(4); n > 0; --n) request.exclude.push_back(some_item());
    if (Chance(random_, 0.3)) {
      for (uint64_t n = random_.Below(5); n > 0; --n) request.pins.push_back({some_item(), 1 + random_.Below(8)});
    }
    if (Chance(random_, 0.3)) request.boosts.push_back({RandomFilter(0)->text, Chance(random_, 0.5) ? 0.2 : 5.0});
    if (Chance(random_, 0.2)) request.diversity = Chance(random_, 0.3) ? 0.0 : random_.Uniform();
    return request;
  }

  const Scenario& ScenarioOf(const RecommendRequest& request) const {
    return *std::find_if(options_.scenarios.begin(), options_.scenarios.end(), [&](const Scenario& scenario) {
      return scenario.name == (request.scenario == "unheard of" ? "home" : request.scenario);
    });
  }
  Asked AskedFor(const RecommendRequest& request, const KnownFilter* filter, const Catalog& catalog) const {
    const Scenario& scenario = ScenarioOf(request);
    Asked asked = AskedOf(request.kind.value_or(scenario.kind), {filter, filter_of_.at(scenario.name)});
    asked.repeat = request.repeat.value_or(scenario.repeat);
    asked.exclude_viewed = scenario.exclude_viewed;
    asked.excluded.insert(request.exclude.begin(), request.exclude.end());
    if (!scenario.exclude_seeds) return asked;
    for (const std::string& seed : request.seed_items) {
      const Item* item = catalog.Find(seed);
      if (item != nullptr) asked.taken_products.insert(ProductOf(*item));
    }
    return asked;
  }
  Order OrderOf(const RecommendRequest& request) const {
    return request.diversity.value_or(ScenarioOf(request).diversity) > 0 ? Order::kDiverse : Order::kRanked;
  }

  // Items of any sort, some unknown, some twice: those that may be shown come back, and only those.
  void AskRank(Tally& tally) {
    const KnownFilter* filter = RandomFilter(0.5);
    const auto& catalog = stale ? before_ : catalog_;
    RankRequest request;
    request.question = RandomRequest(filter);
    request.question.diversity.reset();
    Asked asked = AskedFor(request.question, filter, *catalog);
    asked.kind = request.question.kind.value_or("");
    std::set<std::string> expected;
    for (uint64_t n = 1 + random_.Below(30); n > 0; --n) {
      request.items.push_back(ItemName(1 + random_.Below(size_ + 3)));
      if (WhyNot(catalog_->Find(request.items.back()), asked).empty()) expected.insert(request.items.back());
    }
    const auto answer = recommender_->Rank(Context(catalog), request);
    ++tally.answers;
    ++tally.by_path["rank"];
    if (!answer.ok()) return tally.Violation("rank: " + answer.status().ToString());
    std::set<std::string> ranked;
    for (const RecommendedItem& shown : answer->ranked.items) {
      if (!ranked.insert(shown.external_id).second) tally.Violation("rank: an item twice");
      const std::string why = WhyNot(catalog_->Get(shown.item), asked);
      if (!why.empty()) tally.Violation("rank: shows " + shown.external_id + ", " + why);
    }
    tally.items += ranked.size();
    if (ranked != expected) tally.Violation("rank: not the items that may be shown");
    if (request.question.seed_items.empty()) CheckShape(answer->ranked, Order::kRanked, tally, "rank");
  }

  // Each placement by itself, less what the ones before it show.
  void AskTogether(Tally& tally) {
    const auto& catalog = stale ? before_ : catalog_;
    TogetherRequest page;
    page.now = now_;
    std::vector<const KnownFilter*> filters;
    for (uint64_t n = 1 + random_.Below(4); n > 0; --n) {
      filters.push_back(RandomFilter(0.5));
      page.placements.push_back(RandomRequest(filters.back()));
    }
    const auto answers = recommender_->Together(Context(catalog), page);
    if (!answers.ok()) return tally.Violation("together: " + answers.status().ToString());
    std::set<std::string> shown_before;
    for (size_t i = 0; i < answers->size(); ++i) {
      const RecommendRequest& request = page.placements[i];
      const Scenario& scenario = ScenarioOf(request);
      Asked asked = AskedFor(request, filters[i], *catalog);
      asked.taken_products.insert(shown_before.begin(), shown_before.end());
      // Named like the page on which only its shape depends.
      const std::string path = "recommend " + scenario.name;
      CheckAnswer(*catalog_, asked, request.count == 0 ? scenario.count : request.count, (*answers)[i], path, tally,
                  OrderOf(request));
      ++tally.by_path["together"];
      for (const RecommendedItem& shown : (*answers)[i].items) {
        const Item* item = catalog_->Get(shown.item);
        if (item != nullptr) shown_before.insert(ProductOf(*item));
      }
    }
  }

  void AskRecommend(Tally& tally) {
    const KnownFilter* filter = RandomFilter(0.5);
    RecommendRequest request = RandomRequest(filter);
    // A request that began before the last change keeps its catalogue, and is judged by it.
    const auto& catalog = stale || Chance(random_, 0.1) ? before_ : catalog_;
    const Catalog& judged = stale ? *catalog_ : *catalog;
    const Scenario& scenario = ScenarioOf(request);
    Asked asked = AskedFor(request, filter, *catalog);
    const size_t count = request.count == 0 ? scenario.count : request.count;
    for (int page = 1; page <= 2; ++page) {
      const auto answer = recommender_->Recommend(Context(catalog), request);
      CheckAnswer(judged, asked, count, answer, "recommend " + scenario.name, tally, OrderOf(request));
      if (!answer.ok()) return;
      CheckPersonalization(*answer, tally);
      CheckPins(request, *answer, tally);
      CheckPrefilterChangesNothing(catalog, request, *answer, tally);
      tally.pages += page == 2;
      for (const RecommendedItem& shown : answer->items) {
        const Item* item = judged.Get(shown.item);
        if (item != nullptr) asked.taken_products.insert(ProductOf(*item));
      }
      if (page == 2 || Chance(random_, 0.5)) {
        request.after = answer->recommendation_id;
        continue;
      }
      const auto next = recommender_->Continue(answer->recommendation_id, now_);  // from the id alone
      if (!next.ok()) return tally.Violation("next page: " + next.status().ToString());
      request = *next;
    }
  }

  void CheckPersonalization(const RecommendResponse& answer, Tally& tally) const {
    if (customer_->personalization == Personalization::kOn) return;
    if (answer.level <= Level::kSession) tally.Violation("personalization off, and personal all the same");
  }

  static void CheckPins(const RecommendRequest& request, const RecommendResponse& answer, Tally& tally) {
    for (size_t i = 0; i < answer.items.size(); ++i) {
      const RecommendedItem& shown = answer.items[i];
      if (!shown.pinned) continue;
      const bool asked_here_or_before = std::any_of(request.pins.begin(), request.pins.end(), [&](const Pin& pin) {
        return pin.item == shown.external_id && (pin.position <= i + 1 || answer.items.back().pinned);
      });
      if (!asked_here_or_before) tally.Violation("pinned where nobody asked for it");
    }
  }

  // The prefilter spares work and must not change an answer. (Blends and boosts scale by what is allowed.)
  void CheckPrefilterChangesNothing(const std::shared_ptr<const Catalog>& catalog, const RecommendRequest& request,
                                    const RecommendResponse& answer, Tally& tally) const {
    if (options_.repeat_weight != 0 || !request.boosts.empty() || stale) return;
    if (OrderOf(request) == Order::kDiverse || !ScenarioOf(request).exploration.slots.empty()) return;
    const ContentModel* model = models_->content.get();
    if (model != nullptr) {
      for (const auto* theta : {&model->stack.repeats_theta, &model->stack.new_theta, &model->stack.cold_theta,
                                &model->stack.session_theta}) {
        if (!theta->empty()) return;
      }
    }
    const auto plain = without_prefilter_->Recommend(Context(catalog), request);
    if (!plain.ok() || plain->items.size() != answer.items.size())
      return tally.Violation("the prefilter changes the answer");
    for (size_t i = 0; i < answer.items.size(); ++i) {
      if (plain->items[i].item != answer.items[i].item) return tally.Violation("the prefilter changes the order");
    }
  }

  Random random_;
  uint64_t size_;
  Timestamp now_;
  EngineOptions options_;
  std::map<std::string, const KnownFilter*> filter_of_;
  std::shared_ptr<const Catalog> catalog_, before_;
  std::shared_ptr<const ModelSet> models_;
  std::shared_ptr<const CustomerView> customer_;
  std::unique_ptr<Recommender> recommender_, without_prefilter_;
};

Tally Live(uint64_t shops, int steps, int questions, RecommenderSeam seam, bool stale) {
  Tally tally;
  for (uint64_t seed = 1; seed <= shops; ++seed) {
    Shop shop(seed, seam);
    shop.stale = stale;
    for (int step = 0; step < steps; ++step) {
      for (int i = 0; i < questions; ++i) shop.Ask(tally);
      shop.Step();
    }
  }
  return tally;
}

void Print(const Tally& tally, const char* what) {
  std::printf(
      "[  cases   ] %s: %llu answers, %llu items (%llu pinned, %llu explored), %llu second pages, %llu empty, %llu "
      "violations\n",
      what, static_cast<unsigned long long>(tally.answers), static_cast<unsigned long long>(tally.items),
      static_cast<unsigned long long>(tally.pinned), static_cast<unsigned long long>(tally.explored),
      static_cast<unsigned long long>(tally.pages), static_cast<unsigned long long>(tally.empty),
      static_cast<unsigned long long>(tally.violations));
  for (const auto& [path, count] : tally.by_path)
    std::printf("[          ]   %-24s %llu\n", path.c_str(), static_cast<unsigned long long>(count));
  for (const auto& [level, count] : tally.by_level)
    std::printf("[          ]   level %-18s %llu items\n", LevelName(level), static_cast<unsigned long long>(count));
}

TEST(NeverShownTest, NothingForbiddenAppearsOnAnyPathAndNothingPossibleIsMissing) {
  const Tally tally = Live(120, 10, 12, RecommenderSeam::kNone, false);
  Print(tally, "never shown");
  EXPECT_GE(tally.answers, 10000u);
  EXPECT_GT(tally.pinned, 500u);
  EXPECT_GT(tally.explored, 500u);
  for (const char* path : {"rank", "together"})
    EXPECT_GT(tally.by_path.count(path) ? tally.by_path.at(path) : 0, 1000u);
  for (const Level level : {Level::kPersonal, Level::kSession, Level::kSimilar, Level::kPopular, Level::kStatic}) {
    EXPECT_GT(tally.by_level.count(level) ? tally.by_level.at(level) : 0, 500u)
        << LevelName(level) << " is hardly tried";
  }
  EXPECT_EQ(tally.violations, 0u);
  for (const std::string& example : tally.examples) ADD_FAILURE() << example;
}

TEST(NeverShownTest, WithoutThePrefilterTheLiveCheckAloneHolds) {
  const Tally tally = Live(30, 5, 10, RecommenderSeam::kNoPrefilter, false);
  EXPECT_GE(tally.answers, 1000u);
  EXPECT_EQ(tally.violations, 0u);
  for (const std::string& example : tally.examples) ADD_FAILURE() << example;
}

TEST(NeverShownTest, BrokenTwinWithoutTheLiveCheckIsCaught) {
  const Tally tally = Live(30, 5, 10, RecommenderSeam::kNoLiveCheck, false);
  EXPECT_GT(tally.violations, 20u);
}

TEST(NeverShownTest, BrokenTwinOnAStaleCatalogueIsCaught) {
  const Tally tally = Live(30, 5, 10, RecommenderSeam::kNone, true);
  EXPECT_GT(tally.violations, 20u);
}

}  // namespace
}  // namespace rapport

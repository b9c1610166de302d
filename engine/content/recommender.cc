// Requests resolved into questions, and the order in which the stages are asked:
//
//   kPersonal          blend, or factors (level personal or session) -> similar to seeds, or to the history
//                      -> without a history: the blend of traits and boards -> popular -> static -> latest
//   kSimilar           similar to seeds -> kin of new seeds -> same category -> then as kPersonal
//   kBoughtTogether    bought with seeds -> similar to seeds -> same category -> then as kPersonal
//   kOnlyOrdered       whatever the scenario, orders by frequency and recency first
#include "engine/content/recommender.h"

#include <algorithm>
#include <cmath>

#include "base/limits.h"
#include "base/random.h"
#include "engine/content/carried_question.h"
#include "engine/content/explainer.h"
#include "engine/content/newcomer_cache.h"
#include "engine/content/page.h"
#include "engine/content/recommender_seam.h"
#include "engine/content/stages.h"

namespace rapport {

namespace {

constexpr double kBoostFactorMax = 100;
constexpr size_t kExplorationSlotsMax = 16;
constexpr size_t kExplorationCandidatesMax = 64;

// Scratch that requests borrow and give back. Thread-safe.
class ScratchPool {
 public:
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<RankScratch> scratch) : pool_(pool), scratch_(std::move(scratch)) {}
    ~Lease() { pool_.Return(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    RankScratch& operator*() { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<RankScratch> scratch_;
  };
  Lease Borrow() {
    std::unique_ptr<RankScratch> scratch;
    {
      std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        scratch = std::move(free_.back());
        free_.pop_back();
      }
    }
    return {*this, scratch ? std::move(scratch) : std::make_unique<RankScratch>()};
  }

 private:
  static constexpr size_t kKeptMax = 32;
  void Return(std::unique_ptr<RankScratch> scratch) {
    std::lock_guard lock(mutex_);
    if (free_.size() < kKeptMax) free_.push_back(std::move(scratch));
  }
  std::mutex mutex_;
  std::vector<std::unique_ptr<RankScratch>> free_;  // guarded by mutex_
};

Status Prefixed(const std::string& where, const Status& status) {
  return Status(status.code(), where + ": " + status.message());
}

std::string PlacementName(size_t index) { return "placements[" + std::to_string(index) + "]"; }

Status CheckSizes(const RecommendRequest& request) {
  const auto too_many = [](const char* field, size_t size, size_t most) {
    return size <= most ? Status::Ok()
                        : Status::InvalidArgument(std::string(field) + ": at most " + std::to_string(most) +
                                                  ", but there are " + std::to_string(size));
  };
  RAPPORT_RETURN_IF_ERROR(too_many("count", request.count, limits::kRecommendationCountMax));
  RAPPORT_RETURN_IF_ERROR(too_many("seedItems", request.seed_items.size(), limits::kSeedItemsMax));
  RAPPORT_RETURN_IF_ERROR(too_many("exclude", request.exclude.size(), limits::kExcludeMax));
  RAPPORT_RETURN_IF_ERROR(too_many("pin", request.pins.size(), limits::kPinsMax));
  RAPPORT_RETURN_IF_ERROR(too_many("boost", request.boosts.size(), limits::kBoostsMax));
  if (request.diversity && !(*request.diversity >= 0 && *request.diversity <= 1)) {
    return Status::InvalidArgument("diversity: from 0 to 1");
  }
  for (size_t i = 0; i < request.pins.size(); ++i) {
    if (request.pins[i].position == 0) {
      return Status::InvalidArgument("pin[" + std::to_string(i) + "].position: positions count from 1");
    }
  }
  return Status::Ok();
}

// What names a request among others at the same instant.
std::string Describe(const RecommendRequest& request, const Question& question) {
  return std::to_string(question.customer->root.value) + " " + EncodeQuestion(request) + request.after;
}

Status CheckExploration(const Exploration& exploration) {
  if (exploration.slots.empty()) return Status::Ok();
  const auto in_page = [](size_t slot) { return slot >= 1 && slot <= limits::kRecommendationCountMax; };
  const bool slots = exploration.slots.size() <= kExplorationSlotsMax &&
                     std::all_of(exploration.slots.begin(), exploration.slots.end(), in_page);
  if (!slots) return Status::InvalidArgument("exploration.slots: at most 16 positions from 1 to 1000");
  if (!(exploration.epsilon > 0 && exploration.epsilon <= 1)) {
    return Status::InvalidArgument("exploration.epsilon: above 0 and at most 1");
  }
  if (exploration.candidates < 2 || exploration.candidates > kExplorationCandidatesMax) {
    return Status::InvalidArgument("exploration.candidates: from 2 to 64");
  }
  if (exploration.new_items >= exploration.candidates) {
    return Status::InvalidArgument("exploration.newItems: fewer than exploration.candidates");
  }
  return Status::Ok();
}

Status CheckScenario(const Scenario& scenario) {
  RAPPORT_RETURN_IF_ERROR(Filter::Parse(scenario.filter).status());
  if (scenario.count == 0 || scenario.count > limits::kRecommendationCountMax) {
    return Status::InvalidArgument("count must be from 1 to " + std::to_string(limits::kRecommendationCountMax));
  }
  if (!(scenario.diversity >= 0 && scenario.diversity <= 1)) return Status::InvalidArgument("diversity: from 0 to 1");
  return CheckExploration(scenario.exploration);
}

}  // namespace

struct Recommender::Impl {
  Impl(EngineOptions given, const SecretKey& signing_key, RecommenderSeam chosen)
      : options(std::move(given)),
        key(signing_key),
        seam(chosen),
        signing(signing_key),
        indexes(options.filter_cache_bytes / 4),
        filters(options.filter_cache_entries, options.filter_cache_bytes / 4),
        parts(options.filter_cache_entries, options.filter_cache_bytes / 2) {}

  const Scenario& FindScenario(const std::string& name) const;
  // What is the same for every question.
  void Begin(const RecommendContext& context, Timestamp now, Question& question) const;
  Status AddFilter(const std::string& text, Question& question) const;
  Status AddBoosts(const std::vector<Boost>& boosts, Question& question) const;
  void AddSeed(const Item* seed, bool exclude, Question& question) const;
  // The last step before asking: after rules, seeds and excludes stand.
  void Restrict(Question& question, Bitmap& scratch) const;
  void OfferAboutSeeds(const Question& question, CandidateSource source, RankScratch& scratch, Answer& answer) const;
  void FallBack(const Question& question, RankScratch& scratch, Answer& answer) const;
  RepeatBlend Repeats(const Question& question) const {
    const bool repeats = question.rules.repeat == RepeatPolicy::kAllow;
    return {repeats ? options.repeat_weight : 0.0, options.repeat_half_life_days};
  }
  void Explain(const Question& question, RankScratch& scratch_space, RecommendResponse& response) const {
    ExplainAnswer(question, options.weights, Repeats(question), scratch_space, response);
  }
  Status Resolve(const RecommendContext& context, const RecommendRequest& request, const Scenario& scenario,
                 Question& question) const;
  Status CheckPlacements(const TogetherRequest& request) const;
  Status ResolveList(const RecommendContext& context, const ListRequest& request, Question& question) const;
  Result<RecommendResponse> ItemToItem(const RecommendContext& context, ItemId item, const ListRequest& request,
                                       CandidateSource source) const;
  Answer Start(const Question& question, Answer::Size size, OnePer one_per = OnePer::kProduct) const {
    const LiveCheck check = seam == RecommenderSeam::kNoLiveCheck ? LiveCheck::kOff : LiveCheck::kOn;
    return Answer(question.index->catalog(), question.rules, size, check, one_per);
  }
  Cursor NewCursor(const Question& question, const std::string& description) const {
    return {HashRequest(key, description), question.models->generation, question.rules.now, {}, {}};
  }
  RecommendResponse Sign(const Question& question, Cursor cursor, RecommendResponse response) const {
    SignAnswer(signing.Get()->newest(), std::move(cursor), response);
    response.catalog = question.index->shared_catalog();
    return response;
  }
  // `shown`: what other lists of the same page show.
  Result<RecommendResponse> Page(const RecommendContext& context, const RecommendRequest& request,
                                 const std::vector<ItemId>& shown) const;

  // Constant after construction.
  const EngineOptions options;
  const SecretKey key;  // of draws and fingerprints: the same for ever
  const RecommenderSeam seam;
  // Each guards itself.
  SharedSigningKeys signing;
  mutable CatalogIndexCache indexes;
  mutable FilterCache filters;
  mutable FilterPartCache parts;
  mutable ModelBoardsCache boards;
  mutable NewcomerCache newcomers;
  mutable ScratchPool scratch;
};

Recommender::Recommender() = default;
Recommender::~Recommender() = default;

Result<std::unique_ptr<Recommender>> Recommender::Make(EngineOptions options, const SecretKey& signing_key) {
  return MakeRecommenderForTest(std::move(options), signing_key, RecommenderSeam::kNone);
}

Result<std::unique_ptr<Recommender>> MakeRecommenderForTest(EngineOptions options, const SecretKey& signing_key,
                                                            RecommenderSeam seam) {
  if (options.scenarios.empty()) options.scenarios = EngineOptions::DefaultScenarios();
  for (const Scenario& scenario : options.scenarios) {
    const Status sound = CheckScenario(scenario);
    if (!sound.ok()) return Prefixed("scenario " + QuoteForMessage(scenario.name), sound);
  }
  std::unique_ptr<Recommender> recommender(new Recommender);
  recommender->impl_ = std::make_unique<Recommender::Impl>(std::move(options), signing_key, seam);
  return recommender;
}

void Recommender::Prepare(const std::shared_ptr<const Catalog>& catalog,
                          const std::shared_ptr<const ModelSet>& models) const {
  (void)impl_->newcomers.Prepare(*impl_->indexes.Get(catalog), models);
}

const Scenario& Recommender::Impl::FindScenario(const std::string& name) const {
  const auto named = [this](const std::string& wanted) {
    return std::find_if(options.scenarios.begin(), options.scenarios.end(),
                        [&](const Scenario& scenario) { return scenario.name == wanted; });
  };
  auto found = named(name);
  if (found == options.scenarios.end()) found = named("home");
  return found == options.scenarios.end() ? options.scenarios.front() : *found;
}

void Recommender::Impl::Begin(const RecommendContext& context, Timestamp now, Question& question) const {
  static const auto kNoModels = std::make_shared<const ModelSet>();
  static const auto kNobody = std::make_shared<const CustomerView>();
  question.index = indexes.Get(context.catalog);
  question.models = context.models != nullptr ? context.models : kNoModels;
  question.boards = boards.Get(question.models->content);
  question.newcomers = newcomers.Get(*question.index, question.models);
  question.customer = context.customer != nullptr ? context.customer : kNobody;
  question.rules.now = now;
  question.rules.audiences =
      question.customer->audiences;  // a permission, not a taste: also when personalization is off
  if (question.customer->personalization == Personalization::kOff) return;
  question.rules.customer_items = &question.customer->items;
  question.history = question.customer->history;
  question.traits = question.customer->traits;
  if (question.customer->anonymous) question.history = NewestEvents(question.history, options.session_events);
}

Status Recommender::Impl::AddFilter(const std::string& text, Question& question) const {
  Result<std::shared_ptr<const CompiledFilter>> filter = filters.Get(text, *question.index);
  if (!filter.ok()) return filter.status();
  if (*filter != nullptr) question.rules.filters.push_back(*filter);
  return Status::Ok();
}

Status Recommender::Impl::AddBoosts(const std::vector<Boost>& boosts_asked, Question& question) const {
  static const ItemSet kNothing;
  const ItemSet& items = question.rules.customer_items != nullptr ? *question.rules.customer_items : kNothing;
  for (size_t i = 0; i < boosts_asked.size(); ++i) {
    const Boost& boost = boosts_asked[i];
    const std::string where = "boost[" + std::to_string(i) + "]";
    if (!(boost.factor > 0 && boost.factor <= kBoostFactorMax)) {
      return Status::InvalidArgument(where + ".factor: must be above 0 and at most 100");
    }
    Result<std::shared_ptr<const CompiledFilter>> filter = filters.Get(boost.filter, *question.index);
    if (!filter.ok()) return Prefixed(where, filter.status());
    if (*filter == nullptr) continue;  // everything alike
    Gains::One gain{Bitmap(WordsFor(question.index->bits()), ~uint64_t{0}), static_cast<float>(boost.factor)};
    (*filter)->Restrict(items, gain.items);
    question.gains.boosts.push_back(std::move(gain));
  }
  return Status::Ok();
}

void Recommender::Impl::AddSeed(const Item* seed, bool exclude, Question& question) const {
  if (seed == nullptr || std::find(question.seeds.begin(), question.seeds.end(), seed) != question.seeds.end()) return;
  question.seeds.push_back(seed);
  if (exclude) question.seed_groups.push_back(question.index->catalog().VariantGroup(seed->id));
}

void Recommender::Impl::Restrict(Question& question, Bitmap& scratch_bits) const {
  std::sort(question.excluded.begin(), question.excluded.end());
  std::sort(question.seed_groups.begin(), question.seed_groups.end());
  question.rules.excluded = question.excluded;
  question.rules.seed_groups = question.seed_groups;
  if (!question.rules.kind.empty()) question.rules.kind_filter = filters.KindIs(question.rules.kind, *question.index);
  if (seam == RecommenderSeam::kNoPrefilter) {
    question.allowed.assign(WordsFor(question.index->bits()), ~uint64_t{0});
    return;
  }
  Prefilter(*question.index, question.rules, question.allowed, scratch_bits);
  if (question.history.empty()) return;  // then no factor is folded in, and nothing is scanned
  std::vector<std::shared_ptr<const CompiledFilter>> all = question.rules.filters;
  all.push_back(question.rules.kind_filter);
  question.part = parts.Get(all, *question.index, question.models);
}

void Recommender::Impl::OfferAboutSeeds(const Question& question, CandidateSource source, RankScratch& scratch_space,
                                        Answer& answer) const {
  if (source == CandidateSource::kPersonal || question.seeds.empty()) return;
  if (question.model() != nullptr) {
    if (source == CandidateSource::kBoughtTogether) {
      OfferNeighboursOfSeeds(question, question.model()->bought_together, Origin::kSeedsBought, scratch_space, answer);
    }
    OfferNeighboursOfSeeds(question, question.model()->similar, Origin::kSeedsSimilar, scratch_space, answer);
  }
  if (!answer.full()) OfferKinOfNewcomers(question, answer);
  if (!answer.full()) OfferKin(question, filters, answer);
}

void Recommender::Impl::FallBack(const Question& question, RankScratch& scratch_space, Answer& answer) const {
  const auto next = [&answer] { return !answer.full(); };
  if (next()) OfferBlended(question, options.weights, scratch_space, answer);
  if (next()) OfferPersonal(question, options.weights, Repeats(question), scratch_space, answer);
  if (next() && question.model() != nullptr && !question.seeds.empty()) {
    OfferNeighboursOfSeeds(question, question.model()->similar, Origin::kSeedsSimilar, scratch_space, answer);
  }
  if (next()) OfferNeighboursOfHistory(question, options.weights, scratch_space, answer);
  if (next()) OfferCold(question, scratch_space, answer);
  if (next()) OfferBoard(question, question.boards->popular, Origin::kPopular, answer);
  if (next()) OfferStatic(question, options.static_items, answer);
  if (next()) OfferLatest(question, Level::kStatic, answer);
}

Status Recommender::Impl::Resolve(const RecommendContext& context, const RecommendRequest& request,
                                  const Scenario& scenario, Question& question) const {
  RAPPORT_RETURN_IF_ERROR(CheckSizes(request));
  Begin(context, request.now, question);
  question.rules.kind = request.kind.value_or(scenario.kind);
  question.rules.repeat = request.repeat.value_or(scenario.repeat);
  question.rules.exclude_viewed = scenario.exclude_viewed;
  RAPPORT_RETURN_IF_ERROR(AddFilter(scenario.filter, question));
  RAPPORT_RETURN_IF_ERROR(AddFilter(request.filter, question));
  RAPPORT_RETURN_IF_ERROR(AddBoosts(request.boosts, question));
  const Catalog& catalog = question.index->catalog();
  for (const std::string& seed : request.seed_items) AddSeed(catalog.Find(seed), scenario.exclude_seeds, question);
  for (const std::string& excluded : request.exclude) {
    const Item* item = catalog.Find(excluded);
    if (item != nullptr) question.excluded.push_back(item->id);
  }
  return Status::Ok();
}

Result<RecommendResponse> Recommender::Impl::Page(const RecommendContext& context, const RecommendRequest& request,
                                                  const std::vector<ItemId>& shown) const {
  const Scenario& scenario = FindScenario(request.scenario);
  Question question;
  RAPPORT_RETURN_IF_ERROR(Resolve(context, request, scenario, question));
  Cursor cursor = NewCursor(question, Describe(request, question));
  cursor.shown = shown;
  if (!request.after.empty()) {
    Result<Cursor> before =
        signing.Get()->FirstThatTakes([&](const SecretKey& each) { return VerifyCursor(each, request.after); });
    if (!before.ok()) return before.status();
    cursor.shown = std::move(before->shown);
  }
  const size_t asked = request.count != 0 ? request.count : scenario.count;
  const size_t count = std::min(asked, kCursorItemsMax - std::min(kCursorItemsMax, cursor.shown.size()));
  PageOptions page{request.diversity.value_or(scenario.diversity), scenario.exploration};
  if (seam == RecommenderSeam::kWrongPropensity) page.propensities = Propensities::kOfAnotherSlot;

  auto lease = scratch.Borrow();
  Restrict(question, (*lease).allowed_rows);
  Answer answer = Start(question, {count, CandidatesFor(page, count)});
  answer.Reserve(cursor.shown);
  for (const ItemId item : cursor.shown) ClearBit(question.allowed, item.value);
  answer.Pin(request.pins);
  if (question.rules.repeat == RepeatPolicy::kOnlyOrdered) {
    OfferRepeats(question, options.repeat_half_life_days, *lease, answer);
  }
  OfferAboutSeeds(question, scenario.source, *lease, answer);
  FallBack(question, *lease, answer);
  const auto uniform_of = [&](size_t slot) { return Random(DrawSeed(key, cursor, slot)).Uniform(); };
  RecommendResponse response = ArrangePage(question, page, uniform_of, answer);
  RecommendRequest next = QuestionOfNextPage(request, response.items.size());
  next.count = asked;
  cursor.question = SealQuestion(signing.Get()->newest(), next);
  if (request.explain) Explain(question, *lease, response);
  return Sign(question, std::move(cursor), std::move(response));
}

void Recommender::UseSigningKeys(SigningKeys keys) { impl_->signing.Set(std::move(keys)); }

Result<RecommendResponse> Recommender::Recommend(const RecommendContext& context,
                                                 const RecommendRequest& request) const {
  return impl_->Page(context, request, {});
}

Result<RecommendRequest> Recommender::Continue(const std::string& recommendation_id, Timestamp now) const {
  const std::shared_ptr<const SigningKeys> keys = impl_->signing.Get();
  const Result<Cursor> cursor =
      keys->FirstThatTakes([&](const SecretKey& each) { return VerifyCursor(each, recommendation_id); });
  if (!cursor.ok()) return cursor.status();
  if (now.ms - cursor->time.ms > limits::kListLifeMs) {
    return Status::InvalidArgument("recommendationId: expired, the list is of " + FormatRfc3339(cursor->time) +
                                   " and is continued for 24 hours; ask for recommendations again");
  }
  Result<RecommendRequest> request =
      keys->FirstThatTakes([&](const SecretKey& each) { return OpenQuestion(each, cursor->question); });
  if (!request.ok()) return request.status();
  request->after = recommendation_id;
  request->now = now;
  return request;
}

Status Recommender::Impl::CheckPlacements(const TogetherRequest& request) const {
  size_t count = 0;
  for (const RecommendRequest& one : request.placements) {
    count += one.count != 0 ? one.count : FindScenario(one.scenario).count;
  }
  if (request.placements.size() <= limits::kPlacementsMax && count <= limits::kRecommendationCountMax) return {};
  return Status::InvalidArgument("placements: at most " + std::to_string(limits::kPlacementsMax) + ", with at most " +
                                 std::to_string(limits::kRecommendationCountMax) + " items together; here are " +
                                 std::to_string(request.placements.size()) + " with " + std::to_string(count));
}

Status Recommender::Check(const RecommendContext& context, const RecommendRequest& question) const {
  Question resolved;
  return impl_->Resolve(context, question, impl_->FindScenario(question.scenario), resolved);
}

Status Recommender::Check(const RecommendContext& context, const TogetherRequest& page) const {
  RAPPORT_RETURN_IF_ERROR(impl_->CheckPlacements(page));
  for (size_t i = 0; i < page.placements.size(); ++i) {
    const Status sound = Check(context, page.placements[i]);
    if (!sound.ok()) return Prefixed(PlacementName(i), sound);
  }
  return Status::Ok();
}

Result<std::vector<RecommendResponse>> Recommender::Together(const RecommendContext& context,
                                                             const TogetherRequest& request) const {
  const Impl& impl = *impl_;
  RAPPORT_RETURN_IF_ERROR(impl.CheckPlacements(request));
  std::vector<RecommendResponse> responses;
  std::vector<ItemId> shown;  // ascending
  for (size_t i = 0; i < request.placements.size(); ++i) {
    RecommendRequest one = request.placements[i];
    one.customer = request.customer;
    one.now = request.now;
    one.after.clear();
    Result<RecommendResponse> response = impl.Page(context, one, shown);
    if (!response.ok()) return Prefixed(PlacementName(i), response.status());
    if (request.duplicates == Duplicates::kRefused) {
      for (const RecommendedItem& item : response->items) shown.push_back(item.item);
      std::sort(shown.begin(), shown.end());
    }
    responses.push_back(response.Take());
  }
  return responses;
}

Result<RankResponse> Recommender::Rank(const RecommendContext& context, const RankRequest& request) const {
  const Impl& impl = *impl_;
  if (request.items.empty() || request.items.size() > limits::kRankItemsMax) {
    return Status::InvalidArgument("items: from 1 to " + std::to_string(limits::kRankItemsMax) +
                                   " ids, but there are " + std::to_string(request.items.size()));
  }
  const Scenario& scenario = impl.FindScenario(request.question.scenario);
  Question question;
  RAPPORT_RETURN_IF_ERROR(impl.Resolve(context, request.question, scenario, question));
  question.rules.kind = request.question.kind.value_or("");  // what was named is meant, whatever its kind
  auto lease = impl.scratch.Borrow();
  impl.Restrict(question, (*lease).allowed_rows);

  RankResponse response;
  const Catalog& catalog = question.index->catalog();
  Bitmap given(question.allowed.size(), 0);
  for (const std::string& external_id : request.items) {
    const Item* item = catalog.Find(external_id);
    if (item == nullptr || !item->catalogued) {
      response.unknown.push_back(external_id);
      continue;
    }
    if (TestBit(given, item->id.value)) continue;  // said already
    SetBit(given, item->id.value);
    const Refusal refusal = CheckEligibility(catalog, item, question.rules);
    if (refusal != Refusal::kNone) response.refused.push_back({external_id, RefusalName(refusal)});
  }
  for (size_t w = 0; w < given.size(); ++w) question.allowed[w] &= given[w];
  const size_t count = CountBits(question.allowed);
  Answer answer = impl.Start(question, {count, count}, OnePer::kItem);
  if (question.rules.repeat == RepeatPolicy::kOnlyOrdered) {
    OfferRepeats(question, impl.options.repeat_half_life_days, *lease, answer);
  }
  impl.OfferAboutSeeds(question, scenario.source, *lease, answer);
  impl.FallBack(question, *lease, answer);
  const Cursor cursor = impl.NewCursor(question, "rank " + Describe(request.question, question));
  response.ranked = answer.Finish();
  if (request.question.explain) impl.Explain(question, *lease, response.ranked);
  response.ranked = impl.Sign(question, cursor, std::move(response.ranked));
  return response;
}

Status Recommender::Impl::ResolveList(const RecommendContext& context, const ListRequest& request,
                                      Question& question) const {
  if (request.count == 0 || request.count > limits::kRecommendationCountMax) {
    return Status::InvalidArgument("count: from 1 to " + std::to_string(limits::kRecommendationCountMax));
  }
  Begin(context, request.now, question);
  question.rules.kind = request.kind;
  return AddFilter(request.filter, question);
}

// The list is about the item, so the customer's taste has no say; audience and customer filters have.
Result<RecommendResponse> Recommender::Impl::ItemToItem(const RecommendContext& context, ItemId item,
                                                        const ListRequest& request, CandidateSource source) const {
  Question question;
  RAPPORT_RETURN_IF_ERROR(ResolveList(context, request, question));
  question.history = {};
  question.traits = {};
  AddSeed(question.index->catalog().Get(item), true, question);
  auto lease = scratch.Borrow();
  Restrict(question, (*lease).allowed_rows);
  Answer answer = Start(question, {request.count, request.count});
  OfferAboutSeeds(question, source, *lease, answer);
  FallBack(question, *lease, answer);
  RecommendResponse response = answer.Finish();
  if (request.explain) Explain(question, *lease, response);
  return Sign(question, NewCursor(question, "item " + std::to_string(item.value)), std::move(response));
}

Result<RecommendResponse> Recommender::Similar(const RecommendContext& context, ItemId item,
                                               const ListRequest& request) const {
  return impl_->ItemToItem(context, item, request, CandidateSource::kSimilar);
}

Result<RecommendResponse> Recommender::BoughtTogether(const RecommendContext& context, ItemId item,
                                                      const ListRequest& request) const {
  return impl_->ItemToItem(context, item, request, CandidateSource::kBoughtTogether);
}

Result<RecommendResponse> Recommender::Board(const RecommendContext& context, BoardKind board,
                                             const ListRequest& request) const {
  const Impl& impl = *impl_;
  Question question;
  RAPPORT_RETURN_IF_ERROR(impl.ResolveList(context, request, question));
  auto scratch = impl.scratch.Borrow();
  impl.Restrict(question, (*scratch).allowed_rows);
  Answer answer = impl.Start(question, {request.count, request.count});
  if (board == BoardKind::kTrending) OfferBoard(question, question.boards->trending, Origin::kTrending, answer);
  if (board != BoardKind::kLatest) OfferBoard(question, question.boards->popular, Origin::kPopular, answer);
  OfferLatest(question, Level::kStatic, answer);
  const std::string description =
      "board " + std::to_string(static_cast<int>(board)) + request.kind + " " + request.filter;
  RecommendResponse response = answer.Finish();
  if (request.explain) impl.Explain(question, *scratch, response);
  return impl.Sign(question, impl.NewCursor(question, description), std::move(response));
}

}  // namespace rapport

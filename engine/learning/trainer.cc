// A training run: see trainer.h for the journey, gate.h for the rule, judging.h for the measures.
#include "engine/learning/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "engine/learning/blend_fit.h"
#include "engine/learning/judging.h"

namespace rapport {
namespace {

double SecondsBetween(Timestamp from, Timestamp to) { return static_cast<double>(to.ms - from.ms) / kSecondMs; }

// Reports a stage; a refusal becomes the run's error.
Status Tell(const TrainProgress& progress, const char* stage, double share_done) {
  if (!progress || progress(stage, share_done)) return Status::Ok();
  return Status::Unavailable(std::string("training cancelled while ") + stage);
}

FitProgress TellEpochs(const TrainProgress& progress, const char* stage, int epochs) {
  if (!progress) return {};
  return [&progress, stage, epochs](int epoch) {
    return progress(stage, static_cast<double>(epoch) / std::max(1, epochs));
  };
}

Status CheckOptions(const TrainOptions& options, double half_life_days) {
  if (!(options.holdout_days > 0)) return Status::InvalidArgument("holdout_days must be above 0");
  if (!(half_life_days > 0)) return Status::InvalidArgument("history_half_life_days must be above 0");
  return Status::Ok();
}

// Solver and start are not asked for: they change the way to a solution, not the solution, and no file says them.
bool SameFit(const ContentModel& a, const ContentModel& b) {
  const AlsOptions &x = a.als.options, &y = b.als.options;
  return x.factors == y.factors && x.unobserved_weight == y.unobserved_weight && x.regularization == y.regularization &&
         x.regularization_power == y.regularization_power && x.init_scale == y.init_scale && x.epochs == y.epochs &&
         x.seed == y.seed && a.history_half_life_days == b.history_half_life_days;
}

std::shared_ptr<const ContentModel> Borrow(const ContentModel& model) {
  return {std::shared_ptr<const ContentModel>(), &model};
}

// The opponent "in service" as TrainOnSet's comment says.
Result<Ranker> RankInService(const ContentModel& in_service, const ContentModel& candidate, const TrainingSet& past,
                             Timestamp split, const TrainOptions& options) {
  const auto rank = [&](const std::string& name, std::shared_ptr<const ContentModel> model) {
    return BlendRanker(name, std::move(model), past, split, RepeatTask::kWithRepeats);
  };
  if (in_service.trained_until < split) return rank("in service", Borrow(in_service));
  auto theirs = std::make_shared<ContentModel>(candidate);
  if (options.foreign || !SameFit(in_service, candidate)) {
    TrainOptions settings = options;
    settings.foreign = nullptr;
    settings.als = in_service.als.options;
    settings.als.threads = options.als.threads;
    settings.als.solver = options.als.solver;
    settings.als.start = options.als.start;
    Result<ContentModel> fit = FitContentModel(past, split, in_service.history_half_life_days, settings);
    if (!fit.ok()) return fit.status();
    *theirs = fit.Take();
  }
  theirs->stack.repeats_theta = in_service.stack.repeats_theta;  // the weights speak of sources, not of items
  theirs->stack.new_theta = in_service.stack.new_theta;
  return rank("in service, refitted", std::move(theirs));
}

// Far below where they started from, and on their way to zero.
bool CameToNothing(const AlsModel& model) {
  constexpr float kFactorMin = 1e-4f;
  return std::none_of(model.item_factors.begin(), model.item_factors.end(),
                      [](float x) { return std::abs(x) >= kFactorMin; });
}

// Where everybody has touched next to nothing of a large catalogue, zero is the best fit of all: the zeros, each of the
// unobserved weight, outweigh what was seen. Then with an eighth of that weight, as often as it takes.
Result<AlsModel> FitFactors(const TrainingSet& set, const Interactions& by_customer, const TrainOptions& options,
                            const FitProgress& progress) {
  constexpr double kUnobservedMin = 1e-4, kLess = 8;
  if (options.foreign) return options.foreign->For(set.item_ids);
  for (AlsOptions als = options.als;; als.unobserved_weight /= kLess) {
    Result<AlsFit> fit = FitAls(by_customer, als, LossTracking::kOff, progress);
    if (!fit.ok()) return fit.status();
    if (!CameToNothing(fit->model) || als.unobserved_weight / kLess < kUnobservedMin) return std::move(fit->model);
  }
}

std::string WhatBecameOfFactors(const AlsModel& model, const TrainOptions& options) {
  if (CameToNothing(model)) return "; its factors came to nothing and have no say: the log is too thin for them";
  if (options.foreign || model.options.unobserved_weight == options.als.unobserved_weight) return "";
  char text[128];
  std::snprintf(text, sizeof text,
                "; the log is thin: factors fitted with an unobserved weight of %.4g in place of %.4g",
                model.options.unobserved_weight, options.als.unobserved_weight);
  return text;
}

// The settings are the file's; what the file does not say of a fit stays ours.
void UseForeign(std::shared_ptr<const ForeignFactors> foreign, TrainOptions& options) {
  const AlsOptions& theirs = foreign->options();
  options.als.factors = theirs.factors;
  options.als.unobserved_weight = theirs.unobserved_weight;
  options.als.regularization = theirs.regularization;
  options.als.regularization_power = theirs.regularization_power;
  options.foreign = std::move(foreign);
}

JudgedModel Summarize(const Measured& measured, uint64_t seed) {
  return {measured.name, BootstrapMean(measured.ndcg10, seed), BootstrapMean(measured.recall20, seed),
          measured.coverage20};
}

}  // namespace

Timestamp ChooseSplit(const TrainingSet& set, double holdout_days) {
  const int64_t span_ms = set.last.ms - set.first.ms;
  const int64_t wanted_ms = static_cast<int64_t>(std::min(holdout_days * kDayMs, static_cast<double>(span_ms)));
  return {set.last.ms - std::min(wanted_ms, span_ms / 5)};
}

Result<ContentModel> FitContentModel(const TrainingSet& set, Timestamp as_of, double history_half_life_days,
                                     const TrainOptions& options, const FitProgress& progress) {
  Result<Interactions> by_customer = BuildInteractions(set, as_of, history_half_life_days);
  if (!by_customer.ok()) return by_customer.status();
  if (by_customer->nnz() == 0) {
    return Status::FailedPrecondition(
        "nothing to learn from: in " + std::to_string(set.lines.size()) +
        " event lines no customer has an item with a weight above zero (all refunded or removed?)");
  }
  Result<AlsModel> als = FitFactors(set, *by_customer, options, progress);
  if (!als.ok()) return als.status();
  Result<NeighbourLists> similar = FitNeighbours(*by_customer, options.neighbours);
  if (!similar.ok()) return similar.status();
  Result<Interactions> baskets = BuildBaskets(set);
  if (!baskets.ok()) return baskets.status();
  Result<NeighbourLists> bought_together = FitNeighbours(*baskets, options.neighbours);
  if (!bought_together.ok()) return bought_together.status();

  ContentModel model;
  model.trained_until = as_of;
  model.history_half_life_days = history_half_life_days;
  model.item_ids = set.item_ids;
  model.als = als.Take();
  model.similar = similar.Take();
  model.bought_together = bought_together.Take();
  model.popularity = FitPopularity(set.items(), BuildPopularityEvents(set), as_of, options.popularity);
  model.stack.recent14 = DecayedCounts(set.items(), BuildPopularityEvents(set), as_of, 14);
  model.stack.recent7 = DecayedCounts(set.items(), BuildPopularityEvents(set), as_of, 7);
  if (set.items() <= options.shallow.ease.size_max) {
    EaseOptions ease = options.shallow.ease;
    ease.threads = options.als.threads;
    Result<EaseModel> shallow = FitEase(*by_customer, ease);
    if (!shallow.ok()) return shallow.status();
    model.stack.shallow = LargestWeights(*shallow, options.shallow.per_item, options.als.threads);
  }
  RAPPORT_RETURN_IF_ERROR(CheckAndPrepare(model.als));
  RAPPORT_RETURN_IF_ERROR(FitContentParts(set, as_of, options.parts, options.als.threads, model));
  SortBoards(model);
  RAPPORT_RETURN_IF_ERROR(CheckContentModel(model));
  return model;
}

namespace {

// One window's cases; null when nothing positive lay before it.
Result<std::shared_ptr<const WindowCases>> CollectOne(const TrainingSet& set, WindowSpan window, double half_life_days,
                                                      const TrainOptions& options) {
  const TrainingSet past = LinesBefore(set, window.begin);
  if (past.lines.empty()) return std::shared_ptr<const WindowCases>();
  const Result<ContentModel> model = FitContentModel(past, window.begin, half_life_days, options);
  if (!model.ok() && model.status().code() == StatusCode::kFailedPrecondition) {
    return std::shared_ptr<const WindowCases>();
  }
  if (!model.ok()) return model.status();
  Result<WindowCases> cases =
      CollectWindow(set, past, *model, window, options.blend_customers_max, options.als.seed, options.als.threads);
  if (!cases.ok()) return cases.status();
  return std::make_shared<const WindowCases>(cases.Take());
}

// Of the task that has fewer.
size_t CasesIn(std::span<const std::shared_ptr<const WindowCases>> windows) {
  size_t with_repeats = 0, new_items = 0;
  for (const auto& window : windows) {
    with_repeats += window->with_repeats.offsets.size() - 1;
    new_items += window->new_items.offsets.size() - 1;
  }
  return std::min(with_repeats, new_items);
}

}  // namespace

Result<std::vector<std::shared_ptr<const WindowCases>>> CollectWindows(const TrainingSet& set, Timestamp cut,
                                                                       double half_life_days, const TrainOptions& given,
                                                                       const TrainProgress& progress,
                                                                       WindowCache* cache) {
  TrainOptions options = given;
  options.foreign = nullptr;  // they have seen the windows
  std::vector<std::shared_ptr<const WindowCases>> windows;
  if (options.blend_customers_max == 0) return windows;
  std::vector<WindowSpan> plan = PlanWindows(set.first, cut, options.holdout_days);
  const size_t planned = plan.size();
  const std::vector<WindowSpan> older = PlanOlderWindows(set.first, cut, options.holdout_days, plan);
  plan.insert(plan.end(), older.begin(), older.end());
  for (size_t i = 0; i < plan.size(); ++i) {
    if (i >= planned && CasesIn(windows) >= kBlendCustomersMin) break;
    RAPPORT_RETURN_IF_ERROR(Tell(progress, "blending", static_cast<double>(i) / static_cast<double>(plan.size())));
    std::shared_ptr<const WindowCases> window;
    const auto known = cache != nullptr ? cache->find(plan[i].begin.ms) : WindowCache::iterator();
    if (cache != nullptr && known != cache->end()) {
      window = known->second;
    } else {
      Result<std::shared_ptr<const WindowCases>> collected = CollectOne(set, plan[i], half_life_days, options);
      if (!collected.ok()) return collected.status();
      window = collected.Take();
      if (cache != nullptr) cache->emplace(plan[i].begin.ms, window);
    }
    if (window != nullptr) windows.push_back(std::move(window));
  }
  return windows;
}

Result<Judgement> JudgeCandidate(const TrainingSet& all, const TrainingSet& past, Timestamp split,
                                 std::shared_ptr<const ContentModel> candidate, const ContentModel* in_service,
                                 const TrainOptions& options) {
  CaseOptions case_options;
  case_options.split = split;
  case_options.until = Timestamp{all.last.ms + 1};
  case_options.cases_max = options.judged_customers_max;
  case_options.seed = options.als.seed;
  const JudgedCases cases = MakeCases(all, past, case_options);

  std::vector<Ranker> rankers;
  rankers.push_back(BlendRanker("candidate", candidate, past, split, RepeatTask::kWithRepeats));
  const std::vector<PopularityEvent> events = BuildPopularityEvents(past);
  const auto popularity = [&](const char* name, double half_life_days) {
    return PopularityRanker(name, DecayedCounts(past.items(), events, split, half_life_days));
  };
  rankers.push_back(popularity("popular", options.popularity.popular_half_life_days));
  rankers.push_back(popularity("recent", options.popularity.trending_half_life_days));
  if (in_service != nullptr) {
    Result<Ranker> theirs = RankInService(*in_service, *candidate, past, split, options);
    if (!theirs.ok()) return theirs.status();
    rankers.push_back(theirs.Take());
  }

  Judgement judgement;
  judgement.customers = cases.cases.size();
  std::vector<GateScores> scores;
  for (const Ranker& ranker : rankers) {
    Measured measured = Measure(ranker, past, cases, options.als.threads);
    judgement.judged.push_back(Summarize(measured, options.als.seed));
    scores.push_back({measured.name, std::move(measured.ndcg10)});
  }
  judgement.verdict =
      PassGate(scores.front().ndcg10, std::span<const GateScores>(scores).subspan(1), options.gate, options.als.seed);
  return judgement;
}

Result<TrainedModel> TrainOnSet(const TrainingSet& set, double history_half_life_days, const TrainOptions& options,
                                const ContentModel* in_service, const Clock& clock, const TrainProgress& progress) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(options, history_half_life_days));
  const Timestamp started = clock.Now();
  if (set.lines.empty()) return Status::FailedPrecondition("nothing to learn from: no event lines");
  TrainedModel trained;
  TrainReport& report = trained.report;
  report.customers = set.customers();
  report.items = set.items();
  report.interactions = set.lines.size();
  report.events = set.events_read;
  report.trained_until = set.last;
  report.split_at = ChooseSplit(set, options.holdout_days);
  report.foreign = options.foreign != nullptr;
  if (options.foreign) {
    report.split_at = std::max(report.split_at, Timestamp{options.foreign->trained_until().ms + 1});
  }

  const TrainingSet past = LinesBefore(set, report.split_at);
  Result<ContentModel> candidate = Status::FailedPrecondition("no past");
  std::vector<std::shared_ptr<const WindowCases>> windows;
  if (!past.lines.empty()) {
    RAPPORT_RETURN_IF_ERROR(Tell(progress, "fitting", 0));
    candidate = FitContentModel(past, report.split_at, history_half_life_days, options,
                                TellEpochs(progress, "fitting", options.als.epochs));
    // A past without a positive weight cannot be judged; whether the whole can be learned from is the refit's to say.
    if (!candidate.ok() && candidate.status().code() != StatusCode::kFailedPrecondition) return candidate.status();
  }
  if (candidate.ok()) {
    trained.model = candidate.Take();
    auto collected = CollectWindows(past, report.split_at, history_half_life_days, options, progress);
    if (!collected.ok()) return collected.status();
    windows = collected.Take();
    RAPPORT_RETURN_IF_ERROR(FitBlendWeights(windows, options.als.threads, trained.model.stack));
    RAPPORT_RETURN_IF_ERROR(Tell(progress, "judging", 0));
    Result<Judgement> judgement =
        JudgeCandidate(set, past, report.split_at, Borrow(trained.model), in_service, options);
    if (!judgement.ok()) return judgement.status();
    report.judged = std::move(judgement->judged);
    report.judged_customers = judgement->customers;
    report.accepted = judgement->verdict.accepted;
    report.verdict = judgement->verdict.words;
    if (options.foreign && judgement->customers < kGateCustomersMin && options.gate == GateMode::kEnforce) {
      report.accepted = false;
      report.verdict = "only " + std::to_string(judgement->customers) +
                       " customers came back after what the factors have seen (" +
                       FormatRfc3339(options.foreign->trained_until()) + "), " + std::to_string(kGateCustomersMin) +
                       " are needed to judge them: train them on events before " +
                       FormatRfc3339(ChooseSplit(set, options.holdout_days));
    }
  } else {
    report.accepted = true;
    report.verdict = "without a comparison: nothing to learn from before " + FormatRfc3339(report.split_at);
  }
  report.fit_seconds = SecondsBetween(started, clock.Now());
  if (report.accepted) {
    RAPPORT_RETURN_IF_ERROR(Tell(progress, "refitting", 0));
    const Timestamp refit_started = clock.Now();
    Result<ContentModel> refit = FitContentModel(set, set.last, history_half_life_days, options,
                                                 TellEpochs(progress, "refitting", options.als.epochs));
    if (!refit.ok()) return refit.status();
    if (!windows.empty()) {
      // The days that were judged are the newest window; the candidate is the model from before it.
      const WindowSpan newest{report.split_at, {set.last.ms + 1}};
      Result<WindowCases> cases = CollectWindow(set, past, trained.model, newest, options.blend_customers_max,
                                                options.als.seed, options.als.threads);
      if (!cases.ok()) return cases.status();
      windows.insert(windows.begin(), std::make_shared<const WindowCases>(cases.Take()));
      RAPPORT_RETURN_IF_ERROR(FitBlendWeights(windows, options.als.threads, refit->stack));
    }
    trained.model = refit.Take();
    report.verdict += WhatBecameOfFactors(trained.model.als, options);
    report.fit_seconds = SecondsBetween(refit_started, clock.Now());
  }
  report.total_seconds = SecondsBetween(started, clock.Now());
  return trained;
}

Result<TrainedModel> RunTraining(const Store& store, const Snapshot& snapshot, const EventWeights& weights,
                                 const TrainOptions& options, const ContentModel* in_service, const Clock& clock,
                                 const TrainProgress& progress) {
  const Timestamp started = clock.Now();
  RAPPORT_RETURN_IF_ERROR(Tell(progress, "reading", 0));
  ReadProgress reading;
  if (progress) reading = [&progress](double share_done) { return progress("reading", share_done); };
  Result<TrainingSet> set = ReadTrainingSet(store, snapshot, weights, {}, reading);
  if (!set.ok()) return set.status();
  double half_life_days = weights.history_half_life_days;
  TrainOptions resolved = options;
  if (options.table) {
    Result<std::shared_ptr<const ForeignFactors>> foreign =
        ForeignFactors::Make(*options.table, *store.catalog(), *set, options.coverage);
    if (!foreign.ok()) return foreign.status();
    UseForeign(foreign.Take(), resolved);
    half_life_days = resolved.foreign->history_half_life_days();
  }
  Result<TrainedModel> trained = TrainOnSet(*set, half_life_days, resolved, in_service, clock, progress);
  if (!trained.ok()) return trained;
  if (in_service != nullptr) {
    RAPPORT_RETURN_IF_ERROR(Tell(progress, "drift", 0));
    DriftOptions drift;
    drift.seed = options.als.seed;
    drift.threads = options.als.threads;
    trained->report.drift = MeasureDrift(*set, *in_service, &trained->model, drift);
  }
  trained->report.total_seconds = SecondsBetween(started, clock.Now());
  return trained;
}

}  // namespace rapport

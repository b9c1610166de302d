// Offline judging: see evaluation.h.
#include "engine/learning/evaluation.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "engine/learning/judging.h"
#include "engine/learning/trainer.h"

namespace rapport {
namespace {

struct StratumBounds {
  const char* name;
  size_t orders_max;
};
constexpr std::array<StratumBounds, 4> kStrata = {{{"1", 1}, {"2-4", 4}, {"5-9", 9}, {"10+", SIZE_MAX}}};
constexpr int64_t kDay = kDayMs;
constexpr const char* kBlendName = "blend, as served";

// Everything fitted on the past, once, for both tables.
struct FittedRankers {
  Ranker popular, recent, frequency, factors, baskets, customers, served;
  std::optional<Ranker> ease;  // of a small catalogue
  Ranker blend_repeats, blend_new;
};

std::shared_ptr<const Interactions> Share(Interactions interactions) {
  return std::make_shared<const Interactions>(std::move(interactions));
}

Result<Ranker> FitEaseRanker(const TrainingSet& past, Timestamp split, const EvaluationOptions& options) {
  Result<Interactions> history = BuildInteractions(past, split, options.ease_half_life_days);
  if (!history.ok()) return history.status();
  Result<EaseModel> model = FitEase(*history, options.ease);
  if (!model.ok()) return model.status();
  return EaseRanker("EASE", std::make_shared<const EaseModel>(model.Take()), Share(history.Take()));
}

Result<FittedRankers> FitRankers(const TrainingSet& past, Timestamp split, const EvaluationOptions& options,
                                 const EvaluationProgress& progress) {
  TrainOptions train;
  train.als = options.als;
  train.neighbours = options.neighbours;
  FitProgress epochs;
  if (progress) {
    epochs = [&](int epoch) {
      return progress("fitting", static_cast<double>(epoch) / std::max(1, options.als.epochs));
    };
  }
  Result<ContentModel> fit = FitContentModel(past, split, options.history_half_life_days, train, epochs);
  if (!fit.ok()) return fit.status();
  train.holdout_days = options.holdout_days;
  train.als.seed = options.als.seed;
  auto windows = CollectWindows(past, split, options.history_half_life_days, train);
  if (!windows.ok()) return windows.status();
  RAPPORT_RETURN_IF_ERROR(FitBlendWeights(*windows, options.als.threads, fit->stack));
  const auto model = std::make_shared<const ContentModel>(fit.Take());

  Result<Interactions> history = BuildInteractions(past, split, options.history_half_life_days);
  Result<Interactions> frequency = BuildInteractions(past, split, options.frequency_half_life_days);
  Result<Interactions> neighbour = BuildInteractions(past, split, options.neighbour_half_life_days);
  Result<Interactions> repeats = BuildRepeats(past, split, options.repeat_half_life_days);
  for (const auto* built : {&history, &frequency, &neighbour, &repeats}) {
    if (!built->ok()) return built->status();
  }
  const std::vector<PopularityEvent> events = BuildPopularityEvents(past);
  const auto decayed = [&](double half_life_days) {
    return DecayedCounts(past.items(), events, split, half_life_days);
  };
  const auto neighbour_history = Share(neighbour.Take());
  const auto baskets = std::shared_ptr<const NeighbourLists>(model, &model->bought_together);
  const auto customers = std::shared_ptr<const NeighbourLists>(model, &model->similar);
  const Ranker factors = FactorRanker("iALS", model, past, Share(history.Take()));
  std::optional<Ranker> ease;
  if (past.items() <= options.ease_items_max) {
    Result<Ranker> fitted = FitEaseRanker(past, split, options);
    if (!fitted.ok()) return fitted.status();
    ease = fitted.Take();
  }
  return FittedRankers{
      PopularityRanker("popularity", decayed(options.popular_half_life_days)),
      PopularityRanker("recent popularity", decayed(options.recent_half_life_days)),
      PersonalFrequencyRanker("personal frequency", Share(frequency.Take()), decayed(options.recent_half_life_days)),
      factors,
      NeighbourRanker("item kNN by baskets", baskets, neighbour_history),
      NeighbourRanker("item kNN by customers", customers, neighbour_history),
      ServedRanker("iALS + repeats", factors, Share(repeats.Take()), options.repeat_weight),
      ease,
      BlendRanker(kBlendName, model, past, split, RepeatTask::kWithRepeats),
      BlendRanker(kBlendName, model, past, split, RepeatTask::kNewItemsOnly)};
}

// Orders, or days with a line where the customer never ordered.
size_t LengthOfHistory(std::span<const TrainingLine> lines) {
  std::vector<int64_t> orders, days;
  for (const TrainingLine& line : lines) {
    if (line.group != kNoGroup) orders.push_back(line.group);
    days.push_back(line.time.ms / kDay);
  }
  std::vector<int64_t>& counted = orders.empty() ? days : orders;
  std::sort(counted.begin(), counted.end());
  return static_cast<size_t>(std::unique(counted.begin(), counted.end()) - counted.begin());
}

std::vector<size_t> StrataOf(const TrainingSet& past, const JudgedCases& cases) {
  std::vector<size_t> strata;
  for (const JudgedCase& one : cases.cases) {
    const size_t length = LengthOfHistory(past.LinesOf(one.customer));
    size_t stratum = 0;
    while (length > kStrata[stratum].orders_max) ++stratum;
    strata.push_back(stratum);
  }
  return strata;
}

EvaluationRow MakeRow(const Measured& measured, const std::vector<size_t>& strata, uint64_t seed) {
  EvaluationRow row;
  row.model = measured.name;
  row.ndcg10 = BootstrapMean(measured.ndcg10, seed);
  row.recall10 = BootstrapMean(measured.recall10, seed);
  row.recall20 = BootstrapMean(measured.recall20, seed);
  row.coverage20 = measured.coverage20;
  std::array<size_t, kStrata.size()> counts{};
  row.ndcg10_strata.assign(kStrata.size(), 0);
  for (size_t i = 0; i < strata.size(); ++i) {
    ++counts[strata[i]];
    row.ndcg10_strata[strata[i]] += measured.ndcg10[i];
  }
  for (size_t s = 0; s < counts.size(); ++s) {
    if (counts[s] > 0) row.ndcg10_strata[s] /= static_cast<double>(counts[s]);
  }
  return row;
}

// The last ranker is the blend.
Result<EvaluationTable> JudgeTask(const std::string& task, const std::vector<Ranker>& rankers, const TrainingSet& past,
                                  const JudgedCases& cases, const EvaluationOptions& options,
                                  const EvaluationProgress& progress) {
  EvaluationTable table;
  table.task = task;
  table.customers = cases.cases.size();
  table.relevant_mean = cases.relevant_mean;
  const std::vector<size_t> strata = StrataOf(past, cases);
  std::vector<Measured> measured;
  for (size_t s = 0; s < kStrata.size(); ++s) {
    table.strata.push_back({kStrata[s].name, static_cast<size_t>(std::count(strata.begin(), strata.end(), s))});
  }
  for (size_t i = 0; i < rankers.size(); ++i) {
    if (progress && !progress("judging", static_cast<double>(i) / static_cast<double>(rankers.size()))) {
      return Status::Unavailable("evaluation cancelled while judging");
    }
    measured.push_back(Measure(rankers[i], past, cases, options.als.threads));
    table.rows.push_back(MakeRow(measured.back(), strata, options.seed));
  }
  for (size_t i = 0; i < rankers.size(); ++i) {
    table.rows[i].blend_gain = BootstrapPairedDifference(measured.back().ndcg10, measured[i].ndcg10, options.seed);
  }
  return table;
}

Status ChooseWindow(const TrainingSet& set, const EvaluationOptions& options, Timestamp& split, Timestamp& until) {
  split = options.split.ms != 0 ? options.split : ChooseSplit(set, options.holdout_days);
  until = options.until.ms != 0 ? options.until : Timestamp{set.last.ms + 1};
  if (until <= split) {
    return Status::InvalidArgument("the window ends (" + FormatRfc3339(until) + ") before it starts (" +
                                   FormatRfc3339(split) + ")");
  }
  return Status::Ok();
}

}  // namespace

Result<EvaluationReport> Evaluate(const TrainingSet& set, const EvaluationOptions& options,
                                  const EvaluationProgress& progress) {
  if (set.lines.empty()) return Status::FailedPrecondition("nothing to judge: no event lines");
  EvaluationReport report;
  RAPPORT_RETURN_IF_ERROR(ChooseWindow(set, options, report.split, report.until));
  const TrainingSet past = LinesBefore(set, report.split);
  if (past.lines.empty()) {
    return Status::FailedPrecondition("nothing happened before the cut at " + FormatRfc3339(report.split) +
                                      "; the log runs from " + FormatRfc3339(set.first) + " to " +
                                      FormatRfc3339(set.last));
  }
  report.customers_before = past.customers();
  report.items_before = past.items();
  report.orders_before = past.groups;
  report.lines_before = past.lines.size();
  for (const TrainingLine& line : set.lines)
    report.lines_after += line.time >= report.split && line.time < report.until;

  CaseOptions next_basket;
  next_basket.split = report.split;
  next_basket.until = report.until;
  next_basket.relevant = RelevantSet::kNextBasket;
  next_basket.cases_max = options.customers_max;
  next_basket.seed = options.seed;
  CaseOptions new_items = next_basket;
  new_items.relevant = RelevantSet::kWindow;
  new_items.repeats = RepeatTask::kNewItemsOnly;
  const JudgedCases next_cases = MakeCases(set, past, next_basket);
  const JudgedCases new_cases = MakeCases(set, past, new_items);
  if (next_cases.cases.empty()) {
    return Status::FailedPrecondition("nobody from before " + FormatRfc3339(report.split) +
                                      " chose a known item until " + FormatRfc3339(report.until) +
                                      "; choose another split");
  }

  Result<FittedRankers> fitted = FitRankers(past, report.split, options, progress);
  if (!fitted.ok()) return fitted.status();
  const FittedRankers& r = *fitted;
  const Ranker with_baskets = MixRanker("iALS + item kNN by baskets", r.factors, r.baskets, options.mix_share);
  const auto with_ease = [&r](std::vector<Ranker> rankers, size_t place) {
    if (r.ease) rankers.insert(rankers.begin() + static_cast<ptrdiff_t>(place), *r.ease);
    return rankers;
  };
  Result<EvaluationTable> first = JudgeTask(
      "next basket",
      with_ease({r.popular, r.recent, r.frequency, r.baskets, r.customers, r.factors, r.served, r.blend_repeats}, 5),
      past, next_cases, options, progress);
  if (!first.ok()) return first.status();
  report.tables.push_back(first.Take());
  Result<EvaluationTable> second = JudgeTask(
      "new items", with_ease({r.popular, r.recent, r.baskets, r.customers, r.factors, with_baskets, r.blend_new}, 4),
      past, new_cases, options, progress);
  if (!second.ok()) return second.status();
  report.tables.push_back(second.Take());
  return report;
}

std::string FormatEvaluation(const EvaluationReport& report) {
  char text[256];
  std::string out;
  const auto add = [&](const char* format, auto... values) {
    std::snprintf(text, sizeof text, format, values...);
    out += text;
  };
  add("Fitted on %llu lines before %s: %u customers, %u items, %u orders.\n",
      static_cast<unsigned long long>(report.lines_before), FormatRfc3339(report.split).c_str(),
      report.customers_before, report.items_before, report.orders_before);
  add("Judged on %llu lines until %s. Full catalogue; [95 %% bootstrap interval by customer].\n",
      static_cast<unsigned long long>(report.lines_after), FormatRfc3339(report.until).c_str());
  const auto interval = [&](const Interval& i) { add("  %.4f [%.4f %.4f]", i.mean, i.lower, i.upper); };
  for (const EvaluationTable& table : report.tables) {
    add("\n%s: %zu customers, %.1f relevant items each\n", table.task.c_str(), table.customers, table.relevant_mean);
    add("%-26s  %-22s  %-22s  %-22s  %s\n", "", "NDCG@10", "Recall@10", "Recall@20", "coverage@20");
    for (const EvaluationRow& row : table.rows) {
      add("%-26s", row.model.c_str());
      interval(row.ndcg10);
      interval(row.recall10);
      interval(row.recall20);
      add("  %.3f\n", row.coverage20);
    }
    add("NDCG@10 by orders before:  ");
    for (const EvaluationStratum& stratum : table.strata) add("%5s (%zu)  ", stratum.name.c_str(), stratum.customers);
    out += "\n";
    for (const EvaluationRow& row : table.rows) {
      add("%-26s ", row.model.c_str());
      for (size_t s = 0; s < row.ndcg10_strata.size(); ++s) {
        const int width = 5 + 3 + static_cast<int>(std::to_string(table.strata[s].customers).size());
        if (table.strata[s].customers == 0) {
          add(" %*s ", width, "-");
        } else {
          add(" %*.4f ", width, row.ndcg10_strata[s]);
        }
      }
      out += "\n";
    }
    add("The blend's paired gain in NDCG@10 over:\n");
    for (size_t i = 0; i + 1 < table.rows.size(); ++i) {
      const Interval& gain = table.rows[i].blend_gain;
      add("%-26s  %+.4f [%+.4f %+.4f]\n", table.rows[i].model.c_str(), gain.mean, gain.lower, gain.upper);
    }
  }
  return out;
}

}  // namespace rapport

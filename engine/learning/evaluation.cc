// Offline judging: see evaluation.h.
#include "engine/learning/evaluation.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "engine/learning/blend_fit.h"
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

// The models of one part of the window, for one task.
struct Fitted {
  std::vector<Ranker> rankers;  // in the table's order, the blend last
  std::vector<std::string> settings;
};

std::shared_ptr<const Interactions> Share(Interactions interactions) {
  return std::make_shared<const Interactions>(std::move(interactions));
}

// Which rivals stand in the task's table, in its order.
std::vector<Rival> RivalsOf(JudgedTask task, bool with_ease) {
  std::vector<Rival> rivals;
  for (const Rival rival : kRivals) {
    if (rival == Rival::kShallow && !with_ease) continue;
    if (rival == Rival::kFrequency && task == JudgedTask::kNewItems) continue;  // it knows nothing new
    rivals.push_back(rival);
  }
  return rivals;
}

// As `rapport train` fits, with the settings that the rivals were tuned to.
TrainOptions BlendOptionsOf(const TunedRivals& tuned, JudgedTask task, double window_days) {
  TrainOptions train;
  train.als = tuned.Of(task, Rival::kFactors).als;
  train.neighbours = tuned.Of(task, Rival::kBasketNeighbours).neighbours;
  train.popularity.popular_half_life_days = tuned.Of(task, Rival::kPopular).popular_half_life_days;
  train.holdout_days = window_days;
  return train;
}

Result<std::shared_ptr<const ContentModel>> FitBlendModel(const TrainingSet& past, Timestamp cut,
                                                          const TrainOptions& train, double half_life_days,
                                                          WindowCache& windows, const FitProgress& epochs) {
  Result<ContentModel> fit = FitContentModel(past, cut, half_life_days, train, epochs);
  if (!fit.ok()) return fit.status();
  const auto collected = CollectWindows(past, cut, half_life_days, train, {}, &windows);
  if (!collected.ok()) return collected.status();
  RAPPORT_RETURN_IF_ERROR(FitBlendWeights(*collected, train.als.threads, fit->stack));
  return std::make_shared<const ContentModel>(fit.Take());
}

Result<Fitted> FitTask(JudgedTask task, const TrainingSet& past, Timestamp cut, bool with_ease,
                       const TunedRivals& tuned, std::shared_ptr<const ContentModel> blend,
                       const EvaluationOptions& options) {
  Fitted fitted;
  std::optional<Ranker> factors, baskets;
  for (const Rival rival : RivalsOf(task, with_ease)) {
    Result<Ranker> ranker = FitRival(rival, past, past, cut, tuned.Of(task, rival));
    if (!ranker.ok()) return ranker.status();
    if (rival == Rival::kFactors) factors = *ranker;
    if (rival == Rival::kBasketNeighbours) baskets = *ranker;
    fitted.rankers.push_back(ranker.Take());
    fitted.settings.push_back(DescribeSettings(rival, tuned.Of(task, rival)));
  }
  if (task == JudgedTask::kNextBasket) {
    Result<Interactions> repeats = BuildRepeats(past, cut, options.repeat_half_life_days);
    if (!repeats.ok()) return repeats.status();
    fitted.rankers.push_back(ServedRanker("iALS + repeats", *factors, Share(repeats.Take()), options.repeat_weight));
  } else {
    fitted.rankers.push_back(MixRanker("iALS + item kNN by baskets", *factors, *baskets, options.mix_share));
  }
  const RepeatTask repeat_task = TaskCases(task, {}, {}).repeats;
  fitted.rankers.push_back(BlendRanker(kBlendName, std::move(blend), past, cut, repeat_task));
  fitted.settings.resize(fitted.rankers.size());
  return fitted;
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

// What was measured of one task, over all parts of the window. Values stand by (ranker, case).
class Tally {
 public:
  void Add(const TrainingSet& past, const JudgedCases& cases, const Fitted& fitted, int threads) {
    for (const JudgedCase& one : cases.cases) {
      const size_t length = LengthOfHistory(past.LinesOf(one.customer));
      size_t stratum = 0;
      while (length > kStrata[stratum].orders_max) ++stratum;
      customers_.push_back(past.customer_ids[one.customer]);
      strata_.push_back(stratum);
      relevant_ += static_cast<double>(one.relevant.size());
    }
    rows_.resize(fitted.rankers.size());
    settings_ = fitted.settings;
    for (size_t r = 0; r < rows_.size(); ++r) {
      const Measured measured = Measure(fitted.rankers[r], past, cases, threads);
      const auto append = [](const std::vector<double>& from, std::vector<double>& to) {
        to.insert(to.end(), from.begin(), from.end());
      };
      rows_[r].name = measured.name;
      append(measured.ndcg10, rows_[r].ndcg10);
      append(measured.recall10, rows_[r].recall10);
      append(measured.recall20, rows_[r].recall20);
      rows_[r].coverage20 += measured.coverage20 * static_cast<double>(cases.cases.size());
    }
  }

  EvaluationTable Finish(JudgedTask task, uint64_t seed) const;

 private:
  // Means by customer, ascending by id: one value for whoever was judged in several parts.
  std::vector<double> ByCustomer(const std::vector<double>& by_case) const {
    std::map<uint64_t, std::pair<double, double>> sums;
    for (size_t i = 0; i < by_case.size(); ++i) {
      sums[customers_[i]].first += by_case[i];
      sums[customers_[i]].second += 1;
    }
    std::vector<double> means;
    for (const auto& [customer, sum] : sums) means.push_back(sum.first / sum.second);
    return means;
  }

  std::vector<uint64_t> customers_;  // by case
  std::vector<size_t> strata_;
  std::vector<Measured> rows_;
  std::vector<std::string> settings_;
  double relevant_ = 0;
};

EvaluationTable Tally::Finish(JudgedTask task, uint64_t seed) const {
  EvaluationTable table;
  table.task = TaskName(task);
  table.cases = customers_.size();
  const auto cases = static_cast<double>(std::max<size_t>(1, table.cases));
  table.relevant_mean = relevant_ / cases;
  for (size_t s = 0; s < kStrata.size(); ++s) {
    table.strata.push_back({kStrata[s].name, static_cast<size_t>(std::count(strata_.begin(), strata_.end(), s))});
  }
  const std::vector<double> blend = rows_.empty() ? std::vector<double>() : ByCustomer(rows_.back().ndcg10);
  const std::vector<double> blend_recall20 = rows_.empty() ? std::vector<double>() : ByCustomer(rows_.back().recall20);
  table.customers = blend.size();
  for (size_t r = 0; r < rows_.size(); ++r) {
    EvaluationRow row;
    row.model = rows_[r].name;
    row.settings = settings_[r];
    const std::vector<double> ndcg10 = ByCustomer(rows_[r].ndcg10);
    row.ndcg10 = BootstrapMean(ndcg10, seed);
    row.recall10 = BootstrapMean(ByCustomer(rows_[r].recall10), seed);
    row.recall20 = BootstrapMean(ByCustomer(rows_[r].recall20), seed);
    row.coverage20 = rows_[r].coverage20 / cases;
    row.blend_gain = BootstrapPairedDifference(blend, ndcg10, seed);
    row.blend_gain_recall20 = BootstrapPairedDifference(blend_recall20, ByCustomer(rows_[r].recall20), seed);
    row.ndcg10_strata.assign(kStrata.size(), 0);
    for (size_t i = 0; i < strata_.size(); ++i) row.ndcg10_strata[strata_[i]] += rows_[r].ndcg10[i];
    for (size_t s = 0; s < kStrata.size(); ++s) {
      if (table.strata[s].customers > 0) row.ndcg10_strata[s] /= static_cast<double>(table.strata[s].customers);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

// One evaluation in the making. One owner, one thread.
class Evaluator {
 public:
  Evaluator(const TrainingSet& set, const EvaluationOptions& options, const EvaluationProgress& progress)
      : set_(set), options_(options), progress_(progress), with_ease_(set.items() <= options.ease_items_max) {}

  Result<EvaluationReport> Run();

 private:
  Status Tell(const char* stage, double share_done) const {
    if (!progress_ || progress_(stage, share_done)) return Status::Ok();
    return Status::Unavailable(std::string("evaluation cancelled while ") + stage);
  }
  Status Tune(Timestamp split);
  Status JudgePart(Timestamp cut, Timestamp until, double share_done);
  Result<std::shared_ptr<const ContentModel>> BlendModel(JudgedTask task, const TrainingSet& past, Timestamp cut);

  const TrainingSet& set_;
  const EvaluationOptions& options_;
  const EvaluationProgress& progress_;
  const bool with_ease_;
  double window_days_ = 0;
  TunedRivals tuned_;
  std::array<Tally, 2> tallies_;        // by JudgedTask
  std::array<WindowCache, 2> windows_;  // by JudgedTask: other settings, other cases
};

Status Evaluator::Tune(Timestamp split) {
  tuned_ = UntunedRivals(options_.rivals);
  if (options_.tuning.runs <= 0) return Status::Ok();
  if (!(options_.tuning_days > 0)) return Status::InvalidArgument("tuning_days must be above 0");
  const Timestamp begin{split.ms - static_cast<int64_t>(options_.tuning_days * kDayMs)};
  TuningProgress tell;
  if (progress_) tell = [this](double share_done) { return progress_("tuning", share_done); };
  Result<TunedRivals> tuned = TuneRivals(set_, begin, split, RivalsOf(JudgedTask::kNextBasket, with_ease_),
                                         options_.rivals, options_.tuning, tell);
  if (!tuned.ok()) return tuned.status();
  tuned_ = tuned.Take();
  return Status::Ok();
}

Result<std::shared_ptr<const ContentModel>> Evaluator::BlendModel(JudgedTask task, const TrainingSet& past,
                                                                  Timestamp cut) {
  return FitBlendModel(past, cut, BlendOptionsOf(tuned_, task, window_days_),
                       tuned_.Of(task, Rival::kFactors).history_half_life_days, windows_[static_cast<size_t>(task)],
                       [&](int) { return Tell("fitting", 0).ok(); });
}

Status Evaluator::JudgePart(Timestamp cut, Timestamp until, double share_done) {
  const TrainingSet past = LinesBefore(set_, cut);
  std::shared_ptr<const ContentModel> blend;
  for (const JudgedTask task : kJudgedTasks) {
    CaseOptions wanted = TaskCases(task, cut, until);
    wanted.cases_max = options_.customers_max;
    wanted.seed = options_.seed;
    const JudgedCases cases = MakeCases(set_, past, wanted);
    if (cases.cases.empty()) continue;
    RAPPORT_RETURN_IF_ERROR(Tell("fitting", share_done));
    if (blend == nullptr || options_.tuning.runs > 0) {  // untuned, one model serves both tasks
      Result<std::shared_ptr<const ContentModel>> fit = BlendModel(task, past, cut);
      if (!fit.ok()) return fit.status();
      blend = fit.Take();
    }
    const Result<Fitted> fitted = FitTask(task, past, cut, with_ease_, tuned_, blend, options_);
    if (!fitted.ok()) return fitted.status();
    RAPPORT_RETURN_IF_ERROR(Tell("judging", share_done));
    tallies_[static_cast<size_t>(task)].Add(past, cases, *fitted, options_.rivals.als.threads);
  }
  return Status::Ok();
}

Result<EvaluationReport> Evaluator::Run() {
  EvaluationReport report;
  RAPPORT_RETURN_IF_ERROR(ChooseWindow(set_, options_, report.split, report.until));
  report.parts = options_.parts;
  const TrainingSet past = LinesBefore(set_, report.split);
  if (past.lines.empty()) {
    return Status::FailedPrecondition("nothing happened before the cut at " + FormatRfc3339(report.split) +
                                      "; the log runs from " + FormatRfc3339(set_.first) + " to " +
                                      FormatRfc3339(set_.last));
  }
  report.customers_before = past.customers();
  report.items_before = past.items();
  report.orders_before = past.groups;
  report.lines_before = past.lines.size();
  for (const TrainingLine& line : set_.lines) {
    report.lines_after += line.time >= report.split && line.time < report.until;
  }
  RAPPORT_RETURN_IF_ERROR(Tune(report.split));
  const int64_t span_ms = report.until.ms - report.split.ms;
  const auto cut = [&](int part) { return Timestamp{report.split.ms + span_ms / options_.parts * part}; };
  window_days_ = options_.parts == 1 ? options_.holdout_days : static_cast<double>(span_ms) / options_.parts / kDayMs;
  for (int part = 0; part < options_.parts; ++part) {
    const Timestamp until = part + 1 == options_.parts ? report.until : cut(part + 1);
    RAPPORT_RETURN_IF_ERROR(JudgePart(cut(part), until, static_cast<double>(part) / options_.parts));
  }
  for (const JudgedTask task : kJudgedTasks) {
    report.tables.push_back(tallies_[static_cast<size_t>(task)].Finish(task, options_.seed));
  }
  if (report.tables.front().customers == 0) {
    return Status::FailedPrecondition("nobody from before " + FormatRfc3339(report.split) +
                                      " chose a known item until " + FormatRfc3339(report.until) +
                                      "; choose another split");
  }
  report.tuning = std::move(tuned_.runs);
  return report;
}

}  // namespace

Status ChooseWindow(const TrainingSet& set, const EvaluationOptions& options, Timestamp& split, Timestamp& until) {
  split = options.split.ms != 0 ? options.split : ChooseSplit(set, options.holdout_days);
  until = options.until.ms != 0 ? options.until : Timestamp{set.last.ms + 1};
  if (until <= split) {
    return Status::InvalidArgument("the window ends (" + FormatRfc3339(until) + ") before it starts (" +
                                   FormatRfc3339(split) + ")");
  }
  if (options.parts < 1 || options.parts > 1000) return Status::InvalidArgument("parts must be from 1 to 1000");
  return Status::Ok();
}

Result<EvaluationReport> Evaluate(const TrainingSet& set, const EvaluationOptions& options,
                                  const EvaluationProgress& progress) {
  if (set.lines.empty()) return Status::FailedPrecondition("nothing to judge: no event lines");
  return Evaluator(set, options, progress).Run();
}

std::vector<EvaluationRow> RowsBesideTheLast(const std::vector<Measured>& measured, uint64_t seed) {
  std::vector<EvaluationRow> rows;
  for (const Measured& one : measured) {
    EvaluationRow row;
    row.model = one.name;
    row.ndcg10 = BootstrapMean(one.ndcg10, seed);
    row.recall10 = BootstrapMean(one.recall10, seed);
    row.recall20 = BootstrapMean(one.recall20, seed);
    row.coverage20 = one.coverage20;
    row.blend_gain = BootstrapPairedDifference(measured.back().ndcg10, one.ndcg10, seed);
    row.blend_gain_recall20 = BootstrapPairedDifference(measured.back().recall20, one.recall20, seed);
    rows.push_back(std::move(row));
  }
  return rows;
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
  add("Judged on %llu lines until %s%s. Full catalogue; [95 %% bootstrap interval by customer].\n",
      static_cast<unsigned long long>(report.lines_after), FormatRfc3339(report.until).c_str(),
      report.parts == 1 ? "" : (" in " + std::to_string(report.parts) + " parts, refitted before each").c_str());
  if (!report.tuning.empty()) {
    add("Rivals tuned on the days before the cut, %zu runs in all; settings below each table.\n", report.tuning.size());
  }
  const auto interval = [&](const Interval& i) { add("  %.4f [%.4f %.4f]", i.mean, i.lower, i.upper); };
  for (const EvaluationTable& table : report.tables) {
    add("\n%s: %zu customers, %.1f relevant items each\n", table.task.c_str(), table.customers, table.relevant_mean);
    if (table.cases > table.customers) add("(%zu cases; a customer counts once)\n", table.cases);
    if (!table.note.empty()) out += table.note + "\n";
    if (table.rows.empty()) continue;
    add("%-26s  %-22s  %-22s  %-22s  %s\n", "", "NDCG@10", "Recall@10", "Recall@20", "coverage@20");
    for (const EvaluationRow& row : table.rows) {
      add("%-26s", row.model.c_str());
      interval(row.ndcg10);
      interval(row.recall10);
      interval(row.recall20);
      add("  %.3f\n", row.coverage20);
    }
    if (!table.strata.empty()) {
      add("NDCG@10 by orders before:  ");
      for (const EvaluationStratum& stratum : table.strata) add("%5s (%zu)  ", stratum.name.c_str(), stratum.customers);
      out += "\n";
    }
    for (const EvaluationRow& row : table.rows) {
      if (table.strata.empty()) break;
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
    add("%-26s  %-25s  %s\n", "The blend's paired gain:", "NDCG@10", "Recall@20");
    for (size_t i = 0; i + 1 < table.rows.size(); ++i) {
      const Interval& gain = table.rows[i].blend_gain;
      const Interval& found = table.rows[i].blend_gain_recall20;
      add("%-26s  %+.4f [%+.4f %+.4f]  %+.4f [%+.4f %+.4f]%s%s\n", table.rows[i].model.c_str(), gain.mean, gain.lower,
          gain.upper, found.mean, found.lower, found.upper,
          report.tuning.empty() || table.rows[i].settings.empty() ? "" : "  ",
          report.tuning.empty() ? "" : table.rows[i].settings.c_str());
    }
  }
  return out;
}

}  // namespace rapport

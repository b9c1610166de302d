// `rapport evaluate`: see evaluate.h.
#include "server/commands/evaluate.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/file.h"
#include "engine/learning/explanations.h"
#include "engine/learning/strong_generalisation.h"
#include "engine/learning/timing_evaluation.h"
#include "engine/learning/trainer.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

ordered_json IntervalJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"lower", interval.lower}, {"upper", interval.upper}};
}

ordered_json TableJson(const EvaluationTable& table) {
  ordered_json rows = ordered_json::array();
  for (const EvaluationRow& row : table.rows) {
    ordered_json strata = ordered_json::object();
    for (size_t s = 0; s < table.strata.size(); ++s) {
      if (table.strata[s].customers > 0) strata[table.strata[s].name] = row.ndcg10_strata[s];
    }
    rows.push_back({{"model", row.model},
                    {"settings", row.settings},
                    {"ndcg10", IntervalJson(row.ndcg10)},
                    {"blendGain", IntervalJson(row.blend_gain)},
                    {"blendGainRecall20", IntervalJson(row.blend_gain_recall20)},
                    {"recall10", IntervalJson(row.recall10)},
                    {"recall20", IntervalJson(row.recall20)},
                    {"coverage20", row.coverage20},
                    {"ndcg10ByOrdersBefore", strata}});
  }
  ordered_json strata = ordered_json::object();
  for (const EvaluationStratum& stratum : table.strata) strata[stratum.name] = stratum.customers;
  return {{"task", table.task},
          {"note", table.note},
          {"customers", table.customers},
          {"cases", table.cases},
          {"relevantMean", table.relevant_mean},
          {"customersByOrdersBefore", strata},
          {"rows", rows}};
}

std::string ExplanationsJson(const ExplanationReport& report, Timestamp split) {
  ordered_json rows = ordered_json::array();
  for (const ExplanationRow& row : report.rows) {
    rows.push_back({{"reasons", row.reasons},
                    {"rankCorrelation", IntervalJson(row.rank_correlation)},
                    {"strongest", row.strongest}});
  }
  const ordered_json json = {{"task", "explanations"},
                             {"split", FormatRfc3339(split)},
                             {"cases", report.cases},
                             {"historyMean", report.history_mean},
                             {"rows", rows}};
  return json.dump(2) + "\n";
}

Status ParseInstant(const std::string& text, const char* flag, Timestamp& time) {
  if (text.empty()) return Status::Ok();
  const Result<Timestamp> parsed = ParseRfc3339(text);
  if (!parsed.ok()) return Status::InvalidArgument(std::string(flag) + ": " + parsed.status().message());
  time = *parsed;
  return Status::Ok();
}

Status ApplyProtocol(EvaluateArguments& arguments) {
  if (arguments.protocol == "time-split") return Status::Ok();
  if (arguments.protocol != "online-retail-ii") {
    return Status::InvalidArgument("--protocol '" + arguments.protocol +
                                   "' is not known; use time-split or online-retail-ii");
  }
  arguments.known_only = arguments.orders_only = arguments.ignore_refunds = true;
  if (arguments.split.empty()) arguments.split = "2011-10-01";
  if (arguments.until.empty()) arguments.until = "2011-12-10";
  arguments.tuning_days = 30;  // September
  return Status::Ok();
}

Result<EvaluationOptions> MakeOptions(const EvaluateArguments& arguments) {
  EvaluationOptions options;
  RAPPORT_RETURN_IF_ERROR(ParseInstant(arguments.split, "--split", options.split));
  RAPPORT_RETURN_IF_ERROR(ParseInstant(arguments.until, "--until", options.until));
  if (!(arguments.holdout_days > 0)) return Status::InvalidArgument("--holdout-days must be above 0");
  if (arguments.mix_share > 1) return Status::InvalidArgument("--mix-share must be within 0..1");
  const Result<AlsSolver> solver = ParseAlsSolver(arguments.solver);
  if (!solver.ok()) return solver.status();
  options.rivals.als.solver = *solver;
  const Result<AlsStart> start = ParseAlsStart(arguments.start);
  if (!start.ok()) return start.status();
  options.rivals.als.start = *start;
  const auto set = [](auto& option, auto argument) {
    if (argument > 0) option = argument;
  };
  options.holdout_days = arguments.holdout_days;
  options.rivals.history_half_life_days = arguments.weights.history_half_life_days;
  set(options.rivals.als.factors, arguments.factors);
  set(options.rivals.als.epochs, arguments.epochs);
  set(options.rivals.als.unobserved_weight, arguments.unobserved_weight);
  set(options.rivals.als.regularization, arguments.regularization);
  set(options.rivals.history_half_life_days, arguments.half_life_days);
  set(options.rivals.neighbour_half_life_days, arguments.neighbour_half_life_days);
  set(options.rivals.recent_half_life_days, arguments.recent_half_life_days);
  if (arguments.mix_share >= 0) options.mix_share = arguments.mix_share;
  options.rivals.als.seed = options.tuning.seed = options.seed = arguments.seed;
  options.rivals.als.threads = options.rivals.neighbours.threads = options.rivals.ease.threads = arguments.threads;
  options.customers_max = arguments.customers_max;
  options.parts = arguments.parts;
  options.tuning.runs = arguments.tuning_runs;
  options.tuning.threads = arguments.threads;
  options.tuning_days = arguments.tuning_days;
  return options;
}

// Fits as Evaluate does, on what lay before the cut, and takes history items away.
Result<std::string> ExplanationsText(const TrainingSet& set, const EvaluationOptions& options,
                                     const EvaluateArguments& arguments) {
  TrainOptions train;
  train.als = options.rivals.als;
  train.holdout_days = options.holdout_days;
  const Timestamp split = options.split.ms != 0 ? options.split : ChooseSplit(set, options.holdout_days);
  const TrainingSet past = LinesBefore(set, split);
  if (past.lines.empty()) {
    return Status::FailedPrecondition("nothing happened before the cut at " + FormatRfc3339(split));
  }
  Result<ContentModel> model = FitContentModel(past, split, options.rivals.history_half_life_days, train);
  if (!model.ok()) return model.status();
  const auto windows = CollectWindows(past, split, options.rivals.history_half_life_days, train);
  if (!windows.ok()) return windows.status();
  RAPPORT_RETURN_IF_ERROR(FitBlendWeights(*windows, options.rivals.als.threads, model->stack));
  ExplanationOptions explanations;
  explanations.seed = options.seed;
  explanations.threads = options.rivals.als.threads;
  if (options.customers_max != 0) explanations.cases = options.customers_max;
  const Result<ExplanationReport> report = JudgeExplanations(past, *model, split, explanations);
  if (!report.ok()) return report.status();
  const std::string json = ExplanationsJson(*report, split);
  if (!arguments.out_file.empty()) {
    RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(arguments.out_file, json, FileMode::kPublic));
  }
  return arguments.json ? json : FormatExplanations(*report);
}

ordered_json TimingJson(const TimingReport& report) {
  ordered_json rows = ordered_json::array(), strata = ordered_json::array();
  for (const TimingRow& row : report.rows) {
    rows.push_back({{"model", row.model},
                    {"settings", row.settings},
                    {"bits", row.bits},
                    {"hit3", row.hit3},
                    {"gain", IntervalJson(row.gain)},
                    {"hitGain", IntervalJson(row.hit_gain)}});
  }
  for (const TimingStratum& one : report.strata) {
    strata.push_back({{"knownVisits", one.name},
                      {"customers", one.customers},
                      {"visits", one.visits},
                      {"gain", IntervalJson(one.gain)}});
  }
  return {{"task", "timing"},
          {"cut", FormatRfc3339(report.cut)},
          {"customers", report.judged_customers},
          {"visitsKnown", report.visits_known},
          {"visitsJudged", report.visits_judged},
          {"rows", rows},
          {"strata", strata},
          {"shuffledGain", IntervalJson(report.shuffled_gain)}};
}

Result<std::string> TimingText(const TrainingSet& set, const EvaluateArguments& arguments) {
  const bool british = arguments.zone.empty() && arguments.protocol == "online-retail-ii";
  const Result<TimeZone> zone = TimeZone::Open(british                  ? "Europe/London"
                                               : arguments.zone.empty() ? "Etc/UTC"
                                                                        : arguments.zone);
  if (!zone.ok()) return Status::InvalidArgument("--zone: " + zone.status().message());
  TimingOptions options;
  options.seed = options.activity.seed = arguments.seed;
  options.activity.threads = arguments.threads;
  const Result<TimingReport> report = EvaluateTiming(BuildVisits(set, *zone), options);
  if (!report.ok()) return report.status();
  const std::string json = TimingJson(*report).dump(2) + "\n";
  if (!arguments.out_file.empty()) {
    RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(arguments.out_file, json, FileMode::kPublic));
  }
  return arguments.json ? json : FormatTiming(*report);
}

constexpr std::pair<const char*, ColdTask> kColdTasks[] = {
    {"cold-items", ColdTask::kItems}, {"cold-customers", ColdTask::kCustomers}, {"sessions", ColdTask::kSessions}};

Status CheckTask(const EvaluateArguments& arguments) {
  constexpr std::string_view kOthers[] = {"ranking", "explanations", "cold", "strong-generalisation", "timing"};
  bool known = std::find(std::begin(kOthers), std::end(kOthers), arguments.task) != std::end(kOthers);
  for (const auto& [name, task] : kColdTasks) known = known || arguments.task == name;
  if (known) return {};
  return Status::InvalidArgument("--task '" + arguments.task +
                                 "' is not known; use ranking, explanations, strong-generalisation, cold-items, "
                                 "cold-customers, sessions, cold for the last three, or timing");
}

// The tables of all cold tasks in one report. One that finds nobody to judge (a shop without visitors has no sessions)
// says so in its own table, and takes nothing from the others.
Result<EvaluationReport> RunColdTasks(const TrainingSet& set, const ColdOptions& options) {
  std::optional<EvaluationReport> all;
  std::vector<EvaluationTable> tables;
  Status nobody;
  for (const auto& [name, task] : kColdTasks) {
    Result<EvaluationReport> report = EvaluateCold(set, task, options);
    if (report.ok()) {
      tables.insert(tables.end(), report->tables.begin(), report->tables.end());
      if (!all) all = report.Take();
      continue;
    }
    nobody = report.status();
    if (nobody.code() != StatusCode::kFailedPrecondition) return nobody;
    EvaluationTable& empty = tables.emplace_back();
    empty.task = name;
    empty.note = nobody.message();
  }
  if (!all) return nobody;
  all->tables = std::move(tables);
  return std::move(*all);
}

// The tables of one task, or of all cold ones, in one report.
Result<EvaluationReport> RunTask(const EvaluateArguments& arguments, const TrainingSet& set,
                                 const EvaluationOptions& options) {
  if (arguments.task == "ranking") return Evaluate(set, options);
  if (arguments.task == "strong-generalisation") return EvaluateGeneralisation(set, {.evaluation = options});
  const ColdOptions cold{options, arguments.mask_share, arguments.given_lines};
  if (arguments.task == "cold") return RunColdTasks(set, cold);
  for (const auto& [name, task] : kColdTasks) {
    if (arguments.task == name) return EvaluateCold(set, task, cold);
  }
  return CheckTask(arguments);
}

Result<std::string> RunAndFormat(EvaluateArguments arguments, const Store& store) {
  RAPPORT_RETURN_IF_ERROR(ApplyProtocol(arguments));
  RAPPORT_RETURN_IF_ERROR(CheckTask(arguments));
  const Result<EvaluationOptions> options = MakeOptions(arguments);
  if (!options.ok()) return options.status();

  TrainingSetOptions reading;
  if (arguments.known_only) reading.customers = CustomersRead::kKnownOnly;
  if (arguments.orders_only) reading.events = EventsRead::kOrdersOnly;
  if (arguments.ignore_refunds) reading.refunds = RefundsRead::kIgnore;
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const Result<TrainingSet> set = ReadTrainingSet(store, *snapshot, arguments.weights, reading);
  if (!set.ok()) return set.status();
  if (arguments.task == "timing") return TimingText(*set, arguments);
  if (arguments.task == "explanations") return ExplanationsText(*set, *options, arguments);
  const Result<EvaluationReport> report = RunTask(arguments, *set, *options);
  if (!report.ok()) return report.status();

  const std::string json = EvaluationJson(*report, *options, arguments.protocol);
  if (!arguments.out_file.empty()) {
    RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(arguments.out_file, json, FileMode::kPublic));
  }
  return arguments.json ? json : FormatEvaluation(*report);
}

}  // namespace

std::string EvaluationJson(const EvaluationReport& report, const EvaluationOptions& options,
                           const std::string& protocol) {
  ordered_json tables = ordered_json::array();
  for (const EvaluationTable& table : report.tables) tables.push_back(TableJson(table));
  ordered_json tuning = ordered_json::array();
  for (const TuningRun& run : report.tuning) {
    tuning.push_back({{"model", RivalName(run.rival)},
                      {"settings", run.settings},
                      {"nextBasketNdcg10", run.ndcg10[0]},
                      {"newItemsNdcg10", run.ndcg10[1]}});
  }
  const ordered_json json = {{"protocol", protocol},
                             {"split", FormatRfc3339(report.split)},
                             {"until", FormatRfc3339(report.until)},
                             {"parts", report.parts},
                             {"before",
                              {{"customers", report.customers_before},
                               {"items", report.items_before},
                               {"orders", report.orders_before},
                               {"lines", report.lines_before}}},
                             {"linesAfter", report.lines_after},
                             {"options",
                              {{"factors", options.rivals.als.factors},
                               {"epochs", options.rivals.als.epochs},
                               {"solver", AlsSolverName(ResolveAlsSolver(options.rivals.als))},
                               {"start", AlsStartName(options.rivals.als.start)},
                               {"unobservedWeight", options.rivals.als.unobserved_weight},
                               {"regularization", options.rivals.als.regularization},
                               {"halfLifeDays", options.rivals.history_half_life_days},
                               {"neighbourHalfLifeDays", options.rivals.neighbour_half_life_days},
                               {"recentHalfLifeDays", options.rivals.recent_half_life_days},
                               {"frequencyHalfLifeDays", options.rivals.frequency_half_life_days},
                               {"easeRegularization", options.rivals.ease.regularization},
                               {"easeHalfLifeDays", options.rivals.ease_half_life_days},
                               {"repeatWeight", options.repeat_weight},
                               {"repeatHalfLifeDays", options.repeat_half_life_days},
                               {"mixShare", options.mix_share},
                               {"seed", options.seed}}},
                             {"tuning", tuning},
                             {"tables", tables}};
  return json.dump(2) + "\n";
}

int RunEvaluate(const EvaluateArguments& arguments, const Store& store, std::ostream& out, std::ostream& err) {
  const Result<std::string> text = RunAndFormat(arguments, store);
  if (text.ok()) {
    out << *text;
    return 0;
  }
  err << "rapport evaluate: " << text.status().message() << "\n";
  return text.status().code() == StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace rapport

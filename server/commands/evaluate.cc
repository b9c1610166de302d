// `rapport evaluate`: see evaluate.h.
#include "server/commands/evaluate.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"

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
                    {"ndcg10", IntervalJson(row.ndcg10)},
                    {"blendGain", IntervalJson(row.blend_gain)},
                    {"recall10", IntervalJson(row.recall10)},
                    {"recall20", IntervalJson(row.recall20)},
                    {"coverage20", row.coverage20},
                    {"ndcg10ByOrdersBefore", strata}});
  }
  ordered_json strata = ordered_json::object();
  for (const EvaluationStratum& stratum : table.strata) strata[stratum.name] = stratum.customers;
  return {{"task", table.task},
          {"customers", table.customers},
          {"relevantMean", table.relevant_mean},
          {"customersByOrdersBefore", strata},
          {"rows", rows}};
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
  return Status::Ok();
}

Result<EvaluationOptions> MakeOptions(const EvaluateArguments& arguments) {
  EvaluationOptions options;
  RAPPORT_RETURN_IF_ERROR(ParseInstant(arguments.split, "--split", options.split));
  RAPPORT_RETURN_IF_ERROR(ParseInstant(arguments.until, "--until", options.until));
  if (!(arguments.holdout_days > 0)) return Status::InvalidArgument("--holdout-days must be above 0");
  if (arguments.mix_share > 1) return Status::InvalidArgument("--mix-share must be within 0..1");
  const auto set = [](auto& option, auto argument) {
    if (argument > 0) option = argument;
  };
  options.holdout_days = arguments.holdout_days;
  options.history_half_life_days = arguments.weights.history_half_life_days;
  set(options.als.factors, arguments.factors);
  set(options.als.epochs, arguments.epochs);
  set(options.als.unobserved_weight, arguments.unobserved_weight);
  set(options.als.regularization, arguments.regularization);
  set(options.history_half_life_days, arguments.half_life_days);
  set(options.neighbour_half_life_days, arguments.neighbour_half_life_days);
  set(options.recent_half_life_days, arguments.recent_half_life_days);
  if (arguments.mix_share >= 0) options.mix_share = arguments.mix_share;
  options.als.seed = options.seed = arguments.seed;
  options.als.threads = options.neighbours.threads = options.ease.threads = arguments.threads;
  options.customers_max = arguments.customers_max;
  return options;
}

Result<std::string> RunAndFormat(EvaluateArguments arguments, const Store& store) {
  RAPPORT_RETURN_IF_ERROR(ApplyProtocol(arguments));
  const Result<EvaluationOptions> options = MakeOptions(arguments);
  if (!options.ok()) return options.status();

  TrainingSetOptions reading;
  if (arguments.known_only) reading.customers = CustomersRead::kKnownOnly;
  if (arguments.orders_only) reading.events = EventsRead::kOrdersOnly;
  if (arguments.ignore_refunds) reading.refunds = RefundsRead::kIgnore;
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const Result<TrainingSet> set = ReadTrainingSet(store, *snapshot, arguments.weights, reading);
  if (!set.ok()) return set.status();
  const Result<EvaluationReport> report = Evaluate(*set, *options);
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
  const ordered_json json = {{"protocol", protocol},
                             {"split", FormatRfc3339(report.split)},
                             {"until", FormatRfc3339(report.until)},
                             {"before",
                              {{"customers", report.customers_before},
                               {"items", report.items_before},
                               {"orders", report.orders_before},
                               {"lines", report.lines_before}}},
                             {"linesAfter", report.lines_after},
                             {"options",
                              {{"factors", options.als.factors},
                               {"epochs", options.als.epochs},
                               {"unobservedWeight", options.als.unobserved_weight},
                               {"regularization", options.als.regularization},
                               {"halfLifeDays", options.history_half_life_days},
                               {"neighbourHalfLifeDays", options.neighbour_half_life_days},
                               {"recentHalfLifeDays", options.recent_half_life_days},
                               {"frequencyHalfLifeDays", options.frequency_half_life_days},
                               {"easeRegularization", options.ease.regularization},
                               {"easeHalfLifeDays", options.ease_half_life_days},
                               {"repeatWeight", options.repeat_weight},
                               {"repeatHalfLifeDays", options.repeat_half_life_days},
                               {"mixShare", options.mix_share},
                               {"seed", options.seed}}},
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

// A part of `make quality`: answers in date order (engine/learning/predict_then_update.h) on UCI Bank Marketing,
// bank-additional-full.csv:
//   rapport_bank_marketing FILE [--json] [--out FILE.json] [--block 1000]
// Rows are in date order, May 2008 to November 2010. `duration` is left out: it is known only after the call.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "data/io/csv.h"
#include "engine/learning/predict_then_update.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

// How a number becomes a column: (value - centre) / unit, and bins at `edges`. Units are chosen by what the column
// means, never from the rows.
struct NumberColumn {
  const char* name;
  double centre, unit;
  std::vector<double> edges;
  bool paired;
};
std::vector<double> Steps(double from, double to, double step) {
  std::vector<double> edges;
  for (double at = from; at <= to; at += step) edges.push_back(at);
  return edges;
}
std::vector<NumberColumn> Numbers() {
  return {{"age", 40, 10, {25, 30, 35, 40, 45, 50, 55, 60, 65}, true},
          {"campaign", 2, 3, {2, 3, 4, 6, 10}, true},
          {"pdays", 999, 200, {4, 8, 15, 999}, false},
          {"previous", 0, 0.5, {1, 2, 3}, false},
          {"emp.var.rate", 0, 1.5, Steps(-3, 2, 1), false},
          {"cons.price.idx", 93.5, 0.6, Steps(92, 95, 0.25), false},
          {"cons.conf.idx", -40, 5, Steps(-52, -26, 2), false},
          {"euribor3m", 3.5, 1.7, Steps(0.5, 5.5, 0.5), true},
          {"nr.employed", 5170, 70, Steps(4950, 5250, 25), false}};
}
const std::vector<const char*> kPairedCategories = {"contact", "month", "day_of_week", "poutcome", "job"};

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

Result<Table> ReadTable(const std::string& path) {
  Result<std::unique_ptr<ByteSource>> source = OpenByteSource(path);
  if (!source.ok()) return source.status();
  CsvReader reader(**source, {.separator = ';'});
  Table table;
  CsvRecord record;
  for (;;) {
    const Result<bool> more = reader.Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) return table;
    if (!record.status.ok()) return record.status;
    std::vector<std::string> fields(record.fields.begin(), record.fields.end());
    if (table.header.empty()) {
      table.header = std::move(fields);
    } else if (fields.size() == table.header.size()) {
      table.rows.push_back(std::move(fields));
    } else {
      return Status::InvalidArgument("line " + std::to_string(record.line) + ": not as many fields as the header");
    }
  }
}

Result<AnswerColumn> MakeNumber(const Table& table, size_t at, const NumberColumn& number) {
  AnswerColumn column;
  column.name = number.name;
  column.numeric = true;
  column.paired = number.paired;
  column.category_count = static_cast<uint32_t>(number.edges.size() + 1);
  for (const std::vector<std::string>& row : table.rows) {
    double value = 0;
    const auto [end, error] = std::from_chars(row[at].data(), row[at].data() + row[at].size(), value);
    if (error != std::errc() || end != row[at].data() + row[at].size()) {
      return Status::InvalidArgument(std::string(number.name) + ": '" + row[at] + "' is not a number");
    }
    column.numbers.push_back((value - number.centre) / number.unit);
    column.categories.push_back(static_cast<uint32_t>(
        std::upper_bound(number.edges.begin(), number.edges.end(), value) - number.edges.begin()));
  }
  return column;
}

AnswerColumn MakeCategory(const Table& table, size_t at) {
  AnswerColumn column;
  column.name = table.header[at];
  column.paired = std::find(kPairedCategories.begin(), kPairedCategories.end(), column.name) != kPairedCategories.end();
  std::map<std::string, uint32_t> numbers;
  for (const std::vector<std::string>& row : table.rows) {
    column.categories.push_back(numbers.try_emplace(row[at], static_cast<uint32_t>(numbers.size())).first->second);
  }
  column.category_count = static_cast<uint32_t>(numbers.size());
  return column;
}

Result<AnswerLog> MakeLog(const Table& table) {
  AnswerLog log;
  const std::vector<NumberColumn> numbers = Numbers();
  for (size_t at = 0; at < table.header.size(); ++at) {
    const std::string& name = table.header[at];
    if (name == "duration") continue;
    if (name == "y") {
      for (const auto& row : table.rows) log.responded.push_back(row[at] == "yes" ? 1 : 0);
      continue;
    }
    const auto number =
        std::find_if(numbers.begin(), numbers.end(), [&](const NumberColumn& n) { return name == n.name; });
    if (number == numbers.end()) {
      log.columns.push_back(MakeCategory(table, at));
      continue;
    }
    Result<AnswerColumn> column = MakeNumber(table, at, *number);
    if (!column.ok()) return column.status();
    log.columns.push_back(column.Take());
  }
  return log;
}

ordered_json IntervalJson(const Interval& one) {
  return {{"mean", one.mean}, {"lower", one.lower}, {"upper", one.upper}};
}

std::string Json(const StreamReport& report) {
  ordered_json models = ordered_json::array(), calibration = ordered_json::array(), blocks = ordered_json::array();
  for (const StreamRow& row : report.models) {
    models.push_back({{"model", row.model},
                      {"settings", row.settings},
                      {"logLoss", row.log_loss},
                      {"auc", row.auc},
                      {"blockAuc", row.block_auc},
                      {"lossGain", IntervalJson(row.loss_gain)},
                      {"aucGain", IntervalJson(row.auc_gain)}});
  }
  for (const CalibrationBin& bin : report.calibration) {
    calibration.push_back({{"predicted", bin.predicted}, {"observed", bin.observed}, {"rows", bin.rows}});
  }
  for (const StreamReport::Block& block : report.blocks) {
    blocks.push_back({{"rate", block.rate}, {"loss", block.model_loss}, {"rivalLoss", block.rival_loss}});
  }
  const ordered_json json = {{"task", "answers in date order"}, {"rows", report.rows},
                             {"predicted", report.predicted},   {"models", models},
                             {"calibration", calibration},      {"blocks", blocks}};
  return json.dump(1) + "\n";
}

struct Arguments {
  std::string file, out;
  bool json = false;
  size_t block = 1000, rows_max = 0;
};

Status Run(const Arguments& arguments) {
  Result<Table> table = ReadTable(arguments.file);
  if (!table.ok()) return table.status();
  if (arguments.rows_max > 0 && table->rows.size() > arguments.rows_max) table->rows.resize(arguments.rows_max);
  const Result<AnswerLog> log = MakeLog(*table);
  if (!log.ok()) return log.status();
  StreamOptions options;
  options.block = arguments.block;
  const Result<StreamReport> report = EvaluateStream(*log, options);
  if (!report.ok()) return report.status();
  std::cout << (arguments.json ? Json(*report) : FormatStream(*report));
  return arguments.out.empty() ? Status::Ok() : WriteFileAtomically(arguments.out, Json(*report), FileMode::kPublic);
}

}  // namespace
}  // namespace rapport

int main(int count, char** values) {
  rapport::Arguments arguments;
  CLI::App app("Answers in date order on UCI Bank Marketing: predicts a block of calls, then learns from it.");
  app.add_option("file", arguments.file, "bank-additional-full.csv, packed or not")->required();
  app.add_option("--out", arguments.out, "the JSON to this file");
  app.add_option("--block", arguments.block, "rows of a block")->check(CLI::Range(10, 100000));
  app.add_option("--rows", arguments.rows_max, "only the first rows, for choosing settings; 0: all");
  app.add_flag("--json", arguments.json, "for machines");
  CLI11_PARSE(app, count, values);
  const rapport::Status status = rapport::Run(arguments);
  if (!status.ok()) std::cerr << "rapport_bank_marketing: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

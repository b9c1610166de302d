// The joint decision where the truth is known (engine/learning/joint_evaluation.h):
//   rapport_joint [--dials 0,0.25,0.5,0.75,1] [--worlds 101,102,103,104,105] [--contacts 0,5,20,80] [--customers 2400]
//                 [--logging uniform,model] [--uniform-weeks N] [--rounds N] [--temperature X] [--exploration X]
//                 [--budget 0.02] [--no-model] [--parts] [--json] [--out FILE]
// A table for people, or JSON: {"options", "rows": [{"logging", "dial", "contacts" (null: all), "policy", "sends",
// "spentPerSend", "value", "shareOfOracle", "gainOfJoint", "worstWorldGain"}]}. Worlds 101 to 105 are for measuring:
// choose on others. --logging: who chose the contacts that everybody learns from, uniform draws or the response model
// in rounds (engine/learning/contact_logging.h); --uniform-weeks to --exploration say how it spends them.
// --no-model leaves out what is learned by the response model; --parts adds the learned model with parts of the truth.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/learning/joint_evaluation.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

ordered_json IntervalJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"lower", interval.lower}, {"upper", interval.upper}};
}

const char* LoggingName(const JointReport& report) {
  return report.options.logging == ContactPolicy::kModel ? "model" : "uniform";
}

void AddRows(const JointReport& report, ordered_json* rows) {
  for (const JointRow& row : report.rows) {
    rows->push_back({{"logging", LoggingName(report)},
                     {"dial", row.dial},
                     {"contacts", row.contacts < 0 ? ordered_json() : ordered_json(row.contacts)},
                     {"policy", JointPolicyName(row.policy)},
                     {"sends", row.sends},
                     {"spentPerSend", row.spent_per_send},
                     {"value", IntervalJson(row.value)},
                     {"shareOfOracle", IntervalJson(row.share_of_oracle)},
                     {"gainOfJoint", IntervalJson(row.gain_of_joint)},
                     {"worstWorldGain", row.worst_world_gain}});
  }
}

ordered_json ReportJson(const std::vector<JointReport>& reports) {
  ordered_json rows = ordered_json::array(), loggings = ordered_json::array();
  for (const JointReport& report : reports) {
    AddRows(report, &rows);
    loggings.push_back(LoggingName(report));
  }
  const JointOptions& options = reports.front().options;
  const ModelSpending& spending = options.spending;
  return {{"options",
           {{"dials", options.dials},
            {"worlds", options.worlds},
            {"contacts", options.contacts},
            {"customers", options.customers},
            {"budgetPerSend", options.budget_per_send},
            {"loggings", loggings},
            {"spending",
             {{"uniformWeeks", spending.uniform_weeks},
              {"rounds", spending.rounds},
              {"temperature", spending.temperature},
              {"exploration", spending.exploration}}}}},
          {"rows", rows}};
}

void Print(const JointReport& report) {
  double dial = -1;
  int64_t contacts = -2;
  for (const JointRow& row : report.rows) {
    if (row.dial != dial || row.contacts != contacts) {
      const std::string known = row.contacts < 0 ? "all customers" : std::to_string(row.contacts) + " contacts before";
      std::printf("\n%s log, dial %.2f, %s, %zu sends\n%-34s %24s %7s %24s  %s\n", LoggingName(report), row.dial,
                  known.c_str(), row.sends, "", "value per send", "spent", "share of the oracle",
                  "gain of joint over it");
    }
    dial = row.dial, contacts = row.contacts;
    std::printf("%-34s %6.3f [%6.3f %7.3f] %7.4f  %5.3f [%5.3f %6.3f]  %+7.3f [%+6.3f %+6.3f]\n",
                JointPolicyName(row.policy), row.value.mean, row.value.lower, row.value.upper, row.spent_per_send,
                row.share_of_oracle.mean, row.share_of_oracle.lower, row.share_of_oracle.upper, row.gain_of_joint.mean,
                row.gain_of_joint.lower, row.gain_of_joint.upper);
  }
}

int Run(int argc, char** argv) {
  JointOptions options;
  std::string out;
  std::vector<std::string> loggings{"uniform", "model"};
  bool json = false, no_model = false;
  CLI::App app("Judges the joint decision of content, hour and channel where the truth is known");
  app.add_option("--dials", options.dials, "how strongly they interact, 0 to 1")->delimiter(',');
  app.add_option("--worlds", options.worlds, "seeds")->delimiter(',');
  app.add_option("--contacts", options.contacts, "per customer, in turn")->delimiter(',');
  app.add_option("--customers", options.customers, "of one world");
  app.add_option("--budget", options.budget_per_send, "money per send");
  app.add_option("--logging", loggings, "who chose the earlier contacts: uniform, model")
      ->delimiter(',')
      ->check(CLI::IsMember({"uniform", "model"}));
  app.add_option("--uniform-weeks", options.spending.uniform_weeks, "of uniform draws, before the model spends");
  app.add_option("--rounds", options.spending.rounds, "fits of the model that spends");
  app.add_option("--temperature", options.spending.temperature, "of its draws, money");
  app.add_option("--exploration", options.spending.exploration, "share of even chances over its shortlist");
  app.add_option("--threads", options.threads, "0: all cores");
  app.add_flag("--no-model", no_model, "without what the response model learns");
  app.add_flag("--parts", options.parts, "with rows in which one part of the learned model is the truth");
  app.add_flag("--json", json, "for machines");
  app.add_option("--out", out, "the JSON to a file as well");
  CLI11_PARSE(app, argc, argv);
  options.learned = !no_model;
  std::vector<JointReport> reports;
  for (const std::string& logging : loggings) {
    options.logging = logging == "model" ? ContactPolicy::kModel : ContactPolicy::kUniform;
    Result<JointReport> report = EvaluateJoint(options);
    if (!report.ok()) {
      std::cerr << "rapport_joint: " << report.status().message() << "\n";
      return report.status().code() == StatusCode::kInvalidArgument ? 2 : 1;
    }
    reports.push_back(report.Take());
    if (!json) Print(reports.back());
  }
  const std::string text = ReportJson(reports).dump(1);
  if (json) std::cout << text << "\n";
  if (out.empty()) return 0;
  std::ofstream file(out);
  file << text << "\n";
  file.close();
  if (!file) std::cerr << "rapport_joint: cannot write " << out << "\n";
  return file ? 0 : 1;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) { return rapport::Run(argc, argv); }

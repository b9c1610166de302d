// The click rate of one policy from the log of another, on a public log:
//   rapport_open_bandit FOLDER [--out FILE.json]                FOLDER holds random_men.csv.xz and its like
// Open Bandit small (Saito et al. 2021): two campaigns, each shown for a week by a uniform policy and by BTS, 10,000
// impressions of either kept, three positions.
//   target(item | position) = share of the item among the BTS log's impressions at the position
// because BTS does not look at the visitor. The propensities that its own log states belong to the moment: they grow
// with what was learned during the week, and their mean over the impressions of an item is that of the moments at which
// it was shown, which is too high. Taken as a target (the twin) the weights' mean is far from 1 and no answer is given.
// There are no customers in the data: impressions with the same four visitor features stand for one.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "bench/csv_columns.h"
#include "models/off_policy.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

constexpr uint32_t kFolds = 5;
constexpr double kRateEvidence = 200;  // impressions that the overall click rate counts as, beside an item's own

struct Impressions {
  std::vector<std::string> place;  // "item position"
  std::vector<std::string> position;
  std::vector<double> click, propensity;
  std::vector<uint32_t> visitor;
};

Result<Impressions> Read(const std::string& path) {
  const Result<std::vector<std::vector<std::string>>> rows =
      ReadCsvColumns(path, {"item_id", "position", "click", "propensity_score", "user_feature_0", "user_feature_1",
                            "user_feature_2", "user_feature_3"});
  if (!rows.ok()) return rows.status();
  Impressions all;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, uint32_t> visitors;
  for (const std::vector<std::string>& row : *rows) {
    all.place.push_back(row[0] + " " + row[1]);
    all.position.push_back(row[1]);
    all.click.push_back(std::strtod(row[2].c_str(), nullptr));
    all.propensity.push_back(std::strtod(row[3].c_str(), nullptr));
    const auto next = static_cast<uint32_t>(visitors.size());
    all.visitor.push_back(visitors.try_emplace({row[4], row[5], row[6], row[7]}, next).first->second);
  }
  return all;
}

std::map<std::string, double> ShareByPlace(const Impressions& log) {
  std::map<std::string, double> share, total;
  for (const std::string& position : log.position) total[position] += 1;
  for (size_t i = 0; i < log.place.size(); ++i) share[log.place[i]] += 1 / total[log.position[i]];
  return share;
}

// The twin: the mean of the propensities that the BTS log states for the impressions of each place.
std::map<std::string, double> StatedByPlace(const Impressions& log) {
  std::map<std::string, double> sum, count;
  for (size_t i = 0; i < log.place.size(); ++i) sum[log.place[i]] += log.propensity[i], count[log.place[i]] += 1;
  for (auto& [place, value] : sum) value /= count[place];
  return sum;
}

struct ModelValues {
  std::vector<double> chosen, expected;
};

// Click rates by place, drawn towards the overall one, learned from the other folds of visitors.
ModelValues CrossFit(const Impressions& log, const std::map<std::string, double>& target) {
  ModelValues values;
  values.chosen.resize(log.place.size());
  values.expected.resize(log.place.size());
  for (uint32_t fold = 0; fold < kFolds; ++fold) {
    std::map<std::string, double> shown, clicked, expected;
    double all_shown = 0, all_clicked = 0;
    for (size_t i = 0; i < log.place.size(); ++i) {
      if (log.visitor[i] % kFolds == fold) continue;
      shown[log.place[i]] += 1, clicked[log.place[i]] += log.click[i];
      all_shown += 1, all_clicked += log.click[i];
    }
    const double overall = all_clicked / all_shown;
    const auto rate = [&](const std::string& place) {
      return (clicked[place] + kRateEvidence * overall) / (shown[place] + kRateEvidence);
    };
    for (const auto& [place, share] : target) expected[place.substr(place.find(' ') + 1)] += share * rate(place);
    for (size_t i = 0; i < log.place.size(); ++i) {
      if (log.visitor[i] % kFolds != fold) continue;
      values.chosen[i] = rate(log.place[i]);
      values.expected[i] = expected[log.position[i]];
    }
  }
  return values;
}

ordered_json ToJson(const ValueInterval& value) {
  return {
      {"mean", value.value}, {"lower", value.lower}, {"upper", value.upper}, {"standardError", value.standard_error}};
}

ValueInterval OwnMean(const Impressions& log) {
  std::vector<double> clicks, ones;
  for (size_t i = 0; i < log.visitor.size(); ++i) {
    if (log.visitor[i] >= clicks.size()) clicks.resize(log.visitor[i] + 1, 0.0), ones.resize(clicks.size(), 0.0);
    clicks[log.visitor[i]] += log.click[i];
    ones[log.visitor[i]] += 1;
  }
  return RatioInterval(clicks, ones);
}

Result<ordered_json> JudgeCampaign(const std::string& folder, const std::string& campaign) {
  const Result<Impressions> uniform = Read(folder + "/random_" + campaign + ".csv.xz");
  if (!uniform.ok()) return uniform.status();
  const Result<Impressions> sampled = Read(folder + "/bts_" + campaign + ".csv.xz");
  if (!sampled.ok()) return sampled.status();
  const auto estimate = [&](const std::map<std::string, double>& shares) {
    std::vector<double> target;
    for (const std::string& place : uniform->place) {
      const auto found = shares.find(place);
      target.push_back(found == shares.end() ? 0 : found->second);
    }
    const ModelValues model = CrossFit(*uniform, shares);
    return EstimateOffPolicy(
        {uniform->click, uniform->propensity, target, model.chosen, model.expected, uniform->visitor, {}}, {});
  };
  const Result<OffPolicyReport> report = estimate(ShareByPlace(*sampled));
  if (!report.ok()) return report.status();
  const ValueInterval own = OwnMean(*sampled);
  double clicks = 0, own_clicks = 0;
  for (double click : uniform->click) clicks += click;
  for (double click : sampled->click) own_clicks += click;
  ordered_json row{{"campaign", campaign},
                   {"impressions", uniform->click.size()},
                   {"clicks", clicks},
                   {"visitorGroups", report->customers},
                   {"effectiveDecisions", report->effective_decisions},
                   {"weightLargest", report->weight_largest},
                   {"weightMean", ToJson(report->weight)},
                   {"logged", ToJson(report->logged)},
                   {"own", ToJson(own)},
                   {"ownClicks", own_clicks}};
  std::printf(
      "%s: uniform log %.0f clicks in %zu, effective %.0f, largest weight %.1f; BTS log's own mean %.5f [%.5f %.5f], "
      "%.0f clicks\n",
      campaign.c_str(), clicks, uniform->click.size(), report->effective_decisions, report->weight_largest, own.value,
      own.lower, own.upper, own_clicks);
  for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
    const ValueInterval& value = report->estimates[e].value;
    const double apart = (value.value - own.value) / std::hypot(value.standard_error, own.standard_error);
    const char* name = OffPolicyEstimatorName(static_cast<OffPolicyEstimator>(e));
    row["estimators"].push_back({{"estimator", name}, {"value", ToJson(value)}, {"standardErrorsApart", apart}});
    std::printf("  %-10s %.5f [%.5f %.5f]  %+.2f standard errors from it\n", name, value.value, value.lower,
                value.upper, apart);
  }
  const Result<OffPolicyReport> twin = estimate(StatedByPlace(*sampled));
  row["twin"] = twin.ok() ? "answered" : twin.status().message();
  std::printf("  twin, stated propensities as target: %s\n", row["twin"].get<std::string>().c_str());
  return row;
}

Result<ordered_json> JudgeOpenBandit(const std::string& folder) {
  ordered_json rows = ordered_json::array();
  for (const char* campaign : {"men", "women"}) {
    Result<ordered_json> row = JudgeCampaign(folder, campaign);
    if (!row.ok()) return row.status();
    rows.push_back(row.Take());
  }
  return rows;
}

int Run(const std::string& folder, const std::string& out) {
  const Result<ordered_json> rows = JudgeOpenBandit(folder);
  if (!rows.ok()) {
    std::fprintf(stderr, "rapport_open_bandit: %s\n", rows.status().ToString().c_str());
    return 1;
  }
  if (!out.empty()) std::ofstream(out) << rows->dump(1) << '\n';
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  std::string folder, out;
  CLI::App app{"the click rate of one policy from the log of another: Open Bandit small"};
  app.add_option("folder", folder, "with random_men.csv.xz and its like")->required();
  app.add_option("--out", out, "JSON rows into this file");
  CLI11_PARSE(app, argc, argv);
  return rapport::Run(folder, out);
}

// Whom to send which, on Hillstrom's randomised e-mail (64,000 customers; nothing, men's mail, women's mail):
//   rapport_hillstrom FOLDER [--out FILE.json]
// Effects are cross-fitted, ridges chosen on folds within each training part; Qini with 95 % intervals by customer, for
// visits and for conversions. Below stands what the policy "each customer's best arm" would have earned by the
// estimators of models/off_policy.h against the one arm that did best: the log is a uniform policy over three arms.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bench/csv_columns.h"
#include "models/off_policy.h"
#include "models/uplift.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

constexpr const char* kArms[] = {"No E-Mail", "Mens E-Mail", "Womens E-Mail"};
constexpr size_t kColumns = 12;

struct Campaign {
  std::vector<double> features, visit, conversion;
  std::vector<uint8_t> arm;
};

Result<Campaign> Read(const std::string& folder) {
  const Result<std::vector<std::vector<std::string>>> rows = ReadCsvColumns(
      folder + "/hillstrom.csv.xz",
      {"recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "segment", "visit", "conversion"});
  if (!rows.ok()) return rows.status();
  Campaign all;
  for (const std::vector<std::string>& row : *rows) {
    const auto number = [&](size_t k) { return std::strtod(row[k].c_str(), nullptr); };
    const double recency = number(0), history = std::log(number(1)), mens = number(2), womens = number(3);
    for (double value : {recency, recency * recency, history, history * history, mens, womens, mens * womens, number(5),
                         row[4] == "Rural" ? 1.0 : 0.0, row[4] == "Urban" ? 1.0 : 0.0, row[6] == "Phone" ? 1.0 : 0.0,
                         row[6] == "Multichannel" ? 1.0 : 0.0}) {
      all.features.push_back(value);
    }
    const auto found = std::find(std::begin(kArms), std::end(kArms), row[7]);
    if (found == std::end(kArms)) return Status::InvalidArgument("hillstrom: unknown segment " + row[7]);
    all.arm.push_back(static_cast<uint8_t>(found - std::begin(kArms)));
    all.visit.push_back(number(8));
    all.conversion.push_back(number(9));
  }
  return all;
}

ordered_json ToJson(const Interval& value) {
  return {{"mean", value.mean}, {"lower", value.lower}, {"upper", value.upper}};
}

// The value of sending everybody their best arm, by IPS, less that of sending everybody `best_arm`.
Result<ValueInterval> GainOverBestArm(const UpliftData& data, std::span<const double> effects, size_t best_arm) {
  const size_t n = data.arm.size(), width = data.arm_shares.size() - 1;
  std::vector<double> difference(n), ones(n, 1.0);
  const double mean = std::accumulate(data.outcome.begin(), data.outcome.end(), 0.0) / static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) {
    const auto first = effects.begin() + static_cast<ptrdiff_t>(i * width);
    const auto chosen = static_cast<size_t>(std::max_element(first, first + static_cast<ptrdiff_t>(width)) - first) + 1;
    const double sign = (data.arm[i] == chosen ? 1 : 0) - (data.arm[i] == best_arm ? 1 : 0);
    difference[i] = sign * (data.outcome[i] - mean) / data.arm_shares[data.arm[i]];
  }
  return RatioInterval(difference, ones);
}

Result<ordered_json> JudgeOutcome(const Campaign& campaign, const char* name, std::span<const double> outcome) {
  const std::vector<double> shares(3, 1.0 / 3);
  const UpliftData data{kColumns, campaign.features, campaign.arm, outcome, shares};
  ordered_json row{{"outcome", name}, {"customers", campaign.arm.size()}};
  std::vector<std::vector<double>> effects;
  for (UpliftKind kind : {UpliftKind::kTwoModels, UpliftKind::kShared}) {
    Result<std::vector<double>> crossed = CrossFitUplift(data, kind, {});
    if (!crossed.ok()) return crossed.status();
    const Result<QiniReport> qini = Qini(data, *crossed, {});
    if (!qini.ok()) return qini.status();
    const Result<UpliftModel> whole = FitUplift(data, kind, {});
    if (!whole.ok()) return whole.status();
    const Result<ValueInterval> gain = GainOverBestArm(data, *crossed, qini->best_arm);
    if (!gain.ok()) return gain.status();
    const char* model = kind == UpliftKind::kTwoModels ? "two models" : "shared";
    row["models"].push_back(
        {{"model", model},
         {"coefficient", ToJson(qini->coefficient)},
         {"overBestArm", ToJson(qini->over_best_arm)},
         {"bestArm", kArms[qini->best_arm]},
         {"sent", qini->sent},
         {"curve", qini->curve},
         {"ridge", whole->ridge},
         {"effectRidge", whole->effect_ridge},
         {"gainSentToAll", {{"mean", gain->value}, {"lower", gain->lower}, {"upper", gain->upper}}}});
    std::printf(
        "%-10s %-10s Qini %.5f [%.5f %.5f]  over %s to anybody %.5f [%.5f %.5f]  sent to all, gain over it "
        "%+.5f [%+.5f %+.5f]  ridges on all %g %g\n",
        name, model, qini->coefficient.mean, qini->coefficient.lower, qini->coefficient.upper, kArms[qini->best_arm],
        qini->over_best_arm.mean, qini->over_best_arm.lower, qini->over_best_arm.upper, gain->value, gain->lower,
        gain->upper, whole->ridge, whole->effect_ridge);
    effects.push_back(crossed.Take());
  }
  const Result<Interval> difference = QiniDifference(data, effects[1], effects[0], {});
  if (!difference.ok()) return difference.status();
  row["sharedOverTwoModels"] = ToJson(*difference);
  std::printf("%-10s shared over two models, area %+.5f [%+.5f %+.5f]\n", name, difference->mean, difference->lower,
              difference->upper);
  return row;
}

int Run(const std::string& folder, const std::string& out) {
  ordered_json rows = ordered_json::array();
  const Result<Campaign> campaign = Read(folder);
  Status status = campaign.status();
  for (const char* name : {"visit", "conversion"}) {
    if (!status.ok()) break;
    const bool visit = std::string(name) == "visit";
    Result<ordered_json> row = JudgeOutcome(*campaign, name, visit ? campaign->visit : campaign->conversion);
    status = row.status();
    if (row.ok()) rows.push_back(row.Take());
  }
  if (!status.ok()) {
    std::fprintf(stderr, "rapport_hillstrom: %s\n", status.ToString().c_str());
    return 1;
  }
  if (!out.empty()) std::ofstream(out) << rows.dump(1) << '\n';
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  std::string folder, out;
  CLI::App app{"whom to send which: uplift models on Hillstrom's e-mail"};
  app.add_option("folder", folder, "with hillstrom.csv.xz")->required();
  app.add_option("--out", out, "JSON rows into this file");
  CLI11_PARSE(app, argc, argv);
  return rapport::Run(folder, out);
}

// Do the 95 % intervals of models/off_policy.h cover the truth, log after log?
//   rapport_estimators [--logs 2000] [--customers 1000] [--seed 1] [--out FILE.json]
// Draws logs of a small contextual bandit with known truth (models/bandit_log.h) under several regimes and counts, per
// regime and estimator, how many intervals hold the true value, how many lie wholly above or below it, and how many
// logs were refused. Beside it stand two broken twins that must fail: intervals that forget customers, and propensities
// that are off by a fifth.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/parallel.h"
#include "models/bandit_log.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

struct Arguments {
  size_t logs = 2000, customers = 1000, truth_customers = 1000000;
  uint64_t seed = 1;
  std::string out;
};

struct Regime {
  const char* name;
  BanditWorldOptions world;
  double customers_share = 1;
};

std::vector<Regime> Regimes() {
  std::vector<Regime> all;
  const auto add = [&](const char* name, auto change, double share = 1) {
    Regime regime{name, {}, share};
    change(regime.world);
    all.push_back(regime);
  };
  add("close", [](BanditWorldOptions&) {});
  add("far", [](BanditWorldOptions& w) { w.log_sharpness = 1, w.log_exploration = .2, w.target_sharpness = 3; });
  add("rare rewards", [](BanditWorldOptions& w) { w.base = -5, w.log_exploration = .2, w.target_sharpness = 1; });
  add("wrong model", [](BanditWorldOptions& w) { w.target_sharpness = 1.5, w.model = BanditModel::kSwapped; });
  add("far, wrong model", [](BanditWorldOptions& w) {
    w.log_sharpness = 1, w.log_exploration = .2, w.target_sharpness = 3, w.model = BanditModel::kSwapped;
  });
  add("money", [](BanditWorldOptions& w) {
    w.money = true, w.log_exploration = .2, w.target_sharpness = 1, w.model = BanditModel::kFlat;
  });
  add(
      "busy customers",
      [](BanditWorldOptions& w) {
        w.decisions_mean = 20, w.customer_spread = 2, w.log_exploration = .2, w.target_sharpness = 1;
      },
      .5);
  add(
      "near the floor",
      [](BanditWorldOptions& w) { w.log_sharpness = 2, w.log_exploration = .02, w.target_sharpness = 3; }, 6);
  return all;
}

constexpr size_t kTwinLogsMost = 500;

struct Twin {
  const char* name;
  bool sound, forget_customers, wrong_propensity;
};
constexpr Twin kTwins[] = {{"as it is", true, false, false},
                           {"customers forgotten", false, true, false},
                           {"propensities x 1.2", false, false, true}};

// One log's answer: per estimator -1 the interval lies below the truth, 0 covers, 1 above; `refused` else.
struct Outcome {
  bool refused = false;
  std::array<int, kOffPolicyEstimators> side{};
  std::array<double, kOffPolicyEstimators> error{}, width{};
  double effective_share = 0, effective = 0, weight_largest = 0, switched = 0, rewarded = 0;
};

Outcome Judge(BanditLog log, const Twin& twin, double truth) {
  if (twin.forget_customers) std::iota(log.customer.begin(), log.customer.end(), 0u);
  if (twin.wrong_propensity) {
    for (double& p : log.propensity) p = std::min(1.0, 1.2 * p);
  }
  OffPolicyOptions options;
  Outcome out;
  const Result<OffPolicyReport> report = EstimateOffPolicy(log.view(), options);
  out.refused = !report.ok();
  if (out.refused) return out;
  for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
    const ValueInterval& value = report->estimates[e].value;
    out.side[e] = truth < value.lower ? 1 : truth > value.upper ? -1 : 0;
    out.error[e] = value.value - truth;
    out.width[e] = value.upper - value.lower;
  }
  out.effective = report->effective_decisions;
  out.effective_share = report->effective_decisions / static_cast<double>(report->decisions);
  out.weight_largest = report->weight_largest;
  out.switched = report->switch_bias_bound > 0 ? 1 : 0;
  out.rewarded = static_cast<double>(report->rewarded_customers);
  return out;
}

ordered_json Summarise(const std::vector<Outcome>& outcomes, const Regime& regime, const Twin& twin, double truth) {
  double answered = 0;
  for (const Outcome& one : outcomes) answered += one.refused ? 0 : 1;
  const auto mean = [&](auto value) {
    double sum = 0;
    for (const Outcome& one : outcomes) sum += one.refused ? 0 : value(one);
    return answered > 0 ? sum / answered : 0;
  };
  ordered_json row{{"regime", regime.name},
                   {"twin", twin.name},
                   {"truth", truth},
                   {"logs", outcomes.size()},
                   {"refused", outcomes.size() - static_cast<size_t>(answered)},
                   {"effectiveShare", mean([](const Outcome& o) { return o.effective_share; })},
                   {"effectiveDecisions", mean([](const Outcome& o) { return o.effective; })},
                   {"weightLargest", mean([](const Outcome& o) { return o.weight_largest; })},
                   {"switched", mean([](const Outcome& o) { return o.switched; })},
                   {"rewardedCustomers", mean([](const Outcome& o) { return o.rewarded; })}};
  for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
    row["estimators"].push_back(
        {{"estimator", OffPolicyEstimatorName(static_cast<OffPolicyEstimator>(e))},
         {"coverage", mean([&](const Outcome& o) { return o.side[e] == 0 ? 1.0 : 0.0; })},
         {"above", mean([&](const Outcome& o) { return o.side[e] > 0 ? 1.0 : 0.0; })},
         {"below", mean([&](const Outcome& o) { return o.side[e] < 0 ? 1.0 : 0.0; })},
         {"bias", mean([&](const Outcome& o) { return o.error[e]; })},
         {"rootMeanSquareError", std::sqrt(mean([&](const Outcome& o) { return o.error[e] * o.error[e]; }))},
         {"meanWidth", mean([&](const Outcome& o) { return o.width[e]; })}});
  }
  return row;
}

void Print(const ordered_json& row) {
  std::printf("%-18s %-20s refused %4d  effective %6.0f (%.3f)  largest weight %6.1f ",
              row["regime"].get<std::string>().c_str(), row["twin"].get<std::string>().c_str(),
              row["refused"].get<int>(), row["effectiveDecisions"].get<double>(), row["effectiveShare"].get<double>(),
              row["weightLargest"].get<double>());
  for (const ordered_json& e : row["estimators"]) {
    std::printf(" %s %.1f (%.1f/%.1f)", e["estimator"].get<std::string>().c_str(), 100 * e["coverage"].get<double>(),
                100 * e["above"].get<double>(), 100 * e["below"].get<double>());
  }
  std::printf("\n");
  std::fflush(stdout);
}

ordered_json Coverage(const Arguments& arguments) {
  ordered_json rows = ordered_json::array();
  uint64_t stream = 0;
  for (const Regime& regime : Regimes()) {
    const BanditWorld world(regime.world);
    // The truth in parts, each from customers of its own.
    constexpr size_t kParts = 16;
    std::array<double, kParts> parts;
    ParallelFor(kParts, 1, 0, [&](size_t begin, size_t, size_t) {
      parts[begin] = world.TrueValue(arguments.truth_customers / kParts, 0xace0 + begin);
    });
    const double truth = std::accumulate(parts.begin(), parts.end(), 0.0) / kParts;
    const auto customers = static_cast<size_t>(regime.customers_share * static_cast<double>(arguments.customers));
    const Random seeds = Random(arguments.seed).Fork(stream++);
    for (const Twin& twin : kTwins) {
      std::vector<Outcome> outcomes(twin.sound ? arguments.logs : std::min(arguments.logs, kTwinLogsMost));
      ParallelFor(outcomes.size(), 1, 0, [&](size_t begin, size_t, size_t) {
        outcomes[begin] = Judge(world.Draw(customers, seeds.Fork(begin).NextU64()), twin, truth);
      });
      rows.push_back(Summarise(outcomes, regime, twin, truth));
      Print(rows.back());
    }
  }
  return rows;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  rapport::Arguments arguments;
  CLI::App app{"do the intervals of the off-policy estimators cover the truth?"};
  app.add_option("--logs", arguments.logs, "simulated logs per regime")->check(CLI::Range(1, 100000));
  app.add_option("--customers", arguments.customers, "customers per log")->check(CLI::Range(100, 1000000));
  app.add_option("--seed", arguments.seed, "of the logs");
  app.add_option("--out", arguments.out, "JSON rows into this file");
  CLI11_PARSE(app, argc, argv);
  const nlohmann::ordered_json rows = rapport::Coverage(arguments);
  if (!arguments.out.empty()) std::ofstream(arguments.out) << rows.dump(1) << '\n';
  return 0;
}

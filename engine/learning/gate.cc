// The gate: see gate.h for the rule.
#include "engine/learning/gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "models/metrics.h"

namespace rapport {
namespace {

bool AllFinite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

double Mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

std::string DifferenceInWords(const std::string& name, double theirs, const Interval& difference) {
  return "'" + name + "' " + Number(theirs) + " (difference " + Number(difference.mean) + ", 95 % interval " +
         Number(difference.lower) + " to " + Number(difference.upper) + ")";
}

}  // namespace

GateVerdict PassGate(std::span<const double> candidate, std::span<const GateScores> opponents, GateMode mode,
                     uint64_t seed) {
  if (!AllFinite(candidate)) return {false, "the candidate's NDCG@10 is not finite"};
  const std::string customers = std::to_string(candidate.size()) + " customers";
  if (candidate.size() < kGateCustomersMin) {
    return {true, "without a comparison: only " + customers + " could be judged, " + std::to_string(kGateCustomersMin) +
                      " are needed"};
  }

  std::string worse, best_words = "nobody";
  double best = -1;
  for (const GateScores& opponent : opponents) {
    const Interval difference = BootstrapPairedDifference(candidate, opponent.ndcg10, seed);
    const double theirs = Mean(opponent.ndcg10);
    const std::string words = DifferenceInWords(opponent.name, theirs, difference);
    if (theirs > best) {
      best = theirs;
      best_words = words;
    }
    if (difference.upper < 0) worse += (worse.empty() ? "" : ", ") + words;
  }

  const std::string figures = "NDCG@10 " + Number(Mean(candidate)) + " on " + customers;
  if (worse.empty()) return {true, figures + "; best opponent " + best_words};
  const std::string verdict = figures + ", worse beyond noise than " + worse;
  if (mode == GateMode::kReportOnly) return {true, "at the operator's word: " + verdict};
  return {false, verdict};
}

}  // namespace rapport

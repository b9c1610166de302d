#include "engine/learning/explanations.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"
#include "engine/learning/blend_fit.h"
#include "models/fold_in_shares.h"
#include "models/stack_shares.h"

namespace rapport {
namespace {

enum Row : size_t { kFactorsAdditive, kFactorsRemoval, kBlendFactors, kBlendDrops, kBlendPermuted, kRows };
constexpr const char* kRowNames[kRows] = {"factors: additive shares", "factors: shares as stated",
                                          "blend: the factors' shares", "blend: shares as stated",
                                          "blend: shares permuted"};

struct Case {
  uint32_t customer = 0;
  size_t pick = 0;  // place of the item among those shown
};

struct CaseResult {
  size_t history = 0;
  std::optional<double> correlation[kRows];
  bool strongest[kRows] = {};
};

size_t LargestAt(std::span<const double> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

// What the served scores of `target` are with these lines.
struct Served {
  double blend = 0, factors = 0;
};
Served ScoreTarget(const ContentModel& model, std::span<const SignalLine> lines, Timestamp as_of, uint32_t target,
                   StackScratch& scratch) {
  scratch.also = {target};
  CollectCandidates(model, {lines, {}, as_of, {}, nullptr, {}}, scratch);
  scratch.also.clear();
  const auto at = std::lower_bound(scratch.candidates.begin(), scratch.candidates.end(), target);
  const auto place = static_cast<size_t>(at - scratch.candidates.begin());
  Served served{ScoreCandidate(model.stack.repeats_theta, scratch, place), 0};
  const float* factor = model.als.item_factors.data() + size_t{target} * scratch.factor.size();
  for (size_t k = 0; k < scratch.factor.size(); ++k) served.factors += double{scratch.factor[k]} * factor[k];
  return served;
}

// The history as the factors hear it, and the shares of `target` over `rows` (ascending): zeros for those without.
struct FactorShares {
  std::vector<double> additive, removal;
};
FactorShares ShareFactors(const ContentModel& model, std::span<const SignalLine> lines, Timestamp as_of,
                          std::span<const uint32_t> rows, uint32_t target) {
  std::vector<uint32_t> history;
  std::vector<float> weights;
  for (const uint32_t row : rows) {
    double sum = 0;
    for (const SignalLine& line : lines) {
      if (line.row == row) sum += line.weight * DecayFactor(line.time, as_of, model.history_half_life_days);
    }
    if (sum <= 0) continue;
    history.push_back(row);
    weights.push_back(static_cast<float>(sum));
  }
  const FoldInShares shares = ShareFoldIn(model.als, history, weights, std::span(&target, 1));
  FactorShares out{std::vector<double>(rows.size()), std::vector<double>(rows.size())};
  for (size_t i = 0; i < history.size(); ++i) {
    const auto at = static_cast<size_t>(std::lower_bound(rows.begin(), rows.end(), history[i]) - rows.begin());
    out.additive[at] = shares.additive[i];
    out.removal[at] = shares.removal[i];
  }
  return out;
}

CaseResult JudgeCase(const TrainingSet& past, const ContentModel& model, Timestamp as_of, const Case& one,
                     const ExplanationOptions& options) {
  StackScratch scratch;
  std::vector<SignalLine> lines, without;
  LinesToSignals(past.LinesOf(one.customer), lines);
  CollectCandidates(model, {lines, {}, as_of, {}, nullptr, {}}, scratch);
  const std::vector<Scored> ranked = RankCandidates(model.stack.repeats_theta, scratch);
  if (ranked.empty()) return {};
  const uint32_t target = ranked[std::min(one.pick, ranked.size() - 1)].index;
  const std::vector<uint32_t> rows = RowsOf(lines);
  const Served full = ScoreTarget(model, lines, as_of, target, scratch);
  std::vector<double> lost_blend, lost_factors;
  for (const uint32_t row : rows) {
    without.clear();
    for (const SignalLine& line : lines) {
      if (line.row != row) without.push_back(line);
    }
    const Served left = ScoreTarget(model, without, as_of, target, scratch);
    lost_blend.push_back(full.blend - left.blend);
    lost_factors.push_back(full.factors - left.factors);
  }

  const FactorShares factors = ShareFactors(model, lines, as_of, rows, target);
  const StackShares shares =
      ShareStack(model, model.stack.repeats_theta, {lines, {}, as_of, {}, nullptr, {}}, std::span(&target, 1), scratch);
  std::vector<double> stated(rows.size());  // 0 for what a reason was not asked for
  for (size_t i = 0; i < shares.history.size(); ++i) {
    stated[static_cast<size_t>(std::lower_bound(rows.begin(), rows.end(), shares.history[i]) - rows.begin())] =
        shares.drops[i];
  }
  std::vector<double> permuted = stated;
  Random random = Random(options.seed).Fork(uint64_t{1} << 32 | one.customer);
  for (size_t i = permuted.size(); i > 1; --i) std::swap(permuted[i - 1], permuted[random.Below(i)]);

  CaseResult result;
  result.history = rows.size();
  const auto hold = [&](Row row, std::span<const double> said, std::span<const double> lost) {
    result.correlation[row] = RankCorrelation(said, lost);
    result.strongest[row] = LargestAt(said) == LargestAt(lost);
  };
  hold(kFactorsAdditive, factors.additive, lost_factors);
  hold(kFactorsRemoval, factors.removal, lost_factors);
  hold(kBlendFactors, factors.removal, lost_blend);
  hold(kBlendDrops, stated, lost_blend);
  hold(kBlendPermuted, permuted, lost_blend);
  return result;
}

// Customers with a history that is long enough, drawn by seed; a second item of each when they do not suffice.
std::vector<Case> DrawCases(const TrainingSet& past, const ExplanationOptions& options) {
  std::vector<uint32_t> customers, rows;
  for (uint32_t customer = 0; customer < past.customers(); ++customer) {
    rows.clear();
    for (const TrainingLine& line : past.LinesOf(customer)) {
      if (line.weight > 0) rows.push_back(line.item);
    }
    std::sort(rows.begin(), rows.end());
    const auto different = static_cast<size_t>(std::unique(rows.begin(), rows.end()) - rows.begin());
    if (different >= options.history_min) customers.push_back(customer);
  }
  Random random(options.seed);
  for (size_t i = customers.size(); i > 1; --i) std::swap(customers[i - 1], customers[random.Below(i)]);
  std::vector<Case> cases;
  const size_t rounds = options.shown;
  for (size_t round = 0; round < rounds && cases.size() < options.cases; ++round) {
    for (const uint32_t customer : customers) {
      if (cases.size() == options.cases) break;
      const size_t first = Random(options.seed).Fork(customer).Below(options.shown);
      cases.push_back({customer, (first + round) % options.shown});
    }
  }
  return cases;
}

}  // namespace

Result<ExplanationReport> JudgeExplanations(const TrainingSet& past, const ContentModel& model, Timestamp as_of,
                                            const ExplanationOptions& options) {
  if (options.shown == 0) return Status::InvalidArgument("explanations: at least one item must be shown");
  if (model.stack.repeats_theta.empty()) {
    return Status::FailedPrecondition("the log is too short for a blend, so there is no served score to explain");
  }
  const std::vector<Case> cases = DrawCases(past, options);
  if (cases.empty()) {
    return Status::FailedPrecondition("no customer has a history of " + std::to_string(options.history_min) +
                                      " items or more");
  }
  std::vector<CaseResult> results(cases.size());
  ParallelFor(cases.size(), 4, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) results[i] = JudgeCase(past, model, as_of, cases[i], options);
  });
  ExplanationReport report;
  report.cases = cases.size();
  for (const CaseResult& result : results) {
    report.history_mean += static_cast<double>(result.history) / static_cast<double>(results.size());
  }
  for (size_t row = 0; row < kRows; ++row) {
    std::vector<double> correlations;
    double strongest = 0;
    for (const CaseResult& result : results) {
      if (!result.correlation[row]) continue;  // all equal: there is no order to predict
      correlations.push_back(*result.correlation[row]);
      strongest += result.strongest[row];
    }
    if (!correlations.empty()) strongest /= static_cast<double>(correlations.size());
    report.rows.push_back({kRowNames[row], BootstrapMean(correlations, options.seed), strongest});
  }
  return report;
}

std::string FormatExplanations(const ExplanationReport& report) {
  char text[256];
  std::snprintf(text, sizeof text,
                "%zu cases (a customer and an item shown), %.1f items of history each: every one taken away in turn.\n"
                "%-26s  %-28s  %s\n",
                report.cases, report.history_mean, "", "rank correlation [95 %]", "strongest reason right");
  std::string out = text;
  for (const ExplanationRow& row : report.rows) {
    const Interval& r = row.rank_correlation;
    std::snprintf(text, sizeof text, "%-26s  %.4f [%.4f %.4f]       %.3f\n", row.reasons.c_str(), r.mean, r.lower,
                  r.upper, row.strongest);
    out += text;
  }
  return out;
}

}  // namespace rapport

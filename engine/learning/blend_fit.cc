#include "engine/learning/blend_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr int kRecentWindows = 3;
constexpr int kOlderWindows = 16;
constexpr double kDaysBeforeMin = 28;
constexpr int64_t kYearMs = 364 * kDayMs;  // whole weeks: the same days of the week
constexpr double kYearAgoLengths = 2.5;

// Everything, or what the customer never had.
std::vector<uint64_t> AllowedRows(std::span<const SignalLine> lines, size_t rows, RepeatTask task) {
  std::vector<uint64_t> allowed((rows + 63) / 64, ~uint64_t{0});
  if (task == RepeatTask::kNewItemsOnly) {
    for (const SignalLine& line : lines) allowed[line.row / 64] &= ~(uint64_t{1} << (line.row % 64));
  }
  return allowed;
}

BlendCases CollectTask(const TrainingSet& past, const ContentModel& model, Timestamp as_of, const JudgedCases& judged,
                       int threads) {
  struct One {
    std::vector<float> features;
    std::vector<uint8_t> chosen;
  };
  std::vector<One> collected(judged.cases.size());
  ParallelFor(collected.size(), 16, threads, [&](size_t begin, size_t end, size_t) {
    StackScratch scratch;
    std::vector<SignalLine> lines;
    for (size_t i = begin; i < end; ++i) {
      const JudgedCase& one = judged.cases[i];
      LinesToSignals(past.LinesOf(one.customer), lines);
      CollectCandidates(model, lines, as_of, AllowedRows(lines, model.rows(), judged.repeats), scratch);
      collected[i].features = scratch.features;
      for (const uint32_t row : scratch.candidates) {
        collected[i].chosen.push_back(std::binary_search(one.relevant.begin(), one.relevant.end(), row) ? 1 : 0);
      }
    }
  });
  BlendCases cases;
  cases.features = kStackFeatures;
  for (const One& one : collected) {
    cases.values.insert(cases.values.end(), one.features.begin(), one.features.end());
    cases.chosen.insert(cases.chosen.end(), one.chosen.begin(), one.chosen.end());
    cases.offsets.push_back(cases.chosen.size());
  }
  return cases;
}

void Append(const BlendCases& from, BlendCases& to) {
  const uint64_t base = to.chosen.size();
  to.values.insert(to.values.end(), from.values.begin(), from.values.end());
  to.chosen.insert(to.chosen.end(), from.chosen.begin(), from.chosen.end());
  for (size_t i = 1; i < from.offsets.size(); ++i) to.offsets.push_back(base + from.offsets[i]);
}

Status FitTask(std::span<const std::shared_ptr<const WindowCases>> windows, BlendCases WindowCases::*task, int threads,
               std::vector<double>& theta) {
  theta.clear();
  BlendCases all;
  all.features = kStackFeatures;
  for (const auto& window : windows) Append((*window).*task, all);
  if (all.offsets.size() - 1 < kBlendCustomersMin) return Status::Ok();
  BlendOptions options;
  options.threads = threads;
  Result<std::vector<double>> fitted = FitBlend(all, options);
  // Nobody chose a candidate: there is nothing to weigh them by, and the factors rank alone.
  if (!fitted.ok()) return fitted.status().code() == StatusCode::kFailedPrecondition ? Status::Ok() : fitted.status();
  theta = fitted.Take();
  return Status::Ok();
}

}  // namespace

void LinesToSignals(std::span<const TrainingLine> lines, std::vector<SignalLine>& out) {
  out.clear();
  for (const TrainingLine& line : lines) {
    const bool back = line.type == EventType::kRefunded || line.type == EventType::kCancelled;
    const int8_t order = line.type == EventType::kOrdered ? 1 : back ? -1 : 0;
    out.push_back({line.item, line.weight, order, line.time});
  }
}

namespace {

int64_t EarliestBeginMs(Timestamp first) { return first.ms + static_cast<int64_t>(kDaysBeforeMin * kDayMs); }

// [cut - k L, cut - (k - 1) L) for k = from..to, those that have enough of the log before them.
std::vector<WindowSpan> ConsecutiveWindows(Timestamp first, Timestamp cut, double window_days, int from, int to) {
  const auto length_ms = static_cast<int64_t>(window_days * kDayMs);
  std::vector<WindowSpan> windows;
  for (int k = from; k <= to; ++k) {
    const WindowSpan window{{cut.ms - k * length_ms}, {cut.ms - (k - 1) * length_ms}};
    if (length_ms > 0 && window.begin.ms >= EarliestBeginMs(first)) windows.push_back(window);
  }
  return windows;
}

}  // namespace

std::vector<WindowSpan> PlanWindows(Timestamp first, Timestamp cut, double window_days) {
  std::vector<WindowSpan> windows = ConsecutiveWindows(first, cut, window_days, 1, kRecentWindows);
  const int64_t year_ago_ms = cut.ms - kYearMs;
  const WindowSpan season{{year_ago_ms}, {year_ago_ms + static_cast<int64_t>(kYearAgoLengths * window_days * kDayMs)}};
  const bool long_enough = season.begin.ms >= EarliestBeginMs(first);
  if (!windows.empty() && long_enough && season.until <= windows.back().begin) windows.push_back(season);
  return windows;
}

std::vector<WindowSpan> PlanOlderWindows(Timestamp first, Timestamp cut, double window_days,
                                         std::span<const WindowSpan> planned) {
  std::vector<WindowSpan> windows = ConsecutiveWindows(first, cut, window_days, kRecentWindows + 1, kOlderWindows);
  std::erase_if(windows, [planned](const WindowSpan& window) {
    return std::any_of(planned.begin(), planned.end(), [&window](const WindowSpan& other) {
      return window.begin < other.until && other.begin < window.until;
    });
  });
  return windows;
}

WindowCases CollectWindow(const TrainingSet& all, const TrainingSet& past, const ContentModel& model, WindowSpan window,
                          size_t customers_max, uint64_t seed, int threads) {
  CaseOptions options;
  options.split = window.begin;
  options.until = window.until;
  options.cases_max = customers_max;
  options.seed = seed;
  WindowCases out;
  options.relevant = RelevantSet::kNextBasket;
  options.repeats = RepeatTask::kWithRepeats;
  out.with_repeats = CollectTask(past, model, window.begin, MakeCases(all, past, options), threads);
  options.relevant = RelevantSet::kWindow;
  options.repeats = RepeatTask::kNewItemsOnly;
  out.new_items = CollectTask(past, model, window.begin, MakeCases(all, past, options), threads);
  return out;
}

Status FitBlendWeights(std::span<const std::shared_ptr<const WindowCases>> windows, int threads, StackModel& stack) {
  RAPPORT_RETURN_IF_ERROR(FitTask(windows, &WindowCases::with_repeats, threads, stack.repeats_theta));
  return FitTask(windows, &WindowCases::new_items, threads, stack.new_theta);
}

Ranker BlendRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                   Timestamp as_of, RepeatTask task) {
  std::vector<uint32_t> model_row;  // of each row of `past`
  for (const uint64_t id : past.item_ids) model_row.push_back(model->RowOf(ItemId{id}));
  const auto score = [model, &past, as_of, task, model_row = std::move(model_row)](uint32_t customer, JudgingScratch&,
                                                                                   std::span<float> scores) {
    const std::vector<double>& theta =
        task == RepeatTask::kNewItemsOnly ? model->stack.new_theta : model->stack.repeats_theta;
    StackScratch scratch;
    std::vector<SignalLine> lines;
    LinesToSignals(past.LinesOf(customer), lines);
    for (SignalLine& line : lines) line.row = model_row[line.row];
    std::erase_if(lines, [](const SignalLine& line) { return line.row == kNoRow; });
    CollectCandidates(*model, lines, as_of, AllowedRows(lines, model->rows(), task), scratch);
    std::vector<float> ranked(model->rows());
    ScoreFactors(*model, scratch, ranked);
    if (!theta.empty()) {
      // Every candidate above everything else, in the blend's order.
      float highest = 0;
      for (const float one : ranked) highest = std::isfinite(one) ? std::max(highest, one) : highest;
      const std::vector<Scored> best = RankCandidates(theta, scratch);
      for (size_t i = 0; i < best.size(); ++i) {
        ranked[best[i].index] = highest + static_cast<float>(best.size() - i);
      }
    }
    for (size_t item = 0; item < model_row.size(); ++item) {
      scores[item] = model_row[item] == kNoRow ? -std::numeric_limits<float>::infinity() : ranked[model_row[item]];
    }
  };
  return {std::move(name), score};
}

}  // namespace rapport

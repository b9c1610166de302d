// Fitting the blend (models/stack.h): on held-out windows before the cut, each scored by a content model that was
// fitted on what lay before the window, so that nothing the blend learns from was seen by what it weighs.
//
//   recent windows   [cut - k L, cut - (k - 1) L) for k = 1..3, L = the holdout's length
//   last year's      [cut - 364 d, cut - 364 d + 2.5 L): what is bought for the first time follows the season
//   older windows    k = 4..16, one after the other, while a task has fewer than kBlendCustomersMin cases
//   a window counts when at least 28 days of the log lie before it
//
// Cases of a window are a function of (log before its end), so windows are collected once and used again for the refit.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/learning/judging.h"
#include "engine/learning/training_set.h"
#include "models/blend.h"
#include "models/stack.h"

namespace rapport {

struct WindowSpan {
  Timestamp begin, until;
};
// Newest first, last year's at the end; empty for a short log.
std::vector<WindowSpan> PlanWindows(Timestamp first, Timestamp cut, double window_days);
// The older windows, newest first, without those that overlap one of `planned`.
std::vector<WindowSpan> PlanOlderWindows(Timestamp first, Timestamp cut, double window_days,
                                         std::span<const WindowSpan> planned);

// Lines as the blend reads them, on the table's rows.
void LinesToSignals(std::span<const TrainingLine> lines, std::vector<SignalLine>& out);

// Cases of one window for both tasks.
struct WindowCases {
  BlendCases with_repeats;  // the next basket
  BlendCases new_items;     // everything new in the window
};
// `past` is the log before the window, `model` was fitted on it. At most `customers_max` cases per task, drawn by seed.
WindowCases CollectWindow(const TrainingSet& all, const TrainingSet& past, const ContentModel& model, WindowSpan window,
                          size_t customers_max, uint64_t seed, int threads);

// Weights from all windows together, into `stack`; a task with fewer than kBlendCustomersMin cases gets none.
inline constexpr size_t kBlendCustomersMin = 100;
Status FitBlendWeights(std::span<const std::shared_ptr<const WindowCases>> windows, int threads, StackModel& stack);

// As a page is ranked: blend candidates first, the rest by the factors; by the factors alone where there are no
// weights. The model may have been fitted on other rows: items it does not know are not ranked. `past` must outlive the
// ranker.
Ranker BlendRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                   Timestamp as_of, RepeatTask task);

}  // namespace rapport

// Fitting the blend (models/stack.h): on held-out windows before the cut, each scored by a content model that was
// fitted on what lay before the window, so that nothing the blend learns from was seen by what it weighs.
//
//   recent windows   [cut - k L, cut - (k - 1) L) for k = 1..3, L = the holdout's length
//   last year's      [cut - 364 d, cut - 364 d + 2.5 L): what is bought for the first time follows the season
//   older windows    k = 4..16, one after the other, while a task has fewer than kBlendCustomersMin cases
//   a window counts when at least 28 days of the log lie before it
//
// Cases of a window are a function of (log before its end), so windows are collected once and used again for the refit.
// Items of the catalogue that the log before the window does not have are newcomers: they compete with weights of their
// own. They are few, and most of them are dead stock, so every fourth case is told that a tenth of the items (by seed)
// were newcomers too: no line of the history speaks of them, their factors come from a map fitted without them, and
// they are found as newcomers or not at all.
//
//   with repeats   the next basket of a customer with a history
//   new items      everything in the window that such a customer never had
//   cold           the first basket of a customer without history, of whom the traits are known
//   session        the rest of such a basket, after its first 1 to 5 lines (in turn); what was given is not ranked
// Where fewer than kColdCasesWanted customers are new in a window, others stand in, their history left out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/learning/judging.h"
#include "engine/learning/training_set.h"
#include "models/blend.h"
#include "models/newcomers.h"
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

// Cases of one window for all tasks.
struct WindowCases {
  BlendCases with_repeats, new_items, cold, session;
};

// Somebody for whom the blend is fitted or judged, and what they chose.
struct StackCase {
  std::vector<SignalLine> lines;
  std::vector<uint64_t> traits;
  std::vector<uint32_t> relevant;              // rows of the model, or rows + number of the newcomer; ascending, unique
  RepeatTask task = RepeatTask::kWithRepeats;  // kNewItemsOnly: rows of `lines` are not ranked
};

// The first baskets in [begin, until) of customers without a line in `past`, who chose something that can be ranked
// (rows of `past`, newcomers after them). Lines of a basket are in their order, in `lines`; relevant is the basket.
std::vector<StackCase> FirstBaskets(const TrainingSet& all, const TrainingSet& past, const Newcomers& newcomers,
                                    WindowSpan window);
// The first `given` lines stay, the rest is to be found; nothing when nothing is left. Rows may repeat.
std::optional<StackCase> GiveLines(const StackCase& basket, size_t given);
// Candidates of one case, into scratch; rows of `hidden` are not ranked.
void CollectCase(const ContentModel& model, const Newcomers& newcomers, Timestamp as_of, const StackCase& one,
                 StackScratch& scratch, std::span<const uint32_t> hidden = {});
// Rows of the lines, ascending and unique.
std::vector<uint32_t> RowsOf(std::span<const SignalLine> lines);
void LinesToSignals(std::span<const TrainingLine> lines, std::vector<SignalLine>& out);
// One bit per row: all of them, or those without a line.
std::vector<uint64_t> AllowedRows(std::span<const SignalLine> lines, size_t rows, RepeatTask task);
// `past` is the log before the window, `model` was fitted on it. At most `customers_max` cases per task, drawn by seed.
Result<WindowCases> CollectWindow(const TrainingSet& all, const TrainingSet& past, const ContentModel& model,
                                  WindowSpan window, size_t customers_max, uint64_t seed, int threads);

// Candidates of judged cases, as `model` finds them for the customers' lines in `past` (rows of the model) at `as_of`:
// for weights of a task that is no window.
BlendCases CollectJudged(const TrainingSet& past, const ContentModel& model, const JudgedCases& judged, Timestamp as_of,
                         int threads);
inline constexpr size_t kBlendCustomersMin = 100;
// Weights of one task, with the prior of the weights in it; empty for fewer than kBlendCustomersMin cases, or where
// nobody chose a candidate.
Result<std::vector<double>> FitTaskWeights(std::span<const BlendCases* const> parts, int threads);

// Weights from all windows together, into `stack`; a task with fewer than kBlendCustomersMin cases gets none.
inline constexpr size_t kColdCasesWanted = 1000;
Status FitBlendWeights(std::span<const std::shared_ptr<const WindowCases>> windows, int threads, StackModel& stack);

// As a page is ranked: blend candidates first, the rest by the factors; by the factors alone where there are no
// weights. The model may have been fitted on other rows: items it does not know are not ranked. `past` must outlive the
// ranker.
Ranker BlendRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                   Timestamp as_of, RepeatTask task);

}  // namespace rapport

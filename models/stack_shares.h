// Why the blend ranks a candidate as it does: what its score loses when one item leaves the history, and what each
// board (a source that is the same for everybody) adds to it.
//
//   drop(i, j)  = theta . f(j | history)  -  theta . f(j | history without any line of item i)
//   board(s, j) = the terms of theta . f that belong to source s
//
// Features are no sums (square roots, divisions by the best score), so no share of them is invented: the raw scores are
// sums, the item's term leaves them, and the features are computed anew, of the candidate and of those that led each
// source (a feature is measured by the best). Exact but for three things, each of which moves little: the new best of a
// source is looked for among the first kStackLeaders of all sources and the targets; the shrinkage of the factors keeps
// the length of the history (models/fold_in_shares.h); what was beyond the lengths that are looked at (of a session, of
// its candidates, of a long history) stays there. Held against serving without the item, case by case, by
// `rapport evaluate --task explanations`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/stack.h"

namespace rapport {

struct StackShares {
  std::vector<uint32_t> history;  // rows that were taken away, ascending
  std::vector<double> drops;      // (targets, history)
  std::vector<double> boards;     // (targets, kStackSources); 0 for sources that hear a history

  std::span<const double> DropsOf(size_t target) const {
    return std::span(drops).subspan(target * history.size(), history.size());
  }
};

// Sources that hear no history: the same for everybody, or for everybody with the same traits.
bool IsBoard(StackSource source);

// Of a longer history the items that weigh most are asked for, and the targets themselves.
inline constexpr size_t kRemovalsMax = 256;

// Explains `targets`, rows in any order, unique. Arguments as of CollectCandidates, newcomers are not looked at;
// `scratch` is overwritten. REQUIRES theta of kStackFeatures numbers, question.lines not a view of scratch.
StackShares ShareStack(const ContentModel& model, std::span<const double> theta, const StackQuestion& question,
                       std::span<const uint32_t> targets, StackScratch& scratch);

}  // namespace rapport

// Why the blend ranks a candidate as it does: what its score loses when one item leaves the history, and what each
// board (a source that is the same for everybody) adds to it.
//
//   drop(i, j)  = theta . f(j | history)  -  theta . f(j | history without any line of item i)
//   board(s, j) = the terms of theta . f that belong to source s
// Each drop is scored by the functions that serve, so it is what removing the item really does: features are no sums
// (square roots, divisions by the best score), hence no share of them has to be invented, and a new source is
// explained the day it is added. The price is one scoring for each item of the history; of a long history, or where the
// catalogue is large, only the items that weigh most are asked for (RemovalsMax).
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

// How many items are taken away for an explanation: 16 to 256, such that about four million scores are computed by each
// source.
size_t RemovalsMax(size_t rows);

// Explains `targets`, rows in any order, unique. Arguments as of CollectCandidates, newcomers are not looked at;
// `scratch` is overwritten. REQUIRES theta of kStackFeatures numbers, question.lines not a view of scratch.
StackShares ShareStack(const ContentModel& model, std::span<const double> theta, const StackQuestion& question,
                       std::span<const uint32_t> targets, StackScratch& scratch);

}  // namespace rapport

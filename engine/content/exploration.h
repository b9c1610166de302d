// Exploration: what would otherwise never be shown gets a chance, in designated slots of a page, and with a probability
// that is known exactly, so that what was learned from it can be weighed (inverse propensity, Horvitz-Thompson 1952).
//
//   P(i at the slot) = (1 - e) softmax(r_i / 0.2)  +  e / n         i among the slot's n candidates
//
//   r_i   the score scaled to 0..1 over those candidates that have one; a candidate without history has no score and
//         takes part in the second term only. When none has a score, all are equally likely.
//   e     epsilon
//
// Each slot draws from candidates of its own: what follows the page in its ranking, and the latest items without
// history, dealt out to the slots in turn. So draws are independent, P above is exact whatever the other slots drew,
// and all candidates passed the eligibility check before the draw. Nothing moves an item after it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rapport {

// `scores`: of the candidates that have one, in any order; `without_score` more stand behind them. One probability
// each; the sum is 1. REQUIRES at least one candidate and 0 < epsilon <= 1.
std::vector<double> SlotProbabilities(std::span<const float> scores, size_t without_score, double epsilon);

// The candidate that `uniform`, in [0, 1), falls on. REQUIRES probabilities that are not empty and all above 0.
size_t DrawCandidate(std::span<const double> probabilities, double uniform);

// How many candidates with and without history the slots together take of what there is.
struct ShortlistSizes {
  size_t with_history = 0, without_history = 0;
};
// Per slot at most `candidates`, of them `new_items` kept for those without history as long as there are any; where one
// sort is short the other fills up, so that every slot has a candidate when there is one for each.
ShortlistSizes SizeShortlists(size_t slots, size_t candidates, size_t new_items, ShortlistSizes available);

}  // namespace rapport

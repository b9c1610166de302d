// The true reasons of each item shown: what speaks for it, as parts of one sum, the largest first.
//
//   blend        what its score loses without each item of the history, and what each board adds
//   (models/stack_shares.h) factors      what x . y loses without each item (models/fold_in_shares.h), over the range
//   of the page's scores; and
//                the repeats' part, as engine/content/ranker.h mixes them
//   neighbours   weight x list entry, of each item of the history, or of each seed
//   the rest     one reason without an item, by the stage that brought it
//   share        a part above zero over the sum of all parts above zero; at most kReasonsMax reasons are told
//
// An item of the history is named only if the catalogue has it, it is not hidden, and it is for everybody or for an
// audience of this customer; else its reason stands without a name. What is sold out or expired is named: the customer
// knows it.
#pragma once

#include "engine/content/stages.h"

namespace rapport {

inline constexpr size_t kReasonsMax = 3;

// Fills `reasons` of every item of `response`, the answer to `question`; at least one each.
void ExplainAnswer(const Question& question, const EventWeights& weights, const RepeatBlend& repeats,
                   RankScratch& scratch, RecommendResponse& response);

}  // namespace rapport

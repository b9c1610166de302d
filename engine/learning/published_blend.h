// The blend on a published split (published_split.h): the same conditional logit that ranks pages (models/blend.h),
// over the scores of block scorers, fitted on a validation split of the training half and applied to the same kinds of
// models refitted on all of it.
//   candidates  = union of every scorer's best `depth` unseen items
//   features    = per scorer t and sqrt(t), t = (s - low) / (high - low) over its own `depth` best, 0 elsewhere
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/published_split.h"

namespace rapport {

struct PublishedBlendOptions {
  size_t depth = 300;
  size_t customers_max = 8000;  // fitted on, drawn by seed
  uint64_t seed = 1;
  double l2 = 1e-4;
  int threads = 0;
};

// theta, two weights a scorer. `split` is the validation split that the scorers were fitted on. Errors as FitBlend.
Result<std::vector<double>> FitPublishedBlend(const PublishedSplit& split, const std::vector<BlockScorer>& scorers,
                                              const PublishedBlendOptions& options);
// theta . features; what is no candidate scores below every candidate. `split` must outlive it.
BlockScorer BlendBlocks(std::string name, const PublishedSplit& split, std::vector<BlockScorer> scorers,
                        std::vector<double> theta, size_t depth);

}  // namespace rapport

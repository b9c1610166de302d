// Diversity: maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for
// Reordering Documents and Producing Summaries", SIGIR 1998), greedy: the next item is
//
//   argmax over the rest of  (1 - d) r_i  -  d max over chosen j of s(i, j)          ties: the better ranked first
//
//   r_i      the score, scaled to 0..1 over the candidates; 1 when all are equal
//   s(i, j)  max(0, cosine of the item factors) where the model has both, else shared categories over all their
//            categories (Jaccard); in 0..1
//   d        0: exactly the ranking; 1: as unlike as can be, whatever the score
//
// MMR and not greedy DPP MAP (Chen, Zhang, Zhou 2018), because its one number means the same in every list, because 0
// is the ranking itself, and because it takes any similarity: cosines here and categories there are together no
// positive semi-definite kernel. Deterministic: sums in double, in one order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/records.h"
#include "engine/model_set.h"

namespace rapport {

// Of the candidates of one answer, by their place. Views: models and items must outlive it.
class ItemSimilarity {
 public:
  ItemSimilarity(const ModelSet& models, std::span<const Item* const> items);
  double Of(size_t a, size_t b) const;  // in 0..1

 private:
  struct Features {
    std::span<const float> factors;              // empty: the model does not know it
    double length = 0;                           // of factors
    std::vector<const std::string*> categories;  // ascending, unique
  };
  std::vector<Features> features_;
};

// The places of the `count` chosen, in the order of choice. `scores`: descending. REQUIRES 0 <= diversity <= 1.
std::vector<uint32_t> ChooseDiverse(std::span<const float> scores, const ItemSimilarity& similarity, double diversity,
                                    size_t count);

// The scores, scaled to 0..1 as above.
std::vector<double> ScaleToUnit(std::span<const float> scores);

// How many candidates a list of `want` chooses from.
size_t DiversityPool(size_t want);

}  // namespace rapport

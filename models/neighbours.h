// Co-visitation: for each item the items found with it, as fixed top lists.
//   baskets:  s(i, j) = c_ij / (c_i c_j)^p        c: number of groups (orders, or customers) with i, j, or both
// p = 0.5 is the cosine. Groups longer than `group_items_max` count their first items only (bulk orders tell little
// and cost n^2). Deterministic: ties by lower index.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/interactions.h"

namespace rapport {

struct NeighbourOptions {
  int neighbours = 50;         // kept per item
  double normalization = 0.5;  // p
  uint32_t support_min = 2;    // fewer common groups: not a neighbour
  uint32_t group_items_max = 500;
  int threads = 0;
};

struct Neighbour {
  uint32_t item;
  float score;
};

// Immutable after Fit or load.
struct NeighbourLists {
  uint32_t items = 0;
  std::vector<uint64_t> offsets{0};   // (items + 1)
  std::vector<Neighbour> neighbours;  // descending by score, then ascending by item
  std::span<const Neighbour> Of(uint32_t item) const {
    return {neighbours.data() + offsets[item], neighbours.data() + offsets[item + 1]};
  }
};

// Groups are the rows of `by_group` (weights are not looked at). The diagonal is left out.
Result<NeighbourLists> FitNeighbours(const Interactions& by_group, const NeighbourOptions& options);

// Item kNN as a ranker: adds weight x s(i, j) for every item i of the history to scores[j]. (scores: items)
void AddNeighbourScores(const NeighbourLists& lists, std::span<const uint32_t> items, std::span<const float> weights,
                        std::span<float> scores);

}  // namespace rapport

// Items of the catalogue that the model has no row for: what their attributes say they will be like. A newcomer has a
// factor from the attribute map, its nearest kin among the model's rows, and the boards of that kin:
//   board(i) = sum over the 10 nearest kin k of cos(i, k) b_k / (sum of cos + 0.5),   b: scores divided by the highest
// Nothing here was learned from the newcomer itself, so it is a pure function of (model, item).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/attributes.h"
#include "models/content_model.h"

namespace rapport {

// Immutable. All vectors but `factors` have one entry an item.
struct Newcomers {
  std::vector<uint64_t> item_ids;  // ascending
  std::vector<SparseVector> vectors;
  std::vector<std::vector<Neighbour>> kin;  // rows of the model, nearest first
  std::vector<float> factors;               // (items, factors), zeros without a map
  std::vector<float> recent, season;        // the kin's boards, 0..1
  std::vector<float> prices;                // 0: unknown
  std::vector<uint64_t> categories;         // 0: none

  size_t size() const { return item_ids.size(); }
};

inline constexpr size_t kNewcomerKin = 50;

// REQUIRES ids ascending, one item each; `index` of model.attributes.
Newcomers MakeNewcomers(const ContentModel& model, const AttributeIndex& index, std::span<const uint64_t> ids,
                        std::span<const AttributeItem> items, int threads);
// Rows of the model as if they were newcomers: none of them is kin to another, and `map` (which was fitted without
// them) gives their factors. What the weights of newcomers are learned from. `rows` ascending.
Newcomers PretendNewcomers(const ContentModel& model, const AttributeIndex& index, std::span<const uint32_t> rows,
                           std::span<const float> map, int threads);

}  // namespace rapport

#include "models/newcomers.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "models/attribute_map.h"

namespace rapport {
namespace {

constexpr size_t kBoardKin = 10;
constexpr size_t kGrain = 64;

// Scores divided by the highest; empty where there is nothing above zero.
std::vector<float> Scaled(const std::vector<float>& board) {
  float highest = 0;
  for (const float score : board) highest = std::max(highest, score);
  if (!(highest > 0)) return {};
  std::vector<float> out;
  for (const float score : board) out.push_back(std::max(0.0f, score / highest));
  return out;
}

float KinMean(std::span<const Neighbour> kin, const std::vector<float>& board) {
  if (board.empty()) return 0;
  double sum = 0, weight = 0.5;
  for (const Neighbour& one : kin.first(std::min(kin.size(), kBoardKin))) {
    sum += static_cast<double>(one.score) * board[one.item];
    weight += one.score;
  }
  return static_cast<float>(sum / weight);
}

// Everything that needs ids and vectors only. `map` may be empty; rows of `hidden` (ascending) are nobody's kin.
void Complete(const ContentModel& model, const AttributeIndex& index, std::span<const float> map,
              std::span<const uint32_t> hidden, int threads, Newcomers& out) {
  const auto d = static_cast<size_t>(model.als.options.factors);
  const size_t count = out.size();
  out.kin.resize(count);
  out.factors.resize(count * d);
  out.recent.resize(count);
  out.season.resize(count);
  const std::vector<float> recent = Scaled(model.stack.recent14), season = Scaled(model.stack.season);
  ParallelFor(count, kGrain, threads, [&](size_t begin, size_t end, size_t) {
    std::vector<float> scratch;
    for (size_t i = begin; i < end; ++i) {
      // Enough to have some left without the hidden ones.
      out.kin[i] = index.Nearest(out.vectors[i], hidden.empty() ? kNewcomerKin : 2 * kNewcomerKin, kNoRow, scratch);
      std::erase_if(out.kin[i], [hidden](const Neighbour& one) {
        return std::binary_search(hidden.begin(), hidden.end(), one.item);
      });
      if (out.kin[i].size() > kNewcomerKin) out.kin[i].resize(kNewcomerKin);
      out.recent[i] = KinMean(out.kin[i], recent);
      out.season[i] = KinMean(out.kin[i], season);
      if (!map.empty()) MapToFactor(model.attributes, map, out.vectors[i], std::span(out.factors).subspan(i * d, d));
    }
  });
}

}  // namespace

Newcomers MakeNewcomers(const ContentModel& model, const AttributeIndex& index, std::span<const uint64_t> ids,
                        std::span<const AttributeItem> items, int threads) {
  Newcomers out;
  out.item_ids.assign(ids.begin(), ids.end());
  for (const AttributeItem& item : items) {
    out.vectors.push_back(EncodeAttributes(model.attributes, item));
    out.prices.push_back(item.price);
    out.categories.push_back(item.category);
  }
  Complete(model, index, model.attributes.map, {}, threads, out);
  return out;
}

Newcomers PretendNewcomers(const ContentModel& model, const AttributeIndex& index, std::span<const uint32_t> rows,
                           std::span<const float> map, int threads) {
  const AttributeModel& attributes = model.attributes;
  Newcomers out;
  for (const uint32_t row : rows) {
    const auto begin = static_cast<ptrdiff_t>(attributes.offsets[row]);
    const auto end = static_cast<ptrdiff_t>(attributes.offsets[row + 1]);
    out.item_ids.push_back(model.item_ids[row]);
    out.vectors.push_back({{attributes.columns.begin() + begin, attributes.columns.begin() + end},
                           {attributes.values.begin() + begin, attributes.values.begin() + end}});
    out.prices.push_back(attributes.prices[row]);
    out.categories.push_back(attributes.categories[row]);
  }
  Complete(model, index, map, rows, threads, out);
  return out;
}

}  // namespace rapport

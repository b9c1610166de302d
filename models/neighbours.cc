#include "models/neighbours.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr size_t kItemGrain = 256;

// Rows cut to their first `length_max` entries.
Interactions FirstItems(const Interactions& by_group, size_t length_max) {
  Interactions out;
  out.rows = by_group.rows;
  out.columns_count = by_group.columns_count;
  out.offsets.assign(size_t{by_group.rows} + 1, 0);
  out.columns.reserve(by_group.nnz());
  for (uint32_t g = 0; g < by_group.rows; ++g) {
    const auto items = by_group.RowColumns(g).first(std::min(length_max, by_group.RowColumns(g).size()));
    out.columns.insert(out.columns.end(), items.begin(), items.end());
    out.offsets[size_t{g} + 1] = out.columns.size();
  }
  out.weights.assign(out.columns.size(), 1.0f);
  return out;
}

// Counts of one item's companions: a dense array and the list of what was touched, so that clearing is cheap.
struct Companions {
  explicit Companions(size_t items) : counts(items) {}
  std::vector<uint32_t> counts;
  std::vector<uint32_t> touched;
};

bool BetterNeighbour(const Neighbour& a, const Neighbour& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

// The best neighbours of one item.
std::vector<Neighbour> NeighboursOf(uint32_t item, const Interactions& by_group, const Interactions& by_item,
                                    const NeighbourOptions& options, Companions& companions) {
  for (uint32_t group : by_item.RowColumns(item)) {
    for (uint32_t other : by_group.RowColumns(group)) {
      if (companions.counts[other]++ == 0) companions.touched.push_back(other);
    }
  }
  const auto own_count = static_cast<double>(by_item.RowColumns(item).size());
  std::vector<Neighbour> best;
  for (uint32_t other : companions.touched) {
    const uint32_t together = companions.counts[other];
    companions.counts[other] = 0;
    if (other == item || together < options.support_min) continue;
    const auto other_count = static_cast<double>(by_item.RowColumns(other).size());
    const double score = together / std::pow(own_count * other_count, options.normalization);
    best.push_back({other, static_cast<float>(score)});
  }
  companions.touched.clear();
  const size_t kept = std::min(best.size(), static_cast<size_t>(options.neighbours));
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(kept), best.end(), BetterNeighbour);
  best.resize(kept);
  return best;
}

Status CheckOptions(const NeighbourOptions& options) {
  if (options.neighbours < 1 || options.neighbours > 10000) {
    return Status::InvalidArgument("neighbours: the number kept must be 1 to 10000");
  }
  if (!std::isfinite(options.normalization) || options.normalization < 0 || options.normalization > 1) {
    return Status::InvalidArgument("neighbours: normalization must be 0 to 1");
  }
  if (options.group_items_max < 2) return Status::InvalidArgument("neighbours: group_items_max must be 2 or more");
  if (options.threads < 0) return Status::InvalidArgument("neighbours: threads must be 0 (all) or more");
  return {};
}

}  // namespace

Result<NeighbourLists> FitNeighbours(const Interactions& by_group, const NeighbourOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(options));
  const Interactions groups = FirstItems(by_group, options.group_items_max);
  const Interactions by_item = groups.Transposed();
  std::vector<std::vector<Neighbour>> lists(groups.columns_count);
  ParallelFor(lists.size(), kItemGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    Companions companions(groups.columns_count);
    for (size_t i = begin; i < end; ++i) {
      lists[i] = NeighboursOf(static_cast<uint32_t>(i), groups, by_item, options, companions);
    }
  });
  NeighbourLists out;
  out.items = groups.columns_count;
  out.offsets.reserve(lists.size() + 1);
  for (const std::vector<Neighbour>& list : lists) {
    out.neighbours.insert(out.neighbours.end(), list.begin(), list.end());
    out.offsets.push_back(out.neighbours.size());
  }
  return out;
}

void AddNeighbourScores(const NeighbourLists& lists, std::span<const uint32_t> items, std::span<const float> weights,
                        std::span<float> scores) {
  for (size_t i = 0; i < items.size(); ++i) {
    for (const Neighbour& neighbour : lists.Of(items[i])) scores[neighbour.item] += weights[i] * neighbour.score;
  }
}

}  // namespace rapport

#include "models/interactions.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/parallel.h"

namespace rapport {
namespace {

Status CheckTriplet(const Triplet& t, uint32_t rows, uint32_t columns) {
  if (t.row >= rows || t.column >= columns) {
    return Status::InvalidArgument("interactions: (" + std::to_string(t.row) + ", " + std::to_string(t.column) +
                                   ") is outside a matrix of " + std::to_string(rows) + " x " +
                                   std::to_string(columns));
  }
  if (!std::isfinite(t.weight)) return Status::InvalidArgument("interactions: a weight is not a finite number");
  return {};
}

}  // namespace

Result<Interactions> Interactions::FromTriplets(uint32_t rows, uint32_t columns, std::vector<Triplet> triplets) {
  for (const Triplet& t : triplets) RAPPORT_RETURN_IF_ERROR(CheckTriplet(t, rows, columns));
  // Stable, so that equal cells are summed in input order and the rounding of the sum is that of the input.
  std::stable_sort(triplets.begin(), triplets.end(), [](const Triplet& a, const Triplet& b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  });
  Interactions out;
  out.rows = rows;
  out.columns_count = columns;
  out.offsets.assign(size_t{rows} + 1, 0);
  out.columns.reserve(triplets.size());
  out.weights.reserve(triplets.size());
  for (size_t i = 0; i < triplets.size();) {
    const uint32_t row = triplets[i].row, column = triplets[i].column;
    double sum = 0;
    for (; i < triplets.size() && triplets[i].row == row && triplets[i].column == column; ++i)
      sum += triplets[i].weight;
    const auto weight = static_cast<float>(sum);
    if (!(weight > 0)) continue;
    if (!std::isfinite(weight)) return Status::InvalidArgument("interactions: the sum of a cell is too large");
    out.columns.push_back(column);
    out.weights.push_back(weight);
    ++out.offsets[size_t{row} + 1];
  }
  for (size_t r = 0; r < rows; ++r) out.offsets[r + 1] += out.offsets[r];
  return out;
}

Interactions Interactions::Transposed(int threads) const {
  Interactions out;
  out.rows = columns_count;
  out.columns_count = rows;
  out.offsets.assign(size_t{columns_count} + 1, 0);
  for (uint32_t column : columns) ++out.offsets[size_t{column} + 1];
  for (size_t c = 0; c < columns_count; ++c) out.offsets[c + 1] += out.offsets[c];
  out.columns.resize(nnz());
  out.weights.resize(nnz());
  std::vector<uint64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  // Each part takes the columns of an equal share of the cells: in a row these stand together.
  const size_t parts = threads == 0 ? static_cast<size_t>(HardwareThreads()) : static_cast<size_t>(threads);
  const auto part_begin = [&](size_t part) {
    const uint64_t share = nnz() * part / parts;
    return static_cast<uint32_t>(std::lower_bound(out.offsets.begin(), out.offsets.end(), share) - out.offsets.begin());
  };
  ParallelFor(parts, 1, threads, [&](size_t part, size_t, size_t) {
    const uint32_t begin = part_begin(part), end = part + 1 == parts ? columns_count : part_begin(part + 1);
    for (uint32_t row = 0; row < rows; ++row) {
      const auto its = RowColumns(row);
      const auto first = std::lower_bound(its.begin(), its.end(), begin) - its.begin();
      for (auto k = offsets[row] + static_cast<uint64_t>(first); k < offsets[size_t{row} + 1] && columns[k] < end;
           ++k) {
        const uint64_t at = next[columns[k]]++;
        out.columns[at] = row;
        out.weights[at] = weights[k];
      }
    }
  });
  return out;
}

}  // namespace rapport

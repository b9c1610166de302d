// The matrix that Rapport and its peers train on, as a file that numpy reads as well; all weights are 1.
//   uint64 rows, columns, entries | uint64 offsets[rows + 1] | uint32 columns[entries], ascending within a row
// and the generator: a power law in both directions with planted clusters. One thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "models/interactions.h"

namespace rapport::bench {

struct ShopShape {
  uint32_t customers = 70000;
  uint32_t items = 20000;
  double interactions = 4.8e6;  // about as many come out
  uint64_t seed = 1;
  uint32_t clusters = 50;         // item i is of cluster i % clusters
  double cluster_share = 0.8;     // of a customer's choices lie in the own clusters, three at most
  double spread = 1.2;            // sigma of the lognormal number of choices
  double popularity_power = 0.9;  // choice of an item: (rank + 10)^-power
};

// Ranks of a power law, drawn by bisection of the cumulated weights.
class PowerLaw {
 public:
  PowerLaw(uint32_t count, double power) {
    double sum = 0;
    for (uint32_t rank = 0; rank < count; ++rank) cumulated_.push_back(sum += std::pow(rank + 10.0, -power));
  }
  uint32_t Draw(Random& random) const {
    const double at = random.Uniform() * cumulated_.back();
    const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end(), at);
    return static_cast<uint32_t>(std::min<ptrdiff_t>(found - cumulated_.begin(), std::ssize(cumulated_) - 1));
  }

 private:
  std::vector<double> cumulated_;
};

inline std::vector<uint32_t> DrawCustomer(const ShopShape& shape, const PowerLaw& in_cluster, const PowerLaw& anywhere,
                                          uint32_t customer) {
  Random random(shape.seed * 1000003 + customer);
  const double mean = shape.interactions / shape.customers;
  const double draw = mean * std::exp(shape.spread * random.Normal() - shape.spread * shape.spread / 2);
  const auto wanted = static_cast<size_t>(std::clamp(draw * 1.02 + 0.5, 1.0, shape.items / 4.0));
  uint32_t own[3];
  for (uint32_t& cluster : own) cluster = static_cast<uint32_t>(random.Below(shape.clusters));
  std::vector<uint32_t> items;
  while (items.size() < wanted) {
    // Repeats are dropped and drawn again.
    for (size_t missing = wanted - items.size(); missing > 0; --missing) {
      const bool inside = random.Uniform() < shape.cluster_share;
      const uint32_t rank = inside ? in_cluster.Draw(random) : anywhere.Draw(random);
      const uint32_t item = inside ? rank * shape.clusters + own[random.Below(3)] : rank;
      if (item < shape.items) items.push_back(item);
    }
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    // Heavy customers exhaust their clusters: nine tenths are enough.
    if (items.size() * 10 >= wanted * 9) break;
  }
  return items;
}

inline Interactions GenerateShop(const ShopShape& shape) {
  const PowerLaw in_cluster((shape.items + shape.clusters - 1) / shape.clusters, shape.popularity_power);
  const PowerLaw anywhere(shape.items, shape.popularity_power);
  std::vector<std::vector<uint32_t>> rows(shape.customers);
  ParallelFor(shape.customers, 256, 0, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) rows[u] = DrawCustomer(shape, in_cluster, anywhere, static_cast<uint32_t>(u));
  });
  Interactions out;
  out.rows = shape.customers;
  out.columns_count = shape.items;
  for (std::vector<uint32_t>& row : rows) {
    out.columns.insert(out.columns.end(), row.begin(), row.end());
    out.offsets.push_back(out.columns.size());
    row = {};
  }
  out.weights.assign(out.columns.size(), 1.0f);
  return out;
}

template <typename T>
void WriteAll(std::ofstream& file, const std::vector<T>& values) {
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}
template <typename T>
void ReadAll(std::ifstream& file, std::vector<T>& values, size_t count) {
  values.resize(count);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
}

inline bool WriteMatrix(const std::string& path, const Interactions& matrix) {
  std::ofstream file(path, std::ios::binary);
  WriteAll(file, std::vector<uint64_t>{matrix.rows, matrix.columns_count, matrix.nnz()});
  WriteAll(file, matrix.offsets);
  WriteAll(file, matrix.columns);
  return static_cast<bool>(file.flush());
}

// An empty matrix where the file cannot be read.
inline Interactions ReadMatrix(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint64_t> head;
  ReadAll(file, head, 3);
  Interactions matrix;
  if (!file) return matrix;
  matrix.rows = static_cast<uint32_t>(head[0]);
  matrix.columns_count = static_cast<uint32_t>(head[1]);
  ReadAll(file, matrix.offsets, head[0] + 1);
  ReadAll(file, matrix.columns, head[2]);
  if (!file) return {};
  matrix.weights.assign(matrix.columns.size(), 1.0f);
  return matrix;
}

}  // namespace rapport::bench

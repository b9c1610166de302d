#include "models/attributes.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/parallel.h"

namespace rapport {
namespace {

constexpr size_t kRowGrain = 128;
constexpr size_t kPostingsMax = 5000;

// Scales `values` from `begin` to the end to the given length; what is all zero is left.
void ScaleTo(double length, size_t begin, std::vector<float>& values) {
  double square = 0;
  for (size_t i = begin; i < values.size(); ++i) square += static_cast<double>(values[i]) * values[i];
  if (!(square > 0)) return;
  const double scale = length / std::sqrt(square);
  for (size_t i = begin; i < values.size(); ++i) values[i] = static_cast<float>(values[i] * scale);
}

bool SaysSomething(const std::vector<float>& embedding) {
  return std::any_of(embedding.begin(), embedding.end(), [](float x) { return x != 0; });
}

uint32_t CommonLength(std::span<const AttributeItem> items) {
  std::map<size_t, size_t> lengths;
  for (const AttributeItem& item : items) {
    if (!item.embedding.empty()) ++lengths[item.embedding.size()];
  }
  const auto most = std::max_element(lengths.begin(), lengths.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == lengths.end() ? 0 : static_cast<uint32_t>(most->first);
}

void FitDictionary(std::span<const AttributeItem> items, size_t tokens_max, AttributeModel& model) {
  std::vector<uint64_t> all;
  for (const AttributeItem& item : items) all.insert(all.end(), item.tokens.begin(), item.tokens.end());
  std::sort(all.begin(), all.end());
  struct Count {
    uint64_t token;
    size_t items;
  };
  std::vector<Count> counts;
  for (size_t i = 0; i < all.size();) {
    size_t end = i;
    while (end < all.size() && all[end] == all[i]) ++end;
    if (end - i >= 2 && 2 * (end - i) <= items.size()) counts.push_back({all[i], end - i});
    i = end;
  }
  if (counts.size() > tokens_max) {
    std::sort(counts.begin(), counts.end(), [](const Count& a, const Count& b) {
      return a.items != b.items ? a.items > b.items : a.token < b.token;
    });
    counts.resize(tokens_max);
    std::sort(counts.begin(), counts.end(), [](const Count& a, const Count& b) { return a.token < b.token; });
  }
  const double total = static_cast<double>(items.size());
  for (const Count& count : counts) {
    model.tokens.push_back(count.token);
    model.idf.push_back(static_cast<float>(std::log((1 + total) / (1 + static_cast<double>(count.items)))));
  }
}

bool Nearer(const Neighbour& a, const Neighbour& b) { return a.score != b.score ? a.score > b.score : a.item < b.item; }

}  // namespace

SparseVector EncodeAttributes(const AttributeModel& model, const AttributeItem& item) {
  SparseVector out;
  for (const uint64_t token : item.tokens) {
    const auto at = std::lower_bound(model.tokens.begin(), model.tokens.end(), token);
    if (at == model.tokens.end() || *at != token) continue;
    const auto column = static_cast<size_t>(at - model.tokens.begin());
    out.columns.push_back(static_cast<uint32_t>(column));
    out.values.push_back(model.idf[column]);
  }
  const bool text = !out.columns.empty();
  const bool dense = model.embedding > 0 && item.embedding.size() == model.embedding && SaysSomething(item.embedding);
  const double length = text && dense ? std::sqrt(0.5) : 1.0;
  ScaleTo(length, 0, out.values);
  if (!dense) return out;
  const size_t begin = out.values.size();
  for (uint32_t k = 0; k < model.embedding; ++k) {
    out.columns.push_back(static_cast<uint32_t>(model.tokens.size()) + k);
    out.values.push_back(item.embedding[k]);
  }
  ScaleTo(length, begin, out.values);
  return out;
}

AttributeModel FitAttributes(std::span<const AttributeItem> items, const AttributeOptions& options) {
  AttributeModel model;
  model.embedding = CommonLength(items);
  FitDictionary(items, options.tokens_max, model);
  model.offsets.push_back(0);
  for (const AttributeItem& item : items) {
    const SparseVector vector = EncodeAttributes(model, item);
    model.columns.insert(model.columns.end(), vector.columns.begin(), vector.columns.end());
    model.values.insert(model.values.end(), vector.values.begin(), vector.values.end());
    model.offsets.push_back(model.columns.size());
    model.prices.push_back(item.price);
    model.categories.push_back(item.category);
  }
  const AttributeIndex index(model);
  std::vector<std::vector<Neighbour>> lists(items.size());
  ParallelFor(items.size(), kRowGrain, options.threads, [&](size_t begin, size_t end, size_t) {
    std::vector<float> scratch;
    SparseVector vector;
    for (size_t row = begin; row < end; ++row) {
      const auto from = static_cast<ptrdiff_t>(model.offsets[row]), to = static_cast<ptrdiff_t>(model.offsets[row + 1]);
      vector.columns.assign(model.columns.begin() + from, model.columns.begin() + to);
      vector.values.assign(model.values.begin() + from, model.values.begin() + to);
      lists[row] = index.Nearest(vector, options.neighbours, static_cast<uint32_t>(row), scratch);
    }
  });
  model.kin.items = model.rows();
  for (const std::vector<Neighbour>& list : lists) {
    model.kin.neighbours.insert(model.kin.neighbours.end(), list.begin(), list.end());
    model.kin.offsets.push_back(model.kin.neighbours.size());
  }
  return model;
}

void AttributeProfile(const AttributeModel& model, std::span<const uint32_t> rows, std::span<const float> weights,
                      std::vector<float>& profile) {
  profile.assign(model.width(), 0.0f);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= model.rows()) continue;
    for (uint64_t k = model.offsets[rows[i]]; k < model.offsets[rows[i] + 1]; ++k) {
      profile[model.columns[k]] += weights[i] * model.values[k];
    }
  }
  ScaleTo(1.0, 0, profile);
}

float Dot(const SparseVector& vector, std::span<const float> dense) {
  float sum = 0;
  for (size_t i = 0; i < vector.columns.size(); ++i) sum += vector.values[i] * dense[vector.columns[i]];
  return sum;
}

AttributeIndex::AttributeIndex(const AttributeModel& model) : model_(model), offsets_(size_t{model.width()} + 1, 0) {
  std::vector<uint64_t> counts(model.width());
  for (const uint32_t column : model.columns) ++counts[column];
  for (size_t c = 0; c < counts.size(); ++c) {
    offsets_[c + 1] = offsets_[c] + (counts[c] <= kPostingsMax ? counts[c] : 0);
  }
  postings_.resize(offsets_.back());
  std::vector<uint64_t> next(offsets_.begin(), offsets_.end() - 1);
  for (uint32_t row = 0; row < model.rows(); ++row) {
    for (uint64_t k = model.offsets[row]; k < model.offsets[row + 1]; ++k) {
      const uint32_t column = model.columns[k];
      if (next[column] < offsets_[column + 1]) postings_[next[column]++] = {row, model.values[k]};
    }
  }
}

std::vector<Neighbour> AttributeIndex::Nearest(const SparseVector& vector, size_t count, uint32_t self,
                                               std::vector<float>& scratch) const {
  scratch.resize(model_.rows());
  std::vector<uint32_t> touched;
  for (size_t i = 0; i < vector.columns.size(); ++i) {
    const size_t column = vector.columns[i];
    for (uint64_t k = offsets_[column]; k < offsets_[column + 1]; ++k) {
      float& sum = scratch[postings_[k].item];
      if (sum == 0) touched.push_back(postings_[k].item);
      sum += vector.values[i] * postings_[k].score;
    }
  }
  // A sum may pass through zero and be listed twice: sorted and told apart.
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  std::vector<Neighbour> best;
  for (const uint32_t row : touched) {
    if (row != self && scratch[row] > 0) best.push_back({row, scratch[row]});
    scratch[row] = 0;
  }
  const size_t kept = std::min(best.size(), count);
  std::partial_sort(best.begin(), best.begin() + static_cast<ptrdiff_t>(kept), best.end(), Nearer);
  best.resize(kept);
  return best;
}

}  // namespace rapport

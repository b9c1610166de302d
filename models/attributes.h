// What items are, as sparse vectors: words of the title, categories, tags, kind, price band and a bring-your-own
// embedding. They let an item without history take part: its neighbours (cosine) and its factor (attribute_map.h).
//
//   columns = tokens of the dictionary (ascending), then the dimensions of the embedding
//   text    = idf_t per token of the item,  idf_t = log((1 + N) / (1 + n_t));  tokens of one item only or of more than
//   half
//             of the items are not kept
//   vector  = (text / |text|, embedding / |embedding|) / sqrt(parts that are there), so of length 1, or empty
//   cos(i, j) = z_i . z_j
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/neighbours.h"

namespace rapport {

// What is known of one item beside its history. Plain value.
struct AttributeItem {
  std::vector<uint64_t> tokens;  // 64-bit hashes, ascending, unique
  std::vector<float> embedding;  // empty: none
  float price = 0;               // 0: unknown
  uint64_t category = 0;         // hash of the first category; 0: none
};

struct SparseVector {
  std::vector<uint32_t> columns;  // ascending, unique
  std::vector<float> values;
};

struct AttributeOptions {
  size_t tokens_max = 50000;  // the most common ones are kept
  size_t neighbours = 50;     // kin kept per item
  double regularization = 1;  // r of the map
  int threads = 0;
};

// Immutable after Fit or load. Empty (no rows): the model was fitted without attributes.
struct AttributeModel {
  std::vector<uint64_t> tokens;      // ascending
  std::vector<float> idf;            // (tokens)
  uint32_t embedding = 0;            // its length; 0: none
  std::vector<uint64_t> offsets;     // (rows + 1) into columns and values
  std::vector<uint32_t> columns;     // of the rows' vectors
  std::vector<float> values;         //
  std::vector<float> prices;         // (rows), 0: unknown
  std::vector<uint64_t> categories;  // (rows), 0: none
  std::vector<float> map;            // (columns + 1, factors) row major, the last row is the constant; or empty
  NeighbourLists kin;                // each row's nearest by cosine

  uint32_t rows() const { return offsets.empty() ? 0 : static_cast<uint32_t>(offsets.size() - 1); }
  uint32_t width() const { return static_cast<uint32_t>(tokens.size()) + embedding; }
};

// Dictionary, vectors, prices, categories and kin; the map is FitAttributeMap's. Embeddings of another length than the
// most common one are left out (the store takes one length only).
AttributeModel FitAttributes(std::span<const AttributeItem> items, const AttributeOptions& options);

// The vector of an item, whether it was there at fit or not; what the dictionary does not know is left out.
SparseVector EncodeAttributes(const AttributeModel& model, const AttributeItem& item);

// sum over the history of w_i z_i, scaled to length 1; (width) dense, all zero for a history that says nothing.
void AttributeProfile(const AttributeModel& model, std::span<const uint32_t> rows, std::span<const float> weights,
                      std::vector<float>& profile);
float Dot(const SparseVector& vector, std::span<const float> dense);

// The best `count` rows by cosine to `vector` (self, if given, left out), best first, ties by lower row. `scratch` is
// resized to rows and left zero.
class AttributeIndex {
 public:
  explicit AttributeIndex(const AttributeModel& model);
  std::vector<Neighbour> Nearest(const SparseVector& vector, size_t count, uint32_t self,
                                 std::vector<float>& scratch) const;

 private:
  const AttributeModel& model_;  // must outlive it
  // Rows by column; columns in more than kPostingsMax rows are empty: common words tell little and cost most.
  std::vector<uint64_t> offsets_;
  std::vector<Neighbour> postings_;
};

}  // namespace rapport

// What a filter lets pass, as a part of the model's int8 copy (models/quantized_scan.h): a scan then reads only what
// passes, in a row, and ends as early as one over everything would.
//
// A part is made when a filter is asked for the second time: for one question it costs more than it spares, for there
// the rows that pass are read where they stand. It holds the rows that the filter may let pass for whoever asks; what
// of them this request may show is a bit a row, as ever. When the catalogue changes it stays: items that the filter has
// come to let pass are named beside it, and those that it lets pass no more have lost their bit. Many of the former, or
// another generation, and it is made anew.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/recently_used.h"
#include "engine/content/catalog_index.h"
#include "engine/content/filter_cache.h"
#include "engine/model_set.h"
#include "models/quantized_scan.h"

namespace rapport {

// Immutable.
struct FilterPart {
  std::shared_ptr<const QuantizedPart> rows;  // never null
  std::vector<uint32_t> also;                 // rows of the model that pass and are not in the part
  // `allowed` must let pass only what the filter does; nulls as without a part.
  static AllowedSet Allow(std::span<const uint64_t> allowed, const FilterPart* part);
};

// Thread-safe, bounded, least recently used goes first.
class FilterPartCache {
 public:
  static constexpr size_t kRowsMin = 64;         // of a model: there is nothing to spare in a smaller one
  static constexpr size_t kItemsMax = 80 << 10;  // in a part; what stands behind is read from the whole copy
  static constexpr size_t kAlsoMax = 128;

  FilterPartCache(size_t entries_max, size_t bytes_max)
      : part_bytes_max_(bytes_max / 4), recent_(entries_max, bytes_max) {}

  // Of the filter of these that lets fewest items pass: of at most half of them. Null: none, or not yet. Nulls among
  // `filters` match everything. REQUIRES filters compiled for `index`.
  std::shared_ptr<const FilterPart> Get(std::span<const std::shared_ptr<const CompiledFilter>> filters,
                                        const CatalogIndex& index, const std::shared_ptr<const ModelSet>& models);
  size_t entries() const;
  size_t bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const Filter> filter;  // keeps the address its own
    std::weak_ptr<const ModelSet> models;
    uint64_t generation = 0;
    uint64_t serial = 0;                   // of the index that `part` is for
    std::shared_ptr<const Bitmap> passed;  // the filter's bound when the rows were taken; null: no part yet
    std::shared_ptr<const FilterPart> part;
    size_t bytes = 0;
  };
  // Copies the entry; false where no part is to be given. Notes the first question.
  bool Known(const CompiledFilter& filter, const std::shared_ptr<const ModelSet>& models, Entry& entry);
  void Keep(Entry entry);
  Entry Make(const CompiledFilter& filter, const CatalogIndex& index,
             const std::shared_ptr<const ModelSet>& models) const;

  const size_t part_bytes_max_;
  mutable std::mutex mutex_;  // guards the rest
  RecentlyUsed<const Filter*, Entry> recent_;
};

}  // namespace rapport

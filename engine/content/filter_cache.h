// Filters compiled to bitmaps, cached by text and kept up with the catalogue.
//
// A filter without customer fields is one bitmap. One with them keeps a bitmap per largest part that does not ask for
// the customer, and a request joins those with the customer's own bits: a few hundred words per AND, OR or NOT.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/recently_used.h"
#include "base/status.h"
#include "engine/content/bitmap.h"
#include "engine/content/catalog_index.h"
#include "engine/content/filter.h"

namespace rapport {

// A filter over one catalogue version. Immutable.
class CompiledFilter {
 public:
  static std::shared_ptr<const CompiledFilter> Make(std::shared_ptr<const Filter> filter, const CatalogIndex& index);
  // The same filter over a later version; only the items that changed are evaluated where that is known.
  static std::shared_ptr<const CompiledFilter> Follow(const CompiledFilter& before, const CatalogIndex& index);

  const Filter& filter() const { return *filter_; }
  // The same object as long as it is followed.
  const std::shared_ptr<const Filter>& shared_filter() const { return filter_; }
  uint64_t serial() const { return serial_; }  // of the index it was compiled for
  size_t bytes() const { return (parts_.size() * words_ + bound_.size()) * sizeof(uint64_t); }
  // What matches for some customer: nobody's items lie outside. REQUIRES a filter that does not match everything.
  const Bitmap& Bound() const;
  size_t bound_count() const { return bound_count_; }  // its bits
  // Takes out of `words` what does not match for a customer with this item set. REQUIRES words of the same index.
  void Restrict(const ItemSet& customer, std::span<uint64_t> words) const;

 private:
  static constexpr uint32_t kNoPart = 0xffffffffu;
  void AssignParts(uint32_t node);
  void Evaluate(const CatalogIndex& index, uint32_t id);
  // The part by columns (engine/content/filter_columns.h); false where one of its fields has none.
  bool EvaluateByColumns(const CatalogIndex& index, size_t part);
  void MakeBound();
  // `of_field(field, negated)` gives a customer field's bits below an even or odd number of NOTs.
  template <typename OfField>
  Bitmap Join(uint32_t node, bool negated, const OfField& of_field) const;

  std::shared_ptr<const Filter> filter_;
  uint64_t serial_ = 0;
  size_t words_ = 0;
  std::vector<uint32_t> part_of_node_;  // index into parts_, or kNoPart
  std::vector<uint32_t> part_roots_;
  std::vector<Bitmap> parts_;
  Bitmap bound_;  // of a filter that asks for the customer; else the root's part is
  size_t bound_count_ = 0;
};

// Thread-safe, bounded, least recently used goes first.
class FilterCache {
 public:
  FilterCache(size_t entries_max, size_t bytes_max) : recent_(entries_max, bytes_max) {}

  // kInvalidArgument when the text does not parse (never cached). Null for a filter that matches everything.
  Result<std::shared_ptr<const CompiledFilter>> Get(const std::string& text, const CatalogIndex& index);
  std::shared_ptr<const CompiledFilter> KindIs(const std::string& kind, const CatalogIndex& index);
  std::shared_ptr<const CompiledFilter> CategoryIn(const std::vector<std::string>& categories,
                                                   const CatalogIndex& index);
  size_t entries() const;
  size_t bytes() const;

 private:
  std::shared_ptr<const CompiledFilter> Find(const std::string& key);
  std::shared_ptr<const CompiledFilter> UpToDate(const std::string& key, std::shared_ptr<const CompiledFilter> known,
                                                 std::shared_ptr<const Filter> filter, const CatalogIndex& index);
  void Keep(const std::string& key, const std::shared_ptr<const CompiledFilter>& compiled);

  mutable std::mutex mutex_;  // guards the rest
  RecentlyUsed<std::string, std::shared_ptr<const CompiledFilter>> recent_;
};

}  // namespace rapport

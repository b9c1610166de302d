// Fields of all items as dictionaries, so that a filter is evaluated once for each value there is, by the reference
// itself (Filter::MatchesNode), and looked up for each item: two bytes an item to read in place of the item.
//
//   codes[id]     0: no such item; else which value the item has
//   examples[c]   an item that has the value of code c and nothing else
//
// Only fields with few values have one: prices, kinds, categories, stock, most attributes; not titles.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/recently_used.h"
#include "data/catalog.h"
#include "engine/content/bitmap.h"
#include "engine/content/filter.h"

namespace rapport {

class CatalogIndex;

// Which field; the name is of an attribute.
using FilterColumnKey = std::pair<FilterField, std::string>;

// One field over one catalogue version. Immutable.
class FilterColumn {
 public:
  static constexpr size_t kValuesMax = 4096;

  // Null: more values than that.
  static std::shared_ptr<const FilterColumn> Make(const FilterColumnKey& key, const Catalog& catalog);
  // The same over a later version that differs in `changed`.
  static std::shared_ptr<const FilterColumn> Follow(const FilterColumn& before, const Catalog& catalog,
                                                    std::span<const uint32_t> changed);
  // Bit i: item i exists and matches. REQUIRES a comparison of this field.
  Bitmap Matching(const Filter& filter, uint32_t node) const;
  size_t values() const { return dictionary_->examples.size() - 1; }
  // What it takes; the dictionary as if it had it alone, its texts and nodes about.
  size_t bytes() const;

 private:
  struct Dictionary {
    std::vector<Item> examples;
    std::unordered_map<std::string, uint16_t> code_of;  // by the value's bytes
    size_t value_bytes = 0;                             // of all of these
  };
  // `bytes`: scratch. False: one value too many.
  bool Put(uint32_t id, const Item* item, std::string& bytes);

  FilterColumnKey key_;
  std::vector<uint16_t> codes_;
  std::shared_ptr<Dictionary> dictionary_;  // shared by versions until one has a new value
};

// The columns of a line of catalogue versions. A column is made when filters ask for its field the second time.
// Thread-safe, bounded, least recently asked for goes first.
class FilterColumns {
 public:
  static constexpr size_t kFieldsMax = 256;  // that are known to have been asked for

  // `bytes_max`: of all columns together.
  explicit FilterColumns(size_t bytes_max) : recent_(kFieldsMax, bytes_max) {}

  // Null: none, not yet, or of a later version only.
  std::shared_ptr<const FilterColumn> Get(const FilterColumnKey& key, const CatalogIndex& index);
  size_t bytes() const;

 private:
  struct Kept {
    uint64_t serial = 0;  // of the index that `column` is for
    std::shared_ptr<const FilterColumn> column;
    bool never = false;  // too many values, or more bytes than all may have
  };
  mutable std::mutex mutex_;  // guards the rest
  RecentlyUsed<std::string, Kept> recent_;
};

}  // namespace rapport

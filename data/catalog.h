// All items in memory, as an immutable value with structural sharing: chunks of 1,024 items; an update copies one
// chunk of pointers and the list of chunks, never the items, so that a stock change costs the same at 5,000
// and at 500,000 items, and a page view keeps one consistent catalogue to its end without a lock.
//
// A Catalog is immutable and thread-safe. CatalogBuilder belongs to the committer thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "data/records.h"

namespace rapport {

class Catalog {
 public:
  static constexpr size_t kChunkItems = 1024;

  // Items have ids 1..size(); an id may name an item that was deleted or never put: see Item::catalogued.
  size_t size() const { return size_; }
  uint64_t version() const { return version_; }  // grows with every change of any item
  // nullptr for an id beyond size().
  const Item* Get(ItemId id) const;
  // nullptr when unknown.
  const Item* Find(std::string_view external_id) const;
  // The product this item is a variant of, or the item itself: items with equal group are variants of one product.
  uint64_t VariantGroup(ItemId id) const;

 private:
  friend class CatalogBuilder;
  struct Chunk {
    std::array<std::shared_ptr<const Item>, kChunkItems> items;
    std::array<uint64_t, kChunkItems> variant_group{};
  };
  struct Names;  // external id -> ItemId, shared by all versions, append only, internally locked
  std::vector<std::shared_ptr<const Chunk>> chunks_;
  std::shared_ptr<Names> names_;
  size_t size_ = 0;
  uint64_t version_ = 0;
};

// Makes the next version from the last one. One owner, one thread.
class CatalogBuilder {
 public:
  CatalogBuilder();
  explicit CatalogBuilder(const Catalog& base);
  // REQUIRES item.id set and external id unchanged for a known id.
  void Put(Item item);
  // Sees what was Put so far.
  const Item* Find(std::string_view external_id) const;
  // The builder is spent afterwards.
  std::shared_ptr<const Catalog> Build();

 private:
  std::unique_ptr<Catalog> next_;
  std::vector<bool> owned_chunks_;  // chunks already copied by this builder
};

}  // namespace rapport

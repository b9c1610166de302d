#include "data/catalog.h"

#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>

namespace rapport {

// External ids live as long as any catalogue; one table for all versions, because an id once given stays. A name that
// was added after this version was built resolves to an id beyond size(), which Get() answers with nullptr.
struct Catalog::Names {
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  mutable std::shared_mutex mutex;
  std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> ids;       // guarded by mutex
  std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> products;  // variant group of a product's name

  uint64_t Find(std::string_view name) const {
    std::shared_lock lock(mutex);
    const auto found = ids.find(name);
    return found == ids.end() ? 0 : found->second;
  }
  uint64_t GroupOf(std::string_view product) {
    std::unique_lock lock(mutex);
    const auto [entry, added] = products.try_emplace(std::string(product), products.size() + 1);
    return entry->second;
  }
};

const Item* Catalog::Get(ItemId id) const {
  if (id.value == 0 || id.value > size_) return nullptr;
  return chunks_[(id.value - 1) / kChunkItems]->items[(id.value - 1) % kChunkItems].get();
}

const Item* Catalog::Find(std::string_view external_id) const { return Get(ItemId{names_->Find(external_id)}); }

uint64_t Catalog::VariantGroup(ItemId id) const {
  if (id.value == 0 || id.value > size_) return 0;
  return chunks_[(id.value - 1) / kChunkItems]->variant_group[(id.value - 1) % kChunkItems];
}

CatalogBuilder::CatalogBuilder() : next_(new Catalog) { next_->names_ = std::make_shared<Catalog::Names>(); }

CatalogBuilder::CatalogBuilder(const Catalog& base) : next_(new Catalog(base)), owned_chunks_(base.chunks_.size()) {}

void CatalogBuilder::Put(Item item) {
  const size_t index = item.id.value - 1, chunk = index / Catalog::kChunkItems, slot = index % Catalog::kChunkItems;
  while (next_->chunks_.size() <= chunk) {
    next_->chunks_.push_back(std::make_shared<Catalog::Chunk>());
    owned_chunks_.push_back(true);
  }
  if (!owned_chunks_[chunk]) {
    next_->chunks_[chunk] = std::make_shared<Catalog::Chunk>(*next_->chunks_[chunk]);
    owned_chunks_[chunk] = true;
  }
  {
    std::unique_lock lock(next_->names_->mutex);
    next_->names_->ids.try_emplace(item.external_id, item.id.value);
  }
  const uint64_t group = next_->names_->GroupOf(item.variant_of.empty() ? item.external_id : item.variant_of);
  // This builder made the chunk and nobody else has seen it yet.
  auto& mutable_chunk = const_cast<Catalog::Chunk&>(*next_->chunks_[chunk]);
  next_->size_ = std::max(next_->size_, index + 1);
  mutable_chunk.variant_group[slot] = group;
  mutable_chunk.items[slot] = std::make_shared<const Item>(std::move(item));
}

const Item* CatalogBuilder::Find(std::string_view external_id) const { return next_->Find(external_id); }

std::shared_ptr<const Catalog> CatalogBuilder::Build() {
  ++next_->version_;
  return std::shared_ptr<const Catalog>(std::move(next_));
}

}  // namespace rapport

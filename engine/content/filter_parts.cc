#include "engine/content/filter_parts.h"

#include <algorithm>

namespace rapport {
namespace {

// Items that pass now and did not when the part was made, as rows; false when they are too many.
bool RowsBeside(const Bitmap& passed, const Bitmap& passes, const ModelSet& models, std::vector<uint32_t>& rows) {
  for (size_t w = 0; w < passes.size(); ++w) {
    const uint64_t came = passes[w] & ~(w < passed.size() ? passed[w] : 0);
    for (uint64_t rest = came; rest != 0; rest &= rest - 1) {
      const uint32_t row = models.RowOf(ItemId{w * 64 + static_cast<size_t>(std::countr_zero(rest))});
      if (row == kNoRow) continue;
      if (rows.size() == FilterPartCache::kAlsoMax) return false;
      rows.push_back(row);
    }
  }
  return true;
}

}  // namespace

AllowedSet FilterPart::Allow(std::span<const uint64_t> allowed, const FilterPart* part) {
  AllowedSet rows(allowed);
  if (part == nullptr) return rows;
  rows.part = part->rows.get();
  rows.also = part->also;
  return rows;
}

std::shared_ptr<const FilterPart> FilterPartCache::Get(std::span<const std::shared_ptr<const CompiledFilter>> filters,
                                                       const CatalogIndex& index,
                                                       const std::shared_ptr<const ModelSet>& models) {
  if (models->content == nullptr || index.line() != CatalogIndex::Line::kMain) return nullptr;
  if (models->content->als.quantized.items < kRowsMin) return nullptr;
  const CompiledFilter* fewest = nullptr;
  for (const auto& filter : filters) {
    if (filter == nullptr || filter->filter().matches_everything() || 2 * filter->bound_count() > index.bits())
      continue;
    if (fewest == nullptr || filter->bound_count() < fewest->bound_count()) fewest = filter.get();
  }
  Entry entry;
  if (fewest == nullptr) return nullptr;
  if (!Known(*fewest, models, entry)) return nullptr;
  if (entry.part != nullptr && entry.serial == index.serial()) return entry.part;
  std::vector<uint32_t> also;
  if (entry.part != nullptr && RowsBeside(*entry.passed, fewest->Bound(), *models, also)) {
    entry.part = std::make_shared<const FilterPart>(FilterPart{entry.part->rows, std::move(also)});
    entry.serial = index.serial();
  } else {
    entry = Make(*fewest, index, models);
  }
  Keep(entry);
  return entry.part;
}

bool FilterPartCache::Known(const CompiledFilter& filter, const std::shared_ptr<const ModelSet>& models, Entry& entry) {
  std::lock_guard lock(mutex_);
  if (const Entry* found = recent_.Find(&filter.filter())) {
    entry = *found;
    if (entry.models.lock() == models) return true;
    if (entry.generation > models->generation) return false;  // of a request that began before those came
  }
  entry = {};
  entry.filter = filter.shared_filter();
  entry.models = models;
  entry.generation = models->generation;
  recent_.Put(entry.filter.get(), entry);
  return false;
}

FilterPartCache::Entry FilterPartCache::Make(const CompiledFilter& filter, const CatalogIndex& index,
                                             const std::shared_ptr<const ModelSet>& models) const {
  const QuantizedItems& copy = models->content->als.quantized;
  const size_t row_bytes = std::max<size_t>(1, copy.lines.size() * sizeof(scan::Line) / copy.items) + 16;
  Bitmap rows;
  PickBitsOf(filter.Bound(), models->has_row, copy.items, rows);
  auto part =
      std::make_shared<const QuantizedPart>(PartOf(copy, rows, std::min(kItemsMax, part_bytes_max_ / row_bytes)));
  Entry entry;
  entry.filter = filter.shared_filter();
  entry.models = models;
  entry.generation = models->generation;
  entry.serial = index.serial();
  entry.passed = std::make_shared<const Bitmap>(filter.Bound());
  entry.bytes = part->bytes() + entry.passed->size() * sizeof(uint64_t);
  entry.part = std::make_shared<const FilterPart>(FilterPart{std::move(part), {}});
  return entry;
}

// Two requests may make the same part once: none waits for another's.
void FilterPartCache::Keep(Entry entry) {
  std::lock_guard lock(mutex_);
  const Entry* kept = recent_.Peek(entry.filter.get());
  if (kept == nullptr) return;  // gone meanwhile: others were asked for more
  if (kept->generation != entry.generation || kept->serial > entry.serial) return;
  const Filter* filter = entry.filter.get();
  const size_t bytes = entry.bytes;
  recent_.Put(filter, std::move(entry), bytes);
}

size_t FilterPartCache::entries() const {
  std::lock_guard lock(mutex_);
  return recent_.entries();
}

size_t FilterPartCache::bytes() const {
  std::lock_guard lock(mutex_);
  return recent_.bytes();
}

}  // namespace rapport

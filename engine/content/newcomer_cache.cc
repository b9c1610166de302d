#include "engine/content/newcomer_cache.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "engine/content/attributes.h"

namespace rapport {
namespace {

bool IsNewcomer(const Item* item, const ModelSet& models) {
  return item != nullptr && item->catalogued && !item->hidden && models.RowOf(item->id) == kNoRow;
}

std::vector<uint64_t> NewcomerIds(const Catalog& catalog, const ModelSet& models) {
  std::vector<uint64_t> ids;
  for (uint64_t id = catalog.size(); id > 0 && ids.size() < limits::kNewcomersMax; --id) {
    if (IsNewcomer(catalog.Get(ItemId{id}), models)) ids.push_back(id);
  }
  std::reverse(ids.begin(), ids.end());
  return ids;
}

Newcomers MakeFor(const std::vector<uint64_t>& ids, const Catalog& catalog, const ModelSet& models) {
  WordBreaker words;
  std::vector<AttributeItem> items;
  for (const uint64_t id : ids) items.push_back(DescribeItem(*catalog.Get(ItemId{id}), words));
  return MakeNewcomers(*models.content, *models.attribute_index, ids, items, 0);
}

void AppendEntry(const Newcomers& from, size_t i, size_t factors, Newcomers& to) {
  to.item_ids.push_back(from.item_ids[i]);
  to.vectors.push_back(from.vectors[i]);
  to.kin.push_back(from.kin[i]);
  const auto begin = from.factors.begin() + static_cast<ptrdiff_t>(i * factors);
  to.factors.insert(to.factors.end(), begin, begin + static_cast<ptrdiff_t>(factors));
  to.recent.push_back(from.recent[i]);
  to.season.push_back(from.season[i]);
  to.prices.push_back(from.prices[i]);
  to.categories.push_back(from.categories[i]);
}

size_t PlaceIn(const std::vector<uint64_t>& ids, uint64_t id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  return at != ids.end() && *at == id ? static_cast<size_t>(at - ids.begin()) : ids.size();
}

// `ids` from `before` where nothing changed, made anew otherwise. `changed` ascending.
Newcomers Follow(const Newcomers& before, const std::vector<uint64_t>& ids, const std::vector<uint32_t>& changed,
                 const Catalog& catalog, const ModelSet& models) {
  std::vector<uint64_t> anew;
  for (const uint64_t id : ids) {
    const bool stale = std::binary_search(changed.begin(), changed.end(), static_cast<uint32_t>(id));
    if (stale || PlaceIn(before.item_ids, id) == before.size()) anew.push_back(id);
  }
  const Newcomers fresh = MakeFor(anew, catalog, models);
  const auto factors = static_cast<size_t>(models.content->als.options.factors);
  Newcomers out;
  for (const uint64_t id : ids) {
    const size_t place = PlaceIn(fresh.item_ids, id);
    if (place < fresh.size()) {
      AppendEntry(fresh, place, factors, out);
    } else {
      AppendEntry(before, PlaceIn(before.item_ids, id), factors, out);
    }
  }
  return out;
}

}  // namespace

std::shared_ptr<const Newcomers> NewcomerCache::Get(const CatalogIndex& index,
                                                    const std::shared_ptr<const ModelSet>& models) {
  if (models->content == nullptr || models->attribute_index == nullptr) return nullptr;
  const Catalog& catalog = index.catalog();
  const auto make = [&] {
    Newcomers all = MakeFor(NewcomerIds(catalog, *models), catalog, *models);
    return all.size() == 0 ? nullptr : std::make_shared<const Newcomers>(std::move(all));
  };
  if (index.line() == CatalogIndex::Line::kAside) return make();  // a straggler's catalogue: nothing is kept of it
  std::lock_guard lock(mutex_);
  if (models_ == models && serial_ == index.serial()) return newcomers_;
  std::vector<uint32_t> changed;
  if (models_ != models || !index.ChangedSince(serial_, changed)) {
    newcomers_ = make();
  } else {
    std::sort(changed.begin(), changed.end());
    const bool concerned =
        std::any_of(changed.begin(), changed.end(), [&](uint32_t id) { return models->RowOf(ItemId{id}) == kNoRow; });
    if (concerned) {
      const std::vector<uint64_t> ids = NewcomerIds(catalog, *models);
      static const Newcomers kNone;
      Newcomers all = Follow(newcomers_ != nullptr ? *newcomers_ : kNone, ids, changed, catalog, *models);
      newcomers_ = all.size() == 0 ? nullptr : std::make_shared<const Newcomers>(std::move(all));
    }
  }
  models_ = models;
  serial_ = index.serial();
  return newcomers_;
}

}  // namespace rapport

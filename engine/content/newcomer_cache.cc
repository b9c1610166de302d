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

std::shared_ptr<const Newcomers> MakeAll(const Catalog& catalog, const ModelSet& models) {
  Newcomers all = MakeFor(NewcomerIds(catalog, models), catalog, models);
  return all.size() == 0 ? nullptr : std::make_shared<const Newcomers>(std::move(all));
}

bool KnowsAttributes(const ModelSet& models) { return models.content != nullptr && models.attribute_index != nullptr; }

}  // namespace

std::shared_ptr<const Newcomers> NewcomerCache::Get(const CatalogIndex& index,
                                                    const std::shared_ptr<const ModelSet>& models) {
  if (!KnowsAttributes(*models)) return nullptr;
  const Catalog& catalog = index.catalog();
  if (index.line() == CatalogIndex::Line::kAside) return MakeAll(catalog, *models);  // a straggler's: nothing is kept
  std::lock_guard lock(mutex_);
  if (current_.models != models && prepared_.models == models) {
    former_models_ = current_.models;
    former_ = current_.newcomers;
    current_ = std::exchange(prepared_, {});
  }
  if (current_.models != models && former_models_.lock() == models) return former_;
  if (current_.models == models && current_.serial == index.serial()) return current_.newcomers;
  std::vector<uint32_t> changed;
  if (current_.models != models || !index.ChangedSince(current_.serial, changed)) {
    current_.newcomers = MakeAll(catalog, *models);
  } else {
    std::sort(changed.begin(), changed.end());
    const bool concerned =
        std::any_of(changed.begin(), changed.end(), [&](uint32_t id) { return models->RowOf(ItemId{id}) == kNoRow; });
    if (concerned) {
      const std::vector<uint64_t> ids = NewcomerIds(catalog, *models);
      static const Newcomers kNone;
      const Newcomers& before = current_.newcomers != nullptr ? *current_.newcomers : kNone;
      Newcomers all = Follow(before, ids, changed, catalog, *models);
      current_.newcomers = all.size() == 0 ? nullptr : std::make_shared<const Newcomers>(std::move(all));
    }
  }
  current_.models = models;
  current_.serial = index.serial();
  return current_.newcomers;
}

std::shared_ptr<const Newcomers> NewcomerCache::Prepare(const CatalogIndex& index,
                                                        const std::shared_ptr<const ModelSet>& models) {
  if (!KnowsAttributes(*models) || index.line() == CatalogIndex::Line::kAside) return nullptr;
  Made made{models, index.serial(), MakeAll(index.catalog(), *models)};  // requests go on meanwhile
  std::lock_guard lock(mutex_);
  prepared_ = std::move(made);
  return prepared_.newcomers;
}

}  // namespace rapport

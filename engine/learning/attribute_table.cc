#include "engine/learning/attribute_table.h"

#include <algorithm>

#include "base/random.h"
#include "models/attribute_map.h"

namespace rapport {
namespace {

size_t PlaceIn(const std::vector<uint64_t>& ids, uint64_t id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  return at != ids.end() && *at == id ? static_cast<size_t>(at - ids.begin()) : ids.size();
}

// Apart from other draws by id with the same seed.
constexpr uint64_t kPretendStream = 0x70726574656e6400;

}  // namespace

const AttributeItem* AttributeTable::FindItem(uint64_t id) const {
  const size_t place = PlaceIn(item_ids, id);
  return place < items.size() ? &items[place] : nullptr;
}

std::span<const uint64_t> AttributeTable::TraitsOf(uint64_t customer) const {
  const size_t place = PlaceIn(customer_ids, customer);
  return place < traits.size() ? std::span<const uint64_t>(traits[place]) : std::span<const uint64_t>();
}

Newcomers NewcomersOf(const AttributeTable* table, const ContentModel& model, Timestamp until, int threads) {
  if (table == nullptr || model.attributes.rows() == 0) return {};
  std::vector<uint64_t> ids;
  std::vector<AttributeItem> items;
  for (size_t i = 0; i < table->item_ids.size(); ++i) {
    const bool published = table->published[i].ms == 0 || table->published[i] < until;
    if (!published || model.RowOf(ItemId{table->item_ids[i]}) != kNoRow) continue;
    ids.push_back(table->item_ids[i]);
    items.push_back(table->items[i]);
  }
  return MakeNewcomers(model, AttributeIndex(model.attributes), ids, items, threads);
}

Result<PretendedItems> PretendSome(const ContentModel& model, std::span<const uint32_t> evidence, double share,
                                   uint64_t seed, const AttributeOptions& options) {
  PretendedItems out;
  if (model.attributes.rows() == 0) return out;
  const Random random = Random(seed).Fork(kPretendStream);
  // Without evidence a row has no say in the map.
  std::vector<uint32_t> left(evidence.begin(), evidence.end());
  for (uint32_t row = 0; row < model.rows(); ++row) {
    if (random.Fork(model.item_ids[row]).Uniform() >= share) continue;
    out.rows.push_back(row);
    left[row] = 0;
  }
  const auto d = static_cast<size_t>(model.als.options.factors);
  const Result<std::vector<float>> map = FitAttributeMap(model.attributes, model.als.item_factors, d, left, options);
  if (!map.ok()) return map.status();
  out.newcomers = PretendNewcomers(model, AttributeIndex(model.attributes), out.rows, *map, options.threads);
  return out;
}

}  // namespace rapport

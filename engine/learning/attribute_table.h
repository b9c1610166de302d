// What the catalogue and the profiles say, for training and judging: attributes of every item that may be shown, with
// or without history, and traits of every customer. As they are now: they carry no time, so a fit on the past sees
// today's title and price, but never what happened after its cut.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "models/content_model.h"
#include "models/newcomers.h"

namespace rapport {

// Immutable after the scan. Ids ascending, parallel to what stands beside them.
struct AttributeTable {
  std::vector<uint64_t> item_ids;
  std::vector<AttributeItem> items;
  std::vector<Timestamp> published;  // 0: no date

  std::vector<uint64_t> customer_ids;  // roots with traits
  std::vector<std::vector<uint64_t>> traits;

  // nullptr, or nothing, when unknown.
  const AttributeItem* FindItem(uint64_t id) const;
  std::span<const uint64_t> TraitsOf(uint64_t customer) const;
};

// Newcomers to `model`: items of the table without a row in it, published before `until`. Empty without attributes.
Newcomers NewcomersOf(const AttributeTable* table, const ContentModel& model, Timestamp until, int threads);

// Some rows of `model` as if they were newcomers, drawn by item id and seed, and their rows (ascending).
struct PretendedItems {
  std::vector<uint32_t> rows;
  Newcomers newcomers;
};
Result<PretendedItems> PretendSome(const ContentModel& model, std::span<const uint32_t> evidence, double share,
                                   uint64_t seed, const AttributeOptions& options);

}  // namespace rapport

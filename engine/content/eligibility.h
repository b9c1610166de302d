// Whether an item may be shown to this customer at this instant, and if not why. The one place that says so: every list
// Rapport answers with passes CheckEligibility at its end, pins, boards and the static list included. Prefilter() is
// the same rule as a bitmap, to spare the scans what would be refused; it is never the last word.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "engine/content/bitmap.h"
#include "engine/content/catalog_index.h"
#include "engine/content/filter_cache.h"
#include "engine/options.h"

namespace rapport {

// Why not; kNone: it may be shown. In the order of checking: the first that applies is told.
enum class Refusal : uint8_t {
  kNone,
  kUnknown,        // no such item
  kNotCatalogued,  // known from events only, or deleted
  kHidden,
  kUnavailable,
  kOutOfStock,       // counted, and none left
  kNotYetPublished,  // now < publishedAt
  kExpired,          // expiresAt <= now
  kOtherAudience,    // names audiences, none of them the customer's
  kOtherKind,
  kExcluded,  // by the request
  kSeed,      // the item the list is about, or a variant of it
  kRepeat,    // against the repeat policy
  kViewed,    // and the scenario leaves out what was viewed
  kFilter,
};
const char* RefusalName(Refusal refusal);  // "out of stock"

// What one answer asks of its items. Holds views: what they point to must outlive it.
struct ShowRules {
  Timestamp now;
  std::span<const std::string> audiences;   // the customer's
  std::string kind;                         // empty: every kind
  std::span<const ItemId> excluded;         // ascending
  std::span<const uint64_t> seed_groups;    // variant groups of the seeds that must not come back; ascending
  const ItemSet* customer_items = nullptr;  // null: nothing known, or not to be used
  RepeatPolicy repeat = RepeatPolicy::kAllow;
  bool exclude_viewed = false;
  std::vector<std::shared_ptr<const CompiledFilter>> filters;  // all must match; nulls match everything
  std::shared_ptr<const CompiledFilter> kind_filter;           // `kind` compiled, for Prefilter; null: every kind

  // nullptr: the customer never had to do with it.
  const ItemSetEntry* EntryOf(ItemId item) const;
};

// `item` as catalog.Get() gives it; nullptr: kUnknown. Reads the item itself and nothing cached.
Refusal CheckEligibility(const Catalog& catalog, const Item* item, const ShowRules& rules);

// Exactly the items that pass CheckEligibility, but that variants of seeds may remain. REQUIRES filters compiled for
// `index`.
void Prefilter(const CatalogIndex& index, const ShowRules& rules, Bitmap& allowed, Bitmap& scratch);

}  // namespace rapport

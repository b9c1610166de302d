#include "engine/content/eligibility.h"

#include <algorithm>

namespace rapport {

namespace {

bool Addresses(const Item& item, std::span<const std::string> audiences) {
  return item.audience.empty() || std::any_of(item.audience.begin(), item.audience.end(), [&](const std::string& one) {
           return std::find(audiences.begin(), audiences.end(), one) != audiences.end();
         });
}

bool RepeatAllows(RepeatPolicy policy, const ItemSetEntry* entry) {
  switch (policy) {
    case RepeatPolicy::kAllow: return true;
    case RepeatPolicy::kExcludeOwned: return entry == nullptr || entry->owned <= 0;
    case RepeatPolicy::kExcludeOrdered: return entry == nullptr || !entry->ordered;
    case RepeatPolicy::kOnlyOrdered: return entry != nullptr && entry->ordered;
  }
  return false;
}

// What the item's own fields say.
Refusal CheckStanding(const Item* item, Timestamp now) {
  if (item == nullptr) return Refusal::kUnknown;
  if (!item->catalogued) return Refusal::kNotCatalogued;
  if (item->hidden) return Refusal::kHidden;
  if (!item->available) return Refusal::kUnavailable;
  if (item->stock && *item->stock <= 0) return Refusal::kOutOfStock;
  if (item->published_at && now < *item->published_at) return Refusal::kNotYetPublished;
  if (item->expires_at && *item->expires_at <= now) return Refusal::kExpired;
  return Refusal::kNone;
}

}  // namespace

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "may be shown";
    case Refusal::kUnknown: return "unknown";
    case Refusal::kNotCatalogued: return "not catalogued";
    case Refusal::kHidden: return "hidden";
    case Refusal::kUnavailable: return "unavailable";
    case Refusal::kOutOfStock: return "out of stock";
    case Refusal::kNotYetPublished: return "not yet published";
    case Refusal::kExpired: return "expired";
    case Refusal::kOtherAudience: return "for another audience";
    case Refusal::kOtherKind: return "of another kind";
    case Refusal::kExcluded: return "excluded";
    case Refusal::kSeed: return "what the list is about";
    case Refusal::kRepeat: return "against the repeat policy";
    case Refusal::kViewed: return "viewed before";
    case Refusal::kFilter: return "does not match the filter";
  }
  return "?";
}

const ItemSetEntry* ShowRules::EntryOf(ItemId item) const {
  if (customer_items == nullptr) return nullptr;
  const auto found = std::lower_bound(customer_items->begin(), customer_items->end(), item,
                                      [](const ItemSetEntry& entry, ItemId id) { return entry.item < id; });
  return found != customer_items->end() && found->item == item ? &*found : nullptr;
}

Refusal CheckEligibility(const Catalog& catalog, const Item* item, const ShowRules& rules) {
  const Refusal standing = CheckStanding(item, rules.now);
  if (standing != Refusal::kNone) return standing;
  if (!Addresses(*item, rules.audiences)) return Refusal::kOtherAudience;
  if (!rules.kind.empty() && item->kind != rules.kind) return Refusal::kOtherKind;
  if (std::binary_search(rules.excluded.begin(), rules.excluded.end(), item->id)) return Refusal::kExcluded;
  if (!rules.seed_groups.empty() &&
      std::binary_search(rules.seed_groups.begin(), rules.seed_groups.end(), catalog.VariantGroup(item->id))) {
    return Refusal::kSeed;
  }
  const ItemSetEntry* entry = rules.EntryOf(item->id);
  if (!RepeatAllows(rules.repeat, entry)) return Refusal::kRepeat;
  if (rules.exclude_viewed && entry != nullptr && entry->viewed) return Refusal::kViewed;
  for (const auto& filter : rules.filters) {
    if (filter != nullptr && !filter->filter().Matches(*item, entry)) return Refusal::kFilter;
  }
  return Refusal::kNone;
}

void Prefilter(const CatalogIndex& index, const ShowRules& rules, Bitmap& allowed, Bitmap& scratch) {
  static const ItemSet kNothing;
  const ItemSet& items = rules.customer_items == nullptr ? kNothing : *rules.customer_items;
  allowed = index.standing();
  if (const auto on_show = index.times().OnShow(rules.now)) {
    for (size_t w = 0; w < allowed.size(); ++w) allowed[w] &= (*on_show)[w];
  }
  index.audiences().Restrict(rules.audiences, allowed, scratch);
  if (rules.kind_filter != nullptr) rules.kind_filter->Restrict(items, allowed);
  for (const auto& filter : rules.filters) {
    if (filter != nullptr) filter->Restrict(items, allowed);
  }
  for (const ItemId item : rules.excluded) ClearBit(allowed, item.value);
  if (rules.repeat == RepeatPolicy::kOnlyOrdered) {
    scratch.assign(allowed.size(), 0);
    for (const ItemSetEntry& entry : items) {
      if (entry.ordered && TestBit(allowed, entry.item.value)) SetBit(scratch, entry.item.value);
    }
    allowed.swap(scratch);
  }
  for (const ItemSetEntry& entry : items) {
    if (!RepeatAllows(rules.repeat, &entry) || (rules.exclude_viewed && entry.viewed)) {
      ClearBit(allowed, entry.item.value);
    }
  }
}

}  // namespace rapport

// Random small shops for the tests of content: catalogues, customers, models and requests, all from one seed; and an
// oracle that says from docs/API.md alone, without a line of engine/content, what may be shown.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/catalog.h"
#include "engine/content/attributes.h"
#include "engine/content/recommender.h"
#include "models/stack.h"

namespace rapport {

inline constexpr Timestamp kShopOpens{1'700'000'000'000};

inline bool Chance(Random& random, double probability) { return random.Uniform() < probability; }
inline std::string ItemName(uint64_t id) { return "item-" + std::to_string(id); }

// Filters with their meaning said a second time.
struct KnownFilter {
  std::string text;
  std::function<bool(const Item&, const ItemSetEntry&)> matches;
};
inline const std::vector<KnownFilter>& KnownFilters() {
  using Entry = ItemSetEntry;
  static const std::vector<KnownFilter> kFilters = {
      {"", [](const Item&, const Entry&) { return true; }},
      {"price <= 10", [](const Item& i, const Entry&) { return i.price && i.price->ToDouble() <= 10; }},
      {"NOT price <= 10", [](const Item& i, const Entry&) { return !(i.price && i.price->ToDouble() <= 10); }},
      {"NOT viewed", [](const Item&, const Entry& e) { return !e.viewed; }},
      {"ordered OR price > 12",
       [](const Item& i, const Entry& e) { return e.ordered || (i.price && i.price->ToDouble() > 12); }},
      {"category IN ('c1', 'c2') AND NOT owned",
       [](const Item& i, const Entry& e) {
         return e.owned <= 0 && std::any_of(i.categories.begin(), i.categories.end(),
                                            [](const std::string& c) { return c == "c1" || c == "c2"; });
       }},
      {"stock > 1 OR NOT (tag = 'new')",
       [](const Item& i, const Entry&) {
         return (i.stock && *i.stock > 1) || std::find(i.tags.begin(), i.tags.end(), "new") == i.tags.end();
       }},
  };
  return kFilters;
}

inline Item RandomShopItem(Random& random, uint64_t id, uint64_t items, Timestamp now) {
  Item item;
  item.id = ItemId{id};
  item.external_id = ItemName(id);
  item.kind = Chance(random, 0.8) ? "product" : "article";
  item.title = "title";
  item.catalogued = Chance(random, 0.9);
  item.hidden = Chance(random, 0.1);
  item.available = Chance(random, 0.9);
  if (Chance(random, 0.5)) item.stock = static_cast<int64_t>(random.Below(4)) - (Chance(random, 0.3) ? 1 : 0);
  if (Chance(random, 0.3))
    item.published_at = Timestamp{now.ms + static_cast<int64_t>(random.Below(20) * kHourMs) - 15 * kHourMs};
  if (Chance(random, 0.3))
    item.expires_at = Timestamp{now.ms + static_cast<int64_t>(random.Below(20) * kHourMs) - 5 * kHourMs};
  if (Chance(random, 0.25)) item.audience.push_back(Chance(random, 0.5) ? "dealers" : "vip");
  if (Chance(random, 0.05)) item.audience.push_back("nobody");
  if (Chance(random, 0.3)) item.variant_of = ItemName(1 + random.Below(items));
  if (Chance(random, 0.1)) item.variant_of = "product without a row";
  for (uint64_t n = random.Below(3); n > 0; --n) item.categories.push_back("c" + std::to_string(random.Below(4)));
  if (Chance(random, 0.3)) item.tags.push_back("new");
  if (Chance(random, 0.8)) item.price = Decimal{static_cast<int64_t>(random.Below(2000)), 2};
  return item;
}

// Rows for most of 1..items and some that the catalogue may not have.
inline std::shared_ptr<const ContentModel> RandomContentModel(Random& random, uint64_t items, int factors = 6) {
  auto model = std::make_shared<ContentModel>();
  for (uint64_t id = 1; id <= items + 3; ++id) {
    if (Chance(random, 0.85)) model->item_ids.push_back(id);
  }
  if (model->item_ids.empty()) model->item_ids.push_back(1);
  const uint32_t rows = model->rows();
  model->trained_until = kShopOpens;
  model->als.options.factors = factors;
  model->als.items = rows;
  model->als.customers = 10;
  for (size_t i = 0; i < size_t{rows} * static_cast<size_t>(factors); ++i) {
    model->als.item_factors.push_back(static_cast<float>(random.Normal() * 0.4));
  }
  if (!CheckAndPrepare(model->als).ok()) return nullptr;
  for (NeighbourLists* lists : {&model->similar, &model->bought_together}) {
    lists->items = rows;
    for (uint32_t row = 0; row < rows; ++row) {
      float score = 1;
      std::set<uint32_t> chosen;
      for (uint64_t n = random.Below(6); n > 0; --n) chosen.insert(static_cast<uint32_t>(random.Below(rows)));
      chosen.erase(row);
      for (const uint32_t neighbour : chosen) lists->neighbours.push_back({neighbour, score *= 0.9f});
      lists->offsets.push_back(lists->neighbours.size());
    }
  }
  model->popularity.as_of = kShopOpens;
  for (uint32_t row = 0; row < rows; ++row) {
    model->popularity.popular.push_back(Chance(random, 0.7) ? static_cast<float>(random.Below(5)) : 0.0f);
    model->popularity.trending.push_back(Chance(random, 0.4) ? static_cast<float>(random.Uniform()) : 0.0f);
  }
  return model;
}

// The same with weights of a blend, for some policies or all.
inline std::shared_ptr<const ContentModel> WithRandomBlend(Random& random, std::shared_ptr<const ContentModel> plain) {
  auto model = std::make_shared<ContentModel>(*plain);
  for (uint32_t row = 0; row < model->rows(); ++row) {
    model->stack.recent14.push_back(static_cast<float>(random.Below(3)));
    model->stack.recent7.push_back(static_cast<float>(random.Below(2)));
  }
  if (Chance(random, 0.5)) model->stack.shallow = model->similar;
  if (Chance(random, 0.7)) {
    std::vector<AttributeItem> items(model->rows());
    for (AttributeItem& item : items) {
      item.tokens = {HashToken("c:c" + std::to_string(random.Below(4)))};
      if (Chance(random, 0.3)) item.tokens.push_back(HashToken("g:new"));
      std::sort(item.tokens.begin(), item.tokens.end());
      item.price = static_cast<float>(random.Below(20));
    }
    model->attributes = FitAttributes(items, {});
    model->attributes.map.assign((model->attributes.width() + 1) * static_cast<size_t>(model->als.options.factors), 0);
    for (float& x : model->attributes.map) x = static_cast<float>(0.3 * random.Normal());
  }
  for (std::vector<double>* theta :
       {&model->stack.repeats_theta, &model->stack.new_theta, &model->stack.cold_theta, &model->stack.session_theta}) {
    if (Chance(random, 0.3)) continue;
    for (size_t k = 0; k < kStackFeatures; ++k) theta->push_back(random.Normal());
  }
  return model;
}

inline std::shared_ptr<const CustomerView> RandomCustomer(Random& random, uint64_t items, Timestamp now) {
  auto view = std::make_shared<CustomerView>();
  if (Chance(random, 0.15)) return view;  // nobody known
  view->root = CustomerId{1 + random.Below(1000)};
  view->anonymous = Chance(random, 0.3);
  view->personalization = Chance(random, 0.2) ? Personalization::kOff : Personalization::kOn;
  if (Chance(random, 0.3)) view->audiences.push_back("dealers");
  if (Chance(random, 0.3)) view->audiences.push_back("vip");
  std::vector<ItemSetEntry> entries(items + 5);
  uint64_t event = 0;
  for (uint64_t n = random.Below(25); n > 0; --n) {
    HistoryEntry line;
    if (Chance(random, 0.7) || event == 0) ++event;
    line.event = EventId{event};
    line.item = ItemId{1 + random.Below(items + 3)};
    line.time = Timestamp{now.ms - static_cast<int64_t>(random.Below(200)) * kDayMs};
    static constexpr EventType kTypes[] = {EventType::kViewed, EventType::kOrdered,  EventType::kOrdered,
                                           EventType::kAdded,  EventType::kRefunded, EventType::kRated};
    line.type = kTypes[random.Below(6)];
    line.value = static_cast<double>(random.Below(6));
    line.quantity = Chance(random, 0.1) ? -1 : 1;
    ItemSetEntry& entry = entries[line.item.value];
    entry.viewed |= line.type == EventType::kViewed;
    entry.ordered |= line.type == EventType::kOrdered && line.quantity > 0;
    entry.owned += line.type == EventType::kOrdered ? line.quantity : (line.type == EventType::kRefunded ? -1 : 0);
    view->history.push_back(line);
  }
  for (uint64_t id = 1; id < entries.size(); ++id) {
    if (Chance(random, 0.05)) entries[id].viewed = true;  // older than the history remembers
    entries[id].item = ItemId{id};
    if (entries[id].viewed || entries[id].ordered || entries[id].owned != 0) view->items.push_back(entries[id]);
  }
  return view;
}

// What an answer was asked for, in the oracle's words.
struct Asked {
  Timestamp now;
  std::vector<std::string> audiences;
  ItemSet items;  // empty when personalization is off
  std::string kind;
  std::vector<const KnownFilter*> filters;
  std::set<std::string> excluded;        // external ids
  std::set<std::string> taken_products;  // of seeds and of earlier pages
  RepeatPolicy repeat = RepeatPolicy::kAllow;
  bool exclude_viewed = false;
};

inline std::string ProductOf(const Item& item) { return item.variant_of.empty() ? item.external_id : item.variant_of; }

// Empty: may be shown; otherwise why not.
inline std::string WhyNot(const Item* item, const Asked& asked) {
  if (item == nullptr || !item->catalogued) return "not in the catalogue";
  if (item->hidden) return "hidden";
  if (!item->available) return "not available";
  if (item->stock && *item->stock < 1) return "out of stock";
  if (item->published_at && item->published_at->ms > asked.now.ms) return "not yet published";
  if (item->expires_at && item->expires_at->ms <= asked.now.ms) return "expired";
  if (!item->audience.empty()) {
    bool addressed = false;
    for (const std::string& audience : item->audience) {
      for (const std::string& mine : asked.audiences) addressed |= audience == mine;
    }
    if (!addressed) return "wrong audience";
  }
  if (!asked.kind.empty() && item->kind != asked.kind) return "wrong kind";
  if (asked.excluded.count(item->external_id)) return "excluded";
  if (asked.taken_products.count(ProductOf(*item))) return "a seed, or shown before";
  ItemSetEntry entry;
  for (const ItemSetEntry& each : asked.items) {
    if (each.item == item->id) entry = each;
  }
  if (asked.repeat == RepeatPolicy::kExcludeOwned && entry.owned > 0) return "owned";
  if (asked.repeat == RepeatPolicy::kExcludeOrdered && entry.ordered) return "ordered";
  if (asked.repeat == RepeatPolicy::kOnlyOrdered && !entry.ordered) return "never ordered";
  if (asked.exclude_viewed && entry.viewed) return "viewed";
  for (const KnownFilter* filter : asked.filters) {
    if (!filter->matches(*item, entry)) return "against the filter " + filter->text;
  }
  return "";
}

// Products of which at least one variant may be shown.
inline size_t ShowableProducts(const Catalog& catalog, const Asked& asked) {
  std::set<std::string> products;
  for (uint64_t id = 1; id <= catalog.size(); ++id) {
    const Item* item = catalog.Get(ItemId{id});
    if (WhyNot(item, asked).empty()) products.insert(ProductOf(*item));
  }
  return products.size();
}

}  // namespace rapport

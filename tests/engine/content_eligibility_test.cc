// The eligibility check tells why, and the prefilter is the same rule: bit for bit, while the catalogue changes and
// time goes forth and, for requests that overtake each other, back.
#include <gtest/gtest.h>

#include <cstdio>

#include "engine/content/eligibility.h"
#include "tests/engine/content_fixture.h"

namespace rapport {
namespace {

TEST(EligibilityTest, TellsTheFirstReason) {
  const Timestamp now = kShopOpens;
  CatalogBuilder builder;
  Item item;
  item.id = ItemId{1};
  item.external_id = "tea";
  builder.Put(item);
  const ItemSet owned = {{ItemId{1}, true, true, 2}};
  const std::vector<std::string> audiences = {"vip"};
  const std::vector<ItemId> excluded = {ItemId{1}};
  ShowRules rules;
  rules.now = now;
  const auto expect = [&](Refusal refusal) {
    CatalogBuilder next;
    next.Put(item);
    const auto catalog = next.Build();
    EXPECT_STREQ(RefusalName(CheckEligibility(*catalog, catalog->Get(ItemId{1}), rules)), RefusalName(refusal));
  };
  const auto catalog = builder.Build();
  EXPECT_EQ(CheckEligibility(*catalog, catalog->Get(ItemId{2}), rules), Refusal::kUnknown);
  expect(Refusal::kNotCatalogued);
  item.catalogued = true;
  expect(Refusal::kNone);
  item.expires_at = now;  // from then on
  expect(Refusal::kExpired);
  item.expires_at = Timestamp{now.ms + 1};
  expect(Refusal::kNone);
  item.published_at = Timestamp{now.ms + 1};
  expect(Refusal::kNotYetPublished);
  item.published_at = now;  // not before
  expect(Refusal::kNone);
  item.stock = 1;
  expect(Refusal::kNone);
  item.stock = 0;
  expect(Refusal::kOutOfStock);
  item.available = false;
  expect(Refusal::kUnavailable);
  item.hidden = true;
  expect(Refusal::kHidden);
  item = Item{};
  item.id = ItemId{1};
  item.external_id = "tea";
  item.catalogued = true;
  item.audience = {"dealers", "vip"};
  expect(Refusal::kOtherAudience);
  rules.audiences = audiences;
  expect(Refusal::kNone);
  rules.kind = "article";
  expect(Refusal::kOtherKind);
  rules.kind = "product";
  rules.customer_items = &owned;
  expect(Refusal::kNone);
  rules.repeat = RepeatPolicy::kExcludeOwned;
  expect(Refusal::kRepeat);
  rules.repeat = RepeatPolicy::kOnlyOrdered;
  rules.exclude_viewed = true;
  expect(Refusal::kViewed);
  rules.excluded = excluded;
  expect(Refusal::kExcluded);
}

TEST(EligibilityTest, PrefilterIsTheSameRule) {
  uint64_t compared = 0, allowed_count = 0, rounds = 0;
  Bitmap allowed, scratch;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const uint64_t size = 5 + random.Below(200);
    Timestamp now = kShopOpens;
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= size; ++id) builder.Put(RandomShopItem(random, id, size, now));
    auto catalog = builder.Build();
    CatalogIndexCache indexes;
    FilterCache filters(8, 1 << 20);
    for (int round = 0; round < 60; ++round, ++rounds) {
      const auto customer = RandomCustomer(random, size, now);
      const auto index = indexes.Get(catalog);
      ShowRules rules;
      rules.now = now;
      rules.audiences = customer->audiences;
      rules.customer_items = Chance(random, 0.9) ? &customer->items : nullptr;
      rules.repeat = static_cast<RepeatPolicy>(random.Below(4));
      rules.exclude_viewed = Chance(random, 0.3);
      if (Chance(random, 0.7)) {
        rules.kind = "product";
        rules.kind_filter = filters.KindIs(rules.kind, *index);
      }
      std::vector<ItemId> excluded;
      for (uint64_t n = random.Below(4); n > 0; --n) excluded.push_back(ItemId{1 + random.Below(size + 3)});
      std::sort(excluded.begin(), excluded.end());
      rules.excluded = excluded;
      const KnownFilter& filter = KnownFilters()[random.Below(KnownFilters().size())];
      rules.filters = {*filters.Get(filter.text, *index), nullptr};
      Prefilter(*index, rules, allowed, scratch);
      for (uint64_t id = 1; id <= catalog->size(); ++id) {
        const bool expected = CheckEligibility(*catalog, catalog->Get(ItemId{id}), rules) == Refusal::kNone;
        ASSERT_EQ(TestBit(allowed, id), expected) << "seed " << seed << " round " << round << " item " << id;
        ++compared;
        allowed_count += expected;
      }
      // To the very millisecond where something begins or ends, or anywhere, forth and back.
      const Item& some = *catalog->Get(ItemId{1 + random.Below(catalog->size())});
      if (Chance(random, 0.3) && some.expires_at) {
        now = *some.expires_at;
      } else if (Chance(random, 0.3) && some.published_at) {
        now = *some.published_at;
      } else {
        now.ms += (static_cast<int64_t>(random.Below(20)) - 9) * kHourMs;
      }
      if (Chance(random, 0.5)) {
        CatalogBuilder next(*catalog);
        const uint64_t id = 1 + random.Below(size + 1);
        if (id <= catalog->size() + 1) next.Put(RandomShopItem(random, id, size, kShopOpens));
        catalog = next.Build();
      }
    }
  }
  std::printf("[  cases   ] %llu prefilters, %llu items, %llu allowed\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(compared), static_cast<unsigned long long>(allowed_count));
  EXPECT_GT(allowed_count, compared / 50);
}

}  // namespace
}  // namespace rapport

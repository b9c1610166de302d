// The catalogue: old versions stay as they were, chunks are shared, variants group.
#include "data/catalog.h"

#include <gtest/gtest.h>

namespace rapport {
namespace {

Item Make(uint64_t id, const std::string& name, const std::string& variant_of = "") {
  Item item;
  item.id = ItemId{id};
  item.external_id = name;
  item.variant_of = variant_of;
  return item;
}

TEST(CatalogTest, OldVersionsStayAsTheyWere) {
  CatalogBuilder first;
  for (uint64_t i = 1; i <= 3000; ++i) first.Put(Make(i, "item" + std::to_string(i)));
  const auto old_version = first.Build();
  CatalogBuilder second(*old_version);
  Item changed = Make(2500, "item2500");
  changed.stock = 0;
  second.Put(changed);
  second.Put(Make(3001, "new"));
  const auto new_version = second.Build();
  EXPECT_FALSE(old_version->Get(ItemId{2500})->stock);
  EXPECT_EQ(new_version->Get(ItemId{2500})->stock, 0);
  EXPECT_EQ(old_version->Find("new"), nullptr);
  EXPECT_EQ(new_version->Find("new")->id, ItemId{3001});
  EXPECT_EQ(new_version->Get(ItemId{7}), old_version->Get(ItemId{7})) << "untouched items are shared";
  EXPECT_GT(new_version->version(), old_version->version());
  EXPECT_EQ(new_version->Get(ItemId{0}), nullptr);
  EXPECT_EQ(new_version->Get(ItemId{99999}), nullptr);
}

TEST(CatalogTest, VariantsOfOneProductShareAGroup) {
  CatalogBuilder builder;
  builder.Put(Make(1, "shirt-red", "shirt"));
  builder.Put(Make(2, "shirt-blue", "shirt"));
  builder.Put(Make(3, "shirt"));
  builder.Put(Make(4, "hat"));
  const auto catalog = builder.Build();
  EXPECT_EQ(catalog->VariantGroup(ItemId{1}), catalog->VariantGroup(ItemId{2}));
  EXPECT_EQ(catalog->VariantGroup(ItemId{1}), catalog->VariantGroup(ItemId{3})) << "the product itself too";
  EXPECT_NE(catalog->VariantGroup(ItemId{1}), catalog->VariantGroup(ItemId{4}));
}

}  // namespace
}  // namespace rapport

// What items and customers are described as: equal things alike, different ones apart, and hashes that never change.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/content/attributes.h"

namespace rapport {
namespace {

bool Has(const std::vector<uint64_t>& tokens, const char* token) {
  return std::binary_search(tokens.begin(), tokens.end(), HashToken(token));
}

TEST(DescribeItemTest, SpeaksOfTitleCategoriesTagsPriceAndAttributes) {
  Item item;
  item.title = "Red Mug, RED";
  item.categories = {"kitchen", "mugs"};
  item.tags = {"gift"};
  item.price = Decimal{400, 2};
  item.attributes = {{"brand", std::string("Acme")},
                     {"soft", true},
                     {"hard", false},
                     {"size", 4.5},
                     {"parts", std::vector<std::string>{"x", "y"}}};
  item.embedding = {1, 2};
  WordBreaker words;
  const AttributeItem out = DescribeItem(item, words);
  for (const char* token : {"w:red", "w:mug", "c:kitchen", "c:mugs", "g:gift", "k:product", "p:4", "a:brand=Acme",
                            "a:soft", "a:parts=x", "a:parts=y"}) {
    EXPECT_TRUE(Has(out.tokens, token)) << token;
  }
  EXPECT_EQ(out.tokens.size(), 11u) << "each once";
  EXPECT_TRUE(std::is_sorted(out.tokens.begin(), out.tokens.end()));
  EXPECT_EQ(out.price, 4.0f);
  EXPECT_EQ(out.category, HashToken("c:kitchen"));
  EXPECT_EQ(out.embedding, (std::vector<float>{1, 2}));
  EXPECT_EQ(DescribeItem(Item{}, words).price, 0);
}

TEST(DescribeCustomerTest, SpeaksOfTraitsButNotOfProse) {
  Profile profile;
  profile.country = "France";
  profile.locale = "fr-FR";
  profile.traits = {{"plan", std::string("gold")}, {"age", 40.0}, {"vip", true}, {"note", std::string(100, 'x')}};
  const std::vector<uint64_t> tokens = DescribeCustomer(profile);
  for (const char* token : {"country=France", "locale=fr-FR", "plan=gold", "vip", "age~10"}) {
    EXPECT_TRUE(Has(tokens, token)) << token;
  }
  EXPECT_EQ(tokens.size(), 5u);
  EXPECT_TRUE(DescribeCustomer(Profile{}).empty());
}

TEST(HashTokenTest, NeverChanges) {
  EXPECT_EQ(HashToken("country=France"), HashToken(std::string("country=") + "France"));
  EXPECT_NE(HashToken("w:a"), HashToken("c:a"));
  EXPECT_EQ(HashToken(""), 0xf52a15e9a9b5e89bull) << "kept in model files";
}

}  // namespace
}  // namespace rapport

// The file of item factors: what goes out comes back bit for bit, and what is wrong is said with its line.
#include "server/factors_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/random.h"

namespace rapport {
namespace {

FactorTable SmallTable() {
  FactorTable table;
  table.options.factors = 2;
  table.options.unobserved_weight = 0.3;
  table.options.regularization = 0.0003;
  table.history_half_life_days = 45.5;
  table.trained_until = Timestamp{1'600'000'000'123};
  table.customers = 7;
  table.item_ids = {"85123A", "a \"quoted\" \n id", "ä"};
  table.factors = {0.1f, -2e-30f, 0, 3.4e38f, -0.0f, 1.1754944e-38f};
  return table;
}

void ExpectSame(const FactorTable& a, const FactorTable& b) {
  EXPECT_EQ(a.options.factors, b.options.factors);
  EXPECT_EQ(a.options.unobserved_weight, b.options.unobserved_weight);
  EXPECT_EQ(a.options.regularization, b.options.regularization);
  EXPECT_EQ(a.options.regularization_power, b.options.regularization_power);
  EXPECT_EQ(a.history_half_life_days, b.history_half_life_days);
  EXPECT_EQ(a.trained_until, b.trained_until);
  EXPECT_EQ(a.customers, b.customers);
  EXPECT_EQ(a.item_ids, b.item_ids);
  ASSERT_EQ(a.factors.size(), b.factors.size());
  for (size_t i = 0; i < a.factors.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(a.factors[i]), std::bit_cast<uint32_t>(b.factors[i])) << a.factors[i];
  }
}

TEST(FactorsFileTest, GoesOutAndComesBackBitForBit) {
  const std::string text = FormatFactors(SmallTable());
  EXPECT_TRUE(text.starts_with(kFactorsFileStart)) << text;
  const auto back = ParseFactors(text);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  ExpectSame(SmallTable(), *back);

  FactorTable large = SmallTable();
  large.options.factors = 16;
  large.item_ids.clear();
  large.factors.clear();
  Random random(3);
  for (int item = 0; item < 2000; ++item) {
    large.item_ids.push_back("item " + std::to_string(item));
    for (int k = 0; k < 16; ++k) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(random.Below(uint64_t{1} << 32)));
      large.factors.push_back(std::isfinite(value) ? value : 1.0f);
    }
  }
  ExpectSame(large, *ParseFactors(FormatFactors(large)));
}

TEST(FactorsFileTest, TakesWhatOthersWrite) {
  const auto good = ParseFactors(
      "{\"trainedUntil\": \"2011-09-30\", \"items\": 2, \"factors\": 1, \"rapportFactors\": 1, \"halfLifeDays\": 90, "
      "\"unobservedWeight\": 1, \"regularization\": 0.1}\r\n"
      "{\"factor\": [0.10000000149011612], \"itemId\": \"a\"}\r\n\n"
      "{\"itemId\": 17, \"factor\": [2]}");
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_EQ(good->item_ids, (std::vector<std::string>{"a", "17"}));
  EXPECT_EQ(good->factors, (std::vector<float>{0.1f, 2.0f}));
  EXPECT_EQ(good->options.regularization_power, 1);
}

TEST(FactorsFileTest, SaysWhatIsWrongAndWhere) {
  const std::string text = FormatFactors(SmallTable());
  const auto replaced = [&text](const std::string& what, const std::string& by) {
    std::string changed = text;
    const size_t at = changed.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return changed.replace(at, what.size(), by);
  };
  const struct {
    std::string text;
    std::string says;
  } cases[] = {
      {"", "empty"},
      {"not json\n", "line 1"},
      {"[1]\n", "line 1"},
      {"{\"itemId\":\"a\"}\n", "rapportFactors"},
      {replaced("\"rapportFactors\":1", "\"rapportFactors\":2"), "rapportFactors must be 1"},
      {replaced("\"factors\":2", "\"factors\":0"), "factors"},
      {replaced("\"factors\":2", "\"factors\":3"), "array of 3 numbers, not 2"},
      {replaced("\"factors\":2", "\"factors\":99999"), "factors"},
      {replaced("\"items\":3", "\"items\":4"), "ends after 3 of 4"},
      {replaced("\"items\":3", "\"items\":2"), "line 4: more items"},
      {replaced("\"unobservedWeight\":0.3", "\"unobservedWeight\":-1"), "unobservedWeight"},
      {replaced("\"regularization\":3e-04", "\"regularization\":0"), "regularization"},
      {replaced("\"regularization\":3e-04", "\"regularization\":\"0.1\""), "regularization"},
      {replaced("\"regularizationPower\":1", "\"regularizationPower\":9"), "regularizationPower"},
      {replaced("\"halfLifeDays\":45.5,", ""), "halfLifeDays is missing"},
      {replaced("\"trainedUntil\"", "\"trainedUntill\""), "trainedUntil"},
      {replaced("\"customers\":7", "\"customers\":7,\"more\":1"), "more"},
      {replaced("[0.1,", "[NaN,"), "line 2"},
      {replaced("[0.1,", "[Infinity,"), "line 2"},
      {replaced("[0.1,", "[1e39,"), "finite"},
      {replaced("[0.1,", "[1e999,"), "line 2"},
      {replaced("[0.1,", "[null,"), "finite"},
      {replaced("[0.1,", "[0.1,0.2,"), "not 3"},
      {replaced("\"itemId\":\"85123A\"", "\"itemId\":\"\""), "itemId"},
      {replaced("\"itemId\":\"85123A\",", ""), "itemId"},
      {replaced("\"factor\":[0.1", "\"factors\":[0.1"), "factors"},
      {text.substr(0, text.size() - 3), "line 4"},
  };
  for (const auto& one : cases) {
    const auto parsed = ParseFactors(one.text);
    ASSERT_FALSE(parsed.ok()) << one.text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(one.says), std::string::npos)
        << parsed.status().message() << " does not say " << one.says;
  }
  // Cut anywhere, it is refused or, at the end of its last line, complete.
  for (size_t cut = 0; cut < text.size() - 1; ++cut) EXPECT_FALSE(ParseFactors(text.substr(0, cut)).ok()) << cut;
}

}  // namespace
}  // namespace rapport

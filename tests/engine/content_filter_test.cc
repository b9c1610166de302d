// The filter language: what it accepts, what it says when it does not, what it means; and that its three forms agree:
// item by item, as a bitmap (fresh, and followed through catalogue changes), and printed and parsed again.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/limits.h"
#include "base/random.h"
#include "data/catalog.h"
#include "engine/content/catalog_index.h"
#include "engine/content/filter.h"
#include "engine/content/filter_cache.h"

namespace rapport {
namespace {

Item Teapot() {
  Item item;
  item.id = ItemId{1};
  item.external_id = "22423";
  item.title = "REGENCY TEAPOT";
  item.categories = {"kitchen", "gift wrap"};
  item.tags = {"new"};
  item.price = Decimal{1275, 2};
  item.stock = 3;
  item.catalogued = true;
  item.published_at = Timestamp{1'000'000'000'000};
  item.attributes["colour"] = std::string("pink");
  item.attributes["weight kg"] = 1.5;
  item.attributes["fragile"] = true;
  item.attributes["sizes"] = std::vector<std::string>{"S", "M"};
  return item;
}

bool Match(const std::string& text, const Item& item = Teapot(), const ItemSetEntry* customer = nullptr) {
  const Result<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
  return filter.ok() && filter->Matches(item, customer);
}

std::string ErrorOf(const std::string& text) {
  const Result<Filter> filter = Filter::Parse(text);
  EXPECT_FALSE(filter.ok()) << text;
  if (filter.ok()) return "";
  EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
  return filter.status().message();
}

TEST(FilterTest, ComparesEveryFieldWithItsType) {
  EXPECT_TRUE(Match("itemId = '22423' AND kind = 'product' AND title >= 'R'"));
  EXPECT_TRUE(Match("price <= 12.75 and price >= 12.750 and price > 12.7499"));
  EXPECT_TRUE(Match("category = 'kitchen' AND NOT categories IN ('toys', 'games')"));
  EXPECT_TRUE(Match("tag IN ('old', 'new') AND tags != 'old'"));
  EXPECT_TRUE(Match("stock > 0 AND available AND available = TRUE AND available != false"));
  EXPECT_TRUE(Match("publishedAt < '2024-01-01' AND publishedAt >= 2001-09-09T01:46:40Z"));
  EXPECT_TRUE(Match("attributes.colour = 'pink' AND attributes.'weight kg' < 2 AND attributes.fragile"));
  EXPECT_TRUE(Match("attributes.sizes = 'M' AND attributes.sizes != 'XL' AND attributes.colour NOT IN ('red')"));
  EXPECT_FALSE(Match("NOT (price <= 20 OR stock = 0)"));
  EXPECT_TRUE(Match("  "));
  EXPECT_TRUE(Match("title != 'it''s'"));
}

TEST(FilterTest, PrecedenceIsNotThenAndThenOr) {
  EXPECT_TRUE(Match("stock = 3 OR stock = 4 AND stock = 5"));
  EXPECT_FALSE(Match("(stock = 3 OR stock = 4) AND stock = 5"));
  EXPECT_FALSE(Match("NOT stock = 3 AND stock = 3"));
  EXPECT_TRUE(Match("NOT stock = 4 AND stock = 3"));
}

TEST(FilterTest, EveryComparisonWithWhatIsMissingIsFalse) {
  for (const std::string field : {"margin", "attributes.none"}) {
    for (const std::string op : {" = 1", " != 1", " < 1", " <= 1", " > 1", " >= 1", " IN (1)"}) {
      EXPECT_FALSE(Match(field + op)) << field << op;
      EXPECT_TRUE(Match("NOT " + field + op)) << field << op;
    }
  }
  EXPECT_FALSE(Match("language != 'en'"));
  EXPECT_FALSE(Match("audience != 'dealers'"));
  EXPECT_FALSE(Match("expiresAt > '2000-01-01'"));
  EXPECT_FALSE(Match("attributes.colour != 5"));  // a text is not a number, neither equal nor unequal
  EXPECT_FALSE(Match("attributes.none"));
}

TEST(FilterTest, CustomerFieldsSpeakOfTheCustomerAtHand) {
  const ItemSetEntry bought{ItemId{1}, false, true, 1}, returned{ItemId{1}, true, true, 0};
  EXPECT_TRUE(Match("NOT viewed AND NOT ordered AND NOT owned"));
  EXPECT_TRUE(Match("ordered AND owned AND NOT viewed", Teapot(), &bought));
  EXPECT_TRUE(Match("ordered = true AND owned = FALSE AND viewed != false", Teapot(), &returned));
}

TEST(FilterTest, NumbersOfTheItemAreComparedExactly) {
  Item item = Teapot();
  item.price = Decimal{999'999'999'999'999'999, 0};
  EXPECT_TRUE(Match("price > 999999999.999999999", item));
  item.price = Decimal{3, 1};  // 0.1 + 0.2 in binary is not 0.3
  EXPECT_TRUE(Match("price = 0.300000000", item));
  EXPECT_FALSE(Match("price != 0.3", item));
  item.stock = INT64_MAX;
  EXPECT_TRUE(Match("stock > 0.5", item));
}

TEST(FilterTest, ErrorsNameThePositionAndWhatWasExpected) {
  const std::pair<std::string, std::string> cases[] = {
      {"price <", "at byte 7: expected a number, found the end"},
      {"price < 'ten'", "at byte 8: expected a number, found the text 'ten'"},
      {"cost < 10", "at byte 0: expected a field such as"},
      {"price ~ 10", "at byte 6: expected =, !=, <"},
      {"(stock = 1", "at byte 10: expected AND, OR or ')', found the end"},
      {"stock = 1)", "at byte 9: expected AND, OR or the end, found ')'"},
      {"stock = 1 stock = 2", "at byte 10: expected AND, OR or the end"},
      {"title = 'open", "at byte 8: expected a text in single quotes, found a text without its closing quote"},
      {"tag < 'a'", "at byte 0: this field can be compared with = and != only"},
      {"price IN ()", "at byte 10: expected a number, found ')'"},
      {"price IN (1", "at byte 11: expected ',' or ')'"},
      {"price NOT 1", "at byte 10: expected IN"},
      {"publishedAt > 'soon'", "at byte 14: bad time"},
      {"price = 1.2.3", "at byte 8: bad number"},
      {"price = 1e99", "at byte 8: bad number"},
      {"attributes", "at byte 10: expected '.' and the name"},
      {"attributes.", "at byte 11: expected the name"},
      {"AND", "at byte 0: expected a field"},
      {"available IN (TRUE)", "IN is for texts"},
      {"title = \"x\"", "at byte 8: expected a text in single quotes"},
      {"stock = 1; drop", "at byte 9: expected AND, OR or the end"},
      {"title = '\xff'", "at byte 9: not UTF-8"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_NE(ErrorOf(text).find(message), std::string::npos) << text << " -> " << ErrorOf(text);
  }
}

TEST(FilterTest, SizeAndDepthAreBounded) {
  const auto nested = [](size_t depth, const std::string& open, const std::string& close) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += open;
    text += "stock = 1";
    for (size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  EXPECT_TRUE(Filter::Parse(nested(limits::kFilterDepthMax, "(", ")")).ok());
  EXPECT_NE(ErrorOf(nested(1000, "(", ")")).find("at byte 32: nested deeper than 32"), std::string::npos);
  EXPECT_NE(ErrorOf(nested(1000, "NOT ", "")).find("nested deeper than 32"), std::string::npos);
  EXPECT_NE(ErrorOf(nested(8000, "(", "")).find("nested deeper than 32"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(limits::kFilterBytesMax + 1, ' ')).find("longer than"), std::string::npos);
  std::string list = "stock IN (1";
  for (int i = 0; i < 600; ++i) list += ",1";
  EXPECT_NE(ErrorOf(list + ")").find("more than 512 conditions"), std::string::npos);
}

// ---- Properties over random filters and items --------------------------------------------------------------------

const std::vector<std::string> kWords = {"a", "b", "new", "it's", "ü", ""};
const std::string& Word(Random& random) { return kWords[random.Below(kWords.size())]; }

Item RandomItem(Random& random, uint64_t id) {
  Item item;
  item.id = ItemId{id};
  item.external_id = "i" + std::to_string(id);
  item.kind = Word(random);
  item.title = Word(random);
  item.language = Word(random);
  for (uint64_t i = random.Below(3); i > 0; --i) item.categories.push_back(Word(random));
  for (uint64_t i = random.Below(3); i > 0; --i) item.tags.push_back(Word(random));
  for (uint64_t i = random.Below(2); i > 0; --i) item.audience.push_back(Word(random));
  if (random.Below(2))
    item.price = Decimal{static_cast<int64_t>(random.Below(50)) - 5, static_cast<uint8_t>(random.Below(3))};
  if (random.Below(2)) item.stock = static_cast<int64_t>(random.Below(4));
  item.available = random.Below(2) == 0;
  if (random.Below(2)) item.published_at = Timestamp{static_cast<int64_t>(random.Below(4)) * kDayMs};
  if (random.Below(2)) item.expires_at = Timestamp{static_cast<int64_t>(random.Below(4)) * kDayMs + 1};
  switch (random.Below(5)) {
    case 0: item.attributes["x"] = Word(random); break;
    case 1: item.attributes["x"] = static_cast<double>(random.Below(5)) / 2; break;
    case 2: item.attributes["x"] = random.Below(2) == 0; break;
    case 3: item.attributes["x"] = std::vector<std::string>{Word(random), Word(random)}; break;
    default: break;
  }
  return item;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
  return quoted + "'";
}

std::string RandomCondition(Random& random) {
  static const std::vector<std::string> kOperators = {"=", "!=", "<", "<=", ">", ">="};
  const std::string any_op = kOperators[random.Below(6)], equality = kOperators[random.Below(2)];
  const auto number = [&] {
    return std::to_string(random.Below(5)) + (random.Below(2) ? "." + std::to_string(random.Below(100)) : "");
  };
  const auto in = [&](auto literal) {
    return std::string(random.Below(2) ? " IN (" : " NOT IN (") + literal() + ", " + literal() + ")";
  };
  const auto text = [&] { return Quoted(Word(random)); };
  const auto time = [&] {
    return "'1970-01-0" + std::to_string(1 + random.Below(5)) + (random.Below(2) ? "'" : "T00:00:00.001Z'");
  };
  switch (random.Below(9)) {
    case 0: return std::vector<std::string>{"kind", "title", "language", "itemId"}[random.Below(4)] + any_op + text();
    case 1: return std::vector<std::string>{"category", "tags", "audience"}[random.Below(3)] + equality + text();
    case 2: return std::vector<std::string>{"price", "stock", "margin"}[random.Below(3)] + any_op + number();
    case 3: return std::vector<std::string>{"publishedAt", "expiresAt"}[random.Below(2)] + any_op + time();
    case 4: return random.Below(2) ? "available" : "available" + equality + "FALSE";
    case 5:
      return std::vector<std::string>{"viewed", "ordered", "owned"}[random.Below(3)] +
             (random.Below(2) ? "" : " = false");
    case 6: return "attributes.x " + any_op + (random.Below(2) ? number() : text());
    case 7: return std::vector<std::string>{"category", "title", "attributes.'x'"}[random.Below(3)] + in(text);
    default: return "price" + in(number);
  }
}

std::string RandomFilter(Random& random, int depth) {
  if (depth == 0 || random.Below(4) == 0) return RandomCondition(random);
  switch (random.Below(4)) {
    case 0: return "NOT (" + RandomFilter(random, depth - 1) + ")";
    case 1: return "(" + RandomFilter(random, depth - 1) + ")";
    default:
      return RandomFilter(random, depth - 1) + (random.Below(2) ? " AND " : " OR ") + RandomFilter(random, depth - 1);
  }
}

ItemSet RandomItemSet(Random& random, uint64_t items) {
  ItemSet set;
  for (uint64_t id = 1; id <= items; ++id) {
    if (random.Below(4)) continue;
    const bool ordered = random.Below(2) == 0;
    set.push_back({ItemId{id}, random.Below(2) == 0, ordered, ordered ? static_cast<int64_t>(random.Below(2)) : 0});
  }
  return set;
}

TEST(FilterTest, BitmapAgreesWithItemByItemAndPrintingKeepsTheMeaning) {
  constexpr uint64_t kItems = 150;
  Random random(7);
  uint64_t compared = 0, matched = 0, filters = 0;
  for (int round = 0; round < 40; ++round) {
    CatalogBuilder builder;
    for (uint64_t id = 1; id <= kItems; ++id) builder.Put(RandomItem(random, id));
    std::shared_ptr<const Catalog> catalog = builder.Build();
    const ItemSet set = RandomItemSet(random, kItems + 3);
    CatalogIndexCache indexes;
    FilterCache cache(64, 1 << 20);
    std::vector<std::string> texts;
    for (int i = 0; i < 25; ++i) texts.push_back(RandomFilter(random, 4));
    // The second and third pass see changed catalogues through the same cache, so that bitmaps are followed.
    for (int pass = 0; pass < 3; ++pass) {
      const auto index = indexes.Get(catalog);
      for (const std::string& text : texts) {
        const Result<Filter> filter = Filter::Parse(text);
        ASSERT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
        const std::string printed = filter->ToString();
        const Result<Filter> again = Filter::Parse(printed);
        ASSERT_TRUE(again.ok()) << printed << ": " << again.status().ToString();
        EXPECT_EQ(again->ToString(), printed);
        const auto compiled = cache.Get(text, *index);
        ASSERT_TRUE(compiled.ok());
        Bitmap bits(WordsFor(index->bits()), ~uint64_t{0});
        (*compiled)->Restrict(set, bits);
        ++filters;
        // Compiled anew, by columns as soon as the fields have been asked for before: the same; and within its bound.
        const auto anew = CompiledFilter::Make((*compiled)->shared_filter(), *index);
        Bitmap anew_bits(bits.size(), ~uint64_t{0});
        anew->Restrict(set, anew_bits);
        if (!filter->uses_customer()) {
          ASSERT_FALSE(TestBit(anew_bits, 0)) << text;
        }
        for (uint64_t id = 1; id <= catalog->size(); ++id) {
          ASSERT_EQ(TestBit(anew_bits, id), TestBit(bits, id)) << text << " pass " << pass << " item " << id;
          if (TestBit(bits, id)) {
            ASSERT_TRUE(TestBit(anew->Bound(), id)) << text;
            ASSERT_TRUE(TestBit((*compiled)->Bound(), id)) << text;
          }
        }
        ASSERT_EQ(anew->bound_count(), CountBits(anew->Bound()));
        for (uint64_t id = 1; id <= catalog->size(); ++id) {
          const auto entry = std::find_if(set.begin(), set.end(), [id](const auto& e) { return e.item.value == id; });
          const ItemSetEntry* customer = entry == set.end() ? nullptr : &*entry;
          const Item& item = *catalog->Get(ItemId{id});
          const bool expected = filter->Matches(item, customer);
          ASSERT_EQ(TestBit(bits, id), expected) << text << " pass " << pass << " item " << id;
          ASSERT_EQ(again->Matches(item, customer), expected) << text << " printed as " << printed;
          ++compared;
          matched += expected;
        }
      }
      CatalogBuilder next(*catalog);
      for (int change = 0; change < 5; ++change) next.Put(RandomItem(random, 1 + random.Below(kItems)));
      next.Put(RandomItem(random, catalog->size() + 1));
      catalog = next.Build();
    }
  }
  std::printf("[  cases   ] %llu filters, %llu items compared, %.1f %% match\n",
              static_cast<unsigned long long>(filters), static_cast<unsigned long long>(compared),
              100.0 * static_cast<double>(matched) / static_cast<double>(compared));
  EXPECT_GT(matched, compared / 10);
  EXPECT_LT(matched, compared - compared / 10);
}

TEST(FilterTest, RandomBytesNeverParseIntoTrouble) {
  Random random(11);
  const std::string alphabet = "()'=<>!,. 0123456789-ANDORTINprice tagviewed\n\xc3\xbc;\"%";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (uint64_t n = random.Below(40); n > 0; --n) text += alphabet[random.Below(alphabet.size())];
    const Result<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) {
      EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
      EXPECT_FALSE(filter.status().message().empty());
    }
  }
}

// ---- Columns -----------------------------------------------------------------------------------------------------

Item Priced(uint64_t id, int64_t price) {
  Item item;
  item.id = ItemId{id};
  item.external_id = "i" + std::to_string(id);
  item.title = item.external_id;
  item.price = Decimal{price, 0};
  return item;
}

TEST(FilterColumnTest, IsMadeAtTheSecondQuestionAndFollowsTheCatalogue) {
  CatalogBuilder builder;
  for (uint64_t id = 1; id <= 300; ++id) builder.Put(Priced(id, static_cast<int64_t>(id % 7)));
  std::shared_ptr<const Catalog> catalog = builder.Build();
  CatalogIndexCache indexes;
  const Filter cheap = *Filter::Parse("price < 3");
  const FilterColumnKey key{FilterField::kPrice, ""};
  const auto first = indexes.Get(catalog);
  EXPECT_EQ(first->columns()->Get(key, *first), nullptr);
  const auto before = first->columns()->Get(key, *first);
  ASSERT_NE(before, nullptr);
  EXPECT_EQ(before->values(), 7u);
  EXPECT_EQ(first->columns()->Get(key, *first), before);

  CatalogBuilder next(*catalog);
  next.Put(Priced(6, 0));
  next.Put(Priced(7, 100));
  next.Put(Priced(301, 1));
  catalog = next.Build();
  const auto second = indexes.Get(catalog);
  const auto after = second->columns()->Get(key, *second);
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->values(), 8u);
  EXPECT_EQ(before->values(), 7u);  // what is shared does not change
  const auto agrees = [&](const FilterColumn& column) {
    const Bitmap bits = column.Matching(cheap, cheap.root());
    for (uint64_t id = 1; id <= catalog->size(); ++id) {
      if (TestBit(bits, id) != cheap.Matches(*catalog->Get(ItemId{id}), nullptr)) return false;
    }
    return true;
  };
  EXPECT_TRUE(agrees(*after));
  EXPECT_FALSE(agrees(*before)) << "a column of another version would do: this case has lost its teeth";
  EXPECT_EQ(first->columns()->Get(key, *first), nullptr);  // a request that began before the change
}

TEST(FilterColumnTest, FieldsOfManyValuesHaveNone) {
  CatalogBuilder builder;
  for (uint64_t id = 1; id <= FilterColumn::kValuesMax + 1; ++id) builder.Put(Priced(id, 1));
  CatalogIndexCache indexes;
  const auto index = indexes.Get(builder.Build());
  for (int n = 0; n < 3; ++n) {
    const auto column = index->columns()->Get({FilterField::kTitle, ""}, *index);
    EXPECT_EQ(column, nullptr);
    const auto compiled = CompiledFilter::Make(std::make_shared<const Filter>(*Filter::Parse("title = 'i77'")), *index);
    EXPECT_EQ(compiled->bound_count(), 1u);
    EXPECT_TRUE(TestBit(compiled->Bound(), 77));
  }
}

// What a column takes at least: a code for each item, an example for each value.
size_t LeastBytes(const FilterColumn& column, const Catalog& catalog) {
  return 2 * catalog.size() + column.values() * sizeof(Item);
}

// Asked for in any order, over catalogues that change, under bounds that hold all, some and none of them: columns are
// right, and never take more. Broken twin, tried once: a column that counts its codes only goes below LeastBytes.
TEST(FilterColumnTest, AreBoundedByBytes) {
  constexpr uint64_t kItems = 3000, kFields = 12;
  size_t given[3] = {};
  for (size_t size = 0; size < 3; ++size) {
    const size_t bytes_max = size == 0 ? 1u << 24 : size == 1 ? 100'000 : 5'000;
    Random random(size + 1);
    CatalogIndexCache indexes(bytes_max);
    CatalogBuilder builder;
    const auto put = [&](uint64_t id) {
      Item item = Priced(id, 1);
      for (uint64_t f = 0; f < kFields; ++f) {
        item.attributes["f" + std::to_string(f)] = static_cast<double>(random.Below(3 + 5 * f));
      }
      builder.Put(std::move(item));
    };
    for (uint64_t id = 1; id <= kItems; ++id) put(id);
    for (int step = 0; step < 300; ++step) {
      if (step % 20 == 0) put(1 + random.Below(kItems + 50));
      const auto catalog = builder.Build();
      builder = CatalogBuilder(*catalog);
      const auto index = indexes.Get(catalog);
      const std::string field = "f" + std::to_string(random.Below(kFields));
      const auto column = index->columns()->Get({FilterField::kAttribute, field}, *index);
      ASSERT_LE(index->columns()->bytes(), bytes_max);
      if (column == nullptr) continue;
      ++given[size];
      ASSERT_GE(column->bytes(), LeastBytes(*column, *catalog));
      const Filter filter = *Filter::Parse("attributes." + field + " < 2");
      const Bitmap bits = column->Matching(filter, filter.root());
      for (uint64_t id = 1; id <= catalog->size(); ++id) {
        const Item* item = catalog->Get(ItemId{id});
        ASSERT_EQ(TestBit(bits, id), item != nullptr && filter.Matches(*item, nullptr));
      }
    }
  }
  EXPECT_EQ(given[0], 300 - kFields) << "room for all: each from its second question on";
  EXPECT_GT(given[1], 0u);
  EXPECT_LT(given[1], given[0]);
  EXPECT_EQ(given[2], kFields) << "none fits: made once, given to who asked, never again";
}

TEST(FilterCacheTest, IsBoundedByEntriesAndBytes) {
  CatalogBuilder builder;
  builder.Put(Teapot());
  CatalogIndexCache indexes;
  const auto index = indexes.Get(builder.Build());
  FilterCache cache(4, 1 << 20), tiny(100, 20);
  for (int i = 0; i < 100; ++i) {
    const std::string text = "stock = " + std::to_string(i);
    for (FilterCache* each : {&cache, &tiny}) {
      Bitmap bits(WordsFor(index->bits()), ~uint64_t{0});
      (*each->Get(text, *index))->Restrict({}, bits);
      EXPECT_EQ(TestBit(bits, 1), i == 3);
    }
  }
  EXPECT_LE(cache.entries(), 4u);
  EXPECT_LE(tiny.bytes(), 20u);
}

}  // namespace
}  // namespace rapport

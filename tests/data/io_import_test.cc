#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"
#include "tests/data/io_fakes.h"

namespace rapport {
namespace {

using testing::CountsAddUp;
using testing::MemoryOperationSink;
using testing::RejectList;
using testing::TestImportOptions;

constexpr char kShopMapping[] = R"({
  "name": "shop",
  "columns": ["order", "sku", "title", "count", "time", "price", "user", "country"],
  "required": ["order", "sku"],
  "read_as_empty": {"title": ["nan"]},
  "event": {
    "time": {"column": "time", "format": "YYYY-MM-DD hh:mm:ss", "zone": "Europe/London"},
    "order_id": "{order}", "item": "{sku}", "quantity": "count", "price": "price",
    "types": [{"when": {"column": "count", "less_than": 0}, "type": "refunded"}, {"type": "ordered"}]
  },
  "item": {"when": {"column": "price", "greater_than": 0}, "id": "{sku}", "title": "{title}", "price": "price",
           "hidden_when": [{"column": "sku", "starts_with_digits": 5, "not": true}]},
  "customer": {"user": "{user}", "anonymous": "invoice:{order}", "country": "{country}"}
})";
constexpr char kHeader[] = "order,sku,title,count,time,price,user,country\n";

struct Outcome {
  Status status;
  ImportCounts counts;
  std::vector<testing::KeptReject> rejects;
};

Outcome ImportText(OperationSink& sink, const std::string& text, const std::string& mapping_text = kShopMapping,
                   ImportOptions options = TestImportOptions(), size_t block_bytes = 1 << 16) {
  const EventTable table = DefaultEventTable();
  Result<Mapping> mapping = ParseMapping(mapping_text, table);
  EXPECT_TRUE(mapping.ok()) << mapping.status().ToString();
  RejectList rejects;
  Importer importer(sink, table, options, rejects.Callback());
  MemorySource source(text, block_bytes, "orders.csv");
  const Status status = importer.ImportCsv(source, *mapping);
  return {status, importer.counts(), rejects.list};
}

TEST(ImportTest, ARowBecomesAnEventAnItemAndAProfile) {
  MemoryOperationSink sink;
  const Outcome outcome =
      ImportText(sink, std::string(kHeader) + "7,12345A, Red mug ,2,2010-07-01 12:00:00,2.50,u1,France\n");
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  EXPECT_EQ(outcome.counts.accepted, 1u);
  ASSERT_EQ(sink.events.size(), 1u);
  const AppendEvent& append = sink.events[0];
  EXPECT_EQ(append.customer.external_id, "u1");
  EXPECT_EQ(append.event.type, EventType::kOrdered);
  EXPECT_EQ(append.event.name, "Order Completed");
  EXPECT_EQ(append.event.order_id, "7");
  EXPECT_EQ(FormatRfc3339(append.event.time), "2010-07-01T11:00:00Z");  // British summer time
  ASSERT_EQ(append.lines.size(), 1u);
  EXPECT_EQ(append.lines[0].item, "12345A");
  EXPECT_EQ(append.lines[0].quantity, 2);
  EXPECT_EQ(FormatDecimal(*append.lines[0].price), "2.50");
  EXPECT_EQ(append.event.properties, R"({"country":"France","title":" Red mug "})");
  ASSERT_EQ(sink.items.size(), 1u);
  EXPECT_EQ(sink.items.at("12345A").title, "Red mug");
  EXPECT_FALSE(sink.items.at("12345A").hidden);
  EXPECT_EQ(sink.profiles.at({CustomerNamespace::kUser, "u1"}).country, "France");
}

TEST(ImportTest, NegativeQuantityIsARefundAndNoCustomerIsOnePerOrder) {
  MemoryOperationSink sink;
  ImportText(sink, std::string(kHeader) +
                       "8,POST,postage,-1,2010-01-01 12:00:00,5,,France\n9,POST,,1,2010-01-01 12:00:00,5,,France\n");
  ASSERT_EQ(sink.events.size(), 2u);
  EXPECT_EQ(sink.events[0].event.type, EventType::kRefunded);
  EXPECT_EQ(sink.events[0].lines[0].quantity, -1);
  EXPECT_EQ(sink.events[0].customer, (CustomerRef{CustomerNamespace::kAnonymous, "invoice:8"}));
  EXPECT_EQ(sink.events[1].customer.external_id, "invoice:9");
  EXPECT_TRUE(sink.items.at("POST").hidden);
}

TEST(ImportTest, TheSameRowTwiceInOneFileCountsAndInTwoFilesDoesNot) {
  MemoryOperationSink sink;
  const std::string row = "7,12345,mug,1,2010-01-01 12:00:00,2.5,u1,France\n",
                    last = "9,12345,mug,1,2010-01-01 12:00:00,2.5,u1,France\n";
  Outcome outcome = ImportText(sink, kHeader + row + row + last);
  EXPECT_EQ(outcome.counts.accepted, 3u);
  // Another file: another order of columns, another word for nothing, Windows line ends, and one occurrence more.
  outcome = ImportText(
      sink,
      "\xEF\xBB\xBFsku,order,title,count,time,price,user,country\r\n"
      "12345,7,mug,1,2010-01-01 12:00:00,2.5,u1,France\r\n12345,7,mug,1,2010-01-01 12:00:00,2.5,u1,France\r\n"
      "12345,7,mug,1,2010-01-01 12:00:00,2.5,u1,France\r\n");
  EXPECT_EQ(outcome.counts.duplicates, 2u);
  EXPECT_EQ(outcome.counts.accepted, 1u);
}

TEST(ImportTest, TheSameImportTwiceChangesNothing) {
  MemoryOperationSink sink;
  std::string text = kHeader;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i / 5) + "," + std::to_string(10000 + i % 37) + ",title " + std::to_string(i % 11) +
            ",1,2010-01-01 12:00:00," + std::to_string(1 + i % 7) + ",u" + std::to_string(i % 100) + ",c" +
            std::to_string(i % 3) + "\n";
  }
  const Outcome first = ImportText(sink, text);
  EXPECT_EQ(first.counts.accepted, 5000u);
  EXPECT_EQ(first.counts.items_put, 37u);
  const size_t changes = sink.changes;
  const Outcome second = ImportText(sink, text);
  EXPECT_EQ(second.counts.duplicates, 5000u);
  EXPECT_EQ(sink.changes, changes);
}

TEST(ImportTest, AnItemThatIsInTheCatalogueIsLeftAloneUnlessTheMappingSaysReplace) {
  MemoryOperationSink sink;
  Item curated;
  curated.external_id = "12345";
  curated.title = "Curated";
  sink.items["12345"] = curated;
  const std::string text = std::string(kHeader) + "7,12345,mug,1,2010-01-01 12:00:00,2.5,u1,France\n";
  ImportText(sink, text);
  EXPECT_EQ(sink.items.at("12345").title, "Curated");
  std::string replacing = kShopMapping;
  replacing.replace(replacing.find("\"id\": \"{sku}\""), 13, "\"id\": \"{sku}\", \"existing\": \"replace\"");
  ImportText(sink, text, replacing);
  EXPECT_EQ(sink.items.at("12345").title, "mug");
}

TEST(ImportTest, WhatTheFieldsDoNotGiveBackStaysInTheProperties) {
  MemoryOperationSink sink;
  // The hour that the clocks skip, a quantity with zeros in front, an amount in scientific form, a word for nothing.
  ImportText(sink, std::string(kHeader) + "7,12345,nan,007,2010-03-28 01:30:00,25e-1,u1,France\n");
  ASSERT_EQ(sink.events.size(), 1u);
  EXPECT_EQ(sink.events[0].event.properties.find("\"order\""), std::string::npos);
  EXPECT_NE(sink.events[0].event.properties.find(R"("count":"007")"), std::string::npos);
  EXPECT_NE(sink.events[0].event.properties.find(R"("price":"25e-1")"), std::string::npos);
  EXPECT_NE(sink.events[0].event.properties.find(R"("time":"2010-03-28 01:30:00")"), std::string::npos);
  EXPECT_NE(sink.events[0].event.properties.find(R"("title":"nan")"), std::string::npos);
}

TEST(ImportTest, EachBadRowIsRejectedWithItsLineAndReasonAndTheOthersGoIn) {
  const std::string long_id(257, 'x');
  const std::vector<std::pair<std::string, std::string>> bad{
      {"7,12345,mug,1,2010-01-01 12:00:00,2.5,u1", "fields"},
      {"7,12345,mug,one,2010-01-01 12:00:00,2.5,u1,France", "count"},
      {"7,12345,mug,1.5,2010-01-01 12:00:00,2.5,u1,France", "count"},
      {"7,12345,mug,99999999999999999999,2010-01-01 12:00:00,2.5,u1,France", "count"},
      {"7,12345,mug,1,2010-02-30 12:00:00,2.5,u1,France", "time"},
      {"7,12345,mug,1,yesterday,2.5,u1,France", "time"},
      {"7,12345,mug,1,1800-01-01 12:00:00,2.5,u1,France", "1900"},
      {"7,12345,mug,1,2300-01-01 12:00:00,2.5,u1,France", "2199"},
      {"7,12345,mug,1,2010-01-01 12:00:00,NaN,u1,France", "price"},
      {"7,12345,mug,1,2010-01-01 12:00:00,1e999,u1,France", "price"},
      {"7,,mug,1,2010-01-01 12:00:00,2.5,u1,France", "sku is empty"},
      {",12345,mug,1,2010-01-01 12:00:00,2.5,,France", "order is empty"},
      {"7,12345,\xC4\xE3\xBA\xC3,1,2010-01-01 12:00:00,2.5,u1,France", "UTF-8"},
      {"7," + long_id + ",mug,1,2010-01-01 12:00:00,2.5,u1,France", "257"},
      {"7,12345,mug,1,2010-01-01 12:00:00,2.5," + long_id + ",France", "userId"},
      {"7,12345,\"a\"b,1,2010-01-01 12:00:00,2.5,u1,France", "closing quote"},
      {"7,12345," + std::string(70000, 'x') + ",1,2010-01-01 12:00:00,2.5,u1,France", "longer"},
      {"7,12345," + std::string(40000, 'x') + ",1,2010-01-01 12:00:00,2.5,u1,France", "properties"},
  };
  std::string text = kHeader;
  for (size_t i = 0; i < bad.size(); ++i) {
    text += bad[i].first + "\n" + std::to_string(i) + ",1234" + std::to_string(i % 10) +
            ",mug,1,2010-01-01 12:00:00,2.5,u1,France\n";
  }
  MemoryOperationSink sink;
  const Outcome outcome = ImportText(sink, text);
  ASSERT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.counts.rows_in, 2 * bad.size());
  EXPECT_EQ(outcome.counts.accepted, bad.size());
  EXPECT_EQ(outcome.counts.rejected, bad.size());
  std::vector<testing::KeptReject> rows;
  for (const auto& reject : outcome.rejects) {
    if (reject.part.empty()) rows.push_back(reject);
  }
  ASSERT_EQ(rows.size(), bad.size());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  for (size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(rows[i].line, 2 + 2 * i);
    EXPECT_NE(rows[i].reason.find(bad[i].second), std::string::npos)
        << rows[i].reason << " should speak of " << bad[i].second;
    EXPECT_EQ(rows[i].raw, bad[i].first.substr(0, rows[i].raw.size()));
  }
}

TEST(ImportTest, OddButGoodIdsGoInAndZeroBytesDoNot) {
  using namespace std::string_literals;
  const std::string id256(256, 'y');
  MemoryOperationSink sink;
  const Outcome outcome = ImportText(
      sink, std::string(kHeader) + "a/b,\xF0\x9F\x98\x80,mug,1,2010-01-01 12:00:00,2.5,u/1?&,France\n7," + id256 +
                ",mug,1,2010-01-01 12:00:00,2.5,\"\",France\n" + "8,z\0z,mug,1,2010-01-01 12:00:00,2.5,u\0,France\n"s);
  EXPECT_EQ(outcome.counts.accepted, 2u);
  ASSERT_EQ(sink.events.size(), 2u);
  EXPECT_EQ(sink.events[0].lines[0].item, "\xF0\x9F\x98\x80");
  EXPECT_EQ(sink.events[1].lines[0].item, id256);
  // No id may hold a zero byte; the row says so, and nothing of it was sent.
  ASSERT_EQ(outcome.rejects.size(), 1u);
  EXPECT_NE(outcome.rejects[0].reason.find("zero byte"), std::string::npos) << outcome.rejects[0].reason;
  EXPECT_EQ(sink.items.size(), 2u);
}

TEST(ImportTest, ALastLineWithoutEndIsRejectedBecauseItMayBeCut) {
  const std::string good = "7,12345,mug,1,2010-01-01 12:00:00,2.5,u1,France\n";
  for (size_t cut = 1; cut < good.size(); ++cut) {
    MemoryOperationSink sink;
    const Outcome outcome = ImportText(sink, kHeader + good + good.substr(0, cut));
    ASSERT_TRUE(outcome.status.ok());
    EXPECT_EQ(outcome.counts.accepted, 1u);
    EXPECT_EQ(outcome.counts.rejected, 1u) << cut;
    EXPECT_EQ(outcome.rejects[0].line, 3u);
  }
  std::string accepting = kShopMapping;
  accepting.insert(1, "\"unterminated_last_line\": \"accept\",");
  MemoryOperationSink sink;
  EXPECT_EQ(ImportText(sink, kHeader + good.substr(0, good.size() - 1), accepting).counts.accepted, 1u);
}

TEST(ImportTest, AWrongHeaderIsAnErrorThatNamesTheColumns) {
  MemoryOperationSink sink;
  EXPECT_NE(ImportText(sink, "order,sku\n1,2\n").status.message().find("'title'"), std::string::npos);
  EXPECT_NE(ImportText(sink, "order,sku,title,count,time,price,user,country,extra\n").status.message().find("'extra'"),
            std::string::npos);
  EXPECT_NE(ImportText(sink, "order,sku,title,count,time,price,user,country,order\n").status.message().find("twice"),
            std::string::npos);
  EXPECT_TRUE(ImportText(sink, "").status.ok());
  EXPECT_TRUE(ImportText(sink, kHeader).status.ok());
}

TEST(ImportTest, AFailingSinkStopsTheRunAndSaysWhatIsStored) {
  std::string text = kHeader;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + ",12345,mug,1,2010-01-01 12:00:00,2.5,u1,France\n";
  MemoryOperationSink sink;
  sink.fail_at_batch = 3;
  ImportOptions options = TestImportOptions();
  options.batch_operations = 100;
  const Outcome outcome = ImportText(sink, text, kShopMapping, options);
  EXPECT_EQ(outcome.status.code(), StatusCode::kUnavailable);
  EXPECT_NE(outcome.status.message().find("the disk is gone"), std::string::npos);
  const uint64_t stored = outcome.counts.accepted;
  EXPECT_NE(outcome.status.message().find("line " + std::to_string(stored + 1)), std::string::npos)
      << outcome.status.message() << stored;
  EXPECT_NE(outcome.status.message().find("again"), std::string::npos);
  EXPECT_GT(outcome.counts.unknown, 0u);
  EXPECT_TRUE(CountsAddUp(outcome.counts));
  sink.fail_at_batch = 0;
  const Outcome again = ImportText(sink, text, kShopMapping, options);
  EXPECT_EQ(again.counts.duplicates, stored);
  EXPECT_EQ(again.counts.accepted, 1000 - stored);
  EXPECT_EQ(sink.items.size(), 1u);
}

TEST(ImportTest, BatchesAreBounded) {
  std::string text = kHeader;
  for (int i = 0; i < 1000; ++i)
    text += std::to_string(i) + "," + std::to_string(10000 + i) + ",mug,1,2010-01-01 12:00:00,2.5,,France\n";
  MemoryOperationSink sink;
  ImportOptions options = TestImportOptions();
  options.batch_operations = 64;
  ImportText(sink, text, kShopMapping, options);
  EXPECT_EQ(sink.items.size(), 1000u);
  EXPECT_LE(sink.largest_batch, 64u);
}

// Whatever happens to the bytes of a file, every row of it is accepted, a duplicate or rejected.
TEST(ImportPropertyTest, CountsAddUpUnderRandomDamage) {
  Random random(3);
  std::string good = kHeader;
  for (int i = 0; i < 60; ++i) {
    good += std::to_string(i / 3) + ",1234" + std::to_string(i % 10) +
            ",\"a, \"\"b\"\"\nc\",1,2010-01-01 12:00:00,2.5,u" + std::to_string(i % 5) + ",France\n";
  }
  size_t rejected = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text = good;
    for (uint64_t n = 1 + random.Below(5); n > 0; --n) {
      const size_t at = std::string(kHeader).size() + random.Below(text.size() - std::string(kHeader).size());
      switch (random.Below(4)) {
        case 0: text[at] = static_cast<char>(random.Below(256)); break;
        case 1: text.erase(at, 1 + random.Below(20)); break;
        case 2: text.insert(at, 1, "\",\n\r\0x"[random.Below(6)]); break;
        default: text.resize(std::max(at, text.size() * 3 / 4)); break;
      }
      if (text.size() < 100) break;
    }
    MemoryOperationSink sink;
    ImportOptions options = TestImportOptions();
    options.batch_operations = 1 + random.Below(50);
    options.row_bytes_max = 100 + random.Below(500);
    const Outcome outcome = ImportText(sink, text, kShopMapping, options, 1 + random.Below(100));
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.ToString();
    ASSERT_TRUE(CountsAddUp(outcome.counts));
    ASSERT_EQ(outcome.counts.unknown, 0u);
    ASSERT_EQ(outcome.counts.accepted, sink.events.size());
    ASSERT_EQ(outcome.counts.rejected,
              static_cast<uint64_t>(std::count_if(outcome.rejects.begin(), outcome.rejects.end(),
                                                  [](const auto& r) { return r.part.empty(); })));
    rejected += outcome.counts.rejected;
    // One broken byte costs few rows, never the rest of the file.
    ASSERT_LE(outcome.counts.rejected, 60u);
  }
  EXPECT_GT(rejected, 400u);
}

TEST(MappingTest, MistakesAreNamed) {
  const EventTable table = DefaultEventTable();
  const auto why = [&](const std::string& text) {
    const Result<Mapping> mapping = ParseMapping(text, table);
    return mapping.ok() ? std::string("no error") : mapping.status().message();
  };
  EXPECT_NE(why("{").find("not JSON"), std::string::npos);
  EXPECT_NE(why(R"({"colums": []})").find("colums"), std::string::npos);
  EXPECT_NE(why(R"({"columns": ["a", "a"], "item": {"id": "{a}"}})").find("twice"), std::string::npos);
  EXPECT_NE(why(R"({"columns": ["a"], "item": {"id": "{b}"}})").find("'b'"), std::string::npos);
  EXPECT_NE(why(R"({"columns": ["a"], "item": {"id": "{a"}})").find("not closed"), std::string::npos);
  EXPECT_NE(why(R"({"columns": ["a"], "item": {}})").find("id"), std::string::npos);
  EXPECT_NE(why(R"({"columns": ["a"]})").find("event"), std::string::npos);
  EXPECT_NE(
      why(R"({"columns": ["a"], "event": {"time": {"column": "a", "zone": "Mars/Base", "format": "YYYY-MM-DD"}, "types": [{"type": "viewed"}]}, "customer": {"user": "{a}"}})")
          .find("Mars"),
      std::string::npos);
  EXPECT_NE(
      why(R"({"columns": ["a"], "event": {"time": {"column": "a"}, "types": [{"type": "veiwed"}]}, "customer": {"user": "{a}"}})")
          .find("veiwed"),
      std::string::npos);
  EXPECT_NE(
      why(R"({"columns": ["a"], "event": {"time": {"column": "a"}, "types": [{"when": {"column": "a"}, "type": "viewed"}]}, "customer": {"user": "{a}"}})")
          .find("exactly one test"),
      std::string::npos);
}

TEST(MappingTest, CatalogueAndProfileFilesHaveMappingsToo) {
  MemoryOperationSink sink;
  Outcome outcome = ImportText(sink, "id;name;tags;left\n1;Tea;hot|green;5\n2;Cake;;x\n",
                               R"({"columns": ["id", "name", "tags", "left"], "separator": ";",
    "item": {"id": "{id}", "title": "{name}", "tags": "{tags}", "list_separator": "|", "stock": "left", "attributes": ["left"]}})");
  EXPECT_EQ(outcome.counts.accepted, 1u);
  EXPECT_EQ(outcome.counts.rejected, 1u);
  EXPECT_EQ(sink.items.at("1").tags, (std::vector<std::string>{"hot", "green"}));
  EXPECT_EQ(sink.items.at("1").stock, 5);
  outcome = ImportText(sink, "id,city\n7,Paris\n,Rome\n",
                       R"({"columns": ["id", "city"], "customer": {"user": "{id}", "traits": ["city"]}})");
  EXPECT_EQ(outcome.counts.accepted, 1u);
  EXPECT_EQ(outcome.counts.rejected, 1u);
  EXPECT_EQ(std::get<std::string>(sink.profiles.at({CustomerNamespace::kUser, "7"}).traits.at("city")), "Paris");
}

}  // namespace
}  // namespace rapport

// Import and export against the real store.
#include <gtest/gtest.h>

#include <algorithm>

#include "data/io/exporter.h"
#include "data/io/json_text.h"
#include "tests/data/io_fakes.h"

namespace rapport {
namespace {

using testing::RejectList;
using testing::TestFolder;

std::unique_ptr<Store> OpenStore(const std::string& folder) {
  Result<std::unique_ptr<Store>> store = Store::Open(folder, StoreOptions{});
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  return store.Take();
}

ImportCounts ImportLines(Store& store, const std::string& text, ImportKind kind) {
  const EventTable table = DefaultEventTable();
  RejectList rejects;
  Importer importer(store, table, testing::TestImportOptions(), rejects.Callback());
  MemorySource source(text);
  const Status status = importer.ImportJsonLines(source, kind);
  EXPECT_TRUE(status.ok()) << status.ToString();
  for (const auto& reject : rejects.list) ADD_FAILURE() << reject.line << ": " << reject.reason;
  return importer.counts();
}

std::string Exported(const Store& store,
                     Result<ExportCounts> (*write)(const Store&, ByteSink&, const ExportProgressCallback&)) {
  MemorySink sink;
  const Result<ExportCounts> counts = write(store, sink, {});
  EXPECT_TRUE(counts.ok()) << counts.status().ToString();
  return sink.text;
}

constexpr char kItems[] =
    R"({"itemId":"a/1","title":"One","price":"2.50","tags":["x"],"updatedAt":"2020-01-01T00:00:00Z"}
{"itemId":"b","kind":"article","hidden":true,"attributes":{"size":3},"embedding":[0.5,1]}
)";
constexpr char kProfiles[] =
    R"({"userId":"u","country":"France","traits":{"age":41},"consents":[{"channel":"email","purpose":"marketing","given":true,"time":"2020-01-01T00:00:00Z"}]}
{"anonymousId":"v","partOf":{"userId":"u"},"personalization":"off"}
)";
constexpr char kEvents[] =
    R"({"type":"track","event":"Order Completed","userId":"u","messageId":"1","timestamp":"2020-01-02T00:00:00Z","properties":{"order_id":"o","products":[{"product_id":"a/1","quantity":2,"price":"2.50"},{"product_id":"new"}]}}
{"type":"track","event":"Product Viewed","anonymousId":"v","messageId":"2","timestamp":"2020-01-01T00:00:00.250Z","properties":{"product_id":"b"}}
{"type":"track","event":"Odd \"one\" 😀","anonymousId":"w","timestamp":"2020-01-03T00:00:00Z"}
)";

TEST(ExportTest, WhatIsExportedFillsAnotherStoreTheSame) {
  const TestFolder folder;
  const std::unique_ptr<Store> first = OpenStore(folder.File("first"));
  EXPECT_EQ(ImportLines(*first, kItems, ImportKind::kItems).accepted, 2u);
  EXPECT_EQ(ImportLines(*first, kProfiles, ImportKind::kProfiles).accepted, 2u);
  EXPECT_EQ(ImportLines(*first, kEvents, ImportKind::kEvents).accepted, 3u);
  const std::string items = Exported(*first, ExportItems), profiles = Exported(*first, ExportProfiles),
                    events = Exported(*first, ExportEventsJson);
  EXPECT_EQ(std::count(items.begin(), items.end(), '\n'), 2);  // "new" is known from an event only
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 3);

  const std::unique_ptr<Store> second = OpenStore(folder.File("second"));
  ImportLines(*second, items, ImportKind::kItems);
  ImportLines(*second, profiles, ImportKind::kProfiles);
  ImportLines(*second, events, ImportKind::kEvents);
  EXPECT_EQ(Exported(*second, ExportItems), items);
  EXPECT_EQ(Exported(*second, ExportEventsJson), events);
  // createdAt is when this store first saw them; all else is the same.
  const auto without_created = [](const std::string& lines) {
    std::string out;
    for (size_t from = 0; from < lines.size();) {
      const size_t end = lines.find('\n', from);
      nlohmann::json object = *ParseJson(std::string_view(lines).substr(from, end - from));
      object.erase("createdAt");
      out += DumpJson(object) + "\n";
      from = end + 1;
    }
    return out;
  };
  EXPECT_EQ(without_created(Exported(*second, ExportProfiles)), without_created(profiles));
}

TEST(ExportTest, TheSameImportTwiceChangesNothing) {
  const TestFolder folder;
  const std::unique_ptr<Store> store = OpenStore(folder.File("s"));
  ImportLines(*store, kItems, ImportKind::kItems);
  ImportLines(*store, kEvents, ImportKind::kEvents);
  const std::string items = Exported(*store, ExportItems), events = Exported(*store, ExportEventsJson);
  EXPECT_EQ(ImportLines(*store, kItems, ImportKind::kItems).duplicates, 2u);
  EXPECT_EQ(ImportLines(*store, kEvents, ImportKind::kEvents).duplicates, 3u);
  EXPECT_EQ(Exported(*store, ExportItems), items);
  EXPECT_EQ(Exported(*store, ExportEventsJson), events);
}

TEST(ExportTest, OneCustomerIsOneDocument) {
  const TestFolder folder;
  const std::unique_ptr<Store> store = OpenStore(folder.File("s"));
  ImportLines(*store, kProfiles, ImportKind::kProfiles);
  ImportLines(*store, kEvents, ImportKind::kEvents);
  MemorySink sink;
  ASSERT_TRUE(ExportCustomer(*store, {CustomerNamespace::kAnonymous, "v"}, sink).ok());
  const Result<nlohmann::json> document = ParseJson(sink.text);
  ASSERT_TRUE(document.ok()) << document.status().ToString();
  EXPECT_EQ((*document)["profiles"].size(), 2u);
  EXPECT_EQ((*document)["events"].size(), 2u);
  EXPECT_EQ(sink.text.find("Odd"), std::string::npos) << "another customer's event";
  EXPECT_EQ(ExportCustomer(*store, {CustomerNamespace::kUser, "nobody"}, sink).status().code(), StatusCode::kNotFound);
}

TEST(ExportTest, CsvGivesBackTheRowsAndTellsWhatItCannotWrite) {
  const TestFolder folder;
  const std::unique_ptr<Store> store = OpenStore(folder.File("s"));
  const EventTable table = DefaultEventTable();
  Result<Mapping> mapping = ParseMapping(R"({"columns": ["who", "what", "when", "stars", "note"], "separator": ";",
    "event": {"time": {"column": "when", "format": "epoch_s"}, "item": "{what}", "value": "stars", "types": [{"type": "rated"}]},
    "customer": {"user": "{who}"}})",
                                         table);
  ASSERT_TRUE(mapping.ok()) << mapping.status().ToString();
  const std::string rows =
      "who;what;when;stars;note\n1;a;1291191960;4.5;\n1;b;1291191961;05;\"x;\"\"y\"\"\n z\"\n2;a;1291191962;;hm\n";
  RejectList rejects;
  Importer importer(*store, table, testing::TestImportOptions(), rejects.Callback());
  MemorySource source(rows);
  ASSERT_TRUE(importer.ImportCsv(source, *mapping).ok());
  EXPECT_EQ(importer.counts().accepted, 3u);
  ImportLines(*store, kEvents, ImportKind::kEvents);
  MemorySink sink;
  const Result<ExportCounts> counts = ExportEventsCsv(*store, *mapping, sink, {});
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(sink.text, rows);
  EXPECT_EQ(counts->skipped, 3u);
}

}  // namespace
}  // namespace rapport

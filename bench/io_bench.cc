// Reading: CSV rows through a mapping, and Segment's JSON lines, to operations that a sink throws away. Rows per second
// of one core, without packing and without a store.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "data/io/importer.h"
#include "data/io/json_text.h"

namespace rapport {
namespace {

constexpr int kRows = 20000;
constexpr char kMapping[] = R"({
  "columns": ["order", "sku", "title", "count", "time", "price", "user", "country"],
  "event": {"time": {"column": "time", "format": "YYYY-MM-DD hh:mm:ss", "zone": "Europe/London"}, "order_id": "{order}",
            "item": "{sku}", "quantity": "count", "price": "price", "types": [{"type": "ordered"}]},
  "item": {"id": "{sku}", "title": "{title}", "price": "price"},
  "customer": {"user": "{user}", "country": "{country}"}})";

class NullSink final : public OperationSink {
 public:
  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override {
    return std::vector<OperationResult>(operations.size(), {Status::Ok(), Outcome::kCreated, 0});
  }
};

Status NoReject(const Reject& reject) { return Status::Internal(std::string(reject.reason)); }

std::string CsvRows() {
  std::string text = "order,sku,title,count,time,price,user,country\n";
  for (int i = 0; i < kRows; ++i) {
    const std::string order = std::to_string(500000 + i / 20), item = std::to_string(10000 + i * 7919 % 4000);
    text += order + "," + item +
            ",\"WHITE HANGING HEART, SMALL\",6,2010-12-01 08:" + std::to_string(10 + i / 400 % 50) + ":00,2.55," +
            std::to_string(12000 + i / 100) + ",United Kingdom\n";
  }
  return text;
}

std::string JsonRows() {
  std::string text;
  for (int i = 0; i < kRows; ++i) {
    text += R"({"type":"track","event":"Order Completed","userId":")" + std::to_string(12000 + i / 100) +
            R"(","messageId":"m)" + std::to_string(i) +
            R"(","timestamp":"2010-12-01T08:26:00Z","properties":{"order_id":")" + std::to_string(i) +
            R"(","products":[{"product_id":"85123A","quantity":6,"price":"2.55"}]}})" + "\n";
  }
  return text;
}

// Aborts when a row is lost: a fast wrong answer is none.
void Check(const Status& status, const ImportCounts& counts) {
  if (!status.ok() || counts.rows_in != kRows || counts.accepted != kRows) std::abort();
}

void BM_CsvToOperations(benchmark::State& state) {
  const EventTable table = DefaultEventTable();
  Result<Mapping> mapping = ParseMapping(kMapping, table);
  const std::string text = CsvRows();
  for (auto _ : state) {
    NullSink sink;
    MemorySource source(text);
    Importer importer(sink, table, ImportOptions{.now = {1700000000000}}, NoReject);
    Check(importer.ImportCsv(source, *mapping), importer.counts());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_CsvToOperations)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_JsonLinesToOperations(benchmark::State& state) {
  const EventTable table = DefaultEventTable();
  const std::string text = JsonRows();
  for (auto _ : state) {
    NullSink sink;
    MemorySource source(text);
    Importer importer(sink, table, ImportOptions{.now = {1700000000000}}, NoReject);
    Check(importer.ImportJsonLines(source, ImportKind::kEvents), importer.counts());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_JsonLinesToOperations)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_ParseJson(benchmark::State& state) {
  const std::string text = JsonRows();
  const std::string line = text.substr(0, text.find('\n'));
  for (auto _ : state) {
    const Result<nlohmann::json> parsed = ParseJson(line);
    if (!parsed.ok()) std::abort();
    benchmark::DoNotOptimize(&*parsed);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(line.size()));
}
BENCHMARK(BM_ParseJson);

}  // namespace
}  // namespace rapport

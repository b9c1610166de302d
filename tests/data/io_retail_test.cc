// Online Retail II, the real shop: two files of 525,461 and 541,909 order lines that overlap by 22,523.
#include <gtest/gtest.h>

#include <filesystem>
#include <unordered_map>

#include "data/io/csv.h"
#include "data/io/row_mapper.h"
#include "tests/data/io_fakes.h"

namespace rapport {
namespace {

namespace fs = std::filesystem;
using testing::CountsAddUp;
using testing::MemoryOperationSink;
using testing::RejectList;

fs::path RepositoryRoot() {
  for (fs::path folder = fs::current_path(); folder != folder.root_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / "mappings" / "online_retail_ii.json")) return folder;
  }
  return fs::path(RAPPORT_SOURCE_FOLDER);
}

fs::path DataFolder() {
  if (const char* set = std::getenv("RAPPORT_DATA")) return fs::path(set) / "online_retail_ii";
  return RepositoryRoot() / ".." / "shared" / "data" / "online_retail_ii";
}

const char* const kFiles[] = {"year1_2009-12-01_2010-12-09.csv.xz", "year2_2010-12-01_2011-12-09.csv.xz"};

class RetailTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP()
        << "skipped: two million rows are for the plain build; the sanitizers see the same code in the other tests";
#endif
    if (!fs::exists(DataFolder() / kFiles[0])) GTEST_SKIP() << "skipped: no data at " << DataFolder();
    Result<Mapping> mapping = LoadMapping((RepositoryRoot() / "mappings" / "online_retail_ii.json").string(), table_);
    ASSERT_TRUE(mapping.ok()) << mapping.status().ToString();
    mapping_.emplace(mapping.Take());
  }

  ImportCounts Import(OperationSink& sink) {
    Importer importer(sink, table_, testing::TestImportOptions(), rejects_.Callback());
    for (const char* file : kFiles) {
      Result<std::unique_ptr<ByteSource>> source = OpenByteSource((DataFolder() / file).string());
      EXPECT_TRUE(source.ok());
      const Status status = importer.ImportCsv(**source, *mapping_);
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    return importer.counts();
  }

  // All rows of both files, the overlap once: of each distinct row as often as the file that has it most often.
  std::unordered_map<std::string, int> RowsThatWentIn() {
    std::unordered_map<std::string, int> all, normal_count;
    for (const char* file : kFiles) {
      Result<std::unique_ptr<ByteSource>> source = OpenByteSource((DataFolder() / file).string());
      CsvReader reader(**source);
      CsvRecord record;
      EXPECT_TRUE(*reader.Next(&record));
      std::unordered_map<std::string, int> seen;
      for (Result<bool> more = reader.Next(&record); *more; more = reader.Next(&record)) {
        std::string row, normal;
        AppendCsvRow(record.fields, ',', &row);
        if (record.fields[2] == "nan") record.fields[2] = "";
        AppendCsvRow(record.fields, ',', &normal);
        if (++seen[normal] > normal_count[normal]) ++normal_count[normal], ++all[row];
      }
    }
    return all;
  }

  const EventTable table_ = DefaultEventTable();
  std::optional<Mapping> mapping_;
  RejectList rejects_;
};

TEST_F(RetailTest, CountsAreRightAndExportGivesBackWhatWentIn) {
  MemoryOperationSink sink;
  const ImportCounts counts = Import(sink);
  EXPECT_TRUE(CountsAddUp(counts));
  EXPECT_EQ(counts.rows_in, 1067370u);
  EXPECT_EQ(counts.accepted, 1044847u);
  EXPECT_EQ(counts.duplicates, 22523u);
  EXPECT_EQ(counts.rejected, 0u);
  EXPECT_EQ(counts.parts_refused, 0u);
  EXPECT_TRUE(sink.items.at("POST").hidden);
  EXPECT_TRUE(sink.items.at("BANK CHARGES").hidden);
  EXPECT_FALSE(sink.items.at("SP1002").hidden);
  EXPECT_FALSE(sink.items.at("85123A").hidden);
  EXPECT_EQ(sink.items.at("85123A").title, "WHITE HANGING HEART T-LIGHT HOLDER");

  std::unordered_map<std::string, int> rows = RowsThatWentIn();
  Result<RowMapper> mapper = RowMapper::Create(*mapping_, {mapping_->columns.begin(), mapping_->columns.end()});
  ASSERT_TRUE(mapper.ok());
  size_t strangers = 0;
  for (const AppendEvent& event : sink.events) {
    Result<std::vector<std::string>> row = RowFromEvent(*mapper, event);
    ASSERT_TRUE(row.ok()) << row.status().ToString();
    std::string line;
    AppendCsvRow({row->begin(), row->end()}, ',', &line);
    if (--rows[line] < 0) ++strangers;
  }
  EXPECT_EQ(strangers, 0u);
  for (const auto& [row, left] : rows) ASSERT_EQ(left, 0) << row;

  // The same import twice changes nothing.
  const size_t changes = sink.changes;
  const ImportCounts again = Import(sink);
  EXPECT_EQ(again.duplicates, again.rows_in);
  EXPECT_EQ(sink.changes, changes);
}

}  // namespace
}  // namespace rapport

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "data/io/csv.h"

namespace rapport {
namespace {

struct Row {
  uint64_t line;
  std::vector<std::string> fields;
  std::string error, raw;
  bool has_line_end;
};

std::vector<Row> ReadAll(const std::string& text, size_t block_bytes = 1 << 16, CsvReaderOptions options = {},
                         size_t expected = 0) {
  MemorySource source(text, block_bytes);
  CsvReader reader(source, options);
  if (expected != 0) reader.ExpectFields(expected);
  std::vector<Row> rows;
  CsvRecord record;
  while (true) {
    Result<bool> more = reader.Next(&record);
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return rows;
    rows.push_back({record.line,
                    {record.fields.begin(), record.fields.end()},
                    record.status.message(),
                    std::string(record.raw),
                    record.has_line_end});
  }
}

using Fields = std::vector<std::string>;

TEST(CsvReaderTest, ReadsQuotesLineEndsAndEmptyFields) {
  const auto rows = ReadAll("a,b,c\n1,\"x,\"\"y\"\"\n z\",\n\r\n\"\",,3\r\nlast,\"q\",z\n");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].fields, (Fields{"a", "b", "c"}));
  EXPECT_EQ(rows[1].fields, (Fields{"1", "x,\"y\"\n z", ""}));
  EXPECT_EQ(rows[1].line, 2u);
  EXPECT_EQ(rows[1].raw, "1,\"x,\"\"y\"\"\n z\",");
  EXPECT_EQ(rows[2].fields, (Fields{"", "", "3"}));
  EXPECT_EQ(rows[2].line, 5u);
  EXPECT_EQ(rows[3].fields, (Fields{"last", "q", "z"}));
}

TEST(CsvReaderTest, ByteOrderMarkAndCarriageReturnsAreNoText) {
  const auto rows = ReadAll("\xEF\xBB\xBFname,n\r\n\"x\r\ny\",\"2\"\r\n", 1);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].fields, (Fields{"name", "n"}));
  EXPECT_EQ(rows[1].fields, (Fields{"x\r\ny", "2"}));
}

TEST(CsvReaderTest, AQuoteInsideAnUnquotedFieldIsText) {
  EXPECT_EQ(ReadAll("6\" ruler,1\n")[0].fields, (Fields{"6\" ruler", "1"}));
}

TEST(CsvReaderTest, AnUnclosedQuoteCostsItsFirstLineOnly) {
  CsvReaderOptions options;
  options.record_bytes_max = 64;
  std::string text = "1,\"open\n";
  for (int i = 2; i <= 40; ++i) text += std::to_string(i) + ",fine\n";
  const auto rows = ReadAll(text, 16, options);
  ASSERT_EQ(rows.size(), 40u);
  EXPECT_NE(rows[0].error.find("not closed"), std::string::npos) << rows[0].error;
  EXPECT_EQ(rows[0].raw, "1,\"open");
  for (size_t i = 1; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].error, "");
    EXPECT_EQ(rows[i].line, i + 1);
  }
}

TEST(CsvReaderTest, AnUnclosedQuoteBeforeTheEndCostsItsFirstLineOnly) {
  const auto rows = ReadAll("1,\"open\n2,fine\n3,fine");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NE(rows[0].error, "");
  EXPECT_EQ(rows[1].fields, (Fields{"2", "fine"}));
  EXPECT_FALSE(rows[2].has_line_end);
}

TEST(CsvReaderTest, AQuoteThatSwallowsRowsIsFoundByTheFieldCount) {
  // The quote of line 1 is closed by the one that opens on line 3.
  const auto rows = ReadAll("1,\"open\n2,fine\n3,\",x\"\n4,fine\n", 1 << 16, {}, 2);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_NE(rows[0].error, "");
  EXPECT_EQ(rows[1].fields, (Fields{"2", "fine"}));
  EXPECT_EQ(rows[2].fields, (Fields{"3", ",x"}));
  EXPECT_EQ(rows[3].fields, (Fields{"4", "fine"}));
}

TEST(CsvReaderTest, ALongLineIsRejectedInBoundedMemoryAndTheNextOneRead) {
  CsvReaderOptions options;
  options.record_bytes_max = 100;
  const auto rows = ReadAll("a," + std::string(100000, 'x') + "\nb,2\n", 7, options);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NE(rows[0].error.find("longer than 100 bytes"), std::string::npos);
  EXPECT_EQ(rows[0].raw.size(), 100u);
  EXPECT_EQ(rows[1].fields, (Fields{"b", "2"}));
  EXPECT_EQ(rows[1].line, 2u);
}

TEST(CsvReaderTest, BytesThatAreNotUtf8AreRejectedWithAHint) {
  const auto rows =
      ReadAll("1,\xC4\xE3\xBA\xC3\n2,\"\xC4\xE3\"\n3,\xF0\x9F\x98\x80\n");  // GBK for "hello", then an emoji
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NE(rows[0].error.find("not UTF-8"), std::string::npos);
  EXPECT_NE(rows[0].error.find("GBK"), std::string::npos);
  EXPECT_NE(rows[1].error, "");
  EXPECT_EQ(rows[2].error, "");
}

TEST(CsvReaderTest, EmptyAndHeaderlessInputs) {
  EXPECT_TRUE(ReadAll("").empty());
  EXPECT_TRUE(ReadAll("\n\r\n\n").empty());
  EXPECT_TRUE(ReadAll("\xEF\xBB\xBF").empty());
  EXPECT_EQ(ReadAll("x").size(), 1u);
  EXPECT_EQ(ReadAll("\"").size(), 1u);
}

std::string RandomField(Random& random) {
  static const std::vector<std::string> kPieces{
      "a", "\"", "\"\"", ",", "\n", "\r\n", " ", "\xC3\xA9", "\xF0\x9F\x98\x80", "x1", std::string(1, '\0'), "\t"};
  std::string field;
  for (uint64_t n = random.Below(6); n > 0; --n) field += kPieces[random.Below(kPieces.size())];
  return field;
}

TEST(CsvPropertyTest, WhatIsWrittenIsReadBackInAnyBlockSize) {
  Random random(1);
  for (int round = 0; round < 500; ++round) {
    const size_t columns = 1 + random.Below(5);
    std::vector<std::vector<std::string>> rows(random.Below(8));
    std::string text;
    for (auto& row : rows) {
      for (size_t i = 0; i < columns; ++i) row.push_back(RandomField(random));
      AppendCsvRow({row.begin(), row.end()}, ',', &text);
    }
    const auto read = ReadAll(text, 1 + random.Below(40), {}, columns);
    ASSERT_EQ(read.size(), rows.size()) << text;
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(read[i].fields, rows[i]) << text;
  }
}

// However a file is broken, each of its lines ends up in exactly one record (empty ones in none).
TEST(CsvPropertyTest, NoLineOfABrokenFileIsLostOrReadTwice) {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) text += "ab\",\n\r\"x\xC3\n"[random.Below(10)];
    std::vector<size_t> starts{0};
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') starts.push_back(i + 1);
    }
    CsvReaderOptions options;
    options.record_bytes_max = 8 + random.Below(80);
    uint64_t next_line = 1;
    const auto skip_empty_to = [&](uint64_t line) {
      for (; next_line < line; ++next_line) {
        const char first = starts[next_line - 1] < text.size() ? text[starts[next_line - 1]] : '\n';
        ASSERT_TRUE(first == '\n' || first == '\r') << "line " << next_line << " is lost";
      }
    };
    for (const Row& row : ReadAll(text, 1 + random.Below(20), options, 1 + random.Below(3))) {
      ASSERT_GE(row.line, next_line) << "a line is read twice";
      skip_empty_to(row.line);
      ASSERT_EQ(text.substr(starts[row.line - 1], row.raw.size()), row.raw);
      next_line = row.line + 1 + static_cast<uint64_t>(std::count(row.raw.begin(), row.raw.end(), '\n'));
    }
    skip_empty_to(starts.size());
  }
}

}  // namespace
}  // namespace rapport

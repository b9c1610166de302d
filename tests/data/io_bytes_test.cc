#include <gtest/gtest.h>

#include <fstream>

#include "data/io/byte_sink.h"
#include "data/io/byte_source.h"
#include "data/io/occurrences.h"
#include "data/io/rejects.h"
#include "data/io/time_format.h"
#include "tests/data/io_fakes.h"

namespace rapport {
namespace {

using testing::TestFolder;

std::string SomeText(size_t bytes) {
  Random random(5);
  std::string text;
  while (text.size() < bytes) text += std::to_string(random.Below(1000000)) + ",word,\n";
  return text;
}

void WriteBytes(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteThroughSink(const std::string& path, const std::string& text) {
  Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(path);
  ASSERT_TRUE(sink.ok()) << sink.status().ToString();
  ASSERT_TRUE((*sink)->Append(text).ok());
  ASSERT_TRUE((*sink)->Commit().ok());
}

// All the text, or the first error.
Result<std::string> ReadThroughSource(const std::string& path) {
  Result<std::unique_ptr<ByteSource>> source = OpenByteSource(path);
  if (!source.ok()) return source.status();
  std::string text;
  while (true) {
    Result<std::string_view> block = (*source)->Read();
    if (!block.ok()) return block.status();
    if (block->empty()) break;
    EXPECT_LE(block->size(), 65536u);
    text.append(*block);
  }
  EXPECT_LE((*source)->bytes_done(), (*source)->bytes_total().value_or(0));
  return text;
}

TEST(ByteSourceTest, WhatWasPackedIsReadBackInEveryPacking) {
  const TestFolder folder;
  const std::string text = SomeText(300000);
  for (const std::string name : {"a.csv", "a.csv.xz", "a.csv.gz", "a.csv.zst", "a.csv.bz2"}) {
    WriteThroughSink(folder.File(name), text);
    const std::string stored = ReadBytes(folder.File(name));
    EXPECT_EQ(stored == text, name == "a.csv") << name;
    Result<std::string> back = ReadThroughSource(folder.File(name));
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, text) << name;
    // Found by its bytes, whatever it is called.
    WriteBytes(folder.File("unnamed"), stored);
    EXPECT_EQ(*ReadThroughSource(folder.File("unnamed")), text) << name;
  }
}

TEST(ByteSourceTest, ATruncatedPackedFileIsAnErrorThatNamesIt) {
  const TestFolder folder;
  const std::string text = SomeText(300000);
  for (const std::string ending : {".xz", ".gz", ".zst", ".bz2"}) {
    const std::string path = folder.File("orders.csv" + ending);
    WriteThroughSink(path, text);
    const std::string whole = ReadBytes(path);
    for (const size_t keep :
         {whole.size() - 1, whole.size() - 20, whole.size() / 2, size_t{20}, size_t{3}, size_t{0}}) {
      WriteBytes(path, whole.substr(0, keep));
      const Result<std::string> back = ReadThroughSource(path);
      ASSERT_FALSE(back.ok()) << ending << " cut to " << keep << " of " << whole.size();
      EXPECT_EQ(back.status().code(), StatusCode::kDataLoss);
      EXPECT_NE(back.status().message().find(path), std::string::npos) << back.status().message();
    }
  }
}

TEST(ByteSourceTest, EmptyMissingFoldersAndWronglyNamed) {
  const TestFolder folder;
  WriteBytes(folder.File("empty.csv"), "");
  EXPECT_EQ(*ReadThroughSource(folder.File("empty.csv")), "");
  EXPECT_EQ(ReadThroughSource(folder.File("missing.csv")).status().code(), StatusCode::kNotFound);
  EXPECT_NE(ReadThroughSource(folder.File("")).status().message().find("folder"), std::string::npos);
  WriteBytes(folder.File("plain.csv.gz"), "a,b\n1,2\n");
  EXPECT_EQ(ReadThroughSource(folder.File("plain.csv.gz")).status().code(), StatusCode::kDataLoss);
}

TEST(ByteSourceTest, OneByteFilesAndZeroBytesPass) {
  const TestFolder folder;
  for (const std::string& text :
       {std::string("x"), std::string("\0", 1), std::string("\n"), std::string("a\0b\n", 4)}) {
    WriteBytes(folder.File("f"), text);
    const Result<std::string> back = ReadThroughSource(folder.File("f"));
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, text);
  }
}

TEST(ByteSinkTest, AFileAppearsUnderItsNameOnlyWhenItIsWhole) {
  const TestFolder folder;
  const std::string path = folder.File("out.csv");
  WriteBytes(path, "old");
  {
    Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(path);
    ASSERT_TRUE((*sink)->Append(SomeText(200000)).ok());
    EXPECT_EQ(ReadBytes(path), "old");
  }
  EXPECT_EQ(ReadBytes(path), "old");
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.File(""))) ++files;
  EXPECT_EQ(files, 1u) << "the temporary file stays";
  EXPECT_FALSE(OpenByteSink(folder.File("no/such/folder")).ok());
}

TEST(RejectsTest, RowsAreKeptAsTheyWereEvenWhenTheyAreNotText) {
  EXPECT_EQ(RejectToJsonLine({"f.csv", 7, "bad \"x\"", "a,\"b\n\xC3\xA9"}),
            "{\"file\":\"f.csv\",\"line\":7,\"reason\":\"bad \\\"x\\\"\",\"raw\":\"a,\\\"b\\n\xC3\xA9\"}\n");
  EXPECT_EQ(RejectToJsonLine({"f.csv", 7, "bad", "\xC4\xE3", "item"}),
            "{\"file\":\"f.csv\",\"line\":7,\"part\":\"item\",\"reason\":\"bad\",\"rawBase64Url\":\"xOM\"}\n");
}

TEST(OccurrencesTest, CountsLikeAMap) {
  Random random(9);
  Occurrences counter;
  std::map<uint64_t, uint32_t> map;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t key = random.Below(3000);
    ASSERT_EQ(counter.Count(IdentityHash(std::to_string(key))), ++map[key]);
  }
  EXPECT_EQ(counter.distinct(), map.size());
  counter.Clear();
  EXPECT_EQ(counter.Count(IdentityHash("1")), 1u);
}

TEST(TimeFormatTest, PatternsZonesAndEpochs) {
  const auto parse = [](const char* pattern, const char* zone, const char* text) {
    Result<TimeFormat> format = TimeFormat::Create(pattern, zone);
    EXPECT_TRUE(format.ok()) << format.status().ToString();
    const Result<Timestamp> time = format->Parse(text);
    if (!time.ok()) return time.status().message();
    EXPECT_TRUE(format->ComesBack(text, *time));
    return FormatRfc3339(*time);
  };
  EXPECT_EQ(parse("YYYY-MM-DD hh:mm:ss", "Europe/London", "2010-07-01 12:00:00"), "2010-07-01T11:00:00Z");
  EXPECT_EQ(parse("M/D/YYYY h:mm", "Europe/London", "12/1/2010 8:26"), "2010-12-01T08:26:00Z");
  EXPECT_EQ(parse("DD.MM.YYYY", "", "31.12.1999"), "1999-12-31T00:00:00Z");
  EXPECT_EQ(parse("rfc3339", "", "2010-07-01T12:00:00Z"), "2010-07-01T12:00:00Z");
  EXPECT_EQ(parse("epoch_s", "", "1291191960"), "2010-12-01T08:26:00Z");
  EXPECT_EQ(parse("epoch_ms", "", "1291191960500"), "2010-12-01T08:26:00.500Z");
  for (const char* bad : {"", "2010-07-01", "2010-07-01 12:00:00 ", "2010-13-01 12:00:00", "2010-07-01 24:00:00",
                          "2010-7-01 12:00:00", "x"}) {
    EXPECT_NE(parse("YYYY-MM-DD hh:mm:ss", "", bad).find("is not a time"), std::string::npos) << bad;
  }
  EXPECT_NE(parse("epoch_s", "", "99999999999999999").find("is not a time"), std::string::npos);
  EXPECT_FALSE(TimeFormat::Create("YYYY-DD", "").ok());
  EXPECT_FALSE(TimeFormat::Create("YYYY-MM-DDxhh", "").ok());
}

}  // namespace
}  // namespace rapport

// `rapport simulate`: the files are what import reads, and the same arguments write the same bytes.
#include "server/commands/simulate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/io/jsonl.h"

namespace rapport {
namespace {

namespace fs = std::filesystem;

class SimulateTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("simulate-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  SimulateArguments Small(const std::string& name, uint64_t seed) const {
    SimulateArguments arguments;
    arguments.customers = 40;
    arguments.items = 60;
    arguments.days = 30;
    arguments.seed = seed;
    arguments.out = (folder_ / name).string();
    return arguments;
  }
  // File name -> content.
  std::map<std::string, std::string> Run(const SimulateArguments& arguments) {
    std::ostringstream out, err;
    EXPECT_EQ(RunSimulate(arguments, out, err), 0) << err.str();
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(arguments.out)) {
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(file), {});
    }
    return files;
  }
  fs::path folder_;
};

TEST_F(SimulateTest, SameSeedSameBytesAndAnotherSeedOthers) {
  const auto first = Run(Small("first", 1));
  EXPECT_EQ(first.size(), 3u);
  EXPECT_EQ(first, Run(Small("second", 1)));
  EXPECT_NE(first.at("events.jsonl"), Run(Small("third", 2)).at("events.jsonl"));
  EXPECT_EQ(first, Run(Small("first", 1)));  // over the files of before
}

TEST_F(SimulateTest, EveryLineIsWhatImportReads) {
  auto files = Run(Small("shop", 3));
  const EventTable table = DefaultEventTable();
  const SegmentDefaults defaults{Timestamp{1800000000000}, "test"};
  std::string line;
  std::istringstream items(files["items.jsonl"]), profiles(files["profiles.jsonl"]), events(files["events.jsonl"]);
  size_t count = 0;
  for (; std::getline(items, line); ++count) {
    const Result<RowOperations> row = ItemFromLine(line, defaults);
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
  }
  EXPECT_EQ(count, 60u);
  for (count = 0; std::getline(profiles, line); ++count) {
    const Result<RowOperations> row = ProfileFromLine(line, defaults);
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
  }
  EXPECT_EQ(count, 40u);
  Timestamp last{0};
  size_t orders = 0;
  for (count = 0; std::getline(events, line); ++count) {
    const Result<RowOperations> row = EventFromLine(line, table, defaults);
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    const auto& append = std::get<AppendEvent>(row->row);
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
    EXPECT_GE(append.event.time, last);
    EXPECT_FALSE(append.lines.empty()) << line;
    EXPECT_NE(append.event.type, EventType::kCustom) << line;
    orders += append.event.type == EventType::kOrdered;
    last = append.event.time;
  }
  EXPECT_GT(count, 100u);
  EXPECT_GT(orders, 0u);
}

TEST_F(SimulateTest, WrongUseExitsWith2AndFailuresWith1) {
  std::ostringstream out, err;
  SimulateArguments arguments = Small("shop", 1);
  arguments.customers = 0;
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  EXPECT_NE(err.str().find("customers"), std::string::npos);
  arguments = Small("shop", 1);
  arguments.start = "soon";
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  arguments = Small("shop", 1);
  arguments.out.clear();
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  fs::create_directories(folder_);
  std::ofstream(folder_ / "plain") << "x";
  arguments = Small("plain", 1);  // a file stands where the folder should
  EXPECT_EQ(RunSimulate(arguments, out, err), 1);
}

}  // namespace
}  // namespace rapport

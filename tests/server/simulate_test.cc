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
  JsonParser parser;
  const SegmentDefaults defaults{Timestamp{1800000000000}, "test"};
  std::string line;
  std::istringstream items(files["items.jsonl"]), profiles(files["profiles.jsonl"]), events(files["events.jsonl"]);
  size_t count = 0;
  for (; std::getline(items, line); ++count) {
    const Result<RowOperations> row = ItemFromLine(parser, line, defaults);
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
  }
  EXPECT_EQ(count, 60u);
  for (count = 0; std::getline(profiles, line); ++count) {
    const Result<RowOperations> row = ProfileFromLine(parser, line, defaults);
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
  }
  EXPECT_EQ(count, 40u);
  Timestamp last{0};
  size_t orders = 0;
  for (count = 0; std::getline(events, line); ++count) {
    const Result<RowOperations> row = EventFromLine(parser, line, table, defaults);
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

TEST_F(SimulateTest, ContactsComeWithTheirTruthInAFileOfItsOwn) {
  const auto plain = Run(Small("plain", 4));
  const auto with_contacts = [&](const std::string& name, const std::string& policy) {
    SimulateArguments arguments = Small(name, 4);
    arguments.contacts = 12;
    arguments.contact_policy = policy;
    arguments.truth = (folder_ / (name + "-truth.jsonl")).string();
    auto files = Run(arguments);
    std::ifstream file(arguments.truth, std::ios::binary);
    files["truth"] = std::string(std::istreambuf_iterator<char>(file), {});
    return files;
  };
  auto files = with_contacts("one", "uniform");
  EXPECT_EQ(files, with_contacts("two", "uniform"));  // same seed, same bytes
  EXPECT_NE(files, with_contacts("three", "habit"));
  const auto spent = with_contacts("four", "model");
  EXPECT_NE(files, spent);
  EXPECT_EQ(spent, with_contacts("five", "model"));  // on as many threads as there happen to be
  EXPECT_EQ(files.size(), 4u);
  EXPECT_EQ(files["items.jsonl"].find(plain.at("items.jsonl")), 0u);  // the shop's own, then the contents
  // The truth knows exactly the contacts that were sent, and nothing of it is in the events.
  std::map<std::string, double> response;
  std::string line;
  std::istringstream truth(files["truth"]), events(files["events.jsonl"]);
  while (std::getline(truth, line)) {
    const auto object = nlohmann::json::parse(line);
    const double value = object["response"];
    EXPECT_TRUE(value > 0 && value < 1) << line;
    response[object["contactId"]] = value;
  }
  const EventTable table = DefaultEventTable();
  JsonParser parser;
  Timestamp last{0};
  size_t sent = 0, answered = 0;
  while (std::getline(events, line)) {
    const Result<RowOperations> row = EventFromLine(parser, line, table, {Timestamp{1800000000000}, "test"});
    ASSERT_TRUE(row.ok()) << row.status().message() << line;
    EXPECT_TRUE(ValidateOperation(row->row).ok()) << line;
    const Timestamp time = std::get<AppendEvent>(row->row).event.time;
    EXPECT_GE(time, last);
    last = time;
    const auto object = nlohmann::json::parse(line);
    const std::string name = object["event"];
    if (!object["properties"].contains("contact_id")) continue;
    EXPECT_TRUE(response.count(object["properties"]["contact_id"])) << line;
    EXPECT_EQ(line.find("response"), std::string::npos);
    sent += name.find(" Sent") != std::string::npos;
    answered += name.find(" Link Clicked") != std::string::npos;
    EXPECT_EQ(object["properties"].contains("propensity"), name.find(" Sent") != std::string::npos) << line;
  }
  EXPECT_EQ(sent, response.size());
  EXPECT_GT(sent, 400u);
  EXPECT_GT(answered, 20u);
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
  arguments = Small("shop", 1);
  arguments.truth = "truth.jsonl";  // without contacts
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  EXPECT_NE(err.str().find("--contacts"), std::string::npos);
  arguments.contacts = 3;
  arguments.dial = 2;
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  arguments.dial = 1;
  arguments.contact_policy = "luck";
  EXPECT_EQ(RunSimulate(arguments, out, err), 2);
  fs::create_directories(folder_);
  std::ofstream(folder_ / "plain") << "x";
  arguments = Small("plain", 1);  // a file stands where the folder should
  EXPECT_EQ(RunSimulate(arguments, out, err), 1);
}

}  // namespace
}  // namespace rapport

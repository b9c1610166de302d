// The commands `rapport import` and `rapport export`, from their arguments to their exit codes.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "data/io/json_text.h"
#include "server/commands/export.h"
#include "server/commands/import.h"
#include "server/commands/progress.h"
#include "tests/data/io_fakes.h"

namespace rapport {
namespace {

using testing::MemoryOperationSink;
using testing::TestFolder;

struct Ran {
  int code;
  std::string out, err;
};

class ImportCommandTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.File(name), std::ios::binary) << text;
    return folder_.File(name);
  }
  Ran Import(ImportArguments arguments) {
    if (arguments.rejects.empty()) arguments.rejects = folder_.File("rejects.jsonl");
    std::ostringstream out, err;
    const int code = RunImport(arguments, {}, sink_, clock_, out, err);
    return {code, out.str(), err.str()};
  }
  std::string Rejects() {
    std::ifstream in(folder_.File("rejects.jsonl"));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const TestFolder folder_;
  MemoryOperationSink sink_;
  ManualClock clock_{Timestamp{1700000000000}};
};

TEST_F(ImportCommandTest, TellsPeopleAndMachinesAndKeepsRejects) {
  const std::string file = Write("items.jsonl", "{\"itemId\": \"1\"}\n{\"itemId\": 2}\n{\"itemId\": \"1\"}\n");
  const Ran people = Import({.kind = "items", .files = {file}});
  EXPECT_EQ(people.code, 0);
  EXPECT_NE(people.out.find("items: 3 rows in = 1 accepted + 1 duplicates + 1 rejected"), std::string::npos)
      << people.out;
  EXPECT_NE(people.err.find("rejects.jsonl"), std::string::npos);
  EXPECT_NE(Rejects().find("\"line\":2"), std::string::npos);
  const Ran machines = Import({.kind = "items", .files = {file, file}, .json = true});
  const Result<nlohmann::json> summary = ParseJson(machines.out);
  ASSERT_TRUE(summary.ok()) << machines.out;
  EXPECT_EQ((*summary)["rowsIn"], 6);
  EXPECT_EQ((*summary)["duplicates"], 4);
  EXPECT_EQ((*summary)["rejected"], 2);
  EXPECT_TRUE((*summary)["error"].is_null());
}

TEST_F(ImportCommandTest, WrongUseIsTwoAndSaysWhatToDo) {
  const std::string csv = Write("a.csv", "x\n1\n"), lines = Write("a.jsonl", "");
  const std::string map = Write("map.json", R"({"columns": ["x"], "item": {"id": "{x}"}})");
  EXPECT_EQ(Import({.kind = "apples", .files = {csv}}).code, 2);
  EXPECT_EQ(Import({.kind = "events"}).code, 2);
  EXPECT_NE(Import({.kind = "items", .files = {csv}}).err.find("--map"), std::string::npos);
  EXPECT_EQ(Import({.kind = "items", .mapping = map, .files = {lines}}).code, 2);
  const Ran kind = Import({.kind = "events", .mapping = map, .files = {csv}});
  EXPECT_EQ(kind.code, 2);
  EXPECT_NE(kind.err.find("rapport import items"), std::string::npos);
  EXPECT_EQ(Import({.kind = "items", .mapping = folder_.File("none.json"), .files = {csv}}).code, 2);
  EXPECT_EQ(Import({.kind = "items", .mapping = map, .files = {csv}}).code, 0);
}

TEST_F(ImportCommandTest, ConsentsForAChannelThatIsNotThereAreKeptAndTold) {
  const std::string file =
      Write("p.jsonl",
            R"({"userId":"a","consents":[{"channel":"fax","purpose":"marketing","given":true,"time":"2026-01-01"},)"
            R"({"channel":"email","purpose":"marketing","given":true,"time":"2026-01-01"}]})");
  const Ran people = Import({.kind = "profiles", .files = {file}});
  EXPECT_EQ(people.code, 0) << people.err;
  EXPECT_EQ(std::count_if(sink_.others.begin(), sink_.others.end(),
                          [](const Operation& one) { return std::holds_alternative<RecordConsent>(one); }),
            2);
  EXPECT_NE(people.out.find("0 items, 0 profiles and 2 consents beside them"), std::string::npos) << people.out;
  EXPECT_NE(people.err.find("1 consents were kept, but there is no channel 'fax'; there are email"), std::string::npos)
      << people.err;
  const Ran machines = Import({.kind = "profiles", .files = {file}, .json = true});
  EXPECT_EQ((*ParseJson(machines.out))["consentsOfUnknownChannels"], (nlohmann::json{{"fax", 1}})) << machines.out;
}

// A column of addresses taken for the channel is not told address by address. Broken twin: without the bound, 30 lines.
TEST_F(ImportCommandTest, ManyChannelsThatAreNotThereAreToldInFewLines) {
  std::string lines;
  for (int i = 10; i < 40; ++i) {
    lines += R"({"userId":"a","consents":[{"channel":"c)" + std::to_string(i) +
             R"(","purpose":"marketing","given":true,"time":"2026-01-01"}]})" + "\n";
  }
  const std::string file = Write("p.jsonl", lines);
  const Ran people = Import({.kind = "profiles", .files = {file}});
  EXPECT_EQ(std::count(people.err.begin(), people.err.end(), '\n'), 21) << people.err;
  EXPECT_NE(people.err.find("10 consents were kept, but for still other channels"), std::string::npos) << people.err;
  const Ran machines = Import({.kind = "profiles", .files = {file}, .json = true});
  const nlohmann::json unknown = (*ParseJson(machines.out))["consentsOfUnknownChannels"];
  EXPECT_EQ(unknown.size(), 21u);
  EXPECT_EQ(unknown["(others)"], 10);
}

TEST_F(ImportCommandTest, FailuresAreOne) {
  const std::string bad = Write("bad.jsonl", "{}\n{}\n");
  EXPECT_EQ(Import({.kind = "items", .files = {bad}}).code, 1) << "nothing but rejects";
  EXPECT_EQ(Import({.kind = "items", .files = {folder_.File("missing.jsonl")}}).code, 1);
  const std::string cut = Write("cut.jsonl.xz",
                                "\xFD"
                                "7zXZ");
  const Ran ran = Import({.kind = "items", .files = {cut}});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("cut.jsonl.xz"), std::string::npos) << ran.err;
  sink_.fail_at_batch = 1;
  const Ran failed = Import({.kind = "items", .files = {Write("good.jsonl", "{\"itemId\": \"1\"}\n")}, .json = true});
  EXPECT_EQ(failed.code, 1);
  EXPECT_NE((*ParseJson(failed.out))["error"].get<std::string>().find("the disk is gone"), std::string::npos);
}

TEST_F(ImportCommandTest, ExportWritesWhatImportReads) {
  Result<std::unique_ptr<Store>> store = Store::Open(folder_.File("store"), StoreOptions{});
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  std::ostringstream out, err;
  const std::string events = Write("e.jsonl", "{\"userId\": \"u\", \"event\": \"x\", \"messageId\": \"1\"}\n");
  ASSERT_EQ(RunImport({.kind = "events", .files = {events}}, {}, **store, clock_, out, err), 0) << err.str();
  const std::string file = folder_.File("out.jsonl.xz");
  ASSERT_EQ(RunExport({.kind = "events", .out = file}, **store, clock_, out, err), 0) << err.str();
  const Ran back = Import({.kind = "events", .files = {file}});
  EXPECT_EQ(back.code, 0) << back.err;
  ASSERT_EQ(sink_.events.size(), 1u);
  EXPECT_EQ(sink_.events[0].event.message_id, "1");
  EXPECT_EQ(sink_.events[0].event.source, "import");
  const auto code = [&](const ExportArguments& arguments) { return RunExport(arguments, **store, clock_, out, err); };
  EXPECT_EQ(code({.kind = "events"}), 2);
  EXPECT_EQ(code({.kind = "apples", .out = file}), 2);
  EXPECT_EQ(code({.kind = "customer", .out = file}), 2);
  EXPECT_EQ(code({.kind = "items", .format = FileFormat::kCsv, .out = file}), 2);
  EXPECT_EQ(code({.kind = "customer", .customer = "nobody", .out = file}), 1);
  EXPECT_EQ(code({.kind = "customer", .customer = "u", .out = file}), 0);
  EXPECT_EQ(code({.kind = "items", .out = folder_.File("no/folder")}), 1);
}

TEST(ProgressLineTest, TellsRateAndTimeLeftAtMostFiveTimesASecond) {
  ManualClock clock(Timestamp{1000000});
  std::ostringstream err;
  ProgressLine line("events", true, clock, err);
  clock.Advance(100);
  line.Show(10, 10, 1000);
  EXPECT_EQ(err.str(), "");
  clock.Advance(9900);
  line.Show(20000, 250, 1000);
  EXPECT_EQ(err.str(), "\revents: 20,000 rows, 2,000 rows/s, 25 %, 0:30 left");
  std::ostringstream silent;
  ProgressLine hidden("events", false, clock, silent);
  clock.Advance(1000);
  hidden.Show(1, 1, 1);
  EXPECT_EQ(silent.str(), "");
}

}  // namespace
}  // namespace rapport

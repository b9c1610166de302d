// Batches of decisions over the routes: a job, its record, its plan; every decision explained; bad input with a clear
// word.
#include <chrono>
#include <sstream>
#include <thread>

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using nlohmann::json;

class BatchTest : public EndpointsTest {
 protected:
  BatchTest() {
    Put("/v1/items", R"([{"itemId":"tea","title":"Green tea","margin":"4"},{"itemId":"pot","title":"Tea pot"}])");
    for (int u = 0; u < 30; ++u) {
      const std::string id = "u" + std::to_string(u);
      Post("/v1/identify", json{{"userId", id}, {"traits", {{"email", "a@b.example"}}}}.dump());
      if (u % 10 == 9) continue;
      Put("/v1/customers/" + id + "/consents", R"({"channel":"email","purpose":"marketing","given":true})");
    }
    Put("/v1/channels", R"({"channels":[{"name":"email","address":"email","cost":"0.01"}]})");
    Put("/v1/limits", R"({"caps":[{"count":1,"per":"7d"}],"budgets":[{"name":"march","amount":"0.1"}]})");
  }
  // Waits for the job's end; its own thread works, nothing here depends on how fast.
  json Finished(const std::string& id) {
    for (;;) {
      const Answered seen = Get("/v1/decisions/batch/" + id);
      if (seen.status != 200 || seen.json["state"] != "running") return seen.json;
      std::this_thread::yield();
    }
  }
  static std::vector<json> Lines(const Answered& page) {
    std::vector<json> lines;
    std::istringstream in(page.body);
    for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
    return lines;
  }
};

TEST_F(BatchTest, AJobItsRecordItsPlanAndEachDecision) {
  const Answered started = Post("/v1/decisions/batch", R"({"name":"march-1","items":["tea","pot"]})");
  ASSERT_EQ(started.status, 202) << started.body;
  EXPECT_EQ(started.json["id"], "march-1");
  const json record = Finished("march-1");
  EXPECT_EQ(record["state"], "done") << record.dump();
  EXPECT_EQ(record["decided"], 30);
  EXPECT_EQ(record["sends"], 10);
  EXPECT_EQ(record["nothing"]["no-consent"], 3);
  EXPECT_EQ(record["nothing"]["limits"], 17);
  EXPECT_EQ(record["limits"][0]["name"], "march");
  EXPECT_NEAR(record["limits"][0]["used"].get<double>(), 0.1, 1e-9);
  EXPECT_GT(record["limits"][0]["price"].get<double>(), 0);
  EXPECT_LT(record["gap"].get<double>(), 0.01);
  const Answered page = Get("/v1/decisions/batch/march-1/plan");
  ASSERT_EQ(page.status, 200) << page.body;
  EXPECT_EQ(page.content_type, "application/x-ndjson");
  int sends = 0;
  for (const json& line : Lines(page)) {
    const Answered told = Get("/v1/decisions/" + line["decisionId"].get<std::string>());
    ASSERT_EQ(told.status, 200);
    const json& decision = told.json["decision"];
    EXPECT_EQ(decision["action"], line["action"]);
    EXPECT_EQ(decision["batch"], "march-1");
    const std::string customer = told.json["words"]["customer"]["en"];
    if (line["action"] == "send") {
      ++sends;
      EXPECT_EQ(decision["at"], line["at"]);
      EXPECT_NE(customer.find("by e-mail"), std::string::npos) << customer;
    } else if (line["reason"] == "limits") {
      EXPECT_EQ(decision["because"], "limits");
      EXPECT_NE(customer.find("some people at a time"), std::string::npos) << customer;
    }
  }
  EXPECT_EQ(sends, 10);
  EXPECT_EQ(Lines(page).size(), 30u);
  const Answered csv = Get("/v1/decisions/batch/march-1/plan?format=csv&page=0");
  // The same lines in the same words. Broken twin: heads of their own (arm, time), as they once were.
  std::istringstream rows(csv.body);
  std::string head, row;
  std::getline(rows, head);
  for (const json& line : Lines(page)) {
    ASSERT_TRUE(std::getline(rows, row));
    std::istringstream names(head), values(row + ",");
    std::string name, value;
    while (std::getline(names, name, ',')) {
      std::getline(values, value, ',');
      const json told = line.value(name, json(""));
      EXPECT_EQ(value, told.is_string() ? told.get<std::string>() : told.dump()) << name << " of " << row;
      EXPECT_TRUE(line.contains(name) || line["action"] == "nothing") << name;
    }
  }
  EXPECT_FALSE(std::getline(rows, row));
  EXPECT_EQ(Get("/v1/decisions/batch/march-1/plan?page=1").body, "");
  // The contacts that it plans count for the caps of single decisions.
  const Answered single = Post("/v1/decisions", json{{"customer", {{"userId", "u0"}}}, {"items", {"tea"}}}.dump());
  bool sent_to_u0 = false;
  for (const json& line : Lines(page)) sent_to_u0 |= line["customer"] == "u0" && line["action"] == "send";
  EXPECT_EQ(single.json["action"] == "nothing", sent_to_u0) << single.body;
}

TEST_F(BatchTest, TheSameNameAgainChangesNothingAndAnotherRequestIsRefused) {
  const std::string body = R"({"name":"march","items":["tea"],"customers":["u1","u2","nobody"]})";
  ASSERT_EQ(Post("/v1/decisions/batch", body).status, 202);
  const json first = Finished("march");
  EXPECT_EQ(first["decided"], 2) << first.dump();
  EXPECT_EQ(first["unknown"], 1);
  ASSERT_EQ(Post("/v1/decisions/batch", body).status, 202);
  EXPECT_EQ(Finished("march")["sends"], first["sends"]);
  for (const char* user : {"u1", "u2"}) {
    EXPECT_LE(store_->ReadContacts(*store_->FindCustomer({CustomerNamespace::kUser, user}))->size(), 1u);
  }
  const Answered other = Post("/v1/decisions/batch", R"({"name":"march","items":["pot"],"customers":["u1"]})");
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_NE(other.detail().find("another request"), std::string::npos);
}

// Seven hours of five minutes, and a stock of each kind: the report tells use and price of each.
TEST_F(BatchTest, AgentsAndStockOfOneBatch) {
  Put("/v1/items", R"({"itemId":"pot","title":"Tea pot","stock":2})");
  Put("/v1/channels", R"({"channels":[{"name":"call","address":"email","cost":"0.01","consentRequired":false}]})");
  const auto batch = [&](const std::string& name, int minutes, int tea) {
    const std::string limits =
        R"({"caps":[],"quietHours":[{"from":"09:00","until":"08:00"}],"agents":[{"name":"desk","minutesPerHour":)" +
        std::to_string(minutes) + R"(,"channels":[{"channel":"call","minutesPerContact":2.5}]}],
        "stock":{"fromCatalogue":true,"items":[{"itemId":"tea","amount":)" +
        std::to_string(tea) + "}]}}";
    const Answered started =
        Post("/v1/decisions/batch", R"({"name":")" + name + R"(","items":["tea","pot"],"limits":)" + limits + "}");
    EXPECT_EQ(started.status, 202) << started.body;
    return Finished(name);
  };
  json record = batch("minutes", 5, 100);
  EXPECT_EQ(record["sends"], 14) << record.dump();
  ASSERT_EQ(record["limits"].size(), 3u);
  EXPECT_EQ(record["limits"][0]["name"], "desk minutes per hour");
  EXPECT_EQ(record["limits"][0]["hours"], 168);
  EXPECT_EQ(record["limits"][0]["used"], 35);
  EXPECT_GT(record["limits"][0]["price"].get<double>(), 0);
  EXPECT_EQ(record["limits"][2]["name"], "stock of pot");
  EXPECT_EQ(record["limits"][2]["amount"], 2);
  EXPECT_LE(record["sendsByItem"].value("pot", 0), 2);
  // The calls that are planned take the same agents' minutes again.
  record = batch("again", 5, 100);
  EXPECT_EQ(record["sends"], 0) << record.dump();
  record = batch("stock", 100, 3);
  EXPECT_EQ(record["sends"], 5) << record.dump();
  EXPECT_EQ(record["sendsByItem"], json::parse(R"({"pot":2,"tea":3})"));
  EXPECT_GT(record["limits"][1]["price"].get<double>(), 0);
  EXPECT_LT(record["gap"].get<double>(), 0.05);
}

TEST_F(BatchTest, BadInputIsToldWhatToDo) {
  const auto refused = [&](const std::string& body, const std::string& word) {
    const Answered answer = Post("/v1/decisions/batch", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_NE(answer.detail().find(word), std::string::npos) << body << ": " << answer.detail();
  };
  refused(R"({"items":["tea"],"name":"two words"})", "letters");
  refused(R"({"items":["nowhere"]})", "nowhere");
  refused(R"({"customers":"all"})", "items");
  refused(R"({"items":["tea"],"customers":[]})", "customers");
  refused(R"({"items":["tea"],"customers":"some"})", "customers");
  refused(R"({"items":["tea"],"channels":["pigeon"]})", "pigeon");
  refused(R"({"items":["tea"],"purpose":"*"})", "purpose");
  refused(R"({"items":["tea"],"limits":{"budgets":[{"name":"x","amount":-1}]}})", "never negative");
  refused(R"({"items":["tea"],"limits":{"stock":{"items":[{"itemId":"gone","amount":1}]}}})", "'gone'");
  refused(R"({"items":["tea"],"exploration":2})", "exploration");
  refused(R"({"items":["tea"],"sead":2})", "sead");
  EXPECT_EQ(Get("/v1/decisions/batch/unknown").status, 404);
  EXPECT_EQ(Get("/v1/decisions/batch/unknown/plan").status, 404);
  // Nobody of those named is known: only the job finds out.
  ASSERT_EQ(Post("/v1/decisions/batch", R"({"name":"empty","items":["tea"],"customers":["nobody"]})").status, 202);
  const json failed = Finished("empty");
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_NE(failed["problem"].get<std::string>().find("known"), std::string::npos) << failed.dump();
}

}  // namespace
}  // namespace rapport

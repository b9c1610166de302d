// Decisions over the routes: consent first, caps across decisions, nothing with its reason, bad input with a clear
// word.
#include <atomic>
#include <map>
#include <sstream>
#include <thread>

#include "server/contact_settings_json.h"
#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using nlohmann::json;

class DecisionsTest : public EndpointsTest {
 protected:
  DecisionsTest() {
    Put("/v1/items", R"([{"itemId":"tea","title":"Green tea","margin":"4"},{"itemId":"pot","title":"Tea pot"},
                         {"itemId":"gone","title":"Sold out","available":false}])");
    Post("/v1/identify", R"({"userId":"7","traits":{"email":"a@b.example","timezone":"Asia/Tokyo"}})");
  }
  void Consent(const char* channel) {
    Put("/v1/customers/7/consents", json{{"channel", channel}, {"purpose", "marketing"}, {"given", true}}.dump());
  }
  // Always the best arm: no chance in the test.
  void NoChance(const std::string& caps) {
    const Answered put = Put("/v1/limits", R"({"temperature":0,"exploration":1e-9,"caps":)" + caps + "}");
    EXPECT_EQ(put.status, 200) << put.body;
  }
  json Decide(const std::string& more = "") {
    const Answered answer = Post("/v1/decisions", R"({"customer":{"userId":"7"},"items":["tea","pot"])" + more + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json;
  }
  static bool Removed(const json& decision, const std::string& reason) {
    for (const json& one : decision["removed"]) {
      if (one["reason"] == reason) return true;
    }
    return false;
  }
};

TEST_F(DecisionsTest, WithoutConsentThereIsNothingAndItsReason) {
  NoChance("[]");
  json decision = Decide();
  EXPECT_EQ(decision["action"], "nothing");
  EXPECT_EQ(decision["because"], "no-arm");
  EXPECT_TRUE(Removed(decision, "no-consent")) << decision.dump();
  // Service needs no consent, and an address that is not there stays a reason.
  decision = Decide(R"(,"purpose":"service")");
  EXPECT_EQ(decision["action"], "send") << decision.dump();
  EXPECT_TRUE(Removed(decision, "no-address"));
}

TEST_F(DecisionsTest, SendsWithReasonsOutsideQuietHoursOnTheCustomersClock) {
  NoChance("[]");
  Consent("email");
  const json decision = Decide(R"(,"explain":true)");
  ASSERT_EQ(decision["action"], "send") << decision.dump();
  EXPECT_EQ(decision["channel"], "email");
  EXPECT_EQ(decision["timezone"], "Asia/Tokyo");
  EXPECT_EQ(decision["timezoneFrom"], "customer");
  const std::string local = decision["localTime"];
  EXPECT_GE(local.substr(11, 5), "08:00");
  EXPECT_LT(local.substr(11, 5), "21:00");
  EXPECT_GT(decision["value"].get<double>(), 0);
  double sum = 0;
  for (const json& arm : decision["shortlist"]) sum += arm["propensity"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_LE(decision["shortlist"].size(), 64u);
  const Answered told = Get("/v1/decisions/" + decision["decisionId"].get<std::string>());
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.json["decision"]["at"], decision["at"]);
  EXPECT_NE(told.json["words"]["customer"]["en"].get<std::string>().find("by e-mail"), std::string::npos) << told.body;
  EXPECT_NE(told.json["words"]["customer"]["zh"].get<std::string>().find("电子邮件"), std::string::npos);
  EXPECT_NE(told.json["words"]["marketer"]["en"].get<std::string>().find("probability"), std::string::npos);
  EXPECT_EQ(Get("/v1/decisions/d-unknown").status, 404);
}

// A cap is told in the words it was given in: "1d" beside the calendar's "day" would be misread.
TEST_F(DecisionsTest, CapsAreReadBackAsTheyWereWritten) {
  const json caps = Get("/v1/limits").json["caps"];
  ASSERT_EQ(caps.size(), 2u);
  EXPECT_EQ(caps[0]["per"], "7d");
  EXPECT_EQ(caps[1]["per"], "24h");
  for (const char* per : {"90m", "24h", "36h", "7d", "day", "week", "month"}) {
    NoChance(json{{{"count", 1}, {"per", per}}}.dump());
    EXPECT_EQ(Get("/v1/limits").json["caps"][0]["per"], per);
  }
}

// Each decision sees what the ones before have planned: the cap holds without a single "Email Sent".
TEST_F(DecisionsTest, PlannedContactsCountForTheCap) {
  NoChance(R"([{"count":2,"per":"7d","purpose":"marketing"}])");
  Consent("email");
  EXPECT_EQ(Decide()["action"], "send");
  const json second = Decide();
  EXPECT_EQ(second["action"], "send");
  json third = Decide();
  EXPECT_EQ(third["action"], "nothing") << third.dump();
  EXPECT_TRUE(Removed(third, "frequency-cap"));
  // Given up, the place is free again.
  Post("/v1/track",
       json{{"userId", "7"}, {"event", "Contact Cancelled"}, {"properties", {{"contact_id", second["decisionId"]}}}}
           .dump());
  EXPECT_EQ(Decide()["action"], "send");
  // A dry run keeps nothing.
  NoChance(R"([{"count":4,"per":"7d","purpose":"marketing"}])");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Decide(R"(,"dryRun":true)")["action"], "send");
}

// Decisions that overlap see each other's plans before these are on the disk.
TEST_F(DecisionsTest, DecisionsAtTheSameTimeKeepTheCap) {
  NoChance(R"([{"count":3,"per":"7d"}])");
  Consent("email");
  std::atomic<int> sends{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 6; ++i) sends += Decide()["action"] == "send" ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sends, 3);
  const std::optional<CustomerId> customer = store_->FindCustomer({CustomerNamespace::kUser, "7"});
  EXPECT_EQ(store_->ReadContacts(*customer)->size(), 3u);
}

// Many customers at once and few places an hour: each place is taken once, and the next best hour is found.
TEST_F(DecisionsTest, CapacityOfAnHourHoldsUnderConcurrency) {
  NoChance("[]");
  constexpr int kCustomers = 40, kHours = 8, kCapacity = 3;
  ASSERT_EQ(Put("/v1/channels", R"({"channels":[{"name":"email","capacityPerHour":3,"quietHours":[],
                                                 "consentRequired":false}]})")
                .status,
            200);
  for (int u = 0; u < kCustomers; ++u) Post("/v1/identify", json{{"userId", "c" + std::to_string(u)}}.dump());
  std::atomic<int> sends{0}, full{0}, next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int u = next++; u < kCustomers; u = next++) {
        const Answered answer = Post("/v1/decisions", json{{"customer", {{"userId", "c" + std::to_string(u)}}},
                                                           {"items", {"tea"}},
                                                           {"until", "2026-03-01T20:00:00Z"}}
                                                          .dump());
        sends += answer.json["action"] == "send" ? 1 : 0;
        full += answer.json["action"] == "nothing" && Removed(answer.json, "capacity") ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sends, kHours * kCapacity);
  EXPECT_EQ(full, kCustomers - kHours * kCapacity);
  const int64_t first = clock_.Now().ms / kHourMs;
  EXPECT_EQ(store_->PlannedByHour(PlannedOf::kChannel, "email", first, kHours),
            std::vector<uint64_t>(kHours, kCapacity));
  // A batch finds no place in these hours either.
  ASSERT_EQ(Post("/v1/decisions/batch", R"({"name":"b","items":["tea"]})").status, 202);
  json record;
  do record = Get("/v1/decisions/batch/b").json;
  while (record["state"] == "running");
  ASSERT_EQ(record["state"], "done") << record.dump();
  EXPECT_GT(record["sends"], 0);
  for (const uint64_t count : store_->PlannedByHour(PlannedOf::kChannel, "email", first, 200)) EXPECT_LE(count, 3u);
  // What is given up is free again.
  json line;
  std::istringstream page(Get("/v1/decisions/batch/b/plan").body);
  for (std::string text; !line.contains("at") && std::getline(page, text);) line = json::parse(text);
  ASSERT_TRUE(line.contains("at"));
  const int64_t hour = ParseRfc3339(line["at"].get<std::string>()).Take().ms / kHourMs;
  const uint64_t before = store_->PlannedByHour(PlannedOf::kChannel, "email", hour, 1)[0];
  Post("/v1/track", json{{"userId", line["customer"]},
                         {"event", "Contact Cancelled"},
                         {"properties", {{"contact_id", line["decisionId"]}}}}
                        .dump());
  EXPECT_EQ(store_->PlannedByHour(PlannedOf::kChannel, "email", hour, 1)[0], before - 1);
}

// A place's capacity holds over all channels that lead there.
TEST_F(DecisionsTest, APlaceTakesSoManyAnHour) {
  NoChance("[]");
  const Answered put = Put("/v1/channels", R"({"channels":[
      {"name":"visit","atPlace":true,"cost":0,"consentRequired":false,"quietHours":[]},
      {"name":"tasting","atPlace":true,"cost":0,"consentRequired":false,"quietHours":[]}],
      "places":[{"name":"Bern","capacityPerHour":2},{"name":"Zurich","capacityPerHour":1}]})");
  ASSERT_EQ(put.status, 200) << put.body;
  std::map<std::string, int> sends;
  int full = 0;
  for (int u = 0; u < 12; ++u) {
    const std::string channel = u % 2 == 0 ? "visit" : "tasting";
    const Answered answer = Post("/v1/decisions", json{{"customer", {{"userId", "p" + std::to_string(u)}}},
                                                       {"items", {"tea"}},
                                                       {"channels", {channel}},
                                                       {"until", "2026-03-01T14:00:00Z"}}
                                                      .dump());
    ASSERT_EQ(answer.status, 200) << answer.body;
    if (answer.json["action"] == "send") {
      ++sends[answer.json["place"].get<std::string>()];
    } else {
      full += Removed(answer.json, "capacity") ? 1 : 0;
    }
  }
  EXPECT_EQ(sends["Bern"], 4);  // two hours
  EXPECT_EQ(sends["Zurich"], 2);
  EXPECT_EQ(full, 6);
  const int64_t hour = clock_.Now().ms / kHourMs;
  EXPECT_EQ(store_->PlannedByHour(PlannedOf::kPlace, "Bern", hour, 2), (std::vector<uint64_t>{2, 2}));
}

// Bern is 95 km from Zurich as the crow flies.
TEST_F(DecisionsTest, APlaceThatIsTooFarIsNotOffered) {
  NoChance("[]");
  const auto place = [&](const char* within) {
    const Answered put = Put("/v1/channels", std::string(R"({"channels":[{"name":"visit","atPlace":true,"cost":0,
        "consentRequired":false}],"places":[{"name":"Zurich","latitude":47.3769,"longitude":8.5417,"withinKm":)") +
                                                 within + "}]}");
    EXPECT_EQ(put.status, 200) << put.body;
  };
  const std::string bern = R"(,"near":{"latitude":46.9480,"longitude":7.4474})";
  place("100");
  EXPECT_EQ(Decide(bern)["action"], "send");
  place("90");
  EXPECT_TRUE(Removed(Decide(bern), "too-far"));
  EXPECT_EQ(Decide()["action"], "send");  // nobody knows where
  Post("/v1/identify", R"({"userId":"7","traits":{"latitude":46.9480,"longitude":7.4474}})");
  EXPECT_TRUE(Removed(Decide(), "too-far"));
  EXPECT_EQ(Decide(R"(,"near":{"latitude":47.4,"longitude":8.5})")["action"], "send");
  EXPECT_EQ(Post("/v1/decisions", R"({"customer":{"userId":"7"},"near":{"latitude":99}})").status, 400);
  EXPECT_NEAR(DistanceKm({46.9480, 7.4474}, {47.3769, 8.5417}), 95.5, 0.5);
  EXPECT_NEAR(DistanceKm({0, 179.5}, {0, -179.5}), 111.2, 0.1);  // over the date line
  EXPECT_NEAR(DistanceKm({0, 0}, {0, 180}), 20015.1, 0.1);
}

TEST_F(DecisionsTest, AnOpenComplaintStopsMarketingAndServiceGoesOn) {
  NoChance("[]");
  Consent("email");
  Post("/v1/track", R"({"userId":"7","event":"Complaint Opened","properties":{"case_id":"c"}})");
  EXPECT_TRUE(Removed(Decide(), "open-complaint"));
  EXPECT_EQ(Decide(R"(,"purpose":"service")")["action"], "send");
  Post("/v1/track", R"({"userId":"7","event":"Complaint Closed","properties":{"case_id":"c"}})");
  EXPECT_EQ(Decide()["action"], "send");
  Post("/v1/track", R"({"userId":"7","event":"Email Unsubscribed"})");
  EXPECT_TRUE(Removed(Decide(), "consent-withdrawn"));
}

TEST_F(DecisionsTest, WhatMayNotBeShownIsNotSaidEither) {
  NoChance("[]");
  Consent("email");
  const Answered answer = Post("/v1/decisions", R"({"customer":{"userId":"7"},"items":["gone","nowhere"]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json["action"], "nothing");
  EXPECT_EQ(answer.json["because"], "no-content");
  EXPECT_EQ(answer.json["refusedItems"].size(), 2u);
  // Nobody known: no consent, no address, no guess.
  const Answered nobody = Post("/v1/decisions", R"({"customer":{"userId":"stranger"},"items":["tea"]})");
  EXPECT_EQ(nobody.json["action"], "nothing");
}

TEST_F(DecisionsTest, AHoldoutHearsNoMarketing) {
  Consent("email");
  Put("/v1/limits", R"({"caps":[],"temperature":0,"exploration":1e-9,"holdoutShare":1})");
  EXPECT_TRUE(Removed(Decide(), "holdout"));
  EXPECT_EQ(Decide(R"(,"purpose":"service")")["action"], "send");
}

TEST_F(DecisionsTest, PersonalizationOffUsesEverybodysCurve) {
  NoChance("[]");
  Consent("email");
  EXPECT_EQ(Decide()["personal"], true);
  Put("/v1/customers/7/personalization", R"({"personalization":"off"})");
  EXPECT_EQ(Decide()["personal"], false);
}

TEST_F(DecisionsTest, BadInputIsToldWhatToDo) {
  const auto refused = [&](const std::string& more, const std::string& word) {
    const Answered answer = Post("/v1/decisions", R"({"customer":{"userId":"7"})" + more + "}");
    EXPECT_EQ(answer.status, 400) << more << answer.body;
    EXPECT_NE(answer.detail().find(word), std::string::npos) << more << ": " << answer.detail();
  };
  refused(R"(,"from":"2026-03-02T00:00:00Z","until":"2026-03-02T00:00:00Z")", "empty");
  refused(R"(,"from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z")", "past");
  refused(R"(,"until":"2027-03-01T00:00:00Z")", "31 days");
  refused(R"(,"channels":["pigeon"])", "pigeon");
  refused(R"(,"purpose":"*")", "purpose");
  json many = json::array();
  for (int i = 0; i < 10000; ++i) many.push_back("i" + std::to_string(i));
  refused(",\"items\":" + many.dump(), "200");
  EXPECT_EQ(Post("/v1/decisions", "{}").status, 400);
}

TEST_F(DecisionsTest, SettingsAreCheckedAsAWholeAndSurvive) {
  const auto refused = [&](const char* path, const std::string& body, const std::string& word) {
    const Answered answer = Put(path, body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_NE(answer.detail().find(word), std::string::npos) << body << ": " << answer.detail();
  };
  refused("/v1/limits", R"({"timezone":"Mars/Olympus"})", "Mars/Olympus");
  refused("/v1/limits", R"({"budgets":[{"name":"may","amount":"-5"}]})", "never negative");
  refused("/v1/limits", R"({"budgets":[{"name":"may","amount":5},{"name":"may","amount":6}]})", "twice");
  refused("/v1/limits", R"({"caps":[{"count":1,"per":"fortnight"}]})", "caps[0].per");
  refused("/v1/limits", R"({"caps":[{"count":1,"per":"day","channel":"pigeon"}]})", "pigeon");
  refused("/v1/limits", R"({"quietHours":[{"from":"00:00","until":"24:00"}]})", "no minute");
  refused("/v1/limits", R"({"exploration":0})", "exploration");
  const auto team = [](const std::string& rest) { return R"({"agents":[{"name":"desk",)" + rest + "}]}"; };
  refused("/v1/limits", team(R"("minutesPerHour":60)"), "names no channel");
  refused("/v1/limits", team(R"("channels":[{"channel":"call","minutesPerContact":6}])"), "minutesPerHour is needed");
  refused("/v1/limits", team(R"("minutesPerHour":-1,"channels":[])"), "agents[0].minutesPerHour");
  refused("/v1/limits", team(R"("minutesPerHour":60,"channels":[{"channel":"call"}])"), "minutesPerContact is needed");
  refused("/v1/limits", team(R"("minutesPerHour":60,"channels":[{"channel":"call","minutesPerContact":0}])"),
          "above 0");
  refused("/v1/limits", team(R"("minutesPerHour":60,"channels":[{"channel":"pigeon","minutesPerContact":6}])"),
          "pigeon");
  refused("/v1/limits", team(R"("minutesPerHour":5,"channels":[{"channel":"call","minutesPerContact":6}])"),
          "none would ever fit");
  refused("/v1/limits", team(R"("minutesPerHour":60,"channels":[{"channel":"call","minutesPerContact":6},
                                                  {"channel":"call","minutesPerContact":7}])"),
          "twice");
  refused("/v1/limits", R"({"agents":[
    {"name":"a","minutesPerHour":60,"channels":[{"channel":"call","minutesPerContact":6}]},
    {"name":"b","minutesPerHour":60,"channels":[{"channel":"call","minutesPerContact":6}]}]})",
          "two teams");
  refused("/v1/limits", R"({"stock":{"items":[{"itemId":"no-such","amount":3}]}})", "'no-such'");
  refused("/v1/limits", R"({"stock":{"items":[{"itemId":"tea","amount":-3}]}})", "stock.items[0].amount");
  refused("/v1/limits", R"({"stock":{"items":[{"itemId":"tea","amount":3},{"itemId":"tea","amount":4}]}})", "twice");
  refused("/v1/limits", R"({"stock":{"fromCatalog":true}})", "fromCatalog");
  refused("/v1/limits", R"({"quietHour":[]})", "quietHour");
  refused("/v1/channels", R"({"channels":[{"name":"email"},{"name":"email"}]})", "twice");
  refused("/v1/channels", R"({"channels":[{"name":"email","cost":-1}]})", "cost");
  refused("/v1/channels", R"({})", "channels");
  EXPECT_EQ(Put("/v1/limits", R"({"caps":[{"count":1,"per":"day","channel":"sms"}],
    "agents":[{"name":"desk","minutesPerHour":0,"channels":[{"channel":"sms","minutesPerContact":6}]}],
    "stock":{"fromCatalogue":true,"items":[{"itemId":"tea","amount":3}]}})")
                .status,
            200);
  // The limits name a channel: it cannot go away under them.
  refused("/v1/channels", R"({"channels":[{"name":"email"}]})", "sms");
  EXPECT_EQ(Put("/v1/channels", R"({"channels":[{"name":"sms","cost":"0.07","quietHours":[]}],
      "places":[{"name":"main","timezone":"Europe/Zurich","open":[{"from":"09:00","until":"18:30","days":["mon"]}]}]})")
                .status,
            200);
  const Answered channels = Get("/v1/channels"), limits = Get("/v1/limits");
  EXPECT_EQ(channels.json["channels"][0]["cost"], 0.07);
  EXPECT_EQ(channels.json["places"][0]["open"][0]["until"], "18:30");
  EXPECT_EQ(limits.json["caps"][0]["per"], "day");
  // What is told can be said again, and what is stored is what is in force.
  EXPECT_EQ(Put("/v1/channels", channels.body).status, 200);
  EXPECT_EQ(Put("/v1/limits", limits.body).status, 200);
  const Result<ContactSettings> stored = LoadContactSettings(*store_);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(ChannelsToJson(*stored), channels.body);
  EXPECT_EQ(LimitsToJson(*stored), limits.body);
}

}  // namespace
}  // namespace rapport

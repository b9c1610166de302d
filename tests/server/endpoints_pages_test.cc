// Next pages, rankings and whole pages over HTTP: who may turn whose pages, what is told to whom, and one shop view.
#include <set>

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::string>;

class PagesTest : public EndpointsTest {
 protected:
  using EndpointsTest::EndpointsTest;
  void PutShop(size_t items) {
    Json list = Json::array();
    for (size_t i = 0; i < items; ++i) {
      list.push_back({{"itemId", "i" + std::to_string(i)},
                      {"title", "Item " + std::to_string(i)},
                      {"categories", {"c" + std::to_string(i % 3)}},
                      {"price", std::to_string(i) + ".50"}});
    }
    ASSERT_EQ(Put("/v1/items", list.dump()).status, 200);
  }
  void View(const std::string& who, const std::string& item) {
    ASSERT_EQ(Post("/v1/track", "{" + who + R"(,"event":"Product Viewed","properties":{"product_id":")" + item + "\"}}")
                  .status,
              200);
  }
  Answered Next(const std::string& id, const std::string& more = "") {
    return Post("/v1/recommendations/next", R"({"recommendationId":")" + id + "\"" + more + "}");
  }
};

TEST_F(PagesTest, PagesOverTheShopShowEverythingOnceWhileItChanges) {
  PutShop(25);
  Answered page = Post("/v1/recommendations", R"({"customer":{"userId":"u"},"count":7,"return":["title","price"],
    "filter":"NOT category = 'c2'","exclude":["i0"]})");
  std::set<std::string> seen;
  size_t pages = 0;
  while (true) {
    ASSERT_EQ(page.status, 200) << page.body;
    if (page.json["items"].empty()) break;
    ASSERT_LT(++pages, 10u);
    for (const Json& item : page.json["items"]) {
      EXPECT_TRUE(seen.insert(item["itemId"]).second) << item;
      EXPECT_EQ(item["properties"].size(), 2u) << "return goes on";
    }
    View(R"("userId":"u")", "i" + std::to_string(pages));
    if (pages == 1) {
      ASSERT_EQ(Ask({"PATCH", "/v1/items/i24", R"({"stock":0})"}).status, 200);
    }
    page = Next(page.json["recommendationId"]);
  }
  EXPECT_EQ(pages, 3u);  // 17 of c0 and c1 less i0: 7 a page
  EXPECT_GE(seen.size(), 15u);
  EXPECT_FALSE(seen.count("i0") || seen.count("i2"));
  EXPECT_EQ(ItemIds(Next(page.json["recommendationId"])), Ids{});  // the end stays the end
}

TEST_F(PagesTest, ReasonsGoOnToo) {
  PutShop(20);
  const Answered page = Post("/v1/recommendations", R"({"count":4,"explain":true})");
  EXPECT_TRUE(Next(page.json["recommendationId"]).json["items"][0].contains("reasons"));
  EXPECT_TRUE(Post("/v1/rank", R"({"items":["i1"],"explain":true})").json["items"][0].contains("reasons"));
  const Answered context = Post("/v1/context", R"({"placements":[{"name":"a","explain":true},{"name":"b"}]})");
  EXPECT_TRUE(context.json["placements"][0]["items"][0].contains("reasons"));
}

TEST_F(PagesTest, CountsAndExpiry) {
  PutShop(20);
  const std::string id = Post("/v1/recommendations", R"({"count":4})").json["recommendationId"];
  EXPECT_EQ(ItemIds(Next(id)).size(), 4u);
  EXPECT_EQ(ItemIds(Next(id, R"(,"count":6)")).size(), 6u);
  clock_.Advance(kDayMs);
  EXPECT_EQ(Next(id).status, 200);
  clock_.Advance(1);
  const Answered late = Next(id);
  EXPECT_EQ(late.status, 400);
  EXPECT_NE(late.detail().find("expired"), std::string::npos) << late.body;
  const std::string board = Get("/v1/popular").json["recommendationId"];
  EXPECT_NE(Next(board).detail().find("not continued"), std::string::npos);
}

TEST_F(PagesTest, AListBelongsToItsCustomer) {
  PutShop(20);
  View(R"("userId":"anna")", "i3");
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kEvents, Scope::kRecommend}));
  const auto visitor = [&](const std::string& who) {
    return Post("/v1/visitors", "{" + who + "}").json["visitor"].get<std::string>();
  };
  const std::string anna = visitor(R"("userId":"anna")"), bert = visitor(R"("userId":"bert")");
  const std::string of_anna =
      Post("/v1/recommendations", R"({"customer":{"userId":"anna"},"count":5})").json["recommendationId"];
  const std::string of_nobody = Post("/v1/recommendations", R"({"count":5})").json["recommendationId"];
  const auto turn = [&](const std::string& id, const std::string& token, const std::string& more = "") {
    return Ask({"POST", "/v1/recommendations/next", R"({"recommendationId":")" + id + "\"" + more + "}", key, token})
        .status;
  };
  EXPECT_EQ(turn(of_anna, anna), 200);
  EXPECT_EQ(turn(of_anna, bert), 403);
  EXPECT_EQ(turn(of_anna, ""), 403);
  EXPECT_EQ(turn(of_anna, bert, R"(,"customer":{"userId":"bert"})"), 403);
  EXPECT_EQ(turn(of_anna, bert, R"(,"customer":{"userId":"anna"})"), 403);
  EXPECT_EQ(turn(of_nobody, ""), 200);
  EXPECT_EQ(turn(of_nobody, bert), 200);  // nothing in it is anybody's
  EXPECT_EQ(Next(of_anna).status, 200);   // a server key acts for everybody, and is told when it mixes them up
  EXPECT_EQ(Next(of_anna, R"(,"customer":{"userId":"anna"})").status, 200);
  EXPECT_EQ(Next(of_anna, R"(,"customer":{"userId":"bert"})").status, 403);
  EXPECT_EQ(Next(of_nobody, R"(,"customer":{"userId":"bert"})").status, 403);
  EXPECT_EQ(of_anna.find("anna"), std::string::npos);
  EXPECT_EQ(FromBase64Url(of_anna)->find("anna"), std::string::npos) << "the id tells who it is of";
  const std::string events_only = AddKey(KeyKind::kServer, Bits({Scope::kEvents}));
  for (const char* path : {"/v1/recommendations/next", "/v1/rank", "/v1/context"}) {
    EXPECT_EQ(Ask({"POST", path, "{}", events_only}).status, 403) << path;
  }
}

// A visitor who signs in turns the pages that were opened before.
TEST_F(PagesTest, LinkedIdentitiesAreOneCustomer) {
  PutShop(20);
  View(R"("anonymousId":"dev")", "i3");
  const std::string id =
      Post("/v1/recommendations", R"({"customer":{"anonymousId":"dev"},"count":5})").json["recommendationId"];
  EXPECT_EQ(Next(id, R"(,"customer":{"userId":"anna"})").status, 403);
  ASSERT_EQ(Post("/v1/alias", R"({"previousId":"dev","userId":"anna"})").status, 200);
  EXPECT_EQ(Next(id, R"(,"customer":{"userId":"anna"})").status, 200);
}

TEST_F(PagesTest, RankPutsInOrderAndSaysWhyNot) {
  PutShop(6);
  ASSERT_EQ(Ask({"PATCH", "/v1/items/i1", R"({"stock":0})"}).status, 200);
  ASSERT_EQ(Ask({"PATCH", "/v1/items/i2", R"({"hidden":true})"}).status, 200);
  const std::string body =
      R"({"customer":{"userId":"u"},"items":["i5","i0","i1","i2","ghost","i0",3],"return":["title"],
    "filter":"price < 5"})";
  const Answered answered = Post("/v1/rank", body);
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(ItemIds(answered), Ids{"i0"});
  EXPECT_EQ(answered.json["items"][0]["properties"]["title"], "Item 0");
  EXPECT_EQ(answered.json["refused"], Json::parse(R"([{"itemId":"i5","reason":"does not match the filter"},
    {"itemId":"i1","reason":"out of stock"},{"itemId":"i2","reason":"hidden"}])"));
  EXPECT_EQ(answered.json["unknown"], Json::parse(R"(["ghost","3"])"));
  EXPECT_EQ(Next(answered.json["recommendationId"]).status, 400);
  // A browser learns what it may show, and nothing of the rest.
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kRecommend}));
  const Answered browser = Ask({"POST", "/v1/rank", R"({"items":["i0","i2","ghost"]})", key});
  ASSERT_EQ(browser.status, 200) << browser.body;
  EXPECT_EQ(browser.json["unknown"], Json::array());
  EXPECT_EQ(browser.json["refused"], Json::parse(R"([{"itemId":"i2","reason":"may not be shown"},
    {"itemId":"ghost","reason":"may not be shown"}])"));
  EXPECT_EQ(Ask({"POST", "/v1/rank", body, key}).status, 403);  // names somebody else
}

TEST_F(PagesTest, AContextIsOnePage) {
  PutShop(30);
  ASSERT_EQ(Post("/v1/identify",
                 R"({"userId":"u","traits":{"country":"GB","timezone":"Europe/London","audiences":["trade"]}})")
                .status,
            200);
  View(R"("userId":"u")", "i3");
  const std::string body = R"({"customer":{"userId":"u"},"placements":[
    {"name":"hero","count":3,"pin":[{"itemId":"i7","position":1}]},
    {"name":"below","count":8,"diversity":0.4,"return":["title"],"filter":"price < 40"},
    {"name":"kin","scenario":"product","seedItems":["i3"],"count":5}]})";
  const Answered answered = Post("/v1/context", body);
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.json["customer"], Json::parse(R"({"known":true,"identified":true,"personalization":"on",
    "timezone":"Europe/London","country":"GB","audiences":["trade"],"consents":[]})"));
  std::set<std::string> seen;
  Ids names;
  for (const Json& placement : answered.json["placements"]) {
    names.push_back(placement["name"]);
    for (const Json& item : placement["items"]) EXPECT_TRUE(seen.insert(item["itemId"]).second) << item;
  }
  EXPECT_EQ(names, (Ids{"hero", "below", "kin"}));
  EXPECT_EQ(seen.size(), 16u);
  EXPECT_EQ(answered.json["placements"][0]["items"][0]["itemId"], "i7");
  EXPECT_TRUE(answered.json["placements"][1]["items"][0]["properties"].contains("title"));
  EXPECT_EQ(Next(answered.json["placements"][1]["recommendationId"]).status, 200);
  Json again = Json::parse(body);
  again["allowDuplicates"] = true;
  seen.clear();
  size_t twice = 0;
  const Answered doubled = Post("/v1/context", again.dump());
  for (const Json& placement : doubled.json["placements"]) {
    for (const Json& item : placement["items"]) twice += !seen.insert(item["itemId"]).second;
  }
  EXPECT_GT(twice, 0u);
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kRecommend}));
  const std::string visitor = Post("/v1/visitors", R"({"userId":"u"})").json["visitor"];
  const Answered browser = Ask({"POST", "/v1/context", R"({"placements":[{"name":"a"}]})", key, visitor});
  EXPECT_EQ(browser.json["customer"]["known"], true);
  EXPECT_FALSE(browser.json["customer"].contains("audiences"));
  EXPECT_EQ(
      Ask({"POST", "/v1/context", R"({"customer":{"userId":"v"},"placements":[{"name":"a"}]})", key, visitor}).status,
      403);
  const Answered nobody = Post("/v1/context", R"({"placements":[{"name":"a"}]})");
  EXPECT_EQ(nobody.json["customer"]["known"], false);
}

class ExploringPagesTest : public PagesTest {
 protected:
  static EngineOptions Options() {
    EngineOptions options;
    options.scenarios[0].exploration = {{2}, 0.5, 8, 2};
    return options;
  }
  ExploringPagesTest() : PagesTest(Options()) {}
};

TEST_F(ExploringPagesTest, PropensitiesAreForServersOnly) {
  PutShop(30);
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kRecommend}));
  const Answered server = Post("/v1/recommendations", R"({"count":4})");
  ASSERT_EQ(ItemIds(server).size(), 4u) << server.body;
  EXPECT_EQ(server.json["items"][1]["explored"], true);
  EXPECT_GT(server.json["items"][1]["propensity"], 0.0);
  EXPECT_LT(server.json["items"][1]["propensity"], 1.0);
  EXPECT_FALSE(server.json["items"][0].contains("propensity"));
  const Answered browser = Ask({"POST", "/v1/recommendations", R"({"count":4})", key});
  EXPECT_EQ(ItemIds(browser), ItemIds(server));  // the same instant, the same question
  EXPECT_FALSE(browser.json["items"][1].contains("propensity") || browser.json["items"][1].contains("explored"));
}

}  // namespace
}  // namespace rapport

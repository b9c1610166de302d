// The catalogue over HTTP, and what pages are answered from it.
#include <set>

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::string>;

class CatalogTest : public EndpointsTest {
 protected:
  void PutItem(const std::string& body) {
    const Answered answered = Put("/v1/items", body);
    ASSERT_EQ(answered.status, 200) << answered.body;
  }
  void PutShop(size_t items) {
    Json list = Json::array();
    for (size_t i = 0; i < items; ++i) {
      list.push_back({{"itemId", "i" + std::to_string(i)},
                      {"title", "Item " + std::to_string(i)},
                      {"price", std::to_string(i) + ".50"}});
    }
    PutItem(list.dump());
  }
  void Order(const std::string& user, const Ids& items) {
    Json products = Json::array();
    for (const std::string& item : items) products.push_back({{"product_id", item}});
    const Json body{{"userId", user},
                    {"event", "Order Completed"},
                    {"properties", {{"order_id", user + items[0]}, {"products", products}}}};
    ASSERT_EQ(Post("/v1/track", body.dump()).status, 200);
  }
};

TEST_F(CatalogTest, AnItemComesBackAsItWasPut) {
  const std::string item = R"({"itemId":"85123A","kind":"product","title":"White \"heart\" 😀","categories":["a","b"],
    "tags":["new"],"price":"12.75","margin":"4.10","stock":3,"available":true,"audience":["trade"],"variantOf":"85123",
    "publishedAt":"2026-01-01T00:00:00Z","expiresAt":"2027-01-01T00:00:00Z","language":"en",
    "attributes":{"color":"red","size":4.5,"soft":true,"parts":["x","y"]},"embedding":[0.5,-1.0]})";
  EXPECT_EQ(Put("/v1/items", item).body, R"({"success":true,"created":1,"updated":0,"unchanged":0})");
  Json expected = Json::parse(item), found = Get("/v1/items/85123A").json;
  found.erase("updatedAt");
  EXPECT_EQ(found, expected);
  clock_.Advance(kHourMs);
  EXPECT_EQ(Put("/v1/items", "[" + item + "]").body, R"({"success":true,"created":0,"updated":0,"unchanged":1})");
}

TEST_F(CatalogTest, PatchChangesWhatItNames) {
  PutItem(R"({"itemId":"a","title":"A","price":"1.00","stock":5})");
  EXPECT_EQ(Ask({"PATCH", "/v1/items/a", R"({"price":"0.90","stock":0})"}).status, 200);
  const Json item = Get("/v1/items/a").json;
  EXPECT_EQ(item["price"], "0.90");
  EXPECT_EQ(item["stock"], 0);
  EXPECT_EQ(item["title"], "A");
  EXPECT_EQ(Ask({"PATCH", "/v1/items/none", R"({"stock":1})"}).status, 404);
  EXPECT_EQ(Ask({"PATCH", "/v1/items/a", R"({})"}).status, 400);
  EXPECT_EQ(Ask({"PATCH", "/v1/items/a", R"({"stock":null})"}).status, 400);
  EXPECT_EQ(Ask({"PATCH", "/v1/items/a", R"({"kind":"faq"})"}).status, 400);
  EXPECT_EQ(Ask({"PATCH", "/v1/items/a", R"([])"}).status, 400);
}

TEST_F(CatalogTest, DeleteTakesItOut) {
  PutItem(R"({"itemId":"a"})");
  const Answered gone = Ask({"DELETE", "/v1/items/a"});
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  EXPECT_EQ(Get("/v1/items/a").status, 404);
  EXPECT_EQ(Ask({"DELETE", "/v1/items/a"}).status, 404);
  EXPECT_EQ(Get("/v1/items").json["items"].size(), 0u);
  EXPECT_EQ(ItemIds(Get("/v1/latest")), Ids{});
}

TEST_F(CatalogTest, GoodItemsOfAListAreKept) {
  const Answered answered =
      Put("/v1/items", R"([{"itemId":"a"},{"itemId":""},{"itemId":"b","price":"cheap"},7,{"itemId":"c"}])");
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.json["created"], 2);
  ASSERT_EQ(answered.json["errors"].size(), 3u) << answered.body;
  EXPECT_EQ(answered.json["errors"][1]["index"], 2);
  EXPECT_NE(answered.json["errors"][1]["detail"].get<std::string>().find("price"), std::string::npos);
  EXPECT_EQ(Put("/v1/items", R"([{"itemId":""},{"price":"x"}])").status, 400);
}

TEST_F(CatalogTest, ListsPageByPage) {
  PutShop(25);
  PutItem(R"({"itemId":"q","kind":"faq"})");
  Ids seen;
  std::string cursor;
  for (int page = 0; page < 10; ++page) {
    const Answered answered = Get("/v1/items?kind=product&limit=10" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(answered.status, 200) << answered.body;
    for (const std::string& id : ItemIds(answered)) seen.push_back(id);
    if (!answered.json.contains("cursor")) break;
    cursor = answered.json["cursor"];
  }
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 25u);
  EXPECT_EQ(ItemIds(Get("/v1/items?kind=faq")), Ids{"q"});
  EXPECT_EQ(Get("/v1/items?cursor=nonsense").status, 400);
  EXPECT_EQ(Get("/v1/items?limit=0").status, 400);
  EXPECT_EQ(Get("/v1/items?limt=1").status, 400);
}

TEST_F(CatalogTest, AnEmptyShopStillAnswers) {
  for (const char* body : {"{}", R"({"customer":{"userId":"nobody"}})", R"({"scenario":"unheard of","count":5})"}) {
    const Answered answered = Post("/v1/recommendations", body);
    EXPECT_EQ(answered.status, 200) << answered.body;
    EXPECT_EQ(answered.json["items"], Json::array());
    EXPECT_EQ(answered.json["generation"], 0);
  }
  for (const char* board : {"/v1/trending", "/v1/popular", "/v1/latest"}) EXPECT_EQ(Get(board).status, 200) << board;
  EXPECT_EQ(Get("/v1/items/none/similar").status, 404);
  EXPECT_EQ(Get("/v1/items/none/bought-together").status, 404);
}

TEST_F(CatalogTest, AStoreWithOneCustomerAnswers) {
  PutShop(3);
  Order("only", {"i0", "i1"});
  const Answered answered = Post("/v1/recommendations", R"({"customer":{"userId":"only"},"count":3})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_FALSE(answered.json["items"].empty());
}

TEST_F(CatalogTest, ReturnsTheFieldsThatWereAskedFor) {
  PutItem(R"({"itemId":"a","title":"A \"1\"","price":"12.75","margin":"9.00","attributes":{"color":"red"}})");
  const Answered answered = Post(
      "/v1/recommendations", R"({"count":1,"return":["title","price","stock","attributes.color","attributes.no"]})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  ASSERT_EQ(answered.json["items"].size(), 1u) << answered.body;
  EXPECT_EQ(answered.json["items"][0]["properties"],
            Json::parse(R"({"title":"A \"1\"","price":"12.75","attributes.color":"red"})"));
  EXPECT_EQ(Post("/v1/recommendations", R"({"return":["margin"]})").status, 400);  // not for browsers' eyes
  EXPECT_EQ(Get("/v1/latest?return=title,price").json["items"][0]["properties"].size(), 2u);
}

TEST_F(CatalogTest, PinsExcludesAndFiltersBind) {
  PutShop(10);
  PutItem(R"({"itemId":"hidden","hidden":true})");
  const Answered answered = Post("/v1/recommendations", R"({"count":5,"filter":"price <= 6",
    "pin":[{"itemId":"i4","position":2},{"itemId":"hidden","position":1}],"exclude":["i3",2]})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  const Ids ids = ItemIds(answered);
  ASSERT_EQ(ids.size(), 5u) << answered.body;
  EXPECT_EQ(ids[1], "i4");
  EXPECT_EQ(answered.json["items"][1]["pinned"], true);
  for (const std::string& id : ids) EXPECT_TRUE(id != "i3" && id != "hidden" && id <= "i5") << id;
}

// The request after an acknowledged event, stock change or objection reflects it.
TEST_F(CatalogTest, WhatIsAcknowledgedBindsTheNextPage) {
  PutShop(4);
  EXPECT_EQ(ItemIds(Get("/v1/popular")).size(), 4u);
  EXPECT_EQ(Ask({"PATCH", "/v1/items/i1", R"({"stock":0})"}).status, 200);
  EXPECT_EQ(ItemIds(Get("/v1/popular")).size(), 3u);
  Order("u", {"i0"});
  const Ids owned = ItemIds(Post("/v1/recommendations", R"({"customer":{"userId":"u"},"repeat":"only-ordered"})"));
  EXPECT_EQ(owned, Ids{"i0"});
  EXPECT_EQ(Put("/v1/customers/u/personalization", R"({"personalization":"off"})").status, 200);
  const Answered answered = Post("/v1/recommendations", R"({"customer":{"userId":"u"}})");
  EXPECT_TRUE(answered.json["level"] == "popular" || answered.json["level"] == "static") << answered.body;
}

TEST_F(CatalogTest, LinkedHistoryIsUsedAtOnce) {
  PutShop(4);
  Post("/v1/track", R"({"anonymousId":"dev","event":"Order Completed","properties":{"order_id":"1",
                        "products":[{"product_id":"i2"}]}})");
  const std::string question = R"({"customer":{"userId":"anna"},"repeat":"only-ordered"})";
  EXPECT_EQ(ItemIds(Post("/v1/recommendations", question)), Ids{});
  Post("/v1/alias", R"({"previousId":"dev","userId":"anna"})");
  EXPECT_EQ(ItemIds(Post("/v1/recommendations", question)), Ids{"i2"});
}

TEST_F(CatalogTest, BrowsersAskForTheirVisitorOnly) {
  PutShop(3);
  Order("anna", {"i1"});
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kEvents, Scope::kRecommend}));
  const std::string visitor = Post("/v1/visitors", R"({"userId":"anna"})").json["visitor"];
  const auto ask = [&](const std::string& body, const std::string& token) {
    return Ask({"POST", "/v1/recommendations", body, key, token});
  };
  EXPECT_EQ(ItemIds(ask(R"({"repeat":"only-ordered"})", visitor)), Ids{"i1"});  // nobody named: the visitor
  EXPECT_EQ(ask(R"({"customer":{"userId":"anna"}})", visitor).status, 200);
  EXPECT_EQ(ask(R"({"customer":{"userId":"bert"}})", visitor).status, 403);
  EXPECT_EQ(ask(R"({"customer":{"userId":"anna"}})", "").status, 403);
  EXPECT_EQ(ask("{}", "").status, 200);  // without a token: what everybody gets
  EXPECT_EQ(Ask({"GET", "/v1/popular?userId=bert", "", key, visitor}).status, 403);
  EXPECT_EQ(Ask({"PUT", "/v1/items", "[]", key, visitor}).status, 403);
  EXPECT_EQ(Ask({"POST", "/v1/visitors", R"({"userId":"bert"})", key, visitor}).status, 403);
}

TEST_F(CatalogTest, ReasonsComeWhenAskedFor) {
  EXPECT_EQ(Put("/v1/items", R"([{"itemId":"a","title":"An A"},{"itemId":"b"}])").status, 200);
  const Answered silent = Post("/v1/recommendations", "{}");
  EXPECT_FALSE(silent.json["items"][0].contains("reasons")) << silent.body;
  const Answered told = Post("/v1/recommendations", R"({"explain":true})");
  ASSERT_EQ(told.status, 200) << told.body;
  for (const auto& item : told.json["items"]) {
    ASSERT_EQ(item["reasons"].size(), 1u) << told.body;
    EXPECT_EQ(item["reasons"][0]["because"], "new");
    EXPECT_EQ(item["reasons"][0]["share"], 1.0);
  }
  EXPECT_EQ(Post("/v1/track", R"({"userId":"eva","event":"Order Completed","messageId":"m1",
      "properties":{"order_id":"1","products":[{"product_id":"a"}]}})")
                .status,
            200);
  const Answered again =
      Post("/v1/recommendations", R"({"customer":{"userId":"eva"},"scenario":"buy-again","count":1,"explain":true})");
  ASSERT_EQ(again.json["items"].size(), 1u) << again.body;
  const auto& reason = again.json["items"][0]["reasons"][0];
  EXPECT_EQ(reason["because"], "ordered");
  EXPECT_EQ(reason["itemId"], "a");
  EXPECT_EQ(reason["title"], "An A");
  EXPECT_TRUE(Get("/v1/latest?explain=true").json["items"][0].contains("reasons"));
  EXPECT_EQ(Get("/v1/latest?explain=maybe").status, 400);
}

}  // namespace
}  // namespace rapport

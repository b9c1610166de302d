// Segment's calls through the route table: what is acknowledged is kept, once, for the right customer and time.
#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

class EventsTest : public EndpointsTest {
 protected:
  Json EventsOf(const std::string& path) {
    const Answered answered = Get("/v1/customers/" + path);
    EXPECT_EQ(answered.status, 200) << answered.body;
    return answered.json.value("events", Json::array());
  }
  Json EventsOfUser(const std::string& id) { return EventsOf(id + "/events"); }
};

TEST_F(EventsTest, TrackIsKeptAsSent) {
  const Answered answered = Post("/v1/track", R"({"userId":"17850","event":"Order Completed","messageId":"m-1",
    "timestamp":"2026-02-01T08:26:00Z","properties":{"order_id":"536365","total":15.3,
    "products":[{"product_id":"85123A","quantity":6,"price":"2.55"},{"product_id":71053,"price":3.39}]}})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.body, R"({"success":true})");
  const Json events = EventsOfUser("17850");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["timestamp"], "2026-02-01T08:26:00Z");
  EXPECT_EQ(events[0]["messageId"], "m-1");
  const Json& record = events[0]["record"];
  EXPECT_EQ(record["type"], "ordered");
  EXPECT_EQ(record["orderId"], "536365");
  EXPECT_EQ(record["value"], 15.3);
  EXPECT_EQ(record["lines"], Json::parse(R"([{"itemId":"85123A","quantity":6,"price":"2.55"},
                                             {"itemId":"71053","quantity":1,"price":"3.39"}])"));
  EXPECT_EQ(events[0]["properties"]["products"].size(), 2u);
}

TEST_F(EventsTest, ARepeatedMessageIsKeptOnce) {
  const std::string body = R"({"userId":"7","event":"Product Viewed","messageId":"m","properties":{"product_id":"a"}})";
  EXPECT_EQ(Post("/v1/track", body).status, 200);
  clock_.Advance(kMinuteMs);
  EXPECT_EQ(Post("/v1/track", body).status, 200);
  EXPECT_EQ(EventsOfUser("7").size(), 1u);
}

TEST_F(EventsTest, CallsWithoutMessageIdAreDistinct) {
  const std::string call = R"({"type":"track","userId":"7","event":"Product Viewed","properties":{"product_id":"a"}})";
  EXPECT_EQ(Post("/v1/batch", R"({"batch":[)" + call + "," + call + "]}").status, 200);
  clock_.Advance(1);
  EXPECT_EQ(Post("/v1/batch", R"({"batch":[)" + call + "]}").status, 200);
  EXPECT_EQ(EventsOfUser("7").size(), 3u);
}

// The body that @segment/analytics-node posts to {host}/v1/batch: versions 2.0 to 2.3 without any header that holds the
// key.
TEST_F(EventsTest, TheNodeClientsBatchIsTaken) {
  const std::string key = AddKey(KeyKind::kServer, Bits({Scope::kEvents}));
  Sent sent{"POST", "/v1/batch"};
  sent.no_key = true;
  sent.body = R"({"batch":[
    {"timestamp":"2026-03-01T11:59:58.123Z","integrations":{},"userId":"u1","anonymousId":"a1","type":"identify",
     "traits":{"email":"x@example.com","address":{"city":"Leeds","country":"UK"},"age":41},
     "context":{"library":{"name":"@segment/analytics-node","version":"2.3.0"},"timezone":"Europe/London"},
     "messageId":"node-next-1-1","_metadata":{"nodeVersion":"v18.20.4","jsRuntime":"node"}},
    {"timestamp":"2026-03-01T11:59:58.223Z","integrations":{},"userId":"u1","event":"Product Viewed","type":"track",
     "properties":{"product_id":"85123A"},"context":{},"messageId":"node-next-1-2"},
    {"timestamp":"2026-03-01T11:59:58.323Z","integrations":{},"anonymousId":"a1","type":"page","name":"Home",
     "properties":{},"context":{},"messageId":"node-next-1-3"},
    {"timestamp":"2026-03-01T11:59:58.423Z","integrations":{},"userId":"u1","type":"group","groupId":"g1",
     "traits":{},"context":{},"messageId":"node-next-1-4"},
    {"timestamp":"2026-03-01T11:59:58.523Z","integrations":{},"userId":"u1","previousId":"old","type":"alias",
     "context":{},"messageId":"node-next-1-5"},
    {"timestamp":"2026-03-01T11:59:58.623Z","integrations":{},"userId":"u1","type":"screen","name":"Basket",
     "properties":{},"context":{},"messageId":"node-next-1-6"}],
    "writeKey":")" +
              key + R"(","sentAt":"2026-03-01T11:59:59.000Z"})";
  const Answered answered = Ask(sent);
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.body, R"({"success":true})");
  EXPECT_EQ(EventsOfUser("u1").size(), 5u);  // identify, track, page of a1, group, screen
  const Json customer = Get("/v1/customers/u1").json;
  EXPECT_EQ(customer["identities"].size(), 3u) << customer;  // u1, a1, old
  EXPECT_EQ(customer["traits"]["address.city"], "Leeds");
  EXPECT_EQ(customer["country"], "UK");
  EXPECT_EQ(customer["timezone"], "Europe/London");
  EXPECT_EQ(EventsOfUser("u1")[4]["timestamp"], "2026-03-01T11:59:58.123Z");  // within the tolerated skew: as sent
}

TEST_F(EventsTest, KeysInTheBodyNeedTheScopeToo) {
  const auto ask = [&](const std::string& key) {
    Sent sent{"POST", "/v1/track", R"({"userId":"7","event":"x","writeKey":")" + key + "\"}"};
    sent.no_key = true;
    return Ask(sent).status;
  };
  EXPECT_EQ(ask(AddKey(KeyKind::kServer, Bits({Scope::kEvents}))), 200);
  EXPECT_EQ(ask(AddKey(KeyKind::kServer, Bits({Scope::kCatalog}))), 403);
  EXPECT_EQ(ask("rk_000000000000_nonsense"), 401);
  EXPECT_EQ(ask(""), 401);
  Sent with_header{"POST", "/v1/track", R"({"userId":"7","event":"x"})"};
  with_header.key = AddKey(KeyKind::kServer, Bits({Scope::kRecommend}));
  EXPECT_EQ(Ask(with_header).status, 403);
}

TEST_F(EventsTest, ABatchKeepsItsGoodEntries) {
  const Answered answered = Post("/v1/batch", R"({"batch":[
    {"type":"track","userId":"7","event":"x","messageId":"1"},
    {"type":"track","event":"x","messageId":"2"},
    {"type":"dance","userId":"7","messageId":"3"},
    {"type":"track","userId":"7","messageId":"4"},
    17,
    {"type":"track","userId":"7","event":"x","messageId":"6"}]})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  ASSERT_EQ(answered.json["errors"].size(), 4u) << answered.body;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answered.json["errors"][i]["index"], i + 1);
    EXPECT_NE(answered.json["errors"][i]["detail"], "");
  }
  EXPECT_EQ(EventsOfUser("7").size(), 2u);
  const Answered all_bad = Post("/v1/batch", R"({"batch":[{"type":"track"},{"type":"page"}]})");
  EXPECT_EQ(all_bad.status, 400);
  EXPECT_EQ(all_bad.content_type, "application/problem+json");
  EXPECT_EQ(all_bad.json["errors"].size(), 2u);
  EXPECT_EQ(Post("/v1/batch", R"({"batch":[]})").status, 200);
}

TEST_F(EventsTest, ClocksThatAreWrongAreCorrectedAndRightOnesAreNot) {
  const auto time_of = [&](const std::string& id, const std::string& times) {
    const Answered answered = Post("/v1/track", R"({"userId":")" + id + R"(","event":"x",)" + times + "}");
    EXPECT_EQ(answered.status, 200) << answered.body;
    return EventsOfUser(id)[0].value("timestamp", "");
  };
  // Two seconds on the way are no error of the clock.
  EXPECT_EQ(time_of("a", R"("timestamp":"2026-03-01T11:00:00Z","sentAt":"2026-03-01T11:59:58Z")"),
            "2026-03-01T11:00:00Z");
  // A device that is a day behind: ten seconds before sending stay ten seconds before sending.
  EXPECT_EQ(time_of("b", R"("timestamp":"2026-02-28T11:59:50Z","sentAt":"2026-02-28T12:00:00Z")"),
            "2026-03-01T11:59:50Z");
  EXPECT_EQ(time_of("c", R"("originalTimestamp":"2026-03-01T10:00:00Z")"), "2026-03-01T10:00:00Z");
  EXPECT_EQ(time_of("d", R"("messageId":"m")"), "2026-03-01T12:00:00Z");
  EXPECT_EQ(time_of("e", R"("timestamp":1772362800000)"), "2026-03-01T11:00:00Z");
  // Ahead of us without sentAt: clamped to arrival, and marked.
  EXPECT_EQ(time_of("f", R"("timestamp":"2026-04-01T00:00:00Z")"), "2026-03-01T12:00:00Z");
  EXPECT_EQ(EventsOfUser("f")[0]["timeClamped"], true);
  EXPECT_EQ(Post("/v1/track", R"({"userId":"g","event":"x","timestamp":"1812-01-01T00:00:00Z"})").status, 400);
  EXPECT_EQ(Post("/v1/track", R"({"userId":"g","event":"x","timestamp":1772362800000000})").status, 400);
  EXPECT_EQ(Post("/v1/track", R"({"userId":"g","event":"x","timestamp":true})").status, 400);
}

TEST_F(EventsTest, IdentifyLinksAndASecondOwnerIsAWarning) {
  Post("/v1/track", R"({"anonymousId":"dev","event":"Product Viewed","properties":{"product_id":"a"}})");
  EXPECT_EQ(Post("/v1/identify", R"({"userId":"anna","anonymousId":"dev"})").body, R"({"success":true})");
  EXPECT_EQ(EventsOfUser("anna").size(), 2u);  // what the device did, and the identify
  const Answered second = Post("/v1/identify", R"({"userId":"bert","anonymousId":"dev","traits":{"city":"Ulm"}})");
  EXPECT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(second.json["warnings"].size(), 1u) << second.body;
  EXPECT_EQ(EventsOfUser("bert").size(), 1u);
  EXPECT_EQ(Get("/v1/customers/bert").json["traits"]["city"], "Ulm");
}

TEST_F(EventsTest, AnEventThatSaysLessThanItWasToIsKeptAndTold) {
  const auto warning = [&](const std::string& event, const std::string& properties) -> std::string {
    const Answered answer =
        Post("/v1/track", R"({"userId":"u","event":")" + event + R"(","properties":)" + properties + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json.contains("warnings") ? answer.json["warnings"][0]["detail"] : "";
  };
  const auto tells = [&](const std::string& event, const std::string& properties, const char* missing) {
    const std::string told = warning(event, properties);
    EXPECT_NE(told.find(missing), std::string::npos) << event << properties << ": " << told;
  };
  tells("Order Completed", R"({"order_id":"1"})", "products");
  tells("Order Completed", R"({"order_id":"1","products":[{"quantity":2}]})", "products");
  tells("Product Viewed", R"({"productId":"a"})", "product_id");
  tells("Product Rated", R"({"product_id":"a","rating":"five"})", "rating");
  tells("Contact Cancelled", "{}", "contact_id");
  EXPECT_EQ(EventsOfUser("u").size(), 5u);
  const std::pair<const char*, const char*> whole[] = {{"Order Completed", R"({"products":[{"product_id":"a"}]})"},
                                                       {"Product Viewed", R"({"product_id":"a"})"},
                                                       {"Product Rated", R"({"product_id":"a","rating":"4"})"},
                                                       {"Contact Cancelled", R"({"contact_id":"c"})"},
                                                       {"Order Refunded", R"({"order_id":"1"})"},
                                                       {"Products Searched", "{}"},
                                                       {"Something Else", "{}"},
                                                       {"Product List Viewed", "{}"}};
  for (const auto& [event, properties] : whole) EXPECT_EQ(warning(event, properties), "");
  EXPECT_EQ(Post("/v1/page", R"({"userId":"u","name":"Home"})").body, R"({"success":true})");
}

// A consent for a channel that the shop does not have may be a slip, or be kept for a channel to come: an event is
// kept and told, a PUT is refused; but what a customer's ledger names can always be withdrawn.
TEST_F(EventsTest, ConsentsForAChannelThatIsNotThereAreTold) {
  const auto given = [](const std::string& channel) {
    return R"({"type":"track","userId":"ada","event":"Consent Given","properties":{"channel":")" + channel + "\"}}";
  };
  const Answered slip = Post("/v1/track", given("fax"));
  EXPECT_EQ(slip.status, 200) << slip.body;
  ASSERT_EQ(slip.json["warnings"].size(), 1u) << slip.body;
  const std::string detail = slip.json["warnings"][0]["detail"];
  EXPECT_NE(detail.find("there is no channel 'fax'; there are email, sms"), std::string::npos) << detail;
  EXPECT_EQ(Get("/v1/customers/ada").json["consents"][0]["channel"], "fax");
  const Answered batch =
      Post("/v1/batch", "{\"batch\":[" + given("email") + "," + given("*") + "," + given("Email") + "]}");
  EXPECT_EQ(batch.status, 200) << batch.body;
  ASSERT_EQ(batch.json["warnings"].size(), 1u) << batch.body;
  EXPECT_EQ(batch.json["warnings"][0]["index"], 2);

  const auto put = [&](const char* channel, const char* word) {
    return Put("/v1/customers/ada/consents",
               std::string(R"({"channel":")") + channel + R"(","purpose":"marketing","given":)" + word + "}")
        .status;
  };
  EXPECT_EQ(put("fax", "true"), 400);
  EXPECT_EQ(put("fax", "false"), 200);
  EXPECT_EQ(put("telex", "false"), 400);
  ASSERT_EQ(Put("/v1/channels", R"({"channels":[{"name":"fax","address":"phone"}]})").status, 200);
  EXPECT_EQ(put("fax", "true"), 200);
  EXPECT_EQ(Post("/v1/track", given("fax")).json.contains("warnings"), false);
  EXPECT_EQ(put("email", "true"), 400);
  EXPECT_EQ(put("email", "false"), 200);
}

TEST_F(EventsTest, AliasLooksForAnonymousFirst) {
  Post("/v1/track", R"({"userId":"old-user","event":"x","messageId":"1"})");
  Post("/v1/track", R"({"anonymousId":"both","event":"x","messageId":"2"})");
  Post("/v1/track", R"({"userId":"both","event":"x","messageId":"3"})");
  EXPECT_EQ(Post("/v1/alias", R"({"previousId":"old-user","userId":"new"})").status, 200);
  EXPECT_EQ(Post("/v1/alias", R"({"previousId":"both","userId":"new"})").status, 200);
  EXPECT_EQ(Post("/v1/alias", R"({"previousId":"unseen","userId":"new"})").status, 200);
  const Json identities = Get("/v1/customers/new").json["identities"];
  EXPECT_EQ(identities, Json::parse(R"([{"userId":"new"},{"userId":"old-user"},{"anonymousId":"both"},
                                        {"anonymousId":"unseen"}])"))
      << identities;
  // An alias to somebody else is refused: the first parent wins.
  EXPECT_EQ(Post("/v1/alias", R"({"previousId":"unseen","userId":"third"})").status, 409);
  // A user named just before, in the same request, counts as known.
  Post("/v1/batch", R"({"batch":[{"type":"track","userId":"fresh","event":"x"},
                                 {"type":"alias","previousId":"fresh","userId":"newer"}]})");
  EXPECT_EQ(Get("/v1/customers/newer").json["identities"], Json::parse(R"([{"userId":"newer"},{"userId":"fresh"}])"));
}

TEST_F(EventsTest, ConsentEventsReachTheLedger) {
  const auto say = [&](const char* event, const char* time) {
    const Answered answered =
        Post("/v1/track", std::string(R"({"userId":"7","event":")") + event + R"(","timestamp":")" + time +
                              R"(","properties":{"channel":"email","source":"checkout form"}})");
    EXPECT_EQ(answered.status, 200) << answered.body;
  };
  say("Consent Given", "2026-02-01T00:00:00Z");
  EXPECT_EQ(Get("/v1/customers/7").json["consents"],
            Json::parse(R"([{"channel":"email","purpose":"marketing","given":true,"time":"2026-02-01T00:00:00Z",
                             "source":"checkout form"}])"));
  say("Consent Withdrawn", "2026-02-02T00:00:00Z");
  EXPECT_EQ(Get("/v1/customers/7").json["consents"][0]["given"], false);
  say("Consent Given", "2026-01-01T00:00:00Z");  // told late, said early: the withdrawal stays in force
  EXPECT_EQ(Get("/v1/customers/7").json["consents"][0]["given"], false);
  EXPECT_EQ(Get("/v1/customers/7/export").json["consentLedger"].size(), 3u);
  EXPECT_EQ(Post("/v1/track", R"({"userId":"7","event":"Consent Given"})").status, 400);
}

TEST_F(EventsTest, ARefundWithoutProductsTakesItsOrders) {
  const std::string order = R"("properties":{"order_id":"o1","products":[{"product_id":"a","quantity":2},
                                                                        {"product_id":"b"}]})";
  Post("/v1/track", R"({"userId":"7","event":"Order Completed",)" + order + "}");
  Post("/v1/track", R"({"userId":"7","event":"Order Refunded","properties":{"order_id":"o1"}})");
  EXPECT_EQ(EventsOfUser("7")[0]["record"]["lines"],
            Json::parse(R"([{"itemId":"a","quantity":2},{"itemId":"b","quantity":1}])"));
  Post("/v1/batch",
       R"({"batch":[{"type":"track","userId":"8","event":"Order Completed",)" + order +
           R"(},{"type":"track","userId":"8","event":"Order Cancelled","properties":{"order_id":"o1"}}]})");
  EXPECT_EQ(EventsOfUser("8")[0]["record"]["lines"].size(), 2u);
}

TEST_F(EventsTest, PagesThatNameAnItemAreViews) {
  Post("/v1/page", R"({"userId":"7","name":"Mug","properties":{"itemId":"mug"}})");
  Post("/v1/screen", R"({"userId":"7","name":"Basket"})");
  const Json events = EventsOfUser("7");
  EXPECT_EQ(events[0]["record"]["type"], "page");
  EXPECT_EQ(events[1]["record"]["type"], "viewed");
  EXPECT_EQ(events[1]["record"]["lines"][0]["itemId"], "mug");
}

TEST_F(EventsTest, BrowsersActForTheirVisitorOnly) {
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kEvents, Scope::kRecommend}));
  const Answered minted = Post("/v1/visitors", R"({"anonymousId":"dev"})");
  ASSERT_EQ(minted.status, 200) << minted.body;
  const auto ask = [&](const std::string& path, const std::string& body) {
    Sent sent{"POST", path, body, key, minted.json["visitor"]};
    return Ask(sent).status;
  };
  EXPECT_EQ(ask("/v1/track", R"({"anonymousId":"dev","event":"x"})"), 200);
  EXPECT_EQ(ask("/v1/track", R"({"anonymousId":"other","event":"x"})"), 403);
  EXPECT_EQ(ask("/v1/track", R"({"userId":"dev","event":"x"})"), 403);
  EXPECT_EQ(ask("/v1/identify", R"({"anonymousId":"dev","userId":"victim"})"), 403);
  EXPECT_EQ(ask("/v1/alias", R"({"previousId":"dev","userId":"victim"})"), 403);
  EXPECT_EQ(ask("/v1/identify", R"({"anonymousId":"dev","traits":{"city":"Ulm"}})"), 200);
  EXPECT_EQ(ask("/v1/identify", R"({"anonymousId":"dev","traits":{"audiences":["staff"]}})"), 403);
  EXPECT_EQ(Post("/v1/identify", R"({"anonymousId":"dev","traits":{"audiences":["trade"]}})").status, 200);
  EXPECT_EQ(Get("/v1/customers/dev?namespace=anonymous").json["audiences"], Json({"trade"}));
  clock_.Advance(25 * kHourMs);  // the token lives a day
  EXPECT_EQ(ask("/v1/track", R"({"anonymousId":"dev","event":"x"})"), 401);
}

TEST_F(EventsTest, TypesAreServedAsTheyAreInForce) {
  const Answered answered = Get("/v1/events/types");
  ASSERT_EQ(answered.status, 200);
  bool found = false;
  for (const Json& row : answered.json["types"]) {
    if (row["event"] != "Order Completed") continue;
    found = true;
    EXPECT_EQ(row, Json::parse(R"({"event":"Order Completed","type":"ordered","weight":5.0,"items":"products"})"));
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace rapport

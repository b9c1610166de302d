// A page in one round trip: the events of the request are on the disk and in the lists of its own answer; whose events
// and decisions a key may send is what it may do on their own routes; a request that is refused has kept nothing.
#include <algorithm>
#include <set>

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

class ContextTest : public EndpointsTest {
 protected:
  ContextTest() {
    Json items = Json::array();
    for (int i = 0; i < 8; ++i) {
      items.push_back({{"itemId", "i" + std::to_string(i)}, {"title", "Item " + std::to_string(i)}, {"margin", "4"}});
    }
    EXPECT_EQ(Put("/v1/items", items.dump()).status, 200);
  }
  static Json Viewed(const std::string& item, const std::string& message = "") {
    Json event{{"type", "track"}, {"event", "Product Viewed"}, {"properties", {{"product_id", item}}}};
    if (!message.empty()) event["messageId"] = message;
    return event;
  }
  static Json By(Json event, const std::string& user) {
    event["userId"] = user;
    return event;
  }
  // A page of everything that "ada" has not seen.
  static Json Page(Json events) {
    Json page{{"customer", {{"userId", "ada"}}},
              {"placements", {{{"name", "unseen"}, {"count", 20}, {"filter", "NOT viewed"}}}}};
    if (!events.is_null()) page["events"] = std::move(events);
    return page;
  }
  static std::set<std::string> Shown(const Answered& answered) {
    std::set<std::string> ids;
    for (const Json& placement : answered.json.value("placements", Json::array())) {
      for (const Json& item : placement["items"]) ids.insert(item["itemId"]);
    }
    return ids;
  }
  size_t EventsOf(const std::string& user) {
    const Answered events = Get("/v1/customers/" + user + "/events");
    return events.status == 404 ? 0 : events.json["events"].size();
  }
  // What a page after a click gets wrong; empty: nothing.
  static std::string Fault(const Answered& answered, const std::string& viewed, size_t others) {
    if (answered.status != 200) return answered.body;
    const std::set<std::string> shown = Shown(answered);
    if (shown.contains(viewed)) return viewed + " was viewed in this request and is shown under NOT viewed";
    if (shown.size() != others) return "shows " + std::to_string(shown.size()) + " items";
    return answered.json["customer"]["known"] == true ? "" : "its customer is told to be unknown";
  }
  std::string Visitor(const std::string& user) {
    return Post("/v1/visitors", Json{{"userId", user}}.dump()).json["visitor"];
  }
};

TEST_F(ContextTest, ThePageKnowsTheClickOfItsOwnRequest) {
  for (int i = 0; i < 4; ++i) {
    const std::string item = "i" + std::to_string(i);
    const Answered page = Post("/v1/context", Page(Json::array({Viewed(item)})).dump());
    EXPECT_EQ(Fault(page, item, static_cast<size_t>(7 - i)), "");
    EXPECT_EQ(page.json["events"], Json({{"success", true}}));
    EXPECT_EQ(EventsOf("ada"), static_cast<size_t>(i + 1));  // on the disk when it is answered
  }
}

// Broken twin: the lists are computed before the events are written.
TEST_F(ContextTest, ListsFromBeforeTheEventsAreCaught) {
  Json page = Page(nullptr);
  const Answered early = Post("/v1/context", page.dump());
  const Json event = By(Viewed("i0"), "ada");
  ASSERT_EQ(Post("/v1/batch", Json{{"batch", {event}}}.dump()).status, 200);
  EXPECT_NE(Fault(early, "i0", 7), "");
  EXPECT_EQ(Fault(Post("/v1/context", page.dump()), "i0", 7), "");
}

TEST_F(ContextTest, EventsAreOnceAndTheSameAsThoseOfABatch) {
  const Json events = Json::array({Viewed("i0", "m-1"), By(Viewed("i1", "m-2"), "bob")});
  for (int times = 0; times < 3; ++times) {
    const Answered page = Post("/v1/context", Page(events).dump());
    EXPECT_EQ(Fault(page, "i0", 7), "");
  }
  EXPECT_EQ(Post("/v1/batch", Json{{"batch", {By(events[0], "ada"), events[1]}}}.dump()).status, 200);
  EXPECT_EQ(EventsOf("ada"), 1u);
  EXPECT_EQ(EventsOf("bob"), 1u);
  // The sender's clock is corrected as in a batch.
  const Timestamp sent{clock_.Now().ms - kHourMs};
  Json late = Page(Json::array({Viewed("i2", "m-3")}));
  late["sentAt"] = FormatRfc3339(sent);
  late["events"][0]["timestamp"] = FormatRfc3339({sent.ms - kMinuteMs});
  ASSERT_EQ(Post("/v1/context", late.dump()).status, 200);
  EXPECT_EQ(Get("/v1/customers/ada/events").json["events"][0]["timestamp"],
            FormatRfc3339({clock_.Now().ms - kMinuteMs}));
}

// A bad event takes neither the page nor the others with it, and is told as in a batch.
TEST_F(ContextTest, BadEventsAreToldBesideThePage) {
  const Json mixed = Json::array({7, Viewed("i0"), {{"type", "track"}}, {{"type", "alias"}, {"previousId", "x"}}});
  const Answered page = Post("/v1/context", Page(mixed).dump());
  EXPECT_EQ(Fault(page, "i0", 7), "");
  Json batch = mixed;
  for (Json& event : batch) {
    if (event.is_object()) event["userId"] = "ada";
  }
  EXPECT_EQ(page.json["events"], Post("/v1/batch", Json{{"batch", batch}}.dump()).json);
  EXPECT_EQ(page.json["events"]["errors"].size(), 2u) << page.body;
  EXPECT_EQ(page.json["events"]["errors"][0]["index"], 0);
  const Answered none = Post("/v1/context", Page(Json::array({7})).dump());
  EXPECT_EQ(none.status, 200) << "there is always a page";
  EXPECT_EQ(none.json["events"]["success"], false);
  EXPECT_FALSE(Shown(none).empty());
  EXPECT_EQ(Post("/v1/context", Page(Json::array()).dump()).json["events"], Json({{"success", true}}));
}

// What is wrong with the question is found before anything is written.
TEST_F(ContextTest, ARefusedRequestHasKeptNothing) {
  const auto refused = [&](const std::function<void(Json&)>& spoil, int status = 400) {
    Json page = Page(Json::array({Viewed("i0")}));
    spoil(page);
    const Answered answered = Post("/v1/context", page.dump());
    EXPECT_EQ(answered.status, status) << answered.body;
    EXPECT_EQ(EventsOf("ada"), 0u) << page;
  };
  refused([](Json& page) { page["placements"][0]["filter"] = "price <"; });
  refused([](Json& page) { page["placements"][0]["boost"] = {{{"filter", "nonsense ="}, {"factor", 2}}}; });
  refused([](Json& page) { page["placements"][0]["count"] = 1001; });
  refused([](Json& page) { page["placements"].push_back({{"name", "more"}, {"count", 1000}}); });
  refused([](Json& page) { page.erase("placements"); });
  refused([](Json& page) { page["events"] = Json::object(); });
  refused([](Json& page) { page["events"] = Json(Json::array_t(1001, Viewed("i0"))); });
  refused([](Json& page) { page["event"] = 1; });
  refused([](Json& page) { page["sentAt"] = "yesterday"; });
  refused([](Json& page) { page["decision"] = {{"channels", {"pigeon"}}}; });
  refused([](Json& page) { page["decision"] = {{"filter", "price <"}}; });
  refused([](Json& page) { page["decision"] = {{"customer", {{"userId", "ada"}}}}; });
  refused([](Json& page) {
    page["decision"] = Json::object();
    page.erase("customer");
  });
}

// Each part of a page needs what its own route needs.
TEST_F(ContextTest, EachPartNeedsItsOwnScope) {
  const auto ask = [&](std::initializer_list<Scope> scopes, const Json& page) {
    return Ask({"POST", "/v1/context", page.dump(), AddKey(KeyKind::kServer, Bits(scopes))});
  };
  const Json with_events = Page(Json::array({Viewed("i0")}));
  Json with_decision = Page(nullptr);
  with_decision["decision"] = {{"dryRun", true}};
  EXPECT_EQ(ask({Scope::kRecommend}, with_events).status, 403);
  EXPECT_EQ(EventsOf("ada"), 0u);
  EXPECT_EQ(ask({Scope::kEvents}, with_events).status, 403);
  EXPECT_EQ(ask({Scope::kRecommend, Scope::kEvents}, with_events).status, 200);
  EXPECT_EQ(ask({Scope::kRecommend, Scope::kEvents}, with_decision).status, 403);
  EXPECT_EQ(ask({Scope::kRecommend, Scope::kCampaigns}, with_decision).status, 200);
  // Consents are of the customer's record.
  ASSERT_EQ(
      Put("/v1/customers/ada/consents", R"({"channel":"email","purpose":"marketing","given":true,"source":"form"})")
          .status,
      200);
  const Json consents = ask({Scope::kRecommend, Scope::kCustomers}, Page(nullptr)).json["customer"]["consents"];
  ASSERT_EQ(consents.size(), 1u);
  EXPECT_EQ(consents, Get("/v1/customers/ada").json["consents"]);
  EXPECT_FALSE(ask({Scope::kRecommend}, Page(nullptr)).json["customer"].contains("consents"));
  EXPECT_TRUE(ask({Scope::kRecommend}, Page(nullptr)).json["customer"].contains("audiences"));
}

TEST_F(ContextTest, ABrowserWritesForItsVisitorOnly) {
  const std::string key = AddKey(KeyKind::kBrowser, Bits({Scope::kEvents, Scope::kRecommend}));
  const std::string reads = AddKey(KeyKind::kBrowser, Bits({Scope::kRecommend}));
  const std::string ada = Visitor("ada");
  const auto ask = [&](const Json& page, const std::string& with) {
    return Ask({"POST", "/v1/context", page.dump(), with, ada});
  };
  Json page = Page(Json::array({Viewed("i0"), By(Viewed("i1"), "bob"), By(Viewed("i2"), "ada")}));
  page.erase("customer");  // its visitor's, as the events that name nobody
  const Answered answered = ask(page, key);
  EXPECT_EQ(Fault(answered, "i0", 6), "");
  ASSERT_EQ(answered.json["events"]["errors"].size(), 1u) << answered.body;
  EXPECT_EQ(answered.json["events"]["errors"][0]["type"], "/problems/permission-denied");
  EXPECT_EQ(EventsOf("bob"), 0u);
  EXPECT_FALSE(answered.json["customer"].contains("consents"));
  EXPECT_EQ(ask(page, reads).status, 403);
  EXPECT_EQ(EventsOf("ada"), 2u);
  Json traits = Page(Json::array({{{"type", "identify"}, {"traits", {{"audiences", {"trade"}}}}}}));
  EXPECT_EQ(ask(traits, key).json["events"]["errors"][0]["type"], "/problems/permission-denied");
  Json decision = Page(nullptr);
  decision["decision"] = Json::object();
  EXPECT_EQ(ask(decision, key).status, 403);
  Json other = Page(Json::array({Viewed("i3")}));
  other["customer"] = {{"userId", "bob"}};
  EXPECT_EQ(ask(other, key).status, 403);
  EXPECT_EQ(EventsOf("bob"), 0u);
}

// The decision of the same answer sees the consent that came with it.
TEST_F(ContextTest, TheDecisionSeesTheEvents) {
  ASSERT_EQ(Put("/v1/limits", R"({"temperature":0,"exploration":1e-9,"caps":[]})").status, 200);
  ASSERT_EQ(Post("/v1/identify", R"({"userId":"ada","traits":{"email":"a@b.example"}})").status, 200);
  Json page = Page(nullptr);
  page["decision"] = {{"items", {"i0", "i1"}}, {"channels", {"email"}}};
  const Answered before = Post("/v1/context", page.dump());
  ASSERT_EQ(before.status, 200) << before.body;
  EXPECT_EQ(before.json["decision"]["action"], "nothing");
  page["events"] = {{{"type", "track"},
                     {"event", "Consent Given"},
                     {"properties", {{"channel", "email"}, {"purpose", "marketing"}}}}};
  const Answered after = Post("/v1/context", page.dump());
  ASSERT_EQ(after.status, 200) << after.body;
  EXPECT_EQ(after.json["decision"]["action"], "send") << after.body;
  EXPECT_EQ(after.json["customer"]["consents"][0]["given"], true);
  const std::string id = after.json["decision"]["decisionId"];
  EXPECT_EQ(Get("/v1/decisions/" + id).status, 200) << "kept before it is told";
}

// Who signs in with this very page is answered as the user.
TEST_F(ContextTest, ALinkInTheEventsCounts) {
  ASSERT_EQ(Post("/v1/track", R"({"anonymousId":"dev","event":"Product Viewed","properties":{"sku":"i5"}})").status,
            200);
  Json page = Page(Json::array({{{"type", "identify"}, {"userId", "ada"}, {"anonymousId", "dev"}}, Viewed("i6")}));
  page["customer"]["anonymousId"] = "dev";
  const Answered answered = Post("/v1/context", page.dump());
  EXPECT_EQ(Fault(answered, "i5", 6), "");
  EXPECT_EQ(answered.json["customer"]["identified"], true);
}

}  // namespace
}  // namespace rapport

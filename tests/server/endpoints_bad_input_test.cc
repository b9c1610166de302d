// Everything that senders get wrong: a clear error or a sensible answer, never a crash, and nothing that was good is
// lost. Prints the number of cases.
#include <cstdio>

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string Escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

class BadInputTest : public EndpointsTest {
 protected:
  static void TearDownTestSuite() { std::printf("bad input: %d cases over HTTP's handlers\n", cases_); }

  // A refusal is 4xx, a problem with words that name `word`.
  void Refuses(const Sent& sent, const std::string& word = "") {
    ++cases_;
    const Answered answered = Ask(sent);
    const std::string shown = sent.method + " " + sent.target + " " + sent.body.substr(0, 120) + " -> " +
                              std::to_string(answered.status) + " " + answered.body.substr(0, 400);
    EXPECT_GE(answered.status, 400) << shown;
    EXPECT_LT(answered.status, 500) << shown;
    EXPECT_EQ(answered.content_type, "application/problem+json") << shown;
    ASSERT_TRUE(answered.json.is_object()) << shown;
    EXPECT_EQ(answered.json.value("status", 0), answered.status) << shown;
    EXPECT_FALSE(answered.detail().empty()) << shown;
    EXPECT_LT(answered.detail().size(), 1000u) << shown;
    EXPECT_NE(answered.body.find(word), std::string::npos) << word << " is not named in " << shown;
  }
  void Takes(const Sent& sent) {
    ++cases_;
    const Answered answered = Ask(sent);
    EXPECT_TRUE(answered.status == 200 || answered.status == 204)
        << sent.method << " " << sent.target << " " << sent.body.substr(0, 120) << " -> " << answered.body;
  }

  static inline int cases_ = 0;
};

// Bodies that are no JSON, or JSON that no endpoint can mean, against every route that takes a body.
TEST_F(BadInputTest, BodiesThatAreNotJson) {
  const std::string bodies[] = {"",
                                "   ",
                                "{",
                                "}",
                                "[",
                                "{\"a\":}",
                                "{'a':1}",
                                "{\"a\":1,}",
                                "{\"a\":1} trailing",
                                "nul",
                                "{\"userId\":NaN}",
                                "{\"userId\":Infinity}",
                                "{\"userId\":-Infinity}",
                                "{\"value\":1e999}",
                                "{\"a\":01}",
                                "{\"a\":\"\\x\"}",
                                "{\"a\":\"\\ud800\"}",
                                "{\"a\":\"line\nbreak\"}",
                                "{\"a\":1 /* no */}",
                                "{\"userId\":\"a\",\"userId\":\"b\"}",
                                "{\"userId\":\"\xff\"}",
                                "{\"userId\":\"\xc0\x80\"}",
                                "{\"userId\":\"\xed\xa0\x80\"}",
                                "{\"title\":\"\xc4\xe3\xba\xc3\"}",  // GBK
                                std::string("{\"a\":\"\0\"}", 9),
                                std::string("\0", 1),
                                "\xff\xfe{\0}\0",  // UTF-16
                                Repeat("[", 1000) + Repeat("]", 1000),
                                Repeat("{\"a\":", 1000) + "1" + Repeat("}", 1000),
                                Repeat("[", 100000),
                                "17",
                                "\"text\"",
                                "null",
                                "true"};
  const Sent routes[] = {{"POST", "/v1/identify"},
                         {"POST", "/v1/track"},
                         {"POST", "/v1/page"},
                         {"POST", "/v1/screen"},
                         {"POST", "/v1/group"},
                         {"POST", "/v1/alias"},
                         {"POST", "/v1/batch"},
                         {"PUT", "/v1/items"},
                         {"PATCH", "/v1/items/a"},
                         {"PUT", "/v1/customers/7/consents"},
                         {"PUT", "/v1/customers/7/personalization"},
                         {"POST", "/v1/recommendations"},
                         {"POST", "/v1/recommendations/next"},
                         {"POST", "/v1/rank"},
                         {"POST", "/v1/context"},
                         {"POST", "/v1/visitors"}};
  for (Sent sent : routes) {
    for (const std::string& body : bodies) {
      sent.body = body;
      Refuses(sent);
    }
  }
  Refuses({"POST", "/v1/track", "{\"userId\":\"a\xff\"}"}, "byte 13");
  Refuses({"POST", "/v1/track", "{\"userId\":\"a\",}"}, "byte 15");
}

TEST_F(BadInputTest, EventsOfWrongTypes) {
  const auto track = [](const std::string& members) { return Sent{"POST", "/v1/track", "{" + members + "}"}; };
  const std::string ok = R"("userId":"7","event":"Order Completed")";
  Refuses(track(R"("event":"x")"), "userId");
  Refuses(track(R"("userId":"","event":"x")"), "userId");
  Refuses(track(R"("userId":{},"event":"x")"), "userId");
  Refuses(track(R"("userId":[1],"event":"x")"), "userId");
  Refuses(track(R"("userId":true,"event":"x")"), "userId");
  Refuses(track(R"("userId":1.5,"event":"x")"), "userId");
  Refuses(track("\"userId\":\"" + std::string(257, 'x') + "\",\"event\":\"x\""), "userId");
  Refuses(track(R"("userId":"7")"), "event");
  Refuses(track(R"("userId":"7","event":"")"), "event");
  Refuses(track(R"("userId":"7","event":7)"), "event");
  Refuses(track("\"userId\":\"7\",\"event\":\"" + std::string(2000, 'e') + "\""), "event");
  Refuses(track(ok + R"(,"properties":[])"), "properties");
  Refuses(track(ok + R"(,"properties":"x")"), "properties");
  Refuses(track(ok + ",\"properties\":{\"x\":\"" + std::string(40000, 'x') + "\"}"), "properties");
  Refuses(track(ok + R"(,"properties":{"products":{}})"), "products");
  Refuses(track(ok + R"(,"properties":{"products":[7]})"), "products");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":"a","price":"cheap"}]})"), "price");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":"a","price":[]}]})"), "price");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":"a","quantity":"two"}]})"), "quantity");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":"a","quantity":1.5}]})"), "quantity");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":"a","quantity":99999999999999999999}]})"), "quantity");
  Refuses(track(ok + R"(,"properties":{"products":[{"product_id":["a"]}]})"));
  Refuses(track(ok + ",\"properties\":{\"products\":[{\"product_id\":\"" + std::string(257, 'p') + "\"}]}"), "product");
  Refuses(track(ok + ",\"properties\":{\"products\":[" + Repeat("{\"product_id\":\"a\"},", 1000) +
                "{\"product_id\":\"a\"}]}"),
          "products");
  Refuses(track(ok + ",\"messageId\":\"" + std::string(257, 'm') + "\""), "messageId");
  Refuses(track(ok + R"(,"messageId":{})"), "messageId");
  for (const char* time : {"\"yesterday\"", "\"2026-02-30T00:00:00Z\"", "\"1066-10-14T00:00:00Z\"",
                           "\"9999-01-01T00:00:00Z\"", "1772362800000000", "-99999999999999", "{}", "true", "1e3"}) {
    Refuses(track(ok + ",\"timestamp\":" + time), "timestamp");
    Refuses(track(ok + ",\"timestamp\":\"2026-03-01T00:00:00Z\",\"sentAt\":" + time), "sentAt");
  }
  Refuses({"POST", "/v1/identify", R"({"userId":"7","traits":[]})"}, "traits");
  Refuses({"POST", "/v1/identify", R"({"userId":"7","traits":{"audiences":7}})"}, "audiences");
  Refuses({"POST", "/v1/group", R"({"userId":"7","traits":"x"})"}, "traits");
  Refuses({"POST", "/v1/alias", R"({"userId":"7"})"}, "previousId");
  Refuses({"POST", "/v1/alias", R"({"previousId":"7"})"}, "userId");
  Refuses({"POST", "/v1/alias", R"({"previousId":[],"userId":"7"})"}, "previousId");
  Refuses({"POST", "/v1/track?x=1", "{" + ok + "}"}, "x");
  EXPECT_EQ(store_->statistics().events, 0u);  // nothing of all this was kept
}

TEST_F(BadInputTest, Batches) {
  Refuses({"POST", "/v1/batch", "{}"}, "batch");
  Refuses({"POST", "/v1/batch", R"({"batch":{}})"}, "batch");
  Refuses({"POST", "/v1/batch", R"({"batch":[],"sentAt":"soon"})"}, "sentAt");
  Refuses({"POST", "/v1/batch", R"({"batch":[null]})"});
  Refuses({"POST", "/v1/batch", R"({"batch":[{"type":7,"userId":"7"}]})"}, "type");
  Refuses({"POST", "/v1/batch", R"({"batch":[{"userId":"7"}]})"}, "type");
  Refuses({"POST", "/v1/batch", "{\"batch\":[" + Repeat("1,", 99999) + "1]}"}, "100000");
  Refuses({"PUT", "/v1/items", "[" + Repeat("{},", 99999) + "{}]"}, "100000");
  Refuses({"PUT", "/v1/items", "[" + Repeat("{\"itemId\":\"a\"},", 1000) + "{\"itemId\":\"a\"}]"}, "1001");
  EXPECT_EQ(store_->statistics().events, 0u);
}

TEST_F(BadInputTest, ItemsOfWrongTypes) {
  for (const char* member : {"\"price\":\"12,75\"",
                             "\"price\":[]",
                             "\"price\":true",
                             "\"margin\":\"1e400\"",
                             "\"stock\":1.5",
                             "\"stock\":\"7\"",
                             "\"stock\":99999999999999999999",
                             "\"available\":1",
                             "\"hidden\":\"no\"",
                             "\"title\":7",
                             "\"kind\":\"\"",
                             "\"categories\":\"a\"",
                             "\"categories\":[7]",
                             "\"tags\":{}",
                             "\"audience\":[null]",
                             "\"publishedAt\":\"soon\"",
                             "\"expiresAt\":[]",
                             "\"language\":7",
                             "\"attributes\":[]",
                             "\"attributes\":{\"a\":{\"b\":1}}",
                             "\"attributes\":{\"a\":[1]}",
                             "\"embedding\":[\"1\"]",
                             "\"embedding\":[1e39]",
                             "\"embedding\":7",
                             "\"variantOf\":7",
                             "\"colour\":\"red\""}) {
    std::string name(member);
    name = name.substr(1, name.find('"', 1) - 1);
    Refuses({"PUT", "/v1/items", "{\"itemId\":\"a\"," + std::string(member) + "}"}, name);
  }
  Refuses({"PUT", "/v1/items", "{}"}, "itemId");
  Refuses({"PUT", "/v1/items", R"({"itemId":""})"}, "itemId");
  Refuses({"PUT", "/v1/items", R"({"itemId":7.5})"}, "itemId");
  Refuses({"PUT", "/v1/items", R"({"itemId":")" + std::string(257, 'i') + "\"}"}, "itemId");
  Refuses({"PUT", "/v1/items", R"({"itemId":"a","title":")" + std::string(5000, 't') + "\"}"}, "title");
  Refuses({"PUT", "/v1/items", "{\"itemId\":\"a\",\"tags\":[" + Repeat("\"t\",", 64) + "\"t\"]}"}, "tags");
  Refuses({"PUT", "/v1/items", "{\"itemId\":\"a\",\"embedding\":[" + Repeat("1,", 4096) + "1]}"}, "embedding");
  EXPECT_EQ(store_->statistics().items, 0u);
}

TEST_F(BadInputTest, QuestionsOfWrongTypes) {
  const auto ask = [](const std::string& members) { return Sent{"POST", "/v1/recommendations", "{" + members + "}"}; };
  Refuses(ask(R"("custmer":{"userId":"7"})"), "custmer");
  Refuses(ask(R"("customer":"7")"), "customer");
  Refuses(ask(R"("customer":{})"), "customer.userId");
  Refuses(ask(R"("customer":{"id":"7"})"), "id");
  Refuses(ask(R"("customer":{"userId":["7"]})"), "customer.userId");
  for (const char* count : {"0", "-1", "1001", "1.5", "\"20\"", "99999999999999999999", "true"}) {
    Refuses(ask("\"count\":" + std::string(count)), "count");
  }
  Refuses(ask(R"("scenario":7)"), "scenario");
  Refuses(ask(R"("kind":[])"), "kind");
  Refuses(ask(R"("seedItems":"a")"), "seedItems");
  Refuses(ask("\"seedItems\":[" + Repeat("\"a\",", 100) + "\"a\"]"), "seedItems");
  Refuses(ask("\"exclude\":[" + Repeat("\"a\",", 10000) + "\"a\"]"), "exclude");
  Refuses(ask(R"("filter":7)"), "filter");
  for (const char* filter : {"price <", "price <= 'a", "(", "price <= 10)", "nonsense", "price LIKE 'x'", "1 = 1 OR",
                             "category IN ()", "\\u0000", "DROP TABLE items; --", "viewed = = true"}) {
    Refuses(ask("\"filter\":\"" + std::string(filter) + "\""));
    Refuses(ask("\"boost\":[{\"filter\":\"" + std::string(filter) + "\",\"factor\":2}]"));
    if (std::string_view(filter) != "\\u0000") Refuses({"GET", "/v1/popular?filter=" + Escaped(filter)});
  }
  Refuses(ask("\"filter\":\"" + Repeat("(", 1000) + "price < 1" + Repeat(")", 1000) + "\""));
  Refuses(ask("\"filter\":\"" + Repeat("NOT ", 1000) + "available\""));
  Refuses(ask("\"filter\":\"price < 1" + Repeat(" OR price < 1", 600) + "\""));
  Refuses(ask("\"filter\":\"" + std::string(9000, ' ') + "\""), "filter");
  Refuses(ask(R"("boost":{})"), "boost");
  Refuses(ask(R"("boost":[{"factor":2}])"), "boost[0].filter");
  for (const char* factor : {"0", "-1", "101", "\"2\""}) {
    Refuses(ask("\"boost\":[{\"filter\":\"price < 1\",\"factor\":" + std::string(factor) + "}]"), "boost[0].factor");
  }
  Refuses(ask("\"boost\":[" + Repeat("{\"filter\":\"price < 1\"},", 16) + "{\"filter\":\"price < 1\"}]"), "boost");
  Refuses(ask(R"("pin":[{"position":1}])"), "pin[0].itemId");
  Refuses(ask(R"("pin":[{"itemId":"a","position":0}])"), "pin[0].position");
  Refuses(ask(R"("pin":[7])"), "pin[0]");
  Refuses(ask(R"("repeat":"often")"), "often");
  Refuses(ask(R"("return":["margin"])"), "margin");
  Refuses(ask(R"("return":["attributes."])"), "attributes.");
  Refuses(ask(R"("return":[7])"), "return");
  for (const char* query : {"count=0", "count=x", "count=1001", "count=-1", "count=1e3", "count=", "conut=1",
                            "return=secret", "userId=", "userId=%FF"}) {
    Refuses({"GET", "/v1/popular?" + std::string(query)});
    Refuses({"GET", "/v1/items/a/similar?" + std::string(query)});
  }
}

TEST_F(BadInputTest, PagesOfWrongTypes) {
  const auto ask = [](const std::string& members) { return Sent{"POST", "/v1/recommendations", "{" + members + "}"}; };
  for (const char* diversity : {"-0.1", "1.01", "\"0.5\"", "true", "[]", "{}", "1e300"}) {
    Refuses(ask("\"diversity\":" + std::string(diversity)), "diversity");
  }
  Refuses(ask("\"diversity\":NaN"));
  const auto next = [](const std::string& members) {
    return Sent{"POST", "/v1/recommendations/next", "{" + members + "}"};
  };
  Refuses(next(""), "recommendationId");
  for (const char* id : {"7", "null", "[]", "{}", "true", "\"\"", "\"x\"", "\"AAAA\"", "\"..\"", "\"=\""}) {
    Refuses(next("\"recommendationId\":" + std::string(id)), "recommendationId");
  }
  Refuses(next("\"recommendationId\":\"" + std::string(100000, 'A') + "\""), "recommendationId");
  Refuses(next("\"recommendationId\":\"" + std::string(40000, 'A') + "\""), "recommendationId");
  const std::string id = Post("/v1/recommendations", "{}").json["recommendationId"];
  Takes(next("\"recommendationId\":\"" + id + "\""));
  for (const char* more : {"\"count\":0", "\"count\":1001", "\"count\":\"5\"", "\"filter\":\"\"", "\"customer\":7"}) {
    std::string name(more);
    name = name.substr(1, name.find('"', 1) - 1);
    Refuses(next("\"recommendationId\":\"" + id + "\"," + more), name);
  }
  for (size_t i = 0; i < id.size(); i += 7) {
    std::string changed = id;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    Refuses(next("\"recommendationId\":\"" + changed + "\""), "recommendationId");
  }
}

TEST_F(BadInputTest, RankingsAndContextsOfWrongTypes) {
  const auto rank = [](const std::string& members) { return Sent{"POST", "/v1/rank", "{" + members + "}"}; };
  Refuses(rank(""), "items");
  for (const char* items : {"\"a\"", "[]", "{}", "7", "[{}]", "[null]", "[[\"a\"]]", "[\"\"]", "[1.5]", "[true]"}) {
    Refuses(rank("\"items\":" + std::string(items)), "items");
  }
  Refuses(rank("\"items\":[" + Repeat("\"a\",", 1000) + "\"a\"]"), "1000");
  Refuses(rank("\"items\":[" + Repeat("\"a\",", 99999) + "\"a\"]"), "items");
  Refuses(rank("\"items\":[\"" + std::string(257, 'i') + "\"]"), "items[0]");
  for (const char* more : {"\"count\":5", "\"pin\":[]", "\"diversity\":0.5", "\"filter\":\"price <\"",
                           "\"repeat\":\"x\"", "\"customer\":{}", "\"return\":[\"margin\"]"}) {
    Refuses(rank("\"items\":[\"a\"]," + std::string(more)));
  }
  const auto context = [](const std::string& members) { return Sent{"POST", "/v1/context", "{" + members + "}"}; };
  Refuses(context(""), "placements");
  for (const char* placements :
       {"{}", "[]", "\"top\"", "[7]", "[null]", "[{}]", "[{\"name\":7}]", "[{\"name\":\"\"}]",
        "[{\"name\":\"a\"},{\"name\":\"a\"}]", "[{\"name\":\"a\",\"customer\":{\"userId\":\"7\"}}]",
        "[{\"name\":\"a\",\"filter\":\"price <\"}]", "[{\"name\":\"a\",\"diversity\":2}]",
        "[{\"name\":\"a\",\"pin\":[7]}]", "[{\"name\":\"a\",\"count\":1001}]",
        "[{\"name\":\"a\",\"count\":600},{\"name\":\"b\",\"count\":600}]"}) {
    Refuses(context("\"placements\":" + std::string(placements)), "placements");
  }
  Refuses(context("\"placements\":[" + Repeat("{\"name\":\"a\"},", 16) + "{\"name\":\"a\"}]"), "16");
  Refuses(context("\"placements\":[" + Repeat("{},", 99999) + "{}]"), "16");
  Refuses(context("\"placements\":[{\"name\":\"a\",\"return\":[\"margin\"]}]"), "margin");
  Refuses(context("\"placements\":[{\"name\":\"a\"}],\"allowDuplicates\":1"), "allowDuplicates");
  Refuses(context("\"placements\":[{\"name\":\"a\"}],\"placement\":1"), "placement");
  Refuses(context("\"placements\":[{\"name\":" + Repeat("[", 1000) + Repeat("]", 1000) + "}]"));
  Takes(context("\"placements\":[{\"name\":\"a\",\"scenario\":\"unheard of\"}],\"customer\":{\"userId\":\"nobody\"}"));
  Takes(rank("\"items\":[\"unknown\",7]"));
}

TEST_F(BadInputTest, CustomersAndConsents) {
  const std::string consents = "/v1/customers/7/consents";
  Refuses({"PUT", consents, "{}"}, "channel");
  Refuses({"PUT", consents, "[]"});
  Refuses({"PUT", consents, R"({"channel":"email","purpose":"marketing"})"}, "given");
  Refuses({"PUT", consents, R"({"channel":"email","purpose":"marketing","given":"yes"})"}, "given");
  Refuses({"PUT", consents, R"({"channel":7,"purpose":"marketing","given":true})"}, "channel");
  Refuses({"PUT", consents, R"({"channel":"email","purpose":"marketing","given":true,"time":"soon"})"}, "time");
  Refuses({"PUT", consents, R"({"channel":"email","purpose":"marketing","given":true,"until":1})"}, "until");
  Refuses({"PUT", consents, R"([{"channel":"email","purpose":"marketing","given":true},{}])"}, "[1]");
  const std::string slip = R"({"channel":"emial","purpose":"marketing","given":)";
  Refuses({"PUT", consents, slip + "true}"}, "there is no channel 'emial'; there are email, sms, push");
  Refuses({"PUT", consents, slip + "false}"}, "email");  // a withdrawal that nothing would hear
  Refuses({"PUT", consents, R"([{"channel":"*","purpose":"*","given":false},)" + slip + "true}]"}, "[1]");
  Refuses({"PUT", "/v1/customers/7/personalization", R"({"personalization":"maybe"})"}, "personalization");
  Refuses({"PUT", "/v1/customers/7/personalization", R"({"personalization":false})"}, "personalization");
  Refuses({"PUT", "/v1/customers/7/personalization", "{}"}, "personalization");
  Refuses({"GET", "/v1/customers/7?namespace=pet"}, "namespace");
  Refuses({"GET", "/v1/customers/7/events?limit=0"}, "limit");
  Refuses({"GET", "/v1/customers/7/events?limit=1001"}, "limit");
  Refuses({"POST", "/v1/visitors", R"({"userId":"a","anonymousId":"b"})"}, "userId");
  Refuses({"POST", "/v1/visitors", R"({"userId":"a","ttlSeconds":1})"}, "ttlSeconds");
  EXPECT_EQ(store_->statistics().customers, 0u);  // what is refused creates nobody
  for (const char* target : {"/v1/customers/nobody", "/v1/customers/nobody/events", "/v1/customers/nobody/export",
                             "/v1/items/none", "/v1/items/none/similar", "/v1/items/none/bought-together"}) {
    Refuses({"GET", target});
    EXPECT_EQ(Get(target).status, 404) << target;
  }
}

// Unusual, and right.
TEST_F(BadInputTest, UnusualIdsArrive) {
  std::vector<std::string> ids = {"a/b/c",  "..",         "a%2Fb",   "😀",    " ",      "\"quoted\"", "a\nb",
                                  "日本語", "<script>",   "0",       "null", "{id}",   "a?b=c#d",    "\\",
                                  "\x7f",   "'; DROP --", "similar", "é",    "e\u0301"};
  ids.push_back(std::string(256, 'x'));
  ids.push_back(Repeat("😀", 64));
  for (const std::string& id : ids) {
    Takes({"PUT", "/v1/items", Json{{"itemId", id}, {"title", id}}.dump()});
    Takes({"POST", "/v1/track",
           Json{{"userId", id}, {"event", "Product Viewed"}, {"messageId", id}, {"properties", {{"product_id", id}}}}
               .dump()});
    const Answered item = Get("/v1/items/" + Escaped(id));
    EXPECT_EQ(item.json["itemId"], id) << item.body;
    const Answered events = Get("/v1/customers/" + Escaped(id) + "/events");
    ASSERT_EQ(events.status, 200) << events.body;
    ASSERT_EQ(events.json["events"].size(), 1u) << id;
    EXPECT_EQ(events.json["events"][0]["userId"], id);
    EXPECT_EQ(events.json["events"][0]["record"]["lines"][0]["itemId"], id);
    Takes({"GET", "/v1/items/" + Escaped(id) + "/similar"});
    Takes({"POST", "/v1/recommendations", Json{{"customer", {{"userId", id}}}, {"seedItems", {id}}}.dump()});
    Takes({"DELETE", "/v1/items/" + Escaped(id)});
  }
  Refuses({"GET", "/v1/items/" + Escaped(std::string(257, 'x'))});
  const std::string zero("zero\0byte", 9);  // no URL and no C program hands one back unharmed
  Refuses({"PUT", "/v1/items", Json{{"itemId", zero}}.dump()}, "zero byte");
  Refuses({"POST", "/v1/track", Json{{"userId", zero}, {"event", "x"}}.dump()}, "zero byte");
  Refuses({"GET", "/v1/items/%FF"});
  Refuses({"GET", "/v1/customers/%C0%80"});
}

TEST_F(BadInputTest, UnusualBodiesArrive) {
  Takes({"POST", "/v1/track", "\xEF\xBB\xBF{\"userId\":\"7\",\"event\":\"x\"}"});  // a BOM
  Takes({"POST", "/v1/track", "\r\n{\r\n\"userId\":\"7\",\r\n\"event\":\"x\"\r\n}\r\n"});
  Takes({"POST", "/v1/track", R"({"userId":7,"anonymousId":null,"event":"x","properties":null,"context":null})"});
  Takes({"POST", "/v1/track",
         R"({"userId":"7","event":"x","properties":{"a":)" + Repeat("[", 60) + Repeat("]", 60) + "}}"});
  Takes({"POST", "/v1/track", R"({"userId":"7","event":"Order Completed","properties":{"total":1e300}})"});
  Takes({"POST", "/v1/track", R"({"userId":"7","event":"x","messageId":17,"somebody":"else's key"})"});
  Takes(
      {"POST", "/v1/identify", R"({"userId":"7","traits":{"list":[1,{"a":2}],"deep":{"er":{"est":1}},"gone":null}})"});
  Takes({"PUT", "/v1/items", "[]"});
  Takes({"PUT", "/v1/items", R"({"itemId":"a","price":12.75,"title":null})"});
  Takes({"POST", "/v1/recommendations", R"({"customer":null,"filter":"","pin":[{"itemId":"unknown"}]})"});
  Takes({"POST", "/v1/recommendations", R"({"seedItems":["unknown"],"exclude":["unknown"],"kind":"unheard of"})"});
}

}  // namespace
}  // namespace rapport

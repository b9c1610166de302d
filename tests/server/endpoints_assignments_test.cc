// POST /v1/assignments: the front desk's question and its answer, word by word; what is wrong is named.
#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using nlohmann::json;

class AssignmentsTest : public EndpointsTest {
 protected:
  Answered Assign(const std::string& body) { return Post("/v1/assignments", body); }
  void Refused(const std::string& body, const std::string& part) {
    const Answered answered = Assign(body);
    EXPECT_EQ(answered.status, 400) << answered.body;
    EXPECT_NE(answered.detail().find(part), std::string::npos) << answered.detail();
  }
};

TEST_F(AssignmentsTest, WhoGetsWhichRoomAndWhy) {
  Put("/v1/items", R"([{"itemId":"203","kind":"room","stock":1,"attributes":{"smoking":false,"floor":2}},
                       {"itemId":"204","kind":"room","available":false,"attributes":{"smoking":false,"floor":2}}])");
  const Answered answered = Assign(R"({
    "places": [{"name": "101", "attributes": {"smoking": true, "floor": 1}}, {"itemId": "203"}, {"itemId": "204"}],
    "guests": [
      {"name": "Ada", "prefer": [{"filter": "attributes.floor >= 2", "worth": 10}]},
      {"name": "Bob", "customer": {"userId": "bob"}, "must": "attributes.smoking = false"},
      {"name": "Cyd", "must": "attributes.sauna"}]})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.json, json::parse(R"({
    "placed": 2, "unplaced": 1, "worth": 0, "firstCome": {"placed": 1, "worth": 10},
    "guests": [
      {"guest": "Ada", "place": "101", "worth": 0, "forbidden": [{"reason": "unavailable", "places": 1}],
       "wishes": [{"filter": "attributes.floor >= 2", "worth": 10, "outcome": "taken"}]},
      {"guest": "Bob", "known": false, "place": "203", "worth": 0, "wishes": [],
       "forbidden": [{"reason": "must", "places": 1}, {"reason": "unavailable", "places": 1}]},
      {"guest": "Cyd", "because": "nothing-allowed", "wishes": [],
       "forbidden": [{"reason": "must", "places": 2}, {"reason": "unavailable", "places": 1}]}],
    "places": [{"place": "101", "capacity": 1, "left": 0, "guests": ["Ada"]},
               {"place": "203", "capacity": 1, "left": 0, "guests": ["Bob"]},
               {"place": "204", "capacity": 1, "left": 1, "guests": []}]})"));
  // The same question, the same bytes.
  const std::string question = R"({"places":[{"name":"a"},{"name":"b"}],"first":"worth","guests":[
    {"name":"x","worths":[{"place":"b","worth":3}]},{"name":"y","worth":2},{"name":"z","worth":1}]})";
  const Answered once = Assign(question);
  EXPECT_EQ(once.body, Assign(question).body);
  EXPECT_EQ(once.json["worth"], 5);
  EXPECT_EQ(once.json["guests"][2]["because"], "full");
  EXPECT_EQ(once.json["guests"][2]["taken"], json::parse(R"(["a","b"])"));
}

TEST_F(AssignmentsTest, CallSlotsAreContacts) {
  Post("/v1/identify", R"({"userId":"ada","traits":{"phone":"1","timezone":"Europe/Zurich"}})");
  Post("/v1/identify", R"({"userId":"bob","traits":{"phone":"1"}})");
  Put("/v1/customers/ada/consents", R"({"channel":"call","purpose":"marketing","given":true})");
  const Answered answered = Assign(R"({"contact": {"channel": "call", "slots": [
      {"name": "early", "at": "2026-03-02T06:30:00Z"}, {"name": "ten", "at": "2026-03-02T10:00:00Z"}]},
    "guests": [{"name": "Ada", "customer": {"userId": "ada"}, "worths": [{"place": "early", "worth": 9}]},
               {"name": "Bob", "customer": {"userId": "bob"}}]})");
  ASSERT_EQ(answered.status, 200) << answered.body;
  EXPECT_EQ(answered.json["guests"][0]["at"], "2026-03-02T10:00:00Z");
  EXPECT_EQ(answered.json["guests"][0]["forbidden"], json::parse(R"([{"reason":"quiet-hours","places":1}])"));
  EXPECT_EQ(answered.json["guests"][1]["because"], "nothing-allowed");
  EXPECT_EQ(answered.json["guests"][1]["forbidden"], json::parse(R"([{"reason":"no-consent","places":2}])"));
}

TEST_F(AssignmentsTest, WhatIsWrongIsNamed) {
  const std::string guests = R"(,"guests":[{"name":"Ada"}]})";
  Refused("{}", "places or contact with slots");
  Refused(R"({"places":[],"contact":{"channel":"call","slots":[]})" + guests, "places or contact with slots");
  Refused(R"({"places":[])" + guests, "places is empty");
  Refused(R"({"places":[{"name":"a"}]})", "guests is empty");
  Refused(R"({"places":[{}])" + guests, "places[0].name is missing");
  Refused(R"({"places":[{"name":"a"},{"name":"a"}])" + guests, "stands there twice");
  Refused(R"({"places":[{"name":"a","capacity":-1}])" + guests, "places[0].capacity");
  Refused(R"({"places":[{"name":"a","capacity":1.5}])" + guests, "places[0].capacity");
  Refused(R"({"places":[{"name":"a","floor":1}])" + guests, "places[0].'floor' is not a known key");
  Refused(R"({"places":[{"name":"a","attributes":[1]}])" + guests, "places[0].attributes must be an object");
  Refused(R"({"places":[{"name":"a","attributes":{"x":{}}}])" + guests, "places[0].attributes.x");
  Refused(R"({"places":[{"itemId":"gone"}])" + guests, "there is no item 'gone'");
  Refused(R"({"places":[{"name":"a","at":"2026-03-02T10:00:00Z"}])" + guests, "places[0].'at' is not a known key");
  Refused(R"({"contact":{"channel":"call","slots":[{"name":"a"}]})" + guests, "contact.slots[0].at is missing");
  Refused(R"({"contact":{"channel":"call","slots":[{"name":"a","at":"2026-02-02T10:00:00Z"}]})" + guests, "the past");
  Refused(R"({"places":[{"name":"a"}],"first":"me")" + guests, "first must be guests or worth");
  const std::string places = R"({"places":[{"name":"a"}],"guests":[)";
  Refused(places + R"({"name":"Ada","customer":{}}]})", "guests[0].customer.userId or anonymousId is missing");
  Refused(places + R"({"name":"Ada","customer":{"userId":"a","anonymousId":"b"}}]})", "not both");
  Refused(places + R"({"name":"Ada","must":"floor >"}]})", "guests[0]: must: filter: at byte");
  Refused(places + R"({"name":"Ada","prefer":[{"filter":"price < 3","worth":-1}]}]})", "guests[0].prefer[0].worth");
  Refused(places + R"({"name":"Ada","prefer":[{"worth":1}]}]})", "guests[0].prefer[0].filter is missing");
  Refused(places + R"({"name":"Ada","worths":[{"place":"b","worth":1}]}]})", "'b', which is no place here");
  Refused(places + R"({"name":"Ada","worths":[{"place":"a","worth":1},{"place":"a","worth":2}]}]})", "say one worth");
}

// A day of a large house: 1,000 guests and 1,000 rooms, each with a wish, are one answer.
TEST_F(AssignmentsTest, AsManyAsAreAllowed) {
  json body{{"places", json::array()}, {"guests", json::array()}};
  for (int i = 0; i < 1000; ++i) {
    body["places"].push_back({{"name", std::to_string(i)}, {"attributes", {{"floor", i % 9}, {"size", i % 37}}}});
    body["guests"].push_back(
        {{"name", std::to_string(i)},
         {"prefer", {{{"filter", "attributes.size >= " + std::to_string(i % 41)}, {"worth", 1 + i % 13}}}}});
  }
  const Answered answered = Assign(body.dump());
  ASSERT_EQ(answered.status, 200) << answered.body.substr(0, 300);
  EXPECT_EQ(answered.json["placed"], 1000);
  EXPECT_GE(answered.json["worth"].get<double>(), answered.json["firstCome"]["worth"].get<double>());
  body["guests"].push_back({{"name", "one more"}});
  Refused(body.dump(), "guests");
}

}  // namespace
}  // namespace rapport

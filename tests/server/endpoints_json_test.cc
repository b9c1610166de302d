// The JSON seam: what a writer writes nlohmann reads back, and readers' messages name the field.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

TEST(JsonWriterTest, StringsAreNlohmanns) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const size_t characters = random.Below(20);
    for (size_t i = 0; i < characters; ++i) {
      static constexpr const char* kPieces[] = {"a",    "\"",   "\\", "/", "\n", "\x01",
                                                "\x1f", "\x7f", "é",  "€", "😀",  "\u2028"};
      const uint64_t pick = random.Below(std::size(kPieces) + 1);
      text += pick == std::size(kPieces) ? std::string(1, '\0') : kPieces[pick];
    }
    EXPECT_EQ(JsonWriter().String(text).Take(), nlohmann::json(text).dump());
  }
}

TEST(JsonWriterTest, NumbersReadBackAsTheyWere) {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    const double value = (random.Uniform() - 0.5) * std::pow(10.0, static_cast<double>(random.Below(40)) - 20);
    EXPECT_EQ(nlohmann::json::parse(JsonWriter().Number(value).Take()).get<double>(), value);
    const float narrow = static_cast<float>(value);
    EXPECT_EQ(nlohmann::json::parse(JsonWriter().Number(narrow).Take()).get<float>(), narrow);
  }
  EXPECT_EQ(JsonWriter().Number(std::nan("")).Take(), "null");
}

TEST(JsonWriterTest, PutsCommasWhereTheyBelong) {
  JsonWriter out;
  out.BeginObject().Key("a").BeginArray().Integer(-1).BeginObject().EndObject().BeginArray().EndArray().EndArray();
  out.Key("b").Null().Key("c").Bool(true).Key("d").Raw("[1,2]").EndObject();
  EXPECT_EQ(out.Take(), R"({"a":[-1,{},[]],"b":null,"c":true,"d":[1,2]})");
}

TEST(JsonFieldsTest, TellsTheFirstWrongFieldByName) {
  const auto problem = [](const char* text) {
    const Json body = Json::parse(text);
    JsonFields fields(body, "pin[3].");
    fields.RequiredId("itemId");
    fields.Count("position", 1, 10);
    fields.Number("factor", 0, 1.5);
    fields.Flag("flag");
    fields.Time("time");
    fields.Ids("ids", 2);
    return fields.Finish().message();
  };
  EXPECT_EQ(problem(R"({"itemId":"a"})"), "");
  EXPECT_EQ(problem(R"({"itemId":7,"position":null})"), "");
  EXPECT_EQ(problem(R"({})"), "pin[3].itemId is missing: it must be an id as text");
  EXPECT_EQ(problem(R"({"itemId":""})"), "pin[3].itemId must be an id of 1 to 256 bytes, not of 0");
  EXPECT_EQ(problem(R"({"itemId":"a","position":11})"), "pin[3].position must be an integer from 1 to 10");
  EXPECT_EQ(problem(R"({"itemId":"a","position":1.5})"), "pin[3].position must be an integer from 1 to 10");
  EXPECT_EQ(problem(R"({"itemId":"a","factor":"1"})"), "pin[3].factor must be a number from 0 to 1.5");
  EXPECT_EQ(problem(R"({"itemId":"a","flag":1})"), "pin[3].flag must be true or false, not a number");
  EXPECT_EQ(problem(R"({"itemId":"a","ids":["a",[]]})"),
            "pin[3].ids[1] must be an id as text, like \"17850\", not an array");
  EXPECT_EQ(problem(R"({"itemId":"a","ids":[1,2,3]})"), "pin[3].ids must be an array of at most 2 ids");
  EXPECT_NE(problem(R"({"itemId":"a","time":"yesterday"})").find("pin[3].time"), std::string::npos);
  EXPECT_NE(problem(R"({"itemId":"a","postion":1})").find("pin[3].'postion' is not a known key"), std::string::npos);
  EXPECT_EQ(problem(R"([])"), "pin[3] must be a JSON object, not an array");
}

TEST(SupportTest, SplitsLists) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(SplitList(""), Texts{});
  EXPECT_EQ(SplitList("title, price ,,attributes.a b"), (Texts{"title", "price", "attributes.a b"}));
}

}  // namespace
}  // namespace rapport

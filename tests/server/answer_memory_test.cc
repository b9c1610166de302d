// A page asked for twice: the same bytes as long as nothing changed, another answer the moment anything did.
#include "server/endpoints/answer_memory.h"

#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

constexpr const char* kPage = R"({"customer":{"userId":"u"},"count":3,"return":["title"]})";

class AnswerMemoryTest : public EndpointsTest {
 protected:
  using EndpointsTest::EndpointsTest;
  void PutItem(const std::string& id, const std::string& more = "") {
    ASSERT_EQ(Put("/v1/items", R"([{"itemId":")" + id + R"(","title":"T")" + more + "}]").status, 200);
  }
  void View(const std::string& item) {
    ASSERT_EQ(
        Post("/v1/track", R"({"userId":"u","event":"Product Viewed","properties":{"product_id":")" + item + "\"}}")
            .status,
        200);
  }
  std::string Page(const std::string& key = "") {
    clock_.Advance(1);  // two answers at one instant are one anyway: ids are a function of the question and the time
    const Answered page = Ask({"POST", "/v1/recommendations", kPage, key});
    EXPECT_EQ(page.status, 200) << page.body;
    return page.body;
  }
};

TEST_F(AnswerMemoryTest, NothingChangedTheSameBytes) {
  PutItem("a");
  View("a");
  const std::string first = Page();
  clock_.Advance(4 * kSecondMs);
  EXPECT_EQ(Page(), first);
  clock_.Advance(2 * kSecondMs);
  EXPECT_NE(Page(), first) << "its life is over: the same list under a new id";
}

TEST_F(AnswerMemoryTest, EveryChangeIsSeenByTheNextRequest) {
  PutItem("a");
  View("a");
  std::string before = Page();
  const auto changed = [&](const char* by) {
    const std::string after = Page();
    EXPECT_NE(after, before) << by;
    before = after;
  };
  View("a");
  changed("an event of the customer");
  PutItem("b");
  changed("an item that was put");
  ASSERT_EQ(Ask({"PATCH", "/v1/items/b", R"({"stock":0})"}).status, 200);
  changed("a stock");
  ASSERT_EQ(Post("/v1/identify", R"({"userId":"u","traits":{"country":"CH"}})").status, 200);
  changed("a profile");
  ASSERT_EQ(Post("/v1/identify", R"({"userId":"u","anonymousId":"v"})").status, 200);
  changed("a link");
}

TEST_F(AnswerMemoryTest, AnItemIsNotShownPastItsTime) {
  PutItem("a");
  PutItem("brief", R"(,"expiresAt":"2026-03-01T12:00:02Z")");
  View("a");
  ASSERT_NE(Page().find("brief"), std::string::npos);
  clock_.Advance(2 * kSecondMs);
  EXPECT_EQ(Page().find("brief"), std::string::npos) << "broken twin: an answer kept for its whole life still shows it";
}

TEST_F(AnswerMemoryTest, AnotherKeyIsAnotherQuestion) {
  PutItem("a");
  View("a");
  EXPECT_NE(Page(), Page(AddKey(KeyKind::kServer, Bits({Scope::kRecommend}))));
}

class DrawnPageTest : public AnswerMemoryTest {
 protected:
  static EngineOptions Drawing() {
    EngineOptions options;
    for (Scenario& scenario : options.scenarios) {
      scenario.exploration.slots = {1};
      scenario.exploration.epsilon = 1;
    }
    return options;
  }
  DrawnPageTest() : AnswerMemoryTest(Drawing()) {}
};

TEST_F(DrawnPageTest, ADrawIsNeverShownTwice) {
  for (int i = 0; i < 10; ++i) PutItem("i" + std::to_string(i));
  View("i0");
  const std::string first = Page();
  clock_.Advance(1);
  EXPECT_NE(Page(), first);
}

TEST(AnswerMemoryBoundsTest, HoldsNoMoreThanItsBytes) {
  AnswerMemory memory({kSecondMs, 16 * 2000});
  const Timestamp now{1000};
  for (int i = 0; i < 1000; ++i) {
    memory.Keep("key" + std::to_string(i), std::make_shared<AnswerMemory::Kept>(AnswerMemory::Kept{
                                               {}, CustomerId{1}, memory.ExpiryOf(now), std::string(500, 'x')}));
    EXPECT_LE(memory.bytes(), 16u * 2000);
  }
  EXPECT_GT(memory.bytes(), 0u);
  memory.Keep("large", std::make_shared<AnswerMemory::Kept>(
                           AnswerMemory::Kept{{}, CustomerId{1}, memory.ExpiryOf(now), std::string(5000, 'x')}));
  EXPECT_EQ(memory.Find("large", now), nullptr) << "larger than its share";
  EXPECT_NE(memory.Find("key999", now), nullptr);
  EXPECT_EQ(memory.Find("key999", Timestamp{2000}), nullptr) << "its time is over";
  AnswerMemory off({0, 1 << 20});
  off.Keep("k", std::make_shared<AnswerMemory::Kept>(AnswerMemory::Kept{{}, CustomerId{1}, now, "x"}));
  EXPECT_EQ(off.Find("k", now), nullptr);
}

}  // namespace
}  // namespace rapport

// Rates, deadlines and overload over a real socket.
#include <thread>

#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

class HttpLimitsTest : public ::testing::Test {
 protected:
  void Start() {
    key_ = test_.keys.Add(KeyKind::kServer, {Scope::kRecommend});
    other_ = test_.keys.Add(KeyKind::kServer, {Scope::kRecommend});
    browser_ = test_.keys.Add(KeyKind::kBrowser, {Scope::kRecommend});
    const auto answer = [this](const Request&, Responder respond) {
      ++handled_;
      respond(JsonResponse(200, "\"hi\""));
    };
    test_.Add(Method::kGet, "/open", answer);
    test_.routes.Add({Method::kPost, "/pages", Scope::kRecommend, answer, Browsers::kAllowed});
    test_.Start();
  }
  std::string Page(const std::string& key, const std::string& more = "", const std::string& body = "{}") {
    return Post("/pages", body, "Authorization: Bearer " + key + "\r\n" + more);
  }
  // How many of `count` requests on one connection are answered 200; the others must be 429 with Retry-After.
  int Passed(int count, const std::string& request) {
    RawClient client = test_.Connect();
    int passed = 0;
    for (int i = 0; i < count; ++i) {
      const WireResponse response = client.Ask(request);
      passed += response.status == 200;
      if (response.status == 200) continue;
      EXPECT_EQ(response.status, 429);
      EXPECT_TRUE(response.Has("Retry-After: ")) << response.head;
    }
    return passed;
  }
  TestServer test_;
  std::string key_, other_, browser_;
  std::atomic<int> handled_{0};
};

// Rates of a token in three hours: nothing refills while the test runs. The broken twin is the next test's other key.
TEST_F(HttpLimitsTest, AKeyHasItsRate) {
  test_.options.rate_per_key = {1e-4, 5};
  Start();
  EXPECT_EQ(Passed(9, Page(key_)), 5);
  EXPECT_EQ(Passed(9, Page(key_)), 0) << "a new connection is no new bucket";
  EXPECT_EQ(Passed(9, Page(other_)), 5);
  EXPECT_EQ(handled_.load(), 10);
}

TEST_F(HttpLimitsTest, WithoutALimitEverythingPasses) {
  Start();
  EXPECT_EQ(Passed(9, Page(key_)), 9);
}

TEST_F(HttpLimitsTest, AnAddressHasItsRateWithoutAServerKey) {
  test_.options.rate_per_address = {1e-4, 5};
  Start();
  EXPECT_EQ(Passed(9, Page(key_)), 9) << "a server key is counted by itself";
  EXPECT_EQ(Passed(3, Page(browser_)), 3);
  EXPECT_EQ(Passed(9, Get("/open")), 2);
  EXPECT_EQ(test_.Connect().Ask(Page("rk_000000000000_wrong")).status, 429) << "guessing keys is counted too";
}

TEST_F(HttpLimitsTest, TrustedAddressesHaveNone) {
  test_.options.rate_per_address = {1e-4, 5};
  test_.options.trusted_addresses = {"127.0.0.1"};
  Start();
  EXPECT_EQ(Passed(9, Get("/open")), 9);
}

TEST_F(HttpLimitsTest, ALimitedRequestWithALargeBodyCloses) {
  test_.options.rate_per_key = {1e-4, 1};
  Start();
  EXPECT_EQ(Passed(1, Page(key_)), 1);
  RawClient client = test_.Connect();
  const WireResponse response = client.Ask(Page(key_, "", std::string(200000, ' ')));
  EXPECT_EQ(response.status, 429);
  EXPECT_TRUE(response.Has("Connection: close"));
}

TEST_F(HttpLimitsTest, AnExpiredDeadlineCostsNoWork) {
  Start();
  RawClient client = test_.Connect();
  const WireResponse late = client.Ask(Page(key_, "X-Deadline-Ms: 0\r\n"));
  EXPECT_EQ(late.status, 503);
  EXPECT_TRUE(late.Has("Retry-After: "));
  EXPECT_EQ(handled_.load(), 0);
  EXPECT_EQ(client.Ask(Page(key_, "X-Deadline-Ms: 60000\r\n")).status, 200);
  EXPECT_EQ(client.Ask(Page(key_, "X-Deadline-Ms: soon\r\n")).status, 400);
  EXPECT_EQ(handled_.load(), 1);
  EXPECT_EQ(test_.metrics.counter("rapport_expired_requests_total").value(), 1u);
}

// One handler at a time and it holds its thread: those that would wait too long are refused by the other thread, those
// that wait are answered in the end, and health is answered all the while.
TEST_F(HttpLimitsTest, OverloadIsRefusedWhileWorkIsAtWork) {
  test_.options.threads = 1;
  test_.options.requests_in_flight_max = 6;
  std::mutex gate;
  std::atomic<int> begun{0};
  test_.Add(
      Method::kGet, "/work",
      [&](const Request&, Responder respond) {
        ++begun;
        const std::lock_guard lock(gate);
        respond(JsonResponse(200, "\"done\""));
      },
      Scope::kRecommend);
  Start();
  const std::string work = Get("/work", "Authorization: Bearer " + key_ + "\r\n");
  std::vector<std::unique_ptr<RawClient>> clients;
  {
    const std::lock_guard held(gate);
    for (int i = 0; i < 6; ++i) {
      clients.push_back(std::make_unique<RawClient>(test_.server->port()));
      clients.back()->Send(work);
      while (test_.metrics.gauge("rapport_requests_in_flight").value() <= i) std::this_thread::yield();
    }
    RawClient refused = test_.Connect();
    for (const std::string& more : {std::string(), std::string("Connection: keep-alive\r\n")}) {  // early, and not
      const WireResponse response = refused.Ask(Get("/work", "Authorization: Bearer " + key_ + "\r\n" + more));
      EXPECT_EQ(response.status, 503);
      EXPECT_TRUE(response.Has("Retry-After: 1\r\n")) << response.head;
      EXPECT_TRUE(response.Has("application/problem+json")) << response.head;
      EXPECT_NE(response.body.find("try again"), std::string::npos);
    }
    EXPECT_EQ(refused.Ask(Post("/pages", "body", "Authorization: Bearer " + key_ + "\r\n")).status, 503);
    EXPECT_EQ(refused.Ask(Get("/open")).status, 200) << "the connection goes on";
    EXPECT_EQ(test_.Connect().Ask(Get("/open")).status, 200);
    EXPECT_EQ(begun.load(), 1) << "one place, one handler";
  }
  for (const auto& client : clients) EXPECT_EQ(client->Receive().status, 200);
  EXPECT_EQ(begun.load(), 6);
  test_.server.reset();  // a handler may still be on its way out of the gate, which ends with this test
}

}  // namespace
}  // namespace rapport

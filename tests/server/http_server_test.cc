// The transport over a real socket: framing, limits, order of answers, refusals, and stopping.
#include <future>
#include <thread>

#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

void Echo(const Request& request, Responder respond) {
  Response response = JsonResponse(200, request.body);
  response.content_type = "application/octet-stream";
  respond(std::move(response));
}

// Keeps the answers open until the test gives them.
class HeldAnswers {
 public:
  Handler handler() {
    return [this](const Request&, Responder respond) {
      std::lock_guard lock(mutex_);
      held_.push_back(std::move(respond));
      arrived_.notify_all();
    };
  }
  void AwaitCount(size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return held_.size() >= count; });
  }
  void AnswerAll(const std::string& body) {
    std::lock_guard lock(mutex_);
    for (const Responder& respond : held_) respond(JsonResponse(200, body));
    held_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Responder> held_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void StartEcho() {
    test_.Add(Method::kPost, "/echo", Echo);
    test_.Add(Method::kGet, "/hello", [](const Request&, Responder respond) { respond(JsonResponse(200, "\"hi\"")); });
    test_.Start();
  }
  void ExpectCutOffAfter(const std::string& sent) {
    StartEcho();
    RawClient client = test_.Connect();
    client.Send(sent);
    EXPECT_TRUE(client.AtEnd());
    EXPECT_TRUE(test_.server->Stop(20000));  // the counter moves after the client sees the end
    EXPECT_EQ(test_.metrics.counter("rapport_connection_timeouts_total").value(), 1u);
  }
  TestServer test_;
};

TEST_F(HttpServerTest, KeepsTheConnectionBetweenRequests) {
  StartEcho();
  RawClient client = test_.Connect();
  for (int i = 0; i < 50; ++i) {
    const WireResponse response = client.Ask(Post("/echo", "number " + std::to_string(i)));
    ASSERT_EQ(response.status, 200);
    ASSERT_EQ(response.body, "number " + std::to_string(i));
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  StartEcho();
  RawClient client = test_.Connect();
  std::string all;
  for (int i = 0; i < 30; ++i) all += i % 2 ? Get("/hello") : Post("/echo", std::to_string(i));
  client.Send(all);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(client.Receive().body, i % 2 ? "\"hi\"" : std::to_string(i));
}

TEST_F(HttpServerTest, AnswersSentInSinglesBytes) {
  StartEcho();
  RawClient client = test_.Connect();
  for (const char byte : Post("/echo", "slow but whole")) client.Send(std::string_view(&byte, 1));
  EXPECT_EQ(client.Receive().body, "slow but whole");
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  StartEcho();
  RawClient client = test_.Connect();
  const WireResponse response = client.Ask(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
  EXPECT_EQ(response.body, "abcdefg");
  EXPECT_EQ(client.Ask(Get("/hello")).status, 200);
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  StartEcho();
  RawClient client = test_.Connect();
  client.Send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  const WireResponse response = client.Receive(true);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.Has("Content-Length: 4"));
  EXPECT_EQ(client.Ask(Get("/hello")).body, "\"hi\"");  // nothing was left in between
}

TEST_F(HttpServerTest, ClosesWhenAskedToAndForOldClients) {
  StartEcho();
  RawClient asks = test_.Connect();
  EXPECT_EQ(asks.Ask(Get("/hello", "Connection: close\r\n")).status, 200);
  EXPECT_TRUE(asks.AtEnd());
  RawClient old = test_.Connect();
  EXPECT_EQ(old.Ask("GET /hello HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.AtEnd());
}

TEST_F(HttpServerTest, AnswersAClientThatFinishedSending) {
  StartEcho();
  RawClient client = test_.Connect();
  client.Send(Get("/hello"));
  client.FinishSending();
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, RefusesOtherMethodsWithWhatIsAllowed) {
  StartEcho();
  RawClient client = test_.Connect();
  const WireResponse response = client.Ask("DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(response.status, 405);
  EXPECT_TRUE(response.Has("Allow: OPTIONS, GET, HEAD"));
  EXPECT_TRUE(response.Has("application/problem+json"));
  EXPECT_EQ(client.Ask(Get("/nowhere")).status, 404);
  EXPECT_EQ(client.Ask("BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n").status, 405);
  EXPECT_EQ(client.Ask(Get("/hello")).status, 200);
}

TEST_F(HttpServerTest, RefusesMalformedRequestsAndCloses) {
  StartEcho();
  const std::vector<std::pair<std::string, int>> cases = {
      {"\x16\x03\x01 this is not HTTP\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost a\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"GET /hello HTTP/9.9\r\nHost: a\r\n\r\n", 505},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400},
      {"GET /hello%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400},
      {"GET /hello?a=1&a=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    RawClient client = test_.Connect();
    const WireResponse response = client.Ask(bytes);
    EXPECT_EQ(response.status, status) << bytes;
    EXPECT_TRUE(response.Has("application/problem+json")) << bytes;
    client.FinishSending();
    EXPECT_TRUE(client.AtEnd()) << bytes;
  }
}

TEST_F(HttpServerTest, LimitsHeaderAndBody) {
  test_.options.body_bytes_max = 1000;
  test_.options.header_bytes_max = 2000;
  StartEcho();
  EXPECT_EQ(test_.Connect().Ask(Post("/echo", std::string(1000, 'x'))).status, 200);
  const WireResponse large = test_.Connect().Ask(Post("/echo", std::string(10 << 20, 'x')));
  EXPECT_EQ(large.status, 413);
  EXPECT_TRUE(large.Has("Connection: close"));
  EXPECT_EQ(test_.Connect()
                .Ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n600\r\n" +
                     std::string(0x600, 'x') + "\r\n0\r\n\r\n")
                .status,
            413);
  EXPECT_EQ(test_.Connect().Ask(Get("/hello", "X: " + std::string(3000, 'x') + "\r\n")).status, 431);
}

TEST_F(HttpServerTest, RoutesMayTakeMoreThanTheServersLimit) {
  test_.options.body_bytes_max = 10;
  Route route{Method::kPost, "/large", std::nullopt, Echo};
  route.body_bytes_max = 100000;
  test_.routes.Add(route);
  StartEcho();
  EXPECT_EQ(test_.Connect().Ask(Post("/large", std::string(100000, 'x'))).body.size(), 100000u);
  EXPECT_EQ(test_.Connect().Ask(Post("/large", std::string(100001, 'x'))).status, 413);
}

TEST_F(HttpServerTest, AsksForTheBodyOnlyWhenItWillBeRead) {
  test_.options.body_bytes_max = 1000;
  StartEcho();
  RawClient client = test_.Connect();
  const WireResponse go_on =
      client.Ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(go_on.status, 100);
  EXPECT_EQ(client.Ask("hello").body, "hello");
  EXPECT_EQ(client.Ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n").status,
            413);
  EXPECT_EQ(test_.Connect().Ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: tea\r\n\r\n").status,
            417);
}

TEST_F(HttpServerTest, ExceptionsStopAtTheSeam) {
  test_.Add(Method::kGet, "/throws", [](const Request&, Responder) { throw std::runtime_error("private words"); });
  test_.Add(Method::kGet, "/forgets", [](const Request&, Responder) {});
  test_.Add(Method::kGet, "/twice", [](const Request&, Responder respond) {
    respond(JsonResponse(200, "1"));
    respond(JsonResponse(200, "2"));
    throw 3;
  });
  StartEcho();
  RawClient client = test_.Connect();
  const WireResponse thrown = client.Ask(Get("/throws"));
  EXPECT_EQ(thrown.status, 500);
  EXPECT_EQ(thrown.body.find("private"), std::string::npos);
  EXPECT_EQ(client.Ask(Get("/forgets")).status, 500);
  EXPECT_EQ(client.Ask(Get("/twice")).body, "1");
  EXPECT_EQ(client.Ask(Get("/hello")).body, "\"hi\"");
}

TEST_F(HttpServerTest, AnswersFromAnotherThread) {
  std::vector<std::thread> threads;
  test_.Add(Method::kPost, "/later", [&threads](const Request& request, Responder respond) {
    threads.emplace_back([&request, respond] { respond(JsonResponse(200, request.body)); });  // the request still lives
  });
  StartEcho();
  RawClient client = test_.Connect();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.Ask(Post("/later", std::to_string(i))).body, std::to_string(i));
  for (std::thread& thread : threads) thread.join();
}

TEST_F(HttpServerTest, RefusesQuicklyWhenTooManyAreAtWork) {
  test_.options.requests_in_flight_max = 3;
  HeldAnswers held;
  const std::string key = "X-API-Key: " + test_.keys.Add(KeyKind::kServer, {Scope::kRecommend}) + "\r\n";
  test_.Add(Method::kGet, "/held", held.handler());
  test_.Add(
      Method::kGet, "/page", [](const Request&, Responder respond) { respond(JsonResponse(200, "1")); },
      Scope::kRecommend);
  StartEcho();
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<RawClient>(test_.server->port()));
    waiting.back()->Send(Get("/held"));
  }
  held.AwaitCount(3);
  RawClient client = test_.Connect();
  const WireResponse refused = client.Ask(Get("/page", key));
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.Has("Retry-After: 1"));
  EXPECT_EQ(client.Ask(Get("/hello")).status, 200);  // public ones are health and the like: always
  held.AnswerAll("\"done\"");
  for (const auto& each : waiting) EXPECT_EQ(each->Receive().body, "\"done\"");
  EXPECT_EQ(client.Ask(Get("/page", key)).status, 200);  // the same connection, once there is room
  EXPECT_EQ(test_.metrics.counter("rapport_refused_requests_total").value(), 1u);
}

TEST_F(HttpServerTest, RefusesConnectionsWhenAllPlacesAreAtWork) {
  test_.options.connections_max = 2;
  HeldAnswers held;
  test_.Add(Method::kGet, "/held", held.handler());
  StartEcho();
  RawClient first = test_.Connect(), second = test_.Connect();
  first.Send(Get("/held"));
  second.Send(Get("/held"));
  held.AwaitCount(2);
  RawClient third = test_.Connect();
  const WireResponse refused = third.Ask(Get("/hello"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.Has("Connection: close"));
  held.AnswerAll("\"done\"");
  EXPECT_EQ(first.Receive().status, 200);
}

// The broken twin is what was before: who comes late is refused, and silent clients keep everybody out.
TEST_F(HttpServerTest, WaitingConnectionsGiveWayToNewOnes) {
  test_.options.connections_max = 3;
  StartEcho();
  RawClient good = test_.Connect();
  EXPECT_EQ(good.Ask(Get("/hello")).status, 200);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 20; ++i) {
    silent.push_back(std::make_unique<RawClient>(test_.server->port()));
    silent.back()->Send("GET /hel");
    EXPECT_EQ(test_.Connect().Ask(Get("/hello")).status, 200) << i;
  }
  EXPECT_TRUE(silent.front()->AtEnd());
  EXPECT_GT(test_.metrics.counter("rapport_connections_gave_way_total").value(), 0u);
}

TEST_F(HttpServerTest, RefusesConnectionsOfOneAddressBeyondItsLimit) {
  test_.options.connections_per_address_max = 1;
  StartEcho();
  RawClient first = test_.Connect();
  EXPECT_EQ(first.Ask(Get("/hello")).status, 200);
  EXPECT_EQ(test_.Connect().Ask(Get("/hello")).status, 503);
}

TEST_F(HttpServerTest, TrustedAddressesAreNotCounted) {
  test_.options.connections_per_address_max = 1;
  test_.options.trusted_addresses = {"127.0.0.1"};
  StartEcho();
  RawClient first = test_.Connect(), second = test_.Connect();
  EXPECT_EQ(first.Ask(Get("/hello")).status, 200);
  EXPECT_EQ(second.Ask(Get("/hello")).status, 200);
}

// What was announced costs nothing (broken twin: the announcement was counted, and silent clients used it up).
TEST_F(HttpServerTest, BodiesTogetherAreBounded) {
  test_.options.body_bytes_in_flight_max = 1000;
  test_.options.trusted_addresses = {"127.0.0.1"};
  StartEcho();
  RawClient promises = test_.Connect(), holder = test_.Connect();
  promises.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const Gauge& held = test_.metrics.gauge("rapport_body_bytes");
  holder.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 901\r\n\r\n" + std::string(900, 'x'));
  while (held.value() < 900) std::this_thread::yield();
  EXPECT_EQ(test_.Connect().Ask(Post("/echo", std::string(200, 'x'))).status, 503);
  EXPECT_EQ(holder.Ask("x").status, 200);
  while (held.value() > 0) std::this_thread::yield();
  EXPECT_EQ(test_.Connect().Ask(Post("/echo", std::string(200, 'x'))).status, 200);
}

TEST_F(HttpServerTest, OneAddressHoldsAQuarterOfAllBodies) {
  test_.options.body_bytes_in_flight_max = 1000;
  test_.options.body_bytes_max = 250;
  StartEcho();
  RawClient holder = test_.Connect();
  holder.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 201\r\n\r\n" + std::string(200, 'x'));
  const Gauge& held = test_.metrics.gauge("rapport_body_bytes");
  while (held.value() < 200) std::this_thread::yield();
  EXPECT_EQ(test_.Connect().Ask(Post("/echo", std::string(60, 'x'))).status, 503);
  EXPECT_EQ(test_.Connect().Ask(Post("/echo", std::string(40, 'x'))).status, 200);
}

// Each with its own short limit and the others long: which of them is reached never hangs on the machine's speed.
TEST_F(HttpServerTest, TheIdleAreCutOff) {
  test_.options.idle_timeout_ms = 50;
  StartEcho();
  EXPECT_TRUE(test_.Connect().AtEnd());
  EXPECT_TRUE(test_.server->Stop(20000));  // the counter moves after the client sees the end
  EXPECT_EQ(test_.metrics.counter("rapport_connection_timeouts_total").value(), 0u);
}

TEST_F(HttpServerTest, SlowHeadsAreCutOff) {
  test_.options.header_timeout_ms = 50;
  ExpectCutOffAfter("GET /hello HT");
}

TEST_F(HttpServerTest, SlowBodiesAreCutOff) {
  test_.options.body_timeout_ms = 50;
  ExpectCutOffAfter("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
}

TEST_F(HttpServerTest, StopFinishesWhatItAccepted) {
  HeldAnswers held;
  test_.Add(Method::kGet, "/held", held.handler());
  StartEcho();
  RawClient idle = test_.Connect(), busy = test_.Connect();
  EXPECT_EQ(idle.Ask(Get("/hello")).status, 200);
  busy.Send(Get("/held"));
  held.AwaitCount(1);
  const uint16_t port = test_.server->port();
  std::future<bool> stopped = std::async(std::launch::async, [&] { return test_.server->Stop(20000); });
  EXPECT_TRUE(idle.AtEnd());  // nothing was asked there
  EXPECT_THROW(RawClient{port}, boost::system::system_error);
  held.AnswerAll("\"finished\"");
  const WireResponse response = busy.Receive();
  EXPECT_EQ(response.body, "\"finished\"");
  EXPECT_TRUE(response.Has("Connection: close"));
  busy.FinishSending();
  EXPECT_TRUE(stopped.get());
}

// A close with unread input resets the connection, and the reset may overtake the answer.
TEST_F(HttpServerTest, StopDoesNotLoseAnAnswerToPipelinedRequests) {
  HeldAnswers held;
  test_.Add(Method::kPost, "/held", held.handler());
  StartEcho();
  RawClient busy = test_.Connect();
  busy.Send(Post("/held", "first"));
  held.AwaitCount(1);
  for (int i = 0; i < 200; ++i) busy.Send(Post("/echo", std::string(10000, 'x')));
  std::future<bool> stopped = std::async(std::launch::async, [&] { return test_.server->Stop(20000); });
  while (!test_.server->stopping()) std::this_thread::yield();
  held.AnswerAll(std::string(1 << 20, 'y'));
  EXPECT_EQ(busy.Receive().body.size(), 1u << 20);
  EXPECT_TRUE(busy.AtEnd());  // the second was never accepted
  busy.FinishSending();
  EXPECT_TRUE(stopped.get());
}

TEST_F(HttpServerTest, StopCutsOffWhatDoesNotEnd) {
  HeldAnswers held;
  test_.Add(Method::kGet, "/held", held.handler());
  StartEcho();
  RawClient busy = test_.Connect();
  busy.Send(Get("/held"));
  held.AwaitCount(1);
  EXPECT_FALSE(test_.server->Stop(10));
  EXPECT_TRUE(busy.AtEnd());
  test_.server.reset();
  held.AnswerAll("\"too late\"");  // dropped, and nothing is touched that is gone
}

TEST_F(HttpServerTest, LongWorkDoesNotHoldUpTheRest) {
  test_.options.threads = 1;
  std::promise<void> release;
  Route route{Method::kGet, "/long", std::nullopt, [&release](const Request&, Responder respond) {
                release.get_future().wait();
                respond(JsonResponse(200, "\"long\""));
              }};
  route.work = Work::kLong;
  test_.routes.Add(route);
  StartEcho();
  RawClient slow = test_.Connect(), quick = test_.Connect();
  slow.Send(Get("/long"));
  EXPECT_EQ(quick.Ask(Get("/hello")).status, 200);
  release.set_value();
  EXPECT_EQ(slow.Receive().body, "\"long\"");
}

TEST_F(HttpServerTest, SaysWhenItsAddressIsTaken) {
  StartEcho();
  ServerOptions options = test_.options;
  options.port = test_.server->port();
  const auto second =
      HttpServer::Start(options, test_.routes, test_.authenticator, test_.metrics, test_.log, test_.clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  options.address = "shop.example";
  EXPECT_EQ(HttpServer::Start(options, test_.routes, test_.authenticator, test_.metrics, test_.log, test_.clock)
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

TEST_F(HttpServerTest, ManyClientsAtOnce) {
  StartEcho();
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&, c] {
      RawClient client = test_.Connect();
      for (int i = 0; i < 50; ++i) {
        const std::string body(static_cast<size_t>(c * 997 + i), static_cast<char>('a' + c));
        right += client.Ask(Post("/echo", body)).body == body;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right.load(), 16 * 50);
}

TEST_F(HttpServerTest, CountsByRouteAndStatus) {
  StartEcho();
  RawClient client = test_.Connect();
  client.Ask(Get("/hello"));
  client.Ask(Get("/nowhere"));
  const std::string text = test_.metrics.Render();
  EXPECT_NE(text.find("rapport_requests_total{method=\"GET\",route=\"/hello\",status=\"2xx\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("rapport_requests_total{method=\"\",route=\"\",status=\"4xx\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("rapport_request_seconds_bucket{method=\"GET\",route=\"/hello\",le=\"+Inf\"} 1\n"),
            std::string::npos);
}

}  // namespace
}  // namespace rapport

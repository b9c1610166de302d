// A handler that waits for the store goes on on a worker: never on the thread that brought the news, at most as many at
// once as handlers, and its faults are a handler's.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

// Stands for the store: keeps what handlers wait for until it is told to bring the news, on a thread of its own.
class News {
 public:
  void Await(std::function<void()> then) {
    std::lock_guard hold(mutex_);
    waiting_.push_back(std::move(then));
    changed_.notify_all();
  }
  void AwaitCount(size_t count) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return waiting_.size() >= count; });
  }
  std::thread::id Bring() {
    std::thread::id id;
    std::thread([&] {
      id = std::this_thread::get_id();
      for (const auto& then : std::exchange(waiting_, {})) then();
    }).join();
    return id;
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::function<void()>> waiting_;
};

class HttpContinueTest : public ::testing::Test {
 protected:
  // Waits for the news, then does `work` and answers with what it gives.
  void AddWaiting(const std::string& path, std::function<std::string()> work) {
    test_.Add(Method::kGet, path, [this, work](const Request&, Responder respond) {
      news_.Await([work, respond] { respond.Continue([work, respond] { respond(JsonResponse(200, work())); }); });
    });
  }
  News news_;
  TestServer test_;
};

TEST_F(HttpContinueTest, GoesOnOnAWorker) {
  std::thread::id worked_on;
  AddWaiting("/wait", [&] {
    worked_on = std::this_thread::get_id();
    return "\"done\"";
  });
  test_.Start();
  RawClient client = test_.Connect();
  client.Send(Get("/wait"));
  news_.AwaitCount(1);
  const std::thread::id bringer = news_.Bring();
  EXPECT_EQ(client.Receive().body, "\"done\"");
  EXPECT_NE(worked_on, bringer) << "the store's thread was kept from telling others";
  EXPECT_NE(worked_on, std::thread::id());
}

TEST_F(HttpContinueTest, NoMoreAtOnceThanHandlers) {
  test_.options.threads = 1;
  std::atomic<int> at_work{0}, most{0};
  AddWaiting("/wait", [&] {
    most = std::max(most.load(), ++at_work);
    std::this_thread::yield();
    --at_work;
    return "\"done\"";
  });
  test_.Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(test_.server->port()));
    clients.back()->Send(Get("/wait"));
  }
  news_.AwaitCount(clients.size());
  news_.Bring();
  for (const auto& client : clients) EXPECT_EQ(client->Receive().body, "\"done\"");
  EXPECT_EQ(most.load(), 1);
}

TEST_F(HttpContinueTest, AFaultIsAnsweredAndTheConnectionGoesOn) {
  AddWaiting("/fault", []() -> std::string { throw std::runtime_error("of the work"); });
  AddWaiting("/wait", [] { return "\"done\""; });
  test_.Start();
  RawClient client = test_.Connect();
  for (const auto& [path, status] : {std::pair("/fault", 500), std::pair("/wait", 200)}) {
    client.Send(Get(path));
    news_.AwaitCount(1);
    news_.Bring();
    const WireResponse answer = client.Receive();
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body.find("of the work"), std::string::npos);
  }
}

// What is still waiting for the news when the server is gone touches nothing that is gone.
TEST_F(HttpContinueTest, NewsAfterTheEndIsDropped) {
  AddWaiting("/wait", [] { return "\"too late\""; });
  test_.Start();
  RawClient client = test_.Connect();
  client.Send(Get("/wait"));
  news_.AwaitCount(1);
  EXPECT_FALSE(test_.server->Stop(10));
  EXPECT_TRUE(client.AtEnd());
  test_.server.reset();
  news_.Bring();
}

}  // namespace
}  // namespace rapport

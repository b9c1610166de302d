// A server on a free port of the loopback, a table of keys, and a client that sends bytes as they are.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "server/problem.h"
#include "server/server.h"

namespace rapport {

// Records by id; counts the lookups that reached it.
class FakeKeys final : public KeySource {
 public:
  Result<ApiKey> Find(const std::string& id) const override {
    std::lock_guard lock(mutex_);
    ++lookups_;
    const auto found = keys_.find(id);
    if (found == keys_.end()) return Status::NotFound("no such key");
    return found->second;
  }
  // The key's text.
  std::string Add(KeyKind kind, std::initializer_list<Scope> scopes,
                  std::optional<Timestamp> expires_at = std::nullopt) {
    uint8_t bits = 0;
    for (const Scope scope : scopes) bits |= static_cast<uint8_t>(1u << static_cast<unsigned>(scope));
    Result<NewKey> key = MakeKey("test", kind, bits, Timestamp{0}, expires_at);
    EXPECT_TRUE(key.ok()) << key.status().ToString();
    std::lock_guard lock(mutex_);
    keys_[key->record.id] = key->record;
    return key->text;
  }
  void Revoke(const std::string& id) {
    std::lock_guard lock(mutex_);
    keys_[id].revoked = true;
  }
  int lookups() const {
    std::lock_guard lock(mutex_);
    return lookups_;
  }

 private:
  mutable std::mutex mutex_;
  mutable int lookups_ = 0;
  std::map<std::string, ApiKey> keys_;
};

inline std::string IdOf(const std::string& key_text) { return std::string(ParseKey(key_text)->id); }

// One answer as it came over the wire.
struct WireResponse {
  int status = 0;  // 0: the connection ended before an answer
  std::string head, body;
  bool Has(const std::string& text) const { return head.find(text) != std::string::npos; }
};

// Blocking; the kernel gives up after 20 s so that a broken server fails a test instead of hanging it.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    const timeval limit{20, 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  void Send(std::string_view bytes) {
    boost::system::error_code ignored;  // a server may answer and close before it has read everything
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }
  WireResponse Receive(bool head_only = false) {
    WireResponse out;
    size_t end = std::string::npos;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return out;
    }
    out.head = pending_.substr(0, end + 4);
    pending_.erase(0, end + 4);
    out.status = std::stoi(out.head.substr(9, 3));
    const size_t at = out.head.find("Content-Length: ");
    const size_t length = at == std::string::npos || head_only ? 0 : std::stoul(out.head.substr(at + 16));
    while (pending_.size() < length) {
      if (!ReadMore()) return {};
    }
    out.body = pending_.substr(0, length);
    pending_.erase(0, length);
    return out;
  }
  WireResponse Ask(std::string_view bytes) {
    Send(bytes);
    return Receive();
  }
  // True when the server has closed and nothing more was sent.
  bool AtEnd() {
    boost::system::error_code error;
    return pending_.empty() && !ReadMore(&error) && error != boost::asio::error::would_block;
  }
  void FinishSending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

 private:
  // False at the end, with the reason. A process that is stopped and continued finds its read interrupted, because a
  // time limit is set (signal(7)): it reads again.
  bool ReadMore(boost::system::error_code* why = nullptr) {
    char chunk[65536];
    boost::system::error_code error;
    size_t got = 0;
    do {
      got = socket_.read_some(boost::asio::buffer(chunk), error);
    } while (error == boost::asio::error::interrupted);
    if (why) *why = error;
    pending_.append(chunk, got);
    return !error;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string pending_;
};

inline std::string Get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: shop\r\n" + more + "\r\n";
}
inline std::string Post(const std::string& target, const std::string& body, const std::string& more = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}

// Routes are added before Start. Stops when destroyed.
struct TestServer {
  ServerOptions options;
  RouteTable routes;
  FakeKeys keys;
  SystemClock clock;
  Log log{nullptr, clock};
  Metrics metrics;
  Authenticator authenticator{keys, SecretKey{7}};
  std::unique_ptr<HttpServer> server;

  TestServer() {
    options.port = 0;
    options.threads = 2;
    options.trusted_addresses.clear();
    options.rate_per_address = {};
    options.queue_wait_ms_max = 20000;  // nobody is refused because the machine is slow, unless the test is about that
  }
  void Add(Method method, const std::string& pattern, Handler handler, std::optional<Scope> scope = std::nullopt) {
    routes.Add({method, pattern, scope, std::move(handler)});
  }
  void Start() {
    Result<std::unique_ptr<HttpServer>> started =
        HttpServer::Start(options, routes, authenticator, metrics, log, clock);
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    server = started.Take();
  }
  RawClient Connect() { return RawClient(server->port()); }
};

}  // namespace rapport

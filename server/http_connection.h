// One client's connection and what all connections share. Included by the transport's two sources only.
//
// States of a connection, always on its strand:
//   idle -> reading (header, body) -> working (handler) -> writing -> idle, or closing
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "server/gatekeeper.h"
#include "server/http_answer.h"
#include "server/http_guard.h"
#include "server/http_stream.h"
#include "server/rate_limiter.h"
#include "server/server.h"
#include "server/work_queue.h"

namespace rapport {

class HttpConnection;

// Counters of one route, looked up once.
struct RouteMetrics {
  std::array<Counter*, 6> by_class{};  // index: status / 100
  Histogram* seconds = nullptr;
  ExpectedTime handler;
};

// Health and the operator's routes never wait behind the shop's: who must look at an overloaded server gets in.
inline bool IsAlwaysServed(const Route& route) { return !route.scope || *route.scope == Scope::kOperate; }

// What one client address has taken. The trusted ones share one that is never full.
struct AddressUse {
  size_t connections = 0;  // under HttpCore::mutex
  std::atomic<size_t> body_bytes{0};
  bool trusted = false;
};

// What all connections share. Kept alive by each of them and by every open Responder, so that an answer that comes
// after the server stopped finds something to be dropped by.
struct HttpCore {
  HttpCore(const ServerOptions& server_options, const RouteTable& table, Authenticator& auth, Metrics& m, Log& l,
           const Clock& c);

  const ServerOptions options;
  const size_t threads;  // handlers at once
  const RouteTable& routes;
  const Gatekeeper gate;
  Metrics& metrics;
  Log& log;
  const Clock& clock;
  std::unordered_map<const Route*, RouteMetrics> route_metrics;  // nullptr: no such route
  Gauge& open_connections;
  Gauge& requests_in_flight;
  Counter& refused_connections;
  Counter& refused_requests;
  Counter& limited_requests;
  Counter& expired_requests;
  Counter& timeouts;
  Counter& gave_way;
  Counter& malformed;
  Counter& handshakes_failed;
  Gauge& body_bytes_held;

  std::set<std::string, std::less<>> queued_paths;  // constant: of routes without parameters that wait for a handler
  std::string early_refusal;                        // constant: the whole answer
  Response limited;                                 // constant: 429, to which the time to wait is added
  WorkQueue work;
  RateLimiter per_key, per_address;

  boost::asio::io_context io;
  boost::asio::thread_pool slow{1};
  std::atomic<bool> stopping{false};  // finish what you have
  std::atomic<bool> stopped{false};   // nobody runs `io` any more
  std::atomic<size_t> in_flight{0};
  std::atomic<size_t> body_bytes{0};

  std::mutex mutex;                 // guards what follows
  std::shared_ptr<TlsContext> tls;  // null: plain; replaced when the certificate is
  std::condition_variable emptied;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  std::map<std::string, std::shared_ptr<AddressUse>> by_address;
};

// Owned by its own pending operations; everything but Open, StopSoon, Abort and what the acceptor asks runs on the
// strand.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(HttpStream::Socket socket, std::shared_ptr<TlsContext> tls, std::shared_ptr<HttpCore> core,
                 std::string address, std::shared_ptr<AddressUse> use);
  ~HttpConnection();

  enum class Welcome { kServe, kRefuse /* 503 and close */ };
  void Open(Welcome welcome);
  void StopSoon();  // any thread: closes now when idle, otherwise after the answer
  void Abort();     // any thread: closes now

  // Any thread, for when all places are taken: how well this one can do without its place; the greatest leaves. Empty:
  // it is being answered, or leaves already. `connections` is that of its address.
  struct Rank {
    bool closing = false;          // refused already, only being polite
    size_t of_address = 0;         // who has taken most gives back first
    bool never_asked = false;      // no whole request so far
    int64_t waiting_since_ms = 0;  // the longest wait, so the smallest
    bool operator<(const Rank& other) const {
      return std::tuple(closing, of_address, never_asked, -waiting_since_ms) <
             std::tuple(other.closing, other.of_address, other.never_asked, -other.waiting_since_ms);
    }
  };
  std::optional<Rank> RankToLeave() const;
  void GiveWay();  // any thread: closes when nothing is being answered
  bool IsGoing() const { return leaving_.load() && state_.load() != State::kWorking; }  // any thread: was told to
  // Any thread. Whether the connection has waited for its client longer than it may; EndWait then closes it.
  bool IsOverdue(int64_t now_ms) const { return leave_by_ms_.load(std::memory_order_relaxed) <= now_ms; }
  void EndWait();

 private:
  class Exchange;
  enum class State { kIdle, kReading, kWorking, kWriting, kClosing };

  // What a head says beyond its fields.
  struct HeadFacts {
    bool read = false;  // there was one
    bool version_1_0 = false;
    bool is_head = false;  // asked with HEAD
    bool chunked = false;
    std::string method, target, expect;
  };

  void LeaveIn(int64_t ms);
  void LeaveNever();
  void Handshake();
  void AwaitRequest();
  void LookAtHead();
  void ReadMore(size_t bytes, void (HttpConnection::*then)());
  void OnFirstBytes();
  bool MayRefuseEarly() const;
  void RefuseEarly();
  void OnHead();
  void ReadLeanHead();
  boost::beast::error_code ReadHeadByParser();
  void OnHeader();
  std::optional<Response> LimitBody();
  void SendContinue();
  void ReadBody();
  void TakeBody();
  bool HoldBody(size_t bytes);
  void OnBody();
  std::optional<Response> CheckRate();
  std::optional<Response> ReadDeadline();
  void QueueHandler();
  static void WorkOn(const std::shared_ptr<HttpCore>& core, WorkQueue::Job job);
  static void PassOn(const std::shared_ptr<HttpCore>& core);
  void RunHandler();
  bool RunGuarded(const std::function<void()>& work);
  void Resume(std::function<void()> work, std::function<void()> refuse);  // any thread
  void RefuseOverload(const char* why);
  void Refuse(Response response);  // before the body was read
  void Respond(Response response);
  void Write(std::string_view head, std::string_view body);
  void OnWritten(boost::beast::error_code error);
  void CloseGently();
  void CloseTls();
  void Discard(size_t bytes_left);
  void Close();
  void ReleaseBody();
  void Enter(State state);
  std::string_view Buffered() const;

  const std::shared_ptr<HttpCore> core_;
  const std::string address_;
  const std::shared_ptr<AddressUse> use_;
  HttpStream stream_;
  boost::beast::flat_buffer buffer_;
  std::atomic<State> state_{State::kIdle};  // written on the strand
  std::atomic<int64_t> waiting_since_ms_;   // of the steady clock
  std::atomic<bool> asked_{false};          // a whole request came
  std::atomic<bool> leaving_{false};        // told to give way

  std::atomic<int64_t> leave_by_ms_;  // of the steady clock: how long the client is waited for
  HttpDate date_;

  // The request at hand.
  HeadGuard guard_;
  HeadFacts facts_;
  std::optional<ChunkReader> chunks_;
  uint64_t body_left_ = 0;
  std::shared_ptr<Request> request_;
  Admission admission_;
  std::string head_text_, body_text_;  // of the answer, while it is written
  std::chrono::steady_clock::time_point started_;
  int64_t deadline_us_ = 0;  // of the steady clock
  size_t held_body_bytes_ = 0;
  std::optional<Response> late_refusal_;  // once the body is read, so that the connection can go on
  bool in_handshake_ = false;
  bool rate_checked_ = false;
  bool body_whole_ = false;
  bool keep_alive_ = false;
  bool unread_input_ =
      false;  // a body that nobody will read: discard it before closing, or the answer is lost to a reset
};

}  // namespace rapport

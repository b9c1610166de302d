// One client's connection and what all connections share. Included by the transport's two sources only.
//
// States of a connection, always on its strand:
//   idle -> reading (header, body) -> working (handler) -> writing -> idle, or closing
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "server/gatekeeper.h"
#include "server/server.h"

namespace rapport {

class HttpConnection;

// Counters of one route, looked up once.
struct RouteMetrics {
  std::array<Counter*, 6> by_class{};  // index: status / 100
  Histogram* seconds = nullptr;
};

// What all connections share. Kept alive by each of them and by every open Responder, so that an answer that comes
// after the server stopped finds something to be dropped by.
struct HttpCore {
  HttpCore(const ServerOptions& server_options, const RouteTable& table, Authenticator& auth, Metrics& m, Log& l,
           const Clock& c);

  const ServerOptions options;
  const RouteTable& routes;
  const Gatekeeper gate;
  Metrics& metrics;
  Log& log;
  const Clock& clock;
  std::unordered_map<const Route*, RouteMetrics> route_metrics;  // constant; nullptr: no such route
  Gauge& open_connections;
  Gauge& requests_in_flight;
  Counter& refused_connections;
  Counter& refused_requests;
  Counter& timeouts;

  boost::asio::io_context io;
  boost::asio::thread_pool slow{1};
  std::atomic<bool> stopping{false};  // finish what you have
  std::atomic<bool> stopped{false};   // nobody runs `io` any more
  std::atomic<size_t> in_flight{0};
  std::atomic<size_t> body_bytes{0};

  std::mutex mutex;  // guards what follows
  std::condition_variable emptied;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  std::map<std::string, size_t> by_address;
};

// Owned by its own pending operations; everything but Open, StopSoon and Abort runs on the strand.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpCore> core, std::string address);
  ~HttpConnection();

  enum class Welcome { kServe, kRefuse /* 503 and close */ };
  void Open(Welcome welcome);
  void StopSoon();  // any thread: closes now when idle, otherwise after the answer
  void Abort();     // any thread: closes now

 private:
  class Exchange;
  enum class State { kIdle, kReading, kWorking, kWriting, kClosing };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void AwaitRequest();
  void ReadHeader();
  void OnHeader();
  std::optional<Response> CheckFraming() const;
  std::optional<Response> ReserveBody();
  void SendContinue();
  void ReadBody();
  void OnBody();
  void RunHandler();
  void OnReadError(boost::beast::error_code error);
  void Refuse(Response response);  // before the body was read
  void Respond(Response response);
  void OnWritten(boost::beast::error_code error);
  void CloseGently();
  void Discard(size_t bytes_left);
  void Close();
  void ReleaseBody();

  const std::shared_ptr<HttpCore> core_;
  const std::string address_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  State state_ = State::kIdle;

  // The request at hand.
  std::optional<Parser> parser_;
  std::shared_ptr<Request> request_;
  Admission admission_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  std::chrono::steady_clock::time_point started_;
  size_t reserved_body_bytes_ = 0;
  bool head_ = false;
  bool keep_alive_ = false;
  bool unread_input_ =
      false;  // a body that nobody will read: discard it before closing, or the answer is lost to a reset
};

}  // namespace rapport

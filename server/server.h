// The HTTP server: Beast over Asio, N workers, one strand per connection, over one immutable RouteTable.
//
//   accept -> read header (deadline, size) -> match, authenticate -> read body (deadline, size) -> handler -> write
//   (deadline)
//
// A connection answers its requests one after the other, in order (pipelined ones wait in its buffer). Everything is
// bounded: connections in all and per address, requests in flight, header and body bytes, and every wait.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"
#include "server/auth.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/rate_limiter.h"
#include "server/route_table.h"
#include "server/tls.h"

namespace rapport {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one, see HttpServer::port()
  int threads = 0;       // handlers at once; 0: all cores
  size_t connections_max = 1024;
  size_t connections_per_address_max = 256;
  std::vector<std::string> trusted_addresses{"127.0.0.1", "::1"};  // not counted per address: a reverse proxy
  size_t requests_in_flight_max = 512;                             // in a handler, waiting for one, or for the disk
  int64_t queue_wait_ms_max = 100;       // who would wait longer for a handler is refused at once
  RateLimit rate_per_key;                // off
  RateLimit rate_per_address{100, 400};  // of requests without a server key; not of trusted addresses
  size_t header_bytes_max = limits::kHttpHeaderBytesMax;
  size_t body_bytes_max = limits::kHttpBodyBytesMax;
  size_t body_bytes_in_flight_max = 256u << 20;  // of all requests together
  int64_t header_timeout_ms = 10 * kSecondMs;    // from the first byte of a request to the end of its header
  int64_t body_timeout_ms = 30 * kSecondMs;
  int64_t idle_timeout_ms = 60 * kSecondMs;  // between two requests, and before the first
  int64_t write_timeout_ms = 30 * kSecondMs;
  TlsFiles tls;
  // Off only in tests: broken twins that show what the guards of the wire (server/http_guard.h) are for.
  bool test_guards = true;
  std::vector<std::string> origins;  // exact origins that browser keys may be used from: "https://shop.example"
};

// Owns its threads. Start and Stop belong to one thread; the rest is safe from any. `routes`, `authenticator`,
// `metrics`, `log` and `clock` must outlive it.
class HttpServer {
 public:
  // kUnavailable: the address is taken; kInvalidArgument: it is none. Listening when it returns.
  static Result<std::unique_ptr<HttpServer>> Start(const ServerOptions& options, const RouteTable& routes,
                                                   Authenticator& authenticator, Metrics& metrics, Log& log,
                                                   const Clock& clock);
  ~HttpServer();

  uint16_t port() const;
  bool stopping() const;
  std::shared_ptr<const TlsContext> certificate() const;  // null: plain
  // Looks whether the certificate's files have changed, and if so uses them for new connections. False: they have not.
  // An error leaves the old ones in service and is told once. Belongs to the thread of Start.
  Result<bool> ReloadCertificate();
  // Stops accepting, finishes the requests whose header was read, closes; what is not done after `deadline_ms` is cut
  // off. Returns when no handler runs and no connection is open; false when something had to be cut off.
  bool Stop(int64_t deadline_ms);

 private:
  HttpServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport

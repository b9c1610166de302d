// A small synchronous HTTP/1.1 client for the commands that talk to a running server: one connection per call, one
// deadline for the whole call.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "server/http_message.h"

namespace rapport {

struct HttpClientOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::string key;                 // sent as Authorization: Bearer
  std::string certificate_sha256;  // not empty: inside TLS, and only to a server with this certificate
  int64_t timeout_ms = 60'000;     // of one call
  size_t body_bytes_max = 256u << 20;
};

// One owner, one thread.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options) : options_(std::move(options)) {}
  const HttpClientOptions& options() const { return options_; }

  // Any answer, also 4xx and 5xx. kUnavailable: no connection, or no answer in time.
  Result<Response> Send(Method method, std::string_view target, std::string_view content_type,
                        std::string_view body) const;
  // Only 2xx is ok; a problem+json answer becomes the Status it was made from.
  Result<Response> Call(Method method, std::string_view target, std::string_view content_type = {},
                        std::string_view body = {}) const;

 private:
  HttpClientOptions options_;
};

}  // namespace rapport

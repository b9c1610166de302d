#include "server/http_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "server/problem.h"
#include "server/tls.h"

namespace rapport {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

namespace {

// One call from connect to the last byte; the stream's deadline covers all of it.
class Exchange {
 public:
  Exchange(const HttpClientOptions& options) : options_(options), stream_(io_) {
    parser_.body_limit(options.body_bytes_max);
  }

  Result<Response> Run(http::request<http::string_body> request) {
    request_ = std::move(request);
    error_code error;
    const auto address = asio::ip::make_address(options_.host, error);
    if (error) return Status::InvalidArgument("'" + options_.host + "' is not an IP address");
    stream_.expires_after(std::chrono::milliseconds(options_.timeout_ms));
    stream_.async_connect(asio::ip::tcp::endpoint(address, options_.port), [this](error_code connected) {
      if (connected) return Fail("cannot connect", connected);
      if (options_.certificate_sha256.empty()) return Write(stream_);
      Handshake();
    });
    io_.run();
    if (!failure_.ok()) return failure_;
    Response response;
    response.status = static_cast<int>(parser_.get().result_int());
    response.content_type = std::string(parser_.get()[http::field::content_type]);
    response.body = std::move(parser_.get().body());
    return response;
  }

 private:
  void Handshake() {
    tls_.async_handshake(asio::ssl::stream_base::client, [this](error_code shaken) {
      if (shaken) return Fail("no TLS", shaken);
      if (PeerCertificateSha256(tls_.native_handle()) != options_.certificate_sha256) {
        return Fail("another certificate", asio::error::access_denied);
      }
      Write(tls_);
    });
  }
  template <typename Stream>
  void Write(Stream& stream) {
    http::async_write(stream, request_, [this, &stream](error_code written, size_t) {
      // A server that refuses a body answers while it is being sent: look for that answer before giving up.
      Read(stream, written);
    });
  }
  template <typename Stream>
  void Read(Stream& stream, error_code written) {
    http::async_read(stream, buffer_, parser_, [this, written](error_code read, size_t) {
      if (read) return Fail("no answer", written ? written : read);
      error_code ignored;
      stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
      stream_.close();
    });
  }
  void Fail(const char* what, error_code error) {
    failure_ = Status::Unavailable(std::string(what) + " from the server at " + options_.host + ":" +
                                   std::to_string(options_.port) + ": " + error.message());
    stream_.close();
  }

  const HttpClientOptions& options_;
  asio::io_context io_{1};
  beast::tcp_stream stream_;
  asio::ssl::context context_ = MakePinningContext();
  asio::ssl::stream<beast::tcp_stream&> tls_{stream_, context_};
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  Status failure_;
};

}  // namespace

Result<Response> HttpClient::Send(Method method, std::string_view target, std::string_view content_type,
                                  std::string_view body) const {
  const std::string host = options_.host.find(':') == std::string::npos ? options_.host : "[" + options_.host + "]";
  http::request<http::string_body> request;
  request.method(http::string_to_verb(MethodName(method)));
  request.target({target.data(), target.size()});
  request.version(11);
  request.set(http::field::host, host + ":" + std::to_string(options_.port));
  request.set(http::field::connection, "close");
  if (!options_.key.empty()) request.set(http::field::authorization, "Bearer " + options_.key);
  if (!content_type.empty()) request.set(http::field::content_type, {content_type.data(), content_type.size()});
  request.body() = std::string(body);
  request.prepare_payload();
  return Exchange(options_).Run(std::move(request));
}

Result<Response> HttpClient::Call(Method method, std::string_view target, std::string_view content_type,
                                  std::string_view body) const {
  Result<Response> response = Send(method, target, content_type, body);
  if (!response.ok() || response->status / 100 == 2) return response;
  const auto problem = nlohmann::json::parse(response->body, nullptr, false);
  if (!problem.is_object() || !problem.contains("detail") || !problem["detail"].is_string()) {
    return Status(CodeOfProblem("", response->status), "the server answered " + std::to_string(response->status));
  }
  const std::string type =
      problem.contains("type") && problem["type"].is_string() ? problem["type"].get<std::string>() : "";
  return Status(CodeOfProblem(type, response->status), problem["detail"].get<std::string>());
}

}  // namespace rapport

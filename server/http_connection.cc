#include "server/http_connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdio>
#include <typeinfo>

#include "server/problem.h"

namespace rapport {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

namespace {

constexpr size_t kFirstReadBytes = 4096;
constexpr size_t kDiscardBytesMax = 64u << 20;
constexpr int64_t kDiscardMs = 2 * kSecondMs;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::chrono::milliseconds Milliseconds(int64_t ms) { return std::chrono::milliseconds(ms); }

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// RFC 9110, 5.6.7: "Wed, 01 Dec 2010 08:26:00 GMT".
std::string HttpDate(Timestamp time) {
  static constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};  // day 0 was a Thursday
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilTime civil = UtcToCivil(time);
  const int64_t day = time.ms / kDayMs - (time.ms % kDayMs < 0 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[((day % 7) + 7) % 7], civil.day,
                kMonths[civil.month - 1], civil.year, civil.hour, civil.minute, civil.second);
  return text;
}

bool HasHeader(const Response& response, std::string_view name) {
  for (const auto& header : response.headers) {
    if (header.first == name) return true;
  }
  return false;
}

http::response<http::string_body> ToBeast(Response&& from, bool head, bool keep_alive, unsigned version,
                                          Timestamp now) {
  http::response<http::string_body> to;
  to.version(version);
  to.result(static_cast<unsigned>(from.status));
  to.set(http::field::date, HttpDate(now));
  to.set("X-Content-Type-Options", "nosniff");
  if (!HasHeader(from, "Cache-Control")) to.set(http::field::cache_control, "no-store");
  for (const auto& [name, value] : from.headers) to.insert(name, value);
  if (from.status != 204 && from.status != 304) {
    if (!from.content_type.empty()) to.set(http::field::content_type, from.content_type);
    to.content_length(from.body.size());
  }
  to.keep_alive(keep_alive);
  if (!head && from.status != 204 && from.status != 304) to.body() = std::move(from.body);
  return to;
}

}  // namespace

// ---- one answer -------------------------------------------------------------------------------------------------

// Brings a handler's answer from any thread back to the strand; keeps the request alive until then.
class HttpConnection::Exchange final : public Responder::Target {
 public:
  Exchange(std::shared_ptr<HttpConnection> connection, std::shared_ptr<const Request> request)
      : connection_(std::move(connection)), request_(std::move(request)) {}

  void Answer(Response response) override {
    HttpCore& core = *connection_->core_;
    core.in_flight.fetch_sub(1);
    if (core.stopped.load()) return;  // cut off at stop: nobody would run it
    core.requests_in_flight.Add(-1);
    asio::dispatch(connection_->stream_.get_executor(),
                   [connection = connection_, response = std::move(response)]() mutable {
                     connection->Respond(std::move(response));
                   });
  }

 private:
  const std::shared_ptr<HttpConnection> connection_;
  const std::shared_ptr<const Request> request_;
};

// ---- life of a connection -----------------------------------------------------------------------------------------

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<HttpCore> core, std::string address)
    : core_(std::move(core)), address_(std::move(address)), stream_(std::move(socket)) {}

HttpConnection::~HttpConnection() {
  ReleaseBody();
  std::lock_guard lock(core_->mutex);
  if (core_->connections.erase(this) == 0) return;
  if (!core_->stopped.load()) core_->open_connections.Add(-1);  // the metrics may be gone after the server
  if (const auto at = core_->by_address.find(address_); at != core_->by_address.end() && --at->second == 0) {
    core_->by_address.erase(at);
  }
  if (core_->connections.empty()) core_->emptied.notify_all();
}

void HttpConnection::Open(Welcome welcome) {
  asio::dispatch(stream_.get_executor(), [self = shared_from_this(), welcome] {
    error_code ignored;
    self->stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if (welcome == Welcome::kServe) return self->AwaitRequest();
    self->started_ = std::chrono::steady_clock::now();
    self->Refuse(ProblemResponse(503, "limit-reached", "too many connections are open: try again in a moment"));
  });
}

void HttpConnection::StopSoon() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->state_ == State::kIdle || self->state_ == State::kClosing) self->Close();
  });
}

void HttpConnection::Abort() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

void HttpConnection::AwaitRequest() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_->options.header_bytes_max));
  parser_->body_limit(boost::none);  // checked against the route's own limit once the header is known
  response_.reset();
  request_.reset();
  if (buffer_.size() > 0) return ReadHeader();  // a pipelined request waits already
  if (core_->stopping.load()) return Close();
  state_ = State::kIdle;
  stream_.expires_after(Milliseconds(core_->options.idle_timeout_ms));
  stream_.async_read_some(buffer_.prepare(kFirstReadBytes),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            if (error) return self->Close();  // gone, or idle for too long: nothing was asked
                            self->buffer_.commit(bytes);
                            self->ReadHeader();
                          });
}

void HttpConnection::ReadHeader() {
  state_ = State::kReading;
  stream_.expires_after(Milliseconds(core_->options.header_timeout_ms));
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->OnReadError(error);
    self->OnHeader();
  });
}

void HttpConnection::OnReadError(error_code error) {
  if (error == beast::error::timeout) {
    core_->timeouts.Add();
    return Close();
  }
  if (error.category() != http::make_error_code(http::error::bad_method).category() ||
      error == http::error::end_of_stream || error == http::error::partial_message) {
    return Close();
  }
  started_ = std::chrono::steady_clock::now();
  admission_ = {};
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refuse(ProblemResponse(
        431, "header-too-large",
        "the request's header is larger than " + std::to_string(core_->options.header_bytes_max) + " bytes"));
  }
  if (error == http::error::body_limit) {
    return Refuse(
        ProblemResponse(413, "body-too-large", "the request's body is larger than this path takes: send less at once"));
  }
  if (error == http::error::bad_version) {
    return Refuse(ProblemResponse(505, "http-version", "this server speaks HTTP/1.1 and HTTP/1.0"));
  }
  Refuse(ProblemResponse(400, "malformed-request", "this is not well-formed HTTP: " + error.message()));
}

// ---- from header to handler ---------------------------------------------------------------------------------------

// What request smuggling lives on: two readings of where a message ends or whom it is for.
std::optional<Response> HttpConnection::CheckFraming() const {
  const auto& header = parser_->get();
  const auto malformed = [](std::string_view why) { return ProblemResponse(400, "malformed-request", why); };
  const size_t hosts = header.count(http::field::host);
  if (hosts > 1) return malformed("the Host header is given more than once");
  if (hosts == 0 && header.version() >= 11) return malformed("the Host header is missing");
  const size_t lengths = header.count(http::field::content_length);
  const size_t encodings = header.count(http::field::transfer_encoding);
  if (lengths > 0 && encodings > 0) return malformed("Content-Length and Transfer-Encoding exclude each other");
  if (lengths > 1 || encodings > 1) return malformed("the body's length is given more than once");
  if (encodings == 1) {
    if (header.version() < 11) return malformed("HTTP/1.0 has no Transfer-Encoding");
    if (Lower(header[http::field::transfer_encoding]) != "chunked") {
      return ProblemResponse(501, "transfer-encoding", "chunked is the only transfer encoding that is understood");
    }
  }
  return std::nullopt;
}

void HttpConnection::OnHeader() {
  started_ = std::chrono::steady_clock::now();
  const auto& header = parser_->get();
  head_ = header.method() == http::verb::head;
  keep_alive_ = header.keep_alive();
  admission_ = {};
  request_ = std::make_shared<Request>();
  request_->received_at = core_->clock.Now();
  if (std::optional<Response> problem = CheckFraming()) {
    keep_alive_ = false;
    unread_input_ = true;  // whatever follows cannot be trusted to be a request
    return Refuse(std::move(*problem));
  }
  for (const auto& field : header) {
    request_->headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
  }
  admission_ = core_->gate.Admit(header.method_string(), header.target(), *request_);
  if (admission_.refusal) return Refuse(std::move(*admission_.refusal));
  if (std::optional<Response> problem = ReserveBody()) return Refuse(std::move(*problem));
  if (parser_->is_done()) return OnBody();
  const std::string expect = Lower(header[http::field::expect]);
  if (expect.empty() || header.version() < 11) return ReadBody();
  if (expect == "100-continue") return buffer_.size() > 0 ? ReadBody() : SendContinue();
  Refuse(ProblemResponse(417, "expectation-failed", "100-continue is the only expectation that is understood"));
}

// Takes the body's bytes out of what all requests together may hold.
std::optional<Response> HttpConnection::ReserveBody() {
  const size_t own = admission_.route->body_bytes_max;
  const uint64_t limit = own > 0 ? own : core_->options.body_bytes_max;
  const uint64_t length = parser_->content_length().value_or(parser_->chunked() ? limit : 0);
  if (length > limit) {
    return ProblemResponse(413, "body-too-large",
                           "the request's body is larger than the " + std::to_string(limit) +
                               " bytes that this path takes: send less at once");
  }
  parser_->body_limit(limit);
  if (core_->body_bytes.fetch_add(length) + length > core_->options.body_bytes_in_flight_max) {
    core_->body_bytes.fetch_sub(length);
    core_->refused_requests.Add();
    return ProblemResponse(Status::Unavailable("too many bodies are being received: try again in a moment"));
  }
  reserved_body_bytes_ = length;
  return std::nullopt;
}

void HttpConnection::ReleaseBody() {
  core_->body_bytes.fetch_sub(reserved_body_bytes_);
  reserved_body_bytes_ = 0;
}

void HttpConnection::SendContinue() {
  stream_.expires_after(Milliseconds(core_->options.write_timeout_ms));
  asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->Close();
    self->ReadBody();
  });
}

void HttpConnection::ReadBody() {
  stream_.expires_after(Milliseconds(core_->options.body_timeout_ms));
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->OnReadError(error);
    self->OnBody();
  });
}

void HttpConnection::OnBody() {
  stream_.expires_never();
  request_->body = std::move(parser_->get().body());
  if (std::optional<Response> problem = core_->gate.AdmitBody(*admission_.route, *request_)) {
    return Respond(std::move(*problem));
  }
  if (core_->in_flight.fetch_add(1) >= core_->options.requests_in_flight_max) {
    core_->in_flight.fetch_sub(1);
    core_->refused_requests.Add();
    return Respond(ProblemResponse(Status::Unavailable("too many requests are being answered: try again in a moment")));
  }
  core_->requests_in_flight.Add(1);
  state_ = State::kWorking;
  if (admission_.route->work == Work::kShort) return RunHandler();
  asio::post(core_->slow, [self = shared_from_this()] { self->RunHandler(); });
}

// The seam where exceptions stop. Runs on the strand or on the slow pool: touches nothing that changes while working.
void HttpConnection::RunHandler() {
  const std::shared_ptr<Request> request = request_;
  const Route& route = *admission_.route;
  const Responder respond(std::make_shared<Exchange>(shared_from_this(), request));
  const char* what = nullptr;
  try {
    return route.handler(*request, respond);
  } catch (const std::exception& exception) {
    what = typeid(exception).name();  // its text may quote the request, so it stays out of the log
  } catch (...) {
    what = "unknown";
  }
  core_->log.Error("handler.exception", {{"route", route.pattern}, {"type", what}});
  respond(ProblemResponse(Status::Internal("something went wrong inside the server; its log has a line about it")));
}

// ---- answering ----------------------------------------------------------------------------------------------------

void HttpConnection::Refuse(Response response) {
  if (!parser_ || !parser_->is_header_done() || !parser_->is_done()) {
    keep_alive_ =
        false;  // what follows in the stream is a body that will not be read, or nothing that can be understood
    unread_input_ = true;
  }
  Respond(std::move(response));
}

void HttpConnection::Respond(Response response) {
  if (state_ == State::kClosing) return;
  state_ = State::kWriting;
  ReleaseBody();
  if (core_->stopping.load()) keep_alive_ = false;
  for (auto& header : admission_.headers) response.headers.push_back(std::move(header));
  const RouteMetrics& metrics = core_->route_metrics.at(admission_.route);
  metrics.by_class[static_cast<size_t>(std::clamp(response.status / 100, 1, 5))]->Add();
  metrics.seconds->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count());
  if (response.status == 500) {
    core_->log.Error("request.failed", {{"route", admission_.route ? admission_.route->pattern : ""}});
  }
  const unsigned version = parser_ && parser_->is_header_done() ? parser_->get().version() : 11;
  response_.emplace(ToBeast(std::move(response), head_, keep_alive_, version, core_->clock.Now()));
  stream_.expires_after(Milliseconds(core_->options.write_timeout_ms));
  http::async_write(stream_, *response_,
                    [self = shared_from_this()](error_code error, size_t) { self->OnWritten(error); });
}

void HttpConnection::OnWritten(error_code error) {
  if (error) {
    if (error == beast::error::timeout) core_->timeouts.Add();
    return Close();
  }
  if (keep_alive_) return AwaitRequest();
  // The client may have sent more already: pipelined requests, or one that crossed our decision to stop.
  if (unread_input_ || buffer_.size() > 0 || core_->stopping.load()) return CloseGently();
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Close();
}

// Closing a socket with unread input resets it, and the reset may overtake the answer: say that we are done, then read
// and throw away until the client is done too, for a while and up to a size.
void HttpConnection::CloseGently() {
  state_ = State::kClosing;
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(Milliseconds(kDiscardMs));
  Discard(kDiscardBytesMax);
}

void HttpConnection::Discard(size_t bytes_left) {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(64 * 1024),
                          [self = shared_from_this(), bytes_left](error_code error, size_t bytes) {
                            if (error || bytes >= bytes_left) return self->Close();
                            self->Discard(bytes_left - bytes);
                          });
}

void HttpConnection::Close() {
  state_ = State::kClosing;
  stream_.close();
}

}  // namespace rapport

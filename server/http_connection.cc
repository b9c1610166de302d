#include "server/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/write.hpp>
#include <typeinfo>

#include "server/problem.h"

namespace rapport {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

namespace {

constexpr size_t kFirstReadBytes = 4096;
constexpr size_t kBodyReadBytes = 64 * 1024;
constexpr size_t kBufferKeptBytes = 16 * 1024;  // between requests
constexpr size_t kDiscardBytesMax = 64u << 20;
constexpr uint64_t kReadToRefuseBytesMax = 64 * 1024;  // a body that is read so that the connection can stay
constexpr int64_t kDeadlineMsMax = 10 * kMinuteMs;
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

int64_t SteadyUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t SteadyMs() { return SteadyUs() / 1000; }

GuardOptions GuardOptionsOf(const ServerOptions& options) {
  GuardOptions guard;
  guard.header_bytes_max = options.header_bytes_max;
  guard.request_line_bytes_max = std::min(guard.request_line_bytes_max, options.header_bytes_max);
  guard.strict = options.test_guards;
  return guard;
}

Response ToResponse(const GuardRefusal& refusal) {
  return ProblemResponse(refusal.status, refusal.slug, refusal.detail);
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

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<TlsContext> tls,
                               std::shared_ptr<HttpCore> core, std::string address, std::shared_ptr<AddressUse> use)
    : core_(std::move(core)),
      address_(std::move(address)),
      use_(std::move(use)),
      stream_(std::move(socket), std::move(tls)),
      waiting_since_ms_(SteadyMs()) {}

HttpConnection::~HttpConnection() {
  ReleaseBody();
  std::lock_guard lock(core_->mutex);
  if (core_->connections.erase(this) == 0) return;
  if (!core_->stopped.load()) core_->open_connections.Add(-1);  // the metrics may be gone after the server
  if (--use_->connections == 0) core_->by_address.erase(address_);
  if (core_->connections.empty()) core_->emptied.notify_all();
}

void HttpConnection::Open(Welcome welcome) {
  asio::dispatch(stream_.get_executor(), [self = shared_from_this(), welcome] {
    error_code ignored;
    self->stream_.tcp().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if (self->stream_.is_tls()) return welcome == Welcome::kServe ? self->Handshake() : self->Close();
    if (welcome == Welcome::kServe) return self->AwaitRequest();
    self->started_ = std::chrono::steady_clock::now();
    self->Refuse(ProblemResponse(503, "limit-reached", "too many connections are open: try again in a moment"));
  });
}

// Who does not speak TLS here is let go without a word.
void HttpConnection::Handshake() {
  Enter(State::kReading);
  stream_.tcp().expires_after(Milliseconds(core_->options.header_timeout_ms));
  stream_.async_handshake([self = shared_from_this()](error_code error) {
    if (!error) return self->AwaitRequest();
    self->core_->handshakes_failed.Add();
    self->Close();
  });
}

void HttpConnection::StopSoon() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->state_.load() == State::kIdle || self->state_.load() == State::kClosing) self->Close();
  });
}

void HttpConnection::Abort() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

std::optional<HttpConnection::Rank> HttpConnection::RankToLeave() const {
  const State state = state_.load();
  if (state == State::kWorking || state == State::kWriting || leaving_.load()) return std::nullopt;
  return Rank{state == State::kClosing, use_->trusted ? 0 : use_->connections, !asked_.load(),
              waiting_since_ms_.load()};
}

void HttpConnection::GiveWay() {
  leaving_.store(true);
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    const State state = self->state_.load();
    if (state != State::kWorking && state != State::kWriting) return self->Close();
    self->keep_alive_ = false;  // asked something just now: gets its answer, then goes
  });
}

void HttpConnection::Enter(State state) {
  if (state == State::kIdle || (state == State::kReading && state_.load() != State::kIdle)) {
    waiting_since_ms_.store(SteadyMs());
  }
  state_.store(state);
}

std::string_view HttpConnection::Buffered() const {
  const auto data = buffer_.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

void HttpConnection::AwaitRequest() {
  guard_.emplace(GuardOptionsOf(core_->options));
  parser_.reset();
  chunks_.reset();
  response_.reset();
  request_.reset();
  late_refusal_.reset();
  body_left_ = 0;
  body_whole_ = false;
  if (buffer_.size() > 0) {  // a pipelined request waits already
    Enter(State::kReading);
    stream_.tcp().expires_after(Milliseconds(core_->options.header_timeout_ms));
    return LookAtHead();
  }
  if (buffer_.capacity() > kBufferKeptBytes) buffer_.shrink_to_fit();
  if (core_->stopping.load()) return Close();
  Enter(State::kIdle);
  stream_.tcp().expires_after(Milliseconds(core_->options.idle_timeout_ms));
  stream_.async_read_some(buffer_.prepare(kFirstReadBytes),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            if (error) return self->Close();  // gone, or idle for too long: nothing was asked
                            self->buffer_.commit(bytes);
                            self->Enter(State::kReading);
                            self->stream_.tcp().expires_after(Milliseconds(self->core_->options.header_timeout_ms));
                            self->LookAtHead();
                          });
}

// The deadline was set when the first byte came and is not moved by later ones.
void HttpConnection::ReadMore(size_t bytes, void (HttpConnection::*then)()) {
  stream_.async_read_some(buffer_.prepare(bytes), [self = shared_from_this(), then](error_code error, size_t got) {
    if (error) return self->OnReadError(error);
    self->buffer_.commit(got);
    (self.get()->*then)();
  });
}

void HttpConnection::LookAtHead() {
  switch (guard_->Look(Buffered())) {
    case HeadGuard::Verdict::kMore: return ReadMore(kFirstReadBytes, &HttpConnection::LookAtHead);
    case HeadGuard::Verdict::kWhole: return MayRefuseEarly() ? RefuseEarly() : OnHead();
    case HeadGuard::Verdict::kRefused: break;
  }
  started_ = std::chrono::steady_clock::now();
  admission_ = {};
  core_->malformed.Add();
  Refuse(ToResponse(guard_->refusal()));
}

// With the queue full, work for a request that will be refused is taken from those that are answered: so no parsing, no
// key, no body of the answer made anew. Only where the request is here as a whole and its end is plain.
bool HttpConnection::MayRefuseEarly() const {
  if (!core_->work.IsFull() || core_->stopping.load() || leaving_.load()) return false;
  const std::optional<uint64_t> length = guard_->plain_length();
  return length && *length <= buffer_.size() - guard_->head_bytes() && core_->queued_paths.contains(guard_->path());
}

void HttpConnection::RefuseEarly() {
  buffer_.consume(guard_->head_bytes() + static_cast<size_t>(*guard_->plain_length()));
  asked_.store(true);
  core_->refused_requests.Add();
  Enter(State::kWriting);
  stream_.tcp().expires_after(Milliseconds(core_->options.write_timeout_ms));
  asio::async_write(stream_, asio::buffer(core_->early_refusal), [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->Close();
    self->AwaitRequest();
  });
}

void HttpConnection::OnReadError(error_code error) {
  if (error == beast::error::timeout) core_->timeouts.Add();
  Close();
}

// ---- from header to handler ---------------------------------------------------------------------------------------

// The guard has passed it; the parser behind reads the same bytes, and both must take them.
void HttpConnection::OnHead() {
  started_ = std::chrono::steady_clock::now();
  admission_ = {};
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(guard_->head_bytes() + 1));
  parser_->body_limit(boost::none);  // checked against the route's own limit once the header is known
  error_code error;
  const size_t taken = parser_->put(asio::buffer(buffer_.data().data(), guard_->head_bytes()), error);
  if (error || taken != guard_->head_bytes() || !parser_->is_header_done()) {
    core_->malformed.Add();
    parser_.reset();
    return Refuse(ProblemResponse(400, "malformed-request", "this is not well-formed HTTP: " + error.message()));
  }
  buffer_.consume(taken);
  asked_.store(true);
  OnHeader();
}

void HttpConnection::OnHeader() {
  const auto& header = parser_->get();
  head_ = header.method() == http::verb::head;
  keep_alive_ = header.keep_alive();
  body_left_ = parser_->content_length().value_or(0);
  body_whole_ = !parser_->chunked() && body_left_ == 0;
  request_ = std::make_shared<Request>();
  request_->received_at = core_->clock.Now();
  for (const auto& field : header) {
    request_->headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
  }
  admission_ = core_->gate.Admit(header.method_string(), header.target(), *request_);
  // A key in the body is not known yet: OnBody counts it.
  rate_checked_ = admission_.refusal || !request_->identity.key_id.empty() || !admission_.route->scope;
  std::optional<Response> refusal = rate_checked_ ? CheckRate() : std::nullopt;
  if (!refusal && admission_.refusal) return Refuse(std::move(*admission_.refusal));
  if (!refusal) refusal = ReadDeadline();
  if (refusal) {
    if (body_whole_ || parser_->chunked() || body_left_ > kReadToRefuseBytesMax || !admission_.route) {
      return Refuse(std::move(*refusal));
    }
    late_refusal_ = std::move(refusal);
  }
  if (std::optional<Response> problem = LimitBody()) return Refuse(std::move(*problem));
  if (body_whole_) return OnBody();
  const std::string expect = Lower(header[http::field::expect]);
  if (expect.empty() || header.version() < 11) return ReadBody();
  if (expect == "100-continue") return buffer_.size() > 0 ? ReadBody() : SendContinue();
  Refuse(ProblemResponse(417, "expectation-failed", "100-continue is the only expectation that is understood"));
}

std::optional<Response> HttpConnection::LimitBody() {
  const size_t own = admission_.route->body_bytes_max;
  const uint64_t limit = own > 0 ? own : core_->options.body_bytes_max;
  if (parser_->chunked()) chunks_.emplace(limit);
  if (body_left_ <= limit) return std::nullopt;
  return ProblemResponse(413, "body-too-large",
                         "the request's body is larger than the " + std::to_string(limit) +
                             " bytes that this path takes: send less at once");
}

// Counts bytes that came, not bytes that were announced: an announcement costs the client nothing. One address may hold
// a quarter of what all together may.
bool HttpConnection::HoldBody(size_t bytes) {
  const size_t max = core_->options.body_bytes_in_flight_max;
  held_body_bytes_ += bytes;
  core_->body_bytes_held.Add(static_cast<int64_t>(bytes));
  const size_t all = core_->body_bytes.fetch_add(bytes) + bytes;
  const size_t of_address = use_->body_bytes.fetch_add(bytes) + bytes;
  return all <= max && (use_->trusted || of_address <= std::max(max / 4, core_->options.body_bytes_max));
}

void HttpConnection::ReleaseBody() {
  if (held_body_bytes_ == 0) return;
  core_->body_bytes.fetch_sub(held_body_bytes_);
  use_->body_bytes.fetch_sub(held_body_bytes_);
  if (!core_->stopped.load()) core_->body_bytes_held.Add(-static_cast<int64_t>(held_body_bytes_));
  held_body_bytes_ = 0;
}

void HttpConnection::SendContinue() {
  stream_.tcp().expires_after(Milliseconds(core_->options.write_timeout_ms));
  asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->Close();
    self->ReadBody();
  });
}

void HttpConnection::ReadBody() {
  stream_.tcp().expires_after(Milliseconds(core_->options.body_timeout_ms));
  TakeBody();
}

void HttpConnection::TakeBody() {
  std::string& body = request_->body;
  const size_t before = body.size();
  const std::string_view bytes = Buffered();
  size_t taken = 0;
  auto verdict = ChunkReader::Verdict::kMore;
  if (chunks_) {
    verdict = chunks_->Take(bytes, &body, &taken);
  } else {
    taken = static_cast<size_t>(std::min<uint64_t>(body_left_, bytes.size()));
    body.append(bytes.substr(0, taken));
    body_left_ -= taken;
    if (body_left_ == 0) verdict = ChunkReader::Verdict::kWhole;
  }
  buffer_.consume(taken);
  const bool holds = HoldBody(body.size() - before);
  if (verdict == ChunkReader::Verdict::kRefused) {
    core_->malformed.Add();
    return Refuse(ToResponse(chunks_->refusal()));
  }
  if (!holds) {
    core_->refused_requests.Add();
    return Refuse(ProblemResponse(Status::Unavailable("too many bodies are being received: try again in a moment")));
  }
  if (verdict == ChunkReader::Verdict::kMore) {
    const uint64_t wanted = chunks_ ? kBodyReadBytes : body_left_;
    return ReadMore(static_cast<size_t>(std::clamp<uint64_t>(wanted, kFirstReadBytes, kBodyReadBytes)),
                    &HttpConnection::TakeBody);
  }
  body_whole_ = true;
  OnBody();
}

void HttpConnection::OnBody() {
  stream_.tcp().expires_never();
  if (late_refusal_) return Respond(std::move(*late_refusal_));
  std::optional<Response> problem = core_->gate.AdmitBody(*admission_.route, *request_);
  if (!rate_checked_) {
    if (std::optional<Response> limited = CheckRate()) problem = std::move(limited);
  }
  if (problem) return Respond(std::move(*problem));
  if (core_->in_flight.fetch_add(1) >= core_->options.requests_in_flight_max && !IsAlwaysServed(*admission_.route)) {
    core_->in_flight.fetch_sub(1);
    return RefuseOverload("too many requests are being answered: try again in a moment");
  }
  core_->requests_in_flight.Add(1);
  if (admission_.route->work == Work::kLong) {
    Enter(State::kWorking);
    return asio::post(core_->slow, [self = shared_from_this()] { self->RunHandler(); });
  }
  QueueHandler();
}

// Without a server key the address is counted, with a key the key; a browser key is everybody's, so its address is,
// too.
std::optional<Response> HttpConnection::CheckRate() {
  const Identity& identity = request_->identity;
  const int64_t now_us = SteadyUs();
  int64_t wait_ms = identity.key_id.empty() ? 0 : core_->per_key.Take(identity.key_id, now_us);
  const bool by_address = identity.key_id.empty() || identity.kind == KeyKind::kBrowser;
  if (wait_ms == 0 && by_address && !use_->trusted) wait_ms = core_->per_address.Take(address_, now_us);
  if (wait_ms == 0) return std::nullopt;
  core_->limited_requests.Add();
  Response response = ProblemResponse(429, "too-many-requests", "more requests than agreed: slow down");
  for (auto& [name, value] : response.headers) {
    if (name == "Retry-After") value = std::to_string((wait_ms + 999) / 1000);
  }
  return response;
}

// X-Deadline-Ms: how long the client still waits. What it will not read is not worth working for.
std::optional<Response> HttpConnection::ReadDeadline() {
  int64_t ms = kDeadlineMsMax;
  if (const std::string_view text = request_->Header("x-deadline-ms"); !text.empty()) {
    const std::optional<int64_t> given = ParseInt64(std::string(text));
    if (!given || *given < 0) {
      return ProblemResponse(400, "invalid-argument", "X-Deadline-Ms is a number of milliseconds from 0");
    }
    ms = std::min(*given, kDeadlineMsMax);
  }
  deadline_us_ = std::chrono::duration_cast<std::chrono::microseconds>(started_.time_since_epoch()).count() + ms * 1000;
  return std::nullopt;
}

void HttpConnection::RefuseOverload(const char* why) {
  core_->refused_requests.Add();
  Respond(ProblemResponse(Status::Unavailable(why)));
}

void HttpConnection::QueueHandler() {
  const Route& route = *admission_.route;
  Enter(State::kWorking);
  if (IsAlwaysServed(route)) return RunHandler();
  WorkQueue::Job job;
  job.expected_us = core_->route_metrics.at(&route).handler.us();
  job.deadline_us = deadline_us_;
  job.run = [self = shared_from_this()] { self->RunHandler(); };
  job.refuse = [self = shared_from_this()] {
    asio::post(self->stream_.get_executor(), [self] {
      self->core_->in_flight.fetch_sub(1);
      self->core_->requests_in_flight.Add(-1);
      self->core_->expired_requests.Add();
      self->RefuseOverload("the deadline passed while the request waited: no work was done");
    });
  };
  const int64_t now_us = SteadyUs();
  switch (core_->work.Offer(job, now_us)) {
    case WorkQueue::Verdict::kRun: return WorkOn(core_, std::move(job));
    case WorkQueue::Verdict::kWaits: return;
    case WorkQueue::Verdict::kRefused: break;
  }
  core_->in_flight.fetch_sub(1);
  core_->requests_in_flight.Add(-1);
  if (deadline_us_ <= now_us) core_->expired_requests.Add();
  RefuseOverload(deadline_us_ <= now_us ? "the deadline passed before any work was done"
                                        : "more requests than can be answered in time: try again in a moment");
}

// Runs one job and passes its place on. The next one runs outside this strand: its connection's answer must not wait
// for another's work.
void HttpConnection::WorkOn(const std::shared_ptr<HttpCore>& core, WorkQueue::Job job) {
  job.run();
  job.run = nullptr;
  std::vector<WorkQueue::Job> expired;
  std::optional<WorkQueue::Job> next = core->work.Finish(SteadyUs(), &expired);
  for (const WorkQueue::Job& late : expired) late.refuse();
  if (!next) return;
  asio::post(core->io, [core, job = std::move(*next)]() mutable { WorkOn(core, std::move(job)); });
}

// The seam where exceptions stop. Runs on the strand or on the slow pool: touches nothing that changes while working.
void HttpConnection::RunHandler() {
  const std::shared_ptr<Request> request = request_;
  const Route& route = *admission_.route;
  const Responder respond(std::make_shared<Exchange>(shared_from_this(), request));
  const char* what = nullptr;
  ExpectedTime& expected = core_->route_metrics.at(&route).handler;
  const int64_t began_us = SteadyUs();
  try {
    route.handler(*request, respond);
    return expected.Observe(SteadyUs() - began_us);
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
  if (!parser_ || !body_whole_) {
    // What follows in the stream is a body that will not be read, or nothing that can be understood.
    keep_alive_ = false;
    unread_input_ = true;
  }
  Respond(std::move(response));
}

void HttpConnection::Respond(Response response) {
  if (state_.load() == State::kClosing) return;
  Enter(State::kWriting);
  ReleaseBody();
  if (core_->stopping.load() || leaving_.load()) keep_alive_ = false;
  for (auto& header : admission_.headers) response.headers.push_back(std::move(header));
  const RouteMetrics& metrics = core_->route_metrics.at(admission_.route);
  metrics.by_class[static_cast<size_t>(std::clamp(response.status / 100, 1, 5))]->Add();
  metrics.seconds->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count());
  if (response.status == 500) {
    core_->log.Error("request.failed", {{"route", admission_.route ? admission_.route->pattern : ""}});
  }
  const unsigned version = parser_ ? parser_->get().version() : 11;
  size_t left_out = 0;
  response_.emplace(MakeAnswer(
      std::move(response), {version, head_, keep_alive_, core_->clock.Now(), core_->options.test_guards}, &left_out));
  if (left_out > 0) {
    core_->log.Error("response.field_left_out", {{"route", admission_.route ? admission_.route->pattern : ""}});
  }
  stream_.tcp().expires_after(Milliseconds(core_->options.write_timeout_ms));
  http::async_write(stream_, *response_,
                    [self = shared_from_this()](error_code error, size_t) { self->OnWritten(error); });
}

void HttpConnection::OnWritten(error_code error) {
  if (error) {
    if (error == beast::error::timeout) core_->timeouts.Add();
    return Close();
  }
  if (keep_alive_) return AwaitRequest();
  if (stream_.is_tls()) return CloseTls();
  // The client may have sent more already: pipelined requests, or one that crossed our decision to stop.
  if (unread_input_ || buffer_.size() > 0 || core_->stopping.load()) return CloseGently();
  error_code ignored;
  stream_.tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Close();
}

// Inside TLS the end is said too, so that a client can tell it from a cut line.
void HttpConnection::CloseTls() {
  Enter(State::kClosing);
  stream_.tcp().expires_after(Milliseconds(kDiscardMs));
  stream_.async_shutdown([self = shared_from_this()](error_code error) {
    if (error == beast::error::timeout) return self->Close();
    self->CloseGently();
  });
}

// Closing a socket with unread input resets it, and the reset may overtake the answer: say that we are done, then read
// and throw away until the client is done too, for a while and up to a size.
void HttpConnection::CloseGently() {
  Enter(State::kClosing);
  error_code ignored;
  stream_.tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.tcp().expires_after(Milliseconds(kDiscardMs));
  Discard(kDiscardBytesMax);
}

void HttpConnection::Discard(size_t bytes_left) {
  buffer_.clear();
  stream_.tcp().async_read_some(buffer_.prepare(64 * 1024),
                                [self = shared_from_this(), bytes_left](error_code error, size_t bytes) {
                                  if (error || bytes >= bytes_left) return self->Close();
                                  self->Discard(bytes_left - bytes);
                                });
}

void HttpConnection::Close() {
  Enter(State::kClosing);
  stream_.tcp().close();
}

}  // namespace rapport

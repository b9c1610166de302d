#include "server/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <typeinfo>

#include "server/ascii_case.h"
#include "server/problem.h"

namespace rapport {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

namespace {

constexpr size_t kFirstReadBytes = 4096;
constexpr size_t kBodyReadBytes = 64 * 1024;
constexpr size_t kBufferKeptBytes = 16 * 1024;         // between requests
constexpr uint64_t kReadToRefuseBytesMax = 64 * 1024;  // a body that is read so that the connection can stay
constexpr int64_t kDeadlineMsMax = 10 * kMinuteMs;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

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
  void Continue(std::function<void()> work, std::function<void()> refuse) override {
    connection_->Resume(std::move(work), std::move(refuse));
  }

 private:
  const std::shared_ptr<HttpConnection> connection_;
  const std::shared_ptr<const Request> request_;
};

// ---- life of a connection -----------------------------------------------------------------------------------------

HttpConnection::HttpConnection(HttpStream::Socket socket, std::shared_ptr<TlsContext> tls,
                               std::shared_ptr<HttpCore> core, std::string address, std::shared_ptr<AddressUse> use)
    : core_(std::move(core)),
      address_(std::move(address)),
      use_(std::move(use)),
      stream_(std::move(socket), std::move(tls)),
      waiting_since_ms_(SteadyMs()),
      leave_by_ms_(kNever),
      guard_(GuardOptionsOf(core_->options)) {}

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
    self->stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    self->stream_.socket().non_blocking(true, ignored);  // WriteNow
    if (self->stream_.is_tls()) return welcome == Welcome::kServe ? self->Handshake() : self->Close();
    if (welcome == Welcome::kServe) return self->AwaitRequest();
    self->started_ = std::chrono::steady_clock::now();
    self->Refuse(ProblemResponse(503, "limit-reached", "too many connections are open: try again in a moment"));
  });
}

// Who does not speak TLS here is let go without a word.
void HttpConnection::Handshake() {
  Enter(State::kReading);
  in_handshake_ = true;
  LeaveIn(core_->options.header_timeout_ms);
  stream_.async_handshake([self = shared_from_this()](error_code error) {
    self->in_handshake_ = false;
    if (!error) return self->AwaitRequest();
    self->core_->handshakes_failed.Add();
    self->Close();
  });
}

void HttpConnection::StopSoon() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    // One that is closing reads on for a moment what its client still sends: cut off now, its answer might be lost.
    if (self->state_.load() == State::kIdle) self->Close();
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

void HttpConnection::LeaveIn(int64_t ms) { leave_by_ms_.store(SteadyMs() + ms, std::memory_order_relaxed); }

void HttpConnection::LeaveNever() { leave_by_ms_.store(kNever, std::memory_order_relaxed); }

// The sweep saw it overdue; the client may have moved since.
void HttpConnection::EndWait() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (!self->IsOverdue(SteadyMs())) return;
    const State state = self->state_.load();
    const bool asks = state == State::kReading && !self->in_handshake_;
    if (asks || state == State::kWriting) self->core_->timeouts.Add();
    self->Close();
  });
}

void HttpConnection::AwaitRequest() {
  guard_.Reset();
  facts_.read = false;
  chunks_.reset();
  request_.reset();
  late_refusal_.reset();
  body_left_ = 0;
  body_whole_ = false;
  if (buffer_.size() > 0) {  // a pipelined request waits already: taken up anew, or a thousand of them fill the stack
    Enter(State::kReading);
    LeaveIn(core_->options.header_timeout_ms);
    return asio::post(stream_.get_executor(), [self = shared_from_this()] {
      if (self->state_.load() == State::kReading) self->LookAtHead();
    });
  }
  if (buffer_.capacity() > kBufferKeptBytes) buffer_.shrink_to_fit();
  if (body_text_.capacity() > kBufferKeptBytes) std::string().swap(body_text_);
  if (core_->stopping.load()) return Close();
  Enter(State::kIdle);
  LeaveIn(core_->options.idle_timeout_ms);
  stream_.async_read_some(buffer_.prepare(kFirstReadBytes),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            if (error) return self->Close();  // gone, or idle for too long: nothing was asked
                            self->buffer_.commit(bytes);
                            self->OnFirstBytes();
                          });
}

void HttpConnection::OnFirstBytes() {
  if (state_.load() != State::kIdle) return Close();
  Enter(State::kReading);
  LeaveIn(core_->options.header_timeout_ms);
  LookAtHead();
}

// The deadline was set when the first byte came and is not moved by later ones.
void HttpConnection::ReadMore(size_t bytes, void (HttpConnection::*then)()) {
  stream_.async_read_some(buffer_.prepare(bytes), [self = shared_from_this(), then](error_code error, size_t got) {
    if (error || self->state_.load() == State::kClosing) return self->Close();
    self->buffer_.commit(got);
    (self.get()->*then)();
  });
}

void HttpConnection::LookAtHead() {
  switch (guard_.Look(Buffered())) {
    case HeadGuard::Verdict::kMore: return ReadMore(kFirstReadBytes, &HttpConnection::LookAtHead);
    case HeadGuard::Verdict::kWhole: return MayRefuseEarly() ? RefuseEarly() : OnHead();
    case HeadGuard::Verdict::kRefused: break;
  }
  started_ = std::chrono::steady_clock::now();
  admission_ = {};
  core_->malformed.Add();
  Refuse(ToResponse(guard_.refusal()));
}

// With the queue full, work for a request that will be refused is taken from those that are answered: so no parsing, no
// key, no body of the answer made anew. Only where the request is here as a whole and its end is plain.
bool HttpConnection::MayRefuseEarly() const {
  if (!core_->work.IsFull() || core_->stopping.load() || leaving_.load()) return false;
  if (!guard_.is_lean() || !guard_.keep_alive() || guard_.length() > buffer_.size() - guard_.head_bytes()) return false;
  const std::string_view head = Buffered();
  return guard_.method(head) != "HEAD" && core_->queued_paths.contains(guard_.path(head));
}

void HttpConnection::RefuseEarly() {
  buffer_.consume(guard_.head_bytes() + static_cast<size_t>(guard_.length()));
  asked_.store(true);
  core_->refused_requests.Add();
  keep_alive_ = true;
  Enter(State::kWriting);
  Write(core_->early_refusal, {});
}

// ---- from header to handler ---------------------------------------------------------------------------------------

// The guard has passed it and knows a lean head as a whole; of any other the parser behind reads the same bytes, and
// both must take them.
void HttpConnection::OnHead() {
  started_ = std::chrono::steady_clock::now();
  admission_ = {};
  request_ = std::make_shared<Request>();
  if (guard_.is_lean()) {
    ReadLeanHead();
  } else if (const error_code error = ReadHeadByParser(); error) {
    core_->malformed.Add();
    return Refuse(ProblemResponse(400, "malformed-request", "this is not well-formed HTTP: " + error.message()));
  }
  facts_.read = true;
  facts_.is_head = facts_.method == "HEAD";
  buffer_.consume(guard_.head_bytes());
  asked_.store(true);
  OnHeader();
}

void HttpConnection::ReadLeanHead() {
  const std::string_view bytes = Buffered();
  facts_.version_1_0 = facts_.chunked = false;
  facts_.method.assign(guard_.method(bytes));
  facts_.target.assign(guard_.target(bytes));
  facts_.expect.clear();
  keep_alive_ = guard_.keep_alive();
  body_left_ = guard_.length();
  request_->headers.reserve(guard_.fields().size());
  for (const HeadGuard::Field& field : guard_.fields()) {
    request_->headers.emplace_back(Lower(field.name.Of(bytes)), field.value.Of(bytes));
  }
}

error_code HttpConnection::ReadHeadByParser() {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(guard_.head_bytes() + 1));
  parser.body_limit(boost::none);  // checked against the route's own limit once the header is known
  error_code error;
  const size_t taken = parser.put(asio::buffer(buffer_.data().data(), guard_.head_bytes()), error);
  if (!error && (taken != guard_.head_bytes() || !parser.is_header_done())) error = http::error::partial_message;
  if (error) return error;
  const auto& header = parser.get();
  facts_.version_1_0 = header.version() < 11;
  facts_.chunked = parser.chunked();
  facts_.method.assign(header.method_string());
  facts_.target.assign(header.target());
  facts_.expect = Lower(header[http::field::expect]);
  keep_alive_ = header.keep_alive();
  body_left_ = parser.content_length().value_or(0);
  for (const auto& field : header) {
    request_->headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
  }
  return {};
}

void HttpConnection::OnHeader() {
  body_whole_ = !facts_.chunked && body_left_ == 0;
  request_->received_at = core_->clock.Now();
  admission_ = core_->gate.Admit(facts_.method, facts_.target, *request_);
  // A key in the body is not known yet: OnBody counts it.
  rate_checked_ = admission_.refusal || !request_->identity.key_id.empty() || !admission_.route->scope;
  std::optional<Response> refusal = rate_checked_ ? CheckRate() : std::nullopt;
  if (!refusal && admission_.refusal) return Refuse(std::move(*admission_.refusal));
  if (!refusal) refusal = ReadDeadline();
  if (refusal) {
    if (body_whole_ || facts_.chunked || body_left_ > kReadToRefuseBytesMax || !admission_.route) {
      return Refuse(std::move(*refusal));
    }
    late_refusal_ = std::move(refusal);
  }
  if (std::optional<Response> problem = LimitBody()) return Refuse(std::move(*problem));
  if (body_whole_) return OnBody();
  if (facts_.expect.empty() || facts_.version_1_0) return ReadBody();
  if (facts_.expect == "100-continue") return buffer_.size() > 0 ? ReadBody() : SendContinue();
  Refuse(ProblemResponse(417, "expectation-failed", "100-continue is the only expectation that is understood"));
}

std::optional<Response> HttpConnection::LimitBody() {
  const size_t own = admission_.route->body_bytes_max;
  const uint64_t limit = own > 0 ? own : core_->options.body_bytes_max;
  if (facts_.chunked) chunks_.emplace(limit);
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
  LeaveIn(core_->options.write_timeout_ms);
  asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code error, size_t) {
    if (error) return self->Close();
    self->ReadBody();
  });
}

void HttpConnection::ReadBody() {
  LeaveIn(core_->options.body_timeout_ms);
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
  LeaveNever();
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
  Response response = core_->limited;
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
  if (core_->work.TryRun(deadline_us_, SteadyUs())) {
    RunHandler();
    return PassOn(core_);
  }
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
  PassOn(core);
}

// What a request still has to do once the disk has told of it: a place like any other's, ahead of those that have not
// begun.
void HttpConnection::Resume(std::function<void()> work, std::function<void()> refuse) {
  if (core_->stopped.load()) return;  // nobody would run it
  WorkQueue::Job job;
  job.expected_us = core_->route_metrics.at(admission_.route).handler.us();
  job.deadline_us = deadline_us_;
  // Work that failed dies with its responder, which then answers 500.
  job.run = [self = shared_from_this(), work = std::move(work)] { (void)self->RunGuarded(work); };
  job.refuse = [core = core_, refuse = std::move(refuse)] {
    core->expired_requests.Add();
    refuse();
  };
  switch (core_->work.Resume(job, SteadyUs())) {
    case WorkQueue::Verdict::kRun:
      return asio::post(core_->io, [core = core_, job = std::move(job)]() mutable { WorkOn(core, std::move(job)); });
    case WorkQueue::Verdict::kWaits: return;
    case WorkQueue::Verdict::kRefused: return job.refuse();
  }
}

void HttpConnection::PassOn(const std::shared_ptr<HttpCore>& core) {
  std::vector<WorkQueue::Job> expired;
  std::optional<WorkQueue::Job> next = core->work.Finish(SteadyUs(), &expired);
  for (const WorkQueue::Job& late : expired) late.refuse();
  if (!next) return;
  asio::post(core->io, [core, job = std::move(*next)]() mutable { WorkOn(core, std::move(job)); });
}

// The seam where exceptions stop: false, and a line in the log. Runs on the strand, on the slow pool or on a worker:
// touches nothing that changes while working.
bool HttpConnection::RunGuarded(const std::function<void()>& work) {
  const Route& route = *admission_.route;
  ExpectedTime& expected = core_->route_metrics.at(&route).handler;
  const int64_t began_us = SteadyUs();
  const char* what = nullptr;
  try {
    work();
    expected.Observe(SteadyUs() - began_us);
    return true;
  } catch (const std::exception& exception) {
    what = typeid(exception).name();  // its text may quote the request, so it stays out of the log
  } catch (...) {
    what = "unknown";
  }
  core_->log.Error("handler.exception", {{"route", route.pattern}, {"type", what}});
  return false;
}

void HttpConnection::RunHandler() {
  const std::shared_ptr<Request> request = request_;
  const Responder respond(std::make_shared<Exchange>(shared_from_this(), request));
  if (RunGuarded([&] { admission_.route->handler(*request, respond); })) return;
  respond(ProblemResponse(Status::Internal("something went wrong inside the server; its log has a line about it")));
}

}  // namespace rapport

// How a connection answers and how it ends. The rest of it stands in http_connection.cc.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "server/http_connection.h"

namespace rapport {

namespace asio = boost::asio;
using boost::beast::error_code;

namespace {

constexpr size_t kDiscardBytesMax = 64u << 20;
constexpr int64_t kDiscardMs = 2 * kSecondMs;
constexpr size_t kFlatBytesMax = 64 * 1024;  // inside TLS, an answer up to this size goes out as one piece

}  // namespace

void HttpConnection::Refuse(Response response) {
  if (!facts_.read || !body_whole_) {
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
  const bool version_1_0 = facts_.read && facts_.version_1_0, is_head = facts_.read && facts_.is_head;
  const AnswerFrame frame{version_1_0, is_head, keep_alive_, date_.At(core_->clock.Now()), core_->options.test_guards};
  if (WriteHead(response, frame, &head_text_) > 0) {
    core_->log.Error("response.field_left_out", {{"route", admission_.route ? admission_.route->pattern : ""}});
  }
  body_text_.clear();
  if (HasBody(response, frame)) body_text_ = std::move(response.body);
  Write(head_text_, body_text_);
}

// Most answers fit into the kernel's buffer: then nothing is waited for. Both texts stay as they are until OnWritten.
void HttpConnection::Write(std::string_view head, std::string_view body) {
  if (stream_.is_tls() && !body.empty() && body.size() <= kFlatBytesMax) {
    head_text_ += body_text_;  // one record, not two
    head = head_text_;
    body = {};
  }
  HttpStream::Buffers out{asio::buffer(head), asio::buffer(body)};
  error_code error;
  const size_t written = stream_.WriteNow(out, error);
  if (error || written == head.size() + body.size()) return OnWritten(error);
  const size_t of_head = std::min(written, head.size());
  out = {out[0] + of_head, out[1] + (written - of_head)};
  LeaveIn(core_->options.write_timeout_ms);
  asio::async_write(stream_, out, [self = shared_from_this()](error_code failed, size_t) { self->OnWritten(failed); });
}

void HttpConnection::OnWritten(error_code error) {
  if (error || state_.load() == State::kClosing) return Close();
  if (keep_alive_) return AwaitRequest();
  if (stream_.is_tls()) return CloseTls();
  // The client may have sent more already: pipelined requests, or one that crossed our decision to stop.
  if (unread_input_ || buffer_.size() > 0 || core_->stopping.load()) return CloseGently();
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Close();
}

// Inside TLS the end is said too, so that a client can tell it from a cut line.
void HttpConnection::CloseTls() {
  Enter(State::kClosing);
  LeaveIn(kDiscardMs);
  stream_.async_shutdown([self = shared_from_this()](error_code error) {
    if (error == asio::error::operation_aborted) return self->Close();  // its time is over
    self->CloseGently();
  });
}

// Closing a socket with unread input resets it, and the reset may overtake the answer: say that we are done, then read
// and throw away until the client is done too, for a while and up to a size.
void HttpConnection::CloseGently() {
  Enter(State::kClosing);
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  LeaveIn(kDiscardMs);
  Discard(kDiscardBytesMax);
}

void HttpConnection::Discard(size_t bytes_left) {
  buffer_.clear();
  stream_.socket().async_read_some(buffer_.prepare(64 * 1024),
                                   [self = shared_from_this(), bytes_left](error_code error, size_t bytes) {
                                     if (error || bytes >= bytes_left) return self->Close();
                                     self->Discard(bytes_left - bytes);
                                   });
}

void HttpConnection::Close() {
  Enter(State::kClosing);
  LeaveNever();
  error_code ignored;
  stream_.socket().close(ignored);
}

}  // namespace rapport

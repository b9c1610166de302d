// A client's byte stream, plain or inside TLS. Deadlines are the connection's (HttpConnection::LeaveIn): one stored
// time and a sweep of all connections cost less than a timer that is moved twice a request. Included by the transport's
// sources only.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "server/tls.h"

namespace rapport {

// Belongs to one connection and its strand. An asynchronous stream as Asio wants it for writing.
class HttpStream {
 public:
  // The types are spelled out: the type-erased executor costs an allocation and a virtual call at every step.
  using executor_type = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor_type>;
  using Buffers = std::array<boost::asio::const_buffer, 2>;

  // `tls` null: plain.
  HttpStream(Socket socket, std::shared_ptr<TlsContext> tls) : context_(std::move(tls)), socket_(std::move(socket)) {
    if (context_) tls_.emplace(socket_, context_->context);
  }

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }
  bool is_tls() const { return tls_.has_value(); }

  template <typename Handler>
  void async_handshake(Handler&& handler) {  // REQUIRES is_tls()
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <typename Handler>
  void async_shutdown(Handler&& handler) {  // REQUIRES is_tls(): says goodbye inside TLS
    tls_->async_shutdown(std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }
  // What the kernel takes at once, 0 when it takes nothing now or when the stream is inside TLS. REQUIRES a socket that
  // does not block.
  size_t WriteNow(const Buffers& buffers, boost::system::error_code& error) {
    error = {};
    if (tls_) return 0;
    const size_t written = socket_.write_some(buffers, error);
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) error = {};
    return written;
  }

 private:
  const std::shared_ptr<TlsContext> context_;
  Socket socket_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace rapport

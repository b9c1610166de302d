// Answers that the kernel does not take at once, over plain sockets and inside TLS alike: clients that read slowly, not
// at all, or while the server stops; and many requests sent ahead.
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdlib>
#include <future>
#include <thread>

#include "base/temp_folder.h"
#include "server/http_answer.h"
#include "tests/server/http_fixture.h"

namespace rapport {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Every byte depends on its place, so that a piece that is lost, doubled or moved shows.
std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('!' + (i * 2654435761u >> 7) % 90);
  return text;
}

// Reads as much as it is told to, plain or inside TLS; its receive buffer is as small as the kernel allows.
class SlowClient {
 public:
  SlowClient(uint16_t port, bool tls) : context_(asio::ssl::context::tls_client), stream_(io_, context_), tls_(tls) {
    stream_.next_layer().open(asio::ip::tcp::v4());
    stream_.next_layer().set_option(asio::socket_base::receive_buffer_size(4096));
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), port});
    const timeval limit{20, 0};
    setsockopt(stream_.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (tls_) stream_.handshake(asio::ssl::stream_base::client);
  }
  void Send(std::string_view bytes) {
    if (tls_) {
      asio::write(stream_, asio::buffer(bytes));
    } else {
      asio::write(stream_.next_layer(), asio::buffer(bytes));
    }
  }
  // Up to `bytes` of them; fewer at the end of the stream.
  std::string Read(size_t bytes) {
    std::string text(bytes, '\0');
    size_t got = 0;
    error_code error;
    do {  // a process that was stopped and goes on finds its reads interrupted
      const auto rest = asio::buffer(text) + got;
      got += tls_ ? asio::read(stream_, rest, error) : asio::read(stream_.next_layer(), rest, error);
    } while (error == asio::error::interrupted);
    text.resize(got);
    return text;
  }
  // One answer's body, read in pieces that grow and shrink.
  std::string ReadAnswer() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const std::string byte = Read(1);
      if (byte.empty()) return "";
      head += byte;
    }
    const size_t length = std::stoul(head.substr(head.find("Content-Length: ") + 16));
    std::string body;
    for (size_t piece = 1; body.size() < length; piece = piece * 7 % 100'003 + 1) {
      const std::string more = Read(std::min(piece, length - body.size()));
      if (more.empty()) break;
      body += more;
    }
    return body;
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  const bool tls_;
};

class HttpWriteTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      test_.options.tls = {folder_.path() + "/shop.pem", folder_.path() + "/shop.key"};
      const std::string make =
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
          " -keyout '" +
          test_.options.tls.key + "' -out '" + test_.options.tls.certificate + "' >/dev/null 2>&1";
      if (std::system(make.c_str()) != 0) GTEST_SKIP() << "skipped: no openssl command to make a certificate with";
    }
    test_.Add(Method::kGet, "/large", [this](const Request&, Responder respond) {
      ++handled_;
      respond(JsonResponse(200, large_));
    });
    test_.Add(Method::kGet, "/count",
              [this](const Request&, Responder respond) { respond(JsonResponse(200, std::to_string(++handled_))); });
    test_.Start();
  }
  uint64_t timeouts() { return test_.metrics.counter("rapport_connection_timeouts_total").value(); }

  TempFolder folder_;
  const std::string large_ = Pattern(24u << 20);  // more than the kernel keeps for a socket
  std::atomic<int> handled_{0};
  TestServer test_;
};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpWriteTest, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Tls" : "Plain"; });

// What was taken at once and what had to wait make one answer; the one behind it begins where it ends.
TEST_P(HttpWriteTest, SlowReadersGetEveryByte) {
  SlowClient client(test_.server->port(), GetParam());
  client.Send(Get("/large") + Get("/count") + Get("/large"));
  EXPECT_TRUE(client.ReadAnswer() == large_);
  EXPECT_TRUE(client.ReadAnswer() == "2");  // no megabytes in a log
  EXPECT_TRUE(client.ReadAnswer() == large_);
}

TEST_P(HttpWriteTest, AStopInTheMiddleLosesNothing) {
  SlowClient client(test_.server->port(), GetParam());
  client.Send(Get("/large"));
  std::string begin = client.Read(1000);  // the answer is on its way
  std::future<bool> stopped = std::async(std::launch::async, [&] { return test_.server->Stop(20000); });
  while (!test_.server->stopping()) std::this_thread::yield();
  begin += client.Read(large_.size() * 2);
  EXPECT_TRUE(begin.ends_with(large_));
  EXPECT_TRUE(stopped.get());
}

// The broken twin is an answer taken up inside the one before: two thousand of them would fill the stack.
TEST_P(HttpWriteTest, ThousandsSentAheadAreAnsweredInOrder) {
  SlowClient client(test_.server->port(), GetParam());
  std::string ahead;
  for (int i = 0; i < 2000; ++i) ahead += Get("/count");
  std::future<void> sent = std::async(std::launch::async, [&] { client.Send(ahead); });
  if (GetParam()) sent.wait();  // one thread at a time inside TLS: both directions fit into the kernel's buffers
  for (int i = 1; i <= 2000; ++i) ASSERT_EQ(client.ReadAnswer(), std::to_string(i));
  sent.wait();
}

class HttpWriteDeadlineTest : public HttpWriteTest {
 protected:
  HttpWriteDeadlineTest() { test_.options.write_timeout_ms = 50; }
};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpWriteDeadlineTest, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Tls" : "Plain"; });

TEST_P(HttpWriteDeadlineTest, WhoDoesNotReadIsCutOff) {
  SlowClient client(test_.server->port(), GetParam());
  client.Send(Get("/large"));
  while (timeouts() == 0) std::this_thread::yield();
  EXPECT_LT(client.Read(2 * large_.size()).size(), large_.size());
  EXPECT_EQ(timeouts(), 1u);
}

// What goes out is what Beast's parser reads, for every kind of answer.
TEST(HttpAnswerTest, BeastReadsWhatIsWritten) {
  namespace http = boost::beast::http;
  HttpDate date;
  for (const int status : {200, 201, 202, 204, 304, 400, 404, 413, 414, 431, 500, 503}) {
    for (int bits = 0; bits < 8; ++bits) {
      Response response = JsonResponse(status, "{\"a\":1}");
      response.headers = {{"Retry-After", "7"}, {"content-length", "99"}, {"Vary", "Origin"}, {"X-Bad", "a\r\nb"}};
      const AnswerFrame frame{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, date.At(Timestamp{951'782'400'123})};
      std::string wire = "left over";
      ASSERT_EQ(WriteHead(response, frame, &wire), 1u);
      const bool has_body = HasBody(response, frame);
      EXPECT_EQ(has_body, status != 204 && status != 304 && !frame.head);
      if (has_body) wire += response.body;
      http::response_parser<http::string_body> parser;
      parser.eager(true);
      parser.skip(frame.head || !has_body);
      boost::beast::error_code error;
      parser.put(asio::buffer(wire), error);
      ASSERT_FALSE(error && error != http::error::need_more) << error.message() << "\n" << wire;
      ASSERT_TRUE(parser.is_header_done()) << wire;
      const auto& read = parser.get();
      EXPECT_EQ(read.result_int(), static_cast<unsigned>(status));
      EXPECT_EQ(read.version(), frame.version_1_0 ? 10u : 11u);
      EXPECT_EQ(read.keep_alive(), frame.keep_alive);
      EXPECT_EQ(read.count("Content-Length"), status == 204 || status == 304 ? 0u : 1u);
      EXPECT_EQ(read["Date"], "Tue, 29 Feb 2000 00:00:00 GMT");
      EXPECT_EQ(read["Retry-After"], "7");
      EXPECT_EQ(read["X-Bad"], "");
      EXPECT_EQ(read["Cache-Control"], "no-store");
      EXPECT_EQ(read.body(), has_body ? response.body : std::string());
    }
  }
}

TEST(HttpAnswerTest, TheDateMovesWithTheSecond) {
  HttpDate date;
  EXPECT_EQ(date.At(Timestamp{999}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date.At(Timestamp{1000}), "Thu, 01 Jan 1970 00:00:01 GMT");
  EXPECT_EQ(date.At(Timestamp{-1}), "Wed, 31 Dec 1969 23:59:59 GMT");
}

}  // namespace
}  // namespace rapport

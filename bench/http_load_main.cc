// An open-loop HTTP load generator: sends at the rate that it is told whether or not answers come, as strangers do, and
// holds each answer against the one that the same question got when nothing else was asked.
//
//   http_load PORT KEY BODIES RATE SECONDS CONNECTIONS PATIENCE_MS [DEADLINE_MS]
//   RATE 0: closed loop, as fast as answers come
//
// BODIES has one JSON body per line, asked in turn with POST /v1/recommendations. One thread, one epoll, loopback only.
// Latency runs from the moment the request was written. Prints one JSON object:
//   sent, unsent (no connection was free: the load was not reached), ok, late (right, but after PATIENCE_MS), refused
//   (503, 429), wrong (200 with other items than before), failed (anything else), seconds, okMs and refusedMs {p50,
//   p99, p999, max}
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  uint16_t port = 0;
  std::string key, bodies;
  double rate = 0, seconds = 1;
  int connections = 1;
  float patience_ms = 0;
  std::string deadline_ms;
};

struct Question {
  std::string bytes;
  std::string alone;    // the same without a deadline
  size_t expected = 0;  // hash of the items in their order
};

struct Connection {
  int socket = -1;
  bool busy = false;
  size_t question = 0;
  Clock::time_point sent_at;
  std::string received;
};

struct Tally {
  uint64_t sent = 0, unsent = 0, ok = 0, late = 0, refused = 0, wrong = 0, failed = 0;
  std::vector<float> ok_ms, refused_ms;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "http_load: %s\n", what.c_str());
  std::exit(1);
}

int Connect(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) Fail("cannot connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

// All item ids of an answer, in order, as one number.
size_t HashItems(std::string_view body) {
  std::string items;
  constexpr std::string_view kName = "\"itemId\":\"";
  for (size_t at = body.find(kName); at != std::string_view::npos; at = body.find(kName, at)) {
    at += kName.size();
    items += body.substr(at, std::min(body.find('"', at), body.size()) - at);
    items += '\n';
  }
  return items.empty() ? 0 : std::hash<std::string>{}(items);
}

// Bytes of the whole answer at the front of `text`; 0: not whole yet.
size_t AnswerBytes(std::string_view text) {
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  const size_t length = text.find("Content-Length: ");
  if (length == std::string_view::npos || length > head) Fail("an answer without a length");
  const size_t bytes = head + 4 + std::strtoull(text.data() + length + 16, nullptr, 10);
  return text.size() >= bytes ? bytes : 0;
}

int StatusOf(std::string_view text) { return std::atoi(std::string(text.substr(9, 3)).c_str()); }

class Load {
 public:
  explicit Load(const Options& options) : options_(options), epoll_(::epoll_create1(0)) {
    ReadQuestions();
    LearnAnswers();
    for (int i = 0; i < options.connections; ++i) {
      Connection connection;
      connection.socket = Connect(options.port);
      ::fcntl(connection.socket, F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(i);
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
      connections_.push_back(std::move(connection));
      free_.push_back(i);
    }
  }

  Tally Run() {
    const auto begin = Clock::now();
    uint64_t due_before = 0;
    for (;;) {
      const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
      if (elapsed >= options_.seconds) break;
      if (options_.rate == 0) {
        while (!free_.empty()) Send();
      } else {
        const auto due = static_cast<uint64_t>(elapsed * options_.rate);
        for (; due_before < due; ++due_before) {
          if (free_.empty())
            ++tally_.unsent;
          else
            Send();
        }
      }
      Receive(options_.rate == 0 ? 10 : 0);
    }
    const auto end = Clock::now() + std::chrono::seconds(2);  // what was asked in time may still be answered
    while (free_.size() < connections_.size() && Clock::now() < end) Receive(10);
    tally_.failed += connections_.size() - free_.size();
    return std::move(tally_);
  }

 private:
  void ReadQuestions() {
    std::ifstream file(options_.bodies);
    const std::string deadline = options_.deadline_ms.empty() ? "" : "X-Deadline-Ms: " + options_.deadline_ms + "\r\n";
    for (std::string body; std::getline(file, body);) {
      const std::string head = "POST /v1/recommendations HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " +
                               options_.key + "\r\nContent-Type: application/json\r\n";
      const std::string rest = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      questions_.push_back({head + deadline + rest, head + rest});
    }
    if (questions_.empty()) Fail("no bodies");
  }

  // What each question is answered when nothing else is asked: twice, because it must not change by itself.
  void LearnAnswers() {
    const int fd = Connect(options_.port);
    for (int round = 0; round < 2; ++round) {
      for (Question& question : questions_) {
        if (::send(fd, question.alone.data(), question.alone.size(), 0) < 0) Fail("cannot send");
        std::string text;
        char chunk[65536];
        while (AnswerBytes(text) == 0) {
          const ssize_t got = ::recv(fd, chunk, sizeof(chunk), 0);
          if (got <= 0) Fail("no answer when asked alone");
          text.append(chunk, static_cast<size_t>(got));
        }
        const size_t hash = HashItems(text);
        if (StatusOf(text) != 200 || hash == 0) Fail("asked alone: " + text.substr(0, 400));
        if (round > 0 && hash != question.expected) Fail("the same question was answered differently");
        question.expected = hash;
      }
    }
    ::close(fd);
  }

  void Send() {
    const int index = free_.back();
    free_.pop_back();
    Connection& connection = connections_[static_cast<size_t>(index)];
    connection.question = next_question_++ % questions_.size();
    const std::string& bytes = questions_[connection.question].bytes;
    connection.sent_at = Clock::now();
    connection.busy = true;
    if (::send(connection.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
      Fail("a request did not fit into the socket");
    }
    ++tally_.sent;
  }

  void Receive(int wait_ms) {
    epoll_event events[256];
    const int count = ::epoll_wait(epoll_, events, 256, wait_ms);
    const auto now = Clock::now();
    for (int i = 0; i < count; ++i) {
      Connection& connection = connections_[events[i].data.u32];
      char chunk[65536];
      const ssize_t got = ::recv(connection.socket, chunk, sizeof(chunk), 0);
      if (got <= 0) Fail("the server closed a connection");
      connection.received.append(chunk, static_cast<size_t>(got));
      if (AnswerBytes(connection.received) == 0) continue;
      Count(connection, std::chrono::duration<float, std::milli>(now - connection.sent_at).count());
      connection.received.clear();
      connection.busy = false;
      free_.push_back(static_cast<int>(events[i].data.u32));
    }
  }

  void Count(const Connection& connection, float ms) {
    const int status = StatusOf(connection.received);
    if (status == 503 || status == 429) {
      ++tally_.refused;
      tally_.refused_ms.push_back(ms);
    } else if (status != 200) {
      ++tally_.failed;
    } else if (HashItems(connection.received) != questions_[connection.question].expected) {
      ++tally_.wrong;
    } else {
      ++(ms <= options_.patience_ms ? tally_.ok : tally_.late);
      tally_.ok_ms.push_back(ms);
    }
  }

  const Options options_;
  const int epoll_;
  std::vector<Question> questions_;
  std::vector<Connection> connections_;
  std::vector<int> free_;
  size_t next_question_ = 0;
  Tally tally_;
};

void PrintTimes(const char* name, std::vector<float>& ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double share) {
    return ms.empty() ? 0.0
                      : static_cast<double>(
                            ms[std::min(ms.size() - 1, static_cast<size_t>(share * static_cast<double>(ms.size())))]);
  };
  std::printf(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f}", name, at(0.5), at(0.99),
              at(0.999), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) Fail("usage: http_load PORT KEY BODIES RATE SECONDS CONNECTIONS PATIENCE_MS [DEADLINE_MS]");
  Options options{static_cast<uint16_t>(std::atoi(argv[1])),
                  argv[2],
                  argv[3],
                  std::atof(argv[4]),
                  std::atof(argv[5]),
                  std::atoi(argv[6]),
                  std::strtof(argv[7], nullptr),
                  argc > 8 ? argv[8] : ""};
  Tally tally = Load(options).Run();
  std::printf(
      "{\"sent\": %llu, \"unsent\": %llu, \"ok\": %llu, \"late\": %llu, \"refused\": %llu, \"wrong\": %llu, "
      "\"failed\": %llu, "
      "\"seconds\": %g",
      static_cast<unsigned long long>(tally.sent), static_cast<unsigned long long>(tally.unsent),
      static_cast<unsigned long long>(tally.ok), static_cast<unsigned long long>(tally.late),
      static_cast<unsigned long long>(tally.refused), static_cast<unsigned long long>(tally.wrong),
      static_cast<unsigned long long>(tally.failed), options.seconds);
  PrintTimes("okMs", tally.ok_ms);
  PrintTimes("refusedMs", tally.refused_ms);
  std::printf("}\n");
  return 0;
}

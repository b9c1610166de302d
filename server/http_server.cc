#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <future>
#include <thread>

#include "base/parallel.h"
#include "server/http_connection.h"
#include "server/problem.h"

namespace rapport {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::beast::error_code;

namespace {

// Connections beyond the limit that are being told so; further ones are closed without a word.
constexpr size_t kRefusedAtOnceMax = 64;
constexpr size_t kRefusedAtOncePerAddressMax = 16;
// While closing ones make place, an address with few connections is still let in.
constexpr size_t kFewConnections = 8;
constexpr size_t kReserveMin = 256;
constexpr int64_t kAcceptPauseMs = 100;
constexpr int64_t kSweepMs = 20;  // how late a deadline may be noticed

// An answer that needs no request to be written.
std::string WireText(const Response& response) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " + ReasonPhrase(response.status) + "\r\n";
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  return text + "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Type: " + response.content_type +
         "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
}

SecretKey RandomSeed() {
  SecretKey seed{};
  (void)FillSecretRandom(seed);  // without it buckets can be guessed, and are buckets all the same
  return seed;
}

void AddRouteMetrics(RouteMetrics& out, Metrics& metrics, const std::string& method, const std::string& pattern) {
  for (size_t status = 1; status <= 5; ++status) {
    out.by_class[status] = &metrics.counter(
        "rapport_requests_total", {{"method", method}, {"route", pattern}, {"status", std::to_string(status) + "xx"}},
        "requests answered");
  }
  out.seconds = &metrics.histogram("rapport_request_seconds", {{"method", method}, {"route", pattern}},
                                   "seconds from the end of a request's header to its answer");
}

// A socket for both families shows IPv4 clients as ::ffff:1.2.3.4; they are counted and trusted as what they are.
asio::ip::address PlainAddress(const asio::ip::address& from) {
  if (!from.is_v6() || !from.to_v6().is_v4_mapped()) return from;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, from.to_v6());
}

// Of IPv6 the network (/64) is counted, because that is what one client has.
std::string CountedAddress(const asio::ip::address& from) {
  if (from.is_v4() || from.to_v6().is_loopback()) return from.to_string();
  auto bytes = from.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::address_v6(bytes).to_string();
}

}  // namespace

HttpCore::HttpCore(const ServerOptions& server_options, const RouteTable& table, Authenticator& auth, Metrics& m,
                   Log& l, const Clock& c)
    : options(server_options),
      threads(server_options.threads > 0 ? static_cast<size_t>(server_options.threads)
                                         : static_cast<size_t>(HardwareThreads())),
      routes(table),
      gate(table, auth, server_options.origins),
      metrics(m),
      log(l),
      clock(c),
      open_connections(m.gauge("rapport_connections", {}, "connections that are open")),
      requests_in_flight(m.gauge("rapport_requests_in_flight", {}, "requests in a handler or waiting for its answer")),
      refused_connections(m.counter("rapport_refused_connections_total", {}, "connections beyond a limit")),
      refused_requests(
          m.counter("rapport_refused_requests_total", {}, "requests answered 503 because too many were at work")),
      limited_requests(m.counter("rapport_limited_requests_total", {}, "requests answered 429 because of their rate")),
      expired_requests(m.counter("rapport_expired_requests_total", {}, "requests whose deadline passed: no work done")),
      timeouts(m.counter("rapport_connection_timeouts_total", {}, "connections cut off by a deadline")),
      gave_way(m.counter("rapport_connections_gave_way_total", {}, "waiting connections closed for newer ones")),
      malformed(m.counter("rapport_malformed_requests_total", {}, "requests refused because they are no clear HTTP")),
      handshakes_failed(m.counter("rapport_tls_handshakes_failed_total", {}, "connections that did not speak our TLS")),
      body_bytes_held(m.gauge("rapport_body_bytes", {}, "bytes of bodies that are being received or answered")),
      early_refusal(WireText(
          ProblemResponse(Status::Unavailable("more requests than can be answered in time: try again in a moment")))),
      limited(ProblemResponse(429, "too-many-requests", "more requests than agreed: slow down")),
      work({threads, std::max(server_options.requests_in_flight_max, threads + 1) - threads,
            server_options.queue_wait_ms_max * 1000}),
      per_key(server_options.rate_per_key, RandomSeed()),
      per_address(server_options.rate_per_address, RandomSeed()) {
  std::set<std::string> always;
  for (const Route& route : table.routes()) {
    if (IsAlwaysServed(route) || route.work == Work::kLong) always.insert(route.pattern);
  }
  for (const Route& route : table.routes()) {
    const bool plain = route.pattern.find('{') == std::string::npos;
    if (plain && !always.contains(route.pattern)) queued_paths.insert(route.pattern);
    AddRouteMetrics(route_metrics[&route], m, MethodName(route.method), route.pattern);
  }
  AddRouteMetrics(route_metrics[nullptr], m, "", "");
}

struct HttpServer::Impl {
  explicit Impl(std::shared_ptr<HttpCore> shared) : core(std::move(shared)), acceptor(asio::make_strand(core->io)) {}

  Status Listen();
  void Accept();
  void OnAccepted(HttpStream::Socket socket);
  void Sweep();
  std::shared_ptr<HttpConnection> WhoLeaves(size_t* going) const;
  void RunWorker();

  std::shared_ptr<HttpCore> core;
  tcp::acceptor acceptor;  // on its own strand
  std::optional<asio::steady_timer> pause;
  std::optional<asio::steady_timer> sweep;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> keep_running;
  std::vector<std::thread> threads;
  uint16_t port = 0;
  bool stopped = false;
  std::string certificate_tried;  // digest of files that could not be loaded
};

Status HttpServer::Impl::Listen() {
  const ServerOptions& options = core->options;
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Status::InvalidArgument("'" + options.address +
                                   "' is not an IP address to listen on: write 127.0.0.1, 0.0.0.0 or ::1");
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Status::Unavailable("cannot listen on " + options.address + ":" + std::to_string(options.port) + ": " +
                               error.message() + "; choose another with --listen");
  }
  port = acceptor.local_endpoint(error).port();
  return Status::Ok();
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept(asio::make_strand(core->io), [this](error_code error, HttpStream::Socket socket) {
    if (!acceptor.is_open() || core->stopping.load()) return;
    if (!error) {
      OnAccepted(std::move(socket));
      return Accept();
    }
    // Out of descriptors, most likely: waiting lets some be closed, looping would only burn a core.
    core->log.Warning("accept.failed", {{"error", error.message()}});
    pause.emplace(acceptor.get_executor(), std::chrono::milliseconds(kAcceptPauseMs));
    pause->async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
  });
}

// All places are taken: the connection that can best do without its own. Null when all are being answered or are on
// their way out already; those are counted in `going`. Under the mutex; what it returns must be let go outside.
std::shared_ptr<HttpConnection> HttpServer::Impl::WhoLeaves(size_t* going) const {
  for (;;) {
    HttpConnection* who = nullptr;
    std::optional<HttpConnection::Rank> greatest;
    *going = 0;
    for (const auto& [connection, weak] : core->connections) {
      if (weak.expired() || connection->IsGoing()) {  // expired: waits for the mutex to leave by itself
        ++*going;
        continue;
      }
      const std::optional<HttpConnection::Rank> rank = connection->RankToLeave();
      if (!rank || (greatest && !(*greatest < *rank))) continue;
      who = connection;
      greatest = rank;
    }
    if (who == nullptr) return nullptr;
    if (auto alive = who->weak_from_this().lock()) return alive;  // otherwise it ended just now: one more that is going
  }
}

void HttpServer::Impl::OnAccepted(HttpStream::Socket socket) {
  error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const ServerOptions& options = core->options;
  const asio::ip::address from = PlainAddress(remote.address());
  const bool trusted = std::find(options.trusted_addresses.begin(), options.trusted_addresses.end(),
                                 from.to_string()) != options.trusted_addresses.end();
  std::string address = trusted ? std::string() : CountedAddress(from);
  auto welcome = HttpConnection::Welcome::kServe;
  std::shared_ptr<HttpConnection> connection, leaves;
  {
    std::lock_guard lock(core->mutex);
    const size_t open = core->connections.size();
    const auto known = core->by_address.find(address);
    const size_t of_address = trusted || known == core->by_address.end() ? 0 : known->second->connections;
    const size_t reserve =
        of_address < kFewConnections ? std::max(kReserveMin, options.connections_max / 4) : kRefusedAtOnceMax;
    if (open >= options.connections_max + reserve ||
        of_address >= options.connections_per_address_max + kRefusedAtOncePerAddressMax) {
      core->refused_connections.Add();
      return;
    }
    if (of_address >= options.connections_per_address_max) {
      welcome = HttpConnection::Welcome::kRefuse;
    } else if (open >= options.connections_max) {
      size_t going = 0;  // their places are as good as free, and the reserve bounds how many that are
      leaves = WhoLeaves(&going);
      if (!leaves && open - going >= options.connections_max) welcome = HttpConnection::Welcome::kRefuse;
    }
    if (welcome == HttpConnection::Welcome::kRefuse) core->refused_connections.Add();
    std::shared_ptr<AddressUse>& use = core->by_address[address];
    if (!use) {
      use = std::make_shared<AddressUse>();
      use->trusted = trusted;  // read without the mutex from here on: follows from the address
    }
    ++use->connections;
    connection = std::make_shared<HttpConnection>(std::move(socket), core->tls, core, std::move(address), use);
    core->connections.emplace(connection.get(), connection);
    core->open_connections.Add(1);
  }
  if (leaves) {
    core->gave_way.Add();
    leaves->GiveWay();
  }
  connection->Open(welcome);
  if (core->stopping.load()) connection->StopSoon();
}

// The one timer of all connections: who waits for a client for too long is told to leave.
void HttpServer::Impl::Sweep() {
  const int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  std::vector<std::shared_ptr<HttpConnection>> overdue;  // let go outside the mutex: their destructor takes it
  {
    std::lock_guard lock(core->mutex);
    for (const auto& [raw, weak] : core->connections) {
      if (!raw->IsOverdue(now_ms)) continue;
      if (auto connection = weak.lock()) overdue.push_back(std::move(connection));
    }
  }
  for (const auto& connection : overdue) connection->EndWait();
  sweep->expires_after(std::chrono::milliseconds(kSweepMs));
  sweep->async_wait([this](error_code cancelled) {
    if (!cancelled) Sweep();
  });
}

void HttpServer::Impl::RunWorker() {
  while (!core->stopped.load()) {
    try {
      core->io.run();
      return;
    } catch (const std::exception& exception) {
      core->log.Error("worker.exception", {{"type", typeid(exception).name()}});
    }
  }
}

HttpServer::HttpServer() = default;

HttpServer::~HttpServer() {
  if (impl_) Stop(0);
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const ServerOptions& options, const RouteTable& routes,
                                                      Authenticator& authenticator, Metrics& metrics, Log& log,
                                                      const Clock& clock) {
  RAPPORT_RETURN_IF_ERROR(routes.Check());
  std::unique_ptr<HttpServer> server(new HttpServer);
  server->impl_ =
      std::make_unique<Impl>(std::make_shared<HttpCore>(options, routes, authenticator, metrics, log, clock));
  Impl& impl = *server->impl_;
  if (options.tls.used()) {
    Result<std::shared_ptr<TlsContext>> tls = LoadTls(options.tls);
    if (!tls.ok()) return tls.status();
    impl.core->tls = tls.Take();
  }
  RAPPORT_RETURN_IF_ERROR(impl.Listen());
  impl.keep_running.emplace(impl.core->io.get_executor());
  impl.sweep.emplace(asio::make_strand(impl.core->io));
  asio::post(impl.acceptor.get_executor(), [&impl] { impl.Accept(); });
  asio::post(impl.sweep->get_executor(), [&impl] { impl.Sweep(); });
  // One more than handlers at once: the one that reads and refuses while all the others work.
  for (size_t i = 0; i < impl.core->threads + 1; ++i) impl.threads.emplace_back([&impl] { impl.RunWorker(); });
  return server;
}

uint16_t HttpServer::port() const { return impl_->port; }
std::shared_ptr<const TlsContext> HttpServer::certificate() const {
  std::lock_guard lock(impl_->core->mutex);
  return impl_->core->tls;
}

Result<bool> HttpServer::ReloadCertificate() {
  HttpCore& core = *impl_->core;
  if (!core.options.tls.used()) return false;
  const std::string now = DigestOf(core.options.tls);
  if (now == impl_->certificate_tried || now == certificate()->loaded_from) return false;
  impl_->certificate_tried = now;  // half of a change is told once, the other half is tried again
  Result<std::shared_ptr<TlsContext>> tls = LoadTls(core.options.tls);
  if (!tls.ok()) return tls.status();
  impl_->certificate_tried.clear();
  std::lock_guard lock(core.mutex);
  core.tls = tls.Take();
  return true;
}

bool HttpServer::stopping() const { return impl_->core->stopping.load(); }

bool HttpServer::Stop(int64_t deadline_ms) {
  Impl& impl = *impl_;
  HttpCore& core = *impl.core;
  if (impl.stopped) return true;
  impl.stopped = true;
  core.stopping.store(true);
  // Closed before anybody is told to leave: whoever sees a connection end finds the door shut.
  const auto closed = std::make_shared<std::promise<void>>();
  asio::post(impl.acceptor.get_executor(), [&impl, closed] {
    error_code ignored;
    impl.acceptor.close(ignored);
    if (impl.pause) impl.pause->cancel();
    closed->set_value();
  });
  (void)closed->get_future().wait_for(std::chrono::milliseconds(deadline_ms));
  // A connection may die between lock() and use, and its destructor takes the mutex: so never hold one under it.
  const auto for_each = [&core](void (HttpConnection::*act)()) {
    std::vector<std::shared_ptr<HttpConnection>> open;
    {
      std::lock_guard lock(core.mutex);
      for (const auto& [raw, weak] : core.connections) {
        if (auto connection = weak.lock()) open.push_back(std::move(connection));
      }
    }
    for (const auto& connection : open) (connection.get()->*act)();
  };
  const auto await_empty = [&core](int64_t ms) {
    std::unique_lock lock(core.mutex);
    return core.emptied.wait_for(lock, std::chrono::milliseconds(ms), [&core] { return core.connections.empty(); });
  };
  for_each(&HttpConnection::StopSoon);
  const bool clean = await_empty(deadline_ms);
  if (!clean) {
    for_each(&HttpConnection::Abort);
    (void)await_empty(kSecondMs);  // handlers that never answer keep theirs: their answers are dropped
  }
  core.slow.join();
  core.stopped.store(true);
  impl.keep_running.reset();
  core.io.stop();
  for (std::thread& thread : impl.threads) thread.join();
  (void)core.work.TakeAll();  // they hold their connections, which hold the core
  return clean;
}

}  // namespace rapport

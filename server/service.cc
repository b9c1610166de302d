#include "server/service.h"

#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/file.h"
#include "server/backup_jobs.h"
#include "server/commands/store_access.h"
#include "server/contact_settings_json.h"
#include "server/endpoints/endpoints.h"
#include "server/endpoints/json_writer.h"
#include "server/problem.h"
#include "server/retention_clockwork.h"
#include "server/signing_secrets.h"
#include "server/training_clockwork.h"
#include "server/training_jobs.h"

namespace rapport {

namespace {

constexpr uint64_t kKeyFileBytesMax = 4096;
constexpr uint8_t kAllScopes = 0xff;

bool IsLoopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

// Where a command on this machine reaches a server that listens on `address`.
std::string ReachableHost(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  return address == "::" ? "::1" : address;
}

// Seconds until it ends: the one thing about a certificate that must be watched.
void AddCertificateSource(Metrics& metrics, const HttpServer& http, const Clock& clock) {
  if (!http.certificate()) return;
  metrics.AddSource(
      "rapport_certificate_expires_seconds", "seconds until the TLS certificate in service ends",
      [&http, &clock] { return static_cast<double>(http.certificate()->expires_at.ms - clock.Now().ms) / kSecondMs; });
}

void AddSources(Metrics& metrics, const Engine& engine) {
  const Store& store = engine.store();
  const auto from_store = [&](const char* name, const char* help, uint64_t StoreStatistics::*field) {
    metrics.AddSource(name, help, [&store, field] { return static_cast<double>(store.statistics().*field); });
  };
  from_store("rapport_store_customers", "customers known", &StoreStatistics::customers);
  from_store("rapport_store_items", "items known", &StoreStatistics::items);
  from_store("rapport_store_events", "events kept", &StoreStatistics::events);
  from_store("rapport_store_commits_total", "groups committed, one fsync each", &StoreStatistics::commits);
  from_store("rapport_store_operations_total", "operations applied", &StoreStatistics::operations);
  metrics.AddSource("rapport_store_read_failures_total", "reads that the disk failed or gave back damaged",
                    [&store] { return static_cast<double>(store.read_failures()); });
  from_store("rapport_store_queued_operations", "operations waiting for the disk", &StoreStatistics::queued_operations);
  const auto from_engine = [&](const char* name, const char* help, auto read) {
    metrics.AddSource(name, help, [&engine, read] { return static_cast<double>(read(engine)); });
  };
  from_engine("rapport_history_cache_hits_total", "customers found in the cache",
              [](const Engine& e) { return e.statistics().history_hits; });
  from_engine("rapport_history_cache_misses_total", "customers read from the store",
              [](const Engine& e) { return e.statistics().history_misses; });
  from_engine("rapport_training", "1 while a training runs",
              [](const Engine& e) { return e.statistics().training ? 1 : 0; });
  from_engine("rapport_model_generation", "model in service, 0: none",
              [](const Engine& e) { return e.models()->generation; });
}

}  // namespace

// What the configuration plans with; the process's whole is in the operating system's own figures.
void AddMemory(Metrics& metrics, const Config& config) {
  const auto gauge = [&metrics](const char* part, uint64_t bytes) {
    metrics.gauge("rapport_memory_planned_bytes", {{"part", part}}, "memory that caches and buffers may take")
        .Set(static_cast<int64_t>(bytes));
  };
  gauge("all", config.memory.bytes);
  gauge("block_cache", config.store.block_cache_bytes);
  gauge("write_buffer", config.store.write_buffer_bytes);
  gauge("filters", config.engine.filter_cache_bytes);
  metrics.gauge("rapport_history_cache_customers_max", {}, "customers whose history is kept in memory at most")
      .Set(static_cast<int64_t>(config.engine.history_cache_customers));
}

// Takes `folder` and its slash out of a text of JSON: "DATA/db/000012.log" -> "db/000012.log".
void HideFolder(const std::string& folder, std::string* json) {
  std::string written = JsonQuote(folder.ends_with('/') ? folder : folder + "/");
  written = written.substr(1, written.size() - 2);
  for (size_t at = json->find(written); at != std::string::npos; at = json->find(written, at)) {
    json->erase(at, written.size());
  }
}

// An answer during which a read failed is not to be trusted: lookups may have said "not there". The sender hears of it
// instead. What the store says of a failure names files: where they lie is for the log and for operators. One
// request's.
class TrustedAnswer final : public Responder::Target {
 public:
  TrustedAnswer(const Store& store, bool for_operator, Responder respond)
      : store_(store), for_operator_(for_operator), before_(store.read_failures()), respond_(std::move(respond)) {}
  void Answer(Response response) override {
    const bool doubtful = response.status < 500 && store_.read_failures() != before_;
    if (doubtful) response = ProblemResponse(store_.Health());
    if (response.status >= 500 && !for_operator_) HideFolder(store_.folder(), &response.body);
    respond_(std::move(response));
  }
  // The refusal is the inner responder's own.
  void Continue(std::function<void()> work, std::function<void()> /*refuse*/) override {
    respond_.Continue(std::move(work));
  }

 private:
  const Store& store_;
  const bool for_operator_;
  const uint64_t before_;
  const Responder respond_;
};

void RefuseDamage(RouteTable& routes, const Store& store) {
  routes.WrapHandlers([&store](Handler handle) -> Handler {
    return [&store, handle = std::move(handle)](const Request& request, Responder respond) {
      const bool for_operator = request.identity.Has(Scope::kOperate);
      handle(request, Responder(std::make_shared<TrustedAnswer>(store, for_operator, std::move(respond))));
    };
  });
}

// Members go down in the reverse of this order.
struct Service::Impl {
  Impl(std::string data_folder, const Config& configuration, Log& a_log, const Clock& a_clock)
      : folder(std::move(data_folder)), config(configuration), log(a_log), clock(a_clock) {}

  Status OpenStore();
  Status EnsureOperatorKey();
  Result<bool> UseSigningSecrets();
  Status Listen();
  Status WriteServerFile();
  Status Announce();

  const std::string folder;
  const Config config;
  Log& log;
  const Clock& clock;
  Metrics metrics;
  std::unique_ptr<Store> store;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<TrainingJobs> training;
  std::unique_ptr<RetentionClockwork> retention;  // none without a plan
  std::unique_ptr<BackupJobs> backups;
  std::unique_ptr<TrainingClockwork> clockwork;  // none without a schedule
  std::optional<StoreKeySource> key_source;
  std::optional<Authenticator> authenticator;
  std::optional<std::string> signing_tried;  // text of DATA/signing.keys when it was last read
  RouteTable routes;
  std::unique_ptr<HttpServer> http;
  bool stopped = false;
};

Status Service::Impl::OpenStore() {
  StoreOptions options = config.store;
  options.lock_note = "rapport serve, process " + std::to_string(::getpid());
  Result<std::unique_ptr<Store>> opened = Store::Open(folder, options);
  if (!opened.ok()) return opened.status();
  store = opened.Take();
  if (options.durability != Durability::kFsync) {
    log.Warning("store.no_fsync", {{"detail", "acknowledged events can be lost in a power cut: for tests only"}});
  }
  Result<std::unique_ptr<Engine>> made = Engine::Open(*store, config.engine);
  if (!made.ok()) return made.status();
  engine = made.Take();
  Result<ContactSettings> contacts = LoadContactSettings(*store);
  if (!contacts.ok()) {
    return Status(contacts.status().code(), "the stored channels and limits: " + contacts.status().message());
  }
  RAPPORT_RETURN_IF_ERROR(engine->UseContactSettings(contacts.Take()));
  if (!engine->startup_note().empty()) log.Warning("model.left_out", {{"detail", engine->startup_note()}});
  training = std::make_unique<TrainingJobs>(*engine, clock, log, config.training.threads);
  if (config.training.scheduled()) {
    auto clockwork_made = TrainingClockwork::Make(config.training, *engine, *training, clock, log, metrics);
    if (!clockwork_made.ok()) return clockwork_made.status();
    clockwork = clockwork_made.Take();
  }
  backups = std::make_unique<BackupJobs>(*store, BackupOptions{config.backup_folder, config.backups_kept}, clock, log);
  if (config.retention.any()) {
    retention = std::make_unique<RetentionClockwork>(config.retention, *store, clock, log, metrics);
  }
  key_source.emplace(*store);
  authenticator.emplace(*key_source, store->DeriveKey("visitor"));
  return UseSigningSecrets().status();
}

// False: nothing has changed since the last time. An error is told once and leaves the secrets in use as they are.
Result<bool> Service::Impl::UseSigningSecrets() {
  Result<std::string> text = ReadSigningSecretsText(folder);
  if (!text.ok()) return text.status();
  if (signing_tried == *text) return false;
  signing_tried = *text;
  const Result<std::vector<SigningSecret>> secrets = ParseSigningSecrets(*text);
  if (!secrets.ok()) return secrets.status();
  authenticator->UseVisitorKeys(KeysFor(*secrets, "visitor", store->DeriveKey("visitor")));
  engine->UseSigningKeys(KeysFor(*secrets, "recommendation", store->DeriveKey("recommendation")));
  return true;
}

// The record is durable before the file is there: a crash in between leaves a key that nobody has, never a file that
// does not work.
Status Service::Impl::EnsureOperatorKey() {
  const std::string path = OperatorKeyFile(folder);
  Result<std::string> text = ReadFile(path, kKeyFileBytesMax);
  if (text.ok()) {
    while (!text->empty() && text->back() == '\n') text->pop_back();
    const Result<Identity> identity = authenticator->Authenticate({"", *text, ""}, clock.Now());
    if (identity.ok() && identity->Has(Scope::kOperate)) return Status::Ok();
  } else if (text.status().code() != StatusCode::kNotFound) {
    return text.status();
  }
  const Result<NewKey> key = MakeKey("operator", KeyKind::kServer, kAllScopes, clock.Now());
  if (!key.ok()) return key.status();
  const auto put = store->ApplyAndWait({PutApiKey{key->record}});
  if (!put.ok()) return put.status();
  RAPPORT_RETURN_IF_ERROR((*put)[0].status);
  RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(path, key->text + "\n", FileMode::kSecret));
  log.Info("operator_key.written", {{"file", path}, {"detail", "it may do everything: keep it to yourself"}});
  return Status::Ok();
}

Status Service::Impl::Listen() {
  const EndpointContext context{*engine, *authenticator, metrics, log, clock, *training, backups.get()};
  AddEndpoints(routes, context);
  AddAdminRoutes(routes, context);
  AddModelRoutes(routes, context);
  const bool open_metrics = config.public_metrics || IsLoopback(config.server.address);
  AddHealthRoutes(routes, context, open_metrics ? std::nullopt : std::optional<Scope>(Scope::kOperate));
  RefuseDamage(routes, *store);
  AddSources(metrics, *engine);
  AddMemory(metrics, config);
  Result<std::unique_ptr<HttpServer>> started =
      HttpServer::Start(config.server, routes, *authenticator, metrics, log, clock);
  if (!started.ok()) return started.status();
  http = started.Take();
  AddCertificateSource(metrics, *http, clock);
  return Status::Ok();
}

Status Service::Impl::WriteServerFile() {
  const std::string host = ReachableHost(config.server.address);
  JsonWriter out;
  out.BeginObject().Key("host").String(host).Key("port").Unsigned(http->port());
  out.Key("process").Integer(::getpid());
  if (const auto tls = http->certificate()) out.Key("certificateSha256").String(tls->certificate_sha256);
  out.EndObject();
  return WriteFileAtomically(ServerFile(folder), out.Take() + "\n", FileMode::kPublic);
}

Status Service::Impl::Announce() {
  RAPPORT_RETURN_IF_ERROR(WriteServerFile());
  const std::string host = ReachableHost(config.server.address);
  RAPPORT_RETURN_IF_ERROR(store->SetLockNote("rapport serve, process " + std::to_string(::getpid()) +
                                             ", listening on " + host + " port " + std::to_string(http->port())));
  const StoreStatistics kept = store->statistics();
  if (const auto tls = http->certificate()) {
    log.Info("certificate.loaded", {{"expires", FormatRfc3339(tls->expires_at)}});
  }
  log.Info("server.started", {{"address", config.server.address},
                              {"port", static_cast<uint64_t>(http->port())},
                              {"data", folder},
                              {"operatorKey", OperatorKeyFile(folder)},
                              {"customers", kept.customers},
                              {"items", kept.items},
                              {"events", kept.events},
                              {"generation", engine->models()->generation},
                              {"memoryBytes", config.memory.bytes},
                              {"blockCacheBytes", static_cast<uint64_t>(config.store.block_cache_bytes)},
                              {"version", RAPPORT_VERSION}});
  return Status::Ok();
}

Service::Service() = default;
Service::~Service() {
  if (impl_) Stop();
}

Result<std::unique_ptr<Service>> Service::Start(const std::string& folder, const Config& config, Log& log,
                                                const Clock& clock) {
  std::unique_ptr<Service> service(new Service);
  service->impl_ = std::make_unique<Impl>(folder, config, log, clock);
  Impl& impl = *service->impl_;
  RAPPORT_RETURN_IF_ERROR(impl.OpenStore());
  RAPPORT_RETURN_IF_ERROR(impl.EnsureOperatorKey());
  RAPPORT_RETURN_IF_ERROR(impl.Listen());
  RAPPORT_RETURN_IF_ERROR(impl.Announce());
  if (impl.clockwork) impl.clockwork->Start();
  if (impl.retention) impl.retention->Start();
  return service;
}

void Service::Reload(Why why) {
  Impl& impl = *impl_;
  const Result<bool> signing = impl.UseSigningSecrets();
  if (!signing.ok()) impl.log.Error("signing.refused", {{"detail", signing.status().message()}});
  if (signing.ok() && *signing) {
    impl.log.Info("signing.rotated", {{"detail", "a new secret signs; what earlier ones signed is taken as well"}});
  }
  const Result<bool> certificate = impl.http->ReloadCertificate();
  if (!certificate.ok()) {
    impl.log.Error("certificate.refused",
                   {{"detail", certificate.status().message() + "; the one before stays in service"}});
  } else if (*certificate) {
    const Status announced = impl.WriteServerFile();
    impl.log.Info("certificate.loaded", {{"expires", FormatRfc3339(impl.http->certificate()->expires_at)},
                                         {"detail", announced.ok() ? "for new connections" : announced.message()}});
  } else if (why == Why::kAsked && signing.ok() && !*signing) {
    impl.log.Info("reload.nothing_changed");
  }
}

uint16_t Service::port() const { return impl_->http->port(); }
const RouteTable& Service::routes() const { return impl_->routes; }

bool Service::Stop() {
  Impl& impl = *impl_;
  if (impl.stopped) return true;
  impl.stopped = true;
  if (impl.backups) impl.backups->Stop();  // one in the making would hold the stop up; its sender is told
  const bool clean = !impl.http || impl.http->Stop(impl.config.stop_timeout_ms);
  if (impl.http) {
    std::error_code ignored;  // commands that find a file of a stopped server say that nobody answers
    std::filesystem::remove(ServerFile(impl.folder), ignored);
  }
  if (impl.clockwork) impl.clockwork->Stop();
  if (impl.retention) impl.retention->Stop();
  if (impl.training) impl.training->Stop();
  // Writes whose clients were cut off still have callbacks into the parts above the store: let them run first.
  if (impl.store) (void)impl.store->ApplyAndWait({});
  return clean;
}

}  // namespace rapport

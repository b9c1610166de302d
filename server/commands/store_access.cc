#include "server/commands/store_access.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "server/problem.h"

namespace rapport {

namespace {

constexpr uint64_t kSmallFileBytesMax = 64 * 1024;
constexpr size_t kApplyBytesMax = 48u << 20;  // below what POST /v1/admin/apply takes
constexpr int kApplyTriesMax = 60;
constexpr int64_t kCallTimeoutMs = 10 * kMinuteMs;  // a checkpoint of a large store, a model that is checked

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

// "a/b c" -> "a%2Fb%20c"
std::string PercentEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<uint8_t>(c) >> 4];
      out += kHex[static_cast<uint8_t>(c) & 15];
    }
  }
  return out;
}

// Where the server that holds the store listens, and the key to it. kNotFound: no server says that it holds it.
Result<HttpClientOptions> FindServer(const std::string& folder) {
  const Result<std::string> file = ReadFile(ServerFile(folder), kSmallFileBytesMax);
  if (!file.ok()) return Status::NotFound("no server says that it holds the store");
  const auto json = nlohmann::json::parse(*file, nullptr, false);
  if (!json.is_object() || !json.contains("host") || !json["host"].is_string() || !json.contains("port") ||
      !json["port"].is_number_unsigned()) {
    return Status::NotFound(ServerFile(folder) + " is not what a server writes");
  }
  const Result<std::string> key = ReadFile(OperatorKeyFile(folder), kSmallFileBytesMax);
  if (!key.ok()) {
    return Status(key.status().code(),
                  "a server holds the store, and its operator key cannot be read: " + key.status().message());
  }
  HttpClientOptions options;
  options.host = json["host"].get<std::string>();
  options.port = json["port"].get<uint16_t>();
  options.key = Trimmed(*key);
  if (json.contains("certificateSha256") && json["certificateSha256"].is_string()) {
    options.certificate_sha256 = json["certificateSha256"].get<std::string>();
  }
  options.timeout_ms = kCallTimeoutMs;
  return options;
}

// Operations to a server's store, durable when it answers. One owner, one thread.
class RemoteSink final : public OperationSink {
 public:
  explicit RemoteSink(const HttpClient& client) : client_(client) {}

  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override {
    const std::string bytes = EncodeOperations(operations);
    if (bytes.size() > kApplyBytesMax && operations.size() > 1) return ApplyHalves(std::move(operations));
    const size_t count = operations.size();
    // A full queue says so at once; a bulk import is the one that can wait. Sending again is safe: each operation
    // is, or changes nothing the second time.
    for (int tried = 1;; ++tried) {
      Result<Response> response = client_.Call(Method::kPost, "/v1/admin/apply", "application/octet-stream", bytes);
      const bool full = !response.ok() && response.status().code() == StatusCode::kResourceExhausted;
      if (full && tried < kApplyTriesMax) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        continue;
      }
      if (!response.ok()) return response.status();
      Result<std::vector<OperationResult>> results = DecodeOperationResults(response->body);
      if (results.ok() && results->size() != count) {
        return Status::Internal("the server answered " + std::to_string(results->size()) + " of " +
                                std::to_string(count) + " operations");
      }
      return results;
    }
  }

 private:
  Result<std::vector<OperationResult>> ApplyHalves(std::vector<Operation> operations) {
    const auto middle = operations.begin() + static_cast<ptrdiff_t>(operations.size() / 2);
    std::vector<Operation> second(std::make_move_iterator(middle), std::make_move_iterator(operations.end()));
    operations.erase(middle, operations.end());
    Result<std::vector<OperationResult>> results = ApplyAndWait(std::move(operations));
    if (!results.ok()) return results;
    Result<std::vector<OperationResult>> more = ApplyAndWait(std::move(second));
    if (!more.ok()) return more;
    for (OperationResult& result : *more) results->push_back(std::move(result));
    return results;
  }

  const HttpClient& client_;
};

}  // namespace

std::string ServerFile(const std::string& folder) { return folder + "/server.json"; }
std::string OperatorKeyFile(const std::string& folder) { return folder + "/operator.key"; }

StoreOptions ReadingStoreOptions() {
  StoreOptions options;
  options.create_if_missing = false;
  return options;
}

struct StoreSession::Impl {
  std::string folder;
  std::unique_ptr<Store> store;        // the store itself, or the checkpoint
  std::unique_ptr<HttpClient> client;  // set while a server holds the store
  std::unique_ptr<RemoteSink> sink;
  std::string checkpoint;  // lent, to be given back

  Status OpenThroughServer(StorePurpose purpose);
};

Status StoreSession::Impl::OpenThroughServer(StorePurpose purpose) {
  if (purpose == StorePurpose::kWrite) {
    sink = std::make_unique<RemoteSink>(*client);
    return sink->ApplyAndWait({}).status();  // says now that the server is there and the key is right
  }
  const Result<Response> lent = client->Call(Method::kPost, "/v1/admin/checkpoint");
  if (!lent.ok()) return lent.status();
  const auto json = nlohmann::json::parse(lent->body, nullptr, false);
  if (!json.is_object() || !json.contains("folder") || !json["folder"].is_string()) {
    return Status::Internal("the server lent a checkpoint without saying where");
  }
  checkpoint = json["folder"].get<std::string>();
  Result<std::unique_ptr<Store>> opened = Store::Open(checkpoint, ReadingStoreOptions(), StoreAccess::kReadOnly);
  if (!opened.ok()) return opened.status();
  store = opened.Take();
  return Status::Ok();
}

StoreSession::StoreSession() : impl_(std::make_unique<Impl>()) {}

StoreSession::~StoreSession() {
  if (impl_->checkpoint.empty()) return;
  impl_->store.reset();
  // Nobody is left to tell: what is not given back now goes when the server stops.
  (void)impl_->client->Call(Method::kDelete, "/v1/admin/checkpoint?folder=" + PercentEncode(impl_->checkpoint));
}

Result<std::unique_ptr<StoreSession>> StoreSession::Open(const std::string& folder, StorePurpose purpose,
                                                         const StoreOptions& options) {
  std::unique_ptr<StoreSession> session(new StoreSession);
  Impl& impl = *session->impl_;
  impl.folder = folder;
  Result<std::unique_ptr<Store>> store = Store::Open(folder, options);
  if (store.ok()) {
    impl.store = store.Take();
    return session;
  }
  if (store.status().code() != StatusCode::kUnavailable) return store.status();
  const Result<HttpClientOptions> server = FindServer(folder);
  if (!server.ok()) {
    return server.status().code() == StatusCode::kNotFound ? store.status() : server.status();
  }
  impl.client = std::make_unique<HttpClient>(*server);
  const Status opened = impl.OpenThroughServer(purpose);
  if (!opened.ok()) return Status(opened.code(), store.status().message() + "; asking its server: " + opened.message());
  return session;
}

const Store& StoreSession::store() const { return *impl_->store; }
Store& StoreSession::store() { return *impl_->store; }
OperationSink& StoreSession::sink() {
  if (impl_->sink) return *impl_->sink;
  return *impl_->store;
}
Store* StoreSession::local() { return impl_->client ? nullptr : impl_->store.get(); }
HttpClient* StoreSession::server() { return impl_->client.get(); }
std::string StoreSession::models_folder() const { return impl_->folder + "/models"; }

}  // namespace rapport

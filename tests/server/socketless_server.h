// The whole server without a socket: a store in a fresh folder, an engine, the whole route table, and the gatekeeper in
// front of it. Answer() waits for the one answer, from whichever thread it comes. For tests and fuzzing.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/temp_folder.h"
#include "server/backup_jobs.h"
#include "server/endpoints/endpoints.h"
#include "server/gatekeeper.h"
#include "server/training_jobs.h"
#include "tests/server/waiting_responder.h"

namespace rapport {

// Its members stand open to what derives from it. Throws std::runtime_error when it cannot be made.
class SocketlessServer {
 public:
  explicit SocketlessServer(EngineOptions options = {}, const StoreOptions& store_options = {}) {
    store_ = Made(Store::Open(folder_.path() + "/store", store_options));
    engine_ = Made(Engine::Open(*store_, std::move(options)));
    keys_ = std::make_unique<StoreKeySource>(*store_);
    authenticator_ = std::make_unique<Authenticator>(*keys_, store_->DeriveKey("visitor"));
    training_ = std::make_unique<TrainingJobs>(*engine_, clock_, log_);
    const BackupOptions backups{.folder = folder_.path() + "/backups", .keep = 1};
    backups_ = std::make_unique<BackupJobs>(*store_, backups, clock_, log_);
    const EndpointContext context{*engine_, *authenticator_, metrics_, log_, clock_, *training_, backups_.get()};
    AddEndpoints(table_, context);
    AddAdminRoutes(table_, context);
    AddHealthRoutes(table_, context, std::nullopt);
    AddModelRoutes(table_, context);
    gate_ = std::make_unique<Gatekeeper>(table_, *authenticator_, std::vector<std::string>{});
    operator_key_ = AddKey(KeyKind::kServer, 0xff);
  }

  std::string AddKey(KeyKind kind, uint8_t scopes) {
    const NewKey key = Made(MakeKey("test", kind, scopes, clock_.Now()));
    Made(store_->ApplyAndWait({PutApiKey{key.record}}));
    return key.text;
  }

 protected:
  template <typename Value>
  static Value Made(Result<Value> value) {
    if (!value.ok()) throw std::runtime_error(value.status().ToString());
    return value.Take();
  }
  // Of this moment; no key, no header.
  Request NewRequest() const {
    Request request;
    request.received_at = clock_.Now();
    return request;
  }
  // What the gatekeeper says, else what the route does with the body.
  Response Answer(const Admission& admission, Request request, const std::string& body) {
    if (admission.refusal) return *admission.refusal;
    request.body = body;
    if (auto refusal = gate_->AdmitBody(*admission.route, request)) return *refusal;
    const auto client = std::make_shared<WaitingResponder>();
    admission.route->handler(request, Responder(client));
    return client->Wait();
  }

  TempFolder folder_;
  ManualClock clock_{*ParseRfc3339("2026-03-01T12:00:00Z")};
  Log log_{nullptr, clock_};
  Metrics metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<StoreKeySource> keys_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<TrainingJobs> training_;
  std::unique_ptr<BackupJobs> backups_;
  RouteTable table_;
  std::unique_ptr<Gatekeeper> gate_;
  std::string operator_key_;
};

}  // namespace rapport

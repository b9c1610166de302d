// The endpoints without a socket: a real store in a fresh folder, an engine, the whole route table, and the gatekeeper
// in front of it. Ask() waits for the one answer, from whichever thread it comes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/temp_folder.h"
#include "server/backup_jobs.h"
#include "server/endpoints/endpoints.h"
#include "server/gatekeeper.h"
#include "server/training_jobs.h"
#include "tests/server/waiting_responder.h"

namespace rapport {

struct Answered {
  int status = 0;
  std::string content_type, body;
  nlohmann::json json;  // discarded when the body is none
  std::string detail() const { return json.is_object() ? json.value("detail", "") : ""; }
};

// "PUT /v1/items" with a body: what a test sends.
struct Sent {
  std::string method, target, body = {};
  std::string key = {};      // empty: the operator's
  std::string visitor = {};  // of a browser key
  bool no_key = false;
};

class EndpointsTest : public ::testing::Test {
 protected:
  explicit EndpointsTest(EngineOptions options = {}) {
    Result<std::unique_ptr<Store>> store = Store::Open(folder_.path() + "/store", StoreOptions{});
    if (!store.ok()) throw std::runtime_error(store.status().ToString());
    store_ = store.Take();
    Result<std::unique_ptr<Engine>> engine = Engine::Open(*store_, std::move(options));
    if (!engine.ok()) throw std::runtime_error(engine.status().ToString());
    engine_ = engine.Take();
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
    const Result<NewKey> key = MakeKey("test", kind, scopes, clock_.Now());
    EXPECT_TRUE(key.ok()) << key.status().ToString();
    EXPECT_TRUE(store_->ApplyAndWait({PutApiKey{key->record}}).ok());
    return key->text;
  }
  static uint8_t Bits(std::initializer_list<Scope> scopes) {
    unsigned bits = 0;
    for (const Scope scope : scopes) bits |= 1u << static_cast<unsigned>(scope);
    return static_cast<uint8_t>(bits);
  }

  Answered Ask(const Sent& sent) {
    Request request;
    request.received_at = clock_.Now();
    if (!sent.no_key) {
      request.headers.emplace_back("authorization", "Bearer " + (sent.key.empty() ? operator_key_ : sent.key));
    }
    if (!sent.visitor.empty()) request.headers.emplace_back("x-rapport-visitor", sent.visitor);
    const Admission admission = gate_->Admit(sent.method, sent.target, request);
    if (admission.refusal) return AnsweredOf(*admission.refusal);
    request.body = sent.body;
    if (const auto refusal = gate_->AdmitBody(*admission.route, request)) return AnsweredOf(*refusal);
    const auto client = std::make_shared<WaitingResponder>();
    admission.route->handler(request, Responder(client));
    return AnsweredOf(client->Wait());
  }
  Answered Get(const std::string& target) { return Ask({"GET", target}); }
  Answered Post(const std::string& target, const std::string& body) { return Ask({"POST", target, body}); }
  Answered Put(const std::string& target, const std::string& body) { return Ask({"PUT", target, body}); }

  std::vector<std::string> ItemIds(const Answered& answered) {
    std::vector<std::string> ids;
    if (answered.json.contains("items")) {
      for (const auto& item : answered.json["items"]) ids.push_back(item["itemId"]);
    }
    return ids;
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

 private:
  static Answered AnsweredOf(const Response& response) {
    Answered out{response.status, response.content_type, response.body, {}};
    out.json = nlohmann::json::parse(response.body, nullptr, false);
    return out;
  }
};

}  // namespace rapport

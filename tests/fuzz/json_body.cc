// See targets.h.
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/temp_folder.h"
#include "server/endpoints/endpoints.h"
#include "server/gatekeeper.h"
#include "server/training_jobs.h"
#include "tests/server/waiting_responder.h"

namespace rapport::fuzz {
namespace {

// A server without a socket, on a store of its own. One owner, one thread.
class Shop {
 public:
  Shop() {
    StoreOptions options;
    options.durability = Durability::kNoSync;  // nothing here is to last
    store_ = Store::Open(folder_.path() + "/store", options).Take();
    engine_ = Engine::Open(*store_, {}).Take();
    keys_ = std::make_unique<StoreKeySource>(*store_);
    authenticator_ = std::make_unique<Authenticator>(*keys_, store_->DeriveKey("visitor"));
    training_ = std::make_unique<TrainingJobs>(*engine_, clock_, log_);
    const EndpointContext context{*engine_, *authenticator_, metrics_, log_, clock_, *training_};
    AddEndpoints(table_, context);
    AddAdminRoutes(table_, context);
    AddModelRoutes(table_, context);
    gate_ = std::make_unique<Gatekeeper>(table_, *authenticator_, std::vector<std::string>{});
    const NewKey key = MakeKey("fuzz", KeyKind::kServer, 0xff, clock_.Now()).Take();
    key_ = "Bearer " + key.text;
    Promise(store_->ApplyAndWait({PutApiKey{key.record}}).ok(), "a key is kept");
    Ask("PUT", "/v1/items", R"([{"itemId":"tea","title":"Tea","price":"3","categories":["tea"]},{"itemId":"pot"}])");
    Ask("POST", "/v1/track", R"({"userId":"ada","event":"Product Viewed","properties":{"sku":"tea"}})");
  }

  Response Ask(const std::string& method, const std::string& target, std::string body) {
    Request request;
    request.received_at = clock_.Now();
    request.headers.emplace_back("authorization", key_);
    const Admission admission = gate_->Admit(method, target, request);
    if (admission.refusal) return *admission.refusal;
    // Minutes of work, copies of the store, and bytes that only our own command line sends.
    const std::string& route = admission.route->pattern;
    if (route == "/v1/models/train" || route.starts_with("/v1/admin/")) return JsonResponse(200, "{}");
    request.body = std::move(body);
    if (const auto refusal = gate_->AdmitBody(*admission.route, request)) return *refusal;
    const auto client = std::make_shared<WaitingResponder>();
    admission.route->handler(request, Responder(client));
    return client->Wait();
  }

 private:
  TempFolder folder_;
  ManualClock clock_{Timestamp{1772366400000}};
  Log log_{nullptr, clock_};
  Metrics metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<StoreKeySource> keys_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<TrainingJobs> training_;
  RouteTable table_;
  std::unique_ptr<Gatekeeper> gate_;
  std::string key_;
};

}  // namespace

void JsonBody(std::string_view bytes) {
  constexpr int kCallsPerShop = 20000;
  // Made at once: what RocksDB makes on the way must outlive it.
  static std::unique_ptr<Shop> shop = std::make_unique<Shop>();
  static int calls = 0;
  if (++calls % kCallsPerShop == 0) {
    shop.reset();
    shop = std::make_unique<Shop>();
  }
  const size_t line = std::min(bytes.find('\n'), bytes.size());
  const size_t space = std::min(bytes.find(' '), line);
  const std::string target(bytes.substr(std::min(space + 1, line), line - std::min(space + 1, line)));
  const Response answer = shop->Ask(std::string(bytes.substr(0, space)), target,
                                    std::string(bytes.substr(std::min(line + 1, bytes.size()))));
  Promise(answer.status < 500 || answer.status == 503, "a request is never a fault of the server");
  if (answer.content_type.find("json") == std::string::npos) return;
  Promise(nlohmann::json::accept(answer.body), "an answer that says it is JSON is JSON");
}

}  // namespace rapport::fuzz

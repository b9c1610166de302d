// See targets.h.
#include <simdjson.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/fuzz/targets.h"
#include "tests/server/socketless_server.h"

namespace rapport::fuzz {
namespace {

// A server of its own. One owner, one thread.
class Shop : private SocketlessServer {
 public:
  Shop() : SocketlessServer({}, Passing()) {
    Ask("PUT", "/v1/items", R"([{"itemId":"tea","title":"Tea","price":"3","categories":["tea"]},{"itemId":"pot"}])");
    Ask("POST", "/v1/track", R"({"userId":"ada","event":"Product Viewed","properties":{"sku":"tea"}})");
  }

  Response Ask(const std::string& method, const std::string& target, const std::string& body) {
    Request request = NewRequest();
    request.headers.emplace_back("authorization", "Bearer " + operator_key_);
    const Admission admission = gate_->Admit(method, target, request);
    // Minutes of work, copies of the store, and bytes that only our own command line sends.
    const std::string route = admission.route != nullptr ? admission.route->pattern : "";
    if (route == "/v1/models/train" || route.starts_with("/v1/admin/")) return JsonResponse(200, "{}");
    return Answer(admission, std::move(request), body);
  }

 private:
  static StoreOptions Passing() {
    StoreOptions options;
    options.durability = Durability::kNoSync;  // nothing here is to last
    return options;
  }
};

// simdjson is built without sanitizers, so most answers cost little; it refuses integers beyond 64 bits, which JSON may
// hold: what it refuses is asked of nlohmann::json.
bool IsJson(const std::string& text) {
  static simdjson::dom::parser parser;
  return parser.parse(text).error() == simdjson::SUCCESS || nlohmann::json::accept(text);
}

}  // namespace

void JsonBody(std::string_view bytes) {
  // A shop that keeps thousands of events is slow to export, and says nothing that one with hundreds does not.
  constexpr int kCallsPerShop = 2000;
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
  Promise(IsJson(answer.body), "an answer that says it is JSON is JSON");
}

}  // namespace rapport::fuzz

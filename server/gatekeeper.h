// What stands between a parsed header and a handler: the path, the table, the key, its scope, browsers' origins. Knows
// no socket; default deny is here and in RouteTable::Match and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/auth.h"
#include "server/http_message.h"
#include "server/route_table.h"

namespace rapport {

struct Admission {
  const Route* route = nullptr;                              // set when the path and method exist, also when refused
  std::optional<Response> refusal;                           // the answer, and no handler runs
  std::vector<std::pair<std::string, std::string>> headers;  // CORS: added to whatever is answered
};

// Immutable, thread-safe. References must outlive it.
class Gatekeeper {
 public:
  Gatekeeper(const RouteTable& routes, Authenticator& authenticator, std::vector<std::string> origins)
      : routes_(routes), authenticator_(authenticator), origins_(std::move(origins)) {}

  // `method` and `target` as in the request line; `request.headers` and `.received_at` must be set. Fills the rest of
  // the request but the body.
  Admission Admit(std::string_view method, std::string_view target, Request& request) const;
  // The last word before the handler, once the body is there: nobody passes a scoped route without an identity.
  std::optional<Response> AdmitBody(const Route& route, Request& request) const;

 private:
  Admission Refuse(Admission admission, Response response) const;
  std::optional<Response> CheckKey(const Route& route, Request& request) const;
  std::optional<Response> Authorize(const Route& route, const Credentials& credentials, Request& request) const;
  bool IsConfiguredOrigin(std::string_view origin) const;

  const RouteTable& routes_;
  Authenticator& authenticator_;
  const std::vector<std::string> origins_;
};

// The text of the top-level member "writeKey" of a JSON object; empty when there is none. Stops at the first one.
std::string FindWriteKey(std::string_view json);

}  // namespace rapport

// What travels between the transport (server/http_*.cc) and the handlers: a request as plain values and its answer.
// No Beast here: handlers never see the socket.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/records.h"

namespace rapport {

// HEAD is answered by the GET handler (the transport drops the body), OPTIONS by the transport itself.
enum class Method : uint8_t { kGet, kPost, kPut, kPatch, kDelete };
const char* MethodName(Method method);  // "GET"

// Who asks. Made by server/auth from the request's key; empty on public routes called without one.
struct Identity {
  std::string key_id;  // empty: nobody
  KeyKind kind = KeyKind::kServer;
  uint8_t scopes = 0;                  // bit per Scope
  std::optional<CustomerRef> visitor;  // browser keys: the one customer they may act for
  bool Has(Scope scope) const { return (scopes >> static_cast<unsigned>(scope)) & 1; }
};

// Ok when this identity may read or write for `customer`: every server key may; a browser key only for the visitor of
// its signed token (kPermissionDenied otherwise). Every handler of a Browsers::kAllowed route calls it for each
// customer named.
Status MayActFor(const Identity& identity, const CustomerRef& customer);

// One request. The transport keeps it alive and unchanged until its Responder was called, so handlers may keep a
// reference to it (or views into it) for exactly that long.
struct Request {
  Method method = Method::kGet;
  std::string route;                              // the pattern that matched ("/v1/items/{id}"): for metrics and logs
  std::vector<std::string> segments;              // of the path, percent-decoded: any bytes, slashes too
  std::map<std::string, std::string> parameters;  // values of the pattern's {names}, percent-decoded
  std::map<std::string, std::string> query;       // percent-decoded, '+' is a space; a name given twice is refused
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;
  Identity identity;
  Timestamp received_at;  // the one reading of the clock for this request

  // Empty when absent. `name` in lower case; the first one counts.
  std::string_view Header(std::string_view name) const;
  // Empty when the pattern has no such {name}.
  const std::string& Parameter(const std::string& name) const;
  // Empty when absent.
  const std::string& Query(const std::string& name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";  // empty with an empty body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

Response JsonResponse(int status, std::string json);

// Takes the one answer of one request. Copyable, callable from any thread (the store's committer, say); the first call
// counts, later ones are ignored. When the last copy goes away uncalled the client gets a 500, never silence.
class Responder {
 public:
  // Called at most once, from any thread. Implemented by the transport and by tests.
  class Target {
   public:
    virtual ~Target() = default;
    virtual void Answer(Response response) = 0;
    // Calls exactly one of the two, or neither when the server ends: `work` on a worker, as a handler; `refuse` from
    // any thread when the request's deadline is over.
    virtual void Continue(std::function<void()> work, std::function<void()> refuse) = 0;
  };
  explicit Responder(std::shared_ptr<Target> target);
  void operator()(Response response) const;
  // The rest of a handler's work, after it waited for the store: on a worker, never on the thread that brought the
  // news, which has others to tell. `work` keeps a copy of the responder and answers; a deadline that is over answers
  // 503 in its place.
  void Continue(std::function<void()> work) const;

 private:
  struct Once;
  std::shared_ptr<Once> once_;
};

}  // namespace rapport

// The one table of routes: method, path pattern, who may call it, handler. Default deny: what is not in the table is
// 404, what does not say kPublic needs a key with its scope, and browser keys reach only what says Browsers::kAllowed.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/records.h"
#include "server/http_message.h"

namespace rapport {

// Runs on a worker thread; must not block on disk writes: answer from Store::Apply's callback instead. The request
// lives until the responder is called. A handler that throws is logged and answered with 500.
using Handler = std::function<void(const Request&, Responder)>;

enum class Browsers : uint8_t {
  kRefused,  // server keys only
  kAllowed,  // browser keys too: the handler calls MayActFor for every customer it touches; CORS applies
};

// Where a request's key may stand.
enum class KeyPlace : uint8_t {
  kHeaders,
  kHeadersOrBody,  // or as "writeKey" in a JSON body, where Segment's Node client 2.0 to 2.3 puts it: checked once the
                   // body is read, before the handler runs
};

// How long a handler may be at work, and so where it runs.
enum class Work : uint8_t {
  kShort,  // on a worker
  kLong,   // on the pool for slow work (checkpoints, model files): never holds up page views
};

struct Route {
  Method method = Method::kGet;
  std::string pattern;  // "/v1/items/{id}/similar": each {name} matches exactly one segment, also with %2F inside
  std::optional<Scope> scope;  // nullopt: public
  Handler handler;
  Browsers browsers = Browsers::kRefused;
  Work work = Work::kShort;
  KeyPlace key_place = KeyPlace::kHeaders;
  size_t body_bytes_max = 0;  // 0: the server's limit; can also raise it (imports)
};

struct RouteMatch {
  const Route* route = nullptr;  // null: see `allowed`
  std::map<std::string, std::string> parameters;
  std::vector<Method> allowed;  // no route and not empty: the path exists with these methods (405)
};

// Built once at start, then immutable and thread-safe.
class RouteTable {
 public:
  // REQUIRES that no route with the same method and shape was added (asserted by Check).
  // The reference is good until the next Add.
  Route& Add(Route route);
  // Puts something around every handler that is there.
  void WrapHandlers(const std::function<Handler(Handler)>& wrap) {
    for (Route& route : routes_) route.handler = wrap(std::move(route.handler));
  }
  // kInvalidArgument: a pattern that is malformed, or two routes that match the same requests.
  Status Check() const;
  // A literal segment wins over a {name}, from left to right.
  RouteMatch Match(Method method, const std::vector<std::string>& segments) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Piece {
    std::string text;
    bool parameter = false;
  };
  std::vector<Route> routes_;
  std::vector<std::vector<Piece>> pieces_;  // of routes_[i]
};

// "/a%2Fb/c" -> {"a/b", "c"}; "/" -> {}. kInvalidArgument: no leading slash, an empty segment, "%" without two hex
// digits, a segment longer than limits::kExternalIdBytesMax.
Result<std::vector<std::string>> SplitPath(std::string_view path);
// "a=1&b=%20" -> {{"a","1"},{"b"," "}}. kInvalidArgument: bad escapes, a name given twice.
Result<std::map<std::string, std::string>> ParseQuery(std::string_view query);

}  // namespace rapport

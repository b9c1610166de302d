#include "server/gatekeeper.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/problem.h"

namespace rapport {

namespace {

constexpr std::string_view kCorsHeaders = "Authorization, Content-Type, X-API-Key, X-Deadline-Ms, X-Rapport-Visitor";

std::optional<Method> ParseMethod(std::string_view text) {
  if (text == "GET" || text == "HEAD") return Method::kGet;
  if (text == "POST") return Method::kPost;
  if (text == "PUT") return Method::kPut;
  if (text == "PATCH") return Method::kPatch;
  if (text == "DELETE") return Method::kDelete;
  return std::nullopt;
}

std::string AllowList(const std::vector<Method>& methods) {
  std::string out = "OPTIONS";
  for (const Method method : methods) {
    out += std::string(", ") + MethodName(method);
    if (method == Method::kGet) out += ", HEAD";
  }
  return out;
}

// "http://host:80/path?query" -> "/path?query": proxies may send the absolute form (RFC 9112, 3.2.2).
std::string_view OriginForm(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t slash = target.find_first_of("/?");
    return slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target;
}

}  // namespace

bool Gatekeeper::IsConfiguredOrigin(std::string_view origin) const {
  return std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

Admission Gatekeeper::Refuse(Admission admission, Response response) const {
  admission.refusal = std::move(response);
  return admission;
}

Admission Gatekeeper::Admit(std::string_view method, std::string_view target, Request& request) const {
  Admission admission;
  target = OriginForm(target);
  const size_t question = std::min(target.find('?'), target.size());
  Result<std::vector<std::string>> segments = SplitPath(target.substr(0, question));
  if (!segments.ok()) return Refuse(std::move(admission), ProblemResponse(segments.status()));
  Result<std::map<std::string, std::string>> query = ParseQuery(target.substr(std::min(question + 1, target.size())));
  if (!query.ok()) return Refuse(std::move(admission), ProblemResponse(query.status()));
  request.segments = segments.Take();
  request.query = query.Take();

  const bool options = method == "OPTIONS";
  const std::optional<Method> known = ParseMethod(options ? request.Header("access-control-request-method") : method);
  RouteMatch match = routes_.Match(known.value_or(Method::kGet), request.segments);
  if (match.allowed.empty()) {
    return Refuse(
        std::move(admission),
        ProblemResponse(404, "no-such-path", "there is nothing at this path; /openapi.json lists what there is"));
  }
  const std::string_view origin = request.Header("origin");
  if (match.route && match.route->browsers == Browsers::kAllowed && !origins_.empty()) {
    admission.headers.emplace_back("Vary", "Origin");
    if (!origin.empty() && IsConfiguredOrigin(origin)) {
      admission.headers.emplace_back("Access-Control-Allow-Origin", origin);
    }
  }
  if (options) {
    Response response{204, "", "", {{"Allow", AllowList(match.allowed)}}};
    if (admission.headers.size() == 2 && known) {
      response.headers.emplace_back("Access-Control-Allow-Methods", AllowList(match.allowed));
      response.headers.emplace_back("Access-Control-Allow-Headers", kCorsHeaders);
      response.headers.emplace_back("Access-Control-Max-Age", "600");
    }
    return Refuse(std::move(admission), std::move(response));
  }
  if (!known || match.route == nullptr) {
    const std::string allow = AllowList(match.allowed);
    Response response = ProblemResponse(405, "method-not-allowed", "this path takes " + allow);
    response.headers.emplace_back("Allow", allow);
    return Refuse(std::move(admission), std::move(response));
  }
  admission.route = match.route;
  request.method = *known;
  request.route = match.route->pattern;
  request.parameters = std::move(match.parameters);
  admission.refusal = CheckKey(*match.route, request);
  return admission;
}

std::optional<Response> Gatekeeper::CheckKey(const Route& route, Request& request) const {
  const Credentials credentials{request.Header("authorization"), request.Header("x-api-key"),
                                request.Header("x-rapport-visitor")};
  const bool none = credentials.authorization.empty() && credentials.api_key.empty();
  if (none && (!route.scope || route.key_place == KeyPlace::kHeadersOrBody)) return std::nullopt;
  return Authorize(route, credentials, request);
}

std::optional<Response> Gatekeeper::AdmitBody(const Route& route, Request& request) const {
  if (!route.scope || !request.identity.key_id.empty()) return std::nullopt;
  const std::string key = route.key_place == KeyPlace::kHeadersOrBody ? FindWriteKey(request.body) : std::string();
  return Authorize(route, {"", key, request.Header("x-rapport-visitor")}, request);
}

std::optional<Response> Gatekeeper::Authorize(const Route& route, const Credentials& credentials,
                                              Request& request) const {
  Result<Identity> identity = authenticator_.Authenticate(credentials, request.received_at);
  if (!identity.ok()) {
    // A public route answers whatever is sent along.
    if (!route.scope) return std::nullopt;
    return ProblemResponse(identity.status());
  }
  request.identity = identity.Take();
  if (!route.scope) return std::nullopt;
  const auto denied = [](std::string why) { return ProblemResponse({StatusCode::kPermissionDenied, std::move(why)}); };
  if (!request.identity.Has(*route.scope)) {
    return denied(std::string("this key lacks the scope '") + ScopeName(*route.scope) +
                  "': make one that has it with 'rapport keys create'");
  }
  if (request.identity.kind != KeyKind::kBrowser) return std::nullopt;
  if (route.browsers == Browsers::kRefused) return denied("browser keys may not do this: call it from your server");
  const std::string_view origin = request.Header("origin");
  if (!origin.empty() && !IsConfiguredOrigin(origin)) {
    return denied("this page's origin is not configured: add it to server.origins of the configuration file");
  }
  return std::nullopt;
}

namespace {

// Looks at nothing but keys and texts of the outermost object. Returning false ends the parse.
struct WriteKeyReader : nlohmann::json_sax<nlohmann::json> {
  bool null() override { return Other(); }
  bool boolean(bool) override { return Other(); }
  bool number_integer(number_integer_t) override { return Other(); }
  bool number_unsigned(number_unsigned_t) override { return Other(); }
  bool number_float(number_float_t, const string_t&) override { return Other(); }
  bool binary(binary_t&) override { return Other(); }
  bool string(string_t& text) override {
    if (wanted) found = std::move(text);
    return !wanted;
  }
  bool key(string_t& name) override {
    wanted = depth == 1 && name == "writeKey";
    return true;
  }
  bool start_object(std::size_t) override { return Deeper(); }
  bool end_object() override { return --depth >= 0; }
  bool start_array(std::size_t) override { return depth > 0 && Deeper(); }  // not an object: nothing to find
  bool end_array() override { return --depth >= 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  bool Other() { return !wanted; }
  bool Deeper() {
    ++depth;
    return !wanted;
  }

  int depth = 0;
  bool wanted = false;
  std::string found;
};

}  // namespace

std::string FindWriteKey(std::string_view json) {
  WriteKeyReader reader;
  (void)nlohmann::json::sax_parse(json, &reader);  // false as soon as it is found, too
  return reader.found;
}

}  // namespace rapport

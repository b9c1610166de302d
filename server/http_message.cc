#include "server/http_message.h"

#include <atomic>

#include "server/problem.h"

namespace rapport {

const char* MethodName(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kPatch: return "PATCH";
    case Method::kDelete: return "DELETE";
  }
  return "";
}

Status MayActFor(const Identity& identity, const CustomerRef& customer) {
  if (identity.kind == KeyKind::kServer) return Status::Ok();
  if (!identity.visitor) {
    return {
        StatusCode::kPermissionDenied,
        "a browser key acts only for the visitor of its token: send X-Rapport-Visitor with a token that your server "
        "got from POST /v1/visitors"};
  }
  if (*identity.visitor != customer) {
    return {StatusCode::kPermissionDenied,
            "this visitor token names another customer: a browser key acts only for its own visitor"};
  }
  return Status::Ok();
}

namespace {

const std::string kEmpty;

const std::string& ValueOrEmpty(const std::map<std::string, std::string>& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() ? kEmpty : found->second;
}

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (header == name) return value;
  }
  return {};
}

const std::string& Request::Parameter(const std::string& name) const { return ValueOrEmpty(parameters, name); }

const std::string& Request::Query(const std::string& name) const { return ValueOrEmpty(query, name); }

Response JsonResponse(int status, std::string json) {
  Response response;
  response.status = status;
  response.body = std::move(json);
  return response;
}

struct Responder::Once {
  explicit Once(std::shared_ptr<Target> to) : target(std::move(to)) {}
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once() {
    if (answered.exchange(true)) return;
    Response response =
        JsonResponse(500, R"({"type":"/problems/internal","title":"Internal Server Error","status":500,)"
                          R"("detail":"the request was dropped without an answer"})");
    response.content_type = "application/problem+json";
    target->Answer(std::move(response));
  }
  std::shared_ptr<Target> target;
  std::atomic<bool> answered{false};
};

Responder::Responder(std::shared_ptr<Target> target) : once_(std::make_shared<Once>(std::move(target))) {}

void Responder::operator()(Response response) const {
  if (!once_->answered.exchange(true)) once_->target->Answer(std::move(response));
}

void Responder::Continue(std::function<void()> work) const {
  once_->target->Continue(std::move(work), [respond = *this] {
    respond(ProblemResponse(
        Status::Unavailable("the deadline passed while the request waited for the disk: what it told is kept, the "
                            "rest was not worked for")));
  });
}

}  // namespace rapport

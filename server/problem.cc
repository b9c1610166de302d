#include "server/problem.h"

#include <nlohmann/json.hpp>

namespace rapport {

namespace {

// Keeps the order in which the members are written.
using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const char* Slug(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid-argument";
    case StatusCode::kNotFound: return "not-found";
    case StatusCode::kAlreadyExists: return "already-exists";
    case StatusCode::kPermissionDenied: return "permission-denied";
    case StatusCode::kUnauthenticated: return "unauthenticated";
    case StatusCode::kResourceExhausted: return "limit-reached";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kDataLoss: return "data-loss";
    case StatusCode::kFailedPrecondition: return "failed-precondition";
    case StatusCode::kInternal: return "internal";
  }
  return "internal";
}

Response Render(int http_status, const std::string& type, std::string_view detail,
                const std::vector<IndexedError>& errors) {
  Json json{
      {"type", type}, {"title", ReasonPhrase(http_status)}, {"status", http_status}, {"detail", std::string(detail)}};
  if (!errors.empty()) {
    Json list = Json::array();
    for (const IndexedError& error : errors) {
      list.push_back(
          {{"index", error.index}, {"type", ProblemType(error.status.code())}, {"detail", error.status.message()}});
    }
    json["errors"] = std::move(list);
  }
  Response response = JsonResponse(http_status, Dump(json));
  response.content_type = "application/problem+json";
  if (http_status == 503 || http_status == 429) response.headers.emplace_back("Retry-After", "1");
  if (http_status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"rapport\"");
  return response;
}

}  // namespace

int HttpStatusOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return 200;
    case StatusCode::kInvalidArgument: return 400;
    case StatusCode::kNotFound: return 404;
    case StatusCode::kAlreadyExists: return 409;
    case StatusCode::kPermissionDenied: return 403;
    case StatusCode::kUnauthenticated: return 401;
    case StatusCode::kResourceExhausted: return 503;
    case StatusCode::kUnavailable: return 503;
    case StatusCode::kDataLoss: return 500;
    case StatusCode::kFailedPrecondition: return 409;
    case StatusCode::kInternal: return 500;
  }
  return 500;
}

std::string ProblemType(StatusCode code) { return std::string("/problems/") + Slug(code); }

StatusCode CodeOfProblem(std::string_view type, int http_status) {
  for (int i = 1; i <= static_cast<int>(StatusCode::kInternal); ++i) {
    const auto code = static_cast<StatusCode>(i);
    if (type == ProblemType(code)) return code;
  }
  if (http_status == 404) return StatusCode::kNotFound;
  if (http_status == 503 || http_status == 429) return StatusCode::kUnavailable;
  return http_status >= 400 && http_status < 500 ? StatusCode::kInvalidArgument : StatusCode::kInternal;
}

Response ProblemResponse(const Status& status, const std::vector<IndexedError>& errors) {
  return Render(HttpStatusOf(status.code()), ProblemType(status.code()), status.message(), errors);
}

Response ProblemResponse(int http_status, std::string_view slug, std::string_view detail) {
  return Render(http_status, "/problems/" + std::string(slug), detail, {});
}

const char* ReasonPhrase(int http_status) {
  switch (http_status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

std::string JsonQuote(std::string_view text) { return Dump(Json(std::string(text))); }

}  // namespace rapport

// Errors on the wire: RFC 9457 "application/problem+json".
//   {"type": "/problems/invalid-argument", "title": "Bad Request", "status": 400, "detail": "what to do",
//    "errors": [{"index": 3, "type": "/problems/not-found", "detail": "..."}]}
// Status becomes an HTTP status in one switch, here; nothing else chooses one, but for what only the transport knows
// (404 of a path, 405, 408, 413, 415, 431).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "server/http_message.h"

namespace rapport {

// One bad entry of a batch, by its place in the request (from 0).
struct IndexedError {
  size_t index = 0;
  Status status;
};

int HttpStatusOf(StatusCode code);
// "/problems/invalid-argument"
std::string ProblemType(StatusCode code);
// Back again, for clients: the code of a problem's type, or the nearest one to the HTTP status.
StatusCode CodeOfProblem(std::string_view type, int http_status);

// REQUIRES !status.ok(). Adds Retry-After (503) and WWW-Authenticate (401) where they belong.
Response ProblemResponse(const Status& status, const std::vector<IndexedError>& errors = {});
// For statuses that no StatusCode stands for; `slug` as in "/problems/slug".
Response ProblemResponse(int http_status, std::string_view slug, std::string_view detail);
// "Bad Request"; empty for a status we never send.
const char* ReasonPhrase(int http_status);

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace rapport

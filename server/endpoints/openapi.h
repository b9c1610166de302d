// The served description of the API: one row per route, made into an OpenAPI 3.1 document once at start. A test walks
// the route table and these rows, both ways.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/records.h"
#include "server/http_message.h"

namespace rapport {

struct ApiOperation {
  Method method;
  const char* path;
  std::optional<Scope> scope;  // nullopt: public
  const char* summary;
  const char* query;   // names of optional query parameters, space separated
  const char* body;    // schema of the JSON body; empty: none; "application/octet-stream": that media type
  const char* answer;  // schema of the JSON answer; empty: none; "text/plain", ...: that media type
  int status = 200;    // of a good answer
};

// Every route of the server.
std::span<const ApiOperation> ApiOperations();
// The JSON of components.schemas.
std::string_view ApiSchemas();
// The whole document.
std::string OpenApiDocument();

}  // namespace rapport

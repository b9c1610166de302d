// JSON text in and out, strictly: what a parser usually forgives in silence is an error here, with a reason.
//   - nested deeper than max_depth, a key twice in one object, bytes that are not UTF-8, NaN, Infinity, 1e999
// No exception leaves this file's functions.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"

namespace rapport {

// Reads one text after another and keeps what simdjson works in, a MiB at most. One owner, one thread.
class JsonParser {
 public:
  JsonParser();
  ~JsonParser();
  // kInvalidArgument says what is wrong and at which byte.
  Result<nlohmann::json> Parse(std::string_view text, size_t max_depth = limits::kJsonDepthMax);

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

// The same for a text that comes alone.
Result<nlohmann::json> ParseJson(std::string_view text, size_t max_depth = limits::kJsonDepthMax);

// Compact, keys sorted, UTF-8 as it is. Invalid UTF-8 becomes U+FFFD (records never hold any).
std::string DumpJson(const nlohmann::json& value);

// Appends `text` quoted and escaped exactly as DumpJson would.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace rapport

// Structured log lines, one JSON object each: {"time":"...","level":"info","event":"server.started","port":8080}. Never
// holds personal data: no ids of customers, no paths (the route's pattern instead), no bodies, no addresses.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace rapport {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// One value of a line: text or a number.
struct LogField {
  std::string name;
  std::string json;  // rendered
  LogField(std::string field, std::string_view text);
  LogField(std::string field, const char* text) : LogField(std::move(field), std::string_view(text)) {}
  LogField(std::string field, const std::string& text) : LogField(std::move(field), std::string_view(text)) {}
  LogField(std::string field, uint64_t number);
  LogField(std::string field, int64_t number);
  LogField(std::string field, int number) : LogField(std::move(field), static_cast<int64_t>(number)) {}
  LogField(std::string field, double number);
};

// Thread-safe: a line is written whole. `out` and `clock` must outlive it; a null `out` drops everything (tests).
class Log {
 public:
  Log(std::FILE* out, const Clock& clock, LogLevel level = LogLevel::kInfo) : out_(out), clock_(clock), level_(level) {}
  void Write(LogLevel level, std::string_view event, const std::vector<LogField>& fields = {});
  void Info(std::string_view event, const std::vector<LogField>& fields = {}) { Write(LogLevel::kInfo, event, fields); }
  void Warning(std::string_view event, const std::vector<LogField>& fields = {}) {
    Write(LogLevel::kWarning, event, fields);
  }
  void Error(std::string_view event, const std::vector<LogField>& fields = {}) {
    Write(LogLevel::kError, event, fields);
  }

 private:
  std::FILE* out_;
  const Clock& clock_;
  const LogLevel level_;
  std::mutex mutex_;
};

}  // namespace rapport

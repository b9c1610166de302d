#include "server/log.h"

#include <charconv>
#include <cmath>

#include "server/problem.h"

namespace rapport {

namespace {

const char* LevelText(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

template <typename Number>
std::string Format(Number number) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), number);
  return error == std::errc() ? std::string(buffer, end) : "0";
}

}  // namespace

LogField::LogField(std::string field, std::string_view text) : name(std::move(field)), json(JsonQuote(text)) {}
LogField::LogField(std::string field, uint64_t number) : name(std::move(field)), json(Format(number)) {}
LogField::LogField(std::string field, int64_t number) : name(std::move(field)), json(Format(number)) {}
LogField::LogField(std::string field, double number)
    : name(std::move(field)), json(std::isfinite(number) ? Format(number) : "null") {}

void Log::Write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) {
  if (out_ == nullptr || level < level_) return;
  std::string line =
      "{\"time\":\"" + FormatRfc3339(clock_.Now()) + "\",\"level\":\"" + LevelText(level) + "\",\"event\":";
  line += JsonQuote(event);
  for (const LogField& field : fields) line += ",\"" + field.name + "\":" + field.json;
  line += "}\n";
  std::lock_guard lock(mutex_);
  // A log that cannot be written (closed pipe) must not stop the server: there is nobody left to tell.
  if (std::fwrite(line.data(), 1, line.size(), out_) == line.size()) std::fflush(out_);
}

}  // namespace rapport

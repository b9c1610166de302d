#include "server/http_answer.h"

#include <cstdio>

#include "server/http_guard.h"

namespace rapport {

namespace http = boost::beast::http;

namespace {

// RFC 9110, 5.6.7: "Wed, 01 Dec 2010 08:26:00 GMT".
std::string HttpDate(Timestamp time) {
  static constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};  // day 0 was a Thursday
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilTime civil = UtcToCivil(time);
  const int64_t day = time.ms / kDayMs - (time.ms % kDayMs < 0 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[((day % 7) + 7) % 7], civil.day,
                kMonths[civil.month - 1], civil.year, civil.hour, civil.minute, civil.second);
  return text;
}

bool HasHeader(const Response& response, std::string_view name) {
  for (const auto& header : response.headers) {
    if (header.first == name) return true;
  }
  return false;
}

}  // namespace

WireAnswer MakeAnswer(Response&& from, const AnswerFrame& frame, size_t* left_out) {
  *left_out = 0;
  const auto may_go = [&](std::string_view name, std::string_view value) {
    if (!frame.checks_fields || IsSafeResponseField(name, value)) return true;
    ++*left_out;
    return false;
  };
  WireAnswer to;
  to.version(frame.version);
  to.result(static_cast<unsigned>(from.status));
  to.set(http::field::date, HttpDate(frame.now));
  to.set("X-Content-Type-Options", "nosniff");
  if (!HasHeader(from, "Cache-Control")) to.set(http::field::cache_control, "no-store");
  for (const auto& [name, value] : from.headers) {
    if (may_go(name, value)) to.insert(name, value);
  }
  if (from.status != 204 && from.status != 304) {
    if (!from.content_type.empty() && may_go("Content-Type", from.content_type)) {
      to.set(http::field::content_type, from.content_type);
    }
    to.content_length(from.body.size());
  }
  to.keep_alive(frame.keep_alive);
  if (!frame.head && from.status != 204 && from.status != 304) to.body() = std::move(from.body);
  return to;
}

}  // namespace rapport

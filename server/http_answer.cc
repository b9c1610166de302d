#include "server/http_answer.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <cstdio>

#include "server/ascii_case.h"
#include "server/http_guard.h"

namespace rapport {

namespace http = boost::beast::http;

namespace {

bool HasHeader(const Response& response, std::string_view name) {
  for (const auto& header : response.headers) {
    if (IsSameInAnyCase(header.first, name)) return true;
  }
  return false;
}

bool MayHaveBody(int status) { return status != 204 && status != 304; }

void AppendNumber(std::string* out, size_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out->append(digits, end);
}

void AppendField(std::string* out, std::string_view name, std::string_view value) {
  out->append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view HttpDate::At(Timestamp time) {
  static constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};  // day 0 was a Thursday
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t second = time.ms / kSecondMs - (time.ms % kSecondMs < 0 ? 1 : 0);
  if (second == second_ && !text_.empty()) return text_;
  const CivilTime civil = UtcToCivil(time);
  const int64_t day = time.ms / kDayMs - (time.ms % kDayMs < 0 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[((day % 7) + 7) % 7], civil.day,
                kMonths[civil.month - 1], civil.year, civil.hour, civil.minute, civil.second);
  second_ = second;
  text_ = text;
  return text_;
}

bool HasBody(const Response& response, const AnswerFrame& frame) {
  return !frame.head && MayHaveBody(response.status) && !response.body.empty();
}

// Framing is this function's alone: what a handler says about it does not go out.
size_t WriteHead(const Response& response, const AnswerFrame& frame, std::string* head) {
  size_t left_out = 0;
  const bool framed = MayHaveBody(response.status);
  const auto add = [&](std::string_view name, std::string_view value) {
    if (frame.checks_fields && !IsSafeResponseField(name, value)) {
      ++left_out;
    } else {
      AppendField(head, name, value);
    }
  };
  head->assign(frame.version_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ");
  AppendNumber(head, static_cast<size_t>(std::clamp(response.status, 100, 599)));
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  head->append(" ").append(reason.data(), reason.size()).append("\r\n");
  AppendField(head, "Date", frame.date);
  AppendField(head, "X-Content-Type-Options", "nosniff");
  if (!HasHeader(response, "Cache-Control")) AppendField(head, "Cache-Control", "no-store");
  for (const auto& [name, value] : response.headers) {
    const bool is_ours = IsSameInAnyCase(name, "Content-Length") || IsSameInAnyCase(name, "Transfer-Encoding") ||
                         IsSameInAnyCase(name, "Connection") || (framed && IsSameInAnyCase(name, "Content-Type"));
    if (!is_ours) add(name, value);
  }
  if (framed) {
    if (!response.content_type.empty()) add("Content-Type", response.content_type);
    head->append("Content-Length: ");
    AppendNumber(head, response.body.size());
    head->append("\r\n");
  }
  if (frame.version_1_0 == frame.keep_alive) AppendField(head, "Connection", frame.keep_alive ? "keep-alive" : "close");
  head->append("\r\n");
  return left_out;
}

}  // namespace rapport

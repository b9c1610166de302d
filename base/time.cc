// Gregorian arithmetic comes from the standard library's calendar types; only the text forms are ours.
#include "base/time.h"

#include <chrono>
#include <cstdio>

namespace rapport {
namespace {

// Reads exactly `count` digits at `position`; advances it.
bool ReadDigits(std::string_view text, size_t& position, size_t count, int& value) {
  if (position + count > text.size()) return false;
  value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[position + i];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  position += count;
  return true;
}

bool ReadChar(std::string_view text, size_t& position, char expected) {
  if (position >= text.size() || text[position] != expected) return false;
  ++position;
  return true;
}

Status BadTime(std::string_view text) {
  return Status::InvalidArgument("not a time: '" + std::string(text.substr(0, 40)) +
                                 "'; write it like 2010-12-01T08:26:00Z or 2010-12-01T08:26:00+01:00");
}

// "Z", "+hh:mm" or "-hh:mm" at `position`, which must end the text.
bool ReadZone(std::string_view text, size_t& position, int64_t& offset_ms) {
  if (position >= text.size()) return false;
  const char sign = text[position++];
  if (sign == 'Z' || sign == 'z') {
    offset_ms = 0;
    return position == text.size();
  }
  if (sign != '+' && sign != '-') return false;
  int hours = 0, minutes = 0;
  if (!ReadDigits(text, position, 2, hours)) return false;
  if (position < text.size() && text[position] == ':') ++position;
  if (!ReadDigits(text, position, 2, minutes) || hours > 23 || minutes > 59) return false;
  offset_ms = (hours * 60 + minutes) * kMinuteMs * (sign == '+' ? 1 : -1);
  return position == text.size();
}

// ".123456789" at `position`, truncated to milliseconds; nothing there is 0.
bool ReadFraction(std::string_view text, size_t& position, int64_t& fraction_ms) {
  fraction_ms = 0;
  if (position >= text.size() || (text[position] != '.' && text[position] != ',')) return true;
  ++position;
  size_t digits = 0;
  for (; position < text.size() && text[position] >= '0' && text[position] <= '9'; ++position, ++digits) {
    if (digits < 3) fraction_ms = fraction_ms * 10 + (text[position] - '0');
  }
  for (size_t i = digits; i < 3; ++i) fraction_ms *= 10;
  return digits >= 1 && digits <= 9;
}

}  // namespace

Timestamp SystemClock::Now() const {
  return {std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

bool IsValidCivil(const CivilTime& c) {
  using namespace std::chrono;
  return c.year >= -9999 && c.year <= 9999 && c.month >= 1 && c.day >= 1 &&
         year_month_day(year(c.year), month(static_cast<unsigned>(c.month)), day(static_cast<unsigned>(c.day))).ok() &&
         c.hour >= 0 && c.hour <= 23 && c.minute >= 0 && c.minute <= 59 && c.second >= 0 && c.second <= 59;
}

Timestamp CivilToUtc(const CivilTime& c) {
  using namespace std::chrono;
  const sys_days days =
      year_month_day(year(c.year), month(static_cast<unsigned>(c.month)), day(static_cast<unsigned>(c.day)));
  return {days.time_since_epoch().count() * kDayMs + c.hour * kHourMs + c.minute * kMinuteMs + c.second * kSecondMs};
}

CivilTime UtcToCivil(Timestamp time) {
  using namespace std::chrono;
  const sys_days days = floor<std::chrono::days>(sys_time<milliseconds>(milliseconds(time.ms)));
  const year_month_day date(days);
  const int64_t rest = time.ms - days.time_since_epoch().count() * kDayMs;
  CivilTime c;
  c.year = static_cast<int>(date.year());
  c.month = static_cast<int>(static_cast<unsigned>(date.month()));
  c.day = static_cast<int>(static_cast<unsigned>(date.day()));
  c.hour = static_cast<int>(rest / kHourMs);
  c.minute = static_cast<int>(rest / kMinuteMs % 60);
  c.second = static_cast<int>(rest / kSecondMs % 60);
  return c;
}

Result<Timestamp> ParseRfc3339(std::string_view text) {
  size_t p = 0;
  CivilTime c;
  if (!ReadDigits(text, p, 4, c.year) || !ReadChar(text, p, '-') || !ReadDigits(text, p, 2, c.month) ||
      !ReadChar(text, p, '-') || !ReadDigits(text, p, 2, c.day)) {
    return BadTime(text);
  }
  int64_t fraction_ms = 0, offset_ms = 0;
  bool leap_second = false;
  if (p < text.size()) {
    const char separator = text[p++];
    if (separator != 'T' && separator != 't' && separator != ' ') return BadTime(text);
    if (!ReadDigits(text, p, 2, c.hour) || !ReadChar(text, p, ':') || !ReadDigits(text, p, 2, c.minute) ||
        !ReadChar(text, p, ':') || !ReadDigits(text, p, 2, c.second) || !ReadFraction(text, p, fraction_ms) ||
        !ReadZone(text, p, offset_ms)) {
      return BadTime(text);
    }
    leap_second = c.second == 60;  // RFC 3339 allows it; it becomes the next second
    if (leap_second) c.second = 59;
  }
  if (!IsValidCivil(c)) return BadTime(text);
  return Timestamp{CivilToUtc(c).ms + (leap_second ? kSecondMs : fraction_ms) - offset_ms};
}

std::string FormatRfc3339(Timestamp time) {
  const CivilTime c = UtcToCivil(time);
  const int ms = static_cast<int>(((time.ms % kSecondMs) + kSecondMs) % kSecondMs);
  char buffer[64];
  const int n = std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour,
                              c.minute, c.second);
  std::string out(buffer, static_cast<size_t>(n));
  if (ms != 0) {
    std::snprintf(buffer, sizeof buffer, ".%03d", ms);
    out += buffer;
  }
  return out + "Z";
}

size_t HourOfWeek(const CivilTime& wall) { return HourOfWeek(CivilToUtc(wall)); }

size_t HourOfWeek(Timestamp utc) {
  // The epoch was a Thursday: three days after a Monday.
  const int64_t hours = (utc.ms >= 0 ? utc.ms : utc.ms - (kHourMs - 1)) / kHourMs + 3 * 24;
  const auto week = static_cast<int64_t>(kHoursOfWeek);
  return static_cast<size_t>(((hours % week) + week) % week);
}

}  // namespace rapport

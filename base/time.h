// Instants, the clock, and their text forms. Time is an argument everywhere: only the edges (server/, the CLI)
// read a Clock, once per request.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

// Milliseconds since 1970-01-01T00:00:00Z (no leap seconds).
struct Timestamp {
  int64_t ms = 0;
  auto operator<=>(const Timestamp&) const = default;
};

inline constexpr int64_t kSecondMs = 1000;
inline constexpr int64_t kMinuteMs = 60 * kSecondMs;
inline constexpr int64_t kHourMs = 60 * kMinuteMs;
inline constexpr int64_t kDayMs = 24 * kHourMs;

// Events outside these bounds are refused: before 1900-01-01 and after 2200-01-01.
inline constexpr Timestamp kTimestampMin{-2208988800000};
inline constexpr Timestamp kTimestampMax{7258118400000};

// Implementations are safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp Now() const override;
};

// For tests and replays.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : ms_(start.ms) {}
  Timestamp Now() const override { return {ms_.load()}; }
  void Set(Timestamp now) { ms_.store(now.ms); }
  void Advance(int64_t by_ms) { ms_.fetch_add(by_ms); }

 private:
  std::atomic<int64_t> ms_;
};

// RFC 3339 ("2010-12-01T08:26:00Z", with offset, with up to nine fractional digits; a date alone is midnight UTC).
Result<Timestamp> ParseRfc3339(std::string_view text);
// Always UTC, milliseconds only when not zero: "2010-12-01T08:26:00Z".
std::string FormatRfc3339(Timestamp time);

// A wall clock reading without a zone.
struct CivilTime {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};
// Proleptic Gregorian, as if in UTC. REQUIRES a valid date.
Timestamp CivilToUtc(const CivilTime& civil);
CivilTime UtcToCivil(Timestamp time);
bool IsValidCivil(const CivilTime& civil);

// Hours of a week as a wall clock shows them: Monday 00:00-00:59 is 0.
inline constexpr size_t kHoursOfWeek = 168;
size_t HourOfWeek(const CivilTime& wall);
size_t HourOfWeek(Timestamp utc);  // of the wall clock in UTC

}  // namespace rapport

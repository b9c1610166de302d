// A customer's wall clock over a stretch of time: offsets looked up once, then plain arithmetic.
//   wall(t) = t + offset of the last change at or before t
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace rapport {

// Immutable; any thread.
class LocalTime {
 public:
  // The zone's offsets from `from` to `until`; outside of it the nearest one holds.
  LocalTime(const TimeZone& zone, Timestamp from, Timestamp until);

  Timestamp WallOf(Timestamp time) const { return {time.ms + OffsetMs(time)}; }  // as if the wall clock were UTC
  int64_t OffsetMs(Timestamp time) const;
  size_t HourOfWeekAt(Timestamp time) const { return HourOfWeek(WallOf(time)); }
  int WeekdayAt(Timestamp time) const { return static_cast<int>(HourOfWeekAt(time) / 24); }  // 0: Monday
  int MinuteOfDayAt(Timestamp time) const;

 private:
  struct Change {
    Timestamp at;
    int64_t offset_ms;
  };
  std::vector<Change> changes_;  // ascending; the first holds from the beginning
};

// Open zones by name: ICU takes its time to open one. Thread-safe; owned by who decides.
class ZoneBook {
 public:
  // kInvalidArgument for an unknown name.
  Result<LocalTime> Read(const std::string& zone, Timestamp from, Timestamp until);

 private:
  static constexpr size_t kZonesMax = 700;  // more than the IANA list has
  std::mutex mutex_;                        // ICU's zones have scratch memory of their own
  std::unordered_map<std::string, TimeZone> zones_;
};

}  // namespace rapport

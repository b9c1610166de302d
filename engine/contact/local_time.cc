#include "engine/contact/local_time.h"

#include <algorithm>

namespace rapport {

LocalTime::LocalTime(const TimeZone& zone, Timestamp from, Timestamp until) {
  changes_.push_back({from, zone.OffsetMs(from)});
  for (std::optional<Timestamp> next = zone.NextChange(from); next && *next <= until; next = zone.NextChange(*next)) {
    changes_.push_back({*next, zone.OffsetMs(*next)});
  }
}

int64_t LocalTime::OffsetMs(Timestamp time) const {
  for (size_t i = changes_.size(); i-- > 1;) {
    if (changes_[i].at <= time) return changes_[i].offset_ms;
  }
  return changes_.front().offset_ms;
}

int LocalTime::MinuteOfDayAt(Timestamp time) const {
  const int64_t wall_ms = WallOf(time).ms;
  const int64_t of_day_ms = ((wall_ms % kDayMs) + kDayMs) % kDayMs;
  return static_cast<int>(of_day_ms / kMinuteMs);
}

Result<LocalTime> ZoneBook::Read(const std::string& zone, Timestamp from, Timestamp until) {
  std::lock_guard hold(mutex_);
  auto found = zones_.find(zone);
  if (found == zones_.end()) {
    Result<TimeZone> opened = TimeZone::Open(zone);
    if (!opened.ok()) return opened.status();
    if (zones_.size() >= kZonesMax) zones_.clear();
    found = zones_.emplace(zone, opened.Take()).first;
  }
  return LocalTime(found->second, from, until);
}

}  // namespace rapport

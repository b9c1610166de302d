// Named zones (IANA) through ICU, which brings their whole history; no calendar of our own.
// Wall: ICU is included only in time_zone.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace rapport {

// Immutable after Open, except for ICU's internal scratch: one object per thread, or guard it.
class TimeZone {
 public:
  // kInvalidArgument for a name ICU does not know.
  static Result<TimeZone> Open(const std::string& iana_name);
  TimeZone(TimeZone&&) noexcept;
  TimeZone& operator=(TimeZone&&) noexcept;
  ~TimeZone();

  // A skipped wall time is read as the same distance after the jump's start (02:30 -> 03:30 in a one-hour gap); a
  // repeated one is the first.
  Timestamp ToUtc(const CivilTime& wall) const;
  CivilTime ToWall(Timestamp time) const;
  int64_t OffsetMs(Timestamp time) const;
  // The first moment after `time` from which another offset holds; nullopt: none is known.
  std::optional<Timestamp> NextChange(Timestamp time) const;

 private:
  struct Impl;
  explicit TimeZone(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport

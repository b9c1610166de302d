#include "base/time_zone.h"

#include <unicode/basictz.h>
#include <unicode/timezone.h>
#include <unicode/tztrans.h>
#include <unicode/unistr.h>

namespace rapport {

struct TimeZone::Impl {
  std::unique_ptr<icu::BasicTimeZone> zone;
};

TimeZone::TimeZone(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TimeZone::TimeZone(TimeZone&&) noexcept = default;
TimeZone& TimeZone::operator=(TimeZone&&) noexcept = default;
TimeZone::~TimeZone() = default;

Result<TimeZone> TimeZone::Open(const std::string& iana_name) {
  std::unique_ptr<icu::TimeZone> zone(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(iana_name)));
  if (!zone || *zone == icu::TimeZone::getUnknown()) {
    return Status::InvalidArgument("unknown time zone '" + iana_name.substr(0, 64) +
                                   "'; write an IANA name like Europe/London");
  }
  auto* basic = dynamic_cast<icu::BasicTimeZone*>(zone.get());
  if (basic == nullptr) return Status::Internal("time zone '" + iana_name + "' has no history");
  auto impl = std::make_unique<Impl>();
  zone.release();
  impl->zone.reset(basic);
  return TimeZone(std::move(impl));
}

int64_t TimeZone::OffsetMs(Timestamp time) const {
  int32_t raw = 0, daylight = 0;
  UErrorCode error = U_ZERO_ERROR;
  impl_->zone->getOffset(static_cast<UDate>(time.ms), false, raw, daylight, error);
  return U_SUCCESS(error) ? raw + daylight : 0;
}

std::optional<Timestamp> TimeZone::NextChange(Timestamp time) const {
  // ICU's transitions include those that change only the name or the split between standard and daylight time.
  for (Timestamp from = time;;) {
    icu::TimeZoneTransition change;
    if (!impl_->zone->getNextTransition(static_cast<UDate>(from.ms), false, change)) return std::nullopt;
    from = {static_cast<int64_t>(change.getTime())};
    if (OffsetMs(from) != OffsetMs({from.ms - 1})) return from;
    if (from > kTimestampMax) return std::nullopt;
  }
}

Timestamp TimeZone::ToUtc(const CivilTime& wall) const {
  const int64_t local_ms = CivilToUtc(wall).ms;
  int32_t raw = 0, daylight = 0;
  UErrorCode error = U_ZERO_ERROR;
  // Both "former": a repeated time is read with the offset before the jump back, hence the first; a skipped one with
  // the offset before the jump forward, hence as far after the jump as it was read after its start.
  impl_->zone->getOffsetFromLocal(static_cast<UDate>(local_ms), UCAL_TZ_LOCAL_FORMER, UCAL_TZ_LOCAL_FORMER, raw,
                                  daylight, error);
  return {local_ms - (U_SUCCESS(error) ? raw + daylight : 0)};
}

CivilTime TimeZone::ToWall(Timestamp time) const { return UtcToCivil({time.ms + OffsetMs(time)}); }

}  // namespace rapport

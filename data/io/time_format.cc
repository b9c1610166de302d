#include "data/io/time_format.h"

#include "base/text.h"

namespace rapport {
namespace {

int* FieldOf(char field, CivilTime* civil) {
  switch (field) {
    case 'Y': return &civil->year;
    case 'M': return &civil->month;
    case 'D': return &civil->day;
    case 'h': return &civil->hour;
    case 'm': return &civil->minute;
    default: return &civil->second;
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<TimeFormat> TimeFormat::Create(const std::string& pattern, const std::string& zone) {
  TimeFormat format;
  format.pattern_ = pattern;
  if (pattern == "rfc3339") format.kind_ = Kind::kRfc3339;
  if (pattern == "epoch_ms") format.kind_ = Kind::kEpochMs;
  if (pattern == "epoch_s") format.kind_ = Kind::kEpochSeconds;
  if (format.kind_ != Kind::kPattern) return format;
  for (size_t i = 0; i < pattern.size();) {
    size_t run = 1;
    while (i + run < pattern.size() && pattern[i + run] == pattern[i]) ++run;
    const char c = pattern[i];
    const bool year = c == 'Y' && run == 4;
    const bool other = std::string_view("MDhms").find(c) != std::string_view::npos && run <= 2;
    if (year || other) {
      format.parts_.push_back({c, static_cast<int>(run), 0});
      i += run;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z' && c != 'T' && c != 'Z')) {
      return Status::InvalidArgument("time format '" + pattern + "' has '" + std::string(1, c) +
                                     "'; use YYYY MM DD hh mm ss (or one letter for one or two digits)");
    } else {
      format.parts_.push_back({0, 0, c});
      ++i;
    }
  }
  for (const char needed : {'Y', 'M', 'D'}) {
    bool there = false;
    for (const Part& part : format.parts_) there = there || part.field == needed;
    if (!there) {
      return Status::InvalidArgument("time format '" + pattern +
                                     "' has no year, month or day; like YYYY-MM-DD hh:mm:ss");
    }
  }
  Result<TimeZone> opened = TimeZone::Open(zone.empty() ? "UTC" : zone);
  if (!opened.ok()) return opened.status();
  format.zone_.emplace(opened.Take());
  return format;
}

Result<CivilTime> TimeFormat::ParseCivil(std::string_view text) const {
  CivilTime civil;
  size_t at = 0;
  bool good = true;
  for (const Part& part : parts_) {
    if (part.field == 0) {
      good = at < text.size() && text[at] == part.literal;
      ++at;
    } else {
      const int digits_max = part.digits == 1 ? 2 : part.digits;
      int count = 0, value = 0;
      for (; count < digits_max && at < text.size() && IsDigit(text[at]); ++count)
        value = value * 10 + (text[at++] - '0');
      good = count >= part.digits;
      *FieldOf(part.field, &civil) = value;
    }
    if (!good) break;
  }
  if (!good || at != text.size() || !IsValidCivil(civil)) {
    return Status::InvalidArgument("is not a time like " + pattern_ + ": " + QuoteForMessage(text, 32));
  }
  return civil;
}

Result<Timestamp> TimeFormat::Parse(std::string_view text) {
  if (!last_text_.empty() && text == last_text_) return last_time_;
  Timestamp time;
  if (kind_ == Kind::kRfc3339) {
    Result<Timestamp> parsed = ParseRfc3339(text);
    if (!parsed.ok()) return parsed.status();
    time = *parsed;
  } else if (kind_ == Kind::kPattern) {
    Result<CivilTime> civil = ParseCivil(text);
    if (!civil.ok()) return civil.status();
    time = zone_->ToUtc(*civil);
  } else {
    const std::optional<int64_t> number = ParseInt64(text);
    const int64_t unit = kind_ == Kind::kEpochMs ? 1 : kSecondMs;
    if (!number || *number > kTimestampMax.ms / unit || *number < kTimestampMin.ms / unit) {
      return Status::InvalidArgument("is not a time as " + pattern_ + ": " + QuoteForMessage(text, 32));
    }
    time = {*number * unit};
  }
  last_text_.assign(text);
  last_time_ = time;
  last_comes_back_.reset();
  return time;
}

std::string TimeFormat::Format(Timestamp time) const {
  if (kind_ == Kind::kRfc3339) return FormatRfc3339(time);
  if (kind_ == Kind::kEpochMs) return std::to_string(time.ms);
  if (kind_ == Kind::kEpochSeconds) return std::to_string(time.ms / kSecondMs);
  CivilTime civil = zone_->ToWall(time);
  std::string out;
  for (const Part& part : parts_) {
    if (part.field == 0) {
      out.push_back(part.literal);
      continue;
    }
    const std::string digits = std::to_string(*FieldOf(part.field, &civil));
    if (digits.size() < static_cast<size_t>(part.digits))
      out.append(static_cast<size_t>(part.digits) - digits.size(), '0');
    out.append(digits);
  }
  return out;
}

bool TimeFormat::ComesBack(std::string_view text, Timestamp parsed) {
  if (text != last_text_ || parsed != last_time_) return Format(parsed) == text;
  if (!last_comes_back_) last_comes_back_ = Format(parsed) == text;
  return *last_comes_back_;
}

}  // namespace rapport

// Times as files write them: a pattern of YYYY MM M DD D hh h mm m ss s and literal characters read in a named zone
// ("YYYY-MM-DD hh:mm:ss", Europe/London; single letters stand for one or two digits), or "rfc3339", "epoch_ms",
// "epoch_s".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace rapport {

// One owner, one thread (the zone has scratch, and the last answer is remembered).
class TimeFormat {
 public:
  // kInvalidArgument: a pattern without year, month and day; an unknown zone. An empty zone is UTC.
  static Result<TimeFormat> Create(const std::string& pattern, const std::string& zone);

  // kInvalidArgument shows the text and the pattern.
  Result<Timestamp> Parse(std::string_view text);
  std::string Format(Timestamp time) const;
  // Whether Format gives `text` back after Parse. Not so for a wall time that a clock change skipped.
  bool ComesBack(std::string_view text, Timestamp parsed);

 private:
  enum class Kind { kPattern, kRfc3339, kEpochMs, kEpochSeconds };
  struct Part {
    char field = 0;  // one of Y M D h m s; 0: literal
    int digits = 0;  // exactly so many; 1: one or two
    char literal = 0;
  };
  TimeFormat() = default;
  Result<CivilTime> ParseCivil(std::string_view text) const;

  Kind kind_ = Kind::kPattern;
  std::string pattern_;
  std::vector<Part> parts_;
  std::optional<TimeZone> zone_;
  // Rows of one basket stand together and carry the same time.
  std::string last_text_;
  Timestamp last_time_;
  std::optional<bool> last_comes_back_;
};

}  // namespace rapport

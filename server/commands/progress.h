// One line that keeps changing: "events: 512,000 rows, 81,234 rows/s, 45 %, 0:12 left". Only for terminals.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "base/time.h"

namespace rapport {

// "1,044,847".
std::string GroupDigits(uint64_t number);

// One owner, one thread.
class ProgressLine {
 public:
  ProgressLine(std::string what, bool shown, const Clock& clock, std::ostream& err);
  ~ProgressLine();
  // At most five times a second. `done` of `total` in any unit: bytes, rows.
  void Show(uint64_t rows, uint64_t done, std::optional<uint64_t> total);
  // Clears the line, so that what is said next stands alone.
  void Clear();
  double seconds() const;  // since the start, at least a millisecond
  double RowsPerSecond(uint64_t rows) const;

 private:
  const std::string what_;
  const bool shown_;
  const Clock& clock_;
  std::ostream& err_;
  const Timestamp start_;
  Timestamp last_;
  size_t width_ = 0;
};

}  // namespace rapport

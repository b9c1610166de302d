#include "server/commands/progress.h"

#include <algorithm>
#include <cstdio>

namespace rapport {
namespace {

constexpr int64_t kBetweenMs = 200;

std::string MinutesAndSeconds(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds) + 0.5);
  char text[32];
  std::snprintf(text, sizeof text, "%llu:%02llu", static_cast<unsigned long long>(whole / 60),
                static_cast<unsigned long long>(whole % 60));
  return text;
}

}  // namespace

std::string GroupDigits(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

ProgressLine::ProgressLine(std::string what, bool shown, const Clock& clock, std::ostream& err)
    : what_(std::move(what)), shown_(shown), clock_(clock), err_(err), start_(clock.Now()), last_(start_) {}

ProgressLine::~ProgressLine() { Clear(); }

double ProgressLine::seconds() const {
  return static_cast<double>(std::max<int64_t>(1, clock_.Now().ms - start_.ms)) / 1000;
}

double ProgressLine::RowsPerSecond(uint64_t rows) const { return static_cast<double>(rows) / seconds(); }

void ProgressLine::Show(uint64_t rows, uint64_t done, std::optional<uint64_t> total) {
  if (!shown_ || clock_.Now().ms - last_.ms < kBetweenMs) return;
  last_ = clock_.Now();
  std::string text = what_ + ": " + GroupDigits(rows) + " rows, " +
                     GroupDigits(static_cast<uint64_t>(RowsPerSecond(rows))) + " rows/s";
  if (total && *total > 0 && done > 0) {
    const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(*total));
    text += ", " + std::to_string(static_cast<int>(part * 100)) + " %, " +
            MinutesAndSeconds(seconds() * (1 - part) / part) + " left";
  }
  const std::string padding(width_ > text.size() ? width_ - text.size() : 0, ' ');
  width_ = text.size();
  err_ << '\r' << text << padding << std::flush;
}

void ProgressLine::Clear() {
  if (width_ == 0) return;
  err_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

}  // namespace rapport

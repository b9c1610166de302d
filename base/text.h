// Bytes that claim to be text: UTF-8 checks, bounded quoting for messages, decimal numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

// Byte offset of the first byte that is not well-formed UTF-8 (Unicode 15, table 3-7), or npos.
size_t FindInvalidUtf8(std::string_view text);
inline bool IsValidUtf8(std::string_view text) { return FindInvalidUtf8(text) == std::string_view::npos; }

// For error messages: at most max_bytes of input, in single quotes; what is no text or cannot be seen is escaped.
std::string QuoteForMessage(std::string_view text, size_t max_bytes = 64);

// A decimal number as written: mantissa x 10^-scale, so that "12.50" comes back as "12.50" and money never is
// a binary fraction. |mantissa| < 10^18, 0 <= scale <= 9.
struct Decimal {
  int64_t mantissa = 0;
  uint8_t scale = 0;
  bool operator==(const Decimal&) const = default;
  double ToDouble() const;
};
// Optional sign, digits, optional point and digits, or a short exponent form ("1e-3") that fits. kInvalidArgument
// otherwise.
Result<Decimal> ParseDecimal(std::string_view text);
std::string FormatDecimal(const Decimal& value);

// Whole text must be one number; nullopt otherwise. ParseDouble refuses NaN and infinities.
std::optional<int64_t> ParseInt64(std::string_view text);
std::optional<double> ParseDouble(std::string_view text);

}  // namespace rapport

#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace rapport {
namespace {

// Length of the well-formed UTF-8 sequence at `p` (1..4), 0 if there is none (Unicode 15, table 3-7).
size_t SequenceLength(const uint8_t* p, size_t left) {
  const auto trail = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) { return p[i] >= low && p[i] <= high; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf) return left >= 2 && trail(1) ? 2 : 0;
  if (p[0] >= 0xe0 && p[0] <= 0xef) {
    const uint8_t low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;  // no overlong, no surrogate
    return left >= 3 && trail(1, low, high) && trail(2) ? 3 : 0;
  }
  if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    const uint8_t low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;
    return left >= 4 && trail(1, low, high) && trail(2) && trail(3) ? 4 : 0;
  }
  return 0;
}

// Whether the well-formed sequence may stand in a message as it is: no control of a terminal (C0, DEL, C1), none that
// hides or turns round what is beside it (zero width, line separators, direction marks, byte order mark), no quote.
bool Visible(const uint8_t* p, size_t length) {
  if (length == 1) return p[0] >= 0x20 && p[0] < 0x7f && p[0] != '\'' && p[0] != '\\';
  if (length == 2) return p[0] != 0xc2 || p[1] >= 0xa1;  // U+0080..9F, no-break space
  if (length == 4) return p[0] != 0xf3;                  // U+E0000..: tags, without a shape
  const uint32_t code = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
  const auto within = [code](uint32_t low, uint32_t high) { return code >= low && code <= high; };
  return !within(0x2000, 0x200f) && !within(0x2028, 0x202f) && !within(0x205f, 0x206f) && !within(0xe000, 0xf8ff) &&
         code != 0xfeff && code < 0xfff0;
}

Status NotDecimal(std::string_view text) {
  return Status::InvalidArgument("not a decimal number: " + QuoteForMessage(text, 32) +
                                 "; write it like 12.75, with at most 18 digits and 9 after the point");
}

}  // namespace

size_t FindInvalidUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    // Eight bytes of ASCII at once.
    for (uint64_t eight = 0; i + sizeof eight <= text.size(); i += sizeof eight) {
      std::memcpy(&eight, p + i, sizeof eight);
      if ((eight & 0x8080808080808080ull) != 0) break;
    }
    if (i == text.size()) break;
    const size_t length = SequenceLength(p + i, text.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string QuoteForMessage(std::string_view text, size_t max_bytes) {
  std::string out = "'";
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const size_t end = std::min(text.size(), max_bytes);
  for (size_t i = 0; i < end;) {
    const size_t length = SequenceLength(p + i, text.size() - i);
    if (length > 1 && i + length > end) break;  // the cut goes before a letter, not through it
    if (length > 0 && Visible(p + i, length)) {
      out.append(text, i, length);
      i += length;
      continue;
    }
    for (const size_t next = i + std::max<size_t>(length, 1); i < next; ++i) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", p[i]);
      out += buffer;
    }
  }
  return out + (text.size() > max_bytes ? "'..." : "'");
}

double Decimal::ToDouble() const { return static_cast<double>(mantissa) / std::pow(10.0, scale); }

Result<Decimal> ParseDecimal(std::string_view text) {
  size_t i = 0;
  bool negative = false;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  int64_t mantissa = 0;
  int digits = 0, significant = 0, scale = 0;
  bool point = false;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      if (significant > 0 || c != '0') ++significant;
      if (significant > 18) return NotDecimal(text);
      mantissa = mantissa * 10 + (c - '0');
      ++digits;
      if (point) ++scale;
    } else {
      break;
    }
  }
  if (digits == 0) return NotDecimal(text);
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    const std::optional<int64_t> exponent =
        ParseInt64(text.substr(i + 1 + (i + 1 < text.size() && text[i + 1] == '+')));
    if (!exponent || *exponent < -18 || *exponent > 18) return NotDecimal(text);
    scale -= static_cast<int>(*exponent);
    for (; scale < 0; ++scale) {
      if (mantissa >= 100000000000000000) return NotDecimal(text);
      mantissa *= 10;
    }
    i = text.size();
  }
  if (i != text.size() || scale > 9) return NotDecimal(text);
  return Decimal{negative ? -mantissa : mantissa, static_cast<uint8_t>(scale)};
}

std::string FormatDecimal(const Decimal& value) {
  const bool negative = value.mantissa < 0;
  std::string digits = std::to_string(negative ? -value.mantissa : value.mantissa);
  if (digits.size() <= value.scale) digits.insert(0, value.scale + 1 - digits.size(), '0');
  if (value.scale > 0) digits.insert(digits.size() - value.scale, ".");
  return negative ? "-" + digits : digits;
}

std::optional<int64_t> ParseInt64(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace rapport

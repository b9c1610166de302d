// Numbers and texts as the bytes of a token (engine/content/impression.h, engine/content/carried_question.h): little
// endian, varints LEB128, texts with their length in front.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace rapport {

inline void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline void PutFixed(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
inline void PutDouble(std::string& out, double value) { PutFixed(out, std::bit_cast<uint64_t>(value), 8); }
inline void PutText(std::string& out, std::string_view text) {
  PutVarint(out, text.size());
  out.append(text);
}

// Reads what the functions above wrote; after the first field that does not fit, ok() stays false and every field is
// empty. A view: the bytes must outlive it.
class TokenReader {
 public:
  explicit TokenReader(std::string_view in) : in_(in) {}
  bool ok() const { return ok_; }
  bool Finished() const { return ok_ && in_.empty(); }

  uint64_t Fixed(int bytes) {
    if (in_.size() < static_cast<size_t>(bytes)) return Fail();
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>(in_[static_cast<size_t>(i)])} << (8 * i);
    in_.remove_prefix(static_cast<size_t>(bytes));
    return value;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return Fail();
      const uint8_t byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }
  double Double() { return std::bit_cast<double>(Fixed(8)); }
  std::string Text() {
    const uint64_t size = Varint();
    if (size > in_.size()) {
      Fail();
      return {};
    }
    std::string text(in_.substr(0, size));
    in_.remove_prefix(size);
    return text;
  }
  // How many entries follow, each of at least one byte.
  size_t Count() {
    const uint64_t count = Varint();
    return count <= in_.size() ? static_cast<size_t>(count) : static_cast<size_t>(Fail());
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    in_ = {};
    return 0;
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace rapport

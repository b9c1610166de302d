// Encoder and Decoder for data/codec.cc and data/operations.cc: one `Fields(archive, record)` per record type
// (data/record_fields.h) names the fields once, for both directions. Not for other rooms.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "data/records.h"

namespace rapport {

static_assert(std::endian::native == std::endian::little, "layouts are little endian");

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  void Varint(uint64_t v) {
    while (v >= 0x80) {
      out_.push_back(static_cast<char>(v | 0x80));
      v >>= 7;
    }
    out_.push_back(static_cast<char>(v));
  }
  void operator()(bool v) { out_.push_back(v ? 1 : 0); }
  void operator()(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void operator()(uint64_t v) { Varint(v); }
  void operator()(int64_t v) { Varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63)); }
  void operator()(double v) { Raw(&v, sizeof v); }
  void operator()(float v) { Raw(&v, sizeof v); }
  void operator()(const std::string& v) {
    Varint(v.size());
    out_.append(v);
  }
  template <size_t N>
  void operator()(const std::array<uint8_t, N>& v) {
    Raw(v.data(), N);
  }
  template <typename Tag>
  void operator()(const SequenceId<Tag>& v) {
    Varint(v.value);
  }
  void operator()(const Timestamp& v) { (*this)(v.ms); }
  template <typename E>
  requires std::is_enum_v<E>
  void operator()(E v) { Varint(static_cast<uint64_t>(v)); }
  template <typename T>
  void operator()(const std::optional<T>& v) {
    (*this)(v.has_value());
    if (v) (*this)(*v);
  }
  template <typename T>
  void operator()(const std::vector<T>& v) {
    Varint(v.size());
    for (const T& element : v) (*this)(element);
  }
  void operator()(const Value& v) {
    (*this)(static_cast<uint8_t>(v.index()));
    std::visit([this](const auto& x) { (*this)(x); }, v);
  }
  void operator()(const Attributes& v) {
    Varint(v.size());
    for (const auto& [name, value] : v) {
      (*this)(name);
      (*this)(value);
    }
  }
  void operator()(const FieldTimes& v) {
    Varint(v.size());
    for (const auto& [name, time] : v) {
      (*this)(name);
      (*this)(time);
    }
  }
  // One byte for the many events that have none.
  void operator()(const ContactFacts& v) {
    (*this)(!(v == ContactFacts{}));
    if (v == ContactFacts{}) return;
    (*this)(v.purpose);
    (*this)(v.link);
    (*this)(v.at);
    (*this)(v.affinity);
  }
  template <typename R>
  requires std::is_class_v<R>
  void operator()(const R& record) { Fields(*this, record); }

 private:
  void Raw(const void* p, size_t n) { out_.append(static_cast<const char*>(p), n); }
  std::string& out_;
};

// After the first field that does not fit, ok() is false and every later field is left as it was.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return in_.empty(); }
  size_t left() const { return in_.size(); }
  void Fail() { ok_ = false; }

  uint64_t Varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    ok_ = false;
    return 0;
  }
  // A count of elements of at least one byte each: never more than what is left.
  size_t Count() {
    const uint64_t n = Varint();
    if (n > in_.size()) ok_ = false;
    return ok_ ? static_cast<size_t>(n) : 0;
  }
  void operator()(bool& v) {
    uint8_t byte = 0;
    (*this)(byte);
    if (byte > 1) ok_ = false;
    v = byte == 1;
  }
  void operator()(uint8_t& v) { Raw(&v, 1); }
  void operator()(uint64_t& v) { v = Varint(); }
  void operator()(int64_t& v) {
    const uint64_t z = Varint();
    v = static_cast<int64_t>(z >> 1) ^ -static_cast<int64_t>(z & 1);
  }
  void operator()(double& v) { Raw(&v, sizeof v); }
  void operator()(float& v) { Raw(&v, sizeof v); }
  // A text where it lies.
  std::string_view Text() {
    const size_t n = Count();
    const std::string_view text = in_.substr(0, n);
    in_.remove_prefix(n);
    return text;
  }
  void operator()(std::string& v) { v.assign(Text()); }
  template <size_t N>
  void operator()(std::array<uint8_t, N>& v) {
    Raw(v.data(), N);
  }
  template <typename Tag>
  void operator()(SequenceId<Tag>& v) {
    v.value = Varint();
  }
  void operator()(Timestamp& v) { (*this)(v.ms); }
  template <typename E>
  requires std::is_enum_v<E>
  void operator()(E& v) {
    const uint64_t number = Varint();
    if (number > 0xff) ok_ = false;
    v = static_cast<E>(number);
  }
  template <typename T>
  void operator()(std::optional<T>& v) {
    bool present = false;
    (*this)(present);
    if (!ok_ || !present) {
      v.reset();
      return;
    }
    (*this)(v.emplace());
  }
  template <typename T>
  void operator()(std::vector<T>& v) {
    const size_t n = Count();
    v.clear();
    for (size_t i = 0; i < n && ok_; ++i) (*this)(v.emplace_back());
  }
  void operator()(Value& v) {
    uint8_t index = 0;
    (*this)(index);
    switch (index) {
      case 0: return (*this)(v.emplace<bool>());
      case 1: return (*this)(v.emplace<double>());
      case 2: return (*this)(v.emplace<std::string>());
      case 3: return (*this)(v.emplace<std::vector<std::string>>());
      default: ok_ = false;
    }
  }
  void operator()(Attributes& v) {
    const size_t n = Count();
    v.clear();
    for (size_t i = 0; i < n && ok_; ++i) {
      std::string name;
      (*this)(name);
      (*this)(v[name]);
    }
  }
  // The last field of a profile; one of format 1 ends before it.
  void operator()(FieldTimes& v) {
    v.clear();
    if (in_.empty()) return;
    const size_t n = Count();
    for (size_t i = 0; i < n && ok_; ++i) {
      std::string name;
      (*this)(name);
      (*this)(v[name]);
    }
  }
  // The last field of an event; one of format 2 ends before it.
  void operator()(ContactFacts& v) {
    v = {};
    if (in_.empty()) return;
    bool present = false;
    (*this)(present);
    if (!present) return;
    (*this)(v.purpose);
    (*this)(v.link);
    (*this)(v.at);
    (*this)(v.affinity);
  }
  template <typename R>
  requires std::is_class_v<R>
  void operator()(R& record) { Fields(*this, record); }

 private:
  void Raw(void* p, size_t n) {
    if (in_.size() < n) {
      ok_ = false;
      return;
    }
    std::memcpy(p, in_.data(), n);
    in_.remove_prefix(n);
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace rapport

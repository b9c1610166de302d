// JSON out, written straight into one string: no tree of values for an answer that is built once and sent once.
//
//   JsonWriter out;
//   out.BeginObject().Key("score").Number(0.5).Key("items").BeginArray();
//   ...
//   out.EndArray().EndObject();
//   return JsonResponse(200, out.Take());
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "base/time.h"

namespace rapport {

// One owner, one thread. REQUIRES calls in JSON's order: commas are its business, balance is the caller's.
class JsonWriter {
 public:
  explicit JsonWriter(size_t reserve_bytes = 512) { out_.reserve(reserve_bytes); }

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view name);
  JsonWriter& String(std::string_view text);
  JsonWriter& Integer(int64_t value);
  JsonWriter& Unsigned(uint64_t value);
  // The shortest text that reads back as the same number; null when not finite.
  JsonWriter& Number(double value);
  JsonWriter& Number(float value);
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Null() { return Raw("null"); }
  JsonWriter& Time(Timestamp time) { return String(FormatRfc3339(time)); }
  JsonWriter& Money(const Decimal& amount) { return String(FormatDecimal(amount)); }
  // REQUIRES valid JSON.
  JsonWriter& Raw(std::string_view json);

  std::string Take() { return std::move(out_); }
  size_t size() const { return out_.size(); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  void Separate();

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace rapport

// Reads one JSON object key by key into typed variables. The first error stays and later calls do nothing, so that a
// conversion is a list of lines with one check at its end. Messages name the field and say what to send instead.
// A key that is absent, or null, leaves its variable alone. Keys must outlive the reader, as literals do.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "base/time.h"
#include "data/records.h"

namespace rapport {

// One owner, one thread. `object` must outlive it.
class ObjectReader {
 public:
  // `what` stands before each message: "item", "mapping: event".
  ObjectReader(const nlohmann::json& object, std::string what);

  void Text(const char* key, std::string* out);
  void Text(const char* key, std::optional<std::string>* out);
  void Texts(const char* key, std::vector<std::string>* out);
  void Bool(const char* key, bool* out);
  void Integer(const char* key, std::optional<int64_t>* out);
  void Integer(const char* key, int64_t* out);
  void Number(const char* key, std::optional<double>* out);
  void Money(const char* key, std::optional<Decimal>* out);   // "12.75" or 12.75
  void Time(const char* key, std::optional<Timestamp>* out);  // RFC 3339 text or epoch milliseconds
  void Time(const char* key, Timestamp* out);
  void Values(const char* key, Attributes* out);  // an object of booleans, numbers, texts, lists of texts
  void Floats(const char* key, std::vector<float>* out);
  // nullptr when absent or null, or when it is not an object (then an error is set).
  const nlohmann::json* Object(const char* key);
  const nlohmann::json* Array(const char* key);
  // Whatever it is; nullptr when absent or null.
  const nlohmann::json* Any(const char* key);

  void Fail(const std::string& why);  // "item: why"; the first stays
  bool ok() const { return status_.ok(); }
  // The first error; or, with kRefuse, names a key that nobody asked for.
  enum class UnknownKeys { kRefuse, kIgnore };
  Status Finish(UnknownKeys unknown) const;

 private:
  const nlohmann::json* Get(const char* key);
  void Wrong(const char* key, const char* expected);

  const nlohmann::json& object_;
  const std::string what_;
  std::vector<const char*> asked_;  // keys: they outlive the reader
  Status status_;
};

// Money of a JSON string or number; a number counts with its shortest text, so 12.5 is "12.5";
// one with too many digits for a Decimal is rounded to millionths.
Result<Decimal> MoneyFromJson(const nlohmann::json& value);
// RFC 3339 text or epoch milliseconds, inside kTimestampMin..kTimestampMax.
Result<Timestamp> TimeFromJson(const nlohmann::json& value);
// Booleans, numbers, texts, lists of texts. kInvalidArgument otherwise.
Result<Value> ValueFromJson(const nlohmann::json& value);
nlohmann::json ValueToJson(const Value& value);
nlohmann::json AttributesToJson(const Attributes& attributes);

}  // namespace rapport

#include "data/io/json_reader.h"

#include <cmath>
#include <cstdio>
#include <set>

namespace rapport {

using nlohmann::json;

Result<Decimal> MoneyFromJson(const json& value) {
  if (value.is_string()) return ParseDecimal(value.get_ref<const std::string&>());
  if (value.is_number()) {
    Result<Decimal> exact = ParseDecimal(value.dump());
    // 0.1 + 0.2 arrives as 0.30000000000000004: a binary fraction never was exact, so millionths are enough.
    if (exact.ok() || !value.is_number_float() || std::abs(value.get<double>()) > 1e11) return exact;
    char text[40];
    std::snprintf(text, sizeof text, "%.6f", value.get<double>());
    return ParseDecimal(text);
  }
  return Status::InvalidArgument("is not an amount; send a decimal text like \"12.75\"");
}

Result<Timestamp> TimeFromJson(const json& value) {
  Timestamp time;
  if (value.is_number_integer()) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kTimestampMax.ms)) {
      return Status::InvalidArgument("is after the year 2200; send milliseconds since 1970");
    }
    time = {value.get<int64_t>()};
  } else if (value.is_string()) {
    Result<Timestamp> parsed = ParseRfc3339(value.get_ref<const std::string&>());
    if (!parsed.ok()) return parsed.status();
    time = *parsed;
  } else {
    return Status::InvalidArgument(
        "is not a time; send RFC 3339 text like \"2010-12-01T08:26:00Z\" or whole milliseconds since 1970");
  }
  if (time < kTimestampMin || time >= kTimestampMax) {
    return Status::InvalidArgument("is a time outside the years 1900 to 2199");
  }
  return time;
}

Result<Value> ValueFromJson(const json& value) {
  if (value.is_boolean()) return Value(value.get<bool>());
  if (value.is_number()) return Value(value.get<double>());
  if (value.is_string()) return Value(value.get<std::string>());
  const Status wrong = Status::InvalidArgument("must be a boolean, a number, a text or a list of texts");
  if (!value.is_array()) return wrong;
  std::vector<std::string> texts;
  for (const json& element : value) {
    if (!element.is_string()) return wrong;
    texts.push_back(element.get<std::string>());
  }
  return Value(std::move(texts));
}

json ValueToJson(const Value& value) {
  return std::visit([](const auto& held) { return json(held); }, value);
}

json AttributesToJson(const Attributes& attributes) {
  json object = json::object();
  for (const auto& [key, value] : attributes) object[key] = ValueToJson(value);
  return object;
}

ObjectReader::ObjectReader(const json& object, std::string what) : object_(object), what_(std::move(what)) {
  if (!object_.is_object()) Fail(std::string("is a JSON ") + object_.type_name() + "; send an object");
}

void ObjectReader::Fail(const std::string& why) {
  if (status_.ok()) status_ = Status::InvalidArgument(what_ + ": " + why);
}

void ObjectReader::Wrong(const char* key, const char* expected) {
  Fail(std::string(key) + " is a JSON " + object_.at(key).type_name() + "; send " + expected);
}

const json* ObjectReader::Get(const char* key) {
  if (!object_.is_object()) return nullptr;
  asked_.push_back(key);
  if (!status_.ok()) return nullptr;
  const auto found = object_.find(std::string_view(key));  // its length is asked for once
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ObjectReader::Text(const char* key, std::string* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  if (!value->is_string()) return Wrong(key, "a text");
  *out = value->get<std::string>();
}

void ObjectReader::Text(const char* key, std::optional<std::string>* out) {
  if (Get(key) != nullptr) Text(key, &out->emplace());
}

void ObjectReader::Texts(const char* key, std::vector<std::string>* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  if (!value->is_array()) return Wrong(key, "a list of texts");
  out->clear();
  for (const json& element : *value) {
    if (!element.is_string())
      return Fail(std::string(key) + " holds something that is not a text; send a list of texts");
    out->push_back(element.get<std::string>());
  }
}

void ObjectReader::Bool(const char* key, bool* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  if (!value->is_boolean()) return Wrong(key, "true or false");
  *out = value->get<bool>();
}

void ObjectReader::Integer(const char* key, std::optional<int64_t>* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits) return Fail(std::string(key) + " is not a whole number of 64 bits; send one like 12");
  *out = value->get<int64_t>();
}

void ObjectReader::Integer(const char* key, int64_t* out) {
  std::optional<int64_t> value;
  Integer(key, &value);
  if (value) *out = *value;
}

void ObjectReader::Number(const char* key, std::optional<double>* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  if (!value->is_number()) return Wrong(key, "a number");
  *out = value->get<double>();
}

void ObjectReader::Money(const char* key, std::optional<Decimal>* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  const Result<Decimal> money = MoneyFromJson(*value);
  if (!money.ok()) return Fail(std::string(key) + " " + money.status().message());
  *out = *money;
}

void ObjectReader::Time(const char* key, std::optional<Timestamp>* out) {
  const json* value = Get(key);
  if (value == nullptr) return;
  const Result<Timestamp> time = TimeFromJson(*value);
  if (!time.ok()) return Fail(std::string(key) + " " + time.status().message());
  *out = *time;
}

void ObjectReader::Time(const char* key, Timestamp* out) {
  std::optional<Timestamp> time;
  Time(key, &time);
  if (time) *out = *time;
}

void ObjectReader::Values(const char* key, Attributes* out) {
  const json* object = Object(key);
  if (object == nullptr) return;
  out->clear();
  for (const auto& [name, element] : object->items()) {
    if (element.is_null()) continue;
    Result<Value> value = ValueFromJson(element);
    if (!value.ok()) return Fail(std::string(key) + "." + name + " " + value.status().message());
    out->emplace(name, value.Take());
  }
}

void ObjectReader::Floats(const char* key, std::vector<float>* out) {
  const json* value = Array(key);
  if (value == nullptr) return;
  out->clear();
  for (const json& element : *value) {
    const float number = element.is_number() ? element.get<float>() : NAN;
    if (!std::isfinite(number)) return Fail(std::string(key) + " holds something that is not a finite number");
    out->push_back(number);
  }
}

const json* ObjectReader::Object(const char* key) {
  const json* value = Get(key);
  if (value == nullptr || value->is_object()) return value;
  Wrong(key, "an object");
  return nullptr;
}

const json* ObjectReader::Array(const char* key) {
  const json* value = Get(key);
  if (value == nullptr || value->is_array()) return value;
  Wrong(key, "a list");
  return nullptr;
}

const json* ObjectReader::Any(const char* key) { return Get(key); }

Status ObjectReader::Finish(UnknownKeys unknown) const {
  if (!status_.ok() || unknown == UnknownKeys::kIgnore) return status_;
  const std::set<std::string_view> asked(asked_.begin(), asked_.end());
  for (const auto& [key, value] : object_.items()) {
    if (asked.contains(key)) continue;
    std::string known;
    for (const std::string_view name : asked) known += (known.empty() ? "" : ", ") + std::string(name);
    return Status::InvalidArgument(what_ + ": unknown key " + QuoteForMessage(key) + "; known are " + known);
  }
  return Status::Ok();
}

}  // namespace rapport

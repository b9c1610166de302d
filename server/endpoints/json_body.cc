// See json_body.h. The parser runs as a SAX handler that builds the value itself, so that depth, duplicate keys and
// long integers are refused while reading, before anything deep exists.
#include "server/endpoints/json_body.h"

#include <algorithm>
#include <cmath>

#include "base/limits.h"
#include "data/io/json_reader.h"
#include "data/io/json_text.h"

namespace rapport {

Result<Json> ParseJsonBody(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Status::InvalidArgument("the body is empty: send a JSON value");
  }
  Result<Json> value = ParseJson(text);
  if (!value.ok()) return Status::InvalidArgument("the body " + value.status().message());
  return value;
}

Result<size_t> ParseCount(const std::string& text, const char* name, size_t min, size_t max) {
  const std::optional<int64_t> value = ParseInt64(text);
  if (!value || *value < static_cast<int64_t>(min) || *value > static_cast<int64_t>(max)) {
    return Status::InvalidArgument(std::string(name) + " must be an integer from " + std::to_string(min) + " to " +
                                   std::to_string(max) + ", not " + QuoteForMessage(text));
  }
  return static_cast<size_t>(*value);
}

const char* JsonKind(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "an array" : "an object";
}

Result<std::string> IdFromJson(const Json& value, const std::string& field) {
  if (value.is_number_integer()) return value.dump();
  if (!value.is_string()) {
    return Status::InvalidArgument(field + " must be an id as text, like \"17850\", not " + JsonKind(value));
  }
  const std::string& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > limits::kExternalIdBytesMax) {
    return Status::InvalidArgument(field + " must be an id of 1 to " + std::to_string(limits::kExternalIdBytesMax) +
                                   " bytes, not of " + std::to_string(text.size()));
  }
  return text;
}

JsonFields::JsonFields(const Json& object, std::string where)
    : object_(object.is_object() ? &object : nullptr), where_(std::move(where)) {
  if (object_ != nullptr) return;
  const std::string what = where_.empty() ? "the body" : where_.substr(0, where_.size() - 1);
  status_ = Status::InvalidArgument(what + " must be a JSON object, not " + JsonKind(object));
}

const Json* JsonFields::Find(const char* name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void JsonFields::FailField(const char* name, const std::string& must) {
  Fail(Status::InvalidArgument(where_ + name + " " + must));
}

std::string JsonFields::Place(const char* name, size_t index) const {
  return where_ + name + "[" + std::to_string(index) + "].";
}

std::optional<std::string> JsonFields::Text(const char* name, size_t bytes_max) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    FailField(name, std::string("must be text, not ") + JsonKind(*value));
    return std::nullopt;
  }
  const std::string& text = value->get_ref<const std::string&>();
  if (text.size() > bytes_max) {
    FailField(name, "must be at most " + std::to_string(bytes_max) + " bytes, not " + std::to_string(text.size()));
    return std::nullopt;
  }
  return text;
}

std::string JsonFields::RequiredText(const char* name, size_t bytes_max) {
  if (Find(name) == nullptr) FailField(name, "is missing: it must be text");
  std::optional<std::string> text = Text(name, bytes_max);
  if (text && text->empty()) FailField(name, "must not be empty");
  return text.value_or("");
}

std::optional<std::string> JsonFields::Id(const char* name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  Result<std::string> id = IdFromJson(*value, where_ + name);
  if (id.ok()) return id.Take();
  Fail(id.status());
  return std::nullopt;
}

std::string JsonFields::RequiredId(const char* name) {
  if (Find(name) == nullptr) FailField(name, "is missing: it must be an id as text");
  return Id(name).value_or("");
}

std::optional<double> JsonFields::Number(const char* name, double min, double max) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (number >= min && number <= max) return number;
  const auto plain = [](double bound) {
    return Json(bound == std::floor(bound) && std::abs(bound) < 1e15 ? Json(static_cast<int64_t>(bound)) : Json(bound))
        .dump();
  };
  FailField(name, "must be a number from " + plain(min) + " to " + plain(max));
  return std::nullopt;
}

std::optional<size_t> JsonFields::Count(const char* name, size_t min, size_t max) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) {
    const uint64_t count = value->get<uint64_t>();
    if (count >= min && count <= max) return static_cast<size_t>(count);
  }
  FailField(name, "must be an integer from " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

std::optional<bool> JsonFields::Flag(const char* name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  FailField(name, std::string("must be true or false, not ") + JsonKind(*value));
  return std::nullopt;
}

std::optional<Timestamp> JsonFields::Time(const char* name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  const Result<Timestamp> time = TimeFromJson(*value);
  if (time.ok()) return *time;
  FailField(name, time.status().message());
  return std::nullopt;
}

std::vector<std::string> JsonFields::Ids(const char* name, size_t entries_max) {
  std::vector<std::string> ids;
  const Json* value = Find(name);
  if (value == nullptr) return ids;
  if (!value->is_array() || value->size() > entries_max) {
    FailField(name, "must be an array of at most " + std::to_string(entries_max) + " ids");
    return ids;
  }
  for (size_t i = 0; i < value->size(); ++i) {
    Result<std::string> id = IdFromJson((*value)[i], where_ + name + "[" + std::to_string(i) + "]");
    if (id.ok()) {
      ids.push_back(id.Take());
    } else {
      Fail(id.status());
    }
  }
  return ids;
}

std::vector<std::string> JsonFields::Texts(const char* name, size_t entries_max, size_t bytes_max) {
  std::vector<std::string> texts;
  const Json* value = Find(name);
  if (value == nullptr) return texts;
  const std::string must = "must be an array of at most " + std::to_string(entries_max) + " texts of at most " +
                           std::to_string(bytes_max) + " bytes";
  if (!value->is_array() || value->size() > entries_max) {
    FailField(name, must);
    return texts;
  }
  for (const Json& entry : *value) {
    if (entry.is_string() && entry.get_ref<const std::string&>().size() <= bytes_max) {
      texts.push_back(entry.get<std::string>());
    } else {
      FailField(name, must);
    }
  }
  return texts;
}

std::vector<const Json*> JsonFields::Objects(const char* name, size_t entries_max) {
  std::vector<const Json*> objects;
  const Json* value = Find(name);
  if (value == nullptr) return objects;
  if (!value->is_array() || value->size() > entries_max) {
    FailField(name, "must be an array of at most " + std::to_string(entries_max) + " objects");
    return objects;
  }
  for (const Json& entry : *value) objects.push_back(&entry);
  return objects;
}

Status JsonFields::Finish() {
  if (!status_.ok() || object_ == nullptr) return status_;
  for (const auto& [name, value] : object_->items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string names;
    for (std::string_view known : known_) names += (names.empty() ? "" : ", ") + std::string(known);
    return Status::InvalidArgument(where_ + QuoteForMessage(name) + " is not a known key; known are: " + names);
  }
  return Status::Ok();
}

}  // namespace rapport

// JSON Schema 2020-12, the part of it that the served OpenAPI document uses, as a judge of real requests and answers.
// A keyword that it does not know is an error of UnknownKeywords, never skipped: a promise that nobody checks is none.
// `unevaluatedProperties: false` closes what $ref, allOf, anyOf and oneOf name together.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"

namespace rapport {

// What an object may hold beside what the schema names.
enum class Members {
  kAsSaid,     // whatever additionalProperties says; JSON Schema's own meaning
  kNamedOnly,  // nothing, unless additionalProperties says so: an answer holds what the document tells and no more
};

// Immutable; `document` must outlive it.
class JsonSchema {
 public:
  using Json = nlohmann::json;
  explicit JsonSchema(const Json& document) : document_(document) {}

  const Json& document() const { return document_; }
  // The schema that a "$ref" names; itself without one.
  const Json& Resolve(const Json& schema) const {
    if (!schema.contains("$ref")) return schema;
    return document_.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1)));
  }

  // Every keyword of `schema` and below that Check does not know. $refs are not followed.
  static std::vector<std::string> UnknownKeywords(const Json& schema) {
    static const std::set<std::string> known{
        "$ref",          "type",        "enum",      "const",     "required", "properties", "additionalProperties",
        "minItems",      "maxItems",    "minLength", "maxLength", "pattern",  "format",     "unevaluatedProperties",
        "minimum",       "maximum",     "items",     "allOf",     "anyOf",    "oneOf",      "exclusiveMinimum",
        "minProperties", "description", "default",   "examples"};
    std::vector<std::string> unknown;
    const auto below = [&](const Json& child) {
      for (std::string& name : UnknownKeywords(child)) unknown.push_back(std::move(name));
    };
    if (!schema.is_object()) return unknown;
    for (const auto& [name, value] : schema.items()) {
      if (!known.contains(name)) unknown.push_back(name);
      if (name == "format" && value != "date-time") unknown.push_back("format " + value.dump());
      if (name == "properties") {
        for (const auto& [member, child] : value.items()) below(child);
      } else if (name == "items" || name == "additionalProperties") {
        below(value);
      } else if (name == "allOf" || name == "anyOf" || name == "oneOf") {
        for (const Json& child : value) below(child);
      }
    }
    return unknown;
  }

  // nullopt: `value` is as the schema says. Otherwise the first place where not, and why.
  std::optional<std::string> Check(const Json& schema, const Json& value, Members members = Members::kAsSaid,
                                   const std::string& place = "$") const {
    if (auto why = CheckHere(schema, value, members, place)) return why;
    if (!value.is_object()) return std::nullopt;
    const bool closed =
        members == Members::kNamedOnly || Resolve(schema).value("unevaluatedProperties", Json(true)) == false;
    Names names;
    if (closed) CollectNames(schema, &names);
    for (const auto& [name, member] : value.items()) {
      if (closed && !names.open && !names.names.contains(name)) return place + "." + name + " is not in the schema";
    }
    return std::nullopt;
  }

 private:
  struct Names {
    std::set<std::string> names;
    bool open = false;
  };

  void CollectNames(const Json& schema, Names* names) const {
    if (schema.contains("$ref")) CollectNames(Resolve(schema), names);
    for (const char* group : {"allOf", "anyOf", "oneOf"}) {
      if (!schema.contains(group)) continue;
      for (const Json& child : schema[group]) CollectNames(child, names);
    }
    if (schema.contains("properties")) {
      for (const auto& [name, child] : schema["properties"].items()) names->names.insert(name);
    }
    if (schema.contains("additionalProperties") && schema["additionalProperties"] != false) names->open = true;
  }

  // One schema without its closing: the parts of an allOf know only their own members.
  std::optional<std::string> CheckHere(const Json& schema, const Json& value, Members members,
                                       const std::string& place) const {
    if (schema.contains("$ref")) {
      if (auto why = CheckHere(Resolve(schema), value, members, place)) return why;
    }
    if (auto why = CheckGroups(schema, value, members, place)) return why;
    if (schema.contains("type") && !IsOfType(schema["type"], value)) {
      return place + " is not of type " + schema["type"].dump() + " but " + value.dump().substr(0, 60);
    }
    if (schema.contains("const") && schema["const"] != value) return place + " is not " + schema["const"].dump();
    if (schema.contains("enum")) {
      const Json& words = schema["enum"];
      if (std::find(words.begin(), words.end(), value) == words.end()) return place + " is none of " + words.dump();
    }
    if (value.is_number()) return CheckNumber(schema, value.get<double>(), place);
    if (value.is_string()) return CheckText(schema, value.get_ref<const std::string&>(), place);
    if (value.is_array()) return CheckArray(schema, value, members, place);
    if (value.is_object()) return CheckObject(schema, value, members, place);
    return std::nullopt;
  }

  std::optional<std::string> CheckGroups(const Json& schema, const Json& value, Members members,
                                         const std::string& place) const {
    for (const Json& part : schema.value("allOf", Json::array())) {
      if (auto why = CheckHere(part, value, members, place)) return why;
    }
    for (const char* group : {"anyOf", "oneOf"}) {
      if (!schema.contains(group)) continue;
      size_t matched = 0;
      std::string whys;
      for (const Json& part : schema[group]) {
        const auto why = CheckHere(part, value, members, place);
        matched += why ? 0 : 1;
        if (why) whys += (whys.empty() ? "" : "; ") + *why;
      }
      if (matched == 0) return place + " is none of its " + group + ": " + whys;
      if (matched > 1 && std::string(group) == "oneOf") return place + " is more than one of its oneOf";
    }
    return std::nullopt;
  }

  static bool IsOfType(const Json& type, const Json& value) {
    if (type.is_array()) {
      return std::any_of(type.begin(), type.end(), [&](const Json& one) { return IsOfType(one, value); });
    }
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    return type == "integer" && value.is_number_integer();
  }

  static std::optional<std::string> CheckNumber(const Json& schema, double number, const std::string& place) {
    if (schema.contains("minimum") && number < schema["minimum"].get<double>()) return place + " is too small";
    if (schema.contains("maximum") && number > schema["maximum"].get<double>()) return place + " is too large";
    if (schema.contains("exclusiveMinimum") && number <= schema["exclusiveMinimum"].get<double>()) {
      return place + " is too small";
    }
    return std::nullopt;
  }

  static std::optional<std::string> CheckText(const Json& schema, const std::string& text, const std::string& place) {
    const size_t characters = static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    if (characters < schema.value("minLength", size_t{0})) return place + " is too short";
    if (schema.contains("maxLength") && characters > schema["maxLength"].get<size_t>()) return place + " is too long";
    if (schema.contains("pattern") && !std::regex_search(text, std::regex(schema["pattern"].get<std::string>()))) {
      return place + " does not match " + schema["pattern"].dump();
    }
    if (schema.contains("format") && !ParseRfc3339(text).ok()) return place + " is not a date-time";
    return std::nullopt;
  }

  std::optional<std::string> CheckArray(const Json& schema, const Json& value, Members members,
                                        const std::string& place) const {
    if (value.size() < schema.value("minItems", size_t{0})) return place + " has too few entries";
    if (schema.contains("maxItems") && value.size() > schema["maxItems"].get<size_t>()) {
      return place + " has too many entries";
    }
    if (!schema.contains("items")) return std::nullopt;
    for (size_t i = 0; i < value.size(); ++i) {
      if (auto why = Check(schema["items"], value[i], members, place + "[" + std::to_string(i) + "]")) return why;
    }
    return std::nullopt;
  }

  std::optional<std::string> CheckObject(const Json& schema, const Json& value, Members members,
                                         const std::string& place) const {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return place + " lacks " + name.get<std::string>();
    }
    if (value.size() < schema.value("minProperties", size_t{0})) return place + " has too few members";
    const Json properties = schema.value("properties", Json::object());
    const Json others = schema.value("additionalProperties", Json(true));
    for (const auto& [name, member] : value.items()) {
      const std::string there = place + "." + name;
      if (properties.contains(name)) {
        if (auto why = Check(properties[name], member, members, there)) return why;
      } else if (others == false) {
        return there + " is not allowed";
      } else if (others.is_object()) {
        if (auto why = Check(others, member, members, there)) return why;
      }
    }
    return std::nullopt;
  }

  const Json& document_;
};

}  // namespace rapport

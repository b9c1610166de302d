// Values made from a JSON schema: good ones, those on each boundary, and those just beyond it. Which of them conform is
// JsonSchema::Check's to say, not this file's. Texts that mean something to the server (a filter, a time zone) are
// taken from the schema's `examples`. Deterministic; the first value made always conforms.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/server/json_schema.h"

namespace rapport {

// Immutable; `schema` must outlive it.
class SchemaValues {
 public:
  using Json = nlohmann::json;
  explicit SchemaValues(const JsonSchema& schema) : schema_(schema) {}

  std::vector<Json> Of(const Json& schema) const {
    const Json flat = Flatten(schema);
    std::vector<Json> values = All(flat);
    // What has a meaning of its own is made from its examples only: which others mean something, no schema says.
    if (!flat.contains("examples")) return values;
    const Json& examples = flat["examples"];
    std::erase_if(values, [&](const Json& value) {
      return std::find(examples.begin(), examples.end(), value) == examples.end() && !schema_.Check(schema, value);
    });
    return values;
  }

  Json FirstOf(const Json& schema) const { return Of(schema).front(); }

  // A schema with its $refs and allOfs put into one: properties and required of all, the outermost word of the rest.
  Json Flatten(const Json& schema) const {
    Json flat = schema;
    flat.erase("$ref");
    flat.erase("allOf");
    std::vector<Json> parts;
    if (schema.contains("$ref")) parts.push_back(Flatten(schema_.Resolve(schema)));
    for (const Json& part : schema.value("allOf", Json::array())) parts.push_back(Flatten(part));
    for (const Json& part : parts) {
      for (const auto& [name, value] : part.items()) {
        if (name == "properties") {
          Json merged = value;
          merged.update(flat.value("properties", Json::object()));
          flat["properties"] = merged;
        } else if (name == "required") {
          for (const Json& one : value) flat["required"].push_back(one);
        } else if (!flat.contains(name)) {
          flat[name] = value;
        }
      }
    }
    return flat;
  }

 private:
  std::vector<Json> All(const Json& flat) const {
    std::vector<Json> values = flat.value("examples", std::vector<Json>());
    if (flat.contains("enum")) {
      for (const Json& word : flat["enum"]) values.push_back(word);
      values.push_back("no-such-word");
      AddOtherTypes(&values);
      return values;
    }
    if (flat.contains("const")) return {flat["const"], "no-such-word", false};
    if (flat.contains("default")) values.push_back(flat["default"]);
    if (!flat.contains("properties") && !flat.contains("type")) {
      for (const char* group : {"oneOf", "anyOf"}) {
        for (const Json& part : flat.value(group, Json::array())) {
          for (Json& value : Of(part)) values.push_back(std::move(value));
        }
      }
      return values;
    }
    const std::string type = flat.value("type", "object");
    if (type == "string") AddTexts(flat, &values);
    if (type == "integer" || type == "number") AddNumbers(flat, type == "integer", &values);
    if (type == "boolean") values.insert(values.end(), {true, false});
    if (type == "array") AddArrays(flat, &values);
    if (type == "object") AddObjects(flat, &values);
    AddOtherTypes(&values);
    return values;
  }

  static void AddOtherTypes(std::vector<Json>* values) {
    for (const Json& odd : {Json(nullptr), Json(true), Json(7), Json(-7), Json(1.5), Json("text"), Json(""),
                            Json(std::string(70000, 'x')), Json("\xF0\x9F\x8D\xB5"), Json(std::string("\0", 1)),
                            Json::array(), Json::array({7}), Json::array({Json::array()}), Json::object(),
                            Json{{"k", 1}}, Json(1e300), Json(uint64_t{1} << 63)}) {
      values->push_back(odd);
    }
  }

  static void AddTexts(const Json& flat, std::vector<Json>* values) {
    const size_t shortest = flat.value("minLength", size_t{0});
    if (flat.contains("format")) {
      for (const char* time :
           {"2026-02-28T10:00:00Z", "2026-02-28T10:00:00.123+01:00", "2026-13-01T00:00:00Z", "yesterday"}) {
        values->push_back(time);
      }
      return;
    }
    if (!flat.contains("examples") && !flat.contains("pattern")) {
      values->push_back(std::string(std::max<size_t>(shortest, 1), 'a'));
      values->push_back("\xC3\xA4 b");
      if (shortest > 0) values->push_back(std::string(shortest, 'b'));
      if (flat.contains("maxLength")) values->push_back(std::string(flat["maxLength"].get<size_t>(), 'c'));
    }
    if (shortest > 0) values->push_back(std::string(shortest - 1, 'd'));
    if (flat.contains("maxLength")) values->push_back(std::string(flat["maxLength"].get<size_t>() + 1, 'e'));
    if (flat.contains("pattern")) values->insert(values->end(), {"12.75", "0", "-3.5", "12,75", "1e3", "."});
  }

  static void AddNumbers(const Json& flat, bool whole, std::vector<Json>* values) {
    const auto add = [&](double number) {
      values->push_back(number == static_cast<double>(static_cast<int64_t>(number)) ? Json(static_cast<int64_t>(number))
                                                                                    : Json(number));
    };
    const double step = whole ? 1 : 0.001;
    if (flat.contains("exclusiveMinimum")) {
      add(flat["exclusiveMinimum"].get<double>() + step);
      add(flat["exclusiveMinimum"].get<double>());
    }
    if (flat.contains("minimum")) {
      add(flat["minimum"].get<double>());
      add(flat["minimum"].get<double>() - step);
    }
    if (flat.contains("maximum")) {
      add(flat["maximum"].get<double>());
      add(flat["maximum"].get<double>() + step);
    }
    if (!flat.contains("minimum") && !flat.contains("exclusiveMinimum")) values->insert(values->end(), {1, 0, -1});
  }

  void AddArrays(const Json& flat, std::vector<Json>* values) const {
    const size_t least = flat.value("minItems", size_t{0});
    const std::vector<Json> entries = flat.contains("items") ? Of(flat["items"]) : std::vector<Json>{7};
    values->push_back(Repeated(entries.front(), std::max<size_t>(least, 1)));
    for (size_t i = 1; i < entries.size(); ++i) {
      Json one = Repeated(entries.front(), std::max<size_t>(least, 1));
      one.back() = entries[i];
      values->push_back(std::move(one));
    }
    values->push_back(Repeated(entries.front(), least));
    if (least > 0) values->push_back(Repeated(entries.front(), least - 1));
    if (!flat.contains("maxItems")) return;
    values->push_back(Repeated(entries.front(), flat["maxItems"].get<size_t>()));
    values->push_back(Repeated(entries.front(), flat["maxItems"].get<size_t>() + 1));
  }

  // Texts get a number so that ids and names stay different, where their schema leaves them free.
  static Json Repeated(const Json& entry, size_t count) {
    Json list = Json::array();
    for (size_t i = 0; i < count; ++i) {
      Json one = entry;
      if (i > 0 && one.is_object() && one.contains("name")) one["name"] = one["name"].get<std::string>() + Number(i);
      if (i > 0 && one == "a") one = "a" + Number(i);
      list.push_back(std::move(one));
    }
    return list;
  }
  static std::string Number(size_t i) { return std::to_string(i); }

  // {"required": [...]} of an anyOf or oneOf: the names of which one must be there.
  static std::vector<std::vector<std::string>> Alternatives(const Json& flat) {
    std::vector<std::vector<std::string>> names;
    for (const char* group : {"anyOf", "oneOf"}) {
      for (const Json& part : flat.value(group, Json::array())) {
        names.push_back(part.value("required", std::vector<std::string>()));
      }
    }
    return names;
  }

  void AddObjects(const Json& flat, std::vector<Json>* values) const {
    const Json properties = flat.value("properties", Json::object());
    const auto first = [&](const std::string& name) {
      return properties.contains(name) ? FirstOf(properties[name]) : Json("a");
    };
    Json bare = Json::object();
    for (const Json& name : flat.value("required", Json::array())) {
      bare[name.get<std::string>()] = first(name.get<std::string>());
    }
    const std::vector<std::vector<std::string>> alternatives = Alternatives(flat);
    Json base = bare;
    if (!alternatives.empty()) {
      for (const std::string& name : alternatives[0]) base[name] = first(name);
    }
    values->push_back(base);
    if (!alternatives.empty()) values->push_back(bare);
    Json full = base, both = bare;
    for (const auto& [name, child] : properties.items()) {
      const bool other = std::any_of(alternatives.begin(), alternatives.end(), [&, n = name](const auto& one) {
        return std::find(one.begin(), one.end(), n) != one.end();
      });
      if (!other) full[name] = FirstOf(child);
      for (Json& value : Of(child)) {
        Json one = base;
        one[name] = std::move(value);
        values->push_back(std::move(one));
      }
    }
    values->push_back(full);
    for (const std::vector<std::string>& names : alternatives) {
      Json one = bare;
      for (const std::string& name : names) both[name] = one[name] = first(name);
      values->push_back(one);
    }
    values->push_back(both);
    for (const auto& [name, value] : base.items()) {
      Json one = base;
      one.erase(name);
      values->push_back(std::move(one));
    }
    Json stranger = base;
    stranger["noSuchKey"] = 1;
    values->push_back(stranger);
    if (!flat.value("additionalProperties", Json()).is_object()) return;
    for (Json& value : Of(flat["additionalProperties"])) {
      Json one = base;
      one["k"] = std::move(value);
      values->push_back(std::move(one));
    }
  }

  const JsonSchema& schema_;
};

}  // namespace rapport

// Request bodies in: the strict parser of data/io/json_text.h, and a reader for questions (ids, counts, bounded lists)
// whose messages name the field down to the index. Records are read by data/io/json_reader.h.
//
//   JsonFields fields(body, "boost[2].");
//   boost.filter = fields.RequiredText("filter");
//   boost.factor = fields.Number("factor", 0, 100).value_or(1.0);
//   RAPPORT_RETURN_IF_ERROR(fields.Finish());      // the first problem, or "boost[2].factr is not a known key"
#pragma once

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

using Json = nlohmann::json;

// kInvalidArgument names the place: "the body is not JSON at byte 17: ...".
Result<Json> ParseJsonBody(std::string_view text);

// Integers from `min` to `max`; `name` only for the message. The whole text of a query parameter.
Result<size_t> ParseCount(const std::string& text, const char* name, size_t min, size_t max);

// Reads the members of one object and remembers the first thing that is wrong, so that a caller reads everything and
// asks once, in Finish(). JSON null counts as absent. One owner, one thread; the Json must outlive it.
class JsonFields {
 public:
  // `where` stands before field names in messages: "" or "pin[3].".
  JsonFields(const Json& object, std::string where);

  // nullptr when absent. Marks the name as known.
  const Json* Find(const char* name);

  std::optional<std::string> Text(const char* name, size_t bytes_max);
  std::string RequiredText(const char* name, size_t bytes_max);
  // An external id: not empty, at most kExternalIdBytesMax; a JSON integer is taken as its digits.
  std::optional<std::string> Id(const char* name);
  std::string RequiredId(const char* name);
  std::optional<double> Number(const char* name, double min, double max);
  std::optional<size_t> Count(const char* name, size_t min, size_t max);
  std::optional<bool> Flag(const char* name);
  // RFC 3339 text or epoch milliseconds.
  std::optional<Timestamp> Time(const char* name);
  // An array of ids (each as Id), at most `entries_max`.
  std::vector<std::string> Ids(const char* name, size_t entries_max);
  std::vector<std::string> Texts(const char* name, size_t entries_max, size_t bytes_max);
  // The entries of an array of objects, each to be read with its own JsonFields(entry, Place(name, index)).
  std::vector<const Json*> Objects(const char* name, size_t entries_max);
  std::string Place(const char* name, size_t index) const;

  // Keeps the first one.
  void Fail(Status status);
  // "price must be ..." as kInvalidArgument, with the place in front.
  void FailField(const char* name, const std::string& must);

  // The first problem; else an unknown key, by name; else Ok.
  Status Finish();
  // The same without looking for unknown keys: for bodies that others define (Segment's).
  const Status& status() const { return status_; }

 private:
  const Json* object_;  // null: it was not an object
  const std::string where_;
  std::vector<std::string_view> known_;  // names given by callers: literals; a dozen, so searched in line
  Status status_;
};

// A non-empty id as text or integer; `field` for the message.
Result<std::string> IdFromJson(const Json& value, const std::string& field);
// "text", "a number", "an array", ...: for messages.
const char* JsonKind(const Json& value);

}  // namespace rapport

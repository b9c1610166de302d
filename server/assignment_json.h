// Assignments as JSON: the body and the answer of POST /v1/assignments, and the file and --json of `rapport assign`.
//   asked     {"places": [{"name": "101", "capacity": 1, "attributes": {"smoking": false}}, {"itemId": "room-102"}],
//              "guests": [{"name": "Ada", "customer": {"userId": "ada"}, "must": "attributes.smoking = false",
//                          "prefer": [{"filter": "attributes.floor >= 3", "worth": 10}],
//                          "worth": 0, "worths": [{"place": "101", "worth": 5}]}], "first": "guests"}
//   slots     in place of places: "contact": {"channel": "call", "purpose": "marketing",
//                                             "slots": [{"name": "mon-10", "at": "2026-03-02T10:00:00Z"}]}
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/contact/assigner.h"

namespace rapport {

// kInvalidArgument names the field.
Result<AssignRequest> ReadAssignRequest(std::string_view json, Timestamp now);
// `answer` of `request`.
std::string AssignAnswerToJson(const AssignRequest& request, const AssignAnswer& answer);
// A line for each guest, then the totals: for people.
std::string AssignAnswerToText(const AssignRequest& request, const AssignAnswer& answer);

}  // namespace rapport

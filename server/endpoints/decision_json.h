// A decision as JSON, whole: what is kept in the store and what POST /v1/decisions answers (without the shortlist,
// unless it was asked for). docs/API.md "Decisions" lists the members.
#pragma once

#include <string>

#include "engine/contact/contact_requests.h"

namespace rapport {

enum class Shortlist : bool { kLeftOut, kTold };

std::string DecisionToJson(const DecisionResponse& decision, Shortlist shortlist);

// Why a decision was taken, for people, from its kept JSON: {"marketer": {"en", "zh"}, "customer": {"en", "zh"}}. The
// customer's words name no model, no number and nobody else.
std::string DecisionInWords(const std::string& decision_json);

}  // namespace rapport

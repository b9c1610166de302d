// A question for a decision as JSON, and its way to the disk: what POST /v1/decisions and POST /v1/context share.
#pragma once

#include <functional>
#include <string>

#include "engine/engine.h"
#include "server/endpoints/decision_json.h"
#include "server/endpoints/json_body.h"

namespace rapport {

struct DecisionQuestion {
  DecisionRequest question;
  Shortlist shortlist = Shortlist::kLeftOut;

  void AskFor(const CustomerRef& customer, Timestamp now) {
    question.customer = customer;
    question.question.customer = customer;
    question.now = question.question.now = now;
  }
};

// Every member of the object but `customer`; what is wrong is in fields.status().
DecisionQuestion ReadDecisionQuestion(JsonFields& fields);

// Decides, and calls `done` once with the decision as JSON when it is on the disk: on the committer's thread, or on
// this one when there is nothing to keep or it failed. No thread waits.
void DecideAndKeep(const Engine& engine, const DecisionQuestion& asked, std::function<void(Result<std::string>)> done);

}  // namespace rapport

// What the store keeps of a decision: its record, and the contact that it plans, which counts for the customer's caps
// from then on. The same for single decisions and for those of a batch.
#pragma once

#include <vector>

#include "engine/contact/contact_log.h"
#include "engine/contact/contact_requests.h"

namespace rapport {

// REQUIRES a decision that sends.
Contact PlannedContact(const DecisionResponse& decision);
// Unless it has arrived in the store meanwhile.
void AddPending(const Contact& contact, ContactLog* log);
// The decision, and the contact that it plans. `format`: none: "{}".
std::vector<Operation> KeepingOperations(const CustomerRef& customer, const DecisionResponse& decision,
                                         const FormatDecision& format);

}  // namespace rapport

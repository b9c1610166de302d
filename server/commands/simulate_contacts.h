// The contacts of a simulated shop (engine/learning/simulated_contacts.h) as track calls, and the truth beside them.
//
//   "Consent Given", "Email Sent", "SMS Sent", "Push Notification Sent", "Message Sent", then "... Opened", "... Link
//   Clicked" (the answer), "... Unsubscribed"; properties.contact_id ties the events of one contact together.
//   The truth, one line a contact: {"contactId", "userId", "response", "unsubscribe"}: true probabilities at the time
//   of the send. It goes to a file of its own, which no import reads: never into a store.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "engine/learning/simulated_contacts.h"

namespace rapport {

// Ascending by time.
std::vector<std::pair<Timestamp, nlohmann::json>> ContactCalls(const ContactWorld& world, const SimulatedShop& shop,
                                                               size_t customer, const ContactHistory& history);
std::vector<nlohmann::json> ContactTruth(const SimulatedShop& shop, size_t customer, const ContactHistory& history);

// "uniform", "habit", "model"; kInvalidArgument names them.
Result<ContactPolicy> ContactPolicyFromName(const std::string& name);

}  // namespace rapport

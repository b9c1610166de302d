// A customer's consents as people ask for them: all that was ever said, and what is in force.
#pragma once

#include <vector>

#include "data/store.h"
#include "engine/contact/contact_settings.h"

namespace rapport {

// Every entry of these identities (Store::Members), by time.
std::vector<Consent> LedgerOf(const Store& store, const std::vector<CustomerId>& members, const Snapshot* snapshot);
// The newest word on each channel and purpose; at the same time a withdrawal wins.
std::vector<Consent> ConsentsInForce(const std::vector<Consent>& ledger);
// kInvalidArgument: the channel of a consent is neither "*" nor one of the shop's; the message names those.
Status CheckConsentChannel(const Consent& consent, const ContactSettings& settings);

}  // namespace rapport

// One customer as the hard rules read it: traits, ledger and contacts of all linked identities, at one commit.
#pragma once

#include <string>

#include "data/store.h"
#include "engine/contact/contact_settings.h"
#include "engine/contact/feasibility.h"

namespace rapport {

// Where a wall clock was taken from, best first.
enum class ZoneSource : uint8_t { kCustomer, kCountry, kShop };
const char* ZoneSourceName(ZoneSource source);  // "customer"

struct ZoneChoice {
  std::string name;
  ZoneSource source = ZoneSource::kShop;
};
// The customer's zone where ICU knows it, else the country's, else the shop's.
ZoneChoice ChooseZone(const ContactLimits& limits, const std::string& zone, const std::string& country);

// `root` as Store::Root gives it. kDataLoss as the store says.
Result<ContactCustomer> ReadContactCustomer(const Store& store, CustomerId root, const Snapshot* snapshot);

}  // namespace rapport

#include "engine/contact/contact_reader.h"

#include "base/time_zone.h"

namespace rapport {

const char* ZoneSourceName(ZoneSource source) {
  switch (source) {
    case ZoneSource::kCustomer: return "customer";
    case ZoneSource::kCountry: return "country";
    case ZoneSource::kShop: return "shop";
  }
  return "shop";
}

ZoneChoice ChooseZone(const ContactLimits& limits, const std::string& zone, const std::string& country) {
  // A zone that a browser made up must not stop a decision: the next best one is taken, and said.
  if (!zone.empty() && TimeZone::Open(zone).ok()) return {zone, ZoneSource::kCustomer};
  const auto found = limits.country_zones.find(country);
  if (found != limits.country_zones.end()) return {found->second, ZoneSource::kCountry};
  return {limits.time_zone, ZoneSource::kShop};
}

Result<ContactCustomer> ReadContactCustomer(const Store& store, CustomerId root, const Snapshot* snapshot) {
  ContactCustomer customer;
  customer.root = root;
  for (const CustomerId member : store.Members(root, snapshot)) {
    const Result<Profile> profile = store.GetProfile(member, snapshot);
    if (!profile.ok()) return profile.status();
    customer.traits.insert(profile->traits.begin(), profile->traits.end());
    for (const auto& [field, time] : profile->told_at) {
      Timestamp& newest = customer.address_changed.try_emplace(field, time).first->second;
      newest = std::max(newest, time);
    }
    for (Consent& consent : store.Consents(member, snapshot)) customer.ledger.push_back(std::move(consent));
  }
  const Result<std::vector<ContactEntry>> entries = store.ReadContacts(root, snapshot);
  if (!entries.ok()) return entries.status();
  customer.log = ReadContactLog(*entries);
  return customer;
}

}  // namespace rapport

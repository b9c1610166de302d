// See consent_ledger.h.
#include "server/endpoints/consent_ledger.h"

#include <algorithm>
#include <map>

namespace rapport {

std::vector<Consent> LedgerOf(const Store& store, const std::vector<CustomerId>& members, const Snapshot* snapshot) {
  std::vector<Consent> ledger;
  for (const CustomerId member : members) {
    for (Consent& consent : store.Consents(member, snapshot)) ledger.push_back(std::move(consent));
  }
  std::stable_sort(ledger.begin(), ledger.end(), [](const Consent& a, const Consent& b) { return a.time < b.time; });
  return ledger;
}

std::vector<Consent> ConsentsInForce(const std::vector<Consent>& ledger) {
  std::map<std::pair<std::string, std::string>, Consent> newest;
  for (const Consent& consent : ledger) {
    const auto [place, is_new] = newest.try_emplace({consent.channel, consent.purpose}, consent);
    if (is_new) continue;
    if (consent.time == place->second.time && consent.given && !place->second.given) continue;
    place->second = consent;
  }
  std::vector<Consent> consents;
  for (auto& [key, consent] : newest) consents.push_back(std::move(consent));
  return consents;
}

Status CheckConsentChannel(const Consent& consent, const ContactSettings& settings) {
  return consent.channel == "*" ? Status::Ok() : settings.CheckChannel(consent.channel);
}

}  // namespace rapport

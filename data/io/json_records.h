// Items, profiles and consents as JSON: one shape for HTTP, for JSON lines and for export, as docs/API.md has it.
// Times are RFC 3339 text or epoch milliseconds; money is a decimal text or a number. Messages name the field.
//
//   item     {itemId, kind, title, categories[], tags[], price, margin, stock, available, hidden, audience[],
//   variantOf,
//             publishedAt, expiresAt, language, attributes{}, embedding[], updatedAt}        an unknown key is refused
//   profile  {userId | anonymousId, personalization: "on"|"off", timezone, locale, country, audiences[], traits{},
//             createdAt, updatedAt, consents[], partOf: {userId | anonymousId}}              an unknown key is refused
//   consent  {channel, purpose, given, time, source, proof}
//
// What is empty or unset is left out on the way out. Limits on sizes are ValidateOperation's (data/operations.h).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/io/json_reader.h"
#include "data/operations.h"
#include "data/records.h"

namespace rapport {

// One row of input as operations: what becomes of `row` is what became of the input.
struct RowOperations {
  Operation row;
  std::vector<Operation> before, after;
};

Result<Item> ItemFromJson(const nlohmann::json& json);
nlohmann::json ItemToJson(const Item& item);
// The same keys as an item, without itemId; only those that PatchItem can change.
Result<PatchItem> PatchItemFromJson(const std::string& external_id, const nlohmann::json& json);

Result<Consent> ConsentFromJson(const nlohmann::json& json);
nlohmann::json ConsentToJson(const Consent& consent);

// userId, else anonymousId; whole numbers are taken as their digits. Sets an error in `reader` when there is neither.
CustomerRef CustomerFromJson(ObjectReader& reader);
// {"userId": "7"} or {"anonymousId": "7"}: sets the key in `object`.
void SetCustomer(const CustomerRef& customer, nlohmann::json* object);

// The row is UpdateProfile at `updatedAt` (else `now`); personalization, consents and partOf follow it. createdAt is
// told but not restored: a store says itself when it first saw a customer.
Result<RowOperations> ProfileFromJson(const nlohmann::json& json, Timestamp now);
nlohmann::json ProfileToJson(const Profile& profile, const std::vector<Consent>& consents = {},
                             const std::optional<CustomerRef>& part_of = std::nullopt);

}  // namespace rapport

// Channels, places and limits as JSON: GET and PUT /v1/channels and /v1/limits, the store's settings "channels" and
// "limits", and the file of `rapport decide --limits`. A key that is absent has its default; an unknown one is refused.
//   channels  {"channels": [{"name": "email", "address": "email", "cost": "0.001", "quietHours": [{"from": "21:00",
//              "until": "08:00", "days": ["sat", "sun"]}], ...}], "places": [{"name": "Main Street", "open": [...]}]}
//   limits    {"caps": [{"count": 2, "per": "7d", "purpose": "marketing"}], "timezone": "Europe/Zurich", ...}
// "per": "90m", "24h", "7d" (rolling, at any moment), or "day", "week", "month" (the customer's calendar).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "data/catalog.h"
#include "data/store.h"
#include "engine/contact/contact_settings.h"

namespace rapport {

inline constexpr char kChannelsSetting[] = "channels";
inline constexpr char kLimitsSetting[] = "limits";

// Replaces the channels and places of `settings`. kInvalidArgument names the field.
Status ReadChannels(std::string_view json, ContactSettings* settings);
// Replaces its limits.
Status ReadLimits(std::string_view json, ContactSettings* settings);
// Whether what the limits give a stock is in the catalogue: to be asked when they are given, items go later on.
Status CheckStockItems(const ContactSettings& settings, const Catalog& catalog);
std::string ChannelsToJson(const ContactSettings& settings);
std::string LimitsToJson(const ContactSettings& settings);

// What the store keeps, over the defaults; checked as a whole.
Result<ContactSettings> LoadContactSettings(const Store& store);

}  // namespace rapport

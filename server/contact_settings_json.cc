#include "server/contact_settings_json.h"

#include <cmath>
#include <cstdio>

#include "base/limits.h"
#include "base/time.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

constexpr const char* kDayNames[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr size_t kListMax = 256;
constexpr double kNumberMax = 1e12;

template <typename Out, typename In>
void Set(Out& out, const std::optional<In>& value) {
  if (value) out = static_cast<Out>(*value);
}

// "0.05" or 0.05. Validate says what is too much or too little.
void Money(JsonFields& fields, const char* name, double* out) {
  const Json* json = fields.Find(name);
  if (json == nullptr) return;
  if (json->is_number()) {
    *out = json->get<double>();
  } else if (const auto text = fields.Text(name, limits::kShortTextBytesMax)) {
    const Result<Decimal> amount = ParseDecimal(*text);
    if (!amount.ok()) return fields.FailField(name, "must be an amount like \"12.75\"");
    *out = amount->ToDouble();
  }
}

std::optional<int> Minute(JsonFields& fields, const char* name) {
  const auto text = fields.Text(name, limits::kShortTextBytesMax);
  if (!text) return std::nullopt;
  int hour = 0, minute = 0;
  char rest = 0;
  const bool good = text->size() == 5 && std::sscanf(text->c_str(), "%2d:%2d%c", &hour, &minute, &rest) == 2 &&
                    hour >= 0 && minute >= 0 && minute < 60 && hour * 60 + minute <= 1440;
  if (!good) fields.FailField(name, "must be a time of day like 21:00, at most 24:00");
  return good ? std::optional(hour * 60 + minute) : std::nullopt;
}

std::vector<DayHours> Hours(JsonFields& parent, const char* name) {
  std::vector<DayHours> hours;
  const std::vector<const Json*> entries = parent.Objects(name, kListMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields fields(*entries[i], parent.Place(name, i));
    DayHours one;
    const std::optional<int> from = Minute(fields, "from"), until = Minute(fields, "until");
    if (!from || !until)
      fields.FailField("from", "and until are needed, like {\"from\": \"21:00\", \"until\": \"08:00\"}");
    one.from_minute = from.value_or(0) % 1440;
    one.until_minute = until.value_or(0);
    if (fields.Find("days") != nullptr) {
      one.days = 0;
      for (const std::string& day : fields.Texts("days", 7, 16)) {
        bool known = false;
        for (int d = 0; d < 7; ++d) {
          if (day != kDayNames[d]) continue;
          one.days = static_cast<uint8_t>(one.days | (1u << d));
          known = true;
        }
        if (!known) fields.FailField("days", "must be of mon, tue, wed, thu, fri, sat, sun");
      }
    }
    parent.Fail(fields.Finish());
    hours.push_back(one);
  }
  return hours;
}

ChannelSettings Channel(const Json& json, const std::string& where, JsonFields& parent) {
  JsonFields fields(json, where);
  ChannelSettings channel;
  channel.name = fields.RequiredText("name", limits::kExternalIdBytesMax);
  Set(channel.enabled, fields.Flag("enabled"));
  Set(channel.address_trait, fields.Text("address", limits::kShortTextBytesMax));
  Money(fields, "cost", &channel.cost);
  Set(channel.consent_required, fields.Flag("consentRequired"));
  channel.has_quiet = fields.Find("quietHours") != nullptr;
  channel.quiet = Hours(fields, "quietHours");
  Set(channel.messaging_window_hours, fields.Number("messagingWindowHours", 0, kNumberMax));
  Set(channel.capacity_per_hour, fields.Count("capacityPerHour", 0, size_t{1} << 40));
  Set(channel.at_place, fields.Flag("atPlace"));
  Set(channel.delivery_minutes, fields.Number("deliveryMinutes", 0, kNumberMax));
  parent.Fail(fields.Finish());
  return channel;
}

PlaceSettings Place(const Json& json, const std::string& where, JsonFields& parent) {
  JsonFields fields(json, where);
  PlaceSettings place;
  place.name = fields.RequiredText("name", limits::kExternalIdBytesMax);
  place.channels = fields.Texts("channels", kListMax, limits::kExternalIdBytesMax);
  place.open = Hours(fields, "open");
  Set(place.time_zone, fields.Text("timezone", limits::kShortTextBytesMax));
  const auto latitude = fields.Number("latitude", -90, 90), longitude = fields.Number("longitude", -180, 180);
  place.has_position = latitude && longitude;
  Set(place.within_km, fields.Number("withinKm", 0, kNumberMax));
  place.latitude = latitude.value_or(0);
  place.longitude = longitude.value_or(0);
  Set(place.capacity_per_hour, fields.Count("capacityPerHour", 0, size_t{1} << 40));
  parent.Fail(fields.Finish());
  return place;
}

// "90m", "24h", "7d", "day", "week", "month"
bool ReadPer(const std::string& text, FrequencyCap* cap) {
  if (text == "day") cap->window = FrequencyCap::Window::kDay;
  if (text == "week") cap->window = FrequencyCap::Window::kWeek;
  if (text == "month") cap->window = FrequencyCap::Window::kMonth;
  if (cap->window != FrequencyCap::Window::kRolling) return true;
  if (text.size() < 2 || text.size() > 8) return false;
  const std::optional<int64_t> count = ParseInt64(text.substr(0, text.size() - 1));
  const char unit = text.back();
  const int64_t unit_ms = unit == 'm' ? kMinuteMs : unit == 'h' ? kHourMs : unit == 'd' ? kDayMs : 0;
  if (!count || *count <= 0 || unit_ms == 0) return false;
  cap->rolling_ms = *count * unit_ms;
  return true;
}

std::string PerText(const FrequencyCap& cap) {
  switch (cap.window) {
    case FrequencyCap::Window::kDay: return "day";
    case FrequencyCap::Window::kWeek: return "week";
    case FrequencyCap::Window::kMonth: return "month";
    case FrequencyCap::Window::kRolling: break;
  }
  // "24h" and not "1d": beside "day", the calendar's, that would be misread.
  if (cap.rolling_ms % kDayMs == 0 && cap.rolling_ms > kDayMs) return std::to_string(cap.rolling_ms / kDayMs) + "d";
  if (cap.rolling_ms % kHourMs == 0) return std::to_string(cap.rolling_ms / kHourMs) + "h";
  return std::to_string(cap.rolling_ms / kMinuteMs) + "m";
}

std::vector<FrequencyCap> Caps(JsonFields& parent) {
  std::vector<FrequencyCap> caps;
  const std::vector<const Json*> entries = parent.Objects("caps", kListMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields fields(*entries[i], parent.Place("caps", i));
    FrequencyCap cap;
    const auto count = fields.Count("count", 0, 1000000);
    if (!count) fields.FailField("count", "is needed: how many contacts at most; 0 is none of this kind");
    cap.count = static_cast<uint32_t>(count.value_or(0));
    const std::string per = fields.RequiredText("per", limits::kShortTextBytesMax);
    if (!per.empty() && !ReadPer(per, &cap)) fields.FailField("per", "must be like 24h, 7d, day, week or month");
    Set(cap.channel, fields.Text("channel", limits::kExternalIdBytesMax));
    Set(cap.purpose, fields.Text("purpose", limits::kExternalIdBytesMax));
    parent.Fail(fields.Finish());
    caps.push_back(cap);
  }
  return caps;
}

std::vector<BudgetSettings> Budgets(JsonFields& parent) {
  std::vector<BudgetSettings> budgets;
  const std::vector<const Json*> entries = parent.Objects("budgets", kListMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields fields(*entries[i], parent.Place("budgets", i));
    BudgetSettings budget;
    budget.name = fields.RequiredText("name", limits::kExternalIdBytesMax);
    if (fields.Find("amount") == nullptr) fields.FailField("amount", "is needed, like \"500\"");
    Money(fields, "amount", &budget.amount);
    budget.channels = fields.Texts("channels", kListMax, limits::kExternalIdBytesMax);
    parent.Fail(fields.Finish());
    budgets.push_back(std::move(budget));
  }
  return budgets;
}

std::vector<AgentSettings> Agents(JsonFields& parent) {
  std::vector<AgentSettings> agents;
  const std::vector<const Json*> entries = parent.Objects("agents", kListMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields fields(*entries[i], parent.Place("agents", i));
    AgentSettings team;
    team.name = fields.RequiredText("name", limits::kExternalIdBytesMax);
    const auto minutes = fields.Number("minutesPerHour", 0, kNumberMax);
    if (!minutes) fields.FailField("minutesPerHour", "is needed: of all its agents together");
    team.minutes_per_hour = minutes.value_or(0);
    const std::vector<const Json*> channels = fields.Objects("channels", kListMax);
    for (size_t c = 0; c < channels.size(); ++c) {
      JsonFields channel(*channels[c], fields.Place("channels", c));
      const std::string name = channel.RequiredText("channel", limits::kExternalIdBytesMax);
      const auto of_contact = channel.Number("minutesPerContact", 0, kNumberMax);
      if (!of_contact) channel.FailField("minutesPerContact", "is needed: of one agent");
      if (!team.minutes_per_contact.emplace(name, of_contact.value_or(0)).second) {
        channel.FailField("channel", "stands there twice; say one number of minutes");
      }
      fields.Fail(channel.Finish());
    }
    parent.Fail(fields.Finish());
    agents.push_back(std::move(team));
  }
  return agents;
}

StockSettings Stock(JsonFields& parent) {
  StockSettings stock;
  const Json* json = parent.Find("stock");
  if (json == nullptr) return stock;
  JsonFields fields(*json, "stock.");
  Set(stock.of_catalogue, fields.Flag("fromCatalogue"));
  const std::vector<const Json*> entries = fields.Objects("items", limits::kBatchContentsMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields item(*entries[i], fields.Place("items", i));
    const std::string id = item.RequiredId("itemId");
    const auto amount = item.Count("amount", 0, size_t{1} << 40);
    if (!amount) item.FailField("amount", "is needed: to how many customers at most");
    if (!stock.items.emplace(id, amount.value_or(0)).second)
      item.FailField("itemId", "stands there twice; say one amount");
    fields.Fail(item.Finish());
  }
  parent.Fail(fields.Finish());
  return stock;
}

void WriteAgents(JsonWriter& out, const std::vector<AgentSettings>& agents) {
  out.BeginArray();
  for (const AgentSettings& team : agents) {
    out.BeginObject().Key("name").String(team.name).Key("minutesPerHour").Number(team.minutes_per_hour);
    out.Key("channels").BeginArray();
    for (const auto& [channel, minutes] : team.minutes_per_contact) {
      out.BeginObject().Key("channel").String(channel).Key("minutesPerContact").Number(minutes).EndObject();
    }
    out.EndArray().EndObject();
  }
  out.EndArray();
}

void WriteStock(JsonWriter& out, const StockSettings& stock) {
  out.BeginObject().Key("fromCatalogue").Bool(stock.of_catalogue).Key("items").BeginArray();
  for (const auto& [item, amount] : stock.items) {
    out.BeginObject().Key("itemId").String(item).Key("amount").Unsigned(amount).EndObject();
  }
  out.EndArray().EndObject();
}

void WriteHours(JsonWriter& out, const std::vector<DayHours>& hours) {
  const auto time = [](int minute) {
    char text[8];
    std::snprintf(text, sizeof text, "%02d:%02d", minute / 60 % 100, minute % 60);
    return std::string(text);
  };
  out.BeginArray();
  for (const DayHours& one : hours) {
    out.BeginObject().Key("from").String(time(one.from_minute)).Key("until").String(time(one.until_minute));
    out.Key("days").BeginArray();
    for (int day = 0; day < 7; ++day) {
      if ((one.days >> day & 1) != 0) out.String(kDayNames[day]);
    }
    out.EndArray().EndObject();
  }
  out.EndArray();
}

void WriteTexts(JsonWriter& out, const std::vector<std::string>& texts) {
  out.BeginArray();
  for (const std::string& text : texts) out.String(text);
  out.EndArray();
}

}  // namespace

Status ReadChannels(std::string_view text, ContactSettings* settings) {
  const Result<Json> json = ParseJsonBody(text);
  if (!json.ok()) return json.status();
  JsonFields fields(*json, "");
  if (fields.Find("channels") == nullptr) {
    fields.FailField("channels", "is needed: the list replaces the one in force; GET /v1/channels shows that");
  }
  settings->channels.clear();
  settings->places.clear();
  const std::vector<const Json*> channels = fields.Objects("channels", kListMax);
  for (size_t i = 0; i < channels.size(); ++i) {
    settings->channels.push_back(Channel(*channels[i], fields.Place("channels", i), fields));
  }
  const std::vector<const Json*> places = fields.Objects("places", kListMax);
  for (size_t i = 0; i < places.size(); ++i) {
    settings->places.push_back(Place(*places[i], fields.Place("places", i), fields));
  }
  return fields.Finish();
}

Status ReadLimits(std::string_view text, ContactSettings* settings) {
  const Result<Json> json = ParseJsonBody(text);
  if (!json.ok()) return json.status();
  JsonFields fields(*json, "");
  ContactLimits limits;
  if (fields.Find("caps") != nullptr) limits.caps = Caps(fields);
  if (fields.Find("quietHours") != nullptr) limits.quiet = Hours(fields, "quietHours");
  limits.budgets = Budgets(fields);
  limits.agents = Agents(fields);
  limits.stock = Stock(fields);
  Set(limits.time_zone, fields.Text("timezone", limits::kShortTextBytesMax));
  if (const Json* zones = fields.Find("countryTimezones")) {
    JsonFields names(*zones, "countryTimezones.");
    fields.Fail(names.status());
    if (!fields.status().ok()) return fields.status();
    for (const auto& entry : zones->items()) {
      Set(limits.country_zones[entry.key()], names.Text(entry.key().c_str(), limits::kShortTextBytesMax));
    }
    fields.Fail(names.status());
  }
  Money(fields, "responseMargin", &limits.response_margin);
  Set(limits.response_to_order, fields.Number("responseToOrder", 0, 1));
  Money(fields, "lifetimeValue", &limits.lifetime_value);
  Money(fields, "temperature", &limits.temperature);
  Set(limits.exploration, fields.Number("exploration", 0, 1));
  Set(limits.shortlist, fields.Count("shortlist", 2, 64));
  if (const auto share = fields.Number("holdoutShare", 0, 1)) {
    limits.holdout_ppm = static_cast<uint32_t>(std::lround(*share * 1e6));
  }
  Set(limits.holdout_name, fields.Text("holdout", limits::kShortTextBytesMax));
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  settings->limits = std::move(limits);
  return Status::Ok();
}

Status CheckStockItems(const ContactSettings& settings, const Catalog& catalog) {
  for (const auto& [id, amount] : settings.limits.stock.items) {
    const Item* item = catalog.Find(id);
    if (item != nullptr && item->catalogued) continue;
    return Status::InvalidArgument("stock: there is no item " + QuoteForMessage(id) + " in the catalogue");
  }
  return Status::Ok();
}

std::string ChannelsToJson(const ContactSettings& settings) {
  JsonWriter out;
  out.BeginObject().Key("channels").BeginArray();
  for (const ChannelSettings& channel : settings.channels) {
    out.BeginObject().Key("name").String(channel.name).Key("enabled").Bool(channel.enabled);
    out.Key("address").String(channel.address_trait).Key("cost").Number(channel.cost);
    out.Key("consentRequired").Bool(channel.consent_required);
    if (channel.has_quiet) WriteHours(out.Key("quietHours"), channel.quiet);
    out.Key("messagingWindowHours").Number(channel.messaging_window_hours);
    out.Key("capacityPerHour").Unsigned(channel.capacity_per_hour).Key("atPlace").Bool(channel.at_place);
    out.Key("deliveryMinutes").Number(channel.delivery_minutes).EndObject();
  }
  out.EndArray().Key("places").BeginArray();
  for (const PlaceSettings& place : settings.places) {
    out.BeginObject().Key("name").String(place.name);
    WriteTexts(out.Key("channels"), place.channels);
    WriteHours(out.Key("open"), place.open);
    if (!place.time_zone.empty()) out.Key("timezone").String(place.time_zone);
    if (place.has_position) out.Key("latitude").Number(place.latitude).Key("longitude").Number(place.longitude);
    out.Key("withinKm").Number(place.within_km);
    out.Key("capacityPerHour").Unsigned(place.capacity_per_hour).EndObject();
  }
  return out.EndArray().EndObject().Take();
}

std::string LimitsToJson(const ContactSettings& settings) {
  const ContactLimits& limits = settings.limits;
  JsonWriter out;
  out.BeginObject().Key("caps").BeginArray();
  for (const FrequencyCap& cap : limits.caps) {
    out.BeginObject().Key("count").Unsigned(cap.count).Key("per").String(PerText(cap));
    if (!cap.channel.empty()) out.Key("channel").String(cap.channel);
    if (!cap.purpose.empty()) out.Key("purpose").String(cap.purpose);
    out.EndObject();
  }
  out.EndArray();
  WriteHours(out.Key("quietHours"), limits.quiet);
  out.Key("budgets").BeginArray();
  for (const BudgetSettings& budget : limits.budgets) {
    out.BeginObject().Key("name").String(budget.name).Key("amount").Number(budget.amount);
    WriteTexts(out.Key("channels"), budget.channels);
    out.EndObject();
  }
  out.EndArray();
  WriteAgents(out.Key("agents"), limits.agents);
  WriteStock(out.Key("stock"), limits.stock);
  out.Key("timezone").String(limits.time_zone).Key("countryTimezones").BeginObject();
  for (const auto& [country, zone] : limits.country_zones) out.Key(country).String(zone);
  out.EndObject().Key("responseMargin").Number(limits.response_margin);
  out.Key("responseToOrder").Number(limits.response_to_order).Key("lifetimeValue").Number(limits.lifetime_value);
  out.Key("temperature").Number(limits.temperature).Key("exploration").Number(limits.exploration);
  out.Key("shortlist").Unsigned(limits.shortlist).Key("holdoutShare").Number(limits.holdout_ppm / 1e6);
  out.Key("holdout").String(limits.holdout_name);
  return out.EndObject().Take();
}

Result<ContactSettings> LoadContactSettings(const Store& store) {
  ContactSettings settings;
  if (const auto text = store.GetSetting(kChannelsSetting)) RAPPORT_RETURN_IF_ERROR(ReadChannels(*text, &settings));
  if (const auto text = store.GetSetting(kLimitsSetting)) RAPPORT_RETURN_IF_ERROR(ReadLimits(*text, &settings));
  RAPPORT_RETURN_IF_ERROR(Validate(settings));
  return settings;
}

}  // namespace rapport

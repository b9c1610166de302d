#include "engine/contact/contact_settings.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace rapport {
namespace {

constexpr double kMoneyMax = 1e12;
constexpr int64_t kWindowMsMax = 366 * kDayMs;

Status Wrong(const std::string& field, const std::string& why) { return Status::InvalidArgument(field + " " + why); }

Status CheckMoney(double value, const std::string& field) {
  if (std::isfinite(value) && value >= 0 && value <= kMoneyMax) return Status::Ok();
  return Wrong(field, "must be an amount from 0 to a million millions; costs and budgets are never negative");
}

Status CheckHours(const std::vector<DayHours>& hours, const std::string& field) {
  for (const DayHours& one : hours) {
    const bool in_range = one.from_minute >= 0 && one.from_minute < 1440 && one.until_minute >= 0 &&
                          one.until_minute <= 1440 && one.days != 0 && one.days <= 0x7f;
    if (!in_range) return Wrong(field, "must name times of a day and at least one day of the week");
  }
  return Status::Ok();
}

Status CheckSomethingIsLeft(const std::vector<DayHours>& quiet, const std::string& field) {
  RAPPORT_RETURN_IF_ERROR(CheckHours(quiet, field));
  for (int minute = 0; minute < 7 * 1440; ++minute) {
    const auto holds = [&](const DayHours& hours) { return hours.Holds(minute / 1440, minute % 1440); };
    if (std::none_of(quiet.begin(), quiet.end(), holds)) return Status::Ok();
  }
  return Wrong(field, "leave no minute of the week; to stop a channel set enabled to false or a cap of 0");
}

Status CheckZone(const std::string& zone, const std::string& field) {
  if (zone.empty() || TimeZone::Open(zone).ok()) return Status::Ok();
  return Wrong(field, QuoteForMessage(zone) + " is unknown; write an IANA name like Europe/Zurich");
}

Status CheckChannels(const ContactSettings& settings) {
  std::set<std::string> names;
  for (const ChannelSettings& channel : settings.channels) {
    const std::string field = "channel " + QuoteForMessage(channel.name);
    if (channel.name.empty()) return Wrong("a channel", "has no name");
    if (!names.insert(channel.name).second) return Wrong(field, "stands there twice");
    RAPPORT_RETURN_IF_ERROR(CheckMoney(channel.cost, field + ": cost"));
    RAPPORT_RETURN_IF_ERROR(CheckSomethingIsLeft(channel.quiet, field + ": quiet hours"));
    const bool window = std::isfinite(channel.messaging_window_hours) && channel.messaging_window_hours >= 0 &&
                        channel.messaging_window_hours <= 24 * 366;
    if (!window) return Wrong(field + ": messagingWindowHours", "must be 0 (any time) to a year");
    const bool delivery = std::isfinite(channel.delivery_minutes) && channel.delivery_minutes >= 0 &&
                          channel.delivery_minutes <= 60 * 24 * 60;
    if (!delivery) return Wrong(field + ": deliveryMinutes", "must be 0 to 60 days");
  }
  if (settings.channels.size() > 64) return Wrong("channels", "must be at most 64");
  return Status::Ok();
}

Status CheckPlaces(const ContactSettings& settings) {
  std::set<std::string> names;
  for (const PlaceSettings& place : settings.places) {
    const std::string field = "place " + QuoteForMessage(place.name);
    if (place.name.empty()) return Wrong("a place", "has no name");
    if (!names.insert(place.name).second) return Wrong(field, "stands there twice");
    RAPPORT_RETURN_IF_ERROR(CheckHours(place.open, field + ": open"));
    RAPPORT_RETURN_IF_ERROR(CheckZone(place.time_zone, field + ": timezone"));
    const bool on_earth = std::abs(place.latitude) <= 90 && std::abs(place.longitude) <= 180;
    if (!on_earth) return Wrong(field, "must have a latitude from -90 to 90 and a longitude from -180 to 180");
    for (const std::string& channel : place.channels) {
      if (settings.FindChannel(channel) == nullptr)
        return Wrong(field, "names the unknown channel " + QuoteForMessage(channel));
    }
  }
  if (settings.places.size() > 256) return Wrong("places", "must be at most 256");
  return Status::Ok();
}

Status CheckCaps(const ContactSettings& settings) {
  for (const FrequencyCap& cap : settings.limits.caps) {
    const bool known = cap.channel.empty() || settings.FindChannel(cap.channel) != nullptr;
    if (!known) return Wrong("a cap", "names the unknown channel " + QuoteForMessage(cap.channel));
    const bool rolling = cap.window == FrequencyCap::Window::kRolling;
    if (rolling && (cap.rolling_ms < kMinuteMs || cap.rolling_ms > kWindowMsMax)) {
      return Wrong("a cap's window", "must be between a minute and 366 days");
    }
  }
  if (settings.limits.caps.size() > 64) return Wrong("caps", "must be at most 64");
  return Status::Ok();
}

Status CheckAgents(const ContactSettings& settings) {
  constexpr double kMinutesMax = 1e9;
  std::set<std::string> names, channels;
  for (const AgentSettings& team : settings.limits.agents) {
    const std::string field = "agents " + QuoteForMessage(team.name);
    if (team.name.empty()) return Wrong("a team of agents", "has no name");
    if (!names.insert(team.name).second) return Wrong(field, "stands there twice");
    if (!(team.minutes_per_hour >= 0 && team.minutes_per_hour <= kMinutesMax)) {
      return Wrong(field + ": minutesPerHour", "must be 0 (nobody is there) to a thousand millions");
    }
    if (team.minutes_per_contact.empty()) return Wrong(field, "names no channel: say what a contact takes, like call");
    for (const auto& [channel, minutes] : team.minutes_per_contact) {
      if (settings.FindChannel(channel) == nullptr) {
        return Wrong(field, "names the unknown channel " + QuoteForMessage(channel));
      }
      if (!channels.insert(channel).second) {
        return Wrong("channel " + QuoteForMessage(channel), "stands in two teams; a contact takes the minutes of one");
      }
      if (!(minutes > 0 && minutes <= kMinutesMax)) {
        return Wrong(field + ": minutesPerContact", "must be above 0; a channel that takes no agent stands in no team");
      }
      if (team.minutes_per_hour > 0 && minutes > team.minutes_per_hour) {
        return Wrong(field, "has fewer minutes in an hour than one contact on " + QuoteForMessage(channel) +
                                " takes: none would ever fit; raise minutesPerHour, or set it to 0 to have none");
      }
    }
  }
  if (settings.limits.agents.size() > 64) return Wrong("agents", "must be at most 64 teams");
  return Status::Ok();
}

}  // namespace

bool DayHours::Holds(int weekday, int minute_of_day) const {
  const auto on = [this](int day) { return (days >> ((day + 7) % 7) & 1) != 0; };
  if (from_minute < until_minute) return on(weekday) && minute_of_day >= from_minute && minute_of_day < until_minute;
  if (from_minute == until_minute) return on(weekday);
  return (on(weekday) && minute_of_day >= from_minute) || (on(weekday - 1) && minute_of_day < until_minute);
}

const ChannelSettings* ContactSettings::FindChannel(const std::string& name) const {
  for (const ChannelSettings& channel : channels) {
    if (channel.name == name) return &channel;
  }
  return nullptr;
}

Status ContactSettings::CheckChannel(const std::string& name) const {
  if (FindChannel(name) != nullptr) return Status::Ok();
  std::string names;
  for (const ChannelSettings& channel : channels) names += (names.empty() ? "" : ", ") + channel.name;
  return Status::InvalidArgument("there is no channel " + QuoteForMessage(name) + "; there are " +
                                 (names.empty() ? "none at all" : names) + "; PUT /v1/channels makes others");
}

const AgentSettings* ContactSettings::FindAgents(const std::string& channel) const {
  for (const AgentSettings& team : limits.agents) {
    if (team.minutes_per_contact.contains(channel)) return &team;
  }
  return nullptr;
}

std::vector<ChannelSettings> ContactSettings::DefaultChannels() {
  std::vector<ChannelSettings> channels;
  const auto add = [&](const char* name, const char* trait, double cost) {
    ChannelSettings channel;
    channel.name = name;
    channel.address_trait = trait;
    channel.cost = cost;
    channels.push_back(channel);
    return &channels.back();
  };
  add("email", "email", 0.001);
  add("sms", "phone", 0.05);
  add("push", "pushToken", 0);
  add("message", "phone", 0.02)->messaging_window_hours = 24;
  add("call", "phone", 2);
  add("post", "address.street", 0.9)->delivery_minutes = 3 * 1440;
  add("in-app", "", 0);
  return channels;
}

Status Validate(const ContactSettings& settings) {
  RAPPORT_RETURN_IF_ERROR(CheckChannels(settings));
  RAPPORT_RETURN_IF_ERROR(CheckPlaces(settings));
  RAPPORT_RETURN_IF_ERROR(CheckCaps(settings));
  const ContactLimits& limits = settings.limits;
  RAPPORT_RETURN_IF_ERROR(CheckSomethingIsLeft(limits.quiet, "the shop's quiet hours"));
  if (limits.time_zone.empty()) return Wrong("timezone", "is empty; write an IANA name like Europe/Zurich");
  RAPPORT_RETURN_IF_ERROR(CheckZone(limits.time_zone, "timezone"));
  for (const auto& [country, zone] : limits.country_zones) {
    RAPPORT_RETURN_IF_ERROR(CheckZone(zone, "countryTimezones." + country));
  }
  std::set<std::string> names;
  for (const BudgetSettings& budget : limits.budgets) {
    const std::string field = "budget " + QuoteForMessage(budget.name);
    if (budget.name.empty()) return Wrong("a budget", "has no name");
    if (!names.insert(budget.name).second) return Wrong(field, "stands there twice with different amounts; keep one");
    RAPPORT_RETURN_IF_ERROR(CheckMoney(budget.amount, field + ": amount"));
    for (const std::string& channel : budget.channels) {
      if (settings.FindChannel(channel) == nullptr)
        return Wrong(field, "names the unknown channel " + QuoteForMessage(channel));
    }
  }
  RAPPORT_RETURN_IF_ERROR(CheckAgents(settings));
  RAPPORT_RETURN_IF_ERROR(CheckMoney(limits.response_margin, "responseMargin"));
  RAPPORT_RETURN_IF_ERROR(CheckMoney(limits.lifetime_value, "lifetimeValue"));
  RAPPORT_RETURN_IF_ERROR(CheckMoney(limits.temperature, "temperature"));
  if (!(limits.response_to_order >= 0 && limits.response_to_order <= 1))
    return Wrong("responseToOrder", "must be 0 to 1");
  if (!(limits.exploration > 0 && limits.exploration <= 1)) {
    return Wrong("exploration", "must be above 0 and at most 1: without it nothing is learned about other arms");
  }
  if (limits.shortlist < 2 || limits.shortlist > 64) return Wrong("shortlist", "must be 2 to 64");
  if (limits.holdout_ppm > 1000000) return Wrong("holdoutShare", "must be 0 to 1");
  return Status::Ok();
}

}  // namespace rapport

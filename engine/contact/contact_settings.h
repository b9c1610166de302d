// What a shop says about reaching its customers: channels, places, limits, and the shop-wide numbers that nobody has on
// the first day. Plain values: server/endpoints reads them from JSON (GET, PUT /v1/channels and /v1/limits) and the
// store keeps that text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"

namespace rapport {

// Hours of a wall clock: from_minute <= minute of the day < until_minute on the given days; over midnight when
// until <= from (the days are those on which it begins). from == until: the whole day.
struct DayHours {
  uint8_t days = 0x7f;  // bit 0: Monday
  int from_minute = 0, until_minute = 0;
  // `weekday` 0: Monday.
  bool Holds(int weekday, int minute_of_day) const;
};

// At most `count` contacts in any window of this kind. 0: none of this kind at all, and only of this kind.
struct FrequencyCap {
  enum class Window : uint8_t { kRolling, kDay, kWeek, kMonth };  // the last three by the customer's calendar
  uint32_t count = 1;
  Window window = Window::kRolling;
  int64_t rolling_ms = 24 * 3600 * 1000;
  std::string channel;  // empty: over all channels
  std::string purpose;  // empty: every purpose
};

struct ChannelSettings {
  std::string name;  // "email"
  bool enabled = true;
  std::string address_trait;     // the customer must have it ("email", "phone"); empty: nothing is needed
  double cost = 0;               // of one send, in the shop's currency
  bool consent_required = true;  // for marketing and topics; other purposes only mind a withdrawal
  std::vector<DayHours> quiet;   // nothing is sent then; used instead of the shop's when has_quiet
  bool has_quiet = false;
  double messaging_window_hours = 0;  // instant messages: only this long after the customer's last one; 0: any time
  uint64_t capacity_per_hour = 0;     // 0: no limit
  bool at_place = false;              // arms are per place
  double delivery_minutes = 0;        // how long it takes: what expires before that is not sent this way
};

struct PlaceSettings {
  std::string name;
  std::vector<std::string> channels;  // those that can be used here; empty: every channel with at_place
  std::vector<DayHours> open;         // by the place's own clock; empty: always
  std::string time_zone;              // empty: the shop's
  double latitude = 0, longitude = 0;
  bool has_position = false;
  double within_km = 0;  // who is known to be farther away is not asked to come; 0: everybody is
  uint64_t capacity_per_hour = 0;
};

struct BudgetSettings {
  std::string name;                   // "mail in May"
  double amount = 0;                  // money for one batch of decisions
  std::vector<std::string> channels;  // empty: all
};

// A team that makes contacts. Its minutes hold in each hour, for single decisions and batches together.
struct AgentSettings {
  std::string name;                                   // "call centre"
  double minutes_per_hour = 0;                        // of all its agents; 0: nobody is there
  std::map<std::string, double> minutes_per_contact;  // by channel; each channel in one team at most
};

// To how many customers one batch may send a content at most.
struct StockSettings {
  bool of_catalogue = false;              // as many as the item has in stock, where that is counted
  std::map<std::string, uint64_t> items;  // by external id, instead of it; 0: to nobody
};

struct ContactLimits {
  std::vector<FrequencyCap> caps{{.count = 2, .rolling_ms = 7 * 24 * 3600 * int64_t{1000}, .purpose = "marketing"},
                                 {.count = 1, .rolling_ms = 24 * 3600 * int64_t{1000}, .purpose = "marketing"}};
  std::vector<DayHours> quiet{{.days = 0x7f, .from_minute = 21 * 60, .until_minute = 8 * 60}};
  std::vector<BudgetSettings> budgets;
  std::vector<AgentSettings> agents;
  StockSettings stock;
  std::string time_zone = "UTC";                     // of the shop, where a customer's is not known
  std::map<std::string, std::string> country_zones;  // "CH" -> "Europe/Zurich", for customers without a zone
  double response_margin = 5;                        // what a response earns, where the item has no margin of its own
  double response_to_order = 1;                      // share of an item's margin that a response earns
  double lifetime_value = 50;                        // lost when a customer leaves a channel for good
  double temperature = 0.02;                         // of the choice among good arms, in money; 0: always the best
  double exploration = 0.05;                         // share of even chances over the shortlist, in (0, 1]
  size_t shortlist = 64;                             // feasible arms that are drawn from, "nothing" among them; 2 to 64
  uint32_t holdout_ppm = 0;  // customers who get no marketing at all, by hash; parts per million
  std::string holdout_name = "global";
};

struct ContactSettings {
  std::vector<ChannelSettings> channels = DefaultChannels();
  std::vector<PlaceSettings> places;
  ContactLimits limits;

  const ChannelSettings* FindChannel(const std::string& name) const;
  // kInvalidArgument names the channels that there are.
  Status CheckChannel(const std::string& name) const;
  // Whose minutes a contact on the channel takes; null: nobody's.
  const AgentSettings* FindAgents(const std::string& channel) const;
  // email, sms, push, message, call, post, in-app: with the traits that carry their addresses.
  static std::vector<ChannelSettings> DefaultChannels();
};

// kInvalidArgument names the field and says what to write: an unknown zone, a name twice, a negative amount, a cap for
// a channel that is not there, quiet hours that leave no minute.
Status Validate(const ContactSettings& settings);

}  // namespace rapport

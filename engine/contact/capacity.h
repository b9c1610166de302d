// Capacity per channel and hour and per place and hour, and a team's minutes per hour, exact while many decide at once:
// what the store has counted (durable, Store::PlannedByHour) plus what is on its way to the disk.
//
//   used(name, hour) = counted in a snapshot + reservations whose decision the snapshot does not hold
//   minutes(team, hour) = sum over the team's channels of used(channel, hour) x minutes per contact
//
// A decision and its planned contact are one write, and a reservation is settled only after it. So a snapshot taken
// after the look at the reservations has each contact once: as counted, or as a reservation.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "data/store.h"
#include "engine/contact/contact_log.h"
#include "engine/contact/contact_settings.h"

namespace rapport {

// Hours since 1970.
inline int64_t HourNumber(Timestamp time) { return time.ms / kHourMs; }

// Thread-safe. `store` must outlive it.
class CapacityDesk {
 public:
  explicit CapacityDesk(const Store& store) : store_(store) {}

  // Contacts of a channel or a place by hour, [first_hour, first_hour + count).
  std::vector<uint64_t> Used(PlannedOf of, const std::string& name, int64_t first_hour, size_t count) const;
  // How many more contacts the channel takes by hour: of its own capacity and of its agents' minutes. Empty: any
  // number.
  std::vector<uint64_t> Left(const ContactSettings& settings, const ChannelSettings& channel, int64_t first_hour,
                             size_t count) const;
  // What Reserve has found full; a channel is also full when its agents have not the minutes.
  enum class Full : uint8_t { kNone, kChannel, kPlace };
  // Takes one of the channel's and, where there is one, one of the place's contacts in the contact's hour, until
  // Settle; neither when one of them is full. Always kNone without a capacity and
  // without agents.
  Full Reserve(const ContactSettings& settings, const Contact& contact);
  // The store has said what became of it. Nothing for a contact that holds no place.
  void Settle(const std::string& contact);

 private:
  using Hour = std::tuple<PlannedOf, std::string, int64_t>;
  // REQUIRE mutex_.
  bool IsFull(const Hour& hour, uint64_t capacity, const Snapshot& snapshot) const;
  bool AgentsAreBusy(const AgentSettings& team, const Hour& hour, const Snapshot& snapshot) const;
  uint64_t UsedIn(const Hour& hour, const Snapshot& snapshot) const;

  const Store& store_;
  mutable std::mutex mutex_;  // guards what follows
  std::multimap<Hour, std::string> reserved_;
  std::unordered_map<std::string, std::vector<Hour>> hours_of_;
};

}  // namespace rapport

#include "engine/contact/capacity.h"

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr double kMinutesSlack = 1e-6;  // for sums of fractions of a minute; a microsecond of an agent's time

}  // namespace

std::vector<uint64_t> CapacityDesk::Used(PlannedOf of, const std::string& name, int64_t first_hour,
                                         size_t count) const {
  std::vector<std::pair<int64_t, std::string>> on_the_way;
  std::unique_ptr<Snapshot> snapshot;
  {
    std::lock_guard hold(mutex_);
    const auto end = reserved_.lower_bound({of, name, first_hour + static_cast<int64_t>(count)});
    for (auto at = reserved_.lower_bound({of, name, first_hour}); at != end; ++at) {
      on_the_way.emplace_back(std::get<int64_t>(at->first), at->second);
    }
    snapshot = store_.GetSnapshot();
  }
  std::vector<uint64_t> used = store_.PlannedByHour(of, name, first_hour, count, snapshot.get());
  for (const auto& [hour, contact] : on_the_way) {
    if (!store_.HasDecision(contact, snapshot.get())) ++used[static_cast<size_t>(hour - first_hour)];
  }
  return used;
}

std::vector<uint64_t> CapacityDesk::Left(const ContactSettings& settings, const ChannelSettings& channel,
                                         int64_t first_hour, size_t count) const {
  const AgentSettings* team = settings.FindAgents(channel.name);
  if (channel.capacity_per_hour == 0 && team == nullptr) return {};
  std::vector<uint64_t> left(count, ~uint64_t{0});
  if (channel.capacity_per_hour > 0) {
    const std::vector<uint64_t> used = Used(PlannedOf::kChannel, channel.name, first_hour, count);
    for (size_t h = 0; h < count; ++h)
      left[h] = channel.capacity_per_hour - std::min(used[h], channel.capacity_per_hour);
  }
  if (team == nullptr) return left;
  std::vector<double> minutes(count, 0);
  for (const auto& [name, of_contact] : team->minutes_per_contact) {
    const std::vector<uint64_t> used = Used(PlannedOf::kChannel, name, first_hour, count);
    for (size_t h = 0; h < count; ++h) minutes[h] += static_cast<double>(used[h]) * of_contact;
  }
  const double mine = team->minutes_per_contact.at(channel.name);
  for (size_t h = 0; h < count; ++h) {
    const double more = std::floor((team->minutes_per_hour - minutes[h] + kMinutesSlack) / mine);
    left[h] = std::min(left[h], static_cast<uint64_t>(std::max(0.0, more)));
  }
  return left;
}

uint64_t CapacityDesk::UsedIn(const Hour& hour, const Snapshot& snapshot) const {
  const auto& [of, name, number] = hour;
  uint64_t used = store_.PlannedByHour(of, name, number, 1, &snapshot)[0];
  const auto [begin, end] = reserved_.equal_range(hour);
  for (auto at = begin; at != end; ++at) used += store_.HasDecision(at->second, &snapshot) ? 0 : 1;
  return used;
}

bool CapacityDesk::IsFull(const Hour& hour, uint64_t capacity, const Snapshot& snapshot) const {
  if (capacity == 0) return false;
  const auto& [of, name, number] = hour;
  const uint64_t used = store_.PlannedByHour(of, name, number, 1, &snapshot)[0];
  const auto [begin, end] = reserved_.equal_range(hour);
  // Far from full it does not matter whether some are counted twice.
  if (used + static_cast<uint64_t>(std::distance(begin, end)) < capacity) return false;
  return UsedIn(hour, snapshot) >= capacity;
}

bool CapacityDesk::AgentsAreBusy(const AgentSettings& team, const Hour& hour, const Snapshot& snapshot) const {
  double minutes = team.minutes_per_contact.at(std::get<std::string>(hour));
  for (const auto& [name, of_contact] : team.minutes_per_contact) {
    const Hour same_hour{PlannedOf::kChannel, name, std::get<int64_t>(hour)};
    minutes += static_cast<double>(UsedIn(same_hour, snapshot)) * of_contact;
  }
  return minutes > team.minutes_per_hour + kMinutesSlack;
}

CapacityDesk::Full CapacityDesk::Reserve(const ContactSettings& settings, const Contact& contact) {
  const ChannelSettings* channel = settings.FindChannel(contact.channel);
  const auto place = std::find_if(settings.places.begin(), settings.places.end(),
                                  [&](const PlaceSettings& one) { return one.name == contact.place; });
  const uint64_t of_channel = channel != nullptr ? channel->capacity_per_hour : 0;
  const uint64_t of_place = place != settings.places.end() ? place->capacity_per_hour : 0;
  const AgentSettings* team = settings.FindAgents(contact.channel);
  if (of_channel == 0 && of_place == 0 && team == nullptr) return Full::kNone;
  const Hour channel_hour{PlannedOf::kChannel, contact.channel, HourNumber(contact.time)};
  const Hour place_hour{PlannedOf::kPlace, contact.place, HourNumber(contact.time)};
  std::lock_guard hold(mutex_);
  const std::unique_ptr<Snapshot> snapshot = store_.GetSnapshot();
  if (IsFull(channel_hour, of_channel, *snapshot)) return Full::kChannel;
  if (team != nullptr && AgentsAreBusy(*team, channel_hour, *snapshot)) return Full::kChannel;
  if (IsFull(place_hour, of_place, *snapshot)) return Full::kPlace;
  const auto reserve = [&](const Hour& hour) {
    reserved_.emplace(hour, contact.id);
    hours_of_[contact.id].push_back(hour);
  };
  if (of_channel > 0 || team != nullptr) reserve(channel_hour);
  if (of_place > 0) reserve(place_hour);
  return Full::kNone;
}

void CapacityDesk::Settle(const std::string& contact) {
  std::lock_guard hold(mutex_);
  const auto found = hours_of_.find(contact);
  if (found == hours_of_.end()) return;
  for (const Hour& hour : found->second) {
    const auto [begin, end] = reserved_.equal_range(hour);
    const auto mine = std::find_if(begin, end, [&](const auto& one) { return one.second == contact; });
    if (mine != end) reserved_.erase(mine);
  }
  hours_of_.erase(found);
}

}  // namespace rapport

#include "engine/contact/capacity.h"

#include <algorithm>

namespace rapport {

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

bool CapacityDesk::IsFull(const Hour& hour, uint64_t capacity, const Snapshot& snapshot) const {
  if (capacity == 0) return false;
  const auto& [of, name, number] = hour;
  uint64_t used = store_.PlannedByHour(of, name, number, 1, &snapshot)[0];
  const auto [begin, end] = reserved_.equal_range(hour);
  // Far from full it does not matter whether some are counted twice.
  if (used + static_cast<uint64_t>(std::distance(begin, end)) < capacity) return false;
  for (auto at = begin; at != end; ++at) used += store_.HasDecision(at->second, &snapshot) ? 0 : 1;
  return used >= capacity;
}

CapacityDesk::Full CapacityDesk::Reserve(const ContactSettings& settings, const Contact& contact) {
  const ChannelSettings* channel = settings.FindChannel(contact.channel);
  const auto place = std::find_if(settings.places.begin(), settings.places.end(),
                                  [&](const PlaceSettings& one) { return one.name == contact.place; });
  const uint64_t of_channel = channel != nullptr ? channel->capacity_per_hour : 0;
  const uint64_t of_place = place != settings.places.end() ? place->capacity_per_hour : 0;
  if (of_channel == 0 && of_place == 0) return Full::kNone;
  const Hour channel_hour{PlannedOf::kChannel, contact.channel, HourNumber(contact.time)};
  const Hour place_hour{PlannedOf::kPlace, contact.place, HourNumber(contact.time)};
  std::lock_guard hold(mutex_);
  const std::unique_ptr<Snapshot> snapshot = store_.GetSnapshot();
  if (IsFull(channel_hour, of_channel, *snapshot)) return Full::kChannel;
  if (IsFull(place_hour, of_place, *snapshot)) return Full::kPlace;
  for (const Hour& hour : {channel_hour, place_hour}) {
    if ((std::get<PlannedOf>(hour) == PlannedOf::kChannel ? of_channel : of_place) == 0) continue;
    reserved_.emplace(hour, contact.id);
    hours_of_[contact.id].push_back(hour);
  }
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

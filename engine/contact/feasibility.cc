#include "engine/contact/feasibility.h"

#include <algorithm>

namespace rapport {
namespace {

// Topics are marketing that the customer asked for.
bool SamePurpose(const std::string& asked, const std::string& of_contact) {
  if (asked.empty() || asked == of_contact) return true;
  return asked == "marketing" && !IsService(of_contact);
}

bool CapCounts(const FrequencyCap& cap, const std::string& channel, const std::string& purpose) {
  return (cap.channel.empty() || cap.channel == channel) && SamePurpose(cap.purpose, purpose);
}

bool HasTrait(const Attributes& traits, const std::string& name) {
  const auto found = traits.find(name);
  if (found == traits.end()) return false;
  const auto* text = std::get_if<std::string>(&found->second);
  const auto* flag = std::get_if<bool>(&found->second);
  return text != nullptr ? !text->empty() : flag == nullptr || *flag;
}

Timestamp NextMinute(Timestamp time) { return {(time.ms / kMinuteMs + 1) * kMinuteMs}; }

}  // namespace

const char* ContactRefusalName(ContactRefusal refusal) {
  switch (refusal) {
    case ContactRefusal::kNone: return "none";
    case ContactRefusal::kDisabled: return "channel-disabled";
    case ContactRefusal::kNoConsent: return "no-consent";
    case ContactRefusal::kWithdrawn: return "consent-withdrawn";
    case ContactRefusal::kUnreachable: return "no-address";
    case ContactRefusal::kBounced: return "bounced";
    case ContactRefusal::kComplaint: return "open-complaint";
    case ContactRefusal::kHoldout: return "holdout";
    case ContactRefusal::kIncomplete: return "too-many-contacts";
    case ContactRefusal::kQuietHours: return "quiet-hours";
    case ContactRefusal::kCap: return "frequency-cap";
    case ContactRefusal::kMessagingWindow: return "messaging-window";
    case ContactRefusal::kPlaceClosed: return "place-closed";
    case ContactRefusal::kTooLate: return "too-late";
    case ContactRefusal::kContent: return "content-not-allowed";
    case ContactRefusal::kCapacity: return "capacity";
    case ContactRefusal::kTooFar: return "too-far";
  }
  return "unknown";
}

bool IsService(const std::string& purpose) { return purpose == "service" || purpose == "transactional"; }

std::optional<bool> ConsentInForce(const std::vector<Consent>& ledger, const std::string& channel,
                                   const std::string& purpose) {
  const bool of_topic = purpose.starts_with("topic:");
  const Consent* newest = nullptr;
  for (const Consent& word : ledger) {
    const bool of_channel = word.channel == channel || word.channel == "*";
    const bool of_purpose = word.purpose == purpose || word.purpose == "*" || (of_topic && word.purpose == "marketing");
    if (!of_channel || !of_purpose) continue;
    const bool newer = newest == nullptr || word.time > newest->time || (word.time == newest->time && !word.given);
    if (newer) newest = &word;
  }
  return newest == nullptr ? std::nullopt : std::optional(newest->given);
}

ContactRefusal Feasibility::Standing(const Question& question) const {
  const ChannelSettings& channel = *question.channel;
  const bool service = IsService(question.purpose);
  if (!channel.enabled) return ContactRefusal::kDisabled;
  if (!customer_.log.complete) return ContactRefusal::kIncomplete;
  if (!service && customer_.log.open_complaints > 0) return ContactRefusal::kComplaint;
  const bool by_topic = !service && !question.topic.empty();
  const std::optional<bool> consent =
      ConsentInForce(customer_.ledger, channel.name, by_topic ? "topic:" + question.topic : question.purpose);
  if (consent && !*consent) return ContactRefusal::kWithdrawn;
  if (!consent && !service && channel.consent_required) return ContactRefusal::kNoConsent;
  if (!channel.address_trait.empty() && !HasTrait(customer_.traits, channel.address_trait))
    return ContactRefusal::kUnreachable;
  const auto bounce = customer_.log.last_bounce.find(channel.name);
  if (bounce == customer_.log.last_bounce.end()) return ContactRefusal::kNone;
  const auto alive = customer_.log.last_sign_of_life.find(channel.name);
  const auto changed = customer_.address_changed.find(channel.address_trait);
  const bool healed = (alive != customer_.log.last_sign_of_life.end() && alive->second > bounce->second) ||
                      (changed != customer_.address_changed.end() && changed->second > bounce->second);
  return healed ? ContactRefusal::kNone : ContactRefusal::kBounced;
}

ContactRefusal Feasibility::At(const Question& question, Timestamp time, Timestamp* retry) const {
  const auto soon = [&](Timestamp at) {
    if (retry != nullptr) *retry = at;
  };
  const ChannelSettings& channel = *question.channel;
  const auto holds = [&](const std::vector<DayHours>& hours, const LocalTime& clock) {
    const int weekday = clock.WeekdayAt(time), minute = clock.MinuteOfDayAt(time);
    return std::any_of(hours.begin(), hours.end(), [&](const DayHours& one) { return one.Holds(weekday, minute); });
  };
  soon(NextMinute(time));
  if (holds(channel.has_quiet ? channel.quiet : settings_.limits.quiet, local_)) return ContactRefusal::kQuietHours;
  if (question.place != nullptr && !question.place->open.empty() &&
      !holds(question.place->open, *question.place_time)) {
    return ContactRefusal::kPlaceClosed;
  }
  if (channel.messaging_window_hours > 0) {
    const auto inbound = customer_.log.last_inbound.find(channel.name);
    const double window_ms = channel.messaging_window_hours * static_cast<double>(kHourMs);
    const bool open = inbound != customer_.log.last_inbound.end() && inbound->second <= time &&
                      static_cast<double>(time.ms - inbound->second.ms) < window_ms;
    if (!open) {
      soon({time.ms + kHourMs});
      return ContactRefusal::kMessagingWindow;
    }
  }
  for (const FrequencyCap& cap : settings_.limits.caps) {
    if (!CapCounts(cap, channel.name, question.purpose)) continue;
    if (!CapAllows(cap, time, retry)) return ContactRefusal::kCap;
  }
  return ContactRefusal::kNone;
}

Feasibility::Moment Feasibility::First(const Question& question, Timestamp from, Timestamp until) const {
  Moment moment;
  // A minute that has begun is over: nothing is sent before `from`.
  Timestamp time{(from.ms + kMinuteMs - 1) / kMinuteMs * kMinuteMs};
  while (time < until) {
    Timestamp retry;
    moment.refusal = At(question, time, &retry);
    if (moment.refusal == ContactRefusal::kNone) {
      moment.at = time;
      return moment;
    }
    time = {(std::max(retry, NextMinute(time)).ms + kMinuteMs - 1) / kMinuteMs * kMinuteMs};
  }
  return moment;
}

int64_t Feasibility::CalendarIndex(FrequencyCap::Window window, Timestamp time) const {
  const Timestamp wall = local_.WallOf(time);
  const int64_t day = (wall.ms >= 0 ? wall.ms : wall.ms - (kDayMs - 1)) / kDayMs;
  if (window == FrequencyCap::Window::kDay) return day;
  if (window == FrequencyCap::Window::kWeek) return (day + 3 + 7 * 10000) / 7;  // the epoch was a Thursday
  const CivilTime civil = UtcToCivil(wall);
  return static_cast<int64_t>(civil.year) * 12 + civil.month;
}

bool Feasibility::RollingAllows(const FrequencyCap& cap, Timestamp time, Timestamp* retry) const {
  std::vector<Timestamp> times;  // of what counts, ascending
  for (const Contact& contact : customer_.log.contacts) {
    const bool near = contact.time.ms > time.ms - cap.rolling_ms && contact.time.ms < time.ms + cap.rolling_ms;
    if (near && CapCounts(cap, contact.channel, contact.purpose)) times.push_back(contact.time);
  }
  // Windows that end at `time` or at a later contact within reach.
  const auto count_until = [&](Timestamp end) {
    return static_cast<size_t>(std::count_if(times.begin(), times.end(),
                                             [&](Timestamp t) { return t <= end && t.ms > end.ms - cap.rolling_ms; }));
  };
  if (count_until(time) + 1 > cap.count) {
    // Worth asking again when the oldest that is in the way has left.
    const auto oldest =
        std::find_if(times.begin(), times.end(), [&](Timestamp t) { return t.ms > time.ms - cap.rolling_ms; });
    if (retry != nullptr && oldest != times.end()) *retry = {oldest->ms + cap.rolling_ms};
    return false;
  }
  for (const Timestamp later : times) {
    if (later > time && count_until(later) + 1 > cap.count) {
      if (retry != nullptr) *retry = {later.ms + 1};
      return false;
    }
  }
  return true;
}

bool Feasibility::CapAllows(const FrequencyCap& cap, Timestamp time, Timestamp* retry) const {
  if (cap.count == 0) {
    if (retry != nullptr) *retry = {time.ms + 366 * kDayMs};
    return false;
  }
  if (cap.window == FrequencyCap::Window::kRolling) return RollingAllows(cap, time, retry);
  const int64_t index = CalendarIndex(cap.window, time);
  size_t count = 0;
  for (const Contact& contact : customer_.log.contacts) {
    const bool counts = CapCounts(cap, contact.channel, contact.purpose);
    if (counts && CalendarIndex(cap.window, contact.time) == index) ++count;
  }
  if (count + 1 <= cap.count) return true;
  // The next hour of the wall clock: days are not all equally long.
  if (retry != nullptr) *retry = {time.ms + (60 - local_.MinuteOfDayAt(time) % 60) * kMinuteMs};
  return false;
}

}  // namespace rapport

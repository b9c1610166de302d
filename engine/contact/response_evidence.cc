#include "engine/contact/response_evidence.h"

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

template <typename T, typename V>
uint32_t IndexOf(const std::vector<T>& sorted, const V& value, uint32_t otherwise) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), value);
  return found != sorted.end() && *found == value ? static_cast<uint32_t>(found - sorted.begin()) : otherwise;
}

float AgeDays(Timestamp time, Timestamp as_of) {
  return static_cast<float>(std::max<int64_t>(0, as_of.ms - time.ms)) / static_cast<float>(kDayMs);
}

}  // namespace

double DecayOfSends(int64_t age_ms) {
  return age_ms <= 0 ? 1 : std::exp2(-static_cast<double>(age_ms) / static_cast<double>(kRecentHalfLifeMs));
}

float RecentSends(const ContactLog& log, Timestamp time) {
  double sum = 0;
  for (const Contact& contact : log.contacts) {
    if (contact.time < time) sum += DecayOfSends(time.ms - contact.time.ms);
  }
  return static_cast<float>(sum);
}

bool IsActivity(EventType type) {
  switch (type) {
    case EventType::kViewed:
    case EventType::kClicked:
    case EventType::kAdded:
    case EventType::kRemoved:
    case EventType::kOrdered:
    case EventType::kSearched:
    case EventType::kRated:
    case EventType::kReviewed: return true;
    default: return false;
  }
}

// Names beside "" stand in order: see response_set.cc.
uint8_t ResponseVocabulary::Channel(const std::string& name) const {
  return static_cast<uint8_t>(IndexOf(channels, name, 0));
}
uint8_t ResponseVocabulary::Place(const std::string& name) const {
  return static_cast<uint8_t>(IndexOf(places, name, 0));
}
uint8_t ResponseVocabulary::Kind(const std::string& name) const {
  return static_cast<uint8_t>(IndexOf(kinds, name, 0));
}
uint32_t ResponseVocabulary::Segment(const std::string& name) const { return IndexOf(segments, name, 0); }
uint32_t ResponseVocabulary::Content(ItemId item) const { return IndexOf(contents, item.value, kNoContent); }

CustomerEvidence EvidenceBuffers::View() const {
  CustomerEvidence view;
  view.segment = segment;
  view.traits = traits;
  view.trials = trials;
  view.activity_hours = activity_hours;
  view.activity_age_days = activity_age_days;
  return view;
}

EvidenceBuffers CollectEvidence(const ContactLog& log, const std::vector<HistoryEntry>& history,
                                const std::vector<uint64_t>& trait_tokens, const std::string& segment,
                                const LocalTime& local, Timestamp as_of, const ResponseVocabulary& vocabulary,
                                const std::function<std::string(ItemId)>& kind_of) {
  EvidenceBuffers out;
  out.segment = vocabulary.Segment(segment);
  for (const uint64_t token : trait_tokens) {
    const uint32_t row = IndexOf(vocabulary.traits, token, kNoContent);
    if (row != kNoContent) out.traits.push_back(row);
  }
  for (const Contact& contact : log.contacts) {
    if (contact.planned || contact.time > as_of) continue;
    ResponseTrial trial;
    trial.content = vocabulary.Content(contact.item);
    trial.hour = static_cast<uint16_t>(local.HourOfWeekAt(contact.time));
    trial.channel = vocabulary.Channel(contact.channel);
    trial.place = vocabulary.Place(contact.place);
    trial.kind = vocabulary.Kind(kind_of(contact.item));
    trial.responded = contact.responded();
    trial.unsubscribed = contact.unsubscribed || contact.marked_as_spam;
    trial.affinity = contact.affinity;
    trial.recent_sends = RecentSends(log, contact.time);
    trial.age_days = AgeDays(contact.time, as_of);
    out.trials.push_back(trial);
  }
  std::vector<Timestamp> times;
  for (const HistoryEntry& entry : history) {
    if (IsActivity(entry.type) && entry.time <= as_of) times.push_back(entry.time);
  }
  std::sort(times.begin(), times.end());
  for (size_t i = 0; i < times.size(); ++i) {
    if (i > 0 && times[i].ms - times[i - 1].ms <= kHourMs) continue;
    out.activity_hours.push_back(static_cast<uint16_t>(local.HourOfWeekAt(times[i])));
    out.activity_age_days.push_back(AgeDays(times[i], as_of));
  }
  return out;
}

}  // namespace rapport

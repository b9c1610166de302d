// What the response model is told of a customer, from the log: one trial per contact that was sent, one mark per visit.
//   recent sends  sum of 2^(-age / kRecentHalfLifeMs) over the contacts sent before
//   a visit       something the customer did, more than an hour after the last thing done
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/contact/contact_log.h"
#include "engine/contact/local_time.h"
#include "models/response_model.h"

namespace rapport {

inline constexpr int64_t kRecentHalfLifeMs = 7 * kDayMs;
double DecayOfSends(int64_t age_ms);  // age below 0: 1
// As of `time`, planned ones that lie before it among them.
float RecentSends(const ContactLog& log, Timestamp time);
bool IsActivity(EventType type);  // something that only happens while the customer is here

// The names behind the model's indices. Index 0 of channels, places and kinds is "" (any other).
struct ResponseVocabulary {
  std::vector<std::string> channels{""}, places{""}, kinds{""}, segments{""};
  std::vector<uint64_t> contents;  // ItemId values, ascending
  std::vector<uint64_t> traits;    // tokens (engine/content/attributes.h), ascending

  uint8_t Channel(const std::string& name) const;
  uint8_t Place(const std::string& name) const;
  uint8_t Kind(const std::string& name) const;
  uint32_t Segment(const std::string& name) const;
  uint32_t Content(ItemId item) const;  // kNoContent when it is not there
};

// Buffers that the spans of CustomerEvidence point into. Moved, never copied.
struct EvidenceBuffers {
  uint32_t segment = 0;
  std::vector<uint32_t> traits;
  std::vector<ResponseTrial> trials;
  std::vector<uint16_t> activity_hours;
  std::vector<float> activity_age_days;
  CustomerEvidence View() const;
};

// `kind_of(item)`: the item's kind, "" when it is unknown. Events after `as_of` are left out.
EvidenceBuffers CollectEvidence(const ContactLog& log, const std::vector<HistoryEntry>& history,
                                const std::vector<uint64_t>& trait_tokens, const std::string& segment,
                                const LocalTime& local, Timestamp as_of, const ResponseVocabulary& vocabulary,
                                const std::function<std::string(ItemId)>& kind_of);

}  // namespace rapport

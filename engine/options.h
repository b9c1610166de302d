// The engine's configuration as plain structs; server/config reads them from the one JSON file and refuses unknown
// keys.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/records.h"

namespace rapport {

// How much one line of an event says about taste, before decay (docs/API.md "Events: one table").
struct EventWeights {
  std::array<double, kEventTypeCount> by_type{};  // index: EventType
  std::map<std::string, double> by_name;          // custom events: weight by the sender's name
  double history_half_life_days = 90;             // w = type weight x 2^(-age / half-life)
  double rated_neutral = 3.0;                     // a rating counts by_type[kRated] x (value - rated_neutral)

  // What one line says before decay; the one definition for training and for serving. A line that came back
  // (quantity < 0) counts against, one of quantity 0 for nothing. Quantities never multiply: one bulk order would drown
  // a whole year.
  double LineWeight(EventType type, int64_t quantity, std::optional<double> value, const std::string& name) const;

  // viewed 1, clicked 1, added 3, removed -3, ordered 5, refunded and cancelled -5, rated 1 per point above neutral,
  // the rest 0.
  static EventWeights Defaults();
};

// What may be shown again.
enum class RepeatPolicy : uint8_t {
  kAllow,           // consumables: everything
  kExcludeOwned,    // not what the customer has (ordered and not returned)
  kExcludeOrdered,  // nothing ever ordered
  kOnlyOrdered,     // "buy again"
};

// Where candidates come from before falling back: personal or session -> similar -> popular -> static -> latest.
enum class CandidateSource : uint8_t {
  kPersonal,        // the customer's factor
  kSimilar,         // neighbours of the seed items
  kBoughtTogether,  // from baskets with the seed items
};

// Slots of a page whose items are drawn and not ranked (engine/content/exploration.h).
struct Exploration {
  std::vector<size_t> slots;  // positions from 1; empty: none. A pin that stands there wins
  double epsilon = 0.2;       // share of even chances, in (0, 1]
  size_t candidates = 32;     // per slot, 2 to 64
  size_t new_items = 8;       // of them kept for the latest items that the model has not learned from; fewer than all
};

// One row of the scenario table.
struct Scenario {
  std::string name;
  std::string kind = "product";  // empty: every kind
  size_t count = 20;             // when the request names none
  CandidateSource source = CandidateSource::kPersonal;
  RepeatPolicy repeat = RepeatPolicy::kAllow;
  bool exclude_viewed = false;
  bool exclude_seeds = true;
  std::string filter;    // in the filter language; always applied
  double diversity = 0;  // 0 to 1, when the request names none (engine/content/diversity.h)
  Exploration exploration;
};

struct EngineOptions {
  EventWeights weights = EventWeights::Defaults();
  std::vector<Scenario> scenarios = DefaultScenarios();
  std::vector<std::string> static_items;  // external ids shown when nothing else is left
  size_t history_cache_customers = 100000;
  size_t filter_cache_entries = 256;
  size_t filter_cache_bytes = 64u << 20;  // bitmaps a quarter, columns a quarter, rows half
  int64_t answer_life_ms = 5000;          // of a page's text (server/endpoints/answer_memory.h); 0: none is kept
  size_t answer_bytes = 32u << 20;        // of all of them
  size_t models_kept = 10;                // newest generations whose files stay, beside the one in service; 0: all
  size_t session_events = 50;             // newest events that make an anonymous visitor's session
  // Share of "what this customer orders again" where repeats are allowed and the model brings no blend of its own
  // (engine/content/ranker.h). On the validation month of Online Retail II 0.5 to 1 do best, and 0 worst.
  double repeat_weight = 1.0;
  double repeat_half_life_days = 365;  // decay of an order in that share

  // home, product, category, cart, post-purchase, buy-again. The first one answers for unknown names.
  static std::vector<Scenario> DefaultScenarios();
};

}  // namespace rapport

#include "engine/learning/content_parts.h"

#include <algorithm>

#include "engine/learning/attribute_table.h"
#include "models/attribute_map.h"

namespace rapport {
namespace {

constexpr int64_t kYearMs = 364 * kDayMs;  // whole weeks: the same days of the week

Status FitAttributePart(const TrainingSet& set, const AttributeOptions& options, ContentModel& model) {
  std::vector<AttributeItem> items(set.items());
  for (uint32_t row = 0; row < set.items(); ++row) {
    if (const AttributeItem* known = set.attributes->FindItem(set.item_ids[row])) items[row] = *known;
  }
  model.attributes = FitAttributes(items, options);
  const auto d = static_cast<size_t>(model.als.options.factors);
  Result<std::vector<float>> map =
      FitAttributeMap(model.attributes, model.als.item_factors, d, CountCustomers(set), options);
  if (!map.ok()) return map.status();
  model.attributes.map = map.Take();
  return {};
}

std::vector<Session> CutSessions(const TrainingSet& set, double gap_minutes) {
  const auto gap_ms = static_cast<int64_t>(gap_minutes * kMinuteMs);
  std::vector<Session> sessions;
  for (uint32_t customer = 0; customer < set.customers(); ++customer) {
    bool open = false;
    for (const TrainingLine& line : set.LinesOf(customer)) {
      if (line.weight <= 0) continue;
      if (!open || line.time.ms - sessions.back().time_ms > gap_ms) sessions.emplace_back();
      open = true;
      sessions.back().time_ms = line.time.ms;
      sessions.back().rows.push_back(line.item);
    }
  }
  return sessions;
}

std::vector<Purchase> Purchases(const TrainingSet& set) {
  std::vector<Purchase> purchases;
  for (const TrainingLine& line : set.lines) {
    if (line.type == EventType::kOrdered) purchases.push_back({line.customer, line.item, line.time});
  }
  return purchases;
}

TraitModel FitTraitPart(const TrainingSet& set, Timestamp as_of, const ContentPartsOptions& options) {
  std::vector<std::vector<uint64_t>> traits(set.customers());
  for (uint32_t customer = 0; customer < set.customers(); ++customer) {
    const auto known = set.attributes->TraitsOf(set.customer_ids[customer]);
    traits[customer].assign(known.begin(), known.end());
  }
  std::vector<TraitEvent> events;
  for (const TrainingLine& line : set.lines) {
    if (line.weight > 0) events.push_back({line.customer, {line.item, line.weight, line.time}});
  }
  return FitTraits(set.items(), traits, events, as_of, options.trait_half_life_days, options.per_trait);
}

// What was chosen in the coming weeks, a year before; empty where the log does not reach back.
std::vector<float> FitSeason(const TrainingSet& set, Timestamp as_of, double days) {
  const int64_t begin_ms = as_of.ms - kYearMs;
  const int64_t end_ms = begin_ms + static_cast<int64_t>(days * kDayMs);
  std::vector<float> season;
  if (set.first.ms > begin_ms) return season;
  std::vector<double> sums(set.items());
  for (const TrainingLine& line : set.lines) {
    if (line.weight > 0 && line.time.ms >= begin_ms && line.time.ms < end_ms) sums[line.item] += line.weight;
  }
  season.assign(sums.begin(), sums.end());
  return season;
}

}  // namespace

std::vector<uint32_t> CountCustomers(const TrainingSet& set) {
  std::vector<uint32_t> counts(set.items()), last(set.items(), kNoRow);
  for (const TrainingLine& line : set.lines) {
    if (line.weight <= 0 || last[line.item] == line.customer) continue;
    last[line.item] = line.customer;
    ++counts[line.item];
  }
  return counts;
}

Status FitContentParts(const TrainingSet& set, Timestamp as_of, const ContentPartsOptions& options, int threads,
                       ContentModel& model) {
  model.stack.season = FitSeason(set, as_of, options.season_days);
  model.sessions = FitSessions(set.items(), CutSessions(set, options.session_gap_minutes), options.sessions);
  if (set.attributes != nullptr) {
    AttributeOptions attributes = options.attributes;
    attributes.threads = threads;
    RAPPORT_RETURN_IF_ERROR(FitAttributePart(set, attributes, model));
    model.traits = FitTraitPart(set, as_of, options);
  }
  model.repurchase = FitRepurchase(set.items(), Purchases(set), model.attributes.categories, as_of);
  return {};
}

}  // namespace rapport

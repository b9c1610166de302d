// The training table: see training_set.h. The scan keeps three small maps (items shown, links, customers left out) and
// streams the events.
#include "engine/learning/training_set.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/limits.h"
#include "engine/content/attributes.h"
#include "engine/learning/attribute_table.h"

namespace rapport {
namespace {

constexpr uint64_t kProgressEvery = 65536;

// FNV-1a, 64 bits: tells the orders of one customer apart, nothing more.
uint64_t HashOrder(std::string_view order_id, Timestamp time) {
  uint64_t hash = order_id.empty() ? 0x84222325cbf29ce4ull : 0xcbf29ce484222325ull;
  const auto add = [&hash](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3ull; };
  if (order_id.empty()) {
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<uint8_t>(static_cast<uint64_t>(time.ms) >> shift));
  }
  for (const char c : order_id) add(static_cast<uint8_t>(c));
  return hash;
}

bool IsOrder(EventType type) { return type == EventType::kOrdered; }
bool IsReturn(EventType type) { return type == EventType::kRefunded || type == EventType::kCancelled; }

void SortUnique(std::vector<uint64_t>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  ids.shrink_to_fit();
}

uint32_t RowIn(const std::vector<uint64_t>& ids, uint64_t id) {
  return static_cast<uint32_t>(std::lower_bound(ids.begin(), ids.end(), id) - ids.begin());
}

// Offsets, first and last from lines that are in order.
void FinishTable(TrainingSet& set) {
  set.offsets.assign(set.customer_ids.size() + 1, 0);
  for (const TrainingLine& line : set.lines) ++set.offsets[line.customer + 1];
  for (size_t row = 0; row < set.customer_ids.size(); ++row) set.offsets[row + 1] += set.offsets[row];
  set.first = set.last = Timestamp{};
  if (set.lines.empty()) return;
  set.first = set.last = set.lines.front().time;
  for (const TrainingLine& line : set.lines) {
    set.first = std::min(set.first, line.time);
    set.last = std::max(set.last, line.time);
  }
}

// Orders of one customer, numbered by first appearance; says whether (order, item, kind) is new.
class OrdersOfCustomer {
 public:
  void Clear() {
    numbers_.clear();
    seen_.clear();
  }
  // Number of the order, and whether this item of it was there before.
  std::pair<uint32_t, bool> Take(uint64_t order_key, uint32_t item, EventType type) {
    const uint32_t number = numbers_.try_emplace(order_key, static_cast<uint32_t>(numbers_.size())).first->second;
    const uint64_t key = (static_cast<uint64_t>(number) << 33) | (static_cast<uint64_t>(item) << 1) |
                         static_cast<uint64_t>(IsReturn(type));
    return {number, !seen_.insert(key).second};
  }

 private:
  std::unordered_map<uint64_t, uint32_t> numbers_;
  std::unordered_set<uint64_t> seen_;
};

// Gives the order lines of one customer their global group numbers, dense, by first appearance.
class GroupNumbers {
 public:
  explicit GroupNumbers(uint32_t& next) : next_(next) {}
  void Clear() { of_.clear(); }
  uint32_t Of(uint32_t local) {
    const auto [place, is_new] = of_.try_emplace(local, next_);
    if (is_new) ++next_;
    return place->second;
  }

 private:
  uint32_t& next_;
  std::unordered_map<uint32_t, uint32_t> of_;
};

// What the scan must know of items and customers before it meets their events.
struct ScanFilter {
  std::vector<bool> shown;                           // by ItemId
  std::unordered_map<uint64_t, uint64_t> parents;    // child -> parent
  std::unordered_set<uint64_t> personalization_off;  // roots
  std::unordered_set<uint64_t> known;                // roots with a user identity; only for kKnownOnly
  uint64_t items_shown = 0, items_other = 0;
  std::shared_ptr<AttributeTable> attributes = std::make_shared<AttributeTable>();

  uint64_t Root(uint64_t customer) const {
    for (size_t step = 0; step < limits::kLinkMembersMax; ++step) {
      const auto parent = parents.find(customer);
      if (parent == parents.end()) return customer;
      customer = parent->second;
    }
    return customer;
  }
};

Result<ScanFilter> ReadScanFilter(const Store& store, const Snapshot& snapshot, const TrainingSetOptions& options) {
  ScanFilter filter;
  WordBreaker words;
  RAPPORT_RETURN_IF_ERROR(store.ForEachItem(
      [&](const Item& item) {
        const bool shown = item.catalogued && !item.hidden;
        if (item.id.value >= filter.shown.size()) filter.shown.resize(item.id.value + 1);
        filter.shown[item.id.value] = shown;
        ++(shown ? filter.items_shown : filter.items_other);
        if (!shown) return true;
        filter.attributes->item_ids.push_back(item.id.value);
        filter.attributes->items.push_back(DescribeItem(item, words));
        filter.attributes->published.push_back(item.published_at.value_or(Timestamp{}));
        return true;
      },
      &snapshot));
  RAPPORT_RETURN_IF_ERROR(store.ForEachLink(
      [&](const Link& link) {
        filter.parents[link.child.value] = link.parent.value;
        return true;
      },
      &snapshot));
  std::map<uint64_t, std::vector<uint64_t>> traits;  // by root
  RAPPORT_RETURN_IF_ERROR(store.ForEachProfile(
      [&](const Profile& profile) {
        const uint64_t root = filter.Root(profile.id.value);
        const std::vector<uint64_t> tokens = DescribeCustomer(profile);
        if (!tokens.empty()) traits[root].insert(traits[root].end(), tokens.begin(), tokens.end());
        if (profile.personalization == Personalization::kOff) filter.personalization_off.insert(root);
        if (options.customers == CustomersRead::kKnownOnly && profile.ref.name_space == CustomerNamespace::kUser) {
          filter.known.insert(root);
        }
        return true;
      },
      &snapshot));
  for (auto& [root, tokens] : traits) {
    if (filter.personalization_off.contains(root)) continue;
    SortUnique(tokens);
    filter.attributes->customer_ids.push_back(root);
    filter.attributes->traits.push_back(std::move(tokens));
  }
  return filter;
}

Status NothingToLearn(const ScanFilter& filter, uint64_t events) {
  if (events == 0)
    return Status::FailedPrecondition("nothing to learn from: the store has no events; import or send some first");
  const std::string head = "nothing to learn from: " + std::to_string(events) + " events, but ";
  if (filter.items_shown == 0) {
    return Status::FailedPrecondition(head + "no item that may be shown (" + std::to_string(filter.items_other) +
                                      " hidden or known from events only); put items into the catalogue first");
  }
  return Status::FailedPrecondition(
      head + "none of them says anything about a catalogued item (check the event types' weights and the item ids)");
}

}  // namespace

EventType LineType(EventType type, int64_t quantity) {
  return IsOrder(type) && quantity < 0 ? EventType::kRefunded : type;
}

double DecayFactor(Timestamp time, Timestamp as_of, double half_life_days) {
  if (half_life_days <= 0) return 1;
  const double age_days = static_cast<double>(std::max<int64_t>(0, as_of.ms - time.ms)) / kDayMs;
  return std::exp2(-age_days / half_life_days);
}

Status TrainingSetBuilder::Add(CustomerId root, ItemId item, EventId event, EventType type, Timestamp time,
                               float weight, std::string_view order_id) {
  if (!std::isfinite(weight))
    return Status::InvalidArgument("the weight of event type " + std::string(EventTypeName(type)) + " is not finite");
  if (weight == 0 && !IsOrder(type)) return Status::Ok();
  if (IsReturn(type) && options_.refunds == RefundsRead::kIgnore) return Status::Ok();
  if (!IsOrder(type) && !IsReturn(type) && options_.events == EventsRead::kOrdersOnly) return Status::Ok();
  if (pending_.size() >= options_.lines_max) {
    return Status::ResourceExhausted(
        "more than " + std::to_string(options_.lines_max) +
        " event lines: too many to train on in memory; raise lines_max or train on a shorter history");
  }
  pending_.push_back({root.value, item.value, event.value, HashOrder(order_id, time), time, weight, type});
  return Status::Ok();
}

TrainingSet TrainingSetBuilder::Build() {
  std::vector<PendingLine> pending = std::move(pending_);
  const auto before = [](const PendingLine& a, const PendingLine& b) {
    return std::tie(a.customer, a.time, a.event) < std::tie(b.customer, b.time, b.event);
  };
  // Stable: lines of one event keep their order.
  if (!std::is_sorted(pending.begin(), pending.end(), before)) std::stable_sort(pending.begin(), pending.end(), before);

  TrainingSet set;
  for (const PendingLine& line : pending) {
    if (set.customer_ids.empty() || set.customer_ids.back() != line.customer) set.customer_ids.push_back(line.customer);
    set.item_ids.push_back(line.item);
  }
  SortUnique(set.item_ids);

  set.lines.reserve(pending.size());
  OrdersOfCustomer orders;
  GroupNumbers groups(set.groups);
  uint32_t customer = 0;
  for (const PendingLine& line : pending) {
    if (set.customer_ids[customer] != line.customer) {
      ++customer;
      orders.Clear();
      groups.Clear();
    }
    const uint32_t item = RowIn(set.item_ids, line.item);
    uint32_t group = kNoGroup;
    if (IsOrder(line.type) || IsReturn(line.type)) {
      const auto [order, repeated] = orders.Take(line.order_key, item, line.type);
      if (repeated) continue;
      if (IsOrder(line.type)) group = groups.Of(order);
    }
    set.lines.push_back({line.time, line.event, customer, item, group, line.weight, line.type});
  }
  FinishTable(set);
  return set;
}

Result<TrainingSet> ReadTrainingSet(const Store& store, const Snapshot& snapshot, const EventWeights& weights,
                                    const TrainingSetOptions& options, const ReadProgress& progress) {
  Result<ScanFilter> filter = ReadScanFilter(store, snapshot, options);
  if (!filter.ok()) return filter.status();

  TrainingSetBuilder builder(options);
  const double customers = static_cast<double>(std::max<uint64_t>(1, store.statistics().customers));
  Status status;
  uint64_t events = 0, last_customer = 0, root = 0;
  bool wanted = false;
  const auto visit = [&](const Event& event) {
    if (event.customer.value != last_customer) {
      last_customer = event.customer.value;
      root = filter->Root(last_customer);
      wanted = !filter->personalization_off.contains(root) &&
               (options.customers == CustomersRead::kAll || filter->known.contains(root));
    }
    if (++events % kProgressEvery == 0 && progress && !progress(std::min(1.0, last_customer / customers))) {
      status = Status::Unavailable("cancelled while reading events");
      return false;
    }
    if (!wanted) return true;
    for (const ItemLine& line : event.lines) {
      if (line.item.value >= filter->shown.size() || !filter->shown[line.item.value]) continue;
      if (line.quantity == 0) continue;
      const double weight = weights.LineWeight(event.type, line.quantity, event.value, event.name);
      status = builder.Add(CustomerId{root}, line.item, event.id, LineType(event.type, line.quantity), event.time,
                           weight, event.order_id);
      if (!status.ok()) return false;
    }
    return true;
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachEvent(visit, &snapshot));
  if (!status.ok()) return status;

  TrainingSet set = builder.Build();
  set.events_read = events;
  set.attributes = filter->attributes;
  if (set.lines.empty()) return NothingToLearn(*filter, events);
  return set;
}

TrainingSet LinesBefore(const TrainingSet& set, Timestamp cut) {
  return LinesWhere(set, [cut](const TrainingLine& line) { return line.time < cut; });
}

TrainingSet LinesWhere(const TrainingSet& set, const std::function<bool(const TrainingLine&)>& keep) {
  TrainingSet past;
  past.events_read = set.events_read;
  past.attributes = set.attributes;
  std::vector<uint32_t> item_rows(set.items(), 0), group_rows(set.groups, kNoGroup);
  for (const TrainingLine& line : set.lines) {
    if (keep(line)) item_rows[line.item] = 1;
  }
  for (uint32_t item = 0; item < set.items(); ++item) {
    if (item_rows[item] == 0) continue;
    item_rows[item] = past.items();
    past.item_ids.push_back(set.item_ids[item]);
  }
  for (const TrainingLine& line : set.lines) {
    if (!keep(line)) continue;
    const uint64_t id = set.customer_ids[line.customer];
    if (past.customer_ids.empty() || past.customer_ids.back() != id) past.customer_ids.push_back(id);
    TrainingLine copy = line;
    copy.customer = past.customers() - 1;
    copy.item = item_rows[line.item];
    if (line.group != kNoGroup) {
      if (group_rows[line.group] == kNoGroup) group_rows[line.group] = past.groups++;
      copy.group = group_rows[line.group];
    }
    past.lines.push_back(copy);
  }
  FinishTable(past);
  return past;
}

Result<Interactions> BuildInteractions(const TrainingSet& set, Timestamp as_of, double half_life_days) {
  std::vector<Triplet> triplets;
  triplets.reserve(set.lines.size());
  for (const TrainingLine& line : set.lines) {
    const double weight = line.weight * DecayFactor(line.time, as_of, half_life_days);
    triplets.push_back({line.customer, line.item, static_cast<float>(weight)});
  }
  return Interactions::FromTriplets(set.customers(), set.items(), std::move(triplets));
}

Result<Interactions> BuildRepeats(const TrainingSet& set, Timestamp as_of, double half_life_days) {
  std::vector<Triplet> triplets;
  for (const TrainingLine& line : set.lines) {
    if (!IsOrder(line.type) && !IsReturn(line.type)) continue;
    const double sign = IsOrder(line.type) ? 1 : -1;
    triplets.push_back(
        {line.customer, line.item, static_cast<float>(sign * DecayFactor(line.time, as_of, half_life_days))});
  }
  return Interactions::FromTriplets(set.customers(), set.items(), std::move(triplets));
}

Result<Interactions> BuildBaskets(const TrainingSet& set) {
  std::vector<Triplet> triplets;
  for (const TrainingLine& line : set.lines) {
    if (line.group != kNoGroup) triplets.push_back({line.group, line.item, 1.0f});
  }
  return Interactions::FromTriplets(set.groups, set.items(), std::move(triplets));
}

std::vector<PopularityEvent> BuildPopularityEvents(const TrainingSet& set) {
  std::vector<PopularityEvent> events;
  for (const TrainingLine& line : set.lines) {
    if (line.weight > 0) events.push_back({line.item, line.weight, line.time});
  }
  return events;
}

}  // namespace rapport

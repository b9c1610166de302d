// Planned contacts by channel and hour, and by place and hour: counters that change in the write that plans, cancels or
// prunes the contact.
//
//   count(name, hour) = plans of that hour without a cancellation of their id among the customer's own entries
//
//   family default    "planned/" 'C' channel or 'P' place, length (2) name hour (8)    varint; none: no key
//
// What retention removes is counted no longer, as caps know it no longer: the counters are always those of the entries
// that are there. Hours that are over are never asked for; their keys go with their entries. A plan that reaches the
// store after its own cancellation is counted until the counters are made anew: rather a place too few than one too
// many.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/store.h"

namespace rapport {

// What one group of operations changes. Of the committer, on its thread.
class PlannedCounts {
 public:
  // Root and members of the customer; asked only where it matters.
  using MembersOf = std::function<std::vector<CustomerId>()>;

  explicit PlannedCounts(const Store::Impl& store) : store_(store) {}

  // One more for a plan; fewer for a plan that is given up. Before the entry is written.
  void Add(CustomerId customer, const ContactEntry& entry, const MembersOf& members);
  // Retention takes these entries of one customer away, all of them in the store. Twice is once.
  void Remove(std::span<const ContactEntry> entries, const MembersOf& members);
  // Each counter that changes: its key, and its new value or nullopt for none.
  void Write(const std::function<void(const std::string& key, const std::optional<std::string>& value)>& write) const;

 private:
  // Entries of the customer's identities, in the store and of this group; without those that Remove took.
  void Visit(const std::vector<CustomerId>& members, const std::function<void(const ContactEntry&)>& visit) const;

  const Store::Impl& store_;
  std::unordered_multimap<uint64_t, ContactEntry> added_;  // by customer: in no table yet
  std::unordered_set<uint64_t> removed_;                   // events: in the table still
  std::map<std::string, int64_t> changes_;                 // by key
};

}  // namespace rapport

#include "data/planned_contacts.h"

#include <algorithm>

#include "data/archive.h"
#include "data/codec.h"
#include "data/keys.h"
#include "data/store_impl.h"

namespace rapport {
namespace {

// Where a plan is counted; nowhere when it does not say when. Any other entry: nowhere.
std::vector<std::string> PlannedKeys(const ContactEntry& entry) {
  std::vector<std::string> keys;
  if (entry.type != EventType::kContactPlanned || !entry.facts.at || entry.facts.at->ms < 0) return keys;
  const int64_t hour = entry.facts.at->ms / kHourMs;
  if (!entry.channel.empty()) {
    keys.push_back(keys::Planned(static_cast<char>(PlannedOf::kChannel), entry.channel, hour));
  }
  if (!entry.place.empty()) keys.push_back(keys::Planned(static_cast<char>(PlannedOf::kPlace), entry.place, hour));
  return keys;
}

bool IsCancellation(const ContactEntry& entry) {
  return entry.type == EventType::kContactCancelled && !entry.contact_id.empty();
}

Result<ContactEntry> DecodeContact(std::string_view sealed) {
  const Result<std::string_view> plain = Unseal(sealed);
  if (!plain.ok()) return plain.status();
  return DecodeRecord<ContactEntry>(*plain);
}

Result<uint64_t> DecodeCount(std::string_view bytes) {
  Decoder decoder(bytes);
  const uint64_t count = decoder.Varint();
  if (!decoder.ok()) return Status::DataLoss("a count of planned contacts is not what was written");
  return count;
}

std::string CustomerAndEvent(std::string_view key) {
  if (key.size() != 16) return "with a key that is not what was written";
  return std::to_string(keys::ReadBigEndian(key.substr(8))) + " of customer " +
         std::to_string(keys::ReadBigEndian(key));
}

}  // namespace

void PlannedCounts::Visit(const std::vector<CustomerId>& members,
                          const std::function<void(const ContactEntry&)>& visit) const {
  for (const CustomerId member : members) {
    const std::string prefix = keys::BigEndian(member.value);
    const auto it = store_.Iterate(kContact, store_.Read(nullptr));
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
      const Result<ContactEntry> known = DecodeContact(it->value().ToStringView());
      if (!known.ok()) store_.Note(known.status());
      if (known.ok() && !removed_.contains(known->event.value)) visit(*known);
    }
    store_.NoteEnd(*it, "contacts");
    for (auto [at, end] = added_.equal_range(member.value); at != end; ++at) visit(at->second);
  }
}

void PlannedCounts::Add(CustomerId customer, const ContactEntry& entry, const MembersOf& members) {
  for (const std::string& key : PlannedKeys(entry)) ++changes_[key];
  if (IsCancellation(entry)) {
    std::vector<std::string> given_up;
    bool over = false;
    Visit(members(), [&](const ContactEntry& other) {
      if (other.contact_id != entry.contact_id) return;
      over |= IsCancellation(other);
      for (std::string& key : PlannedKeys(other)) given_up.push_back(std::move(key));
    });
    for (const std::string& key : given_up) changes_[key] -= over ? 0 : 1;
  }
  added_.emplace(customer.value, entry);
}

void PlannedCounts::Remove(std::span<const ContactEntry> entries, const MembersOf& members) {
  const bool has_plans = std::any_of(entries.begin(), entries.end(),
                                     [](const ContactEntry& entry) { return !PlannedKeys(entry).empty(); });
  std::unordered_set<std::string> cancelled;
  if (has_plans) {
    Visit(members(), [&](const ContactEntry& other) {
      if (IsCancellation(other)) cancelled.insert(other.contact_id);
    });
  }
  for (const ContactEntry& entry : entries) {
    if (!removed_.insert(entry.event.value).second || cancelled.contains(entry.contact_id)) continue;
    for (const std::string& key : PlannedKeys(entry)) --changes_[key];
  }
}

void PlannedCounts::Write(
    const std::function<void(const std::string& key, const std::optional<std::string>& value)>& write) const {
  for (const auto& [key, change] : changes_) {
    if (change == 0) continue;
    const auto stored = store_.Get(kMeta, key);
    const Result<uint64_t> before = stored ? DecodeCount(*stored) : 0;
    store_.Note(before.status());
    const int64_t count = (before.ok() ? static_cast<int64_t>(*before) : 0) + change;
    std::optional<std::string> value;
    if (count > 0) Encoder(value.emplace()).Varint(static_cast<uint64_t>(count));
    write(key, value);
  }
}

// The counters anew, from the entries about contacts. Everything is read before anything goes.
Status Store::Impl::RebuildPlannedLocked() {
  std::map<std::string, uint64_t> counts;
  std::unordered_set<std::string> cancelled;
  const auto name_of = [this](std::string_view key, const ContactEntry& entry) {
    return keys::BigEndian(Root(CustomerId{keys::ReadBigEndian(key)}, nullptr).value) + entry.contact_id;
  };
  const auto walk = [this](const std::function<void(std::string_view, const ContactEntry&)>& visit) -> Status {
    const auto it = Iterate(kContact, Read(nullptr));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const std::string_view key = it->key().ToStringView();
      const Result<ContactEntry> entry = DecodeContact(it->value().ToStringView());
      if (!entry.ok() || key.size() != 16) {
        return Status::DataLoss("the entry about a contact, event " + CustomerAndEvent(key) + ", is damaged");
      }
      visit(key, *entry);
    }
    return FromRocks(it->status(), "cannot read contacts");
  };
  RAPPORT_RETURN_IF_ERROR(walk([&](std::string_view key, const ContactEntry& entry) {
    if (IsCancellation(entry)) cancelled.insert(name_of(key, entry));
    for (const std::string& counted : PlannedKeys(entry)) ++counts[counted];
  }));
  if (!cancelled.empty()) {
    RAPPORT_RETURN_IF_ERROR(walk([&](std::string_view key, const ContactEntry& entry) {
      const std::vector<std::string> planned = PlannedKeys(entry);
      if (planned.empty() || !cancelled.contains(name_of(key, entry))) return;
      for (const std::string& counted : planned) --counts[counted];
    }));
  }
  rocksdb::WriteBatch batch;
  (void)batch.DeleteRange(families[kMeta], "planned/", "planned0");
  for (const auto& [key, count] : counts) {
    std::string value;
    Encoder(value).Varint(count);
    if (count > 0) (void)batch.Put(families[kMeta], key, value);
  }
  return FromRocks(db->Write(Write(), &batch), "cannot count planned contacts");
}

std::vector<uint64_t> Store::PlannedByHour(PlannedOf of, const std::string& name, int64_t first_hour, size_t count,
                                           const Snapshot* snapshot) const {
  std::vector<uint64_t> planned(count, 0);
  const std::string first = keys::Planned(static_cast<char>(of), name, std::max(int64_t{0}, first_hour));
  const std::string_view prefix = std::string_view(first).substr(0, first.size() - 8);
  const auto it = impl_->Iterate(kMeta, impl_->Read(snapshot));
  for (it->Seek(first); it->Valid() && it->key().starts_with(prefix) && it->key().size() == first.size(); it->Next()) {
    const std::string_view key = it->key().ToStringView();
    const int64_t slot = static_cast<int64_t>(keys::ReadBigEndian(key.substr(prefix.size()))) - first_hour;
    if (slot >= static_cast<int64_t>(count)) break;
    const Result<uint64_t> stored = DecodeCount(it->value().ToStringView());
    impl_->Note(stored.status());
    if (stored.ok()) planned[static_cast<size_t>(slot)] = *stored;
  }
  impl_->NoteEnd(*it, "planned contacts");
  return planned;
}

}  // namespace rapport

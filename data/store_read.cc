// Reads: everything goes through the newest state or a snapshot, never through the committer.
#include <algorithm>

#include "data/archive.h"
#include "data/codec.h"
#include "data/store_impl.h"

namespace rapport {
namespace {

constexpr int kLinkDepthMax = 16;

char SpaceOf(CustomerNamespace name_space) { return name_space == CustomerNamespace::kUser ? 'U' : 'A'; }

template <typename R>
Result<R> DecodeSealed(std::string_view sealed) {
  const Result<std::string_view> plain = Unseal(sealed);
  if (!plain.ok()) return plain.status();
  return DecodeRecord<R>(*plain);
}

// Walks one family from the start; `decode` turns a value into a record.
template <typename R, typename Decode>
Status VisitAll(rocksdb::Iterator& it, const Decode& decode, const std::function<bool(const R&)>& visit) {
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    const Result<R> record = decode(it.value().ToStringView());
    if (!record.ok()) return record.status();
    if (!visit(*record)) return Status::Ok();
  }
  return FromRocks(it.status(), "cannot read the store");
}

}  // namespace

rocksdb::ReadOptions Store::Impl::Read(const Snapshot* snapshot) const {
  rocksdb::ReadOptions read;
  if (snapshot != nullptr) read.snapshot = static_cast<const SnapshotImpl*>(snapshot)->get();
  return read;
}

rocksdb::WriteOptions Store::Impl::Write() const {
  rocksdb::WriteOptions write;
  write.sync = options.durability == Durability::kFsync;
  return write;
}

// nullopt: not there, or not readable; the latter is kept in Health(), and the committer writes nothing on top of it.
std::optional<std::string> Store::Impl::Get(Family family, const rocksdb::Slice& key, const Snapshot* snapshot) const {
  std::string value;
  const rocksdb::Status status = db->Get(Read(snapshot), families[family], key, &value);
  if (status.ok()) return value;
  if (!status.IsNotFound()) Note(FromRocks(status, std::string("cannot read ") + kFamilyNames[family]));
  return std::nullopt;
}

void Store::Impl::Note(const Status& status) const {
  if (status.ok()) return;
  ++read_failures;
  std::lock_guard hold(health_mutex);
  if (read_error.ok()) read_error = status;
}

void Store::Impl::NoteEnd(const rocksdb::Iterator& it, const char* what) const {
  Note(FromRocks(it.status(), std::string("cannot read ") + what));
}

uint64_t Store::read_failures() const { return impl_->read_failures; }

Status Store::Impl::Health() const {
  std::lock_guard hold(health_mutex);
  return write_error.ok() ? read_error : write_error;
}
Status Store::Health() const { return impl_->Health(); }

std::unique_ptr<rocksdb::Iterator> Store::Impl::Iterate(Family family, const rocksdb::ReadOptions& read) const {
  rocksdb::ReadOptions ordered = read;
  if (family == kLink && !read.prefix_same_as_start) ordered.total_order_seek = true;
  return std::unique_ptr<rocksdb::Iterator>(db->NewIterator(ordered, families[family]));
}

std::optional<CustomerId> Store::FindCustomer(const CustomerRef& ref, const Snapshot* snapshot) const {
  const auto id = impl_->Get(kLookup, keys::Lookup(impl_->secret, SpaceOf(ref.name_space), ref.external_id), snapshot);
  if (!id || id->size() != 8) return std::nullopt;
  return CustomerId{keys::ReadBigEndian(*id)};
}

CustomerId Store::Impl::Root(CustomerId customer, const Snapshot* snapshot) const {
  if (links == 0) return customer;
  for (int depth = 0; depth < kLinkDepthMax; ++depth) {
    const std::optional<std::string> bytes = Get(kLink, keys::Tagged('C', customer.value), snapshot);
    if (!bytes) return customer;
    const Result<Link> link = DecodeRecord<Link>(*bytes);
    Note(link.status());
    if (!link.ok()) return customer;
    customer = link->parent;
  }
  return customer;
}

std::vector<CustomerId> Store::Impl::Members(CustomerId root, const Snapshot* snapshot) const {
  std::vector<CustomerId> members{root};
  if (links == 0) return members;
  rocksdb::ReadOptions read = Read(snapshot);
  read.prefix_same_as_start = true;
  const std::unique_ptr<rocksdb::Iterator> it = Iterate(kLink, read);
  for (size_t next = 0; next < members.size() && members.size() < limits::kLinkMembersMax; ++next) {
    const std::string prefix = keys::Tagged('P', members[next].value);
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
      if (it->key().size() != prefix.size() + 8) continue;
      members.push_back(CustomerId{keys::ReadBigEndian(it->key().ToStringView().substr(prefix.size()))});
    }
    NoteEnd(*it, "links");
  }
  std::sort(members.begin() + 1, members.end());
  return members;
}

CustomerId Store::Root(CustomerId customer, const Snapshot* snapshot) const { return impl_->Root(customer, snapshot); }
std::vector<CustomerId> Store::Members(CustomerId root, const Snapshot* snapshot) const {
  return impl_->Members(root, snapshot);
}

Result<Profile> Store::GetProfile(CustomerId customer, const Snapshot* snapshot) const {
  const std::optional<std::string> sealed = impl_->Get(kProfile, keys::BigEndian(customer.value), snapshot);
  if (!sealed) return Status::NotFound("no such customer");
  return DecodeSealed<Profile>(*sealed);
}

std::vector<Consent> Store::Consents(CustomerId customer, const Snapshot* snapshot) const {
  std::vector<Consent> out;
  const std::string prefix = keys::BigEndian(customer.value);
  const auto it = impl_->Iterate(kConsent, impl_->Read(snapshot));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    Result<Consent> consent = DecodeSealed<Consent>(it->value().ToStringView());
    impl_->Note(consent.status());
    if (consent.ok()) out.push_back(consent.Take());
  }
  impl_->NoteEnd(*it, "consents");
  return out;
}

namespace {

// Calls visit(event id, sealed bytes) for the newest `max_events` events of each member, newest first per member.
template <typename Visit>
Status VisitNewest(rocksdb::Iterator& it, const std::vector<CustomerId>& members, size_t max_events,
                   const Visit& visit) {
  for (const CustomerId member : members) {
    const std::string prefix = keys::BigEndian(member.value);
    size_t left = max_events;
    for (it.SeekForPrev(keys::Pair(member.value, ~0ull)); left > 0 && it.Valid() && it.key().starts_with(prefix);
         it.Prev(), --left) {
      if (it.key().size() != 16) return Status::DataLoss("an event's key is not what was written");
      RAPPORT_RETURN_IF_ERROR(
          visit(EventId{keys::ReadBigEndian(it.key().ToStringView().substr(8))}, it.value().ToStringView()));
    }
    RAPPORT_RETURN_IF_ERROR(FromRocks(it.status(), "cannot read events"));
  }
  return Status::Ok();
}

// The same of one member, oldest first, which RocksDB does cheaper than walking back; false: there are more than
// `max_events`.
template <typename Visit>
Result<bool> VisitAllOf(rocksdb::Iterator& it, CustomerId member, size_t max_events, const Visit& visit) {
  const std::string prefix = keys::BigEndian(member.value);
  size_t left = max_events;
  for (it.Seek(prefix); it.Valid() && it.key().starts_with(prefix); it.Next(), --left) {
    if (left == 0) return false;
    if (it.key().size() != 16) return Status::DataLoss("an event's key is not what was written");
    RAPPORT_RETURN_IF_ERROR(
        visit(EventId{keys::ReadBigEndian(it.key().ToStringView().substr(8))}, it.value().ToStringView()));
  }
  RAPPORT_RETURN_IF_ERROR(FromRocks(it.status(), "cannot read events"));
  return true;
}

}  // namespace

Result<std::vector<Event>> Store::ReadEvents(CustomerId root, size_t max_events, const Snapshot* snapshot) const {
  std::vector<Event> out;
  const auto it = impl_->Iterate(kEvent, impl_->Read(snapshot));
  const auto visit = [&](EventId, std::string_view sealed) {
    Result<Event> event = DecodeSealed<Event>(sealed);
    if (event.ok()) out.push_back(event.Take());
    return event.status();
  };
  RAPPORT_RETURN_IF_ERROR(VisitNewest(*it, Members(root, snapshot), max_events, visit));
  std::sort(out.begin(), out.end(), [](const Event& a, const Event& b) { return a.id < b.id; });
  if (out.size() > max_events) out.erase(out.begin(), out.end() - static_cast<ptrdiff_t>(max_events));
  return out;
}

Result<std::vector<HistoryEntry>> Store::ReadHistory(CustomerId root, size_t max_events, const Snapshot* snapshot,
                                                     size_t* events_read) const {
  constexpr size_t kLinesExpected = 128;
  std::vector<HistoryEntry> out;
  out.reserve(kLinesExpected);
  size_t events = 0;
  const std::vector<CustomerId> members = Members(root, snapshot);
  rocksdb::ReadOptions read = impl_->Read(snapshot);
  const std::string end = keys::BigEndian(root.value + 1);
  const rocksdb::Slice upper(end);
  if (members.size() == 1) read.iterate_upper_bound = &upper;  // no block behind is looked at
  const auto it = impl_->Iterate(kEvent, read);
  const auto visit = [&](EventId id, std::string_view sealed) -> Status {
    const Result<std::string_view> plain = Unseal(sealed);
    if (!plain.ok()) return plain.status();
    ++events;
    return DecodeHistory(*plain, id, out);
  };
  for (const CustomerId member : members) {
    const size_t lines_before = out.size(), events_before = events;
    const Result<bool> whole = VisitAllOf(*it, member, max_events, visit);
    if (!whole.ok()) return whole.status();
    if (*whole) continue;
    out.resize(lines_before);
    events = events_before;
    RAPPORT_RETURN_IF_ERROR(VisitNewest(*it, {member}, max_events, visit));
  }
  if (events_read != nullptr) *events_read = events;
  // One member's are in order already.
  const auto earlier = [](const HistoryEntry& a, const HistoryEntry& b) { return a.event < b.event; };
  if (!std::is_sorted(out.begin(), out.end(), earlier)) std::stable_sort(out.begin(), out.end(), earlier);
  // Lines of one event stay together: at most max_events lines, cut at an event's start.
  if (out.size() > max_events) {
    auto first = out.end() - static_cast<ptrdiff_t>(max_events);
    while (first != out.end() && first != out.begin() && (first - 1)->event == first->event) ++first;
    if (first != out.end()) out.erase(out.begin(), first);
  }
  if (out.capacity() > 2 * out.size()) out.shrink_to_fit();  // it may be kept
  return out;
}

Result<std::vector<ContactEntry>> Store::ReadContacts(CustomerId root, const Snapshot* snapshot) const {
  std::vector<ContactEntry> out;
  const auto it = impl_->Iterate(kContact, impl_->Read(snapshot));
  const auto visit = [&](EventId, std::string_view sealed) {
    Result<ContactEntry> entry = DecodeSealed<ContactEntry>(sealed);
    if (entry.ok()) out.push_back(entry.Take());
    return entry.status();
  };
  RAPPORT_RETURN_IF_ERROR(VisitNewest(*it, Members(root, snapshot), limits::kContactEntriesMax, visit));
  std::sort(out.begin(), out.end(), [](const ContactEntry& a, const ContactEntry& b) { return a.event < b.event; });
  if (out.size() > limits::kContactEntriesMax) {
    out.erase(out.begin(), out.end() - static_cast<ptrdiff_t>(limits::kContactEntriesMax));
  }
  return out;
}

Result<ItemSet> Store::ReadItemSet(CustomerId root, const Snapshot* snapshot) const {
  ItemSet out;
  for (const CustomerId member : Members(root, snapshot)) {
    std::string sealed;
    const rocksdb::Status status =
        impl_->db->Get(impl_->Read(snapshot), impl_->families[kItemSet], keys::BigEndian(member.value), &sealed);
    if (status.IsNotFound()) continue;
    RAPPORT_RETURN_IF_ERROR(FromRocks(status, "cannot read an item set"));
    const Result<std::string_view> plain = Unseal(sealed);
    if (!plain.ok()) return plain.status();
    Result<ItemSet> set = DecodeItemSet(*plain);
    if (!set.ok()) return set.status();
    out = out.empty() ? set.Take() : MergeItemSets(out, *set);
  }
  return out;
}

Status Store::ForEachEvent(const std::function<bool(const Event&)>& visit, const Snapshot* snapshot) const {
  rocksdb::ReadOptions read = impl_->Read(snapshot);
  read.readahead_size = 2u << 20;
  read.fill_cache = false;
  return VisitAll<Event>(*impl_->Iterate(kEvent, read), DecodeSealed<Event>, visit);
}
Status Store::ForEachProfile(const std::function<bool(const Profile&)>& visit, const Snapshot* snapshot) const {
  return VisitAll<Profile>(*impl_->Iterate(kProfile, impl_->Read(snapshot)), DecodeSealed<Profile>, visit);
}
Status Store::ForEachItem(const std::function<bool(const Item&)>& visit, const Snapshot* snapshot) const {
  return VisitAll<Item>(*impl_->Iterate(kItem, impl_->Read(snapshot)), DecodeRecord<Item>, visit);
}
Status Store::ForEachContact(const std::function<bool(const ContactEntry&)>& visit, const Snapshot* snapshot) const {
  const auto it = impl_->Iterate(kContact, impl_->Read(snapshot));
  return VisitAll<ContactEntry>(*it, DecodeSealed<ContactEntry>, visit);
}

Status Store::ForEachDecision(const std::function<bool(const Decision&)>& visit, const Snapshot* snapshot) const {
  return VisitAll<Decision>(*impl_->Iterate(kDecision, impl_->Read(snapshot)), DecodeSealed<Decision>, visit);
}

Status Store::ForEachLink(const std::function<bool(const Link&)>& visit, const Snapshot* snapshot) const {
  const auto it = impl_->Iterate(kLink, impl_->Read(snapshot));
  for (it->Seek("C"); it->Valid() && it->key()[0] == 'C'; it->Next()) {
    const Result<Link> link = DecodeRecord<Link>(it->value().ToStringView());
    if (!link.ok()) return link.status();
    if (!visit(*link)) return Status::Ok();
  }
  return FromRocks(it->status(), "cannot read links");
}

std::optional<std::string> Store::GetSetting(const std::string& name) const {
  return impl_->Get(kMeta, "setting/" + name);
}

Result<Decision> Store::GetDecision(const std::string& id) const {
  const auto sealed = impl_->Get(kDecision, keys::Decision(id));
  if (!sealed) return Status::NotFound("no decision " + QuoteForMessage(id));
  return DecodeSealed<Decision>(*sealed);
}

bool Store::HasDecision(const std::string& id, const Snapshot* snapshot) const {
  return impl_->Get(kDecision, std::string(keys::View(IdentityHash(id))), snapshot).has_value();
}

Result<ApiKey> Store::GetApiKey(const std::string& id) const {
  const auto bytes = impl_->Get(kKey, id);
  if (!bytes) return Status::NotFound("no key " + QuoteForMessage(id));
  return DecodeRecord<ApiKey>(*bytes);
}

std::vector<ApiKey> Store::ApiKeys() const {
  std::vector<ApiKey> out;
  const auto it = impl_->Iterate(kKey, impl_->Read(nullptr));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Result<ApiKey> key = DecodeRecord<ApiKey>(it->value().ToStringView());
    impl_->Note(key.status());
    if (key.ok()) out.push_back(key.Take());
  }
  impl_->NoteEnd(*it, "keys");
  return out;
}

Result<ModelRecord> Store::GetModel(uint64_t generation) const {
  const auto bytes = impl_->Get(kModel, keys::BigEndian(generation));
  if (!bytes)
    return Status::NotFound("no model of generation " + std::to_string(generation) + "; see 'rapport models list'");
  return DecodeRecord<ModelRecord>(*bytes);
}

std::vector<ModelRecord> Store::Models() const {
  std::vector<ModelRecord> out;
  const auto it = impl_->Iterate(kModel, impl_->Read(nullptr));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Result<ModelRecord> model = DecodeRecord<ModelRecord>(it->value().ToStringView());
    impl_->Note(model.status());
    if (model.ok()) out.push_back(model.Take());
  }
  impl_->NoteEnd(*it, "models");
  return out;
}

uint64_t Store::ActiveGeneration(const std::string& kind) const {
  const auto bytes = impl_->Get(kMeta, "active/" + kind);
  if (!bytes) return 0;
  return Decoder(*bytes).Varint();
}

}  // namespace rapport

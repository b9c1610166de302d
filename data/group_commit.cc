// What each operation does: checked, numbered, turned into writes (group_commit_impl.h).
#include <algorithm>

#include "data/archive.h"
#include "data/codec.h"
#include "data/group_commit_impl.h"
#include "data/profile_update.h"

namespace rapport {
namespace {

constexpr uint64_t kItemsMax = 4'000'000;  // names in memory: a stranger's made-up ids must end somewhere

OperationResult Refused(Status status) { return {std::move(status), Outcome::kUnchanged, 0}; }
OperationResult Applied(Outcome outcome, uint64_t id) { return {Status::Ok(), outcome, id}; }

// Equal but for what the write path itself sets.
bool SameItem(Item a, Item b) {
  a.id = b.id = ItemId{};
  a.updated_at = b.updated_at = Timestamp{};
  return EncodeRecord(a) == EncodeRecord(b);
}

}  // namespace

// What is known by name is forgotten between groups only: a customer that this group made is in no table yet.
GroupCommit::GroupCommit(Store::Impl& store, const BulkOptions* bulk)
    : store_(store), bulk_(bulk), customers_before_(store.sequence.customer) {
  if (store_.known_customers.size() >= store_.options.known_customers_max) store_.known_customers.clear();
  known_before_ = store_.known_customers.size();
}

OperationResult GroupCommit::Apply(Operation& operation) {
  if (Status status = ValidateOperation(operation); !status.ok()) return Refused(std::move(status));
  return std::visit([this](auto& op) { return Do(op); }, operation);
}

Status GroupCommit::Commit() {
  planned_.Write([this](const std::string& key, const std::optional<std::string>& value) {
    value ? Put(kMeta, key, *value) : Delete(kMeta, key);
  });
  // What could not be read may have been decided wrongly: a duplicate taken for new.
  RAPPORT_RETURN_IF_ERROR(store_.Health());
  if (bulk_ != nullptr ? runs_.empty() : batch_.Count() == 0) return Status::Ok();
  std::string sequence;
  Encoder encoder(sequence);
  const Sequence& s = store_.sequence;
  for (const uint64_t id : {s.customer, s.item, s.event, s.consent, s.generation}) encoder.Varint(id);
  Put(kMeta, "sequence", sequence);
  const rocksdb::Status written = WriteAll();
  store_.log_broken = !written.ok() && !runs_.wrote_files();
  RAPPORT_RETURN_IF_ERROR(FromRocks(written, "the store cannot write"));
  if (catalog_) {
    std::shared_ptr<const Catalog> next = catalog_->Build();
    std::lock_guard hold(store_.catalog_mutex);
    store_.catalog = std::move(next);
  }
  store_.customers = s.customer;
  store_.items = s.item;
  store_.events = s.event;
  store_.links += links_added_;
  return Status::Ok();
}

StoreChanges GroupCommit::TakeChanges() {
  std::vector<CustomerId>& customers = changes_.customers;
  std::sort(customers.begin(), customers.end());
  customers.erase(std::unique(customers.begin(), customers.end()), customers.end());
  return std::move(changes_);
}

void GroupCommit::Put(Family family, const rocksdb::Slice& key, const rocksdb::Slice& value) {
  if (bulk_ != nullptr) return runs_.Put(family, key.ToStringView(), value.ToStringView());
  (void)batch_.Put(store_.families[family], key, value);
}

void GroupCommit::Delete(Family family, const rocksdb::Slice& key) {
  if (bulk_ != nullptr) return runs_.Delete(family, key.ToStringView());
  (void)batch_.Delete(store_.families[family], key);
}

void GroupCommit::AddToItemSet(CustomerId customer, ItemSet added) {
  if (added.empty()) return;
  if (bulk_ != nullptr) return runs_.AddToSet(customer, added);
  (void)batch_.Merge(store_.families[kItemSet], keys::BigEndian(customer.value), Seal(EncodeItemSet(added)));
  pending_sets_[customer.value].push_back(std::move(added));
}

rocksdb::Status GroupCommit::WriteAll() {
  return bulk_ != nullptr ? runs_.Write(store_, *bulk_) : store_.db->Write(store_.Write(), &batch_);
}

size_t GroupCommit::memory_bytes() const {
  constexpr size_t kProfileBytes = 1024, kNodeBytes = 128;
  return runs_.memory_bytes() + messages_.memory_bytes() + profiles_.size() * kProfileBytes +
         (store_.known_customers.size() - known_before_) * kNodeBytes;
}

std::string GroupCommit::NameOf(const CustomerRef& ref) {
  return (ref.name_space == CustomerNamespace::kUser ? 'U' : 'A') + ref.external_id;
}

CustomerId GroupCommit::Find(const CustomerRef& ref) {
  const std::string name = NameOf(ref);
  const auto known = store_.known_customers.find(name);
  if (known != store_.known_customers.end()) return known->second;
  const auto stored = store_.Get(kLookup, keys::Lookup(store_.secret, name[0], ref.external_id));
  if (!stored || stored->size() != 8) return {};
  return Remember(name, CustomerId{keys::ReadBigEndian(*stored)});
}

CustomerId GroupCommit::Remember(const std::string& name, CustomerId id) {
  store_.known_customers.emplace(name, id);
  return id;
}

CustomerId GroupCommit::FindOrCreate(const CustomerRef& ref, Timestamp now) {
  if (const CustomerId found = Find(ref)) return found;
  const CustomerId id{++store_.sequence.customer};
  Put(kLookup, keys::Lookup(store_.secret, NameOf(ref)[0], ref.external_id), keys::BigEndian(id.value));
  Profile profile;
  profile.id = id;
  profile.ref = ref;
  profile.created_at = profile.updated_at = now;
  PutProfile(profile);
  if (store_.known_members.size() >= store_.options.known_customers_max) store_.known_members.clear();
  store_.known_members[id.value] = {id};
  return Remember(NameOf(ref), id);
}

Result<Profile> GroupCommit::ReadProfile(CustomerId id) {
  const auto pending = profiles_.find(id.value);
  if (pending != profiles_.end()) return pending->second;
  const auto sealed = store_.Get(kProfile, keys::BigEndian(id.value));
  if (!sealed) return Status::DataLoss("a customer has no profile");
  const Result<std::string_view> plain = Unseal(*sealed);
  if (!plain.ok()) return plain.status();
  return DecodeRecord<Profile>(*plain);
}

void GroupCommit::PutProfile(const Profile& profile) {
  profiles_[profile.id.value] = profile;
  Put(kProfile, keys::BigEndian(profile.id.value), Seal(EncodeRecord(profile)));
}

std::optional<CustomerId> GroupCommit::Parent(CustomerId child) {
  const auto pending = parents_.find(child.value);
  if (pending != parents_.end()) return pending->second ? std::optional(pending->second) : std::nullopt;
  if (store_.links == 0 || IsOfThisGroup(child)) return std::nullopt;
  const auto bytes = store_.Get(kLink, keys::Tagged('C', child.value));
  if (!bytes) return std::nullopt;
  const Result<Link> link = DecodeRecord<Link>(*bytes);
  return link.ok() ? std::optional(link->parent) : std::nullopt;
}

CustomerId GroupCommit::Root(CustomerId customer) {
  for (std::optional<CustomerId> up = Parent(customer); up; up = Parent(customer)) customer = *up;
  return customer;
}

// All identities that are one customer with this one, root first. Remembered; links forget what they touch.
const std::vector<CustomerId>& GroupCommit::Members(CustomerId customer) {
  const auto known = store_.known_members.find(customer.value);
  if (known != store_.known_members.end()) return known->second;
  if (store_.known_members.size() >= store_.options.known_customers_max) store_.known_members.clear();
  return store_.known_members[customer.value] = MembersOf(Root(customer));
}

std::vector<CustomerId> GroupCommit::StoredMembers(CustomerId root) const {
  return IsOfThisGroup(root) ? std::vector<CustomerId>{root} : store_.Members(root, nullptr);
}

std::vector<CustomerId> GroupCommit::MembersOf(CustomerId root) {
  std::vector<CustomerId> members = StoredMembers(root);
  for (size_t next = 0; next < members.size(); ++next) {  // linked in this group
    const auto children = children_.find(members[next].value);
    if (children == children_.end()) continue;
    for (const CustomerId added : children->second) {
      if (Parent(added) != members[next] || std::find(members.begin(), members.end(), added) != members.end()) continue;
      for (const CustomerId m : StoredMembers(added)) {
        if (std::find(members.begin(), members.end(), m) == members.end()) members.push_back(m);
      }
    }
  }
  std::erase_if(members, [&](CustomerId m) { return Root(m) != root; });  // unlinked in this group
  std::sort(members.begin() + 1, members.end());
  return members;
}

void GroupCommit::Touch(CustomerId customer) {
  changes_.customers.push_back(customer);
  changes_.customers.push_back(Members(customer).front());
}

CatalogBuilder& GroupCommit::Builder() {
  if (!catalog_) catalog_ = std::make_unique<CatalogBuilder>(*CurrentCatalog());
  return *catalog_;
}

std::shared_ptr<const Catalog> GroupCommit::CurrentCatalog() {
  std::lock_guard hold(store_.catalog_mutex);
  return store_.catalog;
}

const Item* GroupCommit::FindItem(const std::string& external_id) {
  if (catalog_) return catalog_->Find(external_id);
  if (!base_catalog_) base_catalog_ = CurrentCatalog();
  return base_catalog_->Find(external_id);
}

ItemId GroupCommit::PutNewItem(Item item) {
  item.id = ItemId{++store_.sequence.item};
  return StoreItem(std::move(item));
}

ItemId GroupCommit::StoreItem(Item item) {
  const ItemId id = item.id;
  Put(kItem, keys::BigEndian(id.value), EncodeRecord(item));
  Builder().Put(std::move(item));
  return id;
}

OperationResult GroupCommit::Do(PutItem& op) {
  const Item* old = FindItem(op.item.external_id);
  Item item = std::move(op.item);
  item.catalogued = true;
  if (old == nullptr) {
    if (store_.sequence.item >= kItemsMax) return Refused(TooManyItems());
    return Applied(Outcome::kCreated, PutNewItem(std::move(item)).value);
  }
  item.id = old->id;
  if (SameItem(item, *old)) return Applied(Outcome::kUnchanged, item.id.value);
  const Outcome outcome = old->catalogued ? Outcome::kUpdated : Outcome::kCreated;
  return Applied(outcome, StoreItem(std::move(item)).value);
}

Status GroupCommit::TooManyItems() {
  return Status::ResourceExhausted("the store knows " + std::to_string(kItemsMax) + " items, its limit");
}

OperationResult GroupCommit::Do(PatchItem& op) {
  const Item* old = FindItem(op.external_id);
  if (old == nullptr || !old->catalogued) return Refused(NoSuchItem(op.external_id));
  Item item = *old;
  if (op.title) item.title = *op.title;
  if (op.price) item.price = op.price;
  if (op.margin) item.margin = op.margin;
  if (op.stock) item.stock = op.stock;
  if (op.available) item.available = *op.available;
  if (op.hidden) item.hidden = *op.hidden;
  if (op.published_at) item.published_at = op.published_at;
  if (op.expires_at) item.expires_at = op.expires_at;
  if (op.categories) item.categories = *op.categories;
  if (op.tags) item.tags = *op.tags;
  if (op.audience) item.audience = *op.audience;
  if (SameItem(item, *old)) return Applied(Outcome::kUnchanged, item.id.value);
  return Applied(Outcome::kUpdated, StoreItem(std::move(item)).value);
}

Status GroupCommit::NoSuchItem(const std::string& id) {
  return Status::NotFound("no item " + QuoteForMessage(id) + " in the catalogue; put it first");
}

OperationResult GroupCommit::Do(DeleteItem& op) {
  const Item* old = FindItem(op.external_id);
  if (old == nullptr || !old->catalogued) return Refused(NoSuchItem(op.external_id));
  Item bare;  // what an item known from events only looks like
  bare.id = old->id;
  bare.external_id = old->external_id;
  return Applied(Outcome::kUpdated, StoreItem(std::move(bare)).value);
}

OperationResult GroupCommit::Do(UpdateProfile& op) {
  const bool is_new = !Find(op.customer);
  const CustomerId id = FindOrCreate(op.customer, op.time);
  Result<Profile> read = ReadProfile(id);
  if (!read.ok()) return Refused(read.status());
  Profile profile = read.Take();
  const Result<ProfileChange> change = UpdateFields(op, profile);
  if (!change.ok()) return Refused(change.status());
  Touch(id);
  if (*change == ProfileChange::kFields) profile.updated_at = std::max(profile.updated_at, op.time);
  if (*change != ProfileChange::kNone) PutProfile(profile);
  const Outcome same = *change == ProfileChange::kFields ? Outcome::kUpdated : Outcome::kUnchanged;
  return Applied(is_new ? Outcome::kCreated : same, id.value);
}

OperationResult GroupCommit::Do(SetPersonalization& op) {
  const CustomerId id = FindOrCreate(op.customer, op.time);
  Result<Profile> profile = ReadProfile(id);
  if (!profile.ok()) return Refused(profile.status());
  if (profile->personalization == op.personalization) return Applied(Outcome::kUnchanged, id.value);
  profile->personalization = op.personalization;
  profile->updated_at = std::max(profile->updated_at, op.time);
  PutProfile(*profile);
  Touch(id);
  return Applied(Outcome::kUpdated, id.value);
}

// Whether the ledger has this very entry, channel, purpose, time and proof; loads the ledger for the group.
bool GroupCommit::IsInLedger(CustomerId customer, const std::string& encoded) {
  std::unordered_set<std::string>& entries = consents_[customer.value];
  const std::string prefix = keys::BigEndian(customer.value);
  const auto it = store_.Iterate(kConsent, store_.Read(nullptr));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    if (const Result<std::string_view> plain = Unseal(it->value().ToStringView()); plain.ok()) {
      entries.emplace(*plain);
    }
  }
  return entries.count(encoded) != 0;
}

OperationResult GroupCommit::Do(RecordConsent& op) {
  const CustomerId id = FindOrCreate(op.customer, op.consent.time);
  // A retry or a second import says nothing new: the ledger keeps changes.
  const std::string encoded = EncodeRecord(op.consent);
  if (consents_.count(id.value) != 0 ? consents_[id.value].count(encoded) != 0 : IsInLedger(id, encoded)) {
    return Applied(Outcome::kUnchanged, id.value);
  }
  consents_[id.value].insert(encoded);
  Put(kConsent, keys::Pair(id.value, ++store_.sequence.consent), Seal(EncodeRecord(op.consent)));
  Touch(id);
  return Applied(Outcome::kCreated, id.value);
}

OperationResult GroupCommit::Do(LinkCustomers& op) {
  CustomerId child = Find(op.child), parent = Find(op.parent);
  const bool one_already = op.child == op.parent || (child && parent && Root(child) == Root(parent));
  if (one_already) return Applied(Outcome::kUnchanged, child.value);
  if (child && Parent(child)) {
    return Refused(Status::AlreadyExists(QuoteForMessage(op.child.external_id) +
                                         " is already a part of another customer; undo that link first, or give the "
                                         "visitor a new anonymous id at log-out"));
  }
  const size_t identities = (parent ? Members(parent).size() : 1) + (child ? Members(child).size() : 1);
  if (identities > limits::kLinkMembersMax) {
    return Refused(Status::ResourceExhausted("a customer can be made of at most " +
                                             std::to_string(limits::kLinkMembersMax) + " identities"));
  }
  child = FindOrCreate(op.child, op.time);
  parent = FindOrCreate(op.parent, op.time);
  std::vector<CustomerId> members = Members(parent);
  const std::vector<CustomerId> joining = Members(child);
  Put(kLink, keys::Tagged('C', child.value), EncodeRecord(Link{child, parent, op.time}));
  Put(kLink, keys::Tagged('P', parent.value) + keys::BigEndian(child.value), "");
  parents_[child.value] = parent;
  children_[parent.value].push_back(child);
  ++links_added_;
  members.insert(members.end(), joining.begin(), joining.end());
  std::sort(members.begin() + 1, members.end());  // as a table gives them: which of two equal messages is found
  for (const CustomerId m : members) {
    store_.known_members[m.value] = members;
    changes_.customers.push_back(m);
  }
  return Applied(Outcome::kCreated, child.value);
}

OperationResult GroupCommit::Do(UnlinkCustomer& op) {
  const CustomerId child = Find(op.child);
  if (!child) return Refused(Status::NotFound("no customer " + QuoteForMessage(op.child.external_id)));
  const std::optional<CustomerId> parent = Parent(child);
  if (!parent) return Applied(Outcome::kUnchanged, child.value);
  const std::vector<CustomerId> members = Members(child);
  Delete(kLink, keys::Tagged('C', child.value));
  Delete(kLink, keys::Tagged('P', parent->value) + keys::BigEndian(child.value));
  parents_[child.value] = CustomerId{};
  for (const CustomerId m : members) {
    store_.known_members.erase(m.value);
    changes_.customers.push_back(m);
  }
  return Applied(Outcome::kUpdated, child.value);
}

// The event that carries this identity for any of the customer's identities, or 0.
uint64_t GroupCommit::FindDuplicate(CustomerId customer, const Hash128& identity) {
  for (const CustomerId member : Members(customer)) {
    if (const uint64_t pending = messages_.Find(member, identity)) return pending;
    if (IsOfThisGroup(member)) continue;
    if (const auto stored = store_.Get(kMessage, keys::Message(member, identity)); stored && stored->size() == 8) {
      return keys::ReadBigEndian(*stored);
    }
  }
  return 0;
}

OperationResult GroupCommit::Do(AppendEvent& op) {
  Event& event = op.event;
  if (store_.sequence.item + op.lines.size() > kItemsMax) return Refused(TooManyItems());
  const CustomerId customer = FindOrCreate(op.customer, event.received_at);
  const Hash128 identity = keys::MessageIdentity(event.source, event.message_id);
  if (const uint64_t known = FindDuplicate(customer, identity)) return Applied(Outcome::kDuplicate, known);
  event.customer = customer;
  event.lines.clear();
  for (NewLine& line : op.lines) event.lines.push_back({ItemFor(line.item), line.quantity, line.price});
  event.time_mark = TimeMark::kAsSent;
  if (event.time.ms > event.received_at.ms + limits::kFutureSkewMsMax) {
    event.time = event.received_at;
    event.time_mark = TimeMark::kClamped;
  }
  event.id = EventId{++store_.sequence.event};
  std::string record = EncodeRecord(event);
  Put(kEvent, keys::Pair(customer.value, event.id.value), Seal(record));
  Put(kMessage, keys::Message(customer, identity), keys::BigEndian(event.id.value));
  messages_.Add(customer, identity, event.id.value);
  AddToItemSet(customer, ItemSetOf(event));
  if (IsContactType(event.type)) {
    planned_.Add(customer, ContactEntryOf(event), [&] { return Members(customer); });
    Put(kContact, keys::Pair(customer.value, event.id.value), Seal(EncodeRecord(ContactEntryOf(event))));
  }
  if (event.lines.empty()) {
    Touch(customer);
  } else if (store_.observer) {
    changes_.appended.push_back({Members(customer).front(), event.id, std::move(record)});
  }
  return Applied(Outcome::kCreated, event.id.value);
}

// Everything is read before anything goes: damage in the middle takes nothing away.
OperationResult GroupCommit::Do(PruneEvents& op) {
  if (bulk_ != nullptr) return Refused(Status::FailedPrecondition("events are not removed among bulk writes"));
  std::vector<Event> old;
  std::vector<ItemSet> kept = pending_sets_[op.customer.value];  // events of this group are in no table yet
  const std::string prefix = keys::BigEndian(op.customer.value);
  const auto it = store_.Iterate(kEvent, store_.Read(nullptr));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    const Result<std::string_view> plain = Unseal(it->value().ToStringView());
    if (!plain.ok()) return Refused(plain.status());
    Result<Event> event = DecodeRecord<Event>(*plain);
    if (!event.ok()) return Refused(event.status());
    if (event->time >= op.before) kept.push_back(ItemSetOf(*event));
    if (event->time < op.before) old.push_back(event.Take());
  }
  store_.NoteEnd(*it, "events");
  if (old.empty()) return Applied(Outcome::kUnchanged, 0);
  std::vector<ContactEntry> contacts;
  for (const Event& event : old) {
    if (IsContactType(event.type)) contacts.push_back(ContactEntryOf(event));
  }
  planned_.Remove(contacts, [&] { return Members(op.customer); });
  for (const Event& event : old) {
    Delete(kEvent, keys::Pair(op.customer.value, event.id.value));
    Delete(kMessage, keys::Message(op.customer, keys::MessageIdentity(event.source, event.message_id)));
    if (IsContactType(event.type)) Delete(kContact, keys::Pair(op.customer.value, event.id.value));
  }
  const ItemSet rest = MergeItemSets(std::move(kept));
  Delete(kItemSet, prefix);
  if (!rest.empty()) Put(kItemSet, prefix, Seal(EncodeItemSet(rest)));
  Touch(op.customer);
  return Applied(Outcome::kUpdated, old.size());
}

OperationResult GroupCommit::Do(RemoveDecision& op) {
  const std::string key = keys::Decision(op.id);
  if (!store_.Get(kDecision, key)) return Applied(Outcome::kUnchanged, 0);
  Delete(kDecision, key);
  return Applied(Outcome::kUpdated, 1);
}

ItemId GroupCommit::ItemFor(const std::string& external_id) {
  if (const Item* item = FindItem(external_id)) return item->id;
  Item bare;
  bare.external_id = external_id;
  return PutNewItem(std::move(bare));
}

OperationResult GroupCommit::Do(PutDecision& op) {
  Put(kDecision, keys::Decision(op.decision.id), Seal(EncodeRecord(op.decision)));
  return Applied(Outcome::kCreated, 0);
}

OperationResult GroupCommit::Do(PutApiKey& op) {
  Put(kKey, op.key.id, EncodeRecord(op.key));
  return Applied(Outcome::kUpdated, 0);
}

OperationResult GroupCommit::Do(PutModel& op) {
  ModelRecord& model = op.model;
  const bool is_new = model.generation == 0;
  if (is_new) {
    model.generation = ++store_.sequence.generation;
  } else if (!ReadModel(model.generation)) {
    return Refused(Status::NotFound("no model of generation " + std::to_string(model.generation)));
  }
  StoreModel(model);
  return Applied(is_new ? Outcome::kCreated : Outcome::kUpdated, model.generation);
}

std::optional<ModelRecord> GroupCommit::ReadModel(uint64_t generation) {
  const auto pending = models_.find(generation);
  if (pending != models_.end()) return pending->second;
  const auto bytes = store_.Get(kModel, keys::BigEndian(generation));
  if (!bytes) return std::nullopt;
  Result<ModelRecord> model = DecodeRecord<ModelRecord>(*bytes);
  return model.ok() ? std::optional(model.Take()) : std::nullopt;
}

void GroupCommit::StoreModel(const ModelRecord& model) {
  models_[model.generation] = model;
  Put(kModel, keys::BigEndian(model.generation), EncodeRecord(model));
}

OperationResult GroupCommit::Do(ActivateModel& op) {
  if (op.generation != 0 && !ReadModel(op.generation)) {
    return Refused(
        Status::NotFound("no model of generation " + std::to_string(op.generation) + "; see 'rapport models list'"));
  }
  const auto bytes = store_.Get(kMeta, "active/" + op.kind);
  const uint64_t before = active_.count(op.kind) != 0 ? active_[op.kind] : bytes ? Decoder(*bytes).Varint() : 0;
  const auto mark = [this](uint64_t generation, ModelState state) {
    if (std::optional<ModelRecord> model = ReadModel(generation)) {
      model->state = state;
      StoreModel(*model);
    }
  };
  if (before != 0 && before != op.generation) mark(before, ModelState::kRetired);
  if (op.generation != 0) mark(op.generation, ModelState::kActive);
  std::string value;
  Encoder(value).Varint(op.generation);
  Put(kMeta, "active/" + op.kind, value);
  active_[op.kind] = op.generation;
  return Applied(Outcome::kUpdated, op.generation);
}

OperationResult GroupCommit::Do(PutSetting& op) {
  Put(kMeta, "setting/" + op.name, op.body);
  return Applied(Outcome::kUpdated, 0);
}

}  // namespace rapport

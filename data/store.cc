// Opening, folder layout, life and death of the store. The data folder:
//   RAPPORT          marker: this folder is a store's     lock          held by the one process that writes
//   secret           32 bytes, 0600: keyed lookups        db/           RocksDB
//   models/          model files                          bulk/         sorted files on their way into db/
//                                                         (server.json, operator.key: the server's)
#include "data/store.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <deque>
#include <filesystem>
#include <future>

#include "data/archive.h"
#include "data/codec.h"
#include "data/group_commit_impl.h"
#include "data/log_check.h"
#include "data/store_impl.h"

namespace rapport {
namespace {

constexpr char kMarker[] = "Rapport store\n";
constexpr char kMaking[] = "RAPPORT.making";  // stands until the marker does: what is there was never anybody's

// value = Seal(item set); union of all operands, in one pass however many have gathered since the last compaction.
class ItemSetMerge final : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    std::vector<rocksdb::Slice> parts(in.operand_list.begin(), in.operand_list.end());
    if (in.existing_value != nullptr) parts.push_back(*in.existing_value);
    return Union(parts, out->new_value);
  }
  bool PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands, std::string* out,
                         rocksdb::Logger*) const override {
    return Union({operands.begin(), operands.end()}, *out);
  }
  const char* Name() const override { return "rapport.ItemSetMerge.1"; }

 private:
  // False for bytes that are no sealed item set: RocksDB turns it into a Corruption.
  static bool Union(const std::vector<rocksdb::Slice>& parts, std::string& out) {
    std::vector<ItemSet> sets;
    for (const rocksdb::Slice& part : parts) {
      const Result<std::string_view> plain = Unseal(part.ToStringView());
      if (!plain.ok()) return false;
      Result<ItemSet> set = DecodeItemSet(*plain);
      if (!set.ok()) return false;
      sets.push_back(set.Take());
    }
    out = Seal(EncodeItemSet(MergeItemSets(std::move(sets))));
    return true;
  }
};

// RocksDB's own log stands on the store's disk: when that is full, writing to it fails, and Debian's build asserts that
// it does not. What went wrong comes back as a status anyway.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// After a full disk RocksDB would go on by itself, from a thread that closing does not always wait for: it then works
// in a database that is gone. A store whose log failed asks for a restart anyway.
class NoRecoveryByItself final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

// Events are read as whole histories, some hundred bytes times some dozens to hundreds: one or two blocks, not five or
// more, each of which is a look-up in the cache.
constexpr size_t kHistoryBlockBytes = 16 * 1024;

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const StoreOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions out;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  if (family == kEvent) {
    table.block_size = kHistoryBlockBytes;  // never asked for by its key: no filter
  } else {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    // In pieces of a page: the whole filter of a file of millions of keys is larger than a small cache's shard, which
    // then keeps none of it, and every look-up reads megabytes.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
  }
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  const bool written_often = family == kEvent || family == kMessage || family == kItemSet || family == kLookup;
  out.write_buffer_size = written_often ? options.write_buffer_bytes : options.write_buffer_bytes / 8;
  if (family == kItemSet) out.merge_operator = std::make_shared<ItemSetMerge>();
  // Hashes do not compress; their few other bytes are not worth the time.
  out.compression = family == kMessage || family == kLookup ? rocksdb::kNoCompression : rocksdb::kLZ4Compression;
  if (family == kLink) out.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(9));
  return out;
}

Result<SecretKey> ReadOrMakeSecret(const std::string& path, bool is_new) {
  const Result<std::string> bytes = ReadFile(path, 1024);
  SecretKey secret;
  if (bytes.ok()) {
    if (bytes->size() != secret.size()) {
      return Status::DataLoss(path +
                              " does not hold 32 bytes; put the original back, without it no customer can be found");
    }
    std::copy(bytes->begin(), bytes->end(), secret.begin());
    return secret;
  }
  if (bytes.status().code() != StatusCode::kNotFound) return bytes.status();
  if (!is_new) {
    return Status::DataLoss(path + " is missing; put it back from a backup, without it no customer can be found");
  }
  RAPPORT_RETURN_IF_ERROR(FillSecretRandom(secret));
  RAPPORT_RETURN_IF_ERROR(
      WriteFileAtomically(path, {reinterpret_cast<const char*>(secret.data()), secret.size()}, FileMode::kSecret));
  return secret;
}

// Makes or recognises the folder; refuses one that holds other things.
Status PrepareFolder(const std::string& folder, bool create) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool is_folder = fs::is_directory(folder, error);
  if (!is_folder && fs::exists(folder, error)) return Status::FailedPrecondition(folder + " is a file, not a folder");
  const Result<std::string> marker = ReadFile(folder + "/RAPPORT", 1024);
  if (marker.ok()) {
    if (*marker != kMarker) return Status::FailedPrecondition(folder + "/RAPPORT is not a store's marker");
    return Status::Ok();
  }
  if (marker.status().code() != StatusCode::kNotFound) return marker.status();
  const bool is_begun = fs::exists(folder + "/" + kMaking, error);
  if (is_folder && !is_begun) {
    // "lost+found" is what a fresh file system holds.
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (name != "lost+found" && name != "lock" && !name.starts_with(kMaking)) {
        return Status::FailedPrecondition(folder + " is not a store's folder and is not empty (it holds '" + name +
                                          "'); name an empty or new folder with --data");
      }
    }
  }
  if (!create)
    return Status::FailedPrecondition(folder +
                                      " holds no store; import something into it or start 'rapport serve' first");
  fs::create_directories(folder, error);
  if (error) return Status(StatusCode::kPermissionDenied, "cannot create " + folder + ": " + error.message());
  return Status::Ok();
}

// A store that a crash left half made is made from the start: nobody was told of it. REQUIRES the lock, and no marker.
Status BeginStore(const std::string& folder) {
  std::error_code error;
  const std::string making = folder + "/" + kMaking;
  if (std::filesystem::exists(making, error)) {
    for (const char* part : {"db", "models", "secret"}) {
      std::filesystem::remove_all(folder + "/" + part, error);
      if (error) return Status::Unavailable("cannot remove " + folder + "/" + part + ": " + error.message());
    }
  }
  return WriteFileAtomically(making, "removed when the store is made\n", FileMode::kPublic);
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, const std::string& what) {
  if (status.ok()) return Status::Ok();
  const std::string message = what + ": " + status.ToString();
  if (status.IsNotFound()) return Status::NotFound(message);
  if (status.IsNoSpace())
    return Status::ResourceExhausted(message + "; the disk is full: free some space and start again");
  if (status.IsCorruption()) {
    return Status::DataLoss(message + "; restore the last backup (docs/OPERATIONS.md, 'Corrupt file')");
  }
  return Status::Unavailable(message);
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& folder, const StoreOptions& options, StoreAccess access) {
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  impl->options = options;
  impl->access = access;
  RAPPORT_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Status Store::Impl::Open() {
  const bool writes = access == StoreAccess::kReadWrite;
  if (std::error_code none; writes && std::filesystem::exists(folder + "/SHA256SUMS", none)) {
    return Status::FailedPrecondition(folder + " is a backup, and stays as it is: 'rapport restore " + folder +
                                      " --data NEW' makes a store of it");
  }
  RAPPORT_RETURN_IF_ERROR(PrepareFolder(folder, writes && options.create_if_missing));
  if (writes) {
    Result<FileLock> held = FileLock::Acquire(folder + "/lock", options.lock_note);
    if (!held.ok()) {
      if (held.status().code() != StatusCode::kUnavailable) return held.status();
      return Status::Unavailable("the store " + folder + " is in use, " + held.status().message() +
                                 "; stop that process, or let it do the work");
    }
    lock = std::move(*held);
  }
  // A folder without its marker is one that was never finished, or an empty one.
  std::error_code error;
  const bool is_new = writes && !std::filesystem::exists(folder + "/RAPPORT", error);
  if (is_new) RAPPORT_RETURN_IF_ERROR(BeginStore(folder));
  Result<SecretKey> key = ReadOrMakeSecret(folder + "/secret", is_new);
  if (!key.ok()) return key.status();
  secret = *key;
  if (writes) std::filesystem::create_directories(folder + "/models", error);
  if (writes) std::filesystem::remove_all(BulkFolder(folder), error);  // of an import that was cut off
  RAPPORT_RETURN_IF_ERROR(OpenDatabase(is_new));
  if (writes) RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(folder + "/RAPPORT", kMarker, FileMode::kPublic));
  if (writes) std::filesystem::remove(folder + "/" + kMaking, error);
  RAPPORT_RETURN_IF_ERROR(LoadState());
  if (writes) committer = std::thread([this] { CommitLoop(); });
  return Status::Ok();
}

// `is_new`: only then a database may be made. A lost CURRENT would otherwise be an empty store.
Status Store::Impl::OpenDatabase(bool is_new) {
  RAPPORT_RETURN_IF_ERROR(CheckLogs(folder + "/db"));
  rocksdb::DBOptions database;
  database.create_if_missing = is_new;
  database.create_missing_column_families = true;
  // A torn tail is what a crash leaves; anything else is damage, and damage is told, never skipped.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  database.track_and_verify_wals_in_manifest = options.durability == Durability::kFsync;
  database.paranoid_checks = true;
  database.max_total_wal_size = 256u << 20;
  database.max_background_jobs = 2;
  database.info_log = std::make_shared<NoLog>();
  database.listeners.push_back(std::make_shared<NoRecoveryByItself>());
  database.max_open_files = 512;
  database.bytes_per_sync = 1u << 20;
  block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (size_t f = 0; f < kFamilyCount; ++f) {
    descriptors.emplace_back(kFamilyNames[f], FamilyOptions(static_cast<Family>(f), options, block_cache));
  }
  rocksdb::DB* opened = nullptr;
  const std::string path = folder + "/db";
  const rocksdb::Status status = access == StoreAccess::kReadWrite
                                     ? rocksdb::DB::Open(database, path, descriptors, &families, &opened)
                                     : rocksdb::DB::OpenForReadOnly(database, path, descriptors, &families, &opened);
  db.reset(opened);
  // A file that is named and not there is damage as well.
  const bool lacks_file = status.IsPathNotFound() || (status.IsInvalidArgument() && !is_new);
  if (lacks_file) {
    return FromRocks(rocksdb::Status::Corruption(status.ToString()), "cannot open " + path);
  }
  return FromRocks(status, "cannot open " + path);
}

// The secret is a file beside the database, and every lookup depends on it: a wrong one would find nobody and say so.
// Its mark in the database was made with the right one.
Status Store::Impl::CheckSecret() {
  const Digest256 digest = HmacSha256(secret, "mark of the secret");
  const std::string mark(reinterpret_cast<const char*>(digest.data()), 16);
  const std::optional<std::string> kept = Get(kMeta, "secret");
  RAPPORT_RETURN_IF_ERROR(Health());
  if (kept && *kept != mark) {
    return Status::DataLoss(folder + "/secret is not the one that this store was made with; put the original (or a " +
                            "backup's) back: without it no customer can be found");
  }
  if (kept || access == StoreAccess::kReadOnly) return Status::Ok();
  return FromRocks(db->Put(Write(), families[kMeta], "secret", mark), "cannot write the secret's mark");
}

Status Store::Impl::LoadState() {
  if (const std::optional<std::string> bytes = Get(kMeta, "format")) {
    Decoder decoder(*bytes);
    const uint64_t format = decoder.Varint();
    if (!decoder.ok()) return Status::DataLoss("the store's format number is corrupt");
    if (format > kFormatVersion) {
      return Status::FailedPrecondition("the store " + folder + " has format " + std::to_string(format) +
                                        ", written by a newer Rapport; this one knows up to " +
                                        std::to_string(kFormatVersion));
    }
  }
  if (const std::optional<std::string> bytes = Get(kMeta, "sequence")) {
    Decoder decoder(*bytes);
    for (uint64_t* id :
         {&sequence.customer, &sequence.item, &sequence.event, &sequence.consent, &sequence.generation}) {
      *id = decoder.Varint();
    }
    if (!decoder.ok()) return Status::DataLoss("the store's sequence numbers are corrupt");
  }
  RAPPORT_RETURN_IF_ERROR(Health());  // what cannot be read is not a new store
  RAPPORT_RETURN_IF_ERROR(CheckSecret());
  RAPPORT_RETURN_IF_ERROR(Migrate());
  customers = sequence.customer;
  items = sequence.item;
  events = sequence.event;
  uint64_t count = 0;
  auto link = Iterate(kLink, Read(nullptr));
  for (link->Seek("C"); link->Valid() && link->key()[0] == 'C'; link->Next()) ++count;
  RAPPORT_RETURN_IF_ERROR(FromRocks(link->status(), "cannot read links"));
  links = count;
  CatalogBuilder builder;
  auto item = Iterate(kItem, Read(nullptr));
  for (item->SeekToFirst(); item->Valid(); item->Next()) {
    Result<Item> decoded = DecodeRecord<Item>(item->value().ToStringView());
    if (!decoded.ok()) return decoded.status();
    builder.Put(decoded.Take());
  }
  RAPPORT_RETURN_IF_ERROR(FromRocks(item->status(), "cannot read items"));
  catalog = builder.Build();
  return Status::Ok();
}

// One step per format; each leaves a store of the next one. A store without a number is new.
Status Store::Impl::Migrate() {
  if (access == StoreAccess::kReadOnly) return Status::Ok();
  std::string current;
  Encoder(current).Varint(kFormatVersion);
  const std::optional<std::string> stored = Get(kMeta, "format");
  if (stored == current) return Status::Ok();
  // Format 0 (before the first release) had no item sets and no index of duplicates: both follow from the events.
  // Format 1 had profiles without FieldTimes: they are read as they are, and the first word about a field counts.
  // Format 2 had no contacts: what it kept under such names are custom events, and stay so.
  // Format 3 did not count planned contacts by hour.
  if (stored) {
    // An entry that cannot be read stops the step: passed over, it would be a place sold twice that nobody knows of,
    // and the store stops writing when it meets the damage later, in the middle of a day instead of at the upgrade.
    const bool derived = options.rebuild_derived || Decoder(*stored).Varint() == 0;
    const Status done = derived ? RebuildDerivedLocked() : RebuildPlannedLocked();
    if (!done.ok()) {
      return Status(done.code(), "the store " + folder + " cannot be brought to format " +
                                     std::to_string(kFormatVersion) + ": " + done.message() +
                                     "; 'rapport check --data " + folder + "' says what else is damaged. Restore a " +
                                     "backup, or try 'rapport check --rebuild', which makes anew what follows from " +
                                     "the events; until then the earlier version opens it as before");
    }
  }
  return FromRocks(db->Put(Write(), families[kMeta], "format", current), "cannot write the format number");
}

Store::Impl::~Impl() {
  if (committer.joinable()) {
    {
      std::lock_guard hold(queue_mutex);
      stopping = true;
    }
    queue_changed.notify_all();
    committer.join();
  }
  // After a failed write RocksDB must not be asked to close: it would write to the broken log again (and Debian's build
  // asserts that nobody does). What was acknowledged is on the disk; the process is about to end.
  if (db && log_broken) (void)db.release();
  if (db) {
    for (rocksdb::ColumnFamilyHandle* family : families) (void)db->DestroyColumnFamilyHandle(family);
    (void)db->Close();
  }
}

// Everything is read before anything goes: a damaged event leaves what is there.
Status Store::Impl::RebuildDerivedLocked() {
  auto event = Iterate(kEvent, Read(nullptr));
  for (event->SeekToFirst(); event->Valid(); event->Next()) {
    const Result<std::string_view> plain = Unseal(event->value().ToStringView());
    const Status read = plain.ok() ? DecodeRecord<Event>(*plain).status() : plain.status();
    if (!read.ok()) return read;
  }
  RAPPORT_RETURN_IF_ERROR(FromRocks(event->status(), "cannot read events"));
  for (const Family family : {kMessage, kItemSet, kContact}) {
    const std::string first(1, '\0'), last(64, '\xff');
    RAPPORT_RETURN_IF_ERROR(FromRocks(db->DeleteRange(Write(), families[family], "", last),
                                      "cannot clear " + std::string(kFamilyNames[family])));
  }
  rocksdb::WriteBatch batch;
  for (event->SeekToFirst(); event->Valid(); event->Next()) {
    const Result<std::string_view> plain = Unseal(event->value().ToStringView());
    if (!plain.ok()) return plain.status();
    const Result<Event> decoded = DecodeRecord<Event>(*plain);
    if (!decoded.ok()) return decoded.status();
    const Hash128 identity = keys::MessageIdentity(decoded->source, decoded->message_id);
    (void)batch.Put(families[kMessage], keys::Message(decoded->customer, identity), keys::BigEndian(decoded->id.value));
    if (const ItemSet added = ItemSetOf(*decoded); !added.empty()) {
      (void)batch.Merge(families[kItemSet], keys::BigEndian(decoded->customer.value), Seal(EncodeItemSet(added)));
    }
    if (IsContactType(decoded->type)) {
      (void)batch.Put(families[kContact], keys::Pair(decoded->customer.value, decoded->id.value),
                      Seal(EncodeRecord(ContactEntryOf(*decoded))));
    }
    if (batch.Count() > 10000) {
      RAPPORT_RETURN_IF_ERROR(FromRocks(db->Write(Write(), &batch), "cannot rebuild"));
      batch.Clear();
    }
  }
  RAPPORT_RETURN_IF_ERROR(FromRocks(event->status(), "cannot read events"));
  RAPPORT_RETURN_IF_ERROR(FromRocks(db->Write(Write(), &batch), "cannot rebuild"));
  return RebuildPlannedLocked();
}

Status Store::RebuildDerived() {
  std::lock_guard hold(impl_->commit_mutex);
  RAPPORT_RETURN_IF_ERROR(impl_->EndBulkGroup());
  return impl_->RebuildDerivedLocked();
}

void Store::SetObserver(Observer observer) { impl_->observer = std::move(observer); }

std::unique_ptr<Snapshot> Store::GetSnapshot() const { return std::make_unique<SnapshotImpl>(impl_->db.get()); }

std::shared_ptr<const Catalog> Store::catalog() const {
  std::lock_guard hold(impl_->catalog_mutex);
  return impl_->catalog;
}

// folder/{RAPPORT,secret,signing.keys,db,models}: models are hard links, as RocksDB's files are.
Status Store::WriteCheckpoint(const std::string& folder) const {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(folder, error)) return Status::AlreadyExists(folder + " exists; a checkpoint needs a new folder");
  if (!fs::create_directories(folder + "/models", error)) {
    return Status::Unavailable("cannot create " + folder + ": " + error.message());
  }
  rocksdb::Checkpoint* raw = nullptr;
  RAPPORT_RETURN_IF_ERROR(FromRocks(rocksdb::Checkpoint::Create(impl_->db.get(), &raw), "cannot make a checkpoint"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  RAPPORT_RETURN_IF_ERROR(FromRocks(checkpoint->CreateCheckpoint(folder + "/db"), "cannot make a checkpoint"));
  for (const auto& entry : fs::directory_iterator(models_folder(), error)) {
    const fs::path target = fs::path(folder) / "models" / entry.path().filename();
    fs::create_hard_link(entry.path(), target, error);
    if (error) fs::copy_file(entry.path(), target, error);
    if (error) return Status::Unavailable("cannot copy " + entry.path().string() + ": " + error.message());
  }
  // What signs tokens (server/signing_secrets.h) belongs to the data as its secret does: a restored copy takes them.
  const Result<std::string> signing = ReadFile(impl_->folder + "/signing.keys", 64 * 1024);
  if (signing.ok()) {
    RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(folder + "/signing.keys", *signing, FileMode::kSecret));
  } else if (signing.status().code() != StatusCode::kNotFound) {
    return signing.status();
  }
  const SecretKey& secret = impl_->secret;
  RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(
      folder + "/secret", {reinterpret_cast<const char*>(secret.data()), secret.size()}, FileMode::kSecret));
  return WriteFileAtomically(folder + "/RAPPORT", kMarker, FileMode::kPublic);
}

Status Store::VerifyChecksums() const {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  return FromRocks(impl_->db->VerifyChecksum(read), "the tables");
}

Status Store::SetLockNote(const std::string& note) {
  return impl_->lock ? impl_->lock->SetNote(note) : Status::FailedPrecondition("a read-only store holds no lock");
}

StoreStatistics Store::statistics() const {
  StoreStatistics out;
  out.customers = impl_->customers;
  out.items = impl_->items;
  out.events = impl_->events;
  out.commits = impl_->commits;
  out.operations = impl_->operations;
  out.queued_operations = impl_->queued;
  return out;
}

const std::string& Store::folder() const { return impl_->folder; }
std::string Store::models_folder() const { return impl_->folder + "/models"; }

SecretKey Store::DeriveKey(std::string_view purpose) const {
  return HmacSha256(impl_->secret, "derive:" + std::string(purpose));
}

}  // namespace rapport

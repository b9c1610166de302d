// The store: sole owner of RocksDB and of the data folder's lock. One writer process; any number of readers
// through snapshots and checkpoints. Layout: docs/DATA.md.
//
//   Apply -> queue -> committer thread: check, number, one WriteBatch, one fsync -> catalogue -> observers -> done
//
// Thread-safe: every public function may be called from any thread. Reads never wait for the committer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "data/catalog.h"
#include "data/operations.h"
#include "data/records.h"

namespace rapport {

enum class Durability {
  kFsync,   // acknowledged means on the disk
  kNoSync,  // acknowledged means handed to the kernel: only to show that the durability tests can fail
};

struct StoreOptions {
  bool create_if_missing = true;
  Durability durability = Durability::kFsync;
  size_t block_cache_bytes = 256u << 20;
  size_t write_buffer_bytes = 32u << 20;  // per column family that is written often
  size_t queued_operations_max = 65536;   // beyond it Apply answers kResourceExhausted at once
  size_t group_operations_max = 8192;     // operations that share one fsync at most
  size_t known_customers_max =
      200000;  // names, and identities, kept in memory between groups, beside the group in flight
  std::string lock_note = "rapport";  // shown to a process that finds the store held
  bool rebuild_derived = false;       // a store of an older format: first makes anew what follows from the events
};

// Whose planned contacts are counted; on the disk, never renumbered.
enum class PlannedOf : char { kChannel = 'C', kPlace = 'P' };

enum class StoreAccess { kReadWrite, kReadOnly /* a checkpoint */ };

// A frozen view of everything at one commit. Reads through it see that and nothing later. Must not outlive its Store.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
};

// An event with items that was added to a customer's history, and nothing else.
struct AppendedEvent {
  CustomerId root;
  EventId event;
  std::string record;  // an encoded Event (data/codec.h)
};

// What one commit did to customers.
struct StoreChanges {
  std::vector<AppendedEvent> appended;  // ascending by event id
  std::vector<CustomerId>
      customers;  // whose history, profile, consents or links changed in other ways, too: ascending, unique
};

struct StoreStatistics {
  uint64_t customers = 0, items = 0, events = 0;  // ids given out so far
  uint64_t commits = 0, operations = 0;           // since open
  uint64_t queued_operations = 0;
};

class Store final : public OperationSink {
 public:
  // Errors, each with what to do: kUnavailable (another process holds it), kFailedPrecondition (not a store's
  // folder, or a newer format), kDataLoss (corrupt), kResourceExhausted (disk full).
  static Result<std::unique_ptr<Store>> Open(const std::string& folder, const StoreOptions& options,
                                             StoreAccess access = StoreAccess::kReadWrite);
  ~Store() override;  // drains the queue

  // ---- writes ----
  using Done = std::function<void(Result<std::vector<OperationResult>>)>;
  // `done` is called once, on the committer thread, after the fsync; or at once on this thread when the queue is full
  // or the store is stopped. The batch is not a transaction: each operation stands alone, in order.
  void Apply(std::vector<Operation> operations, Done done);
  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override;

  // Called on the committer thread after each commit and before its acknowledgement. Set once, before the first Apply.
  using Observer = std::function<void(const StoreChanges& changes)>;
  void SetObserver(Observer observer);

  // ---- reads (snapshot may be null: the newest state) ----
  std::unique_ptr<Snapshot> GetSnapshot() const;
  std::shared_ptr<const Catalog> catalog() const;  // never null; the newest

  std::optional<CustomerId> FindCustomer(const CustomerRef& ref, const Snapshot* snapshot = nullptr) const;
  // Follows links to the customer that this one is a part of (itself when not linked).
  CustomerId Root(CustomerId customer, const Snapshot* snapshot = nullptr) const;
  // Root first, then all that are linked to it, ascending; at most kLinkMembersMax.
  std::vector<CustomerId> Members(CustomerId root, const Snapshot* snapshot = nullptr) const;
  Result<Profile> GetProfile(CustomerId customer, const Snapshot* snapshot = nullptr) const;
  std::vector<Consent> Consents(CustomerId customer, const Snapshot* snapshot = nullptr) const;  // ledger order

  // Newest `max_events` events of root and members, ascending by event id.
  Result<std::vector<Event>> ReadEvents(CustomerId root, size_t max_events, const Snapshot* snapshot = nullptr) const;
  // The same as lines for models; an event without items yields none, and is counted in `events_read` like the others.
  Result<std::vector<HistoryEntry>> ReadHistory(CustomerId root, size_t max_events = limits::kHistoryEventsMax,
                                                const Snapshot* snapshot = nullptr,
                                                size_t* events_read = nullptr) const;
  // What is about contacts and cases among all events of root and members, however long ago: the newest
  // limits::kContactEntriesMax, ascending by event id. A full list may lack older ones.
  Result<std::vector<ContactEntry>> ReadContacts(CustomerId root, const Snapshot* snapshot = nullptr) const;
  Result<ItemSet> ReadItemSet(CustomerId root, const Snapshot* snapshot = nullptr) const;

  // Every event, by customer ascending, then by event id; every profile by customer. The callback returns false to
  // stop. Customers are as stored: use Root() to merge.
  Status ForEachEvent(const std::function<bool(const Event&)>& visit, const Snapshot* snapshot = nullptr) const;
  Status ForEachProfile(const std::function<bool(const Profile&)>& visit, const Snapshot* snapshot = nullptr) const;
  // Reads items from the disk, not from the catalogue, so that a snapshot is honoured.
  Status ForEachItem(const std::function<bool(const Item&)>& visit, const Snapshot* snapshot = nullptr) const;
  Status ForEachLink(const std::function<bool(const Link&)>& visit, const Snapshot* snapshot = nullptr) const;
  // Every entry about a contact, by customer as stored, then by event id.
  Status ForEachContact(const std::function<bool(const ContactEntry&)>& visit,
                        const Snapshot* snapshot = nullptr) const;
  Status ForEachDecision(const std::function<bool(const Decision&)>& visit, const Snapshot* snapshot = nullptr) const;

  // What the operator has said last; nullopt: nothing.
  std::optional<std::string> GetSetting(const std::string& name) const;
  Result<Decision> GetDecision(const std::string& id) const;
  bool HasDecision(const std::string& id, const Snapshot* snapshot = nullptr) const;
  // Contacts that are planned (and not cancelled) on a channel or at a place, by hour of their moment: hours
  // [first, first + count) since 1970. Counted in the write that plans them (data/planned_contacts.h).
  std::vector<uint64_t> PlannedByHour(PlannedOf of, const std::string& name, int64_t first_hour, size_t count,
                                      const Snapshot* snapshot = nullptr) const;
  Result<ApiKey> GetApiKey(const std::string& id) const;
  std::vector<ApiKey> ApiKeys() const;
  Result<ModelRecord> GetModel(uint64_t generation) const;
  std::vector<ModelRecord> Models() const;                               // ascending by generation
  uint64_t ActiveGeneration(const std::string& kind = "content") const;  // 0: none

  // ---- operations ----
  // A consistent copy that shares files; `folder` must not exist. Open it with kReadOnly.
  Status WriteCheckpoint(const std::string& folder) const;
  // Rewrites what is derived from the event log (item sets, duplicates' index). Differential twin of the write path,
  // and the migration from format 0.
  Status RebuildDerived();
  // Reads every block of every table from the disk: kDataLoss when one is not what was written.
  Status VerifyChecksums() const;
  Status SetLockNote(const std::string& note);
  // Not ok once the disk refused a write or gave back wrong bytes: what happened and what to do.
  Status Health() const;
  // Reads that failed since open. Lookups that have no way to say so answer "not there" then: an answer during which
  // this number rose is not to be trusted.
  uint64_t read_failures() const;
  StoreStatistics statistics() const;
  const std::string& folder() const;
  std::string models_folder() const;  // DATA/models, exists

  // A key for signing what leaves the server (cursors, impressions): derived from the store's secret and `purpose`.
  SecretKey DeriveKey(std::string_view purpose) const;

 private:
  friend class BulkWriter;     // data/bulk_writer.h
  friend class GroupCommit;    // data/group_commit.cc
  friend class PlannedCounts;  // data/planned_contacts.h
  friend class SortedRuns;     // data/sorted_runs.cc
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport

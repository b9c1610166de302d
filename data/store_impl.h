// The inside of Store, shared by store.cc (open, life), store_read.cc (reads), commit_queue.cc, committer.cc,
// group_commit.cc, bulk_writer.cc and sorted_runs.cc (writes) and planned_contacts.cc (counters). Not for others.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/file.h"
#include "data/bulk_writer.h"
#include "data/keys.h"
#include "data/store.h"

namespace rapport {

// Column families; the order is the order of opening, the names are on disk.
enum Family : size_t {
  kMeta,
  kLookup,
  kProfile,
  kConsent,
  kLink,
  kEvent,
  kMessage,
  kItemSet,
  kItem,
  kDecision,
  kKey,
  kModel,
  kContact,
  kFamilyCount
};
inline constexpr const char* kFamilyNames[kFamilyCount] = {"default", "lookup",  "profile",  "consent", "link",
                                                           "event",   "message", "item_set", "item",    "decision",
                                                           "key",     "model",   "contact"};
inline constexpr uint64_t kFormatVersion = 4;

// Ids given out so far. Written with every batch.
struct Sequence {
  uint64_t customer = 0, item = 0, event = 0, consent = 0, generation = 0;
};

class SnapshotImpl final : public Snapshot {
 public:
  explicit SnapshotImpl(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~SnapshotImpl() override { db_->ReleaseSnapshot(snapshot_); }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* const db_;
  const rocksdb::Snapshot* const snapshot_;
};

Status FromRocks(const rocksdb::Status& status, const std::string& what);

class GroupCommit;

class Store::Impl {
 public:
  // Constant after open.
  std::string folder;
  StoreOptions options;
  StoreAccess access = StoreAccess::kReadWrite;
  SecretKey secret{};
  std::optional<FileLock> lock;
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;  // owned by db; destroyed before it
  Observer observer;

  // Written by the committer only, read by anybody.
  std::atomic<uint64_t> commits{0}, operations{0}, queued{0};
  std::atomic<uint64_t> customers{0}, items{0}, events{0}, links{0};
  mutable std::atomic<uint64_t> read_failures{0};  // any thread counts up

  // Guarded by catalog_mutex.
  mutable std::mutex catalog_mutex;
  std::shared_ptr<const Catalog> catalog;

  // The first read that failed for another reason than "not there", guarded by health_mutex.
  mutable std::mutex health_mutex;
  mutable Status read_error;
  Status write_error;

  // The queue, guarded by queue_mutex.
  struct Request {
    std::vector<Operation> operations;
    Done done;
  };
  std::mutex queue_mutex;
  std::condition_variable queue_changed;
  std::deque<Request> queue;
  bool stopping = false;
  std::thread committer;

  // Guarded by commit_mutex: held while a group is applied, and by RebuildDerived.
  std::mutex commit_mutex;
  Sequence sequence;
  bool log_broken = false;  // RocksDB failed to write to its log
  Status broken;            // once a commit failed: what every later write is answered
  // Bounded memory of names and identities, exact copies of what is stored (or in the group in flight).
  std::unordered_map<std::string, CustomerId> known_customers;
  std::unordered_map<uint64_t, std::vector<CustomerId>> known_members;
  // What a bulk writer gathers; nothing else is committed before it.
  std::unique_ptr<GroupCommit> bulk_group;
  BulkOptions bulk_options;

  ~Impl();
  Status Open();
  Status OpenDatabase(bool is_new);
  Status LoadState();
  Status CheckSecret();
  Status Migrate();
  Status RebuildDerivedLocked();
  Status RebuildPlannedLocked();
  void CommitLoop();
  void ApplyGroup(std::vector<Request>& requests);
  void Break(const Status& why);  // nothing is written after it
  Status EndBulkGroup();          // commits it if there is one; `broken`

  Status Health() const;
  // Counts and keeps a failed read; the answer that it was for must not go out as if nothing were there.
  void Note(const Status& status) const;
  // The read's own status kept, too: a walk that ends early because of it has not seen everything.
  void NoteEnd(const rocksdb::Iterator& it, const char* what) const;

  rocksdb::ReadOptions Read(const Snapshot* snapshot) const;
  rocksdb::WriteOptions Write() const;
  std::optional<std::string> Get(Family family, const rocksdb::Slice& key, const Snapshot* snapshot = nullptr) const;
  std::unique_ptr<rocksdb::Iterator> Iterate(Family family, const rocksdb::ReadOptions& read) const;
  CustomerId Root(CustomerId customer, const Snapshot* snapshot) const;
  std::vector<CustomerId> Members(CustomerId root, const Snapshot* snapshot) const;
};

}  // namespace rapport

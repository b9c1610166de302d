// One group in the making: what it will write, and what is already decided inside it. Private to the store: the
// committer (committer.cc) makes one for what waits in its queue, the bulk writer (bulk_writer.cc) one for very many
// operations. Under the store's commit_mutex.
#pragma once

#include <rocksdb/write_batch.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/pending_messages.h"
#include "data/planned_contacts.h"
#include "data/sorted_runs_impl.h"
#include "data/store_impl.h"

namespace rapport {

class GroupCommit {
 public:
  // With `bulk` the group may have any size and ends as sorted files; without, it is one write to the log.
  explicit GroupCommit(Store::Impl& store, const BulkOptions* bulk = nullptr);

  OperationResult Apply(Operation& operation);

  Status Commit();

  StoreChanges TakeChanges();
  size_t memory_bytes() const;  // of a bulk group, about

 private:
  void Put(Family family, const rocksdb::Slice& key, const rocksdb::Slice& value);
  void Delete(Family family, const rocksdb::Slice& key);
  void AddToItemSet(CustomerId customer, ItemSet added);
  rocksdb::Status WriteAll();

  // ---- customers ----
  // Made by this group: no table knows it.
  bool IsOfThisGroup(CustomerId customer) const { return customer.value > customers_before_; }

  static std::string NameOf(const CustomerRef& ref);

  CustomerId Find(const CustomerRef& ref);

  CustomerId Remember(const std::string& name, CustomerId id);

  CustomerId FindOrCreate(const CustomerRef& ref, Timestamp now);

  Result<Profile> ReadProfile(CustomerId id);

  void PutProfile(const Profile& profile);

  // ---- links ----
  std::optional<CustomerId> Parent(CustomerId child);

  CustomerId Root(CustomerId customer);

  // All identities that are one customer with this one, root first. Remembered; links forget what they touch.
  const std::vector<CustomerId>& Members(CustomerId customer);

  std::vector<CustomerId> MembersOf(CustomerId root);
  std::vector<CustomerId> StoredMembers(CustomerId root) const;

  void Touch(CustomerId customer);

  // ---- items ----
  CatalogBuilder& Builder();
  std::shared_ptr<const Catalog> CurrentCatalog();
  const Item* FindItem(const std::string& external_id);

  ItemId PutNewItem(Item item);
  ItemId StoreItem(Item item);

  // ---- operations ----
  OperationResult Do(PutItem& op);

  static Status TooManyItems();

  OperationResult Do(PatchItem& op);

  static Status NoSuchItem(const std::string& id);

  OperationResult Do(DeleteItem& op);

  OperationResult Do(UpdateProfile& op);

  OperationResult Do(SetPersonalization& op);

  // Whether the ledger has this very entry, channel, purpose, time and proof; loads the ledger for the group.
  bool IsInLedger(CustomerId customer, const std::string& encoded);

  OperationResult Do(RecordConsent& op);

  OperationResult Do(LinkCustomers& op);

  OperationResult Do(UnlinkCustomer& op);

  // The event that carries this identity for any of the customer's identities, or 0.
  uint64_t FindDuplicate(CustomerId customer, const Hash128& identity);

  OperationResult Do(AppendEvent& op);

  // Everything is read before anything goes: damage in the middle takes nothing away.
  OperationResult Do(PruneEvents& op);

  OperationResult Do(RemoveDecision& op);

  ItemId ItemFor(const std::string& external_id);

  OperationResult Do(PutDecision& op);

  OperationResult Do(PutApiKey& op);

  OperationResult Do(PutModel& op);

  std::optional<ModelRecord> ReadModel(uint64_t generation);
  void StoreModel(const ModelRecord& model);

  OperationResult Do(ActivateModel& op);

  OperationResult Do(PutSetting& op);

  Store::Impl& store_;
  const BulkOptions* const bulk_;
  const uint64_t customers_before_;
  size_t known_before_ = 0;    // names in the store's memory when the group began
  rocksdb::WriteBatch batch_;  // without bulk_
  SortedRuns runs_;            // with bulk_
  std::unordered_map<uint64_t, Profile> profiles_;
  std::unordered_map<uint64_t, CustomerId> parents_;                // 0: unlinked in this group
  std::unordered_map<uint64_t, std::vector<CustomerId>> children_;  // linked in this group, maybe unlinked again
  PendingMessages messages_;
  std::unordered_map<uint64_t, std::unordered_set<std::string>> consents_;  // ledgers looked at in this group
  std::unordered_map<uint64_t, std::vector<ItemSet>> pending_sets_;         // what this group adds
  PlannedCounts planned_{store_};
  std::unordered_map<uint64_t, ModelRecord> models_;
  std::unordered_map<std::string, uint64_t> active_;
  std::unique_ptr<CatalogBuilder> catalog_;
  std::shared_ptr<const Catalog> base_catalog_;
  StoreChanges changes_;
  uint64_t links_added_ = 0;
};

}  // namespace rapport

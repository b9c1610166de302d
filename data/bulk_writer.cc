#include "data/bulk_writer.h"

#include "data/group_commit_impl.h"

namespace rapport {

// Under commit_mutex. What happened to the group is what every later write is answered.
Status Store::Impl::EndBulkGroup() {
  if (!bulk_group) return broken;
  const std::unique_ptr<GroupCommit> group = std::move(bulk_group);
  const Status status = group->Commit();
  ++commits;
  if (!status.ok()) Break(status);
  return broken;
}

BulkWriter::BulkWriter(Store& store, BulkOptions options) : store_(*store.impl_) {
  std::lock_guard hold(store_.commit_mutex);
  store_.bulk_options = std::move(options);
}

BulkWriter::~BulkWriter() { (void)MakeDurable(); }

Result<std::vector<OperationResult>> BulkWriter::ApplyAndWait(std::vector<Operation> operations) {
  if (store_.access == StoreAccess::kReadOnly) {
    return Status::FailedPrecondition("this is a read-only checkpoint of the store");
  }
  std::lock_guard hold(store_.commit_mutex);
  if (!store_.broken.ok()) return store_.broken;
  if (!store_.bulk_group) store_.bulk_group = std::make_unique<GroupCommit>(store_, &store_.bulk_options);
  std::vector<OperationResult> results;
  results.reserve(operations.size());
  for (Operation& operation : operations) results.push_back(store_.bulk_group->Apply(operation));
  store_.operations += operations.size();
  if (store_.bulk_group->memory_bytes() >= store_.bulk_options.run_bytes_max) {
    RAPPORT_RETURN_IF_ERROR(store_.EndBulkGroup());
  }
  return results;
}

Status BulkWriter::MakeDurable() {
  std::lock_guard hold(store_.commit_mutex);
  return store_.EndBulkGroup();
}

bool BulkWriter::IsDurable() const {
  std::lock_guard hold(store_.commit_mutex);
  return store_.bulk_group == nullptr && store_.broken.ok();
}

}  // namespace rapport

// The store's door for much at once: the operations of a whole import in large groups, each written as sorted files
// (data/sorted_runs_impl.h) where Store::Apply writes thousands of small ones through the log.
//
//   ApplyAndWait: decided, numbered and kept in memory; later operations see it, readers do not
//   MakeDurable, or more than run_bytes_max gathered: written and visible, all of the group or nothing
//
// Each operation's outcome and every byte stored are those of Store::Apply for the same operations in the same order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/operations.h"
#include "data/store.h"

namespace rapport {

struct BulkOptions {
  size_t run_bytes_max = 256u << 20;          // memory of a group: then it is written
  size_t sorted_files_from_bytes = 4u << 20;  // a smaller group goes through the log
  std::function<void()> before_taking_in{};   // for tests of a crash there
};

// One owner; calls come from one thread at a time. Other writers of the store may go on: each of their groups first
// makes durable what is gathered here. The store must outlive it.
class BulkWriter final : public OperationSink {
 public:
  explicit BulkWriter(Store& store, BulkOptions options = {});
  ~BulkWriter() override;  // makes durable what is not yet

  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override;
  Status MakeDurable() override;
  bool IsDurable() const override;

 private:
  Store::Impl& store_;
};

// Where a store's sorted files stand until they are taken in.
std::string BulkFolder(const std::string& store_folder);

}  // namespace rapport

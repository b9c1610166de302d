// The importer's way to the sink: collects operations, sends them in batches, and settles what became of each row.
//
// A row is one operation whose outcome decides its fate. Parts stand beside rows (the item and the profile that a row
// also describes): a refused part is written to the rejects, but its row counts by itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/io/importer.h"
#include "data/operations.h"

namespace rapport {

struct RowPlace {
  uint64_t line = 0;
  std::string_view raw;
};

// One owner, one thread.
class ImportBatch {
 public:
  ImportBatch(OperationSink& sink, size_t operations_max, RejectCallback rejects, ProgressCallback progress);

  void StartFile(const ByteSource& source);
  void CountRow() { ++counts_.rows_in; }
  Status RejectRow(const RowPlace& place, const Status& why);
  Status AddRow(const RowPlace& place, Operation operation);
  Status AddPart(const RowPlace& place, Operation operation);
  Status RefusePart(const RowPlace& place, std::string_view part, const Status& why);
  // Puts the item unless the catalogue has it. A patch that changes nothing asks; the put goes with the next batch.
  Status AddItemIfMissing(const RowPlace& place, Item item);
  // Sends what there is and waits. May leave puts of missing items for the next Flush.
  Status Flush();

  const ImportCounts& counts() const { return counts_; }

 private:
  enum class Role : uint8_t { kRow, kPart, kAsksForItem };
  struct Sent {
    Role role;
    std::string_view part;  // a literal; empty for a row
    uint64_t line;
    std::string raw;
    size_t item = 0;  // kAsksForItem: index in asked_items_
  };
  Status Add(Sent sent, Operation operation);
  Status Settle(Sent& sent, const OperationResult& result);
  Status SettlePart(const Sent& sent, const OperationResult& result);
  Status SinkFailed(const Status& why);

  OperationSink& sink_;
  const size_t operations_max_;
  const RejectCallback rejects_;
  const ProgressCallback progress_;
  const ByteSource* source_ = nullptr;
  ImportCounts counts_;
  std::vector<Operation> operations_;
  std::vector<Sent> sent_;  // parallel to operations_
  std::vector<Item> asked_items_;
  uint64_t durable_line_ = 0;  // all rows of this file up to here are settled
  uint64_t last_line_ = 0;
};

}  // namespace rapport

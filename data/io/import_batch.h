// The importer's way to the sink: collects operations, sends them in batches, and settles what became of each row.
//
// A row is one operation whose outcome decides its fate. Parts stand beside rows (the item and the profile that a row
// also describes): a refused part is written to the rejects, but its row counts by itself.
//
// A sink may keep many batches before it writes them (OperationSink::IsDurable): what it answered counts then, and if
// it fails, only what was durable before does.
//
// One batch is in flight on a thread of its own while the next one is read, so that reading costs no time of the
// sink's.
#pragma once

#include <future>
#include <memory>
#include <optional>
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
  // `raw`: the place's text itself, which may be taken then.
  Status AddRow(const RowPlace& place, Operation&& operation, std::string* raw = nullptr);
  Status AddPart(const RowPlace& place, Operation operation);
  Status RefusePart(const RowPlace& place, std::string_view part, const Status& why);
  // Puts the item unless the catalogue has it. A patch that changes nothing asks; the put goes with the next batch.
  Status AddItemIfMissing(const RowPlace& place, Item item);
  // Sends what there is and waits until all of it is settled.
  Status Drain();

  const ImportCounts& counts() const { return counts_; }

 private:
  enum class Role : uint8_t { kRow, kPart, kAsksForItem };
  struct Sent {
    Role role;
    std::string_view part;  // a literal; empty for a row
    uint64_t line;
    std::string raw;
    std::unique_ptr<Item> item{};  // kAsksForItem: what to put if it is missing
  };
  struct InFlight {
    std::future<Result<std::vector<OperationResult>>> results;
    std::vector<Sent> sent;
    uint64_t last_line = 0;
  };
  Status Add(Sent&& sent, Operation&& operation);
  Status Flush();
  Status SettleInFlight();
  Status Settle(Sent& sent, const OperationResult& result);
  Status SettlePart(const Sent& sent, const OperationResult& result);
  Status KeepReject(const Reject& reject);
  void NoteDurable(uint64_t line);
  Status SinkFailed(const Status& why);

  OperationSink& sink_;
  const size_t operations_max_;
  const RejectCallback rejects_;
  const ProgressCallback progress_;
  const ByteSource* source_ = nullptr;
  ImportCounts counts_;
  // The batch that is being filled, its operations and what they are; never more than operations_max_.
  std::vector<Operation> operations_;
  std::vector<Sent> sent_;
  std::vector<std::pair<Sent, Operation>> missing_items_;  // puts for the next batch
  uint64_t last_line_ = 0;
  uint64_t settled_line_ = 0;          // the sink has answered for all rows of this file up to here
  uint64_t durable_line_ = 0;          // and they are on the disk
  ImportCounts durable_counts_;        // as of then
  std::optional<InFlight> in_flight_;  // last: its thread ends before anything else goes away
};

}  // namespace rapport

// Files -> rows -> operations -> a sink, in batches. For each file:
//
//   rows_in = accepted + duplicates + rejected (+ unknown, only when the sink failed and the run stopped)
//
// A bad row never stops a run: it goes to the rejects with line and reason. The run stops when a file cannot be read on
// or the sink fails; what was acknowledged stays, and running the same import again is safe, because a row's identity
// comes from the row: its message id, or hash(row, n-th occurrence of that row in its file).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "data/io/byte_source.h"
#include "data/io/event_table.h"
#include "data/io/mapping.h"
#include "data/io/rejects.h"
#include "data/operations.h"

namespace rapport {

enum class ImportKind { kEvents, kItems, kProfiles };
const char* ImportKindName(ImportKind kind);

struct ImportCounts {
  uint64_t rows_in = 0;
  uint64_t accepted = 0;          // changed the store
  uint64_t duplicates = 0;        // known already, or equal to what is there
  uint64_t rejected = 0;          // in the rejects file
  uint64_t unknown = 0;           // sent, but the sink failed before it answered
  uint64_t items_put = 0;         // beside events: items that the rows describe
  uint64_t profiles_updated = 0;  // beside events, and links of them
  uint64_t consents_kept = 0;     // beside events and profiles
  uint64_t parts_refused = 0;     // items and profiles beside accepted rows that were refused
};

struct ImportProgress {
  ImportCounts counts;  // of all files so far
  std::string file;
  uint64_t bytes_done = 0;  // of this file, as stored
  std::optional<uint64_t> bytes_total;
};

struct ImportOptions {
  size_t batch_operations = 4096;
  size_t row_bytes_max = 64 * 1024;  // a CSV record or JSON line; longer is rejected
  std::string source = "import";     // name space of message ids where the rows do not say
  Timestamp now;                     // when this import runs: events are received then
};

// Where refused rows go. A failure stops the run: a row that cannot be kept must not be dropped.
using RejectCallback = std::function<Status(const Reject&)>;
// Called after each batch.
using ProgressCallback = std::function<void(const ImportProgress&)>;

// One run over any number of files. One owner, one thread. What it is given must outlive it.
class Importer {
 public:
  Importer(OperationSink& sink, const EventTable& table, ImportOptions options, RejectCallback rejects,
           ProgressCallback progress = {});
  ~Importer();

  // Errors: the file's (kDataLoss, and rows before the damage are in), the header's (kInvalidArgument), the sink's
  // (its code; the message says up to which line all is durable), the rejects'.
  Status ImportCsv(ByteSource& source, Mapping& mapping);
  Status ImportJsonLines(ByteSource& source, ImportKind kind);

  const ImportCounts& counts() const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace rapport

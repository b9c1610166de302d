// What is kept, as files: JSON lines in the shapes that import reads (data/io/segment_json.h, data/io/json_records.h),
// or events as CSV by the inverse of a mapping. Everything is read from one snapshot, in one pass, in bounded memory.
//
//   events     by customer, then in the order of arrival; import of the file into an empty store gives the same events
//   items      what is in the catalogue (items known from events only are not)
//   profiles   each identity with its consents and the customer it is a part of
//   decisions  {decisionId, userId | anonymousId, time, generation, decision}
//   customer   all of the above about one customer, as one JSON document
#pragma once

#include <functional>
#include <optional>

#include "base/status.h"
#include "data/io/byte_sink.h"
#include "data/io/mapping.h"
#include "data/operations.h"
#include "data/store.h"

namespace rapport {

struct ExportProgress {
  uint64_t rows = 0;                   // written so far
  std::optional<uint64_t> rows_total;  // as far as it is known beforehand
};
// Called every few thousand rows.
using ExportProgressCallback = std::function<void(const ExportProgress&)>;

struct ExportCounts {
  uint64_t rows = 0;
  uint64_t skipped = 0;  // CSV only: events that no row of the mapping makes
};

// The event as it would have to be appended again: names instead of numbers. kDataLoss when the catalogue lacks an
// item.
Result<AppendEvent> ToAppendEvent(const Event& event, const CustomerRef& customer, const Catalog& catalog);

// None of these calls sink.Commit(). Errors: the store's, the sink's.
Result<ExportCounts> ExportEventsJson(const Store& store, ByteSink& sink, const ExportProgressCallback& progress);
Result<ExportCounts> ExportEventsCsv(const Store& store, Mapping& mapping, ByteSink& sink,
                                     const ExportProgressCallback& progress);
Result<ExportCounts> ExportItems(const Store& store, ByteSink& sink, const ExportProgressCallback& progress);
Result<ExportCounts> ExportProfiles(const Store& store, ByteSink& sink, const ExportProgressCallback& progress);
Result<ExportCounts> ExportDecisions(const Store& store, ByteSink& sink, const ExportProgressCallback& progress);
// kNotFound when nobody has this name.
Result<ExportCounts> ExportCustomer(const Store& store, const CustomerRef& customer, ByteSink& sink);

}  // namespace rapport

// Events on their way into the store: a list of Segment's calls as operations, and what became of each. What
// POST /v1/batch and POST /v1/context share, so that an event means the same wherever it comes in.
#pragma once

#include <string>
#include <vector>

#include "data/operations.h"
#include "engine/engine.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/segment.h"
#include "server/problem.h"

namespace rapport {

// The operations of a request and, for each, whose they are. One owner, one thread.
struct EventIntake {
  std::vector<Operation> operations;
  std::vector<size_t> entry_of;      // of each operation: its place in the request
  std::vector<bool> tolerated;       // of each operation: when it fails, its entry stands all the same
  std::vector<IndexedError> errors;  // entries that never reached the store
  std::vector<IndexedError> doubts;  // entries that are kept, though they look like a slip
  size_t entries = 0;
};

// The next call of the request; a bad one becomes an error of its place.
void AddEntry(SegmentReader& reader, Json message, EventIntake* intake);
// All of `list`, named `name` in messages. kInvalidArgument: no array, or more than limits::kEventsPerBatchMax.
Status AddEntries(SegmentReader& reader, Json* list, const char* name, EventIntake* intake);

// What is kept and says less than it was to: a consent for a channel that the shop does not have (it may have it
// later), an order or a view of no item, a rating without one, the cancelling of no contact.
void NoteDoubts(const Engine& engine, EventIntake* intake);

// What the store said of the operations, entry by entry.
struct EventOutcome {
  size_t accepted = 0;
  std::vector<IndexedError> errors;  // ascending by place
  std::string warnings;              // what could not be done for accepted entries: ""warnings":[...]", or nothing
};
// `results` may be empty when `intake` has no operations.
EventOutcome OutcomeOf(const EventIntake& intake, const std::vector<OperationResult>& results);

}  // namespace rapport

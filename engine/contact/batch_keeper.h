// A batch of decisions that is kept: every customer's decision is in the store, explained and replayed like a single
// one, and counts for caps at once.
//
//   plan (batch.h) -> chunks of customers: hard rules again with what was planned meanwhile, customer by customer
//   (ContactDesk::Hold) -> decisions, planned contacts, the page of their ids and the record in ONE write -> the next
//
// A cut loses no chunk that was acknowledged and leaves none in halves. Run again under the same name, who has a
// decision is passed over, and what their sends took is taken off the limits: nobody is written to twice.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "engine/contact/batch.h"
#include "engine/contact/batch_record.h"
#include "engine/contact/contact_desk.h"

namespace rapport {

struct BatchKeeping {
  std::string name;  // CheckBatchName
  FormatDecision format;
  WriteBatchRecord write_record;
  ReadBatchRecord read_record;
  std::shared_ptr<const ContactSettings> settings;  // instead of those in force
  std::function<Status(CustomerId, const PlanFrame&, std::span<float>, std::span<uint8_t>)> contents;  // BatchHooks'
  uint64_t content_generation = 0;                   // of the model behind it
  OperationSink* sink = nullptr;                     // instead of the store's own
  std::function<void(const BatchRecord&)> progress;  // after every chunk, on the caller's thread
  std::function<bool()> cancelled;                   // asked between steps
  size_t customers_per_page = 1000;                  // of one write
  bool knows_names = true;                           // false: the broken twin of the tests, which forgets whom it had
};

// What KeepBatch would refuse at once: the name, a request that is wrong, another request under the same name.
Status CheckBatch(const Store& store, const ContactDesk& desk, const BatchRequest& request,
                  const BatchKeeping& keeping);

// Returns when all is kept. kAlreadyExists: the name stands for another request. kUnavailable: stopped. Errors of the
// request as DecideBatch says them, before anything is kept; the store's as they are.
Result<BatchRecord> KeepBatch(Store& store, ContactDesk& desk, const BatchRequest& request,
                              const BatchKeeping& keeping);

}  // namespace rapport

// The write path's vocabulary. A batch of operations is all that ever changes a store: `Store::Apply(batch)`
// is the one door, so that a log can feed it. Names are external; ids are given out inside.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/status.h"
#include "data/records.h"

namespace rapport {

// Replaces the whole item, or creates it. `item.id` is ignored. Sets `catalogued`.
struct PutItem {
  Item item;
};
// Only what is set changes. kNotFound when there is no such catalogued item.
struct PatchItem {
  std::string external_id;
  std::optional<std::string> title;
  std::optional<Decimal> price;
  std::optional<Decimal> margin;
  std::optional<int64_t> stock;
  std::optional<bool> available;
  std::optional<bool> hidden;
  std::optional<Timestamp> published_at, expires_at;
  std::optional<std::vector<std::string>> categories, tags, audience;
};
// Takes it out of the catalogue; its id and events stay. kNotFound when there is none.
struct DeleteItem {
  std::string external_id;
};

// Merges traits into the profile, creating the customer. A trait sent as an empty list is removed.
struct UpdateProfile {
  CustomerRef customer;
  Timestamp time;
  std::optional<std::string> time_zone, locale, country;
  std::optional<std::vector<std::string>> audiences;
  Attributes traits;
};
struct SetPersonalization {
  CustomerRef customer;
  Personalization personalization = Personalization::kOn;
  Timestamp time;
};
struct RecordConsent {
  CustomerRef customer;
  Consent consent;
};
// Reads `child` as a part of `parent` from now on. The first parent wins: linking a linked child to another
// customer is kAlreadyExists; linking twice the same way changes nothing.
struct LinkCustomers {
  CustomerRef child;
  CustomerRef parent;
  Timestamp time;
};
struct UnlinkCustomer {
  CustomerRef child;
};

// A line of an event to append: the item by its external name. An unknown one gets an id and waits, never
// shown, for its PutItem.
struct NewLine {
  std::string item;
  int64_t quantity = 1;
  std::optional<Decimal> price;
};
// Appends unless (customer or a linked one, source, message_id) is known: then kDuplicate and nothing changes.
// `event.id`, `.customer`, `.lines` are ignored; time later than received_at + kFutureSkewMsMax is clamped to it.
// An empty message_id is refused: senders without one make one.
struct AppendEvent {
  CustomerRef customer;
  Event event;
  std::vector<NewLine> lines;
};

struct PutDecision {
  Decision decision;
};
struct PutApiKey {
  ApiKey key;
};
// generation 0 asks for the next one; the result's `id` tells it.
struct PutModel {
  ModelRecord model;
};
// Makes `generation` the one in service and retires the one before. generation 0: none in service.
struct ActivateModel {
  std::string kind = "content";
  uint64_t generation = 0;
};

// What an operator says to the running shop and what survives a restart: channels, limits. The body is the edge's
// business (JSON); the newest one counts.
struct PutSetting {
  std::string name;
  std::string body;
};

// Takes away what a customer (this identity alone) did before a time: events, their marks against duplicates, their
// contact entries; the item set is made anew from the rest. The result's `id` says how many events went.
struct PruneEvents {
  CustomerId customer;
  Timestamp before;
};
// kUnchanged when there is none.
struct RemoveDecision {
  std::string id;
};

using Operation = std::variant<PutItem, PatchItem, DeleteItem, UpdateProfile, SetPersonalization, RecordConsent,
                               LinkCustomers, UnlinkCustomer, AppendEvent, PutDecision, PutApiKey, PutModel,
                               ActivateModel, PutSetting, PruneEvents, RemoveDecision>;

enum class Outcome : uint8_t { kCreated, kUpdated, kUnchanged, kDuplicate };

// What became of one operation. A refused one (status not ok) changes nothing; its neighbours still count.
struct OperationResult {
  Status status;
  Outcome outcome = Outcome::kUnchanged;
  uint64_t id = 0;  // customer, item, event or generation, as fits
};

// Operations as bytes, for a store in another process: see docs/DATA.md "Apply over the wire".
std::string EncodeOperations(const std::vector<Operation>& operations);
Result<std::vector<Operation>> DecodeOperations(std::string_view bytes);
std::string EncodeOperationResults(const std::vector<OperationResult>& results);
Result<std::vector<OperationResult>> DecodeOperationResults(std::string_view bytes);

// Sizes, UTF-8, ids: what every operation must satisfy before it reaches the store. The message says what to do.
Status ValidateOperation(const Operation& operation);

// Where operations go: the local store, or a server's (server/commands). Called from one thread at a time.
class OperationSink {
 public:
  virtual ~OperationSink() = default;
  // One result per operation, after they are durable, or with IsDurable() false until MakeDurable() or a later call
  // has made them so. A failed Result: nothing that was not durable before is known to be applied.
  virtual Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) = 0;
  virtual Status MakeDurable() { return Status::Ok(); }
  virtual bool IsDurable() const { return true; }
};

}  // namespace rapport

#include "data/io/import_batch.h"

#include <utility>

namespace rapport {
namespace {

const char* PartName(const Operation& operation) {
  if (std::holds_alternative<PutItem>(operation)) return "item";
  if (std::holds_alternative<RecordConsent>(operation)) return "consent";
  if (std::holds_alternative<LinkCustomers>(operation)) return "link";
  return "profile";
}

}  // namespace

ImportBatch::ImportBatch(OperationSink& sink, size_t operations_max, RejectCallback rejects, ProgressCallback progress)
    : sink_(sink), operations_max_(operations_max), rejects_(std::move(rejects)), progress_(std::move(progress)) {
  operations_.reserve(operations_max_);
  sent_.reserve(operations_max_);
}

void ImportBatch::StartFile(const ByteSource& source) {
  source_ = &source;
  settled_line_ = durable_line_ = last_line_ = 0;
}

Status ImportBatch::RejectRow(const RowPlace& place, const Status& why) {
  ++counts_.rejected;
  last_line_ = place.line;
  return KeepReject({source_->name(), place.line, why.message(), place.raw});
}

Status ImportBatch::RefusePart(const RowPlace& place, std::string_view part, const Status& why) {
  ++counts_.parts_refused;
  return KeepReject({source_->name(), place.line, why.message(), place.raw, part});
}

// Where a reject cannot be kept the run ends: what was answered for stays.
Status ImportBatch::KeepReject(const Reject& reject) {
  const Status kept = rejects_(reject);
  if (kept.ok()) return kept;
  if (in_flight_) in_flight_->results.wait();
  if (const Status durable = sink_.MakeDurable(); !durable.ok()) return SinkFailed(durable);
  return kept;
}

void ImportBatch::NoteDurable(uint64_t line) {
  durable_line_ = line;
  durable_counts_ = counts_;
}

Status ImportBatch::AddRow(const RowPlace& place, Operation&& operation, std::string* raw) {
  Sent sent{Role::kRow, {}, place.line, raw != nullptr ? std::move(*raw) : std::string(place.raw)};
  RAPPORT_RETURN_IF_ERROR(Add(std::move(sent), std::move(operation)));
  last_line_ = place.line;
  return Status::Ok();
}

Status ImportBatch::AddPart(const RowPlace& place, Operation operation) {
  const char* part = PartName(operation);
  return Add({Role::kPart, part, place.line, std::string(place.raw)}, std::move(operation));
}

Status ImportBatch::AddItemIfMissing(const RowPlace& place, Item item) {
  PatchItem question;
  question.external_id = item.external_id;
  Sent sent{Role::kAsksForItem, "item", place.line, std::string(place.raw)};
  sent.item = std::make_unique<Item>(std::move(item));
  return Add(std::move(sent), std::move(question));
}

Status ImportBatch::Add(Sent&& sent, Operation&& operation) {
  if (operations_.size() >= operations_max_) RAPPORT_RETURN_IF_ERROR(Flush());
  operations_.push_back(std::move(operation));
  sent_.push_back(std::move(sent));
  return Status::Ok();
}

Status ImportBatch::Drain() {
  while (!operations_.empty() || in_flight_) RAPPORT_RETURN_IF_ERROR(Flush());
  if (const Status durable = sink_.MakeDurable(); !durable.ok()) return SinkFailed(durable);
  NoteDurable(settled_line_);
  return Status::Ok();
}

// Settles the batch in flight, sends the one that was filled, and begins the next one.
Status ImportBatch::Flush() {
  RAPPORT_RETURN_IF_ERROR(SettleInFlight());
  if (!operations_.empty()) {
    in_flight_.emplace(InFlight{});
    in_flight_->sent = std::exchange(sent_, {});
    in_flight_->last_line = last_line_;
    in_flight_->results = std::async(std::launch::async, [this, batch = std::exchange(operations_, {})]() mutable {
      return sink_.ApplyAndWait(std::move(batch));
    });
    operations_.reserve(operations_max_);
    sent_.reserve(operations_max_);
  }
  for (auto& [sent, put] : missing_items_) {
    sent_.push_back(std::move(sent));
    operations_.push_back(std::move(put));
  }
  missing_items_.clear();
  return Status::Ok();
}

Status ImportBatch::SettleInFlight() {
  if (!in_flight_) return Status::Ok();
  Result<std::vector<OperationResult>> results = in_flight_->results.get();
  InFlight batch = std::move(*in_flight_);
  in_flight_.reset();
  if (!results.ok()) return SinkFailed(results.status());
  if (results->size() != batch.sent.size()) {
    return SinkFailed(Status::Internal("it answered for another number of operations"));
  }
  for (size_t i = 0; i < batch.sent.size(); ++i) {
    const OperationResult& result = (*results)[i];
    Sent& sent = batch.sent[i];
    if (sent.role == Role::kAsksForItem && result.status.code() == StatusCode::kNotFound) {
      missing_items_.emplace_back(Sent{Role::kPart, sent.part, sent.line, std::move(sent.raw)},
                                  PutItem{std::move(*sent.item)});
      continue;
    }
    RAPPORT_RETURN_IF_ERROR(Settle(sent, result));
  }
  settled_line_ = batch.last_line;
  if (sink_.IsDurable()) NoteDurable(settled_line_);
  if (progress_) progress_({counts_, source_->name(), source_->bytes_done(), source_->bytes_total()});
  return Status::Ok();
}

Status ImportBatch::Settle(Sent& sent, const OperationResult& result) {
  if (sent.role != Role::kRow) return SettlePart(sent, result);
  if (!result.status.ok()) {
    ++counts_.rejected;
    return KeepReject({source_->name(), sent.line, result.status.message(), sent.raw});
  }
  const bool changed = result.outcome == Outcome::kCreated || result.outcome == Outcome::kUpdated;
  ++(changed ? counts_.accepted : counts_.duplicates);
  return Status::Ok();
}

Status ImportBatch::SettlePart(const Sent& sent, const OperationResult& result) {
  if (!result.status.ok()) return RefusePart({sent.line, sent.raw}, sent.part, result.status);
  const bool changed = result.outcome == Outcome::kCreated || result.outcome == Outcome::kUpdated;
  if (!changed || sent.role == Role::kAsksForItem) return Status::Ok();
  ++(sent.part == "item"      ? counts_.items_put
     : sent.part == "consent" ? counts_.consents_kept
                              : counts_.profiles_updated);
  return Status::Ok();
}

Status ImportBatch::SinkFailed(const Status& why) {
  const uint64_t rows_in = counts_.rows_in, rejected = counts_.rejected, refused = counts_.parts_refused;
  counts_ = durable_counts_;
  counts_.rows_in = rows_in;
  counts_.rejected = rejected;  // these stand in the rejects
  counts_.parts_refused = refused;
  counts_.unknown = counts_.rows_in - counts_.accepted - counts_.duplicates - counts_.rejected;
  const std::string known = durable_line_ == 0
                                ? "no line of it is known to be stored"
                                : "everything up to line " + std::to_string(durable_line_) + " is stored";
  return Status(
      why.code(),
      source_->name() + ": " + why.message() + "; " + known +
          "; run the same import again when this is repaired: what is stored already will count as duplicates");
}

}  // namespace rapport

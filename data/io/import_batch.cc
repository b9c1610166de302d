#include "data/io/import_batch.h"

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
  durable_line_ = last_line_ = 0;
}

Status ImportBatch::RejectRow(const RowPlace& place, const Status& why) {
  ++counts_.rejected;
  last_line_ = place.line;
  return rejects_({source_->name(), place.line, why.message(), place.raw});
}

Status ImportBatch::RefusePart(const RowPlace& place, std::string_view part, const Status& why) {
  ++counts_.parts_refused;
  return rejects_({source_->name(), place.line, why.message(), place.raw, part});
}

Status ImportBatch::AddRow(const RowPlace& place, Operation operation) {
  last_line_ = place.line;
  return Add({Role::kRow, {}, place.line, std::string(place.raw)}, std::move(operation));
}

Status ImportBatch::AddPart(const RowPlace& place, Operation operation) {
  const char* part = PartName(operation);
  return Add({Role::kPart, part, place.line, std::string(place.raw)}, std::move(operation));
}

Status ImportBatch::AddItemIfMissing(const RowPlace& place, Item item) {
  PatchItem question;
  question.external_id = item.external_id;
  asked_items_.push_back(std::move(item));
  return Add({Role::kAsksForItem, "item", place.line, std::string(place.raw), asked_items_.size() - 1},
             std::move(question));
}

Status ImportBatch::Add(Sent sent, Operation operation) {
  operations_.push_back(std::move(operation));
  sent_.push_back(std::move(sent));
  return operations_.size() >= operations_max_ ? Flush() : Status::Ok();
}

Status ImportBatch::Flush() {
  if (operations_.empty()) return Status::Ok();
  std::vector<Sent> sent = std::move(sent_);
  std::vector<Item> asked = std::move(asked_items_);
  std::vector<Operation> operations = std::move(operations_);
  sent_.clear();
  asked_items_.clear();
  operations_.clear();
  operations_.reserve(operations_max_);
  sent_.reserve(operations_max_);
  Result<std::vector<OperationResult>> results = sink_.ApplyAndWait(std::move(operations));
  if (!results.ok()) return SinkFailed(results.status());
  if (results->size() != sent.size())
    return SinkFailed(Status::Internal("it answered for another number of operations"));
  for (size_t i = 0; i < sent.size(); ++i) {
    const OperationResult& result = (*results)[i];
    if (sent[i].role == Role::kAsksForItem && result.status.code() == StatusCode::kNotFound) {
      operations_.push_back(PutItem{std::move(asked[sent[i].item])});
      sent_.push_back({Role::kPart, "item", sent[i].line, std::move(sent[i].raw)});
      continue;
    }
    RAPPORT_RETURN_IF_ERROR(Settle(sent[i], result));
  }
  durable_line_ = last_line_;
  if (progress_) progress_({counts_, source_->name(), source_->bytes_done(), source_->bytes_total()});
  return Status::Ok();
}

Status ImportBatch::Settle(Sent& sent, const OperationResult& result) {
  if (sent.role != Role::kRow) return SettlePart(sent, result);
  if (!result.status.ok()) {
    ++counts_.rejected;
    return rejects_({source_->name(), sent.line, result.status.message(), sent.raw});
  }
  const bool changed = result.outcome == Outcome::kCreated || result.outcome == Outcome::kUpdated;
  ++(changed ? counts_.accepted : counts_.duplicates);
  return Status::Ok();
}

Status ImportBatch::SettlePart(const Sent& sent, const OperationResult& result) {
  if (!result.status.ok()) return RefusePart({sent.line, sent.raw}, sent.part, result.status);
  const bool changed = result.outcome == Outcome::kCreated || result.outcome == Outcome::kUpdated;
  if (!changed || sent.role == Role::kAsksForItem) return Status::Ok();
  ++(sent.part == "item" ? counts_.items_put : counts_.profiles_updated);
  return Status::Ok();
}

Status ImportBatch::SinkFailed(const Status& why) {
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

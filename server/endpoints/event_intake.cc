// See event_intake.h.
#include "server/endpoints/event_intake.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "server/endpoints/consent_ledger.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

std::string WarningsMember(const std::vector<IndexedError>& warnings) {
  if (warnings.empty()) return "";
  JsonWriter out;
  out.BeginArray();
  for (const IndexedError& warning : warnings) {
    out.BeginObject().Key("index").Unsigned(warning.index).Key("detail").String(warning.status.message()).EndObject();
  }
  return "\"warnings\":" + out.EndArray().Take();
}

Status DoubtOf(const AppendEvent& append) {
  const Event& event = append.event;
  const auto kept_but = [&](const char* what) {
    return Status::InvalidArgument(QuoteForMessage(event.name) + " is kept, but " + what);
  };
  switch (event.type) {
    case EventType::kViewed:
    case EventType::kClicked:
    case EventType::kAdded:
    case EventType::kRemoved:
    case EventType::kRated:
      if (append.lines.empty()) return kept_but("says nothing about an item: properties.product_id is missing");
      if (event.type == EventType::kRated && !event.value)
        return kept_but("counts nothing: properties.rating is missing");
      return Status::Ok();
    case EventType::kOrdered:
      if (!append.lines.empty()) return Status::Ok();
      return kept_but("says nothing about an item: properties.products, each with a product_id, is missing");
    case EventType::kContactCancelled:
      return event.order_id.empty() ? kept_but("cancels nothing: properties.contact_id is missing") : Status::Ok();
    default: return Status::Ok();
  }
}

}  // namespace

void AddEntry(SegmentReader& reader, Json message, EventIntake* intake) {
  const size_t index = intake->entries++;
  Result<std::vector<SegmentOperation>> operations = reader.Read(std::move(message));
  if (!operations.ok()) {
    intake->errors.push_back({index, operations.status()});
    return;
  }
  for (SegmentOperation& one : *operations) {
    intake->operations.push_back(std::move(one.operation));
    intake->entry_of.push_back(index);
    intake->tolerated.push_back(one.tolerated);
  }
}

Status AddEntries(SegmentReader& reader, Json* list, const char* name, EventIntake* intake) {
  if (!list->is_array()) return Status::InvalidArgument(std::string(name) + " must be an array of events");
  if (list->size() > limits::kEventsPerBatchMax) {
    return Status::InvalidArgument(std::string(name) + " has " + std::to_string(list->size()) +
                                   " events: send at most " + std::to_string(limits::kEventsPerBatchMax) + " at once");
  }
  for (Json& message : *list) AddEntry(reader, std::move(message), intake);
  return Status::Ok();
}

void NoteDoubts(const Engine& engine, EventIntake* intake) {
  for (size_t i = 0; i < intake->operations.size(); ++i) {
    Status doubt;
    if (const auto* append = std::get_if<AppendEvent>(&intake->operations[i])) doubt = DoubtOf(*append);
    if (const auto* record = std::get_if<RecordConsent>(&intake->operations[i])) {
      doubt = CheckConsentChannel(record->consent, *engine.contact_settings());
    }
    if (!doubt.ok()) intake->doubts.push_back({intake->entry_of[i], doubt});
  }
}

EventOutcome OutcomeOf(const EventIntake& intake, const std::vector<OperationResult>& results) {
  EventOutcome outcome;
  outcome.errors = intake.errors;
  std::vector<IndexedError> warnings;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].status.ok()) continue;
    const bool only_warn = intake.tolerated[i] && !IsRetryable(results[i].status);
    std::vector<IndexedError>& list = only_warn ? warnings : outcome.errors;
    const size_t index = intake.entry_of[i];
    if (list.empty() || list.back().index != index) list.push_back({index, results[i].status});
  }
  std::sort(outcome.errors.begin(), outcome.errors.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  warnings.insert(warnings.end(), intake.doubts.begin(), intake.doubts.end());
  std::stable_sort(warnings.begin(), warnings.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  outcome.accepted = intake.entries - outcome.errors.size();
  outcome.warnings = WarningsMember(warnings);
  return outcome;
}

}  // namespace rapport

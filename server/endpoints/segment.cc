// See segment.h.
#include "server/endpoints/segment.h"

#include <algorithm>
#include <cstdlib>

#include "base/limits.h"
#include "data/io/json_text.h"
#include "data/io/segment_json.h"

namespace rapport {
namespace {

// A sender without message ids that repeats itself within a millisecond still means two events, hence the index.
std::string MadeMessageId(const Json& message, Timestamp received_at, size_t index) {
  const Hash128 hash =
      IdentityHash(DumpJson(message) + "\n" + std::to_string(received_at.ms) + "\n" + std::to_string(index));
  return "made:" + ToHex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// The trait `audiences` is the profile's field: what a customer may be shown depends on it, so browsers cannot set it.
Status MoveAudiences(const Identity& identity, UpdateProfile* update) {
  const auto found = update->traits.find("audiences");
  if (found == update->traits.end()) return Status::Ok();
  auto* names = std::get_if<std::vector<std::string>>(&found->second);
  if (names == nullptr) return Status::InvalidArgument("traits.audiences must be an array of names");
  if (identity.kind != KeyKind::kServer) {
    return Status(StatusCode::kPermissionDenied, "traits.audiences can be set with a server key only");
  }
  update->audiences = std::move(*names);
  update->traits.erase(found);
  return Status::Ok();
}

}  // namespace

Result<Timestamp> SegmentReader::TimeOf(const Json& message) const {
  JsonFields fields(message, "");
  std::optional<Timestamp> time = fields.Time("timestamp");
  if (!time) time = fields.Time("originalTimestamp");
  std::optional<Timestamp> sent_at = fields.Time("sentAt");
  RAPPORT_RETURN_IF_ERROR(fields.status());
  if (!sent_at) sent_at = sent_at_;
  if (!time) return received_at_;
  const int64_t skew_ms = sent_at ? received_at_.ms - sent_at->ms : 0;
  return std::abs(skew_ms) <= kClockSkewToleratedMs ? *time : Timestamp{time->ms + skew_ms};
}

// The message as segment_json expects it: with the time as we understand it and an id of its own.
Status SegmentReader::Complete(Json* message) {
  const size_t index = calls_++;
  if (!message->is_object()) {
    return Status::InvalidArgument(std::string("an event must be a JSON object, not ") + JsonKind(*message));
  }
  if (const auto type = message->find("type"); type == message->end() || !type->is_string()) {
    return Status::InvalidArgument("type must be one of identify, track, page, screen, group, alias");
  }
  const Result<Timestamp> time = TimeOf(*message);
  if (!time.ok()) return time.status();
  const auto id = message->find("messageId");
  if (id == message->end() || id->is_null() || *id == "") {
    (*message)["messageId"] = MadeMessageId(*message, received_at_, index);
  } else if (id->is_number_integer()) {
    *id = id->dump();
  }
  (*message)["timestamp"] = time->ms;
  return Status::Ok();
}

Result<std::vector<SegmentOperation>> SegmentReader::Read(Json message) {
  RAPPORT_RETURN_IF_ERROR(Complete(&message));
  Result<RowOperations> row = SegmentFromJson(message, table_, {received_at_, identity_.key_id, RecordKey::kIgnored});
  if (!row.ok()) return row.status();
  std::vector<SegmentOperation> operations;
  for (Operation& one : row->before) {
    const bool is_link = std::holds_alternative<LinkCustomers>(one);
    operations.push_back({std::move(one), is_link});
  }
  operations.push_back({std::move(row->row)});
  for (Operation& one : row->after) operations.push_back({std::move(one)});
  RAPPORT_RETURN_IF_ERROR(Adjust(&operations));
  for (const SegmentOperation& one : operations) {
    RAPPORT_RETURN_IF_ERROR(ValidateOperation(one.operation));
    RAPPORT_RETURN_IF_ERROR(CheckAllowed(one.operation));
  }
  for (const SegmentOperation& one : operations) Remember(one.operation);
  return operations;
}

Status SegmentReader::Adjust(std::vector<SegmentOperation>* operations) const {
  for (SegmentOperation& one : *operations) {
    if (auto* update = std::get_if<UpdateProfile>(&one.operation)) {
      RAPPORT_RETURN_IF_ERROR(MoveAudiences(identity_, update));
    } else if (auto* link = std::get_if<LinkCustomers>(&one.operation)) {
      const CustomerRef user{CustomerNamespace::kUser, link->child.external_id};
      if (!one.tolerated && !IsKnown(link->child) && IsKnown(user)) link->child = user;
    } else if (auto* append = std::get_if<AppendEvent>(&one.operation)) {
      const EventType type = append->event.type;
      const bool returns = type == EventType::kRefunded || type == EventType::kCancelled;
      if (returns && append->lines.empty()) append->lines = LinesOfOrder(append->customer, append->event.order_id);
    }
  }
  return Status::Ok();
}

Status SegmentReader::CheckAllowed(const Operation& operation) const {
  if (const auto* link = std::get_if<LinkCustomers>(&operation)) {
    RAPPORT_RETURN_IF_ERROR(MayActFor(identity_, link->child));
    return MayActFor(identity_, link->parent);
  }
  if (const auto* append = std::get_if<AppendEvent>(&operation)) return MayActFor(identity_, append->customer);
  if (const auto* update = std::get_if<UpdateProfile>(&operation)) return MayActFor(identity_, update->customer);
  if (const auto* consent = std::get_if<RecordConsent>(&operation)) return MayActFor(identity_, consent->customer);
  return Status::Internal("a call became an operation that nobody checks");
}

bool SegmentReader::IsKnown(const CustomerRef& ref) const {
  return named_.contains({ref.name_space, ref.external_id}) || store_.FindCustomer(ref).has_value();
}

// A refund or cancellation of a whole order may name just the order: what came back is what was ordered.
std::vector<NewLine> SegmentReader::LinesOfOrder(const CustomerRef& customer, const std::string& order_id) const {
  if (order_id.empty()) return {};
  for (const AppendEvent& order : orders_) {
    if (order.customer == customer && order.event.order_id == order_id) return order.lines;
  }
  const std::optional<CustomerId> id = store_.FindCustomer(customer);
  if (!id) return {};
  const Result<std::vector<Event>> events = store_.ReadEvents(store_.Root(*id), limits::kHistoryEventsMax);
  if (!events.ok()) return {};  // the event itself still counts; the store tells of the damage where it is asked
  const std::shared_ptr<const Catalog> catalog = store_.catalog();
  std::vector<NewLine> lines;
  for (const Event& event : *events) {
    if (event.type != EventType::kOrdered || event.order_id != order_id) continue;
    for (const ItemLine& line : event.lines) {
      if (const Item* item = catalog->Get(line.item)) lines.push_back({item->external_id, line.quantity, line.price});
    }
    break;
  }
  return lines;
}

void SegmentReader::Remember(const Operation& operation) {
  const auto name = [this](const CustomerRef& ref) { named_.emplace(ref.name_space, ref.external_id); };
  if (const auto* link = std::get_if<LinkCustomers>(&operation)) {
    name(link->child);
    name(link->parent);
  } else if (const auto* append = std::get_if<AppendEvent>(&operation)) {
    name(append->customer);
    if (append->event.type == EventType::kOrdered) orders_.push_back(*append);
  }
}

}  // namespace rapport

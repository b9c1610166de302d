#include "data/operations.h"

#include <cmath>

#include "base/limits.h"
#include "data/record_fields.h"

namespace rapport {
namespace {

constexpr uint8_t kWireVersion = 2;

}  // namespace

// One list of fields per operation, as in data/archive.h. The index in the variant is the tag on the wire: add new
// operations at the end.
RAPPORT_FIELDS(PutItem, r.item)
RAPPORT_FIELDS(PatchItem, r.external_id, r.title, r.price, r.margin, r.stock, r.available, r.hidden, r.published_at,
               r.expires_at, r.categories, r.tags, r.audience)
RAPPORT_FIELDS(DeleteItem, r.external_id)
RAPPORT_FIELDS(UpdateProfile, r.customer, r.time, r.time_zone, r.locale, r.country, r.audiences, r.traits)
RAPPORT_FIELDS(SetPersonalization, r.customer, r.personalization, r.time)
RAPPORT_FIELDS(RecordConsent, r.customer, r.consent)
RAPPORT_FIELDS(LinkCustomers, r.child, r.parent, r.time)
RAPPORT_FIELDS(UnlinkCustomer, r.child)
RAPPORT_FIELDS(NewLine, r.item, r.quantity, r.price)
RAPPORT_FIELDS(AppendEvent, r.customer, r.event, r.lines)
RAPPORT_FIELDS(PutDecision, r.decision)
RAPPORT_FIELDS(PutApiKey, r.key)
RAPPORT_FIELDS(PutModel, r.model)
RAPPORT_FIELDS(ActivateModel, r.kind, r.generation)
RAPPORT_FIELDS(PutSetting, r.name, r.body)
RAPPORT_FIELDS(PruneEvents, r.customer, r.before)
RAPPORT_FIELDS(RemoveDecision, r.id)

namespace {

template <size_t I = 0>
void DecodeAlternative(Decoder& decoder, uint64_t tag, Operation& operation) {
  if constexpr (I < std::variant_size_v<Operation>) {
    if (tag == I) {
      decoder(operation.emplace<I>());
    } else {
      DecodeAlternative<I + 1>(decoder, tag, operation);
    }
  } else {
    decoder.Fail();
  }
}

// ---- validation ----

Status CheckText(const std::string& text, const char* field, size_t bytes_max) {
  if (text.size() > bytes_max) {
    return Status::InvalidArgument(std::string(field) + " has " + std::to_string(text.size()) + " bytes; at most " +
                                   std::to_string(bytes_max) + " are allowed");
  }
  const size_t bad = FindInvalidUtf8(text);
  if (bad != std::string::npos) {
    return Status::InvalidArgument(std::string(field) + " is not UTF-8 (byte " + std::to_string(bad) + ", " +
                                   QuoteForMessage(std::string_view(text).substr(bad), 8) +
                                   "); convert it to UTF-8 first");
  }
  return Status::Ok();
}

Status CheckId(const std::string& id, const char* field) {
  if (id.empty()) return Status::InvalidArgument(std::string(field) + " is empty; give an id of 1 to 256 bytes");
  // No URL, no C program and few databases can hand one back.
  if (id.find('\0') != std::string::npos) return Status::InvalidArgument(std::string(field) + " holds a zero byte");
  return CheckText(id, field, limits::kExternalIdBytesMax);
}

Status CheckShort(const std::string& text, const char* field) {
  return CheckText(text, field, limits::kShortTextBytesMax);
}

Status CheckTime(Timestamp time, const char* field) {
  if (time >= kTimestampMin && time < kTimestampMax) return Status::Ok();
  return Status::InvalidArgument(std::string(field) + " is outside 1900..2199; send RFC 3339 or epoch milliseconds");
}

Status CheckCount(size_t count, size_t max, const char* field) {
  if (count <= max) return Status::Ok();
  return Status::InvalidArgument(std::string(field) + " has " + std::to_string(count) + " entries; at most " +
                                 std::to_string(max) + " are allowed");
}

Status CheckList(const std::vector<std::string>& list, const char* field) {
  RAPPORT_RETURN_IF_ERROR(CheckCount(list.size(), limits::kItemListMax, field));
  for (const std::string& text : list) RAPPORT_RETURN_IF_ERROR(CheckShort(text, field));
  return Status::Ok();
}

Status CheckAttributes(const Attributes& attributes, const char* field) {
  RAPPORT_RETURN_IF_ERROR(CheckCount(attributes.size(), limits::kAttributesMax, field));
  for (const auto& [name, value] : attributes) {
    RAPPORT_RETURN_IF_ERROR(CheckShort(name, field));
    if (const auto* text = std::get_if<std::string>(&value)) {
      RAPPORT_RETURN_IF_ERROR(CheckText(*text, name.c_str(), limits::kAttributeBytesMax));
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      RAPPORT_RETURN_IF_ERROR(CheckList(*list, name.c_str()));
    } else if (const auto* number = std::get_if<double>(&value); number && !std::isfinite(*number)) {
      return Status::InvalidArgument(name + " is not a finite number");
    }
  }
  return Status::Ok();
}

Status Check(const PutItem& op) {
  const Item& item = op.item;
  RAPPORT_RETURN_IF_ERROR(CheckId(item.external_id, "itemId"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(item.kind, "kind"));
  if (item.kind.empty()) return Status::InvalidArgument("kind is empty; leave it out for 'product'");
  RAPPORT_RETURN_IF_ERROR(CheckText(item.title, "title", limits::kTitleBytesMax));
  RAPPORT_RETURN_IF_ERROR(CheckList(item.categories, "categories"));
  RAPPORT_RETURN_IF_ERROR(CheckList(item.tags, "tags"));
  RAPPORT_RETURN_IF_ERROR(CheckList(item.audience, "audience"));
  RAPPORT_RETURN_IF_ERROR(CheckText(item.variant_of, "variantOf", limits::kExternalIdBytesMax));
  RAPPORT_RETURN_IF_ERROR(CheckShort(item.language, "language"));
  RAPPORT_RETURN_IF_ERROR(CheckAttributes(item.attributes, "attributes"));
  RAPPORT_RETURN_IF_ERROR(CheckCount(item.embedding.size(), limits::kEmbeddingMax, "embedding"));
  for (const float x : item.embedding) {
    if (!std::isfinite(x)) return Status::InvalidArgument("embedding holds a number that is not finite");
  }
  if (item.published_at) RAPPORT_RETURN_IF_ERROR(CheckTime(*item.published_at, "publishedAt"));
  if (item.expires_at) RAPPORT_RETURN_IF_ERROR(CheckTime(*item.expires_at, "expiresAt"));
  return Status::Ok();
}

Status Check(const PatchItem& op) {
  RAPPORT_RETURN_IF_ERROR(CheckId(op.external_id, "itemId"));
  if (op.title) RAPPORT_RETURN_IF_ERROR(CheckText(*op.title, "title", limits::kTitleBytesMax));
  if (op.categories) RAPPORT_RETURN_IF_ERROR(CheckList(*op.categories, "categories"));
  if (op.tags) RAPPORT_RETURN_IF_ERROR(CheckList(*op.tags, "tags"));
  if (op.audience) RAPPORT_RETURN_IF_ERROR(CheckList(*op.audience, "audience"));
  if (op.published_at) RAPPORT_RETURN_IF_ERROR(CheckTime(*op.published_at, "publishedAt"));
  if (op.expires_at) RAPPORT_RETURN_IF_ERROR(CheckTime(*op.expires_at, "expiresAt"));
  return Status::Ok();
}

Status Check(const DeleteItem& op) { return CheckId(op.external_id, "itemId"); }

Status CheckCustomer(const CustomerRef& ref) {
  return CheckId(ref.external_id, ref.name_space == CustomerNamespace::kUser ? "userId" : "anonymousId");
}

Status Check(const UpdateProfile& op) {
  RAPPORT_RETURN_IF_ERROR(CheckCustomer(op.customer));
  RAPPORT_RETURN_IF_ERROR(CheckTime(op.time, "timestamp"));
  if (op.time_zone) RAPPORT_RETURN_IF_ERROR(CheckShort(*op.time_zone, "timezone"));
  if (op.locale) RAPPORT_RETURN_IF_ERROR(CheckShort(*op.locale, "locale"));
  if (op.country) RAPPORT_RETURN_IF_ERROR(CheckShort(*op.country, "country"));
  if (op.audiences) RAPPORT_RETURN_IF_ERROR(CheckList(*op.audiences, "audiences"));
  return CheckAttributes(op.traits, "traits");
}

Status Check(const SetPersonalization& op) {
  RAPPORT_RETURN_IF_ERROR(CheckTime(op.time, "time"));
  return CheckCustomer(op.customer);
}

Status Check(const RecordConsent& op) {
  RAPPORT_RETURN_IF_ERROR(CheckCustomer(op.customer));
  RAPPORT_RETURN_IF_ERROR(CheckId(op.consent.channel, "channel"));
  RAPPORT_RETURN_IF_ERROR(CheckId(op.consent.purpose, "purpose"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(op.consent.source, "source"));
  RAPPORT_RETURN_IF_ERROR(CheckText(op.consent.proof, "proof", limits::kAttributeBytesMax));
  return CheckTime(op.consent.time, "time");
}

Status Check(const LinkCustomers& op) {
  RAPPORT_RETURN_IF_ERROR(CheckCustomer(op.child));
  RAPPORT_RETURN_IF_ERROR(CheckTime(op.time, "timestamp"));
  return CheckCustomer(op.parent);
}

Status Check(const UnlinkCustomer& op) { return CheckCustomer(op.child); }

Status Check(const AppendEvent& op) {
  const Event& event = op.event;
  RAPPORT_RETURN_IF_ERROR(CheckCustomer(op.customer));
  if (!IsEventType(event.type)) return Status::InvalidArgument("unknown event type");
  RAPPORT_RETURN_IF_ERROR(CheckId(event.message_id, "messageId"));
  RAPPORT_RETURN_IF_ERROR(CheckTime(event.time, "timestamp"));
  RAPPORT_RETURN_IF_ERROR(CheckTime(event.received_at, "receivedAt"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.name, "event"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.source, "source"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.order_id, "order_id"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.store_id, "storeId"));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.channel, "channel"));
  RAPPORT_RETURN_IF_ERROR(CheckText(event.properties, "properties", limits::kPropertiesBytesMax));
  RAPPORT_RETURN_IF_ERROR(CheckShort(event.contact.purpose, "purpose"));
  RAPPORT_RETURN_IF_ERROR(CheckText(event.contact.link, "link", limits::kTitleBytesMax));
  if (event.contact.at) RAPPORT_RETURN_IF_ERROR(CheckTime(*event.contact.at, "at"));
  if (event.contact.affinity && !std::isfinite(*event.contact.affinity)) {
    return Status::InvalidArgument("affinity is not a finite number");
  }
  if (event.value && !std::isfinite(*event.value)) return Status::InvalidArgument("value is not a finite number");
  RAPPORT_RETURN_IF_ERROR(CheckCount(op.lines.size(), limits::kEventLinesMax, "products"));
  for (const NewLine& line : op.lines) {
    RAPPORT_RETURN_IF_ERROR(CheckId(line.item, "product_id"));
    if (line.quantity > 1'000'000'000'000 || line.quantity < -1'000'000'000'000) {
      return Status::InvalidArgument("quantity is beyond a million millions");
    }
  }
  return Status::Ok();
}

Status Check(const PutDecision& op) {
  RAPPORT_RETURN_IF_ERROR(CheckId(op.decision.id, "decisionId"));
  return CheckText(op.decision.body, "body", limits::kHttpBodyBytesMax);
}

Status Check(const PutApiKey& op) {
  RAPPORT_RETURN_IF_ERROR(CheckId(op.key.id, "key id"));
  return CheckShort(op.key.name, "name");
}

Status Check(const PutModel& op) {
  RAPPORT_RETURN_IF_ERROR(CheckId(op.model.kind, "kind"));
  if (op.model.file.find('/') != std::string::npos) {
    return Status::InvalidArgument("a model's file is a name inside the models folder, not a path");
  }
  return CheckId(op.model.file, "file");
}

Status Check(const ActivateModel& op) { return CheckId(op.kind, "kind"); }

Status Check(const PutSetting& op) {
  RAPPORT_RETURN_IF_ERROR(CheckId(op.name, "the setting's name"));
  return CheckText(op.body, "the setting", limits::kHttpBodyBytesMax);
}

Status Check(const PruneEvents& op) {
  if (!op.customer) return Status::InvalidArgument("no customer is named");
  return CheckTime(op.before, "before");
}

Status Check(const RemoveDecision& op) { return CheckId(op.id, "decisionId"); }

}  // namespace

Status ValidateOperation(const Operation& operation) {
  return std::visit([](const auto& op) { return Check(op); }, operation);
}

std::string EncodeOperations(const std::vector<Operation>& operations) {
  std::string out(1, static_cast<char>(kWireVersion));
  Encoder encoder(out);
  encoder.Varint(operations.size());
  for (const Operation& operation : operations) {
    encoder.Varint(operation.index());
    std::visit([&](const auto& op) { encoder(op); }, operation);
  }
  return out;
}

Result<std::vector<Operation>> DecodeOperations(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) != kWireVersion) {
    return Status::InvalidArgument("not a batch of operations of this version: client and server differ");
  }
  Decoder decoder(bytes.substr(1));
  const size_t count = decoder.Count();
  if (count > limits::kOperationsPerApplyMax) return CheckCount(count, limits::kOperationsPerApplyMax, "operations");
  std::vector<Operation> operations;
  for (size_t i = 0; i < count && decoder.ok(); ++i)
    DecodeAlternative(decoder, decoder.Varint(), operations.emplace_back());
  if (!decoder.ok() || !decoder.AtEnd()) return Status::InvalidArgument("the batch of operations is cut or corrupt");
  return operations;
}

std::string EncodeOperationResults(const std::vector<OperationResult>& results) {
  std::string out(1, static_cast<char>(kWireVersion));
  Encoder encoder(out);
  encoder.Varint(results.size());
  for (const OperationResult& result : results) {
    encoder(result.status.code());
    encoder(result.status.message());
    encoder(result.outcome);
    encoder(result.id);
  }
  return out;
}

Result<std::vector<OperationResult>> DecodeOperationResults(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) != kWireVersion) {
    return Status::InvalidArgument("not the results of operations of this version: client and server differ");
  }
  Decoder decoder(bytes.substr(1));
  const size_t count = decoder.Count();
  std::vector<OperationResult> results;
  for (size_t i = 0; i < count && decoder.ok(); ++i) {
    StatusCode code = StatusCode::kOk;
    std::string message;
    OperationResult& result = results.emplace_back();
    decoder(code);
    decoder(message);
    decoder(result.outcome);
    decoder(result.id);
    result.status = Status(code, std::move(message));
  }
  if (!decoder.ok() || !decoder.AtEnd()) return Status::InvalidArgument("the results of operations are cut or corrupt");
  return results;
}

}  // namespace rapport

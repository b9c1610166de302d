#include "data/io/segment_json.h"

#include <cmath>

#include "data/io/contact_json.h"
#include "data/io/json_text.h"

namespace rapport {
namespace {

using nlohmann::json;
using Unknown = ObjectReader::UnknownKeys;

const json* FirstOf(const json& object, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const auto found = object.find(key);
    if (found != object.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

// Ids are texts, but many shops number their products and orders.
Result<std::string> IdText(const json& value, const char* what) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  return Status::InvalidArgument(std::string(what) + " is a JSON " + value.type_name() + "; send a text");
}

Result<int64_t> Quantity(const json& value) {
  if (value.is_number_integer() &&
      !(value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))) {
    return value.get<int64_t>();
  }
  if (value.is_number_float() && std::abs(value.get<double>()) < 1e15 &&
      value.get<double>() == std::floor(value.get<double>())) {
    return static_cast<int64_t>(value.get<double>());
  }
  if (value.is_string()) {
    if (const auto parsed = ParseInt64(value.get_ref<const std::string&>())) return *parsed;
  }
  return Status::InvalidArgument("quantity is not a whole number; send one like 2");
}

// One product: `object` is the properties themselves or an element of products[]. No id there: no line.
Status AddLine(const json& object, const EventTable& table, std::vector<NewLine>* lines) {
  const json* id = FirstOf(object, table.item_keys);
  if (id == nullptr) return Status::Ok();
  Result<std::string> text = IdText(*id, "the product's id");
  if (!text.ok()) return text.status();
  if (text->empty()) return Status::Ok();
  NewLine line;
  line.item = text.Take();
  if (const json* quantity = FirstOf(object, {table.quantity_key})) {
    const Result<int64_t> number = Quantity(*quantity);
    if (!number.ok()) return number.status();
    line.quantity = *number;
  }
  if (const json* price = FirstOf(object, {table.price_key})) {
    const Result<Decimal> money = MoneyFromJson(*price);
    if (!money.ok()) return Status::InvalidArgument("price " + money.status().message());
    line.price = *money;
  }
  lines->push_back(std::move(line));
  return Status::Ok();
}

Status ReadLines(const json& properties, ItemPlace place, const EventTable& table, std::vector<NewLine>* lines) {
  if (place == ItemPlace::kNone) return Status::Ok();
  const json* products = place == ItemPlace::kProducts ? FirstOf(properties, {table.products_key}) : nullptr;
  if (products == nullptr) return AddLine(properties, table, lines);
  if (!products->is_array())
    return Status::InvalidArgument(table.products_key + " is not a list; send [{\"product_id\": ...}]");
  for (const json& product : *products) {
    if (!product.is_object())
      return Status::InvalidArgument(table.products_key + " holds something that is not an object");
    RAPPORT_RETURN_IF_ERROR(AddLine(product, table, lines));
  }
  return Status::Ok();
}

std::optional<double> NumberOf(const json& properties, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const json* value = FirstOf(properties, {key});
    if (value == nullptr) continue;
    if (value->is_number()) return value->get<double>();
    if (!value->is_string()) continue;
    if (const auto parsed = ParseDouble(value->get_ref<const std::string&>())) return parsed;
  }
  return std::nullopt;
}

// Moves what stands beside `properties` into them, as Segment itself does, unless they have it already.
void MoveIn(const json& message, const char* key, json* properties) {
  const auto found = message.find(key);
  if (found != message.end() && !found->is_null() && !properties->contains(key)) (*properties)[key] = *found;
}

Status ReadRecord(const json& object, AppendEvent* result) {
  ObjectReader reader(object, "event: record");
  Event& event = result->event;
  std::string type;
  reader.Text("type", &type);
  reader.Text("orderId", &event.order_id);
  reader.Text("storeId", &event.store_id);
  reader.Text("channel", &event.channel);
  reader.Text("source", &event.source);
  event.contact = {};
  reader.Text("purpose", &event.contact.purpose);
  reader.Text("link", &event.contact.link);
  reader.Time("at", &event.contact.at);
  reader.Number("affinity", &event.contact.affinity);
  event.value.reset();
  reader.Number("value", &event.value);
  reader.Time("receivedAt", &event.received_at);
  const std::optional<EventType> known = EventTypeFromName(type);
  if (!known) reader.Fail("type " + QuoteForMessage(type) + " is unknown");
  result->lines.clear();
  const json* lines = reader.Array("lines");
  for (const json& element : lines != nullptr ? *lines : json::array()) {
    ObjectReader line_reader(element, "event: record: lines");
    NewLine line;
    line_reader.Text("itemId", &line.item);
    line_reader.Integer("quantity", &line.quantity);
    line_reader.Money("price", &line.price);
    RAPPORT_RETURN_IF_ERROR(line_reader.Finish(Unknown::kRefuse));
    result->lines.push_back(std::move(line));
  }
  RAPPORT_RETURN_IF_ERROR(reader.Finish(Unknown::kRefuse));
  event.type = *known;
  return Status::Ok();
}

// What the call and its name mean: type, lines, order, value.
Status Interpret(const std::string& call, const json& properties, const EventTable& table, AppendEvent* result) {
  Event& event = result->event;
  const EventTableRow* row = table.Find(event.name);
  ItemPlace place = row != nullptr ? row->place : ItemPlace::kSingle;
  if (row != nullptr) event.type = row->type;
  if (call == "group") event.type = EventType::kGroup;
  if (call == "page" || call == "screen") place = ItemPlace::kSingle;
  RAPPORT_RETURN_IF_ERROR(ReadLines(properties, place, table, &result->lines));
  if (call == "page" || call == "screen") event.type = result->lines.empty() ? EventType::kPage : EventType::kViewed;
  static const std::vector<std::string> kCustomValueKeys{"value", "revenue"};
  event.value = NumberOf(properties, row != nullptr ? row->value_keys : kCustomValueKeys);
  if (const json* order = FirstOf(properties, table.order_keys)) {
    Result<std::string> text = IdText(*order, "order_id");
    if (!text.ok()) return text.status();
    event.order_id = text.Take();
  }
  return Status::Ok();
}

std::string CallOf(const json& message) {
  const auto type = message.is_object() ? message.find("type") : message.end();
  if (!message.is_object() || type == message.end() || type->is_null()) return "track";
  return type->is_string() ? type->get<std::string>() : type->dump();
}

// Nested objects become dotted names; what no trait can hold becomes its JSON text; null removes.
void FlattenTraits(const json& object, const std::string& prefix, Attributes* traits) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + key;
    if (value.is_object()) {
      FlattenTraits(value, name + ".", traits);
    } else if (value.is_null()) {
      (*traits)[name] = std::vector<std::string>{};
    } else {
      Result<Value> held = ValueFromJson(value);
      (*traits)[name] = held.ok() ? held.Take() : Value(DumpJson(value));
    }
  }
}

std::optional<std::string> TextAt(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) return std::nullopt;
  return found->get<std::string>();
}

// What a message says about the customer beside the event; nothing to say: nullopt.
Result<std::optional<UpdateProfile>> ProfileOf(const json& message, const std::string& call, const AppendEvent& event) {
  UpdateProfile profile;
  profile.customer = event.customer;
  profile.time = event.event.time;
  if (const auto context = message.find("context"); context != message.end() && context->is_object()) {
    profile.time_zone = TextAt(*context, "timezone");
    profile.locale = TextAt(*context, "locale");
  }
  if (call == "identify") {
    ObjectReader reader(message, "identify");
    const json* traits = reader.Object("traits");
    RAPPORT_RETURN_IF_ERROR(reader.Finish(Unknown::kIgnore));
    if (traits != nullptr) {
      FlattenTraits(*traits, "", &profile.traits);
      profile.country = TextAt(*traits, "country");
      if (const auto address = traits->find("address");
          !profile.country && address != traits->end() && address->is_object()) {
        profile.country = TextAt(*address, "country");
      }
      if (const auto zone = TextAt(*traits, "timezone")) profile.time_zone = zone;
      if (const auto locale = TextAt(*traits, "locale")) profile.locale = locale;
    }
  }
  if (!profile.time_zone && !profile.locale && !profile.country && profile.traits.empty())
    return std::optional<UpdateProfile>();
  return std::optional<UpdateProfile>(std::move(profile));
}

Result<RowOperations> AliasFromJson(const json& message, const SegmentDefaults& defaults) {
  ObjectReader reader(message, "alias");
  LinkCustomers link;
  link.parent = CustomerFromJson(reader);
  link.child.name_space = CustomerNamespace::kAnonymous;
  if (const json* previous = reader.Any("previousId"); previous != nullptr && previous->is_number_integer()) {
    link.child.external_id = previous->dump();  // like every id
  } else {
    reader.Text("previousId", &link.child.external_id);
  }
  link.time = defaults.now;
  reader.Time("timestamp", &link.time);
  if (link.parent.name_space != CustomerNamespace::kUser) reader.Fail("userId is missing; name the known customer");
  if (link.child.external_id.empty()) reader.Fail("previousId is missing; name the anonymous customer");
  RAPPORT_RETURN_IF_ERROR(reader.Finish(Unknown::kIgnore));
  return RowOperations{std::move(link), {}, {}};
}

}  // namespace

Result<AppendEvent> TrackFromJson(const json& message, const EventTable& table, const SegmentDefaults& defaults) {
  const std::string call = CallOf(message);
  ObjectReader reader(message, call);
  AppendEvent result;
  Event& event = result.event;
  result.customer = CustomerFromJson(reader);
  event.received_at = event.time = defaults.now;
  event.source = defaults.source;
  reader.Time("timestamp", &event.time);
  reader.Text("messageId", &event.message_id);
  json properties = json::object();
  if (const json* sent = reader.Object(call == "group" ? "traits" : "properties")) properties = *sent;
  if (call == "track") {
    reader.Text("event", &event.name);
    if (event.name.empty()) reader.Fail("event is missing; give its name, for example \"Product Viewed\"");
  } else if (call == "page" || call == "screen") {
    event.name = call == "page" ? "Page" : "Screen";
    MoveIn(message, "name", &properties);
    MoveIn(message, "category", &properties);
  } else if (call == "group") {
    event.name = "Group";
    MoveIn(message, "groupId", &properties);
  } else if (call == "identify") {
    event.name = "Identify";
    properties = json::object();  // the traits go to the profile
  } else {
    reader.Fail("type is none of track, page, screen, identify, group, alias");
  }
  const json* record = defaults.record == RecordKey::kTrusted ? reader.Object("record") : nullptr;
  RAPPORT_RETURN_IF_ERROR(reader.Finish(Unknown::kIgnore));
  if (record == nullptr) {
    for (const char* key : {"storeId", "channel", "impression", "itemId"}) MoveIn(message, key, &properties);
    event.store_id = TextAt(properties, "storeId").value_or("");
    event.channel = TextAt(properties, "channel").value_or("");
    const Status understood = Interpret(call, properties, table, &result);
    if (!understood.ok()) return Status::InvalidArgument(call + ": properties: " + understood.message());
    if (const EventTableRow* row = call == "track" ? table.Find(event.name) : nullptr) {
      InterpretContact(message, properties, *row, &event);
    }
  } else {
    RAPPORT_RETURN_IF_ERROR(ReadRecord(*record, &result));
  }
  if (!properties.empty()) event.properties = DumpJson(properties);
  return result;
}

Result<RowOperations> SegmentFromJson(const json& message, const EventTable& table, const SegmentDefaults& defaults) {
  const std::string call = CallOf(message);
  if (call == "alias") return AliasFromJson(message, defaults);
  Result<AppendEvent> event = TrackFromJson(message, table, defaults);
  if (!event.ok()) return event.status();
  Result<std::optional<UpdateProfile>> profile = ProfileOf(message, call, *event);
  if (!profile.ok()) return profile.status();
  RowOperations result;
  if (call == "identify" && event->customer.name_space == CustomerNamespace::kUser) {
    if (const auto anonymous = TextAt(message, "anonymousId")) {
      result.before.push_back(
          LinkCustomers{{CustomerNamespace::kAnonymous, *anonymous}, event->customer, event->event.time});
    }
  }
  if (*profile) result.before.push_back(std::move(**profile));
  static const json kNone = json::object();
  const auto properties = message.find("properties");
  const bool has_properties = properties != message.end() && properties->is_object();
  Result<std::optional<RecordConsent>> consent =
      ConsentOfEvent(has_properties ? *properties : kNone, *event, event->event.received_at);
  if (!consent.ok()) return Status::InvalidArgument(call + ": " + consent.status().message());
  if (*consent) result.after.push_back(std::move(**consent));
  result.row = event.Take();
  return result;
}

Result<json> EventToJson(const AppendEvent& result) {
  const Event& event = result.event;
  json object{{"type", "track"},
              {"event", event.name},
              {"messageId", event.message_id},
              {"timestamp", FormatRfc3339(event.time)}};
  SetCustomer(result.customer, &object);
  if (!event.properties.empty()) {
    Result<json> properties = ParseJson(event.properties);
    if (!properties.ok() || !properties->is_object())
      return Status::DataLoss("an event's properties are not a JSON object");
    object["properties"] = properties.Take();
  }
  json record{
      {"type", EventTypeName(event.type)}, {"source", event.source}, {"receivedAt", FormatRfc3339(event.received_at)}};
  if (!event.order_id.empty()) record["orderId"] = event.order_id;
  if (!event.store_id.empty()) record["storeId"] = event.store_id;
  if (!event.channel.empty()) record["channel"] = event.channel;
  if (event.value) record["value"] = *event.value;
  if (!event.contact.purpose.empty()) record["purpose"] = event.contact.purpose;
  if (!event.contact.link.empty()) record["link"] = event.contact.link;
  if (event.contact.affinity) record["affinity"] = *event.contact.affinity;
  if (event.contact.at) record["at"] = FormatRfc3339(*event.contact.at);
  for (const NewLine& line : result.lines) {
    json element{{"itemId", line.item}, {"quantity", line.quantity}};
    if (line.price) element["price"] = FormatDecimal(*line.price);
    record["lines"].push_back(std::move(element));
  }
  object["record"] = std::move(record);
  return object;
}

}  // namespace rapport

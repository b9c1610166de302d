#include "data/io/row_mapper.h"

#include <algorithm>

#include "base/text.h"
#include "data/io/json_text.h"

namespace rapport {
namespace {

Status ColumnError(const std::string& column, std::string_view value, const char* expected) {
  return Status::InvalidArgument(column + " is " + QuoteForMessage(value) + "; " + expected);
}

// The shortest text that reads back as the same number.
std::string NumberText(double value) { return nlohmann::json(value).dump(); }

std::vector<std::string> SplitList(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  if (separator.empty()) return {text};
  for (size_t from = 0; from <= text.size();) {
    const size_t end = std::min(text.find(separator, from), text.size());
    if (end > from) parts.push_back(text.substr(from, end - from));
    from = end + separator.size();
  }
  return parts;
}

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Result<RowMapper> RowMapper::Create(Mapping& mapping, const std::vector<std::string_view>& header) {
  RowMapper mapper(mapping);
  mapper.header_fields_ = header.size();
  std::string missing, unknown;
  for (const std::string& column : mapping.columns) {
    const auto found = std::find(header.begin(), header.end(), column);
    if (found == header.end()) missing += (missing.empty() ? "" : ", ") + QuoteForMessage(column);
    mapper.field_of_column_.push_back(static_cast<size_t>(found - header.begin()));
  }
  for (size_t i = 0; i < header.size(); ++i) {
    const auto is = [&](const std::string& name) { return name == header[i]; };
    if (std::find(header.begin(), header.begin() + static_cast<ptrdiff_t>(i), header[i]) !=
        header.begin() + static_cast<ptrdiff_t>(i)) {
      return Status::InvalidArgument("the header names the column " + QuoteForMessage(header[i]) + " twice");
    }
    const bool known = std::any_of(mapping.columns.begin(), mapping.columns.end(), is) ||
                       std::any_of(mapping.ignored_columns.begin(), mapping.ignored_columns.end(), is);
    if (!known) unknown += (unknown.empty() ? "" : ", ") + QuoteForMessage(header[i]);
  }
  if (!missing.empty()) {
    return Status::InvalidArgument("the header lacks " + missing +
                                   ", which the mapping needs; is this the right mapping and separator?");
  }
  if (!unknown.empty()) {
    return Status::InvalidArgument("the header has " + unknown +
                                   ", which the mapping does not know; list it in \"columns\" or \"ignored_columns\"");
  }
  for (size_t i = 0; i < mapping.columns.size(); ++i) {
    Key key{i, {}};
    AppendJsonString(mapping.columns[i], &key.text);
    key.text.push_back(':');
    mapper.keys_.push_back(std::move(key));
  }
  std::sort(mapper.keys_.begin(), mapper.keys_.end(),
            [&](const Key& a, const Key& b) { return mapping.columns[a.column] < mapping.columns[b.column]; });
  mapper.raw_.resize(mapping.columns.size());
  mapper.values_.resize(mapping.columns.size());
  return mapper;
}

Status RowMapper::Load(const CsvRecord& record) {
  if (record.fields.size() != header_fields_) {
    return Status::InvalidArgument("has " + std::to_string(record.fields.size()) + " fields where the header has " +
                                   std::to_string(header_fields_));
  }
  for (size_t column = 0; column < raw_.size(); ++column) {
    const std::string_view text = record.fields[field_of_column_[column]];
    const std::vector<std::string>& empty = mapping_->read_as_empty[column];
    raw_[column] = text;
    values_[column] = std::find(empty.begin(), empty.end(), text) == empty.end() ? text : std::string_view();
  }
  for (const size_t column : mapping_->required) {
    if (values_[column].empty())
      return Status::InvalidArgument(mapping_->columns[column] + " is empty and the mapping requires it");
  }
  return Status::Ok();
}

Hash128 RowMapper::Identity() {
  identity_text_.clear();
  for (const std::string_view value : values_) {
    const uint32_t size = static_cast<uint32_t>(value.size());
    for (int shift = 0; shift < 32; shift += 8) identity_text_.push_back(static_cast<char>(size >> shift));
    identity_text_.append(value);
  }
  return IdentityHash(identity_text_);
}

Result<Decimal> RowMapper::Money(size_t column) const {
  Result<Decimal> money = ParseDecimal(values_[column]);
  if (!money.ok()) return ColumnError(mapping_->columns[column], values_[column], "write an amount like 12.75");
  return money;
}

Status RowMapper::ReadLine(AppendEvent* event) const {
  const EventMapping& rules = *mapping_->event;
  NewLine line;
  line.item = rules.item.Render(values_);
  if (line.item.empty()) return Status::Ok();
  if (rules.quantity != kNoColumn && !values_[rules.quantity].empty()) {
    const std::optional<int64_t> quantity = ParseInt64(values_[rules.quantity]);
    if (!quantity)
      return ColumnError(mapping_->columns[rules.quantity], values_[rules.quantity], "write a whole number like 12");
    line.quantity = *quantity;
  }
  if (rules.price != kNoColumn && !values_[rules.price].empty()) {
    const Result<Decimal> price = Money(rules.price);
    if (!price.ok()) return price.status();
    line.price = *price;
  }
  event->lines.push_back(std::move(line));
  return Status::Ok();
}

Result<AppendEvent> RowMapper::Event() {
  const EventMapping& rules = *mapping_->event;
  AppendEvent result;
  Result<CustomerRef> customer = Customer();
  if (!customer.ok()) return customer.status();
  result.customer = customer.Take();
  rapport::Event& event = result.event;
  const Result<Timestamp> time = mapping_->time_format->Parse(values_[rules.time]);
  if (!time.ok()) return Status::InvalidArgument(mapping_->columns[rules.time] + " " + time.status().message());
  event.time = *time;
  const auto rule =
      std::find_if(rules.types.begin(), rules.types.end(), [&](const TypeRule& r) { return AllHold(r.when, values_); });
  if (rule == rules.types.end()) return Status::InvalidArgument("fits no rule of the mapping's event.types");
  event.type = rule->type;
  event.name = rule->name;
  event.source = mapping_->source;
  event.message_id = rules.message_id.Render(values_);
  event.order_id = rules.order_id.Render(values_);
  event.store_id = rules.store_id.Render(values_);
  event.channel = rules.channel.Render(values_);
  if (rules.value != kNoColumn && !values_[rules.value].empty()) {
    event.value = ParseDouble(values_[rules.value]);
    if (!event.value)
      return ColumnError(mapping_->columns[rules.value], values_[rules.value], "write a number like 4.5");
  }
  RAPPORT_RETURN_IF_ERROR(ReadLine(&result));
  event.properties = Properties(result);
  return result;
}

// Whether export would write this column exactly as the file had it, from the event's own field.
bool RowMapper::ComesBack(size_t column, const AppendEvent& event) const {
  const std::string_view raw = raw_[column];
  const NewLine* line = event.lines.empty() ? nullptr : &event.lines[0];
  switch (mapping_->givers[column]) {
    case Giver::kProperties: return raw.empty();
    case Giver::kUser:
      return event.customer.name_space == CustomerNamespace::kUser ? raw == event.customer.external_id : raw.empty();
    case Giver::kTime: return mapping_->time_format->ComesBack(raw, event.event.time);
    case Giver::kOrderId: return raw == event.event.order_id;
    case Giver::kStoreId: return raw == event.event.store_id;
    case Giver::kChannel: return raw == event.event.channel;
    case Giver::kMessageId: return raw == event.event.message_id;
    case Giver::kItem: return line != nullptr ? raw == line->item : raw.empty();
    case Giver::kQuantity: return line != nullptr ? raw == std::to_string(line->quantity) : raw.empty();
    case Giver::kPrice: return line != nullptr && line->price ? raw == FormatDecimal(*line->price) : raw.empty();
    case Giver::kValue: return event.event.value ? raw == NumberText(*event.event.value) : raw.empty();
  }
  return false;
}

// {"Country":"France","Description":"nan"}: what the fields do not give back, by name.
std::string RowMapper::Properties(const AppendEvent& event) const {
  std::string json;
  for (const Key& key : keys_) {
    if (ComesBack(key.column, event)) continue;
    json.push_back(json.empty() ? '{' : ',');
    json.append(key.text);
    AppendJsonString(raw_[key.column], &json);
  }
  if (!json.empty()) json.push_back('}');
  return json;
}

bool RowMapper::DescribesItem() const {
  const ItemMapping& rules = *mapping_->item;
  if (!AllHold(rules.when, values_) || rules.id.Render(values_).empty()) return false;
  return rules.title.empty() || !Trimmed(rules.title.Render(values_)).empty();
}

Result<Item> RowMapper::ReadItem() const {
  const ItemMapping& rules = *mapping_->item;
  Item item;
  item.external_id = rules.id.Render(values_);
  if (item.external_id.empty()) return Status::InvalidArgument("the item has no id");
  item.title = Trimmed(rules.title.Render(values_));
  if (std::string kind = rules.kind.Render(values_); !kind.empty()) item.kind = std::move(kind);
  item.language = rules.language.Render(values_);
  item.variant_of = rules.variant_of.Render(values_);
  item.categories = SplitList(rules.categories.Render(values_), rules.list_separator);
  item.tags = SplitList(rules.tags.Render(values_), rules.list_separator);
  for (const auto& [column, field] : {std::pair(rules.price, &item.price), std::pair(rules.margin, &item.margin)}) {
    if (column == kNoColumn || values_[column].empty()) continue;
    const Result<Decimal> money = Money(column);
    if (!money.ok()) return money.status();
    *field = *money;
  }
  if (rules.stock != kNoColumn && !values_[rules.stock].empty()) {
    item.stock = ParseInt64(values_[rules.stock]);
    if (!item.stock)
      return ColumnError(mapping_->columns[rules.stock], values_[rules.stock], "write a whole number like 12");
  }
  for (const size_t column : rules.attributes) {
    if (!values_[column].empty()) item.attributes[mapping_->columns[column]] = std::string(values_[column]);
  }
  item.hidden = !rules.hidden_when.empty() && AllHold(rules.hidden_when, values_);
  return item;
}

bool RowMapper::DescribesCustomer() const {
  const CustomerMapping& rules = *mapping_->customer;
  return !rules.country.empty() || !rules.locale.empty() || !rules.time_zone.empty() || !rules.traits.empty();
}

Result<CustomerRef> RowMapper::Customer() const {
  CustomerRef ref{CustomerNamespace::kUser, mapping_->customer->user.Render(values_)};
  if (ref.external_id.empty()) ref = {CustomerNamespace::kAnonymous, mapping_->customer->anonymous.Render(values_)};
  if (ref.external_id.empty()) return Status::InvalidArgument("names no customer");
  return ref;
}

Result<UpdateProfile> RowMapper::Profile() const {
  const CustomerMapping& rules = *mapping_->customer;
  UpdateProfile profile;
  Result<CustomerRef> customer = Customer();
  if (!customer.ok()) return customer.status();
  profile.customer = customer.Take();
  const auto set = [&](const TextTemplate& from, std::optional<std::string>* to) {
    if (std::string text = from.Render(values_); !text.empty()) *to = std::move(text);
  };
  set(rules.country, &profile.country);
  set(rules.locale, &profile.locale);
  set(rules.time_zone, &profile.time_zone);
  for (const size_t column : rules.traits) {
    if (!values_[column].empty()) profile.traits[mapping_->columns[column]] = std::string(values_[column]);
  }
  return profile;
}

namespace {

std::string ColumnFromEvent(const Mapping& mapping, size_t column, const AppendEvent& event) {
  const NewLine* line = event.lines.empty() ? nullptr : &event.lines[0];
  switch (mapping.givers[column]) {
    case Giver::kProperties: return {};
    case Giver::kUser: return event.customer.name_space == CustomerNamespace::kUser ? event.customer.external_id : "";
    case Giver::kTime: return mapping.time_format->Format(event.event.time);
    case Giver::kOrderId: return event.event.order_id;
    case Giver::kStoreId: return event.event.store_id;
    case Giver::kChannel: return event.event.channel;
    case Giver::kMessageId: return event.event.message_id;
    case Giver::kItem: return line != nullptr ? line->item : "";
    case Giver::kQuantity: return line != nullptr ? std::to_string(line->quantity) : "";
    case Giver::kPrice: return line != nullptr && line->price ? FormatDecimal(*line->price) : "";
    case Giver::kValue: return event.event.value ? NumberText(*event.event.value) : "";
  }
  return {};
}

bool SameFact(const AppendEvent& a, const AppendEvent& b) {
  const auto same_line = [](const NewLine& x, const NewLine& y) {
    return x.item == y.item && x.quantity == y.quantity && x.price == y.price;
  };
  return a.customer == b.customer && a.event.type == b.event.type && a.event.name == b.event.name &&
         a.event.time == b.event.time && a.event.order_id == b.event.order_id && a.event.store_id == b.event.store_id &&
         a.event.channel == b.event.channel && a.event.value == b.event.value &&
         a.event.properties == b.event.properties &&
         std::equal(a.lines.begin(), a.lines.end(), b.lines.begin(), b.lines.end(), same_line);
}

}  // namespace

Result<std::vector<std::string>> RowFromEvent(RowMapper& mapper, const AppendEvent& event) {
  const Mapping& mapping = mapper.mapping();
  nlohmann::json properties = nlohmann::json::object();
  if (!event.event.properties.empty()) {
    Result<nlohmann::json> parsed = ParseJson(event.event.properties);
    if (!parsed.ok()) return Status::DataLoss("the event's properties: " + parsed.status().message());
    properties = parsed.Take();
  }
  std::vector<std::string> row;
  for (size_t column = 0; column < mapping.columns.size(); ++column) {
    const auto own = properties.find(mapping.columns[column]);
    row.push_back(own != properties.end() && own->is_string() ? own->get<std::string>()
                                                              : ColumnFromEvent(mapping, column, event));
  }
  CsvRecord record;
  record.fields.assign(row.begin(), row.end());
  Status loaded = mapper.Load(record);
  Result<AppendEvent> again = loaded.ok() ? mapper.Event() : Result<AppendEvent>(loaded);
  if (!again.ok() || !SameFact(*again, event)) {
    return Status::FailedPrecondition("no row of the mapping " + QuoteForMessage(mapping.name) +
                                      " makes this event; export it as JSON lines");
  }
  return row;
}

}  // namespace rapport

#include "data/io/mapping.h"

#include <algorithm>

#include "base/file.h"
#include "data/io/json_reader.h"
#include "data/io/json_text.h"

namespace rapport {
namespace {

using nlohmann::json;

size_t IndexOf(const std::vector<std::string>& columns, std::string_view name) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? kNoColumn : static_cast<size_t>(found - columns.begin());
}

// Reads what refers to columns; errors stay in the reader it is given.
class ColumnReader {
 public:
  ColumnReader(ObjectReader& reader, const std::vector<std::string>& columns) : reader_(reader), columns_(columns) {}

  void Column(const char* key, size_t* out) {
    std::string name;
    reader_.Text(key, &name);
    if (!name.empty()) *out = Find(key, name);
  }
  void Columns(const char* key, std::vector<size_t>* out) {
    std::vector<std::string> names;
    reader_.Texts(key, &names);
    for (const std::string& name : names) out->push_back(Find(key, name));
  }

  // "{" opens a column's name, "{{" is a brace.
  void Template(const char* key, TextTemplate* out) {
    std::string text;
    reader_.Text(key, &text);
    std::string literal;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '{' || (i + 1 < text.size() && text[i + 1] == '{')) {
        if (text[i] == '{') ++i;
        literal.push_back(text[i]);
        continue;
      }
      const size_t close = text.find('}', i);
      if (close == std::string::npos) return reader_.Fail(std::string(key) + " opens a { that is not closed");
      if (!literal.empty()) out->parts.push_back({literal, kNoColumn});
      literal.clear();
      out->parts.push_back({"", Find(key, text.substr(i + 1, close - i - 1))});
      i = close;
    }
    if (!literal.empty()) out->parts.push_back({literal, kNoColumn});
  }

  // One condition, or a list of which all must hold.
  void Conditions(const char* key, std::vector<Condition>* out) {
    const json* value = reader_.Any(key);
    if (value == nullptr) return;
    if (!value->is_array()) return One(key, *value, out);
    for (const json& element : *value) One(key, element, out);
  }

 private:
  size_t Find(const char* key, const std::string& name) {
    const size_t column = IndexOf(columns_, name);
    if (column == kNoColumn)
      reader_.Fail(std::string(key) + " names the column " + QuoteForMessage(name) +
                   ", which \"columns\" does not list");
    return column;
  }

  void One(const char* key, const json& object, std::vector<Condition>* out) {
    ObjectReader reader(object, key);
    ColumnReader columns(reader, columns_);
    Condition condition;
    columns.Column("column", &condition.column);
    reader.Bool("not", &condition.negated);
    int tests = 0;
    std::optional<std::string> text;
    const auto set_texts = [&](const char* name, Condition::Test test) {
      text.reset();
      reader.Text(name, &text);
      if (text) condition.test = test, condition.texts = {*text}, ++tests;
    };
    set_texts("equals", Condition::Test::kIn);
    set_texts("starts_with", Condition::Test::kStartsWith);
    if (reader.Any("in") != nullptr) {
      reader.Texts("in", &condition.texts);
      condition.test = Condition::Test::kIn, ++tests;
    }
    std::optional<double> number;
    const auto set_number = [&](const char* name, Condition::Test test) {
      number.reset();
      reader.Number(name, &number);
      if (number) condition.test = test, condition.number = *number, ++tests;
    };
    set_number("starts_with_digits", Condition::Test::kDigitsFirst);
    set_number("less_than", Condition::Test::kLess);
    set_number("greater_than", Condition::Test::kGreater);
    bool is_empty = false;
    reader.Bool("is_empty", &is_empty);
    if (is_empty) condition.test = Condition::Test::kEmpty, ++tests;
    if (condition.column == kNoColumn) reader.Fail("needs a \"column\"");
    if (tests != 1)
      reader.Fail(
          "needs exactly one test: equals, in, starts_with, starts_with_digits, less_than, greater_than, is_empty");
    const Status status = reader.Finish(ObjectReader::UnknownKeys::kRefuse);
    if (!status.ok()) return reader_.Fail(status.message());
    out->push_back(std::move(condition));
  }

  ObjectReader& reader_;
  const std::vector<std::string>& columns_;
};

Status ParseTime(const json& object, Mapping* mapping) {
  ObjectReader reader(object, "mapping: event.time");
  ColumnReader columns(reader, mapping->columns);
  columns.Column("column", &mapping->event->time);
  std::string format = "rfc3339", zone;
  reader.Text("format", &format);
  reader.Text("zone", &zone);
  if (mapping->event->time == kNoColumn) reader.Fail("needs a \"column\"");
  RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kRefuse));
  Result<TimeFormat> created = TimeFormat::Create(format, zone);
  if (!created.ok()) return Status::InvalidArgument("mapping: event.time: " + created.status().message());
  mapping->time_format.emplace(created.Take());
  return Status::Ok();
}

Status ParseTypes(const json& list, const EventTable& table, Mapping* mapping) {
  for (const json& object : list) {
    ObjectReader reader(object, "mapping: event.types");
    ColumnReader columns(reader, mapping->columns);
    TypeRule rule;
    std::string type;
    columns.Conditions("when", &rule.when);
    reader.Text("type", &type);
    reader.Text("name", &rule.name);
    const std::optional<EventType> known = EventTypeFromName(type);
    if (!known)
      reader.Fail("has the unknown type " + QuoteForMessage(type) +
                  "; for example viewed, ordered, refunded, rated, custom");
    RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kRefuse));
    rule.type = *known;
    if (rule.name.empty()) rule.name = table.NameOf(rule.type);
    mapping->event->types.push_back(std::move(rule));
  }
  return Status::Ok();
}

Status ParseEvent(const json& object, const EventTable& table, Mapping* mapping) {
  EventMapping& event = mapping->event.emplace();
  ObjectReader reader(object, "mapping: event");
  ColumnReader columns(reader, mapping->columns);
  const json* time = reader.Object("time");
  const json* types = reader.Array("types");
  columns.Template("message_id", &event.message_id);
  columns.Template("order_id", &event.order_id);
  columns.Template("item", &event.item);
  columns.Template("store_id", &event.store_id);
  columns.Template("channel", &event.channel);
  columns.Column("quantity", &event.quantity);
  columns.Column("price", &event.price);
  columns.Column("value", &event.value);
  if (time == nullptr) reader.Fail("needs \"time\"");
  if (types == nullptr || types->empty())
    reader.Fail("needs \"types\": a list of rules, the last one without \"when\"");
  if ((event.quantity != kNoColumn || event.price != kNoColumn) && event.item.empty()) {
    reader.Fail("has quantity or price but no item that they belong to");
  }
  RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kRefuse));
  RAPPORT_RETURN_IF_ERROR(ParseTime(*time, mapping));
  return ParseTypes(*types, table, mapping);
}

Status ParseItem(const json& object, Mapping* mapping) {
  ItemMapping& item = mapping->item.emplace();
  ObjectReader reader(object, "mapping: item");
  ColumnReader columns(reader, mapping->columns);
  std::string existing = "keep";
  columns.Conditions("when", &item.when);
  columns.Conditions("hidden_when", &item.hidden_when);
  columns.Template("id", &item.id);
  columns.Template("title", &item.title);
  columns.Template("kind", &item.kind);
  columns.Template("language", &item.language);
  columns.Template("variant_of", &item.variant_of);
  columns.Template("categories", &item.categories);
  columns.Template("tags", &item.tags);
  reader.Text("list_separator", &item.list_separator);
  columns.Column("price", &item.price);
  columns.Column("margin", &item.margin);
  columns.Column("stock", &item.stock);
  columns.Columns("attributes", &item.attributes);
  reader.Text("existing", &existing);
  if (item.id.empty()) reader.Fail("needs an \"id\"");
  if (existing != "keep" && existing != "replace") reader.Fail("existing is keep or replace");
  item.existing = existing == "keep" ? ExistingItems::kKeep : ExistingItems::kReplace;
  return reader.Finish(ObjectReader::UnknownKeys::kRefuse);
}

Status ParseCustomer(const json& object, Mapping* mapping) {
  CustomerMapping& customer = mapping->customer.emplace();
  ObjectReader reader(object, "mapping: customer");
  ColumnReader columns(reader, mapping->columns);
  columns.Template("user", &customer.user);
  columns.Template("anonymous", &customer.anonymous);
  columns.Template("country", &customer.country);
  columns.Template("locale", &customer.locale);
  columns.Template("time_zone", &customer.time_zone);
  columns.Columns("traits", &customer.traits);
  if (customer.user.empty() && customer.anonymous.empty()) reader.Fail("needs \"user\" or \"anonymous\"");
  return reader.Finish(ObjectReader::UnknownKeys::kRefuse);
}

Status ParseReadAsEmpty(const json* object, Mapping* mapping) {
  mapping->read_as_empty.resize(mapping->columns.size());
  if (object == nullptr) return Status::Ok();
  for (const auto& [name, texts] : object->items()) {
    ObjectReader reader(*object, "mapping: read_as_empty");
    const size_t column = IndexOf(mapping->columns, name);
    if (column == kNoColumn)
      return Status::InvalidArgument("mapping: read_as_empty names the column " + QuoteForMessage(name) +
                                     ", which \"columns\" does not list");
    reader.Texts(name.c_str(), &mapping->read_as_empty[column]);
    RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kIgnore));
  }
  return Status::Ok();
}

void FindGivers(Mapping* mapping) {
  mapping->givers.assign(mapping->columns.size(), Giver::kProperties);
  if (!mapping->event) return;
  const auto give = [&](size_t column, Giver giver) {
    if (column != kNoColumn && mapping->givers[column] == Giver::kProperties) mapping->givers[column] = giver;
  };
  const EventMapping& event = *mapping->event;
  if (mapping->customer) give(mapping->customer->user.OnlyColumn(), Giver::kUser);
  give(event.time, Giver::kTime);
  give(event.order_id.OnlyColumn(), Giver::kOrderId);
  give(event.item.OnlyColumn(), Giver::kItem);
  give(event.store_id.OnlyColumn(), Giver::kStoreId);
  give(event.channel.OnlyColumn(), Giver::kChannel);
  give(event.quantity, Giver::kQuantity);
  give(event.price, Giver::kPrice);
  give(event.value, Giver::kValue);
  give(event.message_id.OnlyColumn(), Giver::kMessageId);
}

Status CheckColumns(const Mapping& mapping) {
  if (mapping.columns.empty() || mapping.columns.size() > kMappingColumnsMax) {
    return Status::InvalidArgument("mapping: \"columns\" must list 1 to " + std::to_string(kMappingColumnsMax) +
                                   " names");
  }
  for (size_t i = 0; i < mapping.columns.size(); ++i) {
    if (IndexOf(mapping.columns, mapping.columns[i]) != i) {
      return Status::InvalidArgument("mapping: \"columns\" lists " + QuoteForMessage(mapping.columns[i]) + " twice");
    }
  }
  return Status::Ok();
}

}  // namespace

std::string TextTemplate::Render(const std::vector<std::string_view>& values) const {
  if (const size_t only = OnlyColumn(); only != kNoColumn) return std::string(values[only]);
  std::string text;
  for (const Part& part : parts) {
    if (part.column == kNoColumn) {
      text += part.literal;
    } else if (values[part.column].empty()) {
      return {};
    } else {
      text += values[part.column];
    }
  }
  return text;
}

bool Condition::Holds(const std::vector<std::string_view>& values) const {
  const std::string_view value = values[column];
  bool holds = false;
  switch (test) {
    case Test::kIn: holds = std::find(texts.begin(), texts.end(), value) != texts.end(); break;
    case Test::kStartsWith: holds = value.starts_with(texts[0]); break;
    case Test::kDigitsFirst: {
      size_t digits = 0;
      while (digits < value.size() && value[digits] >= '0' && value[digits] <= '9') ++digits;
      holds = static_cast<double>(digits) >= number;
      break;
    }
    case Test::kLess:
    case Test::kGreater: {
      const std::optional<double> parsed = ParseDouble(value);
      holds = parsed && (test == Test::kLess ? *parsed < number : *parsed > number);
      break;
    }
    case Test::kEmpty: holds = value.empty(); break;
  }
  return holds != negated;
}

bool AllHold(const std::vector<Condition>& conditions, const std::vector<std::string_view>& values) {
  return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& c) { return c.Holds(values); });
}

Result<Mapping> ParseMapping(std::string_view text, const EventTable& table) {
  Result<json> parsed = ParseJson(text);
  if (!parsed.ok()) return Status::InvalidArgument("mapping " + parsed.status().message());
  Mapping mapping;
  ObjectReader reader(*parsed, "mapping");
  std::string separator = ",", last_line = "reject", about;
  reader.Text("about", &about);  // for people
  reader.Text("name", &mapping.name);
  reader.Texts("columns", &mapping.columns);
  reader.Texts("ignored_columns", &mapping.ignored_columns);
  reader.Text("separator", &separator);
  reader.Text("unterminated_last_line", &last_line);
  reader.Text("source", &mapping.source);
  const json* empty = reader.Object("read_as_empty");
  const json* event = reader.Object("event");
  const json* item = reader.Object("item");
  const json* customer = reader.Object("customer");
  ColumnReader(reader, mapping.columns).Columns("required", &mapping.required);
  RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kRefuse));
  if (separator.size() != 1 || separator == "\"" || separator == "\n" || separator == "\r")
    reader.Fail("separator must be one character, like \",\" or \";\"");
  if (last_line != "reject" && last_line != "accept") reader.Fail("unterminated_last_line is reject or accept");
  if (event == nullptr && item == nullptr && customer == nullptr)
    reader.Fail("needs \"event\", \"item\" or \"customer\"");
  if (event != nullptr && customer == nullptr) reader.Fail("needs \"customer\": whose events these are");
  RAPPORT_RETURN_IF_ERROR(reader.Finish(ObjectReader::UnknownKeys::kRefuse));
  RAPPORT_RETURN_IF_ERROR(CheckColumns(mapping));
  mapping.separator = separator[0];
  mapping.accept_unterminated_last_line = last_line == "accept";
  RAPPORT_RETURN_IF_ERROR(ParseReadAsEmpty(empty, &mapping));
  if (event != nullptr) RAPPORT_RETURN_IF_ERROR(ParseEvent(*event, table, &mapping));
  if (item != nullptr) RAPPORT_RETURN_IF_ERROR(ParseItem(*item, &mapping));
  if (customer != nullptr) RAPPORT_RETURN_IF_ERROR(ParseCustomer(*customer, &mapping));
  FindGivers(&mapping);
  return mapping;
}

Result<Mapping> LoadMapping(const std::string& path, const EventTable& table) {
  const Result<std::string> text = ReadFile(path, kMappingBytesMax);
  if (!text.ok()) return text.status();
  Result<Mapping> mapping = ParseMapping(*text, table);
  if (!mapping.ok()) return Status::InvalidArgument(path + ": " + mapping.status().message());
  return mapping;
}

}  // namespace rapport

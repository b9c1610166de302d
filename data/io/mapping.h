// How the columns of a CSV file become operations: a small JSON file, explained for its users in docs/IMPORT.md.
//
//   {"columns": [...], "event": {...}, "item": {...}, "customer": {...}}
//
// A mapping with "event" makes one event per row (and items and profiles beside it); else "item" makes one item per
// row; else "customer" one profile per row. What the event's own fields do not give back goes into its properties
// under the column's name, so that export by the same mapping returns what went in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/io/event_table.h"
#include "data/io/time_format.h"
#include "data/records.h"

namespace rapport {

inline constexpr size_t kMappingBytesMax = 256 * 1024;
inline constexpr size_t kMappingColumnsMax = 512;
inline constexpr size_t kNoColumn = static_cast<size_t>(-1);

// "invoice:{InvoiceNo}": literals and columns in turn. Empty as soon as one of its columns is.
struct TextTemplate {
  struct Part {
    std::string literal;
    size_t column = kNoColumn;
  };
  std::vector<Part> parts;
  bool empty() const { return parts.empty(); }
  // The column that this is, and nothing else; kNoColumn for any other template.
  size_t OnlyColumn() const { return parts.size() == 1 ? parts[0].column : kNoColumn; }
  std::string Render(const std::vector<std::string_view>& values) const;
};

// One test of one column. No regular expressions: a mapping is a stranger's file and its tests are bounded.
struct Condition {
  enum class Test { kIn, kStartsWith, kDigitsFirst, kLess, kGreater, kEmpty };
  size_t column = kNoColumn;
  Test test = Test::kEmpty;
  bool negated = false;
  std::vector<std::string> texts;  // kIn: any of them; kStartsWith: the only one
  double number = 0;               // kLess, kGreater, and kDigitsFirst: how many
  bool Holds(const std::vector<std::string_view>& values) const;
};
// All of them; true when there is none.
bool AllHold(const std::vector<Condition>& conditions, const std::vector<std::string_view>& values);

struct TypeRule {
  std::vector<Condition> when;
  EventType type = EventType::kCustom;
  std::string name;
};

struct EventMapping {
  size_t time = kNoColumn;
  std::vector<TypeRule> types;  // the first whose conditions hold
  TextTemplate message_id;      // empty: made from the row, see RowMapper::Identity
  TextTemplate order_id, item, store_id, channel;
  size_t quantity = kNoColumn, price = kNoColumn, value = kNoColumn;
};

enum class ExistingItems {
  kKeep,     // an item that is in the catalogue already is left alone
  kReplace,  // the file is the catalogue
};

struct ItemMapping {
  std::vector<Condition> when;         // rows that may describe an item
  std::vector<Condition> hidden_when;  // never shown; no condition: shown
  TextTemplate id, title, kind, language, variant_of, categories, tags;
  std::string list_separator;  // between categories, between tags; empty: one each
  size_t price = kNoColumn, margin = kNoColumn, stock = kNoColumn;
  std::vector<size_t> attributes;  // under the column's name, as text
  ExistingItems existing = ExistingItems::kKeep;
};

struct CustomerMapping {
  TextTemplate user, anonymous;  // `anonymous` where `user` is empty
  TextTemplate country, locale, time_zone;
  std::vector<size_t> traits;  // under the column's name, as text
};

// Which field of an event gives a column back at export.
enum class Giver {
  kProperties,
  kUser,
  kTime,
  kOrderId,
  kItem,
  kStoreId,
  kChannel,
  kQuantity,
  kPrice,
  kValue,
  kMessageId
};

// Immutable after parsing but for the time format's memory. One owner, one thread.
struct Mapping {
  std::string name;
  std::vector<std::string> columns;                     // all that identity and export know, in the order of export
  std::vector<std::string> ignored_columns;             // may stand in the file; neither identity nor export sees them
  std::vector<size_t> required;                         // a row where one is empty is refused
  std::vector<std::vector<std::string>> read_as_empty;  // per column: texts that mean nothing ("nan")
  char separator = ',';
  bool accept_unterminated_last_line = false;
  std::string source = "import";  // name space of message ids
  std::optional<TimeFormat> time_format;
  std::optional<EventMapping> event;
  std::optional<ItemMapping> item;
  std::optional<CustomerMapping> customer;
  std::vector<Giver> givers;  // per column
};

// kInvalidArgument names the place in the mapping. `table` gives events their names.
Result<Mapping> ParseMapping(std::string_view text, const EventTable& table);
Result<Mapping> LoadMapping(const std::string& path, const EventTable& table);

}  // namespace rapport

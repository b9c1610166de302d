// The filter language (docs/API.md "Filter language"): parsed once, bounded, evaluated against an item or compiled to
// a bitmap over a catalogue version. Nothing executable.
//
//   filter     = [ or ]                                    an empty filter matches everything
//   or         = and { OR and }
//   and        = not { AND not }
//   not        = NOT not | "(" or ")" | condition
//   condition  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) literal
//              | field [ NOT ] IN "(" literal { "," literal } ")"
//              | field                                     of a boolean field or attribute: is true
//   field      = itemId | kind | title | language | variantOf                           text
//              | category | categories | tag | tags | audience                          lists of text
//              | price | margin | stock                                                 numbers
//              | available | viewed | ordered | owned                                   booleans
//              | publishedAt | expiresAt                                                times
//              | attributes.name | attributes.'any name'                                as the item has it
//   literal    = 'text, '' for a quote' | number | TRUE | FALSE | 2024-01-31[T10:00:00Z] (or quoted, for times)
//
// Keywords in any case, fields as written here. Text is compared byte by byte.
//
// What is missing: every comparison with a field that the item has not (no price, an empty list, an absent attribute,
// an attribute of another type) is false, `!=` and IN too, and NOT turns false into true. So `price > 10` and `price <=
// 10` both leave out the item without a price, and `NOT price <= 10` keeps it. On a list, `=` and IN ask whether any
// element is equal, `!=` whether there are elements and none is equal; `<` and the like are refused. Numbers of the
// item (price, margin, stock) are compared exactly, as decimals; attributes as doubles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "data/records.h"

namespace rapport {

enum class FilterField : uint8_t {
  kItemId,
  kKind,
  kTitle,
  kLanguage,
  kVariantOf,
  kCategory,
  kTag,
  kAudience,
  kPrice,
  kMargin,
  kStock,
  kAvailable,
  kPublishedAt,
  kExpiresAt,
  kAttribute,
  kViewed,
  kOrdered,
  kOwned,  // of the customer at hand; always stand alone in a kCustomer node
};
enum class FilterOperator : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn };
using FilterLiteral = std::variant<bool, Decimal, std::string, Timestamp>;

struct FilterNode {
  enum class Kind : uint8_t { kAnd, kOr, kNot, kCompare, kCustomer };
  Kind kind = Kind::kCompare;
  FilterField field = FilterField::kItemId;    // kCompare, kCustomer
  FilterOperator op = FilterOperator::kEqual;  // kCompare
  bool uses_customer = false;                  // this node or one below asks for viewed, ordered, owned
  std::string attribute;                       // of kAttribute
  std::vector<FilterLiteral> literals;         // kCompare: one, or the list of IN
  std::vector<uint32_t> children;              // kAnd, kOr: two or more; kNot: one
};

// Immutable value; const access from any thread.
class Filter {
 public:
  // kInvalidArgument names the byte offset (from 0), what was expected and what stood there, or the limit that was
  // reached (limits::kFilterBytesMax, kFilterDepthMax open parentheses and NOTs, kFilterNodesMax conditions,
  // combinations and literals).
  static Result<Filter> Parse(std::string_view text);
  // `kind = '...'` and `category IN (...)`, without the detour of quoting.
  static Filter KindIs(std::string kind);
  static Filter CategoryIn(const std::vector<std::string>& categories);

  bool matches_everything() const { return nodes_.empty(); }
  bool uses_customer() const { return !nodes_.empty() && nodes_[root_].uses_customer; }
  // The reference: one item, and what the customer did with it (nullptr: nothing).
  bool Matches(const Item& item, const ItemSetEntry* customer) const;
  // The same below one node.
  bool MatchesNode(uint32_t node, const Item& item, const ItemSetEntry* customer) const;
  // Canonical text: parses to a filter with the same meaning and prints the same again.
  std::string ToString() const;

  const std::vector<FilterNode>& nodes() const { return nodes_; }
  uint32_t root() const { return root_; }  // REQUIRES !matches_everything()

 private:
  friend class FilterParser;
  std::string NodeToString(uint32_t node) const;
  std::vector<FilterNode> nodes_;  // children stand before their parents
  uint32_t root_ = 0;
};

// <0, 0, >0 as a is below, equal to, above b; exact.
int CompareDecimals(const Decimal& a, const Decimal& b);

}  // namespace rapport

// Meaning of a parsed filter: item by item, and as text again.
#include "engine/content/filter.h"

#include <algorithm>
#include <cmath>
#include <compare>

namespace rapport {

namespace {

__extension__ using Wide = __int128;  // 10^18 x 10^9 does not fit 64 bits

Wide Scaled(const Decimal& value, int scale) {
  Wide wide = value.mantissa;
  for (int i = value.scale; i < scale; ++i) wide *= 10;
  return wide;
}

bool Holds(FilterOperator op, int order) {
  switch (op) {
    case FilterOperator::kEqual:
    case FilterOperator::kIn: return order == 0;
    case FilterOperator::kNotEqual: return order != 0;
    case FilterOperator::kLess: return order < 0;
    case FilterOperator::kLessEqual: return order <= 0;
    case FilterOperator::kGreater: return order > 0;
    case FilterOperator::kGreaterEqual: return order >= 0;
  }
  return false;
}

// `order(literal)` gives how the item's value stands to it. One literal, or any of IN.
template <typename T, typename Order>
bool AnyHolds(const FilterNode& node, Order order) {
  return std::any_of(node.literals.begin(), node.literals.end(), [&](const FilterLiteral& literal) {
    const T* typed = std::get_if<T>(&literal);
    return typed != nullptr && Holds(node.op, order(*typed));
  });
}

bool MatchesText(const FilterNode& node, const std::string& value) {
  return AnyHolds<std::string>(node, [&](const std::string& literal) { return value.compare(literal); });
}

bool MatchesList(const FilterNode& node, const std::vector<std::string>& list) {
  const auto equals_any = [&](const std::string& element) {
    return std::any_of(node.literals.begin(), node.literals.end(), [&](const FilterLiteral& literal) {
      const std::string* text = std::get_if<std::string>(&literal);
      return text != nullptr && *text == element;
    });
  };
  switch (node.op) {
    case FilterOperator::kEqual:
    case FilterOperator::kIn: return std::any_of(list.begin(), list.end(), equals_any);
    case FilterOperator::kNotEqual:
      return !list.empty() && std::holds_alternative<std::string>(node.literals[0]) &&
             std::none_of(list.begin(), list.end(), equals_any);
    default: return false;  // an attribute that is a list has no order
  }
}

bool MatchesDecimal(const FilterNode& node, const Decimal& value) {
  return AnyHolds<Decimal>(node, [&](const Decimal& literal) { return CompareDecimals(value, literal); });
}

bool MatchesBool(const FilterNode& node, bool value) {
  return AnyHolds<bool>(node, [&](bool literal) { return static_cast<int>(value) - static_cast<int>(literal); });
}

bool MatchesTime(const FilterNode& node, const std::optional<Timestamp>& value) {
  return value && AnyHolds<Timestamp>(node, [&](Timestamp literal) {
           return value->ms < literal.ms ? -1 : static_cast<int>(value->ms > literal.ms);
         });
}

bool MatchesAttribute(const FilterNode& node, const Item& item) {
  const auto found = item.attributes.find(node.attribute);
  if (found == item.attributes.end()) return false;
  const Value& value = found->second;
  if (const bool* boolean = std::get_if<bool>(&value)) return MatchesBool(node, *boolean);
  if (const std::string* text = std::get_if<std::string>(&value)) return MatchesText(node, *text);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return MatchesList(node, *list);
  const double number = std::get<double>(value);
  if (std::isnan(number)) return false;
  return AnyHolds<Decimal>(node, [&](const Decimal& literal) {
    const double other = literal.ToDouble();
    return number < other ? -1 : static_cast<int>(number > other);
  });
}

bool MatchesField(const FilterNode& node, const Item& item) {
  switch (node.field) {
    case FilterField::kItemId: return MatchesText(node, item.external_id);
    case FilterField::kKind: return !item.kind.empty() && MatchesText(node, item.kind);
    case FilterField::kTitle: return !item.title.empty() && MatchesText(node, item.title);
    case FilterField::kLanguage: return !item.language.empty() && MatchesText(node, item.language);
    case FilterField::kVariantOf: return !item.variant_of.empty() && MatchesText(node, item.variant_of);
    case FilterField::kCategory: return MatchesList(node, item.categories);
    case FilterField::kTag: return MatchesList(node, item.tags);
    case FilterField::kAudience: return MatchesList(node, item.audience);
    case FilterField::kPrice: return item.price && MatchesDecimal(node, *item.price);
    case FilterField::kMargin: return item.margin && MatchesDecimal(node, *item.margin);
    case FilterField::kStock: return item.stock && MatchesDecimal(node, Decimal{*item.stock, 0});
    case FilterField::kAvailable: return MatchesBool(node, item.available);
    case FilterField::kPublishedAt: return MatchesTime(node, item.published_at);
    case FilterField::kExpiresAt: return MatchesTime(node, item.expires_at);
    case FilterField::kAttribute: return MatchesAttribute(node, item);
    case FilterField::kViewed:
    case FilterField::kOrdered:
    case FilterField::kOwned: return false;  // kCustomer nodes only
  }
  return false;
}

bool MatchesCustomer(FilterField field, const ItemSetEntry* customer) {
  if (customer == nullptr) return false;
  switch (field) {
    case FilterField::kViewed: return customer->viewed;
    case FilterField::kOrdered: return customer->ordered;
    case FilterField::kOwned: return customer->owned > 0;
    default: return false;
  }
}

const char* FieldText(FilterField field) {
  switch (field) {
    case FilterField::kItemId: return "itemId";
    case FilterField::kKind: return "kind";
    case FilterField::kTitle: return "title";
    case FilterField::kLanguage: return "language";
    case FilterField::kVariantOf: return "variantOf";
    case FilterField::kCategory: return "category";
    case FilterField::kTag: return "tag";
    case FilterField::kAudience: return "audience";
    case FilterField::kPrice: return "price";
    case FilterField::kMargin: return "margin";
    case FilterField::kStock: return "stock";
    case FilterField::kAvailable: return "available";
    case FilterField::kPublishedAt: return "publishedAt";
    case FilterField::kExpiresAt: return "expiresAt";
    case FilterField::kAttribute: return "attributes.";
    case FilterField::kViewed: return "viewed";
    case FilterField::kOrdered: return "ordered";
    case FilterField::kOwned: return "owned";
  }
  return "?";
}

const char* OperatorText(FilterOperator op) {
  switch (op) {
    case FilterOperator::kEqual: return " = ";
    case FilterOperator::kNotEqual: return " != ";
    case FilterOperator::kLess: return " < ";
    case FilterOperator::kLessEqual: return " <= ";
    case FilterOperator::kGreater: return " > ";
    case FilterOperator::kGreaterEqual: return " >= ";
    case FilterOperator::kIn: return " IN ";
  }
  return "?";
}

std::string Quote(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

std::string LiteralText(const FilterLiteral& literal) {
  if (const bool* boolean = std::get_if<bool>(&literal)) return *boolean ? "TRUE" : "FALSE";
  if (const Decimal* number = std::get_if<Decimal>(&literal)) return FormatDecimal(*number);
  if (const std::string* text = std::get_if<std::string>(&literal)) return Quote(*text);
  return Quote(FormatRfc3339(std::get<Timestamp>(literal)));
}

std::string ComparisonText(const FilterNode& node) {
  std::string text = FieldText(node.field);
  if (node.field == FilterField::kAttribute) text += Quote(node.attribute);
  text += OperatorText(node.op);
  if (node.op != FilterOperator::kIn) return text + LiteralText(node.literals[0]);
  std::string list;
  for (const FilterLiteral& literal : node.literals) list += (list.empty() ? "" : ", ") + LiteralText(literal);
  return text + "(" + list + ")";
}

}  // namespace

int CompareDecimals(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale, b.scale);
  const Wide left = Scaled(a, scale), right = Scaled(b, scale);
  return left < right ? -1 : static_cast<int>(left > right);
}

bool Filter::Matches(const Item& item, const ItemSetEntry* customer) const {
  return nodes_.empty() || MatchesNode(root_, item, customer);
}

bool Filter::MatchesNode(uint32_t index, const Item& item, const ItemSetEntry* customer) const {
  const FilterNode& node = nodes_[index];
  const auto matches = [&](uint32_t child) { return MatchesNode(child, item, customer); };
  switch (node.kind) {
    case FilterNode::Kind::kAnd: return std::all_of(node.children.begin(), node.children.end(), matches);
    case FilterNode::Kind::kOr: return std::any_of(node.children.begin(), node.children.end(), matches);
    case FilterNode::Kind::kNot: return !matches(node.children[0]);
    case FilterNode::Kind::kCompare: return MatchesField(node, item);
    case FilterNode::Kind::kCustomer: return MatchesCustomer(node.field, customer);
  }
  return false;
}

std::string Filter::ToString() const { return nodes_.empty() ? "" : NodeToString(root_); }

// Parentheses only where precedence asks for them, so that printing never nests deeper than what was parsed.
std::string Filter::NodeToString(uint32_t index) const {
  const FilterNode& node = nodes_[index];
  switch (node.kind) {
    case FilterNode::Kind::kCompare: return ComparisonText(node);
    case FilterNode::Kind::kCustomer: return FieldText(node.field);
    case FilterNode::Kind::kNot: {
      const FilterNode& child = nodes_[node.children[0]];
      const bool wrap = child.kind == FilterNode::Kind::kAnd || child.kind == FilterNode::Kind::kOr;
      const std::string text = NodeToString(node.children[0]);
      return wrap ? "NOT (" + text + ")" : "NOT " + text;
    }
    case FilterNode::Kind::kAnd:
    case FilterNode::Kind::kOr: break;
  }
  const bool is_and = node.kind == FilterNode::Kind::kAnd;
  std::string text;
  for (const uint32_t child : node.children) {
    if (!text.empty()) text += is_and ? " AND " : " OR ";
    const bool wrap = is_and && nodes_[child].kind == FilterNode::Kind::kOr;
    text += wrap ? "(" + NodeToString(child) + ")" : NodeToString(child);
  }
  return text;
}

}  // namespace rapport

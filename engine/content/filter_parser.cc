// Text -> Filter: a hand-written lexer of one token ahead, and a parser by recursive descent. Its recursion is one
// level per open parenthesis or NOT and is refused beyond limits::kFilterDepthMax, so no input can exhaust the stack.
#include <algorithm>
#include <array>
#include <optional>

#include "base/limits.h"
#include "engine/content/filter.h"

namespace rapport {

namespace {

enum class TokenKind : uint8_t { kEnd, kWord, kString, kNumber, kDate, kSymbol, kBad };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  std::string text;  // of a string: its contents
};

enum class ValueType : uint8_t { kText, kList, kNumber, kBool, kTime, kAny, kCustomer };

struct FieldName {
  std::string_view name;
  FilterField field;
  ValueType type;
};

constexpr FieldName kFields[] = {
    {"itemId", FilterField::kItemId, ValueType::kText},
    {"kind", FilterField::kKind, ValueType::kText},
    {"title", FilterField::kTitle, ValueType::kText},
    {"language", FilterField::kLanguage, ValueType::kText},
    {"variantOf", FilterField::kVariantOf, ValueType::kText},
    {"category", FilterField::kCategory, ValueType::kList},
    {"categories", FilterField::kCategory, ValueType::kList},
    {"tag", FilterField::kTag, ValueType::kList},
    {"tags", FilterField::kTag, ValueType::kList},
    {"audience", FilterField::kAudience, ValueType::kList},
    {"price", FilterField::kPrice, ValueType::kNumber},
    {"margin", FilterField::kMargin, ValueType::kNumber},
    {"stock", FilterField::kStock, ValueType::kNumber},
    {"available", FilterField::kAvailable, ValueType::kBool},
    {"publishedAt", FilterField::kPublishedAt, ValueType::kTime},
    {"expiresAt", FilterField::kExpiresAt, ValueType::kTime},
    {"attributes", FilterField::kAttribute, ValueType::kAny},
    {"viewed", FilterField::kViewed, ValueType::kCustomer},
    {"ordered", FilterField::kOrdered, ValueType::kCustomer},
    {"owned", FilterField::kOwned, ValueType::kCustomer},
};

// Only ASCII, whatever the locale.
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c); }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsKeyword(const Token& token, std::string_view upper) {
  return token.kind == TokenKind::kWord && token.text.size() == upper.size() &&
         std::equal(upper.begin(), upper.end(), token.text.begin(),
                    [](char a, char b) { return a == (b >= 'a' && b <= 'z' ? b - 'a' + 'A' : b); });
}

const char* Expectation(ValueType type) {
  switch (type) {
    case ValueType::kText:
    case ValueType::kList: return "a text in single quotes";
    case ValueType::kNumber: return "a number";
    case ValueType::kBool:
    case ValueType::kCustomer: return "TRUE or FALSE";
    case ValueType::kTime: return "a time such as '2024-01-31T10:00:00Z'";
    case ValueType::kAny: return "a text in single quotes, a number, TRUE or FALSE";
  }
  return "a value";
}

// Cuts the text into tokens on demand.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    if (at_ == text_.size()) return {TokenKind::kEnd, at_, ""};
    const char c = text_[at_];
    if (c == '\'') return String();
    if (IsWordStart(c)) return While(TokenKind::kWord, IsWordPart);
    if (IsDigit(c) && LooksLikeDate()) {
      return While(TokenKind::kDate,
                   [](char d) { return IsWordPart(d) || d == '-' || d == ':' || d == '.' || d == '+'; });
    }
    if (IsDigit(c) || c == '-' || c == '+') return Number();
    return Symbol();
  }

 private:
  template <typename Accept>
  Token While(TokenKind kind, Accept accept) {
    const size_t begin = at_;
    while (at_ < text_.size() && accept(text_[at_])) ++at_;
    return {kind, begin, std::string(text_.substr(begin, at_ - begin))};
  }

  bool LooksLikeDate() const {
    return text_.size() - at_ > 4 && text_[at_ + 4] == '-' && IsDigit(text_[at_ + 1]) && IsDigit(text_[at_ + 2]) &&
           IsDigit(text_[at_ + 3]);
  }

  Token String() {
    Token token{TokenKind::kString, at_, ""};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '\'') {
        token.text.push_back(text_[at_]);
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        token.text.push_back('\'');
        ++at_;
      } else {
        ++at_;
        return token;
      }
    }
    return {TokenKind::kBad, token.offset, "a text without its closing quote"};
  }

  Token Number() {
    const size_t begin = at_++;
    while (at_ < text_.size()) {
      const bool exponent_sign =
          (text_[at_] == '-' || text_[at_] == '+') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!IsWordPart(text_[at_]) && text_[at_] != '.' && !exponent_sign) break;
      ++at_;
    }
    return {TokenKind::kNumber, begin, std::string(text_.substr(begin, at_ - begin))};
  }

  Token Symbol() {
    static constexpr std::array<std::string_view, 10> kSymbols = {"!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "."};
    for (const std::string_view symbol : kSymbols) {
      if (text_.substr(at_, symbol.size()) == symbol) {
        at_ += symbol.size();
        return {TokenKind::kSymbol, at_ - symbol.size(), std::string(symbol)};
      }
    }
    return {TokenKind::kBad, at_, QuoteForMessage(text_.substr(at_, 1))};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

// One parse. Errors are kept in `error_` and unwind by std::nullopt.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : lexer_(text) { Advance(); }

  Result<Filter> Run() {
    if (token_.kind == TokenKind::kEnd) return Filter();
    const std::optional<uint32_t> root = Or();
    if (root && token_.kind != TokenKind::kEnd) Expected("AND, OR or the end");
    if (!error_.ok()) return error_;
    filter_.root_ = *root;
    return std::move(filter_);
  }

  static Filter One(FilterField field, std::vector<FilterLiteral> literals) {
    Filter filter;
    FilterNode node;
    node.field = field;
    node.op = FilterOperator::kIn;
    node.literals = std::move(literals);
    filter.nodes_.push_back(std::move(node));
    return filter;
  }

 private:
  using Node = std::optional<uint32_t>;

  void Advance() { token_ = lexer_.Next(); }
  bool IsSymbol(std::string_view symbol) const { return token_.kind == TokenKind::kSymbol && token_.text == symbol; }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    Advance();
    return true;
  }
  bool TakeKeyword(std::string_view upper) {
    if (!IsKeyword(token_, upper)) return false;
    Advance();
    return true;
  }

  std::nullopt_t Fail(size_t offset, const std::string& what) {
    if (error_.ok()) error_ = Status::InvalidArgument("filter: at byte " + std::to_string(offset) + ": " + what);
    return std::nullopt;
  }
  std::nullopt_t Expected(const std::string& what) {
    std::string found;
    switch (token_.kind) {
      case TokenKind::kEnd: found = "the end"; break;
      case TokenKind::kBad: found = token_.text; break;
      case TokenKind::kString: found = "the text " + QuoteForMessage(token_.text); break;
      default: found = QuoteForMessage(token_.text);
    }
    return Fail(token_.offset, "expected " + what + ", found " + found);
  }

  // Counts against limits::kFilterNodesMax.
  bool Count(size_t offset) {
    if (++counted_ <= limits::kFilterNodesMax) return true;
    Fail(offset, "more than " + std::to_string(limits::kFilterNodesMax) + " conditions and values; make it shorter");
    return false;
  }

  Node Add(FilterNode node) {
    filter_.nodes_.push_back(std::move(node));
    return static_cast<uint32_t>(filter_.nodes_.size() - 1);
  }

  // Children of the same kind are taken in, so that a long chain is one node.
  Node Combine(FilterNode::Kind kind, const std::vector<uint32_t>& parts) {
    if (parts.size() == 1) return parts[0];
    FilterNode node;
    node.kind = kind;
    for (const uint32_t part : parts) {
      FilterNode& child = filter_.nodes_[part];
      node.uses_customer |= child.uses_customer;
      if (child.kind == kind && kind != FilterNode::Kind::kNot) {
        node.children.insert(node.children.end(), child.children.begin(), child.children.end());
      } else {
        node.children.push_back(part);
      }
    }
    return Add(std::move(node));
  }

  Node Or() { return Chain(FilterNode::Kind::kOr, "OR", &FilterParser::And); }
  Node And() { return Chain(FilterNode::Kind::kAnd, "AND", &FilterParser::Not); }

  Node Chain(FilterNode::Kind kind, std::string_view keyword, Node (FilterParser::*part)()) {
    std::vector<uint32_t> parts;
    do {
      const Node one = (this->*part)();
      if (!one) return std::nullopt;
      parts.push_back(*one);
    } while (TakeKeyword(keyword));
    if (parts.size() > 1 && !Count(token_.offset)) return std::nullopt;
    return Combine(kind, parts);
  }

  Node Not() {
    const size_t offset = token_.offset;
    const bool negated = IsKeyword(token_, "NOT");
    if (!negated && !IsSymbol("(")) return Condition();
    if (++depth_ > limits::kFilterDepthMax) {
      return Fail(offset, "nested deeper than " + std::to_string(limits::kFilterDepthMax) + " levels");
    }
    Advance();
    const Node inner = negated ? Not() : Or();
    --depth_;
    if (!inner) return std::nullopt;
    if (negated) return Negate(*inner, offset);
    if (!TakeSymbol(")")) return Expected("AND, OR or ')'");
    return inner;
  }

  Node Negate(uint32_t inner, size_t offset) {
    if (!Count(offset)) return std::nullopt;
    FilterNode node;
    node.kind = FilterNode::Kind::kNot;
    node.uses_customer = filter_.nodes_[inner].uses_customer;
    node.children = {inner};
    return Add(std::move(node));
  }

  Node Condition() {
    if (token_.kind != TokenKind::kWord) return Expected("a field, NOT or '('");
    const FieldName* name = std::find_if(std::begin(kFields), std::end(kFields),
                                         [this](const FieldName& field) { return field.name == token_.text; });
    if (name == std::end(kFields)) return Expected("a field such as price, category or attributes.colour");
    FilterNode node;
    node.field = name->field;
    const size_t offset = token_.offset;
    Advance();
    if (!Count(offset)) return std::nullopt;
    if (name->field == FilterField::kAttribute && !AttributeName(node)) return std::nullopt;
    return Comparison(std::move(node), name->type, offset);
  }

  bool AttributeName(FilterNode& node) {
    const bool dot = TakeSymbol(".");
    if (!dot || (token_.kind != TokenKind::kWord && token_.kind != TokenKind::kString)) {
      Expected(dot ? "the name of an attribute" : "'.' and the name of an attribute");
      return false;
    }
    node.attribute = token_.text;
    Advance();
    return true;
  }

  Node Comparison(FilterNode node, ValueType type, size_t offset) {
    const bool not_in = TakeKeyword("NOT");
    if (TakeKeyword("IN")) {
      const Node in = In(std::move(node), type);
      return in && not_in ? Negate(*in, offset) : in;
    }
    if (not_in) return Expected("IN");
    if (!Operator(node.op)) return Bare(std::move(node), type);
    const bool ordering = node.op != FilterOperator::kEqual && node.op != FilterOperator::kNotEqual;
    if (ordering && (type == ValueType::kList || type == ValueType::kBool || type == ValueType::kCustomer)) {
      return Fail(offset, "this field can be compared with = and != only");
    }
    if (ordering && type == ValueType::kAny && (IsKeyword(token_, "TRUE") || IsKeyword(token_, "FALSE"))) {
      return Expected("a text in single quotes or a number");
    }
    if (!Literal(node, type)) return std::nullopt;
    if (type != ValueType::kCustomer) return Add(std::move(node));
    const bool wants_true = std::get<bool>(node.literals[0]) == (node.op == FilterOperator::kEqual);
    const Node customer = Bare(std::move(node), type);
    return wants_true ? customer : Negate(*customer, offset);
  }

  // A field without an operator.
  Node Bare(FilterNode node, ValueType type) {
    if (type == ValueType::kCustomer) {
      node.kind = FilterNode::Kind::kCustomer;
      node.uses_customer = true;
      node.literals.clear();
      return Add(std::move(node));
    }
    if (type != ValueType::kBool && type != ValueType::kAny) return Expected("=, !=, <, <=, >, >=, IN or NOT IN");
    node.op = FilterOperator::kEqual;
    node.literals.assign(1, true);
    return Add(std::move(node));
  }

  bool Operator(FilterOperator& op) {
    static constexpr std::pair<std::string_view, FilterOperator> kOperators[] = {
        {"=", FilterOperator::kEqual},      {"!=", FilterOperator::kNotEqual}, {"<", FilterOperator::kLess},
        {"<=", FilterOperator::kLessEqual}, {">", FilterOperator::kGreater},   {">=", FilterOperator::kGreaterEqual}};
    for (const auto& [symbol, value] : kOperators) {
      if (TakeSymbol(symbol)) {
        op = value;
        return true;
      }
    }
    return false;
  }

  Node In(FilterNode node, ValueType type) {
    if (type == ValueType::kBool || type == ValueType::kCustomer) {
      return Fail(token_.offset, "IN is for texts, numbers and times; write = TRUE or = FALSE");
    }
    node.op = FilterOperator::kIn;
    if (!TakeSymbol("(")) return Expected("'('");
    do {
      if (!Literal(node, type)) return std::nullopt;
    } while (TakeSymbol(","));
    if (!TakeSymbol(")")) return Expected("',' or ')'");
    return Add(std::move(node));
  }

  bool Literal(FilterNode& node, ValueType type) {
    if (!Count(token_.offset)) return false;
    const bool is_bool = IsKeyword(token_, "TRUE") || IsKeyword(token_, "FALSE");
    const bool any = type == ValueType::kAny;
    if (is_bool && (any || type == ValueType::kBool || type == ValueType::kCustomer)) {
      node.literals.emplace_back(IsKeyword(token_, "TRUE"));
    } else if (token_.kind == TokenKind::kString && (any || type == ValueType::kText || type == ValueType::kList)) {
      node.literals.emplace_back(token_.text);
    } else if (token_.kind == TokenKind::kNumber && (any || type == ValueType::kNumber)) {
      const Result<Decimal> number = ParseDecimal(token_.text);
      if (!number.ok()) return Fail(token_.offset, "bad number: " + number.status().message()), false;
      node.literals.emplace_back(*number);
    } else if ((token_.kind == TokenKind::kString || token_.kind == TokenKind::kDate) && type == ValueType::kTime) {
      const Result<Timestamp> time = ParseRfc3339(token_.text);
      if (!time.ok()) return Fail(token_.offset, "bad time: " + time.status().message()), false;
      node.literals.emplace_back(*time);
    } else {
      Expected(Expectation(type));
      return false;
    }
    Advance();
    return true;
  }

  Lexer lexer_;
  Token token_;
  Filter filter_;
  Status error_;
  size_t depth_ = 0;
  size_t counted_ = 0;
};

Result<Filter> Filter::Parse(std::string_view text) {
  if (text.size() > limits::kFilterBytesMax) {
    return Status::InvalidArgument("filter: longer than " + std::to_string(limits::kFilterBytesMax) + " bytes");
  }
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    return Status::InvalidArgument("filter: at byte " + std::to_string(invalid) + ": not UTF-8");
  }
  return FilterParser(text).Run();
}

Filter Filter::KindIs(std::string kind) {
  return FilterParser::One(FilterField::kKind, {FilterLiteral(std::move(kind))});
}

Filter Filter::CategoryIn(const std::vector<std::string>& categories) {
  return FilterParser::One(FilterField::kCategory, {categories.begin(), categories.end()});
}

}  // namespace rapport

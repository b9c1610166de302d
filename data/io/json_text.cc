#include "data/io/json_text.h"

#include <simdjson.h>

#include <cstring>
#include <optional>
#include <vector>

#include "base/text.h"

namespace rapport {
namespace {

using nlohmann::json;

bool AppendPlainText(const std::string& text, std::string* out) {
  if (FindInvalidUtf8(text) != std::string_view::npos) return false;
  AppendJsonString(text, out);
  return true;
}

// Builds the tree from parser events, so that depth and repeated keys are seen while reading.
class TreeBuilder final : public nlohmann::json_sax<json> {
 public:
  explicit TreeBuilder(size_t max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(json()); }
  bool boolean(bool value) override { return Add(json(value)); }
  bool number_integer(number_integer_t value) override { return Add(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Add(json(value)); }
  bool string(string_t& value) override { return Add(json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("holds binary data, which JSON text cannot"); }
  bool start_object(size_t) override { return Open(json::object()); }
  bool start_array(size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& value) override {
    // The place is made here, so that the tree is searched once; what stands behind the colon fills it.
    const auto [place, is_new] = open_.back()->emplace(value, nullptr);
    if (!is_new) return Fail("has the key " + QuoteForMessage(value) + " twice in one object; send it once");
    member_ = &*place;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ...": the last part is for
    // people.
    std::string why = error.what();
    const size_t colon = why.find(": ");
    if (colon != std::string::npos) why.erase(0, colon + 2);
    const size_t bracket = why.find("] ");
    if (why.starts_with("[") && bracket != std::string::npos) why.erase(0, bracket + 2);
    return Fail("is not JSON at byte " + std::to_string(position) + ": " + why);
  }

  json& root() { return root_; }
  const std::string& failure() const { return failure_; }

 private:
  bool Fail(std::string why) {
    failure_ = std::move(why);
    return false;
  }
  json* Place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    *member_ = std::move(value);
    return member_;
  }
  bool Add(json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(json container) {
    if (open_.size() >= max_depth_) {
      return Fail("is nested deeper than " + std::to_string(max_depth_) + " levels; flatten it");
    }
    // A parent never grows while a child is open, so the address stays good.
    open_.push_back(Place(std::move(container)));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  const size_t max_depth_;
  json root_;
  std::vector<json*> open_;
  json* member_ = nullptr;  // of the innermost object, named and not yet told
  std::string failure_;
};

// False: the library shall do all of it.
bool AppendPlain(const json& value, std::string* out) {
  switch (value.type()) {
    case json::value_t::object: {
      char before = '{';
      for (const auto& [key, element] : value.get_ref<const json::object_t&>()) {
        out->push_back(before);
        before = ',';
        if (!AppendPlainText(key, out)) return false;
        out->push_back(':');
        if (!AppendPlain(element, out)) return false;
      }
      out->append(before == '{' ? "{}" : "}");
      return true;
    }
    case json::value_t::array: {
      char before = '[';
      for (const json& element : value) {
        out->push_back(before);
        before = ',';
        if (!AppendPlain(element, out)) return false;
      }
      out->append(before == '[' ? "[]" : "]");
      return true;
    }
    case json::value_t::string: return AppendPlainText(value.get_ref<const std::string&>(), out);
    case json::value_t::boolean: out->append(value.get<bool>() ? "true" : "false"); return true;
    case json::value_t::null: out->append("null"); return true;
    case json::value_t::number_integer: out->append(std::to_string(value.get<int64_t>())); return true;
    case json::value_t::number_unsigned: out->append(std::to_string(value.get<uint64_t>())); return true;
    case json::value_t::number_float: out->append(value.dump()); return true;
    default: return false;
  }
}

// simdjson works in about fifteen times a text's size: longer ones are left to the library.
constexpr size_t kQuickBytesMax = 64 << 10;

// What simdjson read, as the library's tree. False: a key twice, or nested too deep.
bool Copy(const simdjson::dom::element& element, size_t depth_left, json* out) {
  using Type = simdjson::dom::element_type;
  switch (element.type()) {
    case Type::OBJECT: {
      if (depth_left == 0) return false;
      json::object_t& object = *(*out = json::object()).get_ptr<json::object_t*>();
      for (const auto& [key, value] : simdjson::dom::object(element)) {
        const auto [place, is_new] = object.emplace(key, nullptr);
        if (!is_new || !Copy(value, depth_left - 1, &place->second)) return false;
      }
      return true;
    }
    case Type::ARRAY: {
      if (depth_left == 0) return false;
      json::array_t& array = *(*out = json::array()).get_ptr<json::array_t*>();
      for (const simdjson::dom::element value : simdjson::dom::array(element)) {
        if (!Copy(value, depth_left - 1, &array.emplace_back())) return false;
      }
      return true;
    }
    case Type::STRING: *out = std::string_view(element); return true;
    case Type::BOOL: *out = bool(element); return true;
    case Type::DOUBLE: *out = double(element); return true;
    case Type::UINT64: *out = uint64_t(element); return true;
    case Type::INT64: {
      const int64_t number = element;
      *out = number < 0 ? json(number) : json(static_cast<uint64_t>(number));  // as the library's parser tells them
      return true;
    }
    default: *out = nullptr; return true;
  }
}

// Nothing where simdjson refuses, or a rule of ours is broken.
std::optional<json> ParseQuickly(simdjson::dom::parser& parser, std::string_view text, size_t max_depth) {
  if (text.size() > kQuickBytesMax) return std::nullopt;
  simdjson::dom::element root;
  json tree;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS || !Copy(root, max_depth, &tree)) {
    return std::nullopt;
  }
  return tree;
}

Result<json> ParseSlowly(std::string_view text, size_t max_depth) {
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    return Status::InvalidArgument("is not UTF-8 at byte " + std::to_string(invalid + 1) +
                                   "; convert it first, for example: iconv -f GBK -t UTF-8");
  }
  TreeBuilder builder(max_depth);
  if (!json::sax_parse(text.begin(), text.end(), &builder)) return Status::InvalidArgument(builder.failure());
  return std::move(builder.root());
}

}  // namespace

struct JsonParser::Memory {
  simdjson::dom::parser parser;
};

JsonParser::JsonParser() : memory_(std::make_unique<Memory>()) {}
JsonParser::~JsonParser() = default;

// simdjson reads what is sound; what it does not take is read again by the library, which says what is wrong and where.
Result<json> JsonParser::Parse(std::string_view text, size_t max_depth) {
  if (std::optional<json> tree = ParseQuickly(memory_->parser, text, max_depth)) return std::move(*tree);
  return ParseSlowly(text, max_depth);
}

Result<json> ParseJson(std::string_view text, size_t max_depth) { return JsonParser().Parse(text, max_depth); }

// Objects, lists, texts and whole numbers here, five times as fast; the rest, and odd bytes, as the library does it.
std::string DumpJson(const json& value) {
  std::string out;
  if (!AppendPlain(value, &out)) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  return out;
}

namespace {

// Whether one of eight bytes is a control character, '"' or '\\': a byte less than 0x20, or 0 after the other is taken
// off, borrows into its highest bit; bytes from 0x80 on are left to stand (Warren, "Hacker's Delight", section 6-1).
bool HasToBeEscaped(const char* eight) {
  constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;
  uint64_t bytes;
  std::memcpy(&bytes, eight, sizeof bytes);
  const auto below = [](uint64_t x, uint64_t n) { return (x - kOnes * n) & ~x & kHighs; };
  return (below(bytes, 0x20) | below(bytes ^ kOnes * '"', 1) | below(bytes ^ kOnes * '\\', 1)) != 0;
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHexDigits[] = "0123456789abcdef";
  out->push_back('"');
  size_t plain = 0;  // bytes at the front that stand for themselves
  while (plain + 8 <= text.size() && !HasToBeEscaped(text.data() + plain)) plain += 8;
  while (plain < text.size() && static_cast<unsigned char>(text[plain]) >= 0x20 && text[plain] != '"' &&
         text[plain] != '\\') {
    ++plain;
  }
  out->append(text.substr(0, plain));
  for (const char c : text.substr(plain)) {
    switch (c) {
      case '"': out->append("\\\""); break;
      case '\\': out->append("\\\\"); break;
      case '\b': out->append("\\b"); break;
      case '\f': out->append("\\f"); break;
      case '\n': out->append("\\n"); break;
      case '\r': out->append("\\r"); break;
      case '\t': out->append("\\t"); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out->append("\\u00");
          out->push_back(kHexDigits[static_cast<unsigned char>(c) >> 4]);
          out->push_back(kHexDigits[c & 15]);
        } else {
          out->push_back(c);  // DEL included: JSON allows it as it is
        }
    }
  }
  out->push_back('"');
}

}  // namespace rapport

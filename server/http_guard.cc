#include "server/http_guard.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/ascii_case.h"

namespace rapport {

namespace {

constexpr size_t kMethodBytesMax = 32;
constexpr size_t kLengthDigitsMax = 15;  // a petabyte: never overflows, always above every limit
constexpr size_t kChunkSizeDigitsMax = 8;
constexpr size_t kChunkLineBytesMax = 256;
constexpr size_t kChunkExtensionBytesMax = 4096;

// Fields that decide where a message ends, whom it is for or who asks: two of a name leave it open which one counts.
enum Single : size_t { kHost, kContentLength, kTransferEncoding };  // the others only count
constexpr std::array<std::string_view, 12> kSingles = {"host",
                                                       "content-length",
                                                       "transfer-encoding",
                                                       "authorization",
                                                       "x-api-key",
                                                       "x-rapport-visitor",
                                                       "content-type",
                                                       "origin",
                                                       "expect",
                                                       "access-control-request-method",
                                                       "x-deadline-ms",
                                                       "content-encoding"};
// Fields that change how the connection or the body is read: the parser behind reads such heads.
constexpr std::array<std::string_view, 5> kNotLean = {"transfer-encoding", "expect", "upgrade", "proxy-connection",
                                                      "trailer"};

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 9110, 5.6.2.
constexpr bool IsTokenByte(char c) {
  return IsDigit(c) || IsLetter(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
// What no line may hold: NUL and the other controls but the tab.
constexpr bool IsControlByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}
// Visible ASCII without what no client may send unescaped and what proxies are known to rewrite: `\` becomes `/`.
constexpr bool IsTargetByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f && std::string_view("\"<>\\#").find(c) == std::string_view::npos;
}
constexpr bool IsHostByte(char c) {
  return IsDigit(c) || IsLetter(c) || (c != '\0' && std::string_view(".-_~:[]%").find(c) != std::string_view::npos);
}

// Each byte is looked up, not asked: heads are read at every request.
struct ByteTable {
  explicit constexpr ByteTable(bool (*holds)(char)) {
    for (size_t i = 0; i < yes.size(); ++i) yes[i] = holds(static_cast<char>(static_cast<unsigned char>(i)));
  }
  bool operator()(char c) const { return yes[static_cast<unsigned char>(c)]; }
  std::array<bool, 256> yes{};
};
constexpr ByteTable IsTokenCharacter{IsTokenByte}, IsControl{IsControlByte}, IsTargetCharacter{IsTargetByte},
    IsHostCharacter{IsHostByte};

bool IsAll(std::string_view text, const ByteTable& kind) {
  return std::all_of(text.begin(), text.end(), [&kind](char c) { return kind(c); });
}

bool IsToken(std::string_view text) { return !text.empty() && IsAll(text, IsTokenCharacter); }

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return IsControl(c); });
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

// ---- the head -----------------------------------------------------------------------------------------------------

HeadGuard::Verdict HeadGuard::Refuse(int status, const char* slug, std::string detail) {
  refusal_ = {status, slug, std::move(detail)};
  return Verdict::kRefused;
}

HeadGuard::Verdict HeadGuard::TooLong(bool request_line) {
  if (request_line) {
    return Refuse(414, "target-too-long",
                  "the request line is longer than " + std::to_string(options_.request_line_bytes_max) +
                      " bytes: send long values in a body");
  }
  return Refuse(431, "header-too-large",
                "the request's header is larger than " + std::to_string(options_.header_bytes_max) + " bytes");
}

HeadGuard::Verdict HeadGuard::Look(std::string_view bytes) {
  if (!options_.strict) return LookLoosely(bytes);
  for (; seen_ < bytes.size(); ++seen_) {
    if (seen_ >= options_.header_bytes_max) return TooLong(line_at_ == 0);
    const char c = bytes[seen_];
    const bool after_return = seen_ > line_at_ && bytes[seen_ - 1] == '\r';
    if (after_return != (c == '\n')) {
      return Malformed(after_return ? "a carriage return stands alone: lines end with CR LF"
                                    : "a line feed stands alone: lines end with CR LF");
    }
    if (c == '\n') {
      const std::string_view line = bytes.substr(line_at_, seen_ - 1 - line_at_);
      const Verdict verdict = line_at_ > 0 && line.empty() ? CheckWhole() : CheckLine(line);
      line_at_ = seen_ + 1;
      if (verdict == Verdict::kMore) continue;
      ++seen_;
      return verdict;
    }
    if (c != '\r' && IsControl(c)) return Malformed("a control character stands in the request's header");
    if (line_at_ > 0) continue;
    if (seen_ == 0 && !IsTokenCharacter(c)) return Malformed("a request begins with its method");
    if (seen_ >= options_.request_line_bytes_max) return TooLong(true);
  }
  return Verdict::kMore;
}

HeadGuard::Verdict HeadGuard::LookLoosely(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n", seen_ < 3 ? 0 : seen_ - 3);
  seen_ = bytes.size();
  if (end == std::string_view::npos) {
    return bytes.size() > options_.header_bytes_max ? TooLong(false) : Verdict::kMore;
  }
  line_at_ = end + 4;
  return Verdict::kWhole;
}

HeadGuard::Verdict HeadGuard::CheckLine(std::string_view line) {
  if (line_at_ == 0) return CheckRequestLine(line);
  if (places_.size() >= options_.fields_max) {
    return Refuse(431, "header-too-large",
                  "the request has more than " + std::to_string(options_.fields_max) + " header fields");
  }
  return CheckField(line);
}

HeadGuard::Verdict HeadGuard::CheckRequestLine(std::string_view line) {
  constexpr const char* shape = "the request line is METHOD, one space, TARGET, one space, HTTP/1.1";
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) return Malformed(shape);
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(method) || method.size() > kMethodBytesMax)
    return Malformed("the method is no token of 1 to 32 letters");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !IsDigit(version[5]) || version[6] != '.' ||
      !IsDigit(version[7])) {
    return Malformed(shape);
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return Refuse(505, "http-version", "this server speaks HTTP/1.1 and HTTP/1.0");
  }
  version_1_0_ = version == "HTTP/1.0";
  if (target.empty() || !IsAll(target, IsTargetCharacter)) {
    return Malformed("the target holds a character that must be percent-encoded, or is empty");
  }
  method_ = {0, first};
  target_ = {first + 1, target.size()};
  return CheckTarget(method, target);
}

// A path; or, as to a proxy, a whole URL, which must then name the same host as the Host field (CheckWhole); or "*"
// with OPTIONS. Never host:port: this is no tunnel.
HeadGuard::Verdict HeadGuard::CheckTarget(std::string_view method, std::string_view target) {
  if (method == "CONNECT") return Malformed("CONNECT is for proxies; this is none");
  if (target[0] == '/' || (target == "*" && method == "OPTIONS")) return Verdict::kMore;
  const size_t scheme_end = target.find("://");
  const std::string scheme = Lower(target.substr(0, std::min(scheme_end, target.size())));
  if (scheme_end == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return Malformed("the target must begin with '/'");
  }
  const std::string_view rest = target.substr(scheme_end + 3);
  authority_ = Lower(rest.substr(0, std::min(rest.find_first_of("/?"), rest.size())));
  if (authority_.empty()) return Malformed("the target names no host");
  return Verdict::kMore;
}

HeadGuard::Verdict HeadGuard::CheckField(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return Malformed("a header field is folded over two lines");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Malformed("a header line has no colon");
  const std::string_view name = line.substr(0, colon);
  if (!IsToken(name)) return Malformed("a header field's name is no token (a space before the colon?)");
  const std::string_view value = Trimmed(line.substr(colon + 1));
  places_.push_back({{line_at_, colon}, {line_at_ + static_cast<size_t>(value.data() - line.data()), value.size()}});
  if (IsSameInAnyCase(name, "connection")) {
    const bool keeps = IsSameInAnyCase(value, "keep-alive"), closes = IsSameInAnyCase(value, "close");
    if (said_connection_ || !(keeps || closes)) is_lean_ = false;
    said_connection_ = true;
    keep_alive_ = keeps;
    return Verdict::kMore;
  }
  const auto is_name = [name](std::string_view lower) { return IsSameInAnyCase(name, lower); };
  if (std::any_of(kNotLean.begin(), kNotLean.end(), is_name)) is_lean_ = false;
  const auto single = std::find_if(kSingles.begin(), kSingles.end(), is_name);
  if (single == kSingles.end()) return Verdict::kMore;
  const auto index = static_cast<size_t>(single - kSingles.begin());
  if ((singles_ >> index) & 1u) return Malformed("the " + std::string(*single) + " field is given more than once");
  singles_ |= 1u << index;
  return CheckValue(index, value);
}

HeadGuard::Verdict HeadGuard::CheckValue(size_t single, std::string_view value) {
  if (single == kHost) {
    if (!IsAll(value, IsHostCharacter)) return Malformed("the Host field names no host");
    if (!authority_.empty()) host_ = Lower(value);
  } else if (single == kContentLength) {
    if (value.empty() || !std::all_of(value.begin(), value.end(), IsDigit)) {
      return Malformed("Content-Length is no number");
    }
    value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
    if (value.size() > kLengthDigitsMax) return Malformed("Content-Length is no length of anything");
    for (const char digit : value) length_ = 10 * length_ + static_cast<uint64_t>(digit - '0');
  } else if (single == kTransferEncoding) {
    if (version_1_0_) return Malformed("HTTP/1.0 has no Transfer-Encoding");
    if (Lower(value) != "chunked") return Malformed("chunked is the only transfer encoding that is understood");
  }
  return Verdict::kMore;
}

HeadGuard::Verdict HeadGuard::CheckWhole() {
  const auto has = [this](Single single) { return ((singles_ >> single) & 1u) != 0; };
  if (!has(kHost) && !version_1_0_) return Malformed("the Host field is missing");
  if (has(kContentLength) && has(kTransferEncoding)) {
    return Malformed("Content-Length and Transfer-Encoding exclude each other");
  }
  if (!authority_.empty() && has(kHost) && authority_ != host_) {
    return Malformed("the target and the Host field name different hosts");
  }
  return Verdict::kWhole;
}

std::string_view HeadGuard::path(std::string_view bytes) const {
  const std::string_view whole = target(bytes);
  return whole.substr(0, whole.find('?'));
}

void HeadGuard::Reset() {
  refusal_ = {};
  line_at_ = seen_ = 0;
  version_1_0_ = said_connection_ = false;
  is_lean_ = keep_alive_ = true;
  length_ = 0;
  method_ = target_ = {};
  places_.clear();
  authority_.clear();
  host_.clear();
  singles_ = 0;
}

// ---- chunked bodies -------------------------------------------------------------------------------------------------

ChunkReader::Verdict ChunkReader::Refuse(int status, const char* slug, std::string detail) {
  refusal_ = {status, slug, std::move(detail)};
  return Verdict::kRefused;
}

ChunkReader::Verdict ChunkReader::Take(std::string_view bytes, std::string* body, size_t* taken) {
  *taken = 0;
  while (*taken < bytes.size()) {
    const std::string_view rest = bytes.substr(*taken);
    if (place_ == Place::kBytes) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
      body->append(rest.substr(0, count));
      *taken += count;
      left_ -= count;
      if (left_ == 0) place_ = Place::kAfterBytes;
      continue;
    }
    const size_t end = rest.find_first_of("\r\n");
    const bool is_size = place_ == Place::kSize;
    if (end == std::string_view::npos ? rest.size() > kChunkLineBytesMax : end > kChunkLineBytesMax) {
      return Refuse(400, "malformed-request", "a chunk's size line is too long");
    }
    if (!is_size && end != 0) {
      return Refuse(
          400, "malformed-request",
          place_ == Place::kAfterLast ? "trailer fields are not taken" : "a chunk is longer than its size says");
    }
    if (end == std::string_view::npos || (rest[end] == '\r' && end + 1 == rest.size())) return Verdict::kMore;
    if (rest[end] != '\r' || rest[end + 1] != '\n') {
      return Refuse(400, "malformed-request", "a chunk's lines end with CR LF");
    }
    *taken += end + 2;
    if (place_ == Place::kAfterLast) return Verdict::kWhole;
    if (place_ == Place::kAfterBytes) {
      place_ = Place::kSize;
    } else if (TakeSizeLine(rest.substr(0, end), body->size()) == Verdict::kRefused) {
      return Verdict::kRefused;
    }
  }
  return Verdict::kMore;
}

ChunkReader::Verdict ChunkReader::TakeSizeLine(std::string_view line, size_t body_bytes) {
  size_t digits = 0;
  uint64_t size = 0;
  for (; digits < line.size() && HexValue(line[digits]) >= 0; ++digits) {
    size = 16 * size + static_cast<uint64_t>(HexValue(line[digits]));
    if (digits == kChunkSizeDigitsMax) return Refuse(400, "malformed-request", "a chunk's size is no size of anything");
  }
  const std::string_view extension = line.substr(digits);
  if (digits == 0 || (!extension.empty() && extension[0] != ';')) {
    return Refuse(400, "malformed-request", "a chunk's size is no hexadecimal number");
  }
  extension_bytes_ += extension.size();
  if (extension_bytes_ > kChunkExtensionBytesMax || HasControl(extension)) {
    return Refuse(400, "malformed-request", "the chunks' extensions are too long, or hold control characters");
  }
  if (size > body_bytes_max_ - std::min<uint64_t>(body_bytes, body_bytes_max_)) {
    return Refuse(413, "body-too-large",
                  "the request's body is larger than the " + std::to_string(body_bytes_max_) +
                      " bytes that this path takes: send less at once");
  }
  left_ = size;
  place_ = size > 0 ? Place::kBytes : Place::kAfterLast;
  return Verdict::kMore;
}

bool IsSafeResponseField(std::string_view name, std::string_view value) { return IsToken(name) && !HasControl(value); }

}  // namespace rapport

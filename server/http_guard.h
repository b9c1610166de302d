// What stands between the wire and the HTTP parser: request smuggling lives on two readers that disagree where a
// message ends or whom it is for, so whatever can be read in two ways is refused here, before anything is believed.
//
//   method SP target SP "HTTP/1." ("0" | "1") CRLF *( name ":" value CRLF ) CRLF       and nothing that is nearly so
//   chunk: 1*8HEXDIG [ ";" extension ] CRLF bytes CRLF;  the end: "0" CRLF CRLF, without trailer fields
//
// What passes is also taken apart: a plain head (HeadGuard::is_lean) needs no second reader, every other one goes on to
// Beast's parser, and both must take it. Knows no socket and no clock. docs/SECURITY.md has the rules as a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace rapport {

struct GuardOptions {
  size_t header_bytes_max = limits::kHttpHeaderBytesMax;             // request line, fields and the empty line: 431
  size_t request_line_bytes_max = limits::kHttpRequestLineBytesMax;  // 414
  size_t fields_max = limits::kHttpFieldsMax;                        // 431
  // Off only in tests, where it shows what the parser behind takes by itself: a head is then whatever ends with an
  // empty line.
  bool strict = true;
};

// What is answered before the connection is closed.
struct GuardRefusal {
  int status = 400;
  const char* slug = "malformed-request";
  std::string detail;
};

// Reads one request's head as it arrives. One owner, one thread, one request.
class HeadGuard {
 public:
  enum class Verdict { kMore, kWhole, kRefused };
  explicit HeadGuard(const GuardOptions& options) : options_(options) {}

  // `bytes` from the request's first byte on; the same and more at each call. Looks at each byte once.
  Verdict Look(std::string_view bytes);
  size_t head_bytes() const { return line_at_; }  // after kWhole: with the empty line
  const GuardRefusal& refusal() const { return refusal_; }

  // After kWhole, of the `bytes` that Look saw last. A lean head says nothing that changes how the connection or the
  // body is read (Transfer-Encoding, Expect, Upgrade, Connection beyond `close` and `keep-alive`) and is HTTP/1.1: what
  // stands here is then all there is to know, and the body follows in `length()` bytes.
  bool is_lean() const { return is_lean_ && !version_1_0_ && options_.strict; }
  bool keep_alive() const { return keep_alive_; }  // of a lean head
  uint64_t length() const { return length_; }
  std::string_view method(std::string_view bytes) const { return method_.Of(bytes); }
  std::string_view target(std::string_view bytes) const { return target_.Of(bytes); }
  std::string_view path(std::string_view bytes) const;  // the target without its query
  struct Place {
    size_t at = 0, size = 0;
    std::string_view Of(std::string_view bytes) const { return bytes.substr(at, size); }
  };
  struct Field {
    Place name, value;  // as they came, the value without the space around it
  };
  const std::vector<Field>& fields() const { return places_; }
  // For the next request: keeps the memory.
  void Reset();

 private:
  Verdict LookLoosely(std::string_view bytes);
  Verdict Refuse(int status, const char* slug, std::string detail);
  Verdict Malformed(std::string detail) { return Refuse(400, "malformed-request", std::move(detail)); }
  Verdict TooLong(bool request_line);
  Verdict CheckLine(std::string_view line);
  Verdict CheckRequestLine(std::string_view line);
  Verdict CheckTarget(std::string_view method, std::string_view target);
  Verdict CheckField(std::string_view line);
  Verdict CheckValue(size_t single, std::string_view value);
  Verdict CheckWhole();

  const GuardOptions options_;
  GuardRefusal refusal_;
  size_t line_at_ = 0;  // start of the line that is not whole yet
  size_t seen_ = 0;     // bytes looked at
  bool version_1_0_ = false;
  bool is_lean_ = true;
  bool keep_alive_ = true;
  bool said_connection_ = false;
  uint64_t length_ = 0;
  Place method_, target_;
  std::vector<Field> places_;
  std::string authority_;  // of the absolute form, lower case
  std::string host_;       // lower case; read only when there is an authority
  uint32_t singles_ = 0;   // fields seen that may stand once only, a bit each
};

// Takes a chunked body apart as it arrives. One owner, one thread, one body.
class ChunkReader {
 public:
  enum class Verdict { kMore, kWhole, kRefused };
  // `body_bytes_max`: of the decoded body, 413 beyond it.
  explicit ChunkReader(uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  // Takes from the front of `bytes` what it can read, appends the decoded bytes to `body` and sets `*taken`. After
  // kWhole the rest of `bytes` is the next request's.
  Verdict Take(std::string_view bytes, std::string* body, size_t* taken);
  const GuardRefusal& refusal() const { return refusal_; }

 private:
  enum class Place { kSize, kBytes, kAfterBytes, kAfterLast };
  Verdict Refuse(int status, const char* slug, std::string detail);
  Verdict TakeSizeLine(std::string_view line, size_t body_bytes);

  const uint64_t body_bytes_max_;
  GuardRefusal refusal_;
  Place place_ = Place::kSize;
  uint64_t left_ = 0;           // of this chunk
  size_t extension_bytes_ = 0;  // of all chunks together
};

// A field that may go into a response: its name is a token, its value has no line break or other control character.
bool IsSafeResponseField(std::string_view name, std::string_view value);

}  // namespace rapport

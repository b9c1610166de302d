// See targets.h.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <string>

#include "server/http_guard.h"
#include "server/route_table.h"
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {
namespace {

// As GuardRefusal's verdicts, whatever the pieces that the bytes arrive in.
HeadGuard::Verdict HeadVerdict(std::string_view bytes, size_t piece, size_t* head_bytes) {
  HeadGuard guard{GuardOptions{}};
  HeadGuard::Verdict verdict = HeadGuard::Verdict::kMore;
  for (size_t end = std::min(piece, bytes.size()); verdict == HeadGuard::Verdict::kMore;
       end = std::min(end + piece, bytes.size())) {
    verdict = guard.Look(bytes.substr(0, end));
    if (end == bytes.size()) break;
  }
  *head_bytes = verdict == HeadGuard::Verdict::kWhole ? guard.head_bytes() : 0;
  return verdict;
}

ChunkReader::Verdict ChunkVerdict(std::string_view bytes, size_t piece, std::string* body) {
  ChunkReader reader(1 << 20);
  ChunkReader::Verdict verdict = ChunkReader::Verdict::kMore;
  std::string waiting;
  for (size_t at = 0; at < bytes.size() && verdict == ChunkReader::Verdict::kMore; at += piece) {
    waiting += bytes.substr(at, piece);
    size_t taken = 0;
    verdict = reader.Take(waiting, body, &taken);
    Promise(taken <= waiting.size(), "no more is taken than there is");
    waiting.erase(0, taken);
  }
  return verdict;
}

// A head that goes to no parser in the server (HeadGuard::is_lean), held to what Beast's makes of it.
void LeanHead(std::string_view bytes) {
  HeadGuard guard{GuardOptions{}};
  if (guard.Look(bytes) != HeadGuard::Verdict::kWhole || !guard.is_lean()) return;
  boost::beast::http::request_parser<boost::beast::http::empty_body> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  boost::beast::error_code error;
  const size_t taken = parser.put(boost::asio::buffer(bytes.data(), guard.head_bytes()), error);
  Promise(!error && taken == guard.head_bytes() && parser.is_header_done(), "the parser takes a lean head");
  const auto& head = parser.get();
  Promise(guard.method(bytes) == std::string_view(head.method_string()), "and reads the same method");
  Promise(guard.target(bytes) == std::string_view(head.target()), "the same target");
  Promise(head.version() == 11 && guard.keep_alive() == head.keep_alive(), "the same of the connection");
  Promise(!parser.chunked() && guard.length() == parser.content_length().value_or(0), "the same length");
  size_t fields = 0;
  for (const auto& field : head) {
    fields += 1;
    const bool known = std::any_of(guard.fields().begin(), guard.fields().end(), [&](const HeadGuard::Field& ours) {
      return ours.name.Of(bytes) == std::string_view(field.name_string()) &&
             ours.value.Of(bytes) == std::string_view(field.value());
    });
    Promise(known, "the same fields");
  }
  Promise(fields == guard.fields().size(), "and as many");
}

}  // namespace

void HttpHead(std::string_view bytes) {
  LeanHead(bytes);
  size_t whole_bytes = 0, pieces_bytes = 0;
  const HeadGuard::Verdict whole = HeadVerdict(bytes, bytes.size() + 1, &whole_bytes);
  const HeadGuard::Verdict pieces = HeadVerdict(bytes, 1, &pieces_bytes);
  Promise(whole == pieces && whole_bytes == pieces_bytes, "a head in pieces is the head at once");
  if (whole != HeadGuard::Verdict::kWhole) return;
  const std::string_view head = bytes.substr(0, whole_bytes);
  Promise(head.ends_with("\r\n\r\n"), "a head ends with an empty line");
  const size_t target_at = head.find(' ') + 1;
  const std::string_view target = head.substr(target_at, head.find(' ', target_at) - target_at);
  (void)SplitPath(target.substr(0, target.find('?')));
  std::string at_once, in_pieces;
  const std::string_view rest = bytes.substr(whole_bytes);
  const ChunkReader::Verdict once = ChunkVerdict(rest, rest.size() + 1, &at_once);
  Promise(once == ChunkVerdict(rest, 1, &in_pieces), "a body in pieces is the body at once");
  Promise(once != ChunkReader::Verdict::kWhole || at_once == in_pieces, "and its bytes are the same");
}

}  // namespace rapport::fuzz

#include "server/route_table.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"

namespace rapport {

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kIsPlus, kIsSpace };

Result<std::string> PercentDecode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kIsSpace) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Status::InvalidArgument(
            "a '%' in the URL must be followed by two hex digits; write a percent sign as %25");
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> SplitPath(std::string_view path) {
  if (path.empty() || path[0] != '/') return Status::InvalidArgument("the URL's path must begin with '/'");
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (end == 0)
      return Status::InvalidArgument("the URL's path has an empty segment; write a slash inside an id as %2F");
    Result<std::string> segment = PercentDecode(path.substr(0, end), Plus::kIsPlus);
    if (!segment.ok()) return segment.status();
    if (segment->size() > limits::kExternalIdBytesMax) {
      return Status::InvalidArgument("an id in the URL is longer than " + std::to_string(limits::kExternalIdBytesMax) +
                                     " bytes");
    }
    segments.push_back(segment.Take());
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

Result<std::map<std::string, std::string>> ParseQuery(std::string_view query) {
  std::map<std::string, std::string> out;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    Result<std::string> name = PercentDecode(pair.substr(0, equals), Plus::kIsSpace);
    Result<std::string> value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), Plus::kIsSpace);
    if (!name.ok()) return name.status();
    if (!value.ok()) return value.status();
    if (!out.emplace(*name, value.Take()).second) {
      return Status::InvalidArgument("the query gives " + QuoteForMessage(*name) + " twice; give it once");
    }
  }
  return out;
}

Route& RouteTable::Add(Route route) {
  std::vector<Piece> pieces;
  std::string_view rest = route.pattern;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash: Check() refuses patterns without
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view text = rest.substr(0, end);
    const bool parameter = text.size() > 2 && text.front() == '{' && text.back() == '}';
    pieces.push_back({std::string(parameter ? text.substr(1, text.size() - 2) : text), parameter});
    rest.remove_prefix(end);
  }
  routes_.push_back(std::move(route));
  pieces_.push_back(std::move(pieces));
  return routes_.back();
}

Status RouteTable::Check() const {
  std::map<std::string, std::string> seen;  // method and shape -> pattern
  for (size_t i = 0; i < routes_.size(); ++i) {
    const std::string& pattern = routes_[i].pattern;
    if (pattern.empty() || pattern[0] != '/')
      return Status::InvalidArgument("route " + pattern + " must begin with '/'");
    if (!routes_[i].handler) return Status::InvalidArgument("route " + pattern + " has no handler");
    std::string shape = MethodName(routes_[i].method);
    for (const Piece& piece : pieces_[i]) {
      if (piece.text.empty() || (!piece.parameter && piece.text.find_first_of("{}%") != std::string::npos)) {
        return Status::InvalidArgument("route " + pattern + " has a malformed segment");
      }
      shape += piece.parameter ? "/{}" : "/" + piece.text;
    }
    const auto [other, added] = seen.emplace(shape, pattern);
    if (!added)
      return Status::InvalidArgument("routes " + other->second + " and " + pattern + " match the same requests");
  }
  return Status::Ok();
}

RouteMatch RouteTable::Match(Method method, const std::vector<std::string>& segments) const {
  RouteMatch match;
  std::vector<bool> best;  // literal or not, from left to right: the lexicographically greatest wins
  size_t best_index = 0;
  for (size_t i = 0; i < routes_.size(); ++i) {
    const std::vector<Piece>& pieces = pieces_[i];
    if (pieces.size() != segments.size()) continue;
    // From the right: nearly all paths begin with the same word.
    size_t s = segments.size();
    while (s > 0 && (pieces[s - 1].parameter || pieces[s - 1].text == segments[s - 1])) --s;
    if (s > 0) continue;
    if (std::find(match.allowed.begin(), match.allowed.end(), routes_[i].method) == match.allowed.end()) {
      match.allowed.push_back(routes_[i].method);
    }
    if (routes_[i].method != method) continue;
    std::vector<bool> literal;
    for (const Piece& piece : pieces) literal.push_back(!piece.parameter);
    if (match.route && !(best < literal)) continue;
    match.route = &routes_[i];
    best = std::move(literal);
    best_index = i;
  }
  if (match.route == nullptr) return match;
  for (size_t s = 0; s < segments.size(); ++s) {
    if (pieces_[best_index][s].parameter) match.parameters[pieces_[best_index][s].text] = segments[s];
  }
  return match;
}

}  // namespace rapport

#include "engine/content/attributes.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

constexpr size_t kTitleWordsMax = 64;
constexpr size_t kTraitBytesMax = 64;  // a longer text is prose or a key, not a trait

void SortUnique(std::vector<uint64_t>& tokens) {
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
}

std::string HalfOctave(double value) { return std::to_string(static_cast<int>(std::floor(2 * std::log2(value)))); }

// One attribute as tokens: text and lists as name=value, true as the name alone.
void AddValue(const std::string& name, const Value& value, std::vector<uint64_t>& tokens) {
  const auto text = [&](const std::string& one) {
    if (!one.empty() && one.size() <= kTraitBytesMax) tokens.push_back(HashToken(name + "=" + one));
  };
  if (const auto* one = std::get_if<std::string>(&value)) text(*one);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& one : *list) text(one);
  }
  if (const auto* flag = std::get_if<bool>(&value); flag != nullptr && *flag) tokens.push_back(HashToken(name));
}

}  // namespace

uint64_t HashToken(std::string_view token) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : token) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ull;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebull;
  hash ^= hash >> 31;
  return hash != 0 ? hash : 1;  // 0 means none
}

AttributeItem DescribeItem(const Item& item, WordBreaker& words) {
  AttributeItem out;
  for (const std::string& word : words.Words(item.title, kTitleWordsMax)) out.tokens.push_back(HashToken("w:" + word));
  for (const std::string& category : item.categories) out.tokens.push_back(HashToken("c:" + category));
  for (const std::string& tag : item.tags) out.tokens.push_back(HashToken("g:" + tag));
  if (!item.kind.empty()) out.tokens.push_back(HashToken("k:" + item.kind));
  for (const auto& [name, value] : item.attributes) AddValue("a:" + name, value, out.tokens);
  if (item.price && item.price->mantissa > 0) {
    out.price = static_cast<float>(item.price->ToDouble());
    out.tokens.push_back(HashToken("p:" + HalfOctave(item.price->ToDouble())));
  }
  if (!item.categories.empty()) out.category = HashToken("c:" + item.categories.front());
  out.embedding = item.embedding;
  SortUnique(out.tokens);
  return out;
}

std::vector<uint64_t> DescribeCustomer(const Profile& profile) {
  std::vector<uint64_t> tokens;
  if (!profile.country.empty()) tokens.push_back(HashToken("country=" + profile.country));
  if (!profile.locale.empty()) tokens.push_back(HashToken("locale=" + profile.locale));
  for (const auto& [name, value] : profile.traits) {
    AddValue(name, value, tokens);
    if (const auto* number = std::get_if<double>(&value); number != nullptr && *number != 0 && std::isfinite(*number)) {
      tokens.push_back(HashToken(name + (*number < 0 ? "~-" : "~") + HalfOctave(std::abs(*number))));
    }
  }
  SortUnique(tokens);
  return tokens;
}

}  // namespace rapport

#include "engine/contact/variants.h"

#include <algorithm>
#include <map>

namespace rapport {
namespace {

// "de_CH" -> "de-ch"
std::string Plain(std::string_view tag) {
  std::string out(tag);
  for (char& c : out) c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}
std::string Primary(const std::string& tag) { return tag.substr(0, tag.find('-')); }

// Less is better.
int Distance(const std::string& language, const std::string& locale) {
  if (language.empty()) return 2;
  if (locale.empty()) return 3;
  if (language == locale) return 0;
  return Primary(language) == Primary(locale) ? 1 : 3;
}

}  // namespace

std::string VariantGroupOf(const Item& item) {
  const auto found = item.attributes.find("variantGroup");
  const auto* text = found == item.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

void KeepOwnLanguage(std::span<const Variant> contents, std::string_view locale, std::span<uint8_t> refused) {
  const std::string own = Plain(locale);
  std::map<std::string_view, int> nearest;
  for (size_t i = 0; i < contents.size(); ++i) {
    if (contents[i].group.empty() || refused[i] != 0) continue;
    const int distance = Distance(Plain(contents[i].language), own);
    const auto known = nearest.try_emplace(contents[i].group, distance).first;
    known->second = std::min(known->second, distance);
  }
  for (size_t i = 0; i < contents.size(); ++i) {
    if (contents[i].group.empty() || refused[i] != 0) continue;
    if (Distance(Plain(contents[i].language), own) > nearest.at(contents[i].group)) refused[i] = 1;
  }
}

}  // namespace rapport

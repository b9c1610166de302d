// Variants of one content, in languages and styles: items with the same attribute "variantGroup". One contact carries
// one of them: the customer's language comes first, value second (the decision among those that are left).
//
//   left of a group = its variants in the customer's locale ("de-CH"), else in its language ("de", "de-AT"), else those
//                     that name no language, else all
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "data/records.h"

namespace rapport {

// The attribute "variantGroup"; empty: a content of its own.
std::string VariantGroupOf(const Item& item);

struct Variant {
  std::string group, language;  // BCP 47; empty: none
};
// Sets refused[i] for variants that give way to another one. Those refused already do not count. `locale` of the
// customer; empty: unknown.
void KeepOwnLanguage(std::span<const Variant> contents, std::string_view locale, std::span<uint8_t> refused);

}  // namespace rapport

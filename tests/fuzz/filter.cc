// See targets.h.
#include "engine/content/filter.h"

#include <string>

#include "tests/fuzz/targets.h"

namespace rapport::fuzz {
namespace {

Item OneItem() {
  Item item;
  item.id = ItemId{1};
  item.external_id = "tea";
  item.title = "Tea";
  item.categories = {"tea"};
  item.price = ParseDecimal("3.50").Take();
  item.attributes["color"] = std::string("red");
  item.catalogued = true;
  return item;
}

}  // namespace

void FilterText(std::string_view bytes) {
  const Result<Filter> filter = Filter::Parse(bytes);
  if (!filter.ok()) return Promise(!filter.status().message().empty(), "a refusal says why");
  const Result<Filter> again = Filter::Parse(bytes);
  Promise(again.ok(), "what parses once parses twice");
  static const Item item = OneItem();
  Promise(filter->Matches(item, nullptr) == again->Matches(item, nullptr), "and means the same");
}

}  // namespace rapport::fuzz

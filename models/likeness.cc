#include "models/likeness.h"

#include <cmath>

namespace rapport {

namespace {
constexpr double kPriceSpread = 0.7;
}

Likeness::Likeness(const AttributeModel& attributes, std::span<const uint32_t> rows, std::span<const float> weights)
    : attributes_(attributes) {
  for (size_t i = 0; i < rows.size(); ++i) Change(rows[i], weights[i], 1);
}

void Likeness::Change(uint32_t row, float weight, int sign) {
  if (attributes_.rows() == 0) return;
  const auto change = [&](Sum& sum) {
    sum.weight += sign * double{weight};
    sum.items += static_cast<size_t>(sign);
  };
  change(total_);
  if (const uint64_t category = attributes_.categories[row]; category != 0) change(by_category_[category]);
  const float price = attributes_.prices[row];
  if (!(price > 0)) return;
  change(priced_);
  log_prices_ += sign * double{weight * std::log(price)};
}

float Likeness::Price(float price) const {
  if (priced_.items == 0 || !(price > 0)) return 0;
  const double apart = (std::log(price) - log_prices_ / priced_.weight) / kPriceSpread;
  return static_cast<float>(std::exp(-0.5 * apart * apart));
}

float Likeness::Category(uint64_t category) const {
  if (category == 0) return 0;
  const auto found = by_category_.find(category);
  if (found == by_category_.end() || found->second.items == 0) return 0;
  return static_cast<float>(found->second.weight / total_.weight);
}

}  // namespace rapport

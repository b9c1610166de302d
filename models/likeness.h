// How price and category of an item agree with a history:
//   price     exp(-(log price - m)^2 / (2 0.7^2)),  m = weighted mean of the log prices of the history
//   category  weight of the history in the item's category / weight of the history
// Kept as sums, so that one item can leave the history and come back for the price of a look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "models/attributes.h"

namespace rapport {

// One owner, one thread. The model must outlive it.
class Likeness {
 public:
  // `rows` and `weights` > 0 are parallel; nothing is like anything when the model has no attributes.
  Likeness(const AttributeModel& attributes, std::span<const uint32_t> rows, std::span<const float> weights);

  // One item leaves the history, or comes back. REQUIRES that it is in it, or was.
  void Remove(uint32_t row, float weight) { Change(row, weight, -1); }
  void Return(uint32_t row, float weight) { Change(row, weight, 1); }

  // 0 to 1; 0 without a price on either side, 0 for category 0.
  float Price(float price) const;
  float Category(uint64_t category) const;

 private:
  struct Sum {
    double weight = 0;
    size_t items = 0;  // that a sum is empty is counted: subtraction leaves crumbs
  };
  void Change(uint32_t row, float weight, int sign);

  const AttributeModel& attributes_;
  Sum total_, priced_;
  double log_prices_ = 0;
  std::map<uint64_t, Sum> by_category_;
};

}  // namespace rapport

// Prices corrected while a plan is drawn. The dual's prices foresee what each customer takes; the draw takes something
// else: prices are not exact, exploration spreads, arms are exhausted. Before each block:
//
//   excess = (foreseen of the customers to come) + (surprise per customer so far) x (customers to come) - (what is
//   left) prices = dual's prices + (part to come x H)^-1 excess, over the limits that have a price; kept in
//            [a quarter, four times] of the dual's
//
// A surprise is what was used beyond what the same formula foresaw. H: dual_prices.h. The gap does not depend on how
// well this works: it is measured on the plan against the dual's bound.
// Source: docs/MODELS.md "Allocation"; resolving prices with what is left: Jasin and Kumar 2012,
// https://doi.org/10.1287/moor.1120.0542.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "models/dual_prices.h"

namespace rapport {

// One owner, one thread. `limits` and `dual` outlive it.
class PriceSteering {
 public:
  // Nearer to the end a single send would move prices too far.
  static constexpr double kPartToComeMin = 0.0005;

  // Of the mean bend: hours that are nearly the same hour would take steps beyond what the bends can tell.
  static constexpr double kDamping = 0.1;

  PriceSteering(const LimitSet& limits, const DualPrices& dual);
  ~PriceSteering();
  PriceSteering(const PriceSteering&) = delete;
  PriceSteering& operator=(const PriceSteering&) = delete;

  // The prices of the next block; at first the dual's.
  std::span<const double> prices() const { return prices_; }
  // `used` so far, by limit.
  void Steer(std::span<const int64_t> used);
  // These customers have had their turn, at prices().
  void Pass(std::span<const uint32_t> customers);

 private:
  struct Factor;

  const LimitSet& limits_;
  const DualPrices& dual_;
  std::vector<double> prices_;
  std::vector<uint32_t> priced_;  // limits
  std::vector<double> to_come_;   // by limit: foreseen at the dual's prices
  std::vector<double> foreseen_;  // by priced limit: so far, at the prices of each block
  size_t passed_ = 0;
  std::unique_ptr<Factor> factor_;
};

}  // namespace rapport

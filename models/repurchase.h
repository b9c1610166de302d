// When is it time again? The chance that a customer buys an item again within the next 28 days, from what others did
// with the item and from the customer's own rhythm (docs/MODELS.md section 11).
//
//   an order is a trial: the customer comes back for the item with probability s_i, after a lognormal gap
//   log g ~ N(m_i, v_i), or never;  F_i = its distribution function
//   gaps    m_i, v_i: mean and variance of the log gaps in days, shrunk with 10 gaps of the item's category (and the
//           category with 10 of all)
//   share   s_i = (returns + 10 s_c) / (returns + sum over open orders of F_c(age) + 10): an order that is still young
//           counts as little against it as it could have been answered by now (censoring)
//   own     m_ui and s_ui: the same, shrunk with 2 trials of the item, over the customer's own gaps
//   score   P = s (F(a + 28) - F(a)) / (1 - s F(a)),   a = days since the last order (defective lognormal hazard)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"

namespace rapport {

// One order of an item by a customer.
struct Purchase {
  uint32_t customer = 0, row = 0;
  Timestamp time;
};

struct RepurchaseTerms {
  float share = 0;      // s, 0..1
  float log_gap = 0;    // m, of days
  float deviation = 1;  // sqrt(v)
};

// Immutable after Fit or load; empty: not fitted.
struct RepurchaseModel {
  std::vector<RepurchaseTerms> terms;  // (rows)
};

// `categories`: (rows) or empty. Nobody ever came back for anything: every share is 0.
RepurchaseModel FitRepurchase(uint32_t rows, std::vector<Purchase> purchases, std::span<const uint64_t> categories,
                              Timestamp as_of);

// P for one customer and item. `times`: the customer's orders of it, ascending, not empty.
double RepurchaseChance(const RepurchaseTerms& terms, std::span<const Timestamp> times, Timestamp now);

}  // namespace rapport

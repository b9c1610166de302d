// Prices of limits that are by the hour, learned by rehearsing the draw. Customers who share one curve over the hours
// all change their mind at the same price: steps that look at many of them at fixed prices jump to and fro, because D
// (dual_prices.h) has an edge where they stand. Here one customer chooses after the other, and prices move at each
// turn:
//
//   l_k += s_k / m_k                  where the customer's best arm takes of limit k,
//   l_k -= s_k / m_k  most_k / (m_k N)  at every turn, never below 0
//   s_k = r W sqrt(1 / n_k),  n_k = most_k / m_k of the sample
//
// m_k the units that a send takes, W the mean worth of an answer without prices, N the turns of a round, r falling from
// round to round; a round ends with the mean of its second half. It is a subgradient step of D for each customer
// (online dual descent: Balseiro, Lu, Mirrokni 2020, https://arxiv.org/abs/2002.10421).
//
// Shortlists are made for a block at once, on all cores; who is chosen from them is decided in turn: the same bits on
// any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "models/arm_search.h"

namespace rapport {

struct RehearsalOptions {
  uint64_t seed = 1;                // of the sample and its order
  uint32_t customers_max = 65'536;  // of the sample
  uint32_t block_customers = 512;   // shortlists at the same prices
  ShortlistOptions shortlist{24, 8};
  std::vector<double> rates{0.45, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005};  // r, by round
  int threads = 0;
};

// By limit, each >= 0. REQUIRES a source for `customers`, and limits made for `shape`.
std::vector<double> RehearsePrices(const ArmShape& shape, const LimitSet& limits, const ArmSource& source,
                                   uint32_t customers, const RehearsalOptions& options);

}  // namespace rapport

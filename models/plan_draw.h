// Customers drawn in turn, within limits that they share.
//
//   shortlist_u = the best arms at the prices, with nothing; arms that no longer fit a limit are taken out BEFORE the
//                 draw
//   policy      = (1 - e) softmax_t(worth) + e / (arms that are left);  t = 0: all on the best (the first of equals)
//   order       = a seeded shuffle
//
//   the rest    = without dice, what is left of a limit at the end is handed out in a second turn
//   (DrawOptions::hand_out),
//                 in which who comes too late for an arm looks again
//   prices      = those of the dual, corrected on the way for what has been used otherwise than foreseen
//                 (price_steering.h)
//
// Prices that were rehearsed (price_rehearsal.h) keep the pace at each turn instead, n_k the sends that the limit has
// for all and t the share of the customers who had their turn:
//   price_k = l_k max(0, 1 + g (used_k - t most_k) / m_k / sqrt(1 + (1 - t) n_k))
//
// What is logged as propensity is what was drawn with, and no limit is ever exceeded. The best of a customer may be
// gone when the turn comes: then the next best stands there, at its own propensity.
// Source: docs/MODELS.md "Allocation".
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/dual_prices.h"

namespace rapport {

struct DrawOptions {
  uint64_t seed = 1;       // of the order and of the draws
  double temperature = 0;  // t, money
  double exploration = 0;  // e, 0..1
  ShortlistOptions shortlist;
  bool steer = true;   // false: the dual's prices to the end
  double pace = 0.05;  // g
  // Without dice (t = 0, e = 0): what limits have left at the end goes to customers who got nothing for its price, in a
  // second turn of theirs; their first record said nothing, the second counts.
  bool hand_out = true;
  uint32_t block_customers =
      0;            // shortlists and prices are made for so many at a time, with what is left then; 0: a 250th
  int threads = 0;  // 0: all cores; the same bits on any number
};

enum class DrawReason : uint8_t {
  kBest,          // the arm that is worth most of those left
  kExplored,      // another one, by the dice
  kNothingWorth,  // every arm costs more than it brings
  kPriced,        // an arm would pay, but what it takes of a limit is worth more elsewhere, or is used up
  kNoArm,         // nothing may be sent to this customer
};

// By customer.
struct DrawnArm {
  Arm arm;
  DrawReason reason = DrawReason::kNoArm;
  uint8_t arms_left = 0;  // of the shortlist when the turn came
  uint32_t turn = 0;
  float value = 0, worth = 0;  // money: before and after prices
  double propensity = 0;
};

// Everything that one draw looked at; valid during the call.
struct DrawRecord {
  uint32_t customer;
  std::span<const WorthArm> shortlist;    // what was left
  std::span<const double> probabilities;  // one for each
  const DrawnArm& drawn;
  std::span<const double> prices;  // by limit, at this turn
};
// Called in the order of the turns, on the caller's thread.
using DrawSink = std::function<void(const DrawRecord&)>;

struct Plan {
  std::vector<DrawnArm> drawn;  // by customer
  std::vector<int64_t> used;    // by limit
  double value = 0;             // of all arms drawn, money
  double expected_value = 0;    // of the policy, with the limits as they were at each turn
  uint64_t sends = 0;
};

// The number in [0, 1) that a customer's draw takes: the first arm of the shortlist whose summed probability is above
// it.
double DrawNumber(uint64_t seed, uint32_t customer);

// The probabilities of `shortlist` in its order; they sum to 1. REQUIRES a shortlist that is not empty.
void PolicyOf(std::span<const WorthArm> shortlist, double temperature, double exploration, std::vector<double>* out);

// REQUIRES prices of FindPrices for the same customers and limits.
Plan DrawPlan(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, const DualPrices& prices,
              const DrawOptions& options, const DrawSink& sink = nullptr);

}  // namespace rapport

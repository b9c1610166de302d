// `rapport evaluate`: judges recommendations offline on the store's own events (docs/JUDGING.md).
//
//   rapport evaluate --data DIR --protocol online-retail-ii
//   rapport evaluate --data DIR --split 2011-09-01 --until 2011-10-01 --json
//   rapport evaluate --data DIR --tune 10 --parts 4
//   rapport evaluate --data DIR --task explanations
//   rapport evaluate --data DIR --task cold-items
//   rapport evaluate --data DIR --task timing --zone Europe/London
//
// A table for people on `out`, or JSON with --json; --out writes the JSON to a file as well.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "data/store.h"
#include "engine/learning/cold_evaluation.h"
#include "engine/learning/evaluation.h"
#include "engine/options.h"

namespace rapport {

// Each field is a flag of the same name: --split, --until, ... (empty or 0: the default of the protocol).
struct EvaluateArguments {
  // --protocol: "time-split": the last --holdout-days of the log, all customers, refunds subtract.
  //             "online-retail-ii": known customers, orders only, refunds left out, --split 2011-10-01 --until
  //             2011-12-10.
  std::string protocol = "time-split";
  // --task: "ranking" (next basket and new items), "explanations" (are the stated reasons true), "cold-items",
  // "cold-customers", "sessions", or "cold" (the last three), "strong-generalisation", "timing" (when are customers
  // here)
  std::string task = "ranking";
  double mask_share = 0.2;                          // --mask-share: of items or customers, for the cold tasks
  size_t given_lines = 3;                           // --given-lines: of a session
  std::string split;                                // --split: first instant that is judged, RFC 3339 or a date
  std::string until;                                // --until: first instant that is not
  double holdout_days = 28;                         // --holdout-days: where --split is not given
  int parts = 1;                                    // --parts: of the window, each judged by models fitted before it
  int tuning_runs = 0;                              // --tune: settings drawn per rival; 0: the defaults
  double tuning_days = 28;                          // --tune-days: of validation, before the split
  int factors = 0;                                  // --factors
  int epochs = 0;                                   // --epochs
  std::string solver = "auto";                      // --solver, of iALS
  std::string start = "random";                     // --start, of iALS
  double unobserved_weight = 0;                     // --unobserved-weight
  double regularization = 0;                        // --regularization
  double half_life_days = 0;                        // --half-life-days: of the history, for iALS
  double neighbour_half_life_days = 0;              // --neighbour-half-life-days: of the history, for item kNN
  double recent_half_life_days = 0;                 // --recent-half-life-days: of recent popularity
  double mix_share = -1;                            // --mix-share: of iALS in the mixes; below 0: the default
  bool known_only = false;                          // --known-only: leave anonymous customers out
  bool orders_only = false;                         // --orders-only: learn from orders (and refunds) only
  bool ignore_refunds = false;                      // --ignore-refunds: refunds subtract nothing
  size_t customers_max = 0;                         // --customers: judge that many, drawn by seed; 0: all
  std::string zone;                                 // --zone: of the shop, for timing; empty: the protocol's, or UTC
  uint64_t seed = 1;                                // --seed
  int threads = 0;                                  // --threads, 0: all cores
  bool json = false;                                // --json
  std::string out_file;                             // --out
  EventWeights weights = EventWeights::Defaults();  // the configuration's
};

// 0 done, 1 failed, 2 wrong use; `err` says what happened and what to do.
int RunEvaluate(const EvaluateArguments& arguments, const Store& store, std::ostream& out, std::ostream& err);

// What `--json` writes: {"split","until","before":{..},"tables":[{"task","customers","rows":[..]}],"options":{..}}.
std::string EvaluationJson(const EvaluationReport& report, const EvaluationOptions& options,
                           const std::string& protocol);

}  // namespace rapport

// `rapport simulate`: writes a simulated shop (engine/learning/simulated_shop.h) as files that `rapport import` reads.
//
//   rapport simulate --customers 2000 --items 1000 --days 120 --seed 1 --out shop
//   rapport simulate --contacts 20 --dial 0.5 --truth truth.jsonl --out shop
//
//   OUT/items.jsonl     the catalogue, one item a line (data/io/json_records.h)
//   OUT/profiles.jsonl  one customer a line, known ones and visitors
//   OUT/events.jsonl    Segment's track calls in the order of time, as a shop's backend would have sent them
//   TRUTH               with contacts: what each one's probabilities really were (simulate_contacts.h); never imported
//
// The same arguments write the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

namespace rapport {

// Each field is a flag of the same name.
struct SimulateArguments {
  size_t customers = 2000;  // --customers
  size_t items = 1000;      // --items
  size_t days = 120;        // --days
  uint64_t seed = 1;        // --seed
  std::string start;        // --start: first day, RFC 3339 or a date; empty: 2024-12-30
  std::string out;          // --out: a folder, made when it is not there; files of these names are replaced
  size_t contacts = 0;      // --contacts: sent to each customer; 0: none, and the shop is as it is without them
  double dial = 0.5;        // --dial: how strongly content, hour and channel interact, 0..1
  std::string contact_policy = "uniform";  // --contact-policy: how the shop chose: uniform, habit, model
  std::string truth;                       // --truth: a file outside of OUT; empty: none. Needs --contacts
  bool json = false;                       // --json: the summary for machines
};

// 0 done, 1 failed, 2 wrong use; the summary goes to `out`, `err` says what happened and what to do.
int RunSimulate(const SimulateArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace rapport

// The gate: may this candidate go into service? A pure function of judged numbers.
//
//   d_u = NDCG@10 of the candidate less that of the opponent, for each judged customer u
//   worse beyond noise  :=  the upper end of the 95 % bootstrap interval of mean(d_u) over customers lies below 0
// A candidate that is worse beyond noise than any opponent (the baselines and the model in service) is refused; so is
// one with a number that is not finite, whatever the operator says. With fewer than kGateCustomersMin judged customers
// an interval says nothing: the candidate passes on its shape alone, and the words say so.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rapport {

inline constexpr size_t kGateCustomersMin = 30;

enum class GateMode : uint8_t { kEnforce, kReportOnly /* the operator insists */ };

// NDCG@10 of one model by judged customer.
struct GateScores {
  std::string name;
  std::vector<double> ndcg10;
};

struct GateVerdict {
  bool accepted = false;
  std::string words;  // why, for people: what was compared, by how much; to stand after "accepted:" or "refused:"
};

// REQUIRES every opponent's size equal to the candidate's. Deterministic for a seed.
GateVerdict PassGate(std::span<const double> candidate_ndcg10, std::span<const GateScores> opponents, GateMode mode,
                     uint64_t seed);

}  // namespace rapport

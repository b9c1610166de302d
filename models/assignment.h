// Few whole places for few people: rooms to guests, call slots to customers. Exact, by a flow of least cost.
//
//   maximise sum value[guest][place] x;  each guest at most one place, each place at most its capacity,
//   a forbidden pair never (a non-smoker's smoking room);  of equal plans one that serves more guests
//
// With `most_guests` the other way round: as many guests as can be served, and of those plans the one worth most.
// First come, first served can never do better: its plan is one of those compared.
// Source: network simplex, Kiraly and Kovacs 2012, https://lemon.cs.elte.hu; wall: LEMON stands in assignment.cc only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

struct AssignmentProblem {
  size_t guests = 0;
  std::vector<uint32_t> capacity;  // by place: how many guests it takes
  std::vector<double> values;      // (guests, places), 0 .. 1e12: what it is worth that this guest gets this place
  std::vector<uint8_t> forbidden;  // (guests, places), 1: never; empty: nothing is
  bool most_guests = false;        // nobody goes without for somebody else's value
};

enum class AssignmentOutcome : uint8_t {
  kAssigned,
  kNothingAllowed,  // every place is forbidden to this guest, or there is none
  kFull,            // what is allowed went to guests who value it more
};
const char* AssignmentOutcomeName(AssignmentOutcome outcome);  // "nothing-allowed"

struct Assignment {
  static constexpr uint32_t kNoPlace = ~0u;
  std::vector<uint32_t> place;             // by guest; kNoPlace: none
  std::vector<AssignmentOutcome> outcome;  // by guest
  double value = 0;
};

inline constexpr size_t kAssignmentPairsMax = 4'000'000;  // some seconds

// kInvalidArgument for tables of another size and values out of range, kResourceExhausted for more pairs than
// kAssignmentPairsMax. Deterministic.
Result<Assignment> Assign(const AssignmentProblem& problem);

}  // namespace rapport

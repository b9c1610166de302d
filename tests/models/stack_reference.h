// The blend's candidates and features, as slowly and plainly as possible: every source scored over all rows, one array
// each. What models/stack.cc is held to, bit for bit.
#pragma once

#include "models/stack.h"

namespace rapport::reference {

struct Collected {
  std::vector<uint32_t> candidates;  // ascending
  std::vector<float> features;       // (candidates, kStackFeatures)
  std::vector<float> scores;         // (sources, rows)
};

// Newcomers are left out.
Collected CollectCandidates(const ContentModel& model, const StackQuestion& question,
                            std::span<const uint32_t> also = {});

}  // namespace rapport::reference

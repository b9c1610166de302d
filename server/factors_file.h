// Item factors as JSON lines, for data scientists to read and write (docs/MODELS.md "Factors from elsewhere"):
//   {"rapportFactors": 1, "factors": 64, "items": 4498, "unobservedWeight": 4, "regularization": 0.0003,
//    "regularizationPower": 1, "halfLifeDays": 90, "trainedUntil": "2011-09-30T20:00:00Z", "customers": 5412}
//   {"itemId": "85123A", "factor": [0.125, -0.5, ...]}       one line for each item, in any order
// Floats are written with the fewest digits that read back as the same float.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/learning/foreign_factors.h"

namespace rapport {

inline constexpr std::string_view kFactorsFileStart = "{\"rapportFactors\"";

std::string FormatFactors(const FactorTable& table);
// kInvalidArgument names the line: not JSON, an unknown or missing key, a factor of another length, a number that no
// float holds, fewer or more items than the first line says (truncated). What the store has to say comes later
// (ForeignFactors::Make).
Result<FactorTable> ParseFactors(std::string_view text);

}  // namespace rapport

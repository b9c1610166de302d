// A stacked ranker: which of the candidates will this customer choose, given how each model scores them.
//   P(item | candidates) = exp(theta . f_item) / sum over candidates exp(theta . f)        (McFadden's conditional
//   logit)
// fitted on held-out choices by Newton's method on the penalised mean log-likelihood, every customer weighing the same:
//   mean over customers of mean over chosen of log P  -  l2 / 2 |theta|^2
// Concave, so there is one optimum and no seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

inline constexpr size_t kBlendFeaturesMax = 64;

// Candidates of many customers. Plain value.
struct BlendCases {
  size_t features = 0;
  std::vector<float> values;         // (candidates, features) row major, finite
  std::vector<uint8_t> chosen;       // (candidates): 1 where the customer chose it
  std::vector<uint64_t> offsets{0};  // (customers + 1)
};

struct BlendOptions {
  double l2 = 1e-4;
  int iterations_max = 50;
  double tolerance = 1e-9;  // on the change of the objective
  int threads = 0;
};

// theta. kInvalidArgument for shapes that disagree or numbers that are not finite; kFailedPrecondition when nobody
// chose a candidate. Customers without a chosen candidate are left out. The same bits on every thread count.
Result<std::vector<double>> FitBlend(const BlendCases& cases, const BlendOptions& options);
// The same over several sets of cases with the same features, one after the other.
Result<std::vector<double>> FitBlend(std::span<const BlendCases* const> parts, const BlendOptions& options);

// The objective above, for tests.
double BlendObjective(const BlendCases& cases, std::span<const double> theta, double l2);

}  // namespace rapport

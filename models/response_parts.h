// The parts of FitResponse that learn from trials (response_fit.cc joins them and says what may be believed). Each
// writes into the model; all are deterministic on any thread count.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/response_model.h"

namespace rapport {

inline double TrialWeight(const ResponseTrial& trial, double half_life_days) {
  return std::exp2(-std::max(0.0f, trial.age_days) / half_life_days);
}

// One customer's trials of a fit, oldest first, ages as at the end of it.
struct FittedCustomer {
  uint32_t index = 0;  // of the caller's span
  std::vector<ResponseTrial> trials;
};

// Everybody's part: a penalised logistic regression (logistic.h) on all trials, its variances found by the fit.
// With `three_way` b[c][kind][h] too. REQUIRES MayFitThreeWay then.
void FitShared(std::span<const FittedCustomer> customers, bool three_way, const ResponseOptions& options,
               ResponseModel& model);
// Two kinds and two channels at least, and no more of both than tables of decisions and batches should hold.
bool MayFitThreeWay(const ResponseShape& shape);
// W, as a residual over everybody's part; with `together` also J and V. REQUIRES everybody's part, traits in the shape,
// and MayFitTogether for `together`. (response_traits.cc)
void FitTraits(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers, bool together,
               const ResponseOptions& options, ResponseModel& model);
bool MayFitTogether(const ResponseShape& shape);
// S by EM with Laplace covariances: S = (sum_u z_u z_u^T + V_u + 20 S_0) / (customers + 20), S_0 diagonal. kInternal
// when it is not positive definite.
Status FitPrior(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers,
                const ResponseOptions& options, ResponseModel& model);
void FitUnsubscribe(std::span<const FittedCustomer> customers, const ResponseOptions& options, ResponseModel& model);

}  // namespace rapport

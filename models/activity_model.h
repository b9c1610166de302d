// When is a customer here: P(h | u) over the 168 hours of the week on the customer's wall clock. A damped blend of what
// everybody does and what this customer did:
//
//   P(h | u) = a_s g_h + b_s M_u(h) + sum_k c_sk (sum_e w_e T_k(h, e) + 4 M_u(h)) / (sum_e w_e + 4)
//   g     everybody's curve, smoothed on the circle as far as validation likes it; with a segment that passed its gate,
//         the segment's curve, shrunk towards it with 200 marks
//   M_u   sum_t r_ut theta_t: types of week (a mixture of multinomials, so few numbers per customer: zones, shifts),
//   r_u
//         the posterior of the types given u's marks
//   T_k   tilted circular kernels (circular_smoothing.h) of four widths: u's own marks e, each decayed by its age, w_e
//   s     the stratum of evidence: 1-4, 5-19, 20 and more marks. Weights a, b, c >= 0 that sum to 1 are fitted on
//         validation marks per stratum by EM, with prior marks on a; a stratum that does not gain
//         by two standard errors gets a = 1. Stratum 0: exactly g.
// Source: docs/MODELS.md "Timing and channel".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "models/circular_smoothing.h"

namespace rapport {

// What one customer did, oldest first; visits within an hour of the last one count once.
struct ActivityEvidence {
  uint32_t segment = 0;
  std::span<const uint16_t> hours;  // 0..167
  std::span<const float> age_days;  // of each, or empty: not known
};

struct ActivityOptions {
  uint32_t types = 12;            // of week, in the mixture
  double half_life_days = 240;    // of a mark
  double validation_share = 0.2;  // the newest marks
  int epochs = 40;                // of the mixture
  uint64_t seed = 1;
  int threads = 0;
};

inline constexpr size_t kActivityStrata = 4;  // 0, 1-4, 5-19, 20 and more marks
size_t ActivityStratum(size_t marks);
inline constexpr std::array<CircularKernel, 4> kActivityKernels = {{{0.6, 0.1}, {1.0, 0.2}, {1.5, 0.5}, {3.0, 0.8}}};
inline constexpr double kActivityPrior = 4;  // marks with which the mixture stands beside the customer's own

// Immutable after the fit or load; shared by all threads.
struct ActivityModel {
  uint32_t segments = 1, types = 0;
  double half_life_days = 240;
  std::vector<double> global;      // (168), > 0, sums to 1
  std::vector<double> segment;     // (segments, 168), or empty: did not pass the gate
  std::vector<double> type_share;  // (types)
  std::vector<double> type_curve;  // (types, 168), > 0
  // a, b, c_1..c_4 by stratum; all of a in stratum 0 and where nothing was learned.
  std::array<std::array<double, 2 + kActivityKernels.size()>, kActivityStrata> weights{};
  // Made from the rest by Prepare, never stored: (strata, 168, 168) sum_k c_sk T_k[e][h]; log theta.
  std::vector<float> kernel_rows;
  std::vector<float> shared;  // global, as float
  std::vector<double> type_log;

  void Prepare();
  // P(h | u) into `out` (168). True when it is the customer's own; false: everybody's (or the segment's). A pure
  // function.
  bool Curve(const ActivityEvidence& evidence, std::span<float> out) const;
  // The curve of a customer without marks.
  std::span<const double> Shared(uint32_t seg) const;
};

// REQUIRES hours < 168, segments below `segments`, ages finite. No marks at all: the flat curve. Deterministic on any
// thread count.
ActivityModel FitActivity(uint32_t segments, std::span<const ActivityEvidence> customers,
                          const ActivityOptions& options);
Status CheckActivityModel(const ActivityModel& model);

}  // namespace rapport

// Curves over the 168 hours of the week that know that the week is a circle of days: hour 167 stands next to hour 0,
// and 23:00 next to 00:00 of any day.
//
//   harmonics  sqrt(2) cos, sin(2 pi k h / 168), k = 7 j + m: j turns a day (the shape of a day), m turns a week (how
//   it
//              changes over the week). Scaled by s(j, m) = 1 / ((1 + j / 2) (1 + 0.7 |m|)): with independent unit
//              normal weights a curve is a stationary Gaussian process on the circle, so a ridge on the weights is a
//              smoother.
//   kernel     K(h, e) = (1 - r) exp(-d_week^2 / 2 w^2) + r a(h, e) exp(-d_day^2 / 2 w^2), columns sum to 1
//              d_week, d_day: distance in hours on the circle of 168 and of 24; a = 1 within working days or within
//              the weekend, 1/2 across
//   tilted     T(h, e) = g_h K(h, e) / sum_x g_x K(x, e): a mark at e says "about then", and g says when anybody is
//   here
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/time.h"

namespace rapport {

// (168, functions) row major: turns of a day 0..days, of a week -weeks..weeks, without the constant; a cosine and a
// sine each. REQUIRES 7 days + weeks <= 83, weeks <= 3.
struct HourBasis {
  size_t functions = 0;
  std::vector<double> values;
  std::span<const double> At(size_t hour) const {
    return std::span<const double>(values).subspan(hour * functions, functions);
  }
};
HourBasis MakeHourBasis(int days, int weeks);
// A few curves for what has little evidence: turns of a day 1..days for all days, the weekend against the working days,
// and 1..weekend_days turns of a day of that difference. 2 days + 1 + 2 weekend_days functions, mean 0 over the week.
HourBasis MakeDayBasis(int days, int weekend_days);

struct CircularKernel {
  double width_hours = 1;    // w > 0
  double across_days = 0.3;  // r, 0..1: how much other days say about this one
};
// (168, 168) row major, K[e][h]: one row a mark's hour, summing to 1.
std::vector<double> KernelRows(const CircularKernel& kernel);
// T[e][h] for the curve `global` (168, > 0).
std::vector<double> TiltedRows(const CircularKernel& kernel, std::span<const double> global);
// sum_e counts_e K[e][h]: the total stays. `counts`: (168).
std::vector<double> SmoothCounts(const CircularKernel& kernel, std::span<const double> counts);

}  // namespace rapport

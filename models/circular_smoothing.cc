#include "models/circular_smoothing.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace rapport {
namespace {

constexpr int kDayHours = 24, kWeekHours = static_cast<int>(kHoursOfWeek);

int CircleDistance(int a, int b, int around) {
  const int distance = std::abs(a - b) % around;
  return std::min(distance, around - distance);
}

bool IsWeekend(int hour) { return hour / kDayHours >= 5; }

double Bell(int distance, double width) {
  const double ratio = distance / width;
  return std::exp(-0.5 * ratio * ratio);
}

}  // namespace

HourBasis MakeHourBasis(int days, int weeks) {
  HourBasis basis;
  std::vector<std::pair<int, double>> turns;
  for (int j = 0; j <= days; ++j) {
    for (int m = j == 0 ? 1 : -weeks; m <= weeks; ++m) {
      turns.emplace_back(7 * j + m, 1 / ((1 + 0.5 * j) * (1 + 0.7 * std::abs(m))));
    }
  }
  basis.functions = 2 * turns.size();
  for (int h = 0; h < kWeekHours; ++h) {
    for (const auto& [k, scale] : turns) {
      const double angle = 2 * std::numbers::pi * ((k * h) % kWeekHours) / kWeekHours;
      basis.values.push_back(std::numbers::sqrt2 * scale * std::cos(angle));
      basis.values.push_back(std::numbers::sqrt2 * scale * std::sin(angle));
    }
  }
  return basis;
}

HourBasis MakeDayBasis(int days, int weekend_days) {
  HourBasis basis;
  basis.functions = static_cast<size_t>(2 * days + 1 + 2 * weekend_days);
  for (int h = 0; h < kWeekHours; ++h) {
    const double contrast = IsWeekend(h) ? std::sqrt(2.5) : -std::sqrt(0.4);  // mean 0, mean square 1
    const auto turns = [&](int count, double factor) {
      for (int j = 1; j <= count; ++j) {
        const double angle = 2 * std::numbers::pi * (j * h % kDayHours) / kDayHours;
        const double scaled = std::numbers::sqrt2 * factor / (1 + 0.5 * j);
        basis.values.push_back(scaled * std::cos(angle));
        basis.values.push_back(scaled * std::sin(angle));
      }
    };
    turns(days, 1);
    basis.values.push_back(0.7 * contrast);
    turns(weekend_days, 0.6 * contrast);
  }
  return basis;
}

std::vector<double> KernelRows(const CircularKernel& kernel) {
  const std::vector<double> flat(kHoursOfWeek, 1.0);
  return TiltedRows(kernel, flat);
}

std::vector<double> TiltedRows(const CircularKernel& kernel, std::span<const double> global) {
  std::vector<double> rows(kHoursOfWeek * kHoursOfWeek);
  for (int e = 0; e < kWeekHours; ++e) {
    double* const row = rows.data() + static_cast<size_t>(e) * kHoursOfWeek;
    double sum = 0;
    for (int h = 0; h < kWeekHours; ++h) {
      const double near = Bell(CircleDistance(h, e, kWeekHours), kernel.width_hours);
      const double alike = IsWeekend(h) == IsWeekend(e) ? 1.0 : 0.5;
      const double daily = alike * Bell(CircleDistance(h % kDayHours, e % kDayHours, kDayHours), kernel.width_hours);
      row[h] = global[static_cast<size_t>(h)] * ((1 - kernel.across_days) * near + kernel.across_days * daily);
      sum += row[h];
    }
    for (int h = 0; h < kWeekHours; ++h) row[h] /= sum;
  }
  return rows;
}

std::vector<double> SmoothCounts(const CircularKernel& kernel, std::span<const double> counts) {
  const std::vector<double> rows = KernelRows(kernel);
  std::vector<double> smooth(kHoursOfWeek, 0.0);
  for (size_t e = 0; e < kHoursOfWeek; ++e) {
    if (counts[e] == 0) continue;
    for (size_t h = 0; h < kHoursOfWeek; ++h) smooth[h] += counts[e] * rows[e * kHoursOfWeek + h];
  }
  return smooth;
}

}  // namespace rapport

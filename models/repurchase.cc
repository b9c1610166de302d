#include "models/repurchase.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace rapport {
namespace {

constexpr double kGapDaysMin = 1;  // orders of the same day are one
constexpr double kPooled = 10, kOwn = 2;
constexpr double kDeviationMin = 0.25;
constexpr double kHorizonDays = 28;

double DaysBetween(Timestamp from, Timestamp to) { return static_cast<double>(to.ms - from.ms) / kDayMs; }

// F(age): share of the gaps that are over by then.
double Over(double age_days, double log_gap, double deviation) {
  if (!(age_days > 0)) return 0;
  return 0.5 * std::erfc(-(std::log(age_days) - log_gap) / (deviation * std::sqrt(2.0)));
}

// Gaps and open orders of one group.
struct Sums {
  double gaps = 0, logs = 0, squares = 0;
  double open = 0;  // sum of F(age) over open orders, second pass
};

struct Pooled {
  double log_gap = std::log(60.0), variance = 1, share = 0;
};

// What the group says, shrunk towards what it belongs to.
Pooled Shrink(const Sums& sums, const Pooled& parent) {
  Pooled out;
  const double count = sums.gaps + kPooled;
  out.log_gap = (sums.logs + kPooled * parent.log_gap) / count;
  const double around = sums.squares - 2 * out.log_gap * sums.logs + sums.gaps * out.log_gap * out.log_gap;
  const double apart = parent.log_gap - out.log_gap;
  out.variance = (std::max(0.0, around) + kPooled * (parent.variance + apart * apart)) / count;
  out.share = (sums.gaps + kPooled * parent.share) / (sums.gaps + sums.open + kPooled);
  return out;
}

double Deviation(const Pooled& pooled) { return std::max(kDeviationMin, std::sqrt(pooled.variance)); }

// Calls gap(row, days) for each pair of orders that follow each other and open(row, age) for each last one.
template <typename Gap, typename Open>
void Walk(std::span<const Purchase> purchases, Timestamp as_of, Gap gap, Open open) {
  for (size_t i = 0; i < purchases.size(); ++i) {
    const Purchase& one = purchases[i];
    const bool last =
        i + 1 == purchases.size() || purchases[i + 1].customer != one.customer || purchases[i + 1].row != one.row;
    if (last) {
      open(one.row, DaysBetween(one.time, as_of));
    } else if (const double days = DaysBetween(one.time, purchases[i + 1].time); days >= kGapDaysMin) {
      gap(one.row, days);
    }
  }
}

void AddGap(double days, Sums& sums) {
  const double log_days = std::log(days);
  sums.gaps += 1;
  sums.logs += log_days;
  sums.squares += log_days * log_days;
}

}  // namespace

RepurchaseModel FitRepurchase(uint32_t rows, std::vector<Purchase> purchases, std::span<const uint64_t> categories,
                              Timestamp as_of) {
  std::sort(purchases.begin(), purchases.end(), [](const Purchase& a, const Purchase& b) {
    return std::tie(a.customer, a.row, a.time) < std::tie(b.customer, b.row, b.time);
  });
  const auto category_of = [&](uint32_t row) { return row < categories.size() ? categories[row] : 0; };
  Sums all;
  std::map<uint64_t, Sums> by_category;
  std::vector<Sums> by_row(rows);
  Walk(
      purchases, as_of,
      [&](uint32_t row, double days) {
        for (Sums* sums : {&all, &by_category[category_of(row)], &by_row[row]}) AddGap(days, *sums);
      },
      [](uint32_t, double) {});
  Pooled everything = Shrink(all, {});
  std::map<uint64_t, Pooled> pooled;
  for (const auto& [category, sums] : by_category) pooled[category] = Shrink(sums, everything);
  Walk(
      purchases, as_of, [](uint32_t, double) {},
      [&](uint32_t row, double age_days) {
        const auto found = pooled.find(category_of(row));
        const Pooled& known = found != pooled.end() ? found->second : everything;
        const double over = Over(age_days, known.log_gap, Deviation(known));
        for (Sums* sums : {&all, &by_category[category_of(row)], &by_row[row]}) sums->open += over;
      });
  everything = Shrink(all, {});
  for (const auto& [category, sums] : by_category) pooled[category] = Shrink(sums, everything);

  RepurchaseModel model;
  for (uint32_t row = 0; row < rows; ++row) {
    const auto found = pooled.find(category_of(row));
    const Pooled own = Shrink(by_row[row], found != pooled.end() ? found->second : everything);
    model.terms.push_back(
        {static_cast<float>(own.share), static_cast<float>(own.log_gap), static_cast<float>(Deviation(own))});
  }
  return model;
}

double RepurchaseChance(const RepurchaseTerms& terms, std::span<const Timestamp> times, Timestamp now) {
  double gaps = 0, logs = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    const double days = DaysBetween(times[i - 1], times[i]);
    if (days < kGapDaysMin) continue;
    gaps += 1;
    logs += std::log(days);
  }
  const double log_gap = (logs + kOwn * terms.log_gap) / (gaps + kOwn);
  const double share = (gaps + kOwn * terms.share) / (gaps + kOwn);
  const double age = std::max(0.0, DaysBetween(times.back(), now));
  const double over = Over(age, log_gap, terms.deviation);
  const double soon = Over(age + kHorizonDays, log_gap, terms.deviation);
  const double open = 1 - share * over;
  return open > 1e-9 ? std::max(0.0, share * (soon - over) / open) : 0;
}

}  // namespace rapport

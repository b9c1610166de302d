#include "engine/learning/timing_evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>

#include "base/random.h"
#include "engine/learning/attribute_table.h"

namespace rapport {
namespace {

using Curve = std::array<double, kHoursOfWeek>;
// P(h | u) of one customer from what is known of it.
using Forecast = std::function<Curve(const ActivityEvidence&)>;

// What is known at a cut and what came after it, in the form the models take.
struct Half {
  std::vector<uint16_t> hours, later;
  std::vector<float> ages;
  uint32_t segment = 0;
  ActivityEvidence evidence() const { return {segment, hours, ages}; }
};

std::vector<Half> Cut(const std::vector<TimingCustomer>& customers, Timestamp cut, Timestamp until) {
  std::vector<Half> halves;
  for (const TimingCustomer& customer : customers) {
    Half half;
    half.segment = customer.segment;
    for (const TimingVisit& visit : customer.visits) {
      if (visit.time >= until) break;
      if (visit.time >= cut) {
        half.later.push_back(visit.hour);
        continue;
      }
      half.hours.push_back(visit.hour);
      half.ages.push_back(static_cast<float>(static_cast<double>(cut.ms - visit.time.ms) / kDayMs));
    }
    halves.push_back(std::move(half));
  }
  return halves;
}

Timestamp TimeAt(const std::vector<TimingCustomer>& customers, Timestamp before, double share) {
  std::vector<Timestamp> times;
  for (const TimingCustomer& customer : customers) {
    for (const TimingVisit& visit : customer.visits) {
      if (visit.time < before) times.push_back(visit.time);
    }
  }
  if (times.empty()) return before;
  std::sort(times.begin(), times.end());
  return times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))];
}

std::vector<double> CountHours(const std::vector<Half>& halves, const std::function<bool(const Half&)>& wanted) {
  std::vector<double> counts(kHoursOfWeek, 0.0);
  for (const Half& half : halves) {
    if (!wanted(half)) continue;
    for (const uint16_t hour : half.hours) ++counts[hour];
  }
  return counts;
}

// In the model's precision, so that equal curves are equal to the bit.
Curve Normalised(const std::vector<double>& values) {
  Curve curve;
  double sum = 0;
  for (const double v : values) sum += v;
  for (size_t h = 0; h < kHoursOfWeek; ++h) curve[h] = static_cast<float>(values[h] / sum);
  return curve;
}

// Everybody's counts, smoothed over `width_hours` (0: as they are), one mark everywhere.
Curve GlobalCurve(const std::vector<Half>& halves, double width_hours) {
  std::vector<double> counts = CountHours(halves, [](const Half&) { return true; });
  if (width_hours > 0) counts = SmoothCounts({width_hours, 0.02}, counts);
  for (double& v : counts) ++v;
  return Normalised(counts);
}

Curve OwnCounts(const ActivityEvidence& one) {
  Curve counts{};
  for (const uint16_t hour : one.hours) ++counts[hour];
  return counts;
}

// ---- the rivals: a family of forecasts by one setting each, fitted on the known half ----

struct Rival {
  std::string name, setting_name;
  std::vector<double> settings;
  std::function<Forecast(const std::vector<Half>&, double setting)> fit;
};

Rival Global() {
  return {"everybody's curve", "width", {0, 0.4, 0.6, 1, 1.5}, [](const std::vector<Half>& halves, double width) {
            const Curve curve = GlobalCurve(halves, width);
            return [curve](const ActivityEvidence&) { return curve; };
          }};
}

// Customers by segment; one without traits by how much is known of it.
uint32_t SegmentOf(const ActivityEvidence& one, bool traits) {
  return traits ? one.segment : static_cast<uint32_t>(ActivityStratum(one.hours.size()));
}

Rival Segment(uint32_t segments, double width) {
  return {"segment's curve", "prior marks", {50, 200, 1000}, [=](const std::vector<Half>& halves, double prior) {
            const bool traits = segments > 1;
            const Curve global = GlobalCurve(halves, width);
            std::vector<Curve> curves;
            for (uint32_t s = 0; s < std::max<uint32_t>(segments, kActivityStrata); ++s) {
              std::vector<double> counts =
                  CountHours(halves, [&](const Half& half) { return SegmentOf(half.evidence(), traits) == s; });
              if (width > 0) counts = SmoothCounts({width, 0.02}, counts);
              for (size_t h = 0; h < kHoursOfWeek; ++h) counts[h] += prior * global[h];
              curves.push_back(Normalised(counts));
            }
            return [curves, traits](const ActivityEvidence& one) { return curves[SegmentOf(one, traits)]; };
          }};
}

// (n_h + s) / (n + 168 s).
Rival Histogram() {
  return {
      "personal histogram", "added marks", {0.01, 0.03, 0.1, 0.3, 1, 3}, [](const std::vector<Half>&, double added) {
        return [added](const ActivityEvidence& one) {
          const Curve counts = OwnCounts(one);
          std::vector<double> sums(counts.begin(), counts.end());
          for (double& v : sums) v += added;
          return Normalised(sums);
        };
      }};
}

// (n_h + m g_h) / (n + m).
Rival Shrunk(double width) {
  return {"shrunk rate",
          "prior marks",
          {3, 6, 12, 25, 50, 100, 200, 400},
          [width](const std::vector<Half>& halves, double m) {
            const Curve global = GlobalCurve(halves, width);
            return [global, m](const ActivityEvidence& one) {
              const Curve counts = OwnCounts(one);
              std::vector<double> sums(kHoursOfWeek);
              for (size_t h = 0; h < kHoursOfWeek; ++h) sums[h] = counts[h] + m * global[h];
              return Normalised(sums);
            };
          }};
}

// Mautic's rule, read from its PeakInteractionTimer: with at least 5 interactions in the last 60 days (the newest 50),
// the lower linear median m of their hours of day gives the window m - 1, m, on their three commonest days; without,
// 9:00 to 12:00 on Tuesday, Monday, Thursday. Best first: the commonest day, m before m - 1.
std::vector<size_t> MauticHours(const ActivityEvidence& one) {
  std::vector<size_t> hours, days = {1, 0, 3}, window = {9, 10, 11};
  std::array<size_t, 7> count{};
  for (size_t e = one.hours.size(); e-- > 0 && hours.size() < 50;) {
    if (one.age_days[e] > 60) break;
    hours.push_back(one.hours[e] % 24);
    ++count[one.hours[e] / 24];
  }
  if (hours.size() >= 5) {
    std::sort(hours.begin(), hours.end());
    const size_t middle = hours[(hours.size() - 1) / 2];
    window = {middle, (middle + 23) % 24};
    days = {0, 1, 2, 3, 4, 5, 6};
    std::stable_sort(days.begin(), days.end(), [&](size_t a, size_t b) { return count[a] > count[b]; });
    days.resize(3);
    std::erase_if(days, [&](size_t day) { return count[day] == 0; });
  }
  std::vector<size_t> out;
  for (const size_t day : days) {
    for (const size_t hour : window) out.push_back(day * 24 + hour);
  }
  return out;
}

// A rule has no probabilities: its window gets a share of the mass that validation likes best, the first hours a little
// more, the rest is everybody's.
Rival Mautic(double width) {
  return {"Mautic's rule",
          "mass on its window",
          {0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4},
          [width](const std::vector<Half>& halves, double mass) {
            const Curve global = GlobalCurve(halves, width);
            return [global, mass](const ActivityEvidence& one) {
              std::vector<double> sums(global.begin(), global.end());
              for (double& v : sums) v *= 1 - mass;
              const std::vector<size_t> hours = MauticHours(one);
              for (const size_t hour : hours) sums[hour] += mass / static_cast<double>(hours.size());
              return Normalised(sums);
            };
          }};
}

// Mautic's three hours are its rule's, whatever the mass.
std::array<size_t, 3> TopHours(const Curve& curve) {
  std::array<size_t, kHoursOfWeek> order;
  for (size_t h = 0; h < kHoursOfWeek; ++h) order[h] = h;
  std::partial_sort(order.begin(), order.begin() + 3, order.end(),
                    [&](size_t a, size_t b) { return curve[a] > curve[b] || (curve[a] == curve[b] && a < b); });
  return {order[0], order[1], order[2]};
}
std::array<size_t, 3> TopMautic(const ActivityEvidence& one) {
  const std::vector<size_t> hours = MauticHours(one);
  return {hours[0], hours[std::min<size_t>(1, hours.size() - 1)], hours[std::min<size_t>(2, hours.size() - 1)]};
}

// ---- measuring ----

// Sums by customer.
struct Measured {
  std::vector<double> bits, hits;
};

Measured Measure(const std::vector<Half>& halves, const Forecast& forecast, bool mautic) {
  Measured measured;
  for (const Half& half : halves) {
    double bits = 0, hits = 0;
    if (!half.later.empty()) {
      const Curve curve = forecast(half.evidence());
      const std::array<size_t, 3> top = mautic ? TopMautic(half.evidence()) : TopHours(curve);
      for (const uint16_t hour : half.later) {
        bits -= std::log2(curve[hour]);
        hits += std::find(top.begin(), top.end(), hour) != top.end() ? 1 : 0;
      }
    }
    measured.bits.push_back(bits);
    measured.hits.push_back(hits);
  }
  return measured;
}

// sum a / sum n, customers drawn with replacement.
Interval BootstrapRatio(const std::vector<double>& sums, const std::vector<double>& counts,
                        const TimingOptions& options) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < sums.size(); ++i) sum += sums[i], count += counts[i];
  if (count == 0) return {};
  std::vector<double> means;
  Random random(options.seed);
  for (int b = 0; b < options.resamples; ++b) {
    double s = 0, n = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      const size_t drawn = random.Below(sums.size());
      s += sums[drawn];
      n += counts[drawn];
    }
    means.push_back(n > 0 ? s / n : 0);
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double q) { return means[static_cast<size_t>(q * static_cast<double>(means.size() - 1))]; };
  return {sum / count, at(0.025), at(0.975)};
}

// a - b of the customers that were judged and belong to `stratum` (kActivityStrata: all).
Interval Difference(const std::vector<Half>& halves, const std::vector<double>& a, const std::vector<double>& b,
                    size_t stratum, const TimingOptions& options) {
  std::vector<double> sums, counts;
  for (size_t u = 0; u < halves.size(); ++u) {
    if (halves[u].later.empty()) continue;
    if (stratum < kActivityStrata && ActivityStratum(halves[u].hours.size()) != stratum) continue;
    sums.push_back(a[u] - b[u]);
    counts.push_back(static_cast<double>(halves[u].later.size()));
  }
  return BootstrapRatio(sums, counts, options);
}

double Sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum;
}

double Tune(const Rival& rival, const std::vector<Half>& validation) {
  double best = rival.settings.front(), lowest = 0;
  for (const double setting : rival.settings) {
    const double bits = Sum(Measure(validation, rival.fit(validation, setting), false).bits);
    if (setting == rival.settings.front() || bits < lowest) {
      lowest = bits;
      best = setting;
    }
  }
  return best;
}

uint32_t CountSegments(const std::vector<Half>& halves) {
  uint32_t segments = 1;
  for (const Half& half : halves) segments = std::max(segments, half.segment + 1);
  return segments;
}

Forecast FitModel(const std::vector<Half>& halves, const TimingOptions& options) {
  std::vector<ActivityEvidence> evidence;
  for (const Half& half : halves) {
    if (!half.hours.empty()) evidence.push_back(half.evidence());
  }
  auto model = std::make_shared<const ActivityModel>(FitActivity(CountSegments(halves), evidence, options.activity));
  return [model](const ActivityEvidence& one) {
    std::array<float, kHoursOfWeek> out;
    model->Curve(one, out);
    Curve curve;
    std::copy(out.begin(), out.end(), curve.begin());
    return curve;
  };
}

// Hours dealt out anew among all known, and among all judged visits.
std::vector<Half> Shuffled(std::vector<Half> halves, uint64_t seed) {
  Random random(seed);
  for (std::vector<uint16_t> Half::*part : {&Half::hours, &Half::later}) {
    std::vector<uint16_t*> all;
    for (Half& half : halves) {
      for (uint16_t& hour : half.*part) all.push_back(&hour);
    }
    for (size_t i = all.size(); i > 1; --i) std::swap(*all[i - 1], *all[random.Below(i)]);
  }
  return halves;
}

}  // namespace

std::vector<TimingCustomer> BuildVisits(const TrainingSet& set, const TimeZone& zone) {
  std::vector<TimingCustomer> customers;
  std::map<uint64_t, uint32_t> segments;  // by trait
  for (uint32_t u = 0; u < set.customers(); ++u) {
    TimingCustomer customer;
    if (set.attributes != nullptr) {
      const auto& ids = set.attributes->customer_ids;
      const auto at = std::lower_bound(ids.begin(), ids.end(), set.customer_ids[u]);
      if (at != ids.end() && *at == set.customer_ids[u]) {
        const auto& traits = set.attributes->traits[static_cast<size_t>(at - ids.begin())];
        if (!traits.empty()) {
          customer.segment =
              segments.try_emplace(traits.front(), static_cast<uint32_t>(segments.size() + 1)).first->second;
        }
      }
    }
    Timestamp last{};
    for (const TrainingLine& line : set.LinesOf(u)) {
      const bool same = !customer.visits.empty() && line.time.ms - last.ms < kHourMs;
      if (!same) customer.visits.push_back({line.time, static_cast<uint16_t>(HourOfWeek(zone.ToWall(line.time)))});
      last = line.time;
    }
    customers.push_back(std::move(customer));
  }
  return customers;
}

Result<TimingReport> EvaluateTiming(const std::vector<TimingCustomer>& customers, const TimingOptions& options) {
  const Timestamp end = kTimestampMax;
  TimingReport report;
  report.cut = TimeAt(customers, end, options.known_share);
  const std::vector<Half> halves = Cut(customers, report.cut, end);
  const std::vector<Half> validation =
      Cut(customers, TimeAt(customers, report.cut, 1 - options.activity.validation_share), report.cut);
  for (const Half& half : halves) {
    report.customers += half.hours.empty() && half.later.empty() ? 0 : 1;
    report.judged_customers += half.later.empty() ? 0 : 1;
    report.visits_known += half.hours.size();
    report.visits_judged += half.later.size();
  }
  if (report.visits_known == 0 || report.visits_judged == 0) {
    return Status::FailedPrecondition("timing: no visits on one side of the cut; it needs a longer log");
  }
  const Rival global = Global();
  const double width = Tune(global, validation);
  const Measured model = Measure(halves, FitModel(halves, options), false);
  const auto row = [&](const std::string& name, const std::string& settings, const Measured& measured) {
    const auto n = static_cast<double>(report.visits_judged);
    return TimingRow{name,
                     settings,
                     Sum(measured.bits) / n,
                     Sum(measured.hits) / n,
                     Difference(halves, measured.bits, model.bits, kActivityStrata, options),
                     Difference(halves, model.hits, measured.hits, kActivityStrata, options)};
  };
  Measured everybody;
  for (const Rival& rival :
       {global, Segment(CountSegments(halves), width), Histogram(), Shrunk(width), Mautic(width)}) {
    const double setting = Tune(rival, validation);
    const Measured measured = Measure(halves, rival.fit(halves, setting), rival.name == "Mautic's rule");
    if (report.rows.empty()) everybody = measured;
    char settings[64];
    std::snprintf(settings, sizeof(settings), "%s %g", rival.setting_name.c_str(), setting);
    report.rows.push_back(row(rival.name, settings, measured));
  }
  report.rows.push_back(row("activity head", "", model));
  constexpr const char* kNames[] = {"0", "1-4", "5-19", "20+"};
  for (size_t s = 0; s < kActivityStrata; ++s) {
    TimingStratum stratum{kNames[s], 0, 0, Difference(halves, everybody.bits, model.bits, s, options)};
    for (const Half& half : halves) {
      if (half.later.empty() || ActivityStratum(half.hours.size()) != s) continue;
      ++stratum.customers;
      stratum.visits += half.later.size();
    }
    report.strata.push_back(stratum);
  }
  const std::vector<Half> shuffled = Shuffled(halves, options.seed);
  report.shuffled_gain =
      Difference(shuffled, Measure(shuffled, global.fit(shuffled, width), false).bits,
                 Measure(shuffled, FitModel(shuffled, options), false).bits, kActivityStrata, options);
  return report;
}

std::string FormatTiming(const TimingReport& report) {
  char line[200];
  std::snprintf(line, sizeof(line), "timing: %llu visits known, %llu judged from %s on, %llu customers\n",
                static_cast<unsigned long long>(report.visits_known),
                static_cast<unsigned long long>(report.visits_judged), FormatRfc3339(report.cut).c_str(),
                static_cast<unsigned long long>(report.judged_customers));
  std::string text = line;
  for (const TimingRow& row : report.rows) {
    std::snprintf(line, sizeof(line),
                  "  %-20s %.4f bits  top 3 %.4f  gain %+.4f [%+.4f %+.4f]  hit gain %+.4f [%+.4f %+.4f]  %s\n",
                  row.model.c_str(), row.bits, row.hit3, row.gain.mean, row.gain.lower, row.gain.upper,
                  row.hit_gain.mean, row.hit_gain.lower, row.hit_gain.upper, row.settings.c_str());
    text += line;
  }
  for (const TimingStratum& one : report.strata) {
    std::snprintf(line, sizeof(line),
                  "  known visits %-5s %6llu customers %7llu visits  gain over everybody's %+.4f [%+.4f %+.4f]\n",
                  one.name.c_str(), static_cast<unsigned long long>(one.customers),
                  static_cast<unsigned long long>(one.visits), one.gain.mean, one.gain.lower, one.gain.upper);
    text += line;
  }
  std::snprintf(line, sizeof(line), "  hours shuffled: gain %+.5f [%+.5f %+.5f]\n", report.shuffled_gain.mean,
                report.shuffled_gain.lower, report.shuffled_gain.upper);
  return text + line;
}

}  // namespace rapport

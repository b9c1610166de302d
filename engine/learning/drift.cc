#include "engine/learning/drift.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/parallel.h"
#include "base/random.h"
#include "engine/learning/blend_fit.h"
#include "engine/learning/judging.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr size_t kListItems = 20;
constexpr double kExpectedQuantile = 0.99;

std::shared_ptr<const ContentModel> Borrow(const ContentModel& model) {
  return {std::shared_ptr<const ContentModel>(), &model};
}

// p log2 p, 0 at 0
double Plogp(double p) { return p > 0 ? p * std::log2(p) : 0; }

// In bits, of counts; 0 when either side is empty.
double JensenShannon(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  double a_sum = 0, b_sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    a_sum += static_cast<double>(a[i]);
    b_sum += static_cast<double>(b[i]);
  }
  if (a_sum == 0 || b_sum == 0) return 0;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double p = static_cast<double>(a[i]) / a_sum, q = static_cast<double>(b[i]) / b_sum;
    sum += (Plogp(p) + Plogp(q)) / 2 - Plogp((p + q) / 2);
  }
  return std::max(0.0, sum);
}

// Lines of the two windows, customer by customer, with the value that is counted.
struct WindowLine {
  uint32_t value;
  bool since;
};
struct WindowLines {
  std::vector<WindowLine> lines;
  std::vector<size_t> offsets{0};
  uint32_t values = 0;
};

// JS as it is, and its quantile when the windows' names mean nothing.
Divergence Diverge(const WindowLines& windows, const DriftOptions& options) {
  const auto count = [&windows](auto&& swapped) {
    std::vector<uint64_t> before(windows.values), since(windows.values);
    for (size_t c = 0; c + 1 < windows.offsets.size(); ++c) {
      const bool swap = swapped();
      for (size_t i = windows.offsets[c]; i < windows.offsets[c + 1]; ++i) {
        const WindowLine& line = windows.lines[i];
        ++(line.since != swap ? since : before)[line.value];
      }
    }
    return JensenShannon(before, since);
  };
  Divergence divergence;
  divergence.value = count([] { return false; });
  std::vector<double> chance(static_cast<size_t>(std::max(1, options.permutations)));
  ParallelFor(chance.size(), 8, options.threads, [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      Random random = Random(options.seed).Fork(r);
      chance[r] = count([&random] { return random.Below(2) == 1; });
    }
  });
  std::sort(chance.begin(), chance.end());
  divergence.expected = chance[static_cast<size_t>(kExpectedQuantile * static_cast<double>(chance.size() - 1))];
  return divergence;
}

bool HasFactor(const ContentModel& model, uint64_t item_id) {
  const uint32_t row = model.RowOf(ItemId{item_id});
  if (row == kNoRow) return false;
  const auto d = static_cast<size_t>(model.als.options.factors);
  const std::span<const float> factor = std::span(model.als.item_factors).subspan(size_t{row} * d, d);
  return std::any_of(factor.begin(), factor.end(), [](float v) { return v != 0; });
}

// Everything that is counted in one walk over the table.
struct Counted {
  WindowLines items, types;
  uint64_t factorless = 0;
  std::array<uint64_t, 2> customers{}, new_customers{};  // before, since
};

Counted Count(const TrainingSet& set, const ContentModel& model, DriftReport& report) {
  Counted counted;
  counted.items.values = set.items();
  counted.types.values = kEventTypeCount;
  std::vector<bool> has_factor;
  for (const uint64_t id : set.item_ids) has_factor.push_back(HasFactor(model, id));
  for (uint32_t customer = 0; customer < set.customers(); ++customer) {
    bool earlier = false;  // a line before the window
    std::array<bool, 2> here{};
    for (const TrainingLine& line : set.LinesOf(customer)) {
      if (line.time <= report.before_from) {
        earlier = true;
        continue;
      }
      const bool since = line.time > report.trained_until;
      here[since] = true;
      ++(since ? report.lines_since : report.lines_before);
      counted.factorless += since && !has_factor[line.item];
      counted.items.lines.push_back({line.item, since});
      counted.types.lines.push_back({static_cast<uint32_t>(line.type), since});
    }
    for (const size_t window : {size_t{0}, size_t{1}}) {
      counted.customers[window] += here[window];
      counted.new_customers[window] += here[window] && !earlier && (window == 0 || !here[0]);
    }
    counted.items.offsets.push_back(counted.items.lines.size());
    counted.types.offsets.push_back(counted.types.lines.size());
  }
  return counted;
}

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void JudgeSince(const TrainingSet& set, const ContentModel& model, const DriftOptions& options, DriftReport& report) {
  const Timestamp split{report.trained_until.ms + 1};
  const TrainingSet past = LinesBefore(set, split);
  if (past.lines.empty()) return;
  CaseOptions cases;
  cases.split = split;
  cases.until = Timestamp{set.last.ms + 1};
  cases.relevant = RelevantSet::kNextBasket;
  cases.cases_max = options.customers_max;
  cases.seed = options.seed;
  const JudgedCases judged = MakeCases(set, past, cases);
  report.judged_customers = judged.cases.size();
  if (judged.cases.empty()) return;
  const Ranker ranker = BlendRanker("in service", Borrow(model), past, split, RepeatTask::kWithRepeats);
  report.ndcg10 = BootstrapMean(Measure(ranker, past, judged, options.threads).ndcg10, options.seed);
}

Interval Overlap(const TrainingSet& set, const ContentModel& model, const ContentModel& next,
                 const DriftOptions& options) {
  const Ranker old_ranker = BlendRanker("old", Borrow(model), set, set.last, RepeatTask::kWithRepeats);
  const Ranker new_ranker = BlendRanker("new", Borrow(next), set, set.last, RepeatTask::kWithRepeats);
  std::vector<uint32_t> customers(set.customers());
  for (uint32_t c = 0; c < set.customers(); ++c) customers[c] = c;
  Random random(options.seed);
  for (size_t i = customers.size(); i > 1; --i) std::swap(customers[i - 1], customers[random.Below(i)]);
  customers.resize(std::min(customers.size(), options.customers_max));
  std::vector<double> overlap(customers.size());
  ParallelFor(customers.size(), 8, options.threads, [&](size_t begin, size_t end, size_t) {
    JudgingScratch scratch;
    std::vector<float> scores(set.items());
    const auto best = [&](const Ranker& ranker, uint32_t customer) {
      ranker.score(customer, scratch, scores);
      std::vector<uint32_t> rows;
      for (const Scored& one : TopK(scores, kListItems)) rows.push_back(one.index);
      std::sort(rows.begin(), rows.end());
      return rows;
    };
    for (size_t i = begin; i < end; ++i) {
      const std::vector<uint32_t> a = best(old_ranker, customers[i]), b = best(new_ranker, customers[i]);
      std::vector<uint32_t> both;
      std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
      const size_t either = a.size() + b.size() - both.size();
      overlap[i] = either == 0 ? 1 : static_cast<double>(both.size()) / static_cast<double>(either);
    }
  });
  return BootstrapMean(overlap, options.seed);
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

void Conclude(DriftReport& report) {
  std::string found;
  const auto say = [&found](const std::string& words) { found += (found.empty() ? "" : "; ") + words; };
  const auto diverged = [&](const char* what, const Divergence& divergence) {
    if (!divergence.drifted()) return;
    say(std::string(what) + " differ (" + Number(divergence.value) + " bits, by chance up to " +
        Number(divergence.expected) + ")");
  };
  diverged("items", report.items);
  diverged("kinds of events", report.types);
  if (report.factorless_share > kShareChangeMax) {
    say(Number(report.factorless_share) + " of the lines are of items without a factor");
  }
  if (report.new_customers_share - report.new_customers_share_before > kShareChangeMax) {
    say("new customers are " + Number(report.new_customers_share) + " of all, " +
        Number(report.new_customers_share_before) + " before");
  }
  report.judged = true;
  report.drifted = !found.empty();
  report.words = report.drifted ? found : "no drift: the days since are like the days before";
}

}  // namespace

DriftReport MeasureDrift(const TrainingSet& set, const ContentModel& model, const ContentModel* next,
                         const DriftOptions& options) {
  DriftReport report;
  report.trained_until = model.trained_until;
  report.since_until = set.last;
  report.before_from = Timestamp{model.trained_until.ms - std::max<int64_t>(0, set.last.ms - model.trained_until.ms)};
  const Counted counted = Count(set, model, report);
  if (next != nullptr && set.customers() > 0) report.overlap20 = Overlap(set, model, *next, options);
  if (std::min(report.lines_since, report.lines_before) < kDriftLinesMin) {
    report.words = "too little to say: " + std::to_string(report.lines_since) + " lines since training, " +
                   std::to_string(report.lines_before) + " in as many days before it, " +
                   std::to_string(kDriftLinesMin) + " are needed";
    return report;
  }
  report.factorless_share = Share(counted.factorless, report.lines_since);
  report.new_customers_share_before = Share(counted.new_customers[0], counted.customers[0]);
  report.new_customers_share = Share(counted.new_customers[1], counted.customers[1]);
  report.items = Diverge(counted.items, options);
  report.types = Diverge(counted.types, options);
  JudgeSince(set, model, options, report);
  Conclude(report);
  return report;
}

std::string FormatDrift(const DriftReport& report) {
  char text[320];
  std::string out;
  const auto add = [&](const char* format, auto... values) {
    std::snprintf(text, sizeof text, format, values...);
    out += text;
  };
  add("drift since %s: ", FormatRfc3339(report.trained_until).c_str());
  out += report.words + "\n";
  if (report.judged) {
    add("  lines since / before                  %llu / %llu\n", static_cast<unsigned long long>(report.lines_since),
        static_cast<unsigned long long>(report.lines_before));
    add("  items, Jensen-Shannon (by chance)     %.3f (%.3f)\n", report.items.value, report.items.expected);
    add("  kinds of events (by chance)           %.3f (%.3f)\n", report.types.value, report.types.expected);
    add("  lines of items without a factor       %.3f\n", report.factorless_share);
    add("  customers never seen before (before)  %.3f (%.3f)\n", report.new_customers_share,
        report.new_customers_share_before);
    if (report.judged_customers > 0) {
      add("  NDCG@10 in service since              %.4f [%.4f %.4f], %zu customers\n", report.ndcg10.mean,
          report.ndcg10.lower, report.ndcg10.upper, report.judged_customers);
    }
  }
  if (report.overlap20) {
    add("  top 20 shared with the new model      %.3f [%.3f %.3f]\n", report.overlap20->mean, report.overlap20->lower,
        report.overlap20->upper);
  }
  return out;
}

}  // namespace rapport

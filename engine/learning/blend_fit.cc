#include "engine/learning/blend_fit.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/parallel.h"
#include "base/random.h"
#include "engine/learning/attribute_table.h"
#include "engine/learning/content_parts.h"

namespace rapport {
namespace {

constexpr int kRecentWindows = 3;
constexpr int kOlderWindows = 16;
constexpr double kDaysBeforeMin = 28;
constexpr int64_t kYearMs = 364 * kDayMs;  // whole weeks: the same days of the week
constexpr double kYearAgoLengths = 2.5;
constexpr double kPriorCases = 0.5;
constexpr double kPretendedShare = 0.1;
constexpr size_t kPretendedEvery = 4;  // cases

bool Counts(const TrainingLine& line, bool orders) {
  return orders ? line.type == EventType::kOrdered : line.weight > 0;
}

// Whether anybody ordered in the window; else what has a positive weight is chosen.
bool AnyOrder(const TrainingSet& all, WindowSpan window) {
  return std::any_of(all.lines.begin(), all.lines.end(), [&](const TrainingLine& line) {
    return line.type == EventType::kOrdered && line.time >= window.begin && line.time < window.until;
  });
}

// Rows of `all` as rows of `past`, newcomers after them; kNoRow for what is neither.
std::vector<uint32_t> RankedRows(const TrainingSet& all, const TrainingSet& past, const Newcomers& newcomers) {
  const auto place = [](const std::vector<uint64_t>& ids, uint64_t id) -> std::optional<uint32_t> {
    const auto at = std::lower_bound(ids.begin(), ids.end(), id);
    if (at == ids.end() || *at != id) return std::nullopt;
    return static_cast<uint32_t>(at - ids.begin());
  };
  std::vector<uint32_t> rows;
  for (const uint64_t id : all.item_ids) {
    if (const auto row = place(past.item_ids, id)) {
      rows.push_back(*row);
    } else if (const auto newcomer = place(newcomers.item_ids, id)) {
      rows.push_back(past.items() + *newcomer);
    } else {
      rows.push_back(kNoRow);
    }
  }
  return rows;
}

// The first basket of one customer in the window, as lines on `rows`.
std::vector<SignalLine> FirstBasket(std::span<const TrainingLine> lines, const std::vector<uint32_t>& rows,
                                    WindowSpan window, bool orders) {
  std::vector<SignalLine> basket;
  const TrainingLine* opening = nullptr;
  for (const TrainingLine& line : lines) {
    if (line.time < window.begin || line.time >= window.until || !Counts(line, orders)) continue;
    if (opening == nullptr) opening = &line;
    const bool same = orders ? line.group == opening->group : line.event == opening->event;
    if (!same || rows[line.item] == kNoRow) continue;
    const int8_t order = line.type == EventType::kOrdered ? 1 : 0;
    basket.push_back({rows[line.item], line.weight, order, line.time});
  }
  return basket;
}

enum class Whose { kUnknown, kKnown };

std::vector<StackCase> BasketsOf(Whose whose, const TrainingSet& all, const TrainingSet& past,
                                 const Newcomers& newcomers, WindowSpan window) {
  const std::vector<uint32_t> rows = RankedRows(all, past, newcomers);
  const bool orders = AnyOrder(all, window);
  std::vector<StackCase> cases;
  for (uint32_t customer = 0; customer < all.customers(); ++customer) {
    const uint64_t id = all.customer_ids[customer];
    const bool known = std::binary_search(past.customer_ids.begin(), past.customer_ids.end(), id);
    if (known != (whose == Whose::kKnown)) continue;
    StackCase one;
    one.lines = FirstBasket(all.LinesOf(customer), rows, window, orders);
    if (one.lines.empty()) continue;
    one.relevant = RowsOf(one.lines);
    if (all.attributes != nullptr) {
      const auto traits = all.attributes->TraitsOf(id);
      one.traits.assign(traits.begin(), traits.end());
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

// Seeded, without replacement, in the order they stood in.
void Draw(std::vector<StackCase>& cases, size_t count, uint64_t seed) {
  if (cases.size() <= count) return;
  Random random(seed);
  std::vector<size_t> order(cases.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (size_t i = 0; i < count; ++i) std::swap(order[i], order[i + random.Below(order.size() - i)]);
  order.resize(count);
  std::sort(order.begin(), order.end());
  std::vector<StackCase> drawn;
  for (const size_t i : order) drawn.push_back(std::move(cases[i]));
  cases = std::move(drawn);
}

// What the cases of one window are collected with.
struct WindowModel {
  const ContentModel& model;
  Newcomers newcomers;
  PretendedItems pretended;
};

// The case as if the pretended items were newcomers: relevant ones are rows after the model's.
StackCase Pretend(const StackCase& one, const WindowModel& window) {
  const auto place = [&](uint32_t row) -> std::optional<uint32_t> {
    const std::vector<uint32_t>& rows = window.pretended.rows;
    const auto at = std::lower_bound(rows.begin(), rows.end(), row);
    if (at == rows.end() || *at != row) return std::nullopt;
    return window.model.rows() + static_cast<uint32_t>(at - rows.begin());
  };
  StackCase out = one;
  out.relevant.clear();
  for (const uint32_t row : one.relevant) {
    if (row < window.model.rows()) out.relevant.push_back(place(row).value_or(row));
  }
  std::sort(out.relevant.begin(), out.relevant.end());
  // Lines of new newcomers are no lines of these.
  std::erase_if(out.lines, [&](const SignalLine& line) { return line.row >= window.model.rows(); });
  for (SignalLine& line : out.lines) line.row = place(line.row).value_or(line.row);
  return out;
}

BlendCases CollectCases(const WindowModel& window, Timestamp as_of, const std::vector<StackCase>& cases, int threads) {
  struct One {
    std::vector<float> features;
    std::vector<uint8_t> chosen;
  };
  std::vector<One> collected(cases.size());
  ParallelFor(collected.size(), 16, threads, [&](size_t begin, size_t end, size_t) {
    StackScratch scratch;
    for (size_t i = begin; i < end; ++i) {
      const bool pretend = i % kPretendedEvery == kPretendedEvery - 1 && !window.pretended.rows.empty();
      const StackCase one = pretend ? Pretend(cases[i], window) : cases[i];
      if (pretend) {
        CollectCase(window.model, window.pretended.newcomers, as_of, one, scratch, window.pretended.rows);
      } else {
        CollectCase(window.model, window.newcomers, as_of, one, scratch);
      }
      collected[i].features = scratch.features;
      for (const uint32_t row : scratch.candidates) {
        collected[i].chosen.push_back(std::binary_search(one.relevant.begin(), one.relevant.end(), row) ? 1 : 0);
      }
    }
  });
  BlendCases out;
  out.features = kStackFeatures;
  for (One& one : collected) {
    out.values.insert(out.values.end(), one.features.begin(), one.features.end());
    out.chosen.insert(out.chosen.end(), one.chosen.begin(), one.chosen.end());
    out.offsets.push_back(out.chosen.size());
    one = {};
  }
  return out;
}

// Cases of customers with a history.
std::vector<StackCase> WithHistory(const TrainingSet& past, const JudgedCases& judged) {
  std::vector<StackCase> cases;
  for (const JudgedCase& one : judged.cases) {
    StackCase& out = cases.emplace_back();
    LinesToSignals(past.LinesOf(one.customer), out.lines);
    if (past.attributes != nullptr) {
      const auto traits = past.attributes->TraitsOf(past.customer_ids[one.customer]);
      out.traits.assign(traits.begin(), traits.end());
    }
    out.relevant = one.relevant;
    out.task = judged.repeats;
  }
  return cases;
}

// Customers without history, others standing in, each once as "cold" and once as "session".
void CollectCold(const TrainingSet& all, const TrainingSet& past, const WindowModel& fitted, WindowSpan window,
                 size_t customers_max, uint64_t seed, int threads, WindowCases& out) {
  const Newcomers& newcomers = fitted.newcomers;
  std::vector<StackCase> baskets = BasketsOf(Whose::kUnknown, all, past, newcomers, window);
  if (baskets.size() < kColdCasesWanted) {
    std::vector<StackCase> others = BasketsOf(Whose::kKnown, all, past, newcomers, window);
    Draw(others, kColdCasesWanted - baskets.size(), seed);
    std::move(others.begin(), others.end(), std::back_inserter(baskets));
  }
  if (customers_max != 0) Draw(baskets, customers_max, seed);
  std::vector<StackCase> cold, sessions;
  for (size_t i = 0; i < baskets.size(); ++i) {
    if (auto one = GiveLines(baskets[i], 1 + i % 5)) sessions.push_back(std::move(*one));
    cold.push_back(std::move(baskets[i]));
    cold.back().lines.clear();
  }
  out.cold = CollectCases(fitted, window.begin, cold, threads);
  out.session = CollectCases(fitted, window.begin, sessions, threads);
}

Status FitTask(std::span<const std::shared_ptr<const WindowCases>> windows, BlendCases WindowCases::*task, int threads,
               std::vector<double>& theta) {
  std::vector<const BlendCases*> parts;
  for (const auto& window : windows) parts.push_back(&((*window).*task));
  Result<std::vector<double>> fitted = FitTaskWeights(parts, threads);
  if (fitted.ok()) theta = fitted.Take();
  return fitted.status();
}

}  // namespace

BlendCases CollectJudged(const TrainingSet& past, const ContentModel& model, const JudgedCases& judged, Timestamp as_of,
                         int threads) {
  return CollectCases({model, {}, {}}, as_of, WithHistory(past, judged), threads);
}

Result<std::vector<double>> FitTaskWeights(std::span<const BlendCases* const> parts, int threads) {
  size_t customers = 0;
  for (const BlendCases* part : parts) customers += part->offsets.size() - 1;
  if (customers < kBlendCustomersMin) return std::vector<double>();
  BlendOptions options;
  options.threads = threads;
  // A prior of the weights that as many cases outweigh.
  options.l2 += kPriorCases / static_cast<double>(customers);
  Result<std::vector<double>> fitted = FitBlend(parts, options);
  // Nobody chose a candidate: there is nothing to weigh them by, and the factors rank alone.
  if (!fitted.ok() && fitted.status().code() == StatusCode::kFailedPrecondition) return std::vector<double>();
  return fitted;
}

std::vector<uint32_t> RowsOf(std::span<const SignalLine> lines) {
  std::vector<uint32_t> rows;
  for (const SignalLine& line : lines) rows.push_back(line.row);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

void LinesToSignals(std::span<const TrainingLine> lines, std::vector<SignalLine>& out) {
  out.clear();
  for (const TrainingLine& line : lines) {
    const bool back = line.type == EventType::kRefunded || line.type == EventType::kCancelled;
    const int8_t order = line.type == EventType::kOrdered ? 1 : back ? -1 : 0;
    out.push_back({line.item, line.weight, order, line.time});
  }
}

std::vector<uint64_t> AllowedRows(std::span<const SignalLine> lines, size_t rows, RepeatTask task) {
  std::vector<uint64_t> allowed((rows + 63) / 64, ~uint64_t{0});
  if (task == RepeatTask::kNewItemsOnly) {
    for (const SignalLine& line : lines) {
      if (line.row < rows) allowed[line.row / 64] &= ~(uint64_t{1} << (line.row % 64));
    }
  }
  return allowed;
}

std::vector<StackCase> FirstBaskets(const TrainingSet& all, const TrainingSet& past, const Newcomers& newcomers,
                                    WindowSpan window) {
  return BasketsOf(Whose::kUnknown, all, past, newcomers, window);
}

void CollectCase(const ContentModel& model, const Newcomers& newcomers, Timestamp as_of, const StackCase& one,
                 StackScratch& scratch, std::span<const uint32_t> hidden) {
  std::vector<uint64_t> allowed = AllowedRows(one.lines, model.rows(), one.task);
  for (const uint32_t row : hidden) allowed[row / 64] &= ~(uint64_t{1} << (row % 64));
  std::vector<uint64_t> newcomers_allowed((newcomers.size() + 63) / 64, ~uint64_t{0});
  std::vector<SignalLine> lines;
  for (const SignalLine& line : one.lines) {
    if (line.row < model.rows()) {
      lines.push_back(line);
    } else if (one.task == RepeatTask::kNewItemsOnly) {
      const size_t newcomer = line.row - model.rows();
      newcomers_allowed[newcomer / 64] &= ~(uint64_t{1} << (newcomer % 64));
    }
  }
  CollectCandidates(model, {lines, one.traits, as_of, allowed, &newcomers, newcomers_allowed}, scratch);
}

std::optional<StackCase> GiveLines(const StackCase& basket, size_t given) {
  if (basket.lines.size() <= given) return std::nullopt;
  StackCase out = basket;
  out.task = RepeatTask::kNewItemsOnly;
  out.lines.resize(given);
  const std::vector<uint32_t> had = RowsOf(out.lines);
  std::erase_if(out.relevant, [&](uint32_t row) { return std::binary_search(had.begin(), had.end(), row); });
  if (out.relevant.empty()) return std::nullopt;
  return out;
}

namespace {

int64_t EarliestBeginMs(Timestamp first) { return first.ms + static_cast<int64_t>(kDaysBeforeMin * kDayMs); }

// [cut - k L, cut - (k - 1) L) for k = from..to, those that have enough of the log before them.
std::vector<WindowSpan> ConsecutiveWindows(Timestamp first, Timestamp cut, double window_days, int from, int to) {
  const auto length_ms = static_cast<int64_t>(window_days * kDayMs);
  std::vector<WindowSpan> windows;
  for (int k = from; k <= to; ++k) {
    const WindowSpan window{{cut.ms - k * length_ms}, {cut.ms - (k - 1) * length_ms}};
    if (length_ms > 0 && window.begin.ms >= EarliestBeginMs(first)) windows.push_back(window);
  }
  return windows;
}

}  // namespace

std::vector<WindowSpan> PlanWindows(Timestamp first, Timestamp cut, double window_days) {
  std::vector<WindowSpan> windows = ConsecutiveWindows(first, cut, window_days, 1, kRecentWindows);
  const int64_t year_ago_ms = cut.ms - kYearMs;
  const WindowSpan season{{year_ago_ms}, {year_ago_ms + static_cast<int64_t>(kYearAgoLengths * window_days * kDayMs)}};
  const bool long_enough = season.begin.ms >= EarliestBeginMs(first);
  if (!windows.empty() && long_enough && season.until <= windows.back().begin) windows.push_back(season);
  return windows;
}

std::vector<WindowSpan> PlanOlderWindows(Timestamp first, Timestamp cut, double window_days,
                                         std::span<const WindowSpan> planned) {
  std::vector<WindowSpan> windows = ConsecutiveWindows(first, cut, window_days, kRecentWindows + 1, kOlderWindows);
  std::erase_if(windows, [planned](const WindowSpan& window) {
    return std::any_of(planned.begin(), planned.end(), [&window](const WindowSpan& other) {
      return window.begin < other.until && other.begin < window.until;
    });
  });
  return windows;
}

Result<WindowCases> CollectWindow(const TrainingSet& all, const TrainingSet& past, const ContentModel& model,
                                  WindowSpan window, size_t customers_max, uint64_t seed, int threads) {
  AttributeOptions attributes;
  attributes.threads = threads;
  Result<PretendedItems> pretended = PretendSome(model, CountCustomers(past), kPretendedShare, seed, attributes);
  if (!pretended.ok()) return pretended.status();
  const WindowModel fitted{model, NewcomersOf(past.attributes.get(), model, window.until, threads), pretended.Take()};
  CaseOptions options;
  options.split = window.begin;
  options.until = window.until;
  options.cases_max = customers_max;
  options.seed = seed;
  options.newcomers = fitted.newcomers.item_ids;
  WindowCases out;
  const auto collect = [&](RelevantSet relevant, RepeatTask repeats) {
    options.relevant = relevant;
    options.repeats = repeats;
    return CollectCases(fitted, window.begin, WithHistory(past, MakeCases(all, past, options)), threads);
  };
  out.with_repeats = collect(RelevantSet::kNextBasket, RepeatTask::kWithRepeats);
  out.new_items = collect(RelevantSet::kWindow, RepeatTask::kNewItemsOnly);
  CollectCold(all, past, fitted, window, customers_max, seed, threads, out);
  return out;
}

Status FitBlendWeights(std::span<const std::shared_ptr<const WindowCases>> windows, int threads, StackModel& stack) {
  RAPPORT_RETURN_IF_ERROR(FitTask(windows, &WindowCases::with_repeats, threads, stack.repeats_theta));
  RAPPORT_RETURN_IF_ERROR(FitTask(windows, &WindowCases::new_items, threads, stack.new_theta));
  RAPPORT_RETURN_IF_ERROR(FitTask(windows, &WindowCases::cold, threads, stack.cold_theta));
  return FitTask(windows, &WindowCases::session, threads, stack.session_theta);
}

Ranker BlendRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                   Timestamp as_of, RepeatTask task) {
  std::vector<uint32_t> model_row;  // of each row of `past`
  for (const uint64_t id : past.item_ids) model_row.push_back(model->RowOf(ItemId{id}));
  const auto score = [model, &past, as_of, task, model_row = std::move(model_row)](uint32_t customer, JudgingScratch&,
                                                                                   std::span<float> scores) {
    const std::vector<double>& theta =
        task == RepeatTask::kNewItemsOnly ? model->stack.new_theta : model->stack.repeats_theta;
    StackScratch scratch;
    std::vector<SignalLine> lines;
    LinesToSignals(past.LinesOf(customer), lines);
    for (SignalLine& line : lines) line.row = model_row[line.row];
    std::erase_if(lines, [](const SignalLine& line) { return line.row == kNoRow; });
    const std::span<const uint64_t> traits = past.attributes != nullptr
                                                 ? past.attributes->TraitsOf(past.customer_ids[customer])
                                                 : std::span<const uint64_t>();
    const std::vector<uint64_t> allowed = AllowedRows(lines, model->rows(), task);
    CollectCandidates(*model, {lines, traits, as_of, allowed, nullptr, {}}, scratch);
    std::vector<float> ranked(model->rows());
    ScoreFactors(*model, scratch, ranked);
    if (!theta.empty()) {
      // Every candidate above everything else, in the blend's order.
      float highest = 0;
      for (const float one : ranked) highest = std::isfinite(one) ? std::max(highest, one) : highest;
      const std::vector<Scored> best = RankCandidates(theta, scratch);
      for (size_t i = 0; i < best.size(); ++i) {
        ranked[best[i].index] = highest + static_cast<float>(best.size() - i);
      }
    }
    for (size_t item = 0; item < model_row.size(); ++item) {
      scores[item] = model_row[item] == kNoRow ? -std::numeric_limits<float>::infinity() : ranked[model_row[item]];
    }
  };
  return {std::move(name), score};
}

}  // namespace rapport

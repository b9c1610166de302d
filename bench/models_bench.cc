// How fast: fold-in of one customer (n = 5, 50, 500 items at d = 64), scores of a whole catalogue, the best 200 of
// them, the exact best 100 with and without the int8 copy, one customer's candidates of the blend, and training by each
// solver. Each case checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <vector>

#include "base/random.h"
#include "models/als.h"
#include "models/quantized_scan.h"
#include "models/stack.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr size_t kFactors = 64;

std::vector<float> RandomFloats(size_t count, uint64_t seed, double scale) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(scale * random.Normal());
  return values;
}

AlsModel RandomModel(uint32_t items) {
  AlsModel model;
  model.options.factors = kFactors;
  model.items = items;
  model.item_factors = RandomFloats(items * kFactors, 1, 0.2);
  return model;
}

struct History {
  std::vector<uint32_t> items;
  std::vector<float> weights;
};

History RandomHistory(size_t count, uint32_t items, uint64_t seed) {
  Random random(seed);
  History history;
  while (history.items.size() < count) {
    const auto item = static_cast<uint32_t>(random.Below(items));
    if (std::find(history.items.begin(), history.items.end(), item) == history.items.end())
      history.items.push_back(item);
  }
  for (size_t i = 0; i < count; ++i) history.weights.push_back(static_cast<float>(0.5 + random.Uniform()));
  return history;
}

// The gradient of the customer's loss at `factor`, against its size at zero: 0 for an exact solution.
double GradientShare(const AlsModel& model, const History& history, const std::vector<float>& factor) {
  const double mass = static_cast<double>(history.items.size()) + model.options.unobserved_weight * model.items;
  std::vector<double> gradient(kFactors), start(kFactors);
  for (size_t k = 0; k < kFactors; ++k) {
    gradient[k] = -model.options.regularization * mass * factor[k];
    for (size_t j = 0; j < kFactors; ++j) {
      gradient[k] -= model.options.unobserved_weight * model.gram[k * kFactors + j] * factor[j];
    }
  }
  for (size_t i = 0; i < history.items.size(); ++i) {
    const float* item = model.item_factors.data() + history.items[i] * kFactors;
    double score = 0;
    for (size_t k = 0; k < kFactors; ++k) score += static_cast<double>(item[k]) * factor[k];
    for (size_t k = 0; k < kFactors; ++k) {
      gradient[k] += history.weights[i] * (1 - score) * item[k];
      start[k] += history.weights[i] * item[k];
    }
  }
  double left = 0, all = 0;
  for (size_t k = 0; k < kFactors; ++k) {
    left += gradient[k] * gradient[k];
    all += start[k] * start[k];
  }
  return std::sqrt(left / all);
}

void FoldInOneCustomer(benchmark::State& state) {
  constexpr uint32_t kItems = 20000;
  AlsModel model = RandomModel(kItems);
  if (!CheckAndPrepare(model).ok()) return state.SkipWithError("the model was refused");
  std::vector<History> histories;
  for (uint64_t seed = 1; seed <= 64; ++seed) {
    histories.push_back(RandomHistory(static_cast<size_t>(state.range(0)), kItems, seed));
  }
  FoldInScratch scratch;
  std::vector<float> factor(kFactors);
  for (const History& history : histories) {
    FoldIn(model, history.items, history.weights, scratch, factor);
    if (GradientShare(model, history, factor) > 1e-5) return state.SkipWithError("a wrong factor");
  }
  size_t next = 0;
  for (auto _ : state) {
    const History& history = histories[next++ % histories.size()];
    FoldIn(model, history.items, history.weights, scratch, factor);
    benchmark::DoNotOptimize(factor.data());
  }
}
BENCHMARK(FoldInOneCustomer)->ArgName("items")->Arg(5)->Arg(50)->Arg(500)->Unit(benchmark::kMicrosecond);

void ScoreCatalogue(benchmark::State& state) {
  const auto items = static_cast<size_t>(state.range(0));
  const std::vector<float> factors = RandomFloats(items * kFactors, 1, 0.2), user = RandomFloats(kFactors, 2, 1.0);
  std::vector<float> scores(items);
  ScoreAll(factors, user, scores);
  for (size_t i = 0; i < items; ++i) {
    double expected = 0;
    for (size_t k = 0; k < kFactors; ++k) expected += static_cast<double>(factors[i * kFactors + k]) * user[k];
    if (std::abs(scores[i] - expected) > 1e-4) return state.SkipWithError("a wrong score");
  }
  for (auto _ : state) {
    ScoreAll(factors, user, scores);
    benchmark::DoNotOptimize(scores.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ScoreCatalogue)->ArgName("items")->Arg(20000)->Arg(100000)->Unit(benchmark::kMicrosecond);

void BestTwoHundred(benchmark::State& state) {
  const std::vector<float> scores = RandomFloats(static_cast<size_t>(state.range(0)), 3, 1.0);
  std::vector<uint64_t> allowed((scores.size() + 63) / 64);
  Random random(4);
  for (uint64_t& word : allowed) word = random.NextU64() | random.NextU64();  // three in four
  std::vector<Scored> expected;
  for (uint32_t i = 0; i < scores.size(); ++i) {
    if ((allowed[i / 64] >> (i % 64) & 1) != 0) expected.push_back({i, scores[i]});
  }
  std::sort(expected.begin(), expected.end(), Better);
  expected.resize(200);
  if (TopK(scores, 200, allowed) != expected) return state.SkipWithError("a wrong list");
  for (auto _ : state) benchmark::DoNotOptimize(TopK(scores, 200, allowed));
}
BENCHMARK(BestTwoHundred)->ArgName("items")->Arg(20000)->Arg(100000)->Unit(benchmark::kMicrosecond);

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Factors as a trained model has them: in principal axes, the first ones large. One customer after the other, by the
// int8 scan and by ScoreAll and TopK in turn, so that both see the same machine; counters: CPU time of each, and share.
void ExactBestHundred(benchmark::State& state) {
  const auto items = static_cast<size_t>(state.range(0));
  std::vector<float> factors = RandomFloats(items * kFactors, 1, 0.2), users = RandomFloats(16 * kFactors, 2, 1.0);
  for (size_t i = 0; i < factors.size(); ++i) factors[i] /= std::sqrt(1.0f + static_cast<float>(i % kFactors));
  const QuantizedItems copy = Quantize(factors, kFactors);
  ScanScratch scratch;
  std::vector<float> scores(items);
  double plain_seconds = 0, scan_seconds = 0;
  size_t next = 0;
  for (auto _ : state) {
    const std::span<const float> user = std::span(users).subspan(next++ % 16 * kFactors, kFactors);
    const double start = CpuSeconds();
    ScoreAll(factors, user, scores);
    const std::vector<Scored> expected = TopK(scores, 100);
    const double middle = CpuSeconds();
    const std::vector<Scored> best = BestItems(copy, factors, user, 100, {}, ScoreFloor::kNone, scratch);
    scan_seconds += CpuSeconds() - middle;
    plain_seconds += middle - start;
    if (best != expected) return state.SkipWithError("a wrong list");
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["plain_us"] = 1e6 * plain_seconds / runs;
  state.counters["scan_us"] = 1e6 * scan_seconds / runs;
  state.counters["scan_to_plain"] = scan_seconds / plain_seconds;
}
BENCHMARK(ExactBestHundred)->ArgName("items")->Arg(20000)->Arg(100000)->Arg(1000000)->Unit(benchmark::kMicrosecond);

NeighbourLists RandomLists(uint32_t rows, uint64_t seed) {
  Random random(seed);
  NeighbourLists lists;
  lists.items = rows;
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t n = 0; n < 200; ++n) {  // as many as training keeps
      const auto other = static_cast<uint32_t>(rows * std::pow(random.Uniform(), 2.0));
      lists.neighbours.push_back({other, 1.0f / static_cast<float>(n + 1)});
    }
    lists.offsets.push_back(lists.neighbours.size());
  }
  return lists;
}

// One page view's candidates and features: a history of 40 lines, nine in ten items allowed.
void CollectOneCustomer(benchmark::State& state) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  ContentModel model;
  for (uint32_t row = 0; row < rows; ++row) model.item_ids.push_back(row + 1);
  model.als = RandomModel(rows);
  if (!CheckAndPrepare(model.als).ok()) return state.SkipWithError("the model was refused");
  model.similar = RandomLists(rows, 1);
  model.bought_together = RandomLists(rows, 2);
  if (rows <= 6000) model.stack.shallow = RandomLists(rows, 3);
  Random random(4);
  for (std::vector<float>* board : {&model.popularity.popular, &model.stack.recent14, &model.stack.recent7}) {
    for (uint32_t row = 0; row < rows; ++row) board->push_back(static_cast<float>(random.Exponential(3)));
  }
  SortBoards(model);
  const Timestamp now{1000 * kDayMs};
  std::vector<std::vector<SignalLine>> customers(32);
  for (std::vector<SignalLine>& lines : customers) {
    for (int n = 0; n < 40; ++n) {
      lines.push_back({static_cast<uint32_t>(random.Below(rows)),
                       5,
                       1,
                       {now.ms - static_cast<int64_t>(random.Below(300)) * kDayMs}});
    }
  }
  std::vector<uint64_t> allowed((rows + 63) / 64);
  for (uint32_t row = 0; row < rows; ++row) {
    if (random.Below(10) != 0) allowed[row / 64] |= uint64_t{1} << (row % 64);
  }
  StackScratch scratch;
  size_t next = 0;
  for (auto _ : state) {
    CollectCandidates(model, {customers[next++ % customers.size()], {}, now, allowed, nullptr, {}}, scratch);
    benchmark::DoNotOptimize(scratch.features.data());
  }
  state.counters["candidates"] = static_cast<double>(scratch.candidates.size());
}
BENCHMARK(CollectOneCustomer)->ArgName("items")->Arg(5000)->Arg(20000)->Unit(benchmark::kMicrosecond);

// 20,000 customers, 5,000 items, power-law in both.
Interactions RandomShop() {
  Random random(5);
  std::vector<Triplet> triplets;
  for (uint32_t u = 0; u < 20000; ++u) {
    const auto count = static_cast<size_t>(std::min(500.0, 8.0 * std::pow(1.0 - random.Uniform(), -0.8)));
    for (size_t n = 0; n < count; ++n) {
      triplets.push_back({u, static_cast<uint32_t>(5000 * std::pow(random.Uniform(), 2.0)), 1.0f});
    }
  }
  return Interactions::FromTriplets(20000, 5000, std::move(triplets)).Take();
}

void TrainThreeEpochs(benchmark::State& state) {
  const Interactions shop = RandomShop();
  AlsOptions options;
  options.factors = kFactors;
  options.epochs = 3;
  options.threads = static_cast<int>(state.range(0));
  const Result<AlsFit> fit = FitAls(shop, options, LossTracking::kEveryEpoch);
  if (!fit.ok() || fit->epoch_losses[2] > fit->epoch_losses[0]) return state.SkipWithError("training went wrong");
  for (auto _ : state) benchmark::DoNotOptimize(FitAls(shop, options));
  state.counters["interactions"] = static_cast<double>(shop.nnz());
}
BENCHMARK(TrainThreeEpochs)->ArgName("threads")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond)->UseRealTime();

// 6,000 customers, 3,000 items, ten tastes, power-law in both: rows long enough to be worth steps.
Interactions TasteShop() {
  Random random(6);
  std::vector<Triplet> triplets;
  for (uint32_t u = 0; u < 6000; ++u) {
    const auto count = static_cast<size_t>(std::min(600.0, 25.0 * std::pow(1.0 - random.Uniform(), -0.7)));
    for (size_t n = 0; n < count; ++n) {
      auto item = static_cast<uint32_t>(3000 * std::pow(random.Uniform(), 2.0));
      if (random.Uniform() < 0.7) item = item / 10 * 10 + u % 10;
      triplets.push_back({u, item, 5.0f});
    }
  }
  return Interactions::FromTriplets(6000, 3000, std::move(triplets)).Take();
}

struct SolverRun {
  std::vector<double> losses, cpu_seconds;  // after each epoch, from the start; the loss is not timed
};

SolverRun RunSolver(const Interactions& shop, AlsOptions options) {
  SolverRun run;
  double spent = 0, mark = CpuSeconds();
  const auto after = [&](int) {  // called after the loss of an epoch: its time is taken from a fit without losses
    spent += CpuSeconds() - mark;
    run.cpu_seconds.push_back(spent);
    mark = CpuSeconds();
    return true;
  };
  const Result<AlsFit> timed = FitAls(shop, options, LossTracking::kOff, after);
  const Result<AlsFit> judged = FitAls(shop, options, LossTracking::kEveryEpoch);
  if (timed.ok() && judged.ok()) run.losses = judged->epoch_losses;
  return run;
}

// Six epochs by one solver and six by the exact one, on one thread. Counters: CPU time of an epoch against the
// exact one's, and CPU time until the loss that the exact solver has after `reach` epochs (within 1e-4), against its
// own; 0: not reached.
void TrainBySolver(benchmark::State& state) {
  constexpr int kEpochs = 6;
  static std::map<int, SolverRun> exact_runs;  // of each number of factors, for the cases that follow
  const Interactions shop = TasteShop();
  AlsOptions options;
  options.factors = static_cast<int>(state.range(0));
  options.threads = 1;
  options.epochs = kEpochs;
  options.solver = AlsSolver::kExact;
  SolverRun& exact = exact_runs[options.factors];
  if (exact.losses.empty()) exact = RunSolver(shop, options);
  options.solver = static_cast<AlsSolver>(state.range(1));
  (options.solver == AlsSolver::kBlocks ? options.block_size : options.conjugate_gradient_steps) =
      static_cast<int>(state.range(2));
  for (auto _ : state) {
    const SolverRun run = RunSolver(shop, options);
    if (run.losses.size() != kEpochs || exact.losses.size() != kEpochs)
      return state.SkipWithError("training went wrong");
    state.counters["epoch_to_exact"] = run.cpu_seconds.back() / exact.cpu_seconds.back();
    for (size_t reach : {2, 4}) {
      const double target = exact.losses[reach - 1] * (1 + 1e-4);
      const auto at = std::find_if(run.losses.begin(), run.losses.end(), [&](double loss) { return loss <= target; });
      const double share = at == run.losses.end() ? 0
                                                  : run.cpu_seconds[static_cast<size_t>(at - run.losses.begin())] /
                                                        exact.cpu_seconds[reach - 1];
      state.counters["to_loss_of_epoch_" + std::to_string(reach)] = share;
    }
    state.counters["exact_epoch_ms"] = 1e3 * exact.cpu_seconds.back() / kEpochs;
  }
  state.counters["interactions"] = static_cast<double>(shop.nnz());
}
BENCHMARK(TrainBySolver)
    ->ArgNames({"factors", "solver", "steps_or_block"})
    ->ArgsProduct({{64, 128, 256, 512}, {static_cast<int>(AlsSolver::kConjugateGradient)}, {3, 5}})
    ->ArgsProduct({{64, 128, 256, 512}, {static_cast<int>(AlsSolver::kBlocks)}, {64, 128}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rapport

// How fast: fold-in of one customer (n = 5, 50, 500 items at d = 64), scores of a whole catalogue, the best 200 of
// them, and one training epoch. Each case checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "models/als.h"
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

}  // namespace
}  // namespace rapport

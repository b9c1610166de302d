#include "models/dual_prices.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"
#include "models/price_rehearsal.h"

namespace rapport {
namespace {

constexpr size_t kBlockCustomers = 512;
constexpr double kSeenEnough = 64;
constexpr double kDampingMin = 1e-6, kDampingMax = 1e6;

// The customers of one stage and what each of them says at some prices.
struct Look {
  double dual = 0;
  std::vector<int64_t> used;
  std::vector<ArmSearch::Best> answers;
  std::vector<double> units;  // LimitSet::MeanUnits
  uint64_t opened = 0;
};

class Pricing {
 public:
  Pricing(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers, int threads)
      : shape_(shape), limits_(limits), source_(source), customers_(customers), threads_(threads) {}

  // `sample` empty: everybody.
  Look At(std::span<const uint32_t> sample, std::span<const double> prices, bool with_runner_up) const {
    const size_t count = sample.empty() ? customers_ : sample.size();
    const PriceTables tables = limits_.Prices(prices, {});
    Look look;
    look.answers.resize(count);
    std::vector<uint64_t> opened((count + kBlockCustomers - 1) / kBlockCustomers);
    ParallelFor(count, kBlockCustomers, threads_, [&](size_t begin, size_t end, size_t block) {
      ArmSearch search(shape_, limits_);
      for (size_t j = begin; j < end; ++j) {
        source_(sample.empty() ? static_cast<uint32_t>(j) : sample[j], search.writable_arms());
        search.Load();
        look.answers[j] = search.FindBest(tables, with_runner_up);
      }
      opened[block] = search.opened();
    });
    look.opened = std::accumulate(opened.begin(), opened.end(), uint64_t{0});
    look.used.assign(limits_.size(), 0);
    for (const ArmSearch::Best& answer : look.answers) {
      look.dual += answer.best.worth;
      if (!answer.best.arm.IsNothing()) limits_.Take(answer.best.arm, look.used);
    }
    std::vector<Arm> chosen;
    for (const ArmSearch::Best& answer : look.answers) chosen.push_back(answer.best.arm);
    look.units = limits_.MeanUnits(chosen);
    const double share = static_cast<double>(count) / customers_;
    for (size_t k = 0; k < limits_.size(); ++k) look.dual += prices[k] * share * static_cast<double>(limits_[k].most);
    return look;
  }

  // The rough way from nothing: Adagrad on the relative excess of small random groups, averaged over the second half.
  //   l_k += rate V_k e_k / sqrt(sum of e_k^2 so far), V_k the mean worth of an answer per unit of the limit
  void Approach(const PricingOptions& options, std::vector<double>* prices) const {
    const size_t group = std::min<size_t>(options.approach_customers, customers_);
    Random random = Random(options.seed).Fork(1);
    std::vector<uint32_t> sample(group);
    std::vector<double> squares(limits_.size(), 0), sums(limits_.size(), 0);
    double worth = 0;
    for (int step = 0; step < options.approach_steps; ++step) {
      for (uint32_t& customer : sample) customer = static_cast<uint32_t>(random.Below(customers_));
      const Look look = At(sample, *prices, false);
      if (step == 0) worth = WorthOfAnswers(look);
      for (size_t k = 0; k < limits_.size(); ++k) {
        const double most_here = static_cast<double>(limits_[k].most) * static_cast<double>(group) / customers_;
        const double excess = static_cast<double>(look.used[k]) - most_here;
        squares[k] += excess * excess;
        if (squares[k] > 0) {
          (*prices)[k] += options.approach_rate * worth / look.units[k] * excess / std::sqrt(squares[k]);
          (*prices)[k] = std::max((*prices)[k], 0.0);
        }
        if (2 * step >= options.approach_steps) sums[k] += (*prices)[k];
      }
    }
    const int averaged = options.approach_steps - (options.approach_steps + 1) / 2;
    for (size_t k = 0; k < limits_.size() && averaged > 0; ++k) (*prices)[k] = sums[k] / averaged;
  }

  // D falls along the way from `prices` by at most `steps_max` steps; `look` is the last accepted one.
  int Descend(std::span<const uint32_t> sample, int steps_max, double gain_min, double balance_min,
              std::vector<double>* prices, double* damping_before, Look* look) const {
    double damping = *damping_before;
    int small_gains = 0, steps = 0;
    *look = At(sample, *prices, true);
    while (steps < steps_max && small_gains < 2 && damping < kDampingMax && Unbalanced(*look, *prices) > balance_min) {
      const std::vector<double> next = Step(*look, sample.empty() ? customers_ : sample.size(), *prices, damping);
      if (next == *prices) break;
      Look there = At(sample, next, true);
      ++steps;
      if (there.dual < look->dual) {
        small_gains = look->dual - there.dual < gain_min * std::abs(look->dual) ? small_gains + 1 : 0;
        *prices = next;
        *look = std::move(there);
        damping = std::max(damping / 3, kDampingMin);
      } else {
        damping *= 6;
      }
    }
    *damping_before = std::clamp(damping, 1e-3, 10.0);
    return steps;
  }

  // sum_k l_k |use_k - most_k| / D over everybody: what a plan drawn at these prices cannot avoid to lose, about.
  double Unbalanced(const Look& look, const std::vector<double>& prices) const {
    const double share = static_cast<double>(look.answers.size()) / customers_;
    double sum = 0;
    for (size_t k = 0; k < limits_.size(); ++k) {
      sum += prices[k] * std::abs(static_cast<double>(look.used[k]) - share * static_cast<double>(limits_[k].most));
    }
    return look.dual > 0 ? sum / look.dual : 0;
  }

  // H of all limits, both triangles, row by row.
  std::vector<double> AllBends(const Look& look) const {
    std::vector<int> place(limits_.size());
    std::vector<uint32_t> all(limits_.size());
    std::iota(place.begin(), place.end(), 0);
    std::iota(all.begin(), all.end(), 0u);
    const Eigen::MatrixXd h = BendsOf(look, 1, place, all);
    std::vector<double> bends(all.size() * all.size());
    for (size_t a = 0; a < all.size(); ++a) {
      for (size_t b = 0; b < all.size(); ++b) {
        bends[a * all.size() + b] =
            h(static_cast<Eigen::Index>(std::max(a, b)), static_cast<Eigen::Index>(std::min(a, b)));
      }
    }
    return bends;
  }

 private:
  // One damped Newton step; clipped at 0.
  std::vector<double> Step(const Look& look, size_t count, const std::vector<double>& prices, double damping) const {
    const double share = static_cast<double>(count) / customers_;
    std::vector<int> place(limits_.size(), -1);  // of the limits that move: priced, or asked for too much
    std::vector<uint32_t> moving;
    for (uint32_t k = 0; k < limits_.size(); ++k) {
      if (prices[k] > 0 || static_cast<double>(look.used[k]) > share * static_cast<double>(limits_[k].most)) {
        place[k] = static_cast<int>(moving.size());
        moving.push_back(k);
      }
    }
    if (moving.empty()) return prices;
    const auto size = static_cast<Eigen::Index>(moving.size());
    Eigen::MatrixXd h = BendsOf(look, share, place, moving);
    Eigen::VectorXd over(size);
    double bend = 0;  // mean, per send
    for (Eigen::Index j = 0; j < size; ++j) {
      const uint32_t k = moving[static_cast<size_t>(j)];
      over(j) = static_cast<double>(look.used[k]) - share * static_cast<double>(limits_[k].most);
      bend += h(j, j) / (look.units[k] * look.units[k]) / static_cast<double>(size);
    }
    for (Eigen::Index j = 0; j < size; ++j) {
      const double units = look.units[moving[static_cast<size_t>(j)]];
      h(j, j) += damping * bend * units * units;
    }
    const Eigen::LLT<Eigen::MatrixXd, Eigen::Lower> factor(h);  // definite: every diagonal has its floor and damping
    const Eigen::VectorXd step =
        factor.info() == Eigen::Success ? factor.solve(over) : over.cwiseQuotient(h.diagonal()).eval();
    std::vector<double> next = prices;
    for (Eigen::Index j = 0; j < size; ++j) {
      const uint32_t k = moving[static_cast<size_t>(j)];
      if (std::isfinite(step(j))) next[k] = std::max(0.0, prices[k] + step(j));
    }
    return next;
  }

  // H with its floors, lower triangle, of the limits that `place` numbers.
  Eigen::MatrixXd BendsOf(const Look& look, double share, const std::vector<int>& place,
                          const std::vector<uint32_t>& moving) const {
    const auto size = static_cast<Eigen::Index>(moving.size());
    Eigen::MatrixXd h = Eigen::MatrixXd::Zero(size, size);
    const std::vector<uint32_t> seen = AddBends(look, place, &h);
    h.diagonal() += Floors(look, share, moving, seen);
    return h;
  }

  // h += sum_u K_w(d_u) delta delta^T, lower triangle.
  // How many customers spoke of each row is given back.
  std::vector<uint32_t> AddBends(const Look& look, const std::vector<int>& place, Eigen::MatrixXd* h) const {
    std::vector<uint32_t> seen(static_cast<size_t>(h->rows()), 0);
    std::vector<float> differences;
    for (const ArmSearch::Best& answer : look.answers) {
      if (!answer.best.arm.IsNothing()) differences.push_back(answer.best.worth - answer.runner_up.worth);
    }
    if (differences.empty()) return seen;
    // Half of a small sample, a twentieth of a large one: at least some 8,000 customers where there are as many.
    const double part = std::clamp(8192.0 / static_cast<double>(differences.size()), 0.05, 0.5);
    const auto middle =
        differences.begin() + static_cast<ptrdiff_t>(part * static_cast<double>(differences.size() - 1));
    std::nth_element(differences.begin(), middle, differences.end());
    const double width = std::max(static_cast<double>(*middle), 1e-9);
    std::vector<std::pair<int, double>> delta;
    for (const ArmSearch::Best& answer : look.answers) {
      const double d = static_cast<double>(answer.best.worth - answer.runner_up.worth);
      if (answer.best.arm.IsNothing() || d >= width) continue;
      delta.clear();
      AddParts(answer.best.arm, 1, place, &delta);
      AddParts(answer.runner_up.arm, -1, place, &delta);
      const double weight = (1 - d / width) / width;
      for (const auto& [a, units_a] : delta) {
        seen[static_cast<size_t>(a)] += units_a != 0 ? 1 : 0;
        for (const auto& [b, units_b] : delta) {
          if (a >= b) (*h)(a, b) += weight * units_a * units_b;
        }
      }
    }
    return seen;
  }

  void AddParts(Arm arm, double sign, const std::vector<int>& place, std::vector<std::pair<int, double>>* delta) const {
    if (arm.IsNothing()) return;
    for (std::span<const LimitSet::Part> parts : {limits_.OfContent(arm), limits_.OfSlot(arm)}) {
      for (const LimitSet::Part& part : parts) {
        if (place[part.limit] < 0) continue;
        const double units = sign * static_cast<double>(part.units);
        const auto same = std::find_if(delta->begin(), delta->end(),
                                       [&](const auto& other) { return other.first == place[part.limit]; });
        if (same == delta->end()) {
          delta->emplace_back(place[part.limit], units);
        } else {
          same->second += units;
        }
      }
    }
  }

  // Mean worth of what is not nothing, above 0.
  static double WorthOfAnswers(const Look& look) {
    double worth = 0;
    size_t something = 0;
    for (const ArmSearch::Best& answer : look.answers) {
      worth += answer.best.worth;
      something += answer.best.arm.IsNothing() ? 0 : 1;
    }
    return std::max(worth / static_cast<double>(std::max<size_t>(something, 1)), 1e-9);
  }

  // What keeps a limit that few are in doubt about from jumping: as if a price of five times the mean worth ended its
  // use. It fades as more are seen.
  Eigen::VectorXd Floors(const Look& look, double share, const std::vector<uint32_t>& moving,
                         const std::vector<uint32_t>& seen) const {
    const double worth = WorthOfAnswers(look);
    Eigen::VectorXd floors(static_cast<Eigen::Index>(moving.size()));
    for (size_t j = 0; j < moving.size(); ++j) {
      const double units = look.units[moving[j]];
      const double used =
          std::max(static_cast<double>(look.used[moving[j]]), share * static_cast<double>(limits_[moving[j]].most));
      const double unseen = std::max(1 - seen[j] / kSeenEnough, 1e-3);
      floors(static_cast<Eigen::Index>(j)) = 0.2 * unseen * std::max(used, units) * units / worth;
    }
    return floors;
  }

  const ArmShape& shape_;
  const LimitSet& limits_;
  const ArmSource& source_;
  uint32_t customers_;
  int threads_;
};

// The first `count` of a seeded shuffle, ascending.
std::vector<uint32_t> SampleOf(uint32_t customers, size_t count, uint64_t seed) {
  std::vector<uint32_t> order(customers);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed);
  for (size_t j = 0; j < count; ++j) std::swap(order[j], order[j + random.Below(customers - j)]);
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

bool TellsHours(const ArmShape& shape, const LimitSet& limits) {
  for (size_t c = 0; c < shape.channels; ++c) {
    if (limits.TellsSlots(c)) return true;
  }
  return false;
}

DualPrices Rehearsed(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
                     const PricingOptions& options) {
  RehearsalOptions rehearsal;
  rehearsal.seed = options.seed;
  rehearsal.threads = options.threads;
  DualPrices found;
  found.prices = RehearsePrices(shape, limits, source, customers, rehearsal);
  found.rehearsed = true;
  PricedDemand demand = DemandAt(shape, limits, source, customers, found.prices, options.threads);
  found.dual_bound = demand.dual;
  found.full_passes = 1;
  found.best = std::move(demand.best);
  return found;
}

}  // namespace

DualPrices FindPrices(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
                      const PricingOptions& options) {
  const Pricing pricing(shape, limits, source, customers, options.threads);
  DualPrices found;
  if (options.rehearse && customers >= options.rehearse_customers_min && TellsHours(shape, limits))
    return Rehearsed(shape, limits, source, customers, options);
  found.prices.assign(limits.size(), 0);
  pricing.Approach(options, &found.prices);
  int steps_max = options.sample_steps_max;
  double damping = 0.1;
  Look look;
  const size_t first = std::max<size_t>(options.sample_customers, options.sample_customers_per_limit * limits.size());
  for (size_t count = std::max<size_t>(first, 1); count < customers; count *= 8) {
    const std::vector<uint32_t> sample = SampleOf(customers, count, options.seed);
    found.steps += pricing.Descend(sample, steps_max, options.sample_gain_min, 0, &found.prices, &damping, &look);
    steps_max = options.next_steps_max;
  }
  const int last_steps_max = customers <= first ? options.sample_steps_max : options.last_steps_max;
  found.full_passes =
      1 + pricing.Descend({}, last_steps_max, 0, options.unbalanced_min, &found.prices, &damping, &look);
  found.steps += found.full_passes - 1;
  found.dual_bound = look.dual;
  found.bends = pricing.AllBends(look);
  found.best.reserve(look.answers.size());
  for (const ArmSearch::Best& answer : look.answers) found.best.push_back(answer.best.arm);
  return found;
}

PricedDemand DemandAt(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
                      std::span<const double> prices, int threads) {
  Look look = Pricing(shape, limits, source, customers, threads).At({}, prices, false);
  PricedDemand demand{look.dual, std::move(look.used), {}, look.opened};
  demand.best.reserve(look.answers.size());
  for (const ArmSearch::Best& answer : look.answers) demand.best.push_back(answer.best.arm);
  return demand;
}

}  // namespace rapport

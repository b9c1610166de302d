#include "models/plan_draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "base/random.h"
#include "models/price_steering.h"

namespace rapport {
namespace {

// One customer of a block, made ready before the turn.
struct Ready {
  std::vector<WorthArm> shortlist;
  std::vector<float> values;
  DrawReason reason_of_nothing = DrawReason::kNoArm;
};

std::vector<uint32_t> OrderOf(uint32_t customers, uint64_t seed) {
  std::vector<uint32_t> order(customers);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed);
  for (uint32_t j = customers; j > 1; --j) std::swap(order[j - 1], order[random.Below(j)]);
  return order;
}

// The prices of one turn after the other: those of a block, or rehearsed ones that keep the pace. One owner, one
// thread.
class Pace {
 public:
  Pace(const LimitSet& limits, const DualPrices& dual, double gain, size_t customers)
      : limits_(limits), dual_(dual), gain_(gain), customers_(static_cast<double>(customers)) {
    now_ = dual.prices;
    const std::vector<double> units = limits.MeanUnits(dual.best);
    for (size_t k = 0; k < limits.size(); ++k) sends_.push_back(static_cast<double>(limits[k].most) / units[k]);
    units_ = units;
    slopes_.resize(limits.size());
  }

  void BeginBlock(size_t turn) {
    const double to_come = 1 - static_cast<double>(turn) / customers_;
    for (size_t k = 0; k < slopes_.size(); ++k) {
      slopes_[k] = dual_.prices[k] * gain_ / units_[k] / std::sqrt(1 + to_come * sends_[k]);
    }
  }
  std::span<const double> At(size_t turn, std::span<const int64_t> used) {
    const double part = static_cast<double>(turn) / customers_;
    for (size_t k = 0; k < now_.size(); ++k) {
      const double ahead = static_cast<double>(used[k]) - part * static_cast<double>(limits_[k].most);
      now_[k] = std::max(0.0, dual_.prices[k] + slopes_[k] * ahead);
    }
    return now_;
  }

 private:
  const LimitSet& limits_;
  const DualPrices& dual_;
  const double gain_, customers_;
  std::vector<double> now_, sends_, units_, slopes_;
};

class Drawing {
 public:
  Drawing(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, const DrawOptions& options)
      : shape_(shape), limits_(limits), source_(source), options_(options) {
    free_ = limits_.Prices(std::vector<double>(limits_.size(), 0), {});
  }

  // `prices` until the next call.
  void MakeReady(std::span<const uint32_t> customers, const Plan& plan, std::span<const double> prices,
                 std::vector<Ready>* ready) {
    prices_ = prices;
    const PriceTables tables = limits_.Prices(prices, plan.used);
    ready->resize(customers.size());
    ParallelFor(customers.size(), 64, options_.threads, [&](size_t begin, size_t end, size_t) {
      ArmSearch search(shape_, limits_);
      for (size_t j = begin; j < end; ++j) {
        Ready& one = (*ready)[j];
        source_(customers[j], search.writable_arms());
        search.Load();
        search.FindShortlist(tables, options_.shortlist, &one.shortlist);
        one.values.clear();
        for (const WorthArm& arm : one.shortlist) {
          one.values.push_back(arm.worth + (arm.arm.IsNothing() ? 0 : tables.Of(arm.arm)));
        }
        one.reason_of_nothing = ReasonOfNothing(one, &search);
      }
    });
  }

  // `pace` null: at the prices of MakeReady.
  void Draw(uint32_t customer, const Ready& ready, Pace* pace, const DrawSink& sink, Plan* plan) {
    if (pace != nullptr) prices_ = pace->At(turn_, plan->used);
    order_.clear();
    for (uint32_t j = 0; j < ready.shortlist.size(); ++j) {
      WorthArm arm = ready.shortlist[j];
      if (!arm.arm.IsNothing() && !limits_.Fits(arm.arm, plan->used)) continue;  // before the draw, never after it
      if (pace != nullptr && !arm.arm.IsNothing()) {
        arm.worth = ready.values[j] - static_cast<float>(limits_.PriceOf(arm.arm, prices_));
      }
      order_.push_back({arm, j});
    }
    if (pace != nullptr) {
      std::stable_sort(order_.begin(), order_.end(),
                       [](const Ordered& a, const Ordered& b) { return a.arm.worth > b.arm.worth; });
    }
    left_.clear();
    values_.clear();
    for (const Ordered& one : order_) {
      left_.push_back(one.arm);
      values_.push_back(ready.values[one.place]);
    }
    PolicyOf(left_, options_.temperature, options_.exploration, &probabilities_);
    const size_t chosen = Pick(customer);
    DrawnArm& drawn = plan->drawn[customer];
    drawn.arm = left_[chosen].arm;
    drawn.worth = left_[chosen].worth;
    drawn.value = values_[chosen];
    drawn.propensity = probabilities_[chosen];
    drawn.arms_left = static_cast<uint8_t>(std::min<size_t>(left_.size(), 255));
    drawn.turn = turn_++;
    drawn.reason = chosen == 0 ? DrawReason::kBest : DrawReason::kExplored;
    if (chosen == 0 && drawn.arm.IsNothing()) drawn.reason = ready.reason_of_nothing;
    for (size_t j = 0; j < left_.size(); ++j) plan->expected_value += probabilities_[j] * values_[j];
    plan->value += drawn.value;
    if (!drawn.arm.IsNothing()) {
      limits_.Take(drawn.arm, plan->used);
      ++plan->sends;
    }
    if (sink) sink({customer, left_, probabilities_, drawn, prices_});
  }

  // What a price left over, where there are no dice: customers who are alike all turn away from an arm at the same
  // price, and a limit would stay half empty. Whoever got nothing for its price gets the arm that loses least at the
  // prices, those who lose least first, as long as it brings money and fits. Who finds it taken looks again, so that
  // customers who all want the same hour fill the others.
  void HandOutTheRest(std::span<const uint32_t> order, std::span<const double> prices, const DrawSink& sink,
                      Plan* plan) {
    std::vector<uint32_t> customers, too_late;
    for (const uint32_t customer : order) {
      if (plan->drawn[customer].reason == DrawReason::kPriced) customers.push_back(customer);
    }
    const size_t looks_max = order.size() + kRestLooksMin;
    for (size_t looks = 0; !customers.empty() && looks < looks_max; customers.swap(too_late)) {
      looks += customers.size();
      too_late.clear();
      const std::vector<Rest> rest = FindRest(customers, prices, *plan);
      for (size_t k = 0; k < rest.size();) {
        const size_t first = k, turn = rest[k].turn;
        bool is_taken = false;
        for (; k < rest.size() && rest[k].turn == turn; ++k) {
          if (is_taken || !limits_.Fits(rest[k].arm, plan->used)) continue;
          Give(rest[k], prices, sink, plan);
          is_taken = true;
        }
        if (!is_taken) too_late.push_back(rest[first].customer);
      }
      if (too_late.size() == customers.size()) return;
    }
  }

 private:
  static constexpr size_t kRestAtOnce = 4096;
  static constexpr size_t kRestLooksMin = 200'000;      // of the second turn, beside one for each customer
  static constexpr size_t kRestWholeListsMax = 65'536;  // customers whose whole shortlists are at hand

  // An arm that may be given in the second turn. Arms of one customer stand together, the best first.
  struct Rest {
    float worth, value;
    uint32_t turn, customer;
    Arm arm;
  };

  // For each of the customers what fits and brings money; customers by what they lose.
  std::vector<Rest> FindRest(std::span<const uint32_t> customers, std::span<const double> prices, const Plan& plan) {
    const size_t arms_max = customers.size() <= kRestWholeListsMax ? options_.shortlist.arms_max : 1;
    std::vector<Rest> rest;
    std::vector<float> best(customers.size(), 0);  // worth of the first arm
    std::vector<Ready> ready;
    for (size_t begin = 0; begin < customers.size(); begin += kRestAtOnce) {
      const std::span<const uint32_t> some = customers.subspan(begin, std::min(kRestAtOnce, customers.size() - begin));
      MakeReady(some, plan, prices, &ready);
      for (size_t j = 0; j < some.size(); ++j) {
        size_t found = 0;
        for (size_t k = 0; k < ready[j].shortlist.size() && found < arms_max; ++k) {
          const WorthArm& arm = ready[j].shortlist[k];  // those worth most first
          if (arm.arm.IsNothing() || !(ready[j].values[k] > 0) || !limits_.Fits(arm.arm, plan.used)) continue;
          rest.push_back({arm.worth, ready[j].values[k], static_cast<uint32_t>(begin + j), some[j], arm.arm});
          if (found++ == 0) best[begin + j] = arm.worth;
        }
      }
    }
    std::stable_sort(rest.begin(), rest.end(), [&](const Rest& a, const Rest& b) {
      return best[a.turn] != best[b.turn] ? best[a.turn] > best[b.turn] : a.turn < b.turn;
    });
    return rest;
  }

  void Give(const Rest& one, std::span<const double> prices, const DrawSink& sink, Plan* plan) {
    DrawnArm& drawn = plan->drawn[one.customer];
    drawn.arm = one.arm;
    drawn.worth = one.worth;
    drawn.value = one.value;
    drawn.propensity = 1;
    drawn.arms_left = 1;
    drawn.turn = turn_++;
    drawn.reason = DrawReason::kBest;
    plan->value += one.value;
    plan->expected_value += one.value;
    limits_.Take(one.arm, plan->used);
    ++plan->sends;
    left_ = {{.arm = one.arm, .worth = one.worth}};
    probabilities_ = {1};
    if (sink) sink({one.customer, left_, probabilities_, drawn, prices});
  }

  // Why nothing would be the best: asked only where it might be.
  DrawReason ReasonOfNothing(const Ready& one, ArmSearch* search) const {
    float most_value = kNotAllowed;
    for (size_t j = 0; j < one.values.size(); ++j) {
      if (!one.shortlist[j].arm.IsNothing()) most_value = std::max(most_value, one.values[j]);
    }
    if (most_value > 0) return DrawReason::kPriced;
    if (!search->FindBest(free_, false).best.arm.IsNothing()) return DrawReason::kPriced;
    if (most_value > kNotAllowed) return DrawReason::kNothingWorth;
    std::vector<WorthArm> any;
    search->FindShortlist(free_, {2, 1}, &any);
    return any.size() > 1 ? DrawReason::kNothingWorth : DrawReason::kNoArm;
  }

  // The customer's own stream: the dice do not depend on who came before.
  size_t Pick(uint32_t customer) const {
    double left = DrawNumber(options_.seed, customer);
    size_t chosen = 0;
    for (size_t j = 0; j < probabilities_.size(); ++j) {
      if (probabilities_[j] <= 0) continue;
      chosen = j;
      if (left < probabilities_[j]) break;
      left -= probabilities_[j];
    }
    return chosen;
  }

  const ArmShape& shape_;
  const LimitSet& limits_;
  const ArmSource& source_;
  std::span<const double> prices_;
  const DrawOptions& options_;
  PriceTables free_;
  struct Ordered {
    WorthArm arm;
    uint32_t place;  // in the shortlist
  };
  std::vector<Ordered> order_;
  std::vector<WorthArm> left_;
  std::vector<float> values_;
  std::vector<double> probabilities_;
  uint32_t turn_ = 0;
};

}  // namespace

double DrawNumber(uint64_t seed, uint32_t customer) { return Random(seed).Fork(customer).Uniform(); }

void PolicyOf(std::span<const WorthArm> shortlist, double temperature, double exploration, std::vector<double>* out) {
  out->assign(shortlist.size(), 0);
  size_t best = 0;
  for (size_t j = 1; j < shortlist.size(); ++j) best = shortlist[j].worth > shortlist[best].worth ? j : best;
  if (temperature > 0) {
    double sum = 0;
    for (size_t j = 0; j < shortlist.size(); ++j) {
      const double below = static_cast<double>(shortlist[j].worth) - static_cast<double>(shortlist[best].worth);
      sum += (*out)[j] = std::exp(below / temperature);
    }
    for (double& probability : *out) probability /= sum;
  } else {
    (*out)[best] = 1;
  }
  const double floor = exploration / static_cast<double>(shortlist.size());
  for (double& probability : *out) probability = (1 - exploration) * probability + floor;
}

Plan DrawPlan(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, const DualPrices& prices,
              const DrawOptions& options, const DrawSink& sink) {
  const size_t customers = prices.best.size();
  Plan plan;
  plan.drawn.resize(customers);
  plan.used.assign(limits.size(), 0);
  const std::vector<uint32_t> order = OrderOf(static_cast<uint32_t>(customers), options.seed);
  Drawing drawing(shape, limits, source, options);
  const bool paced = prices.rehearsed && options.steer;
  Pace pace(limits, prices, options.pace, customers);
  std::optional<PriceSteering> steering;
  if (!prices.rehearsed) steering.emplace(limits, prices);
  const auto block_prices = [&]() -> std::span<const double> {
    return steering ? steering->prices() : std::span<const double>(prices.prices);
  };
  std::vector<Ready> ready;
  for (size_t begin = 0, end = 0; begin < customers; begin = end) {
    // Smaller towards the end, where a block is a larger part of what is left.
    const size_t block =
        options.block_customers > 0 ? options.block_customers : std::clamp<size_t>((customers - begin) / 50, 64, 4'096);
    end = std::min(customers, begin + block);
    const std::span<const uint32_t> turn = std::span(order).subspan(begin, end - begin);
    if (steering && options.steer) steering->Steer(plan.used);
    if (paced) pace.BeginBlock(begin);
    drawing.MakeReady(turn, plan, paced ? pace.At(begin, plan.used) : block_prices(), &ready);
    for (size_t j = 0; j < turn.size(); ++j) drawing.Draw(turn[j], ready[j], paced ? &pace : nullptr, sink, &plan);
    if (steering) steering->Pass(turn);
  }
  const bool dice = options.temperature > 0 || options.exploration > 0;
  if (!dice && options.hand_out) drawing.HandOutTheRest(order, block_prices(), sink, &plan);
  return plan;
}

}  // namespace rapport

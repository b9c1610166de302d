#include "models/price_rehearsal.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 32;
constexpr double kSlackSteps = 3;

// One owner, one thread; shortlists on all cores.
class Rehearsal {
 public:
  Rehearsal(const ArmShape& shape, const LimitSet& limits, const ArmSource& source, uint32_t customers,
            const RehearsalOptions& options)
      : shape_(shape), limits_(limits), source_(source), options_(options), prices_(limits.size(), 0) {
    std::vector<uint32_t> order(customers);
    std::iota(order.begin(), order.end(), 0u);
    Random random = Random(options.seed).Fork(3);
    const size_t count = std::min<size_t>(options.customers_max, customers);
    for (size_t j = 0; j < count; ++j) std::swap(order[j], order[j + random.Below(customers - j)]);
    order.resize(count);
    sample_ = std::move(order);
    share_ = static_cast<double>(count) / customers;
  }

  std::vector<double> Run() {
    MeasureSends();
    Random random = Random(options_.seed).Fork(4);
    for (const double rate : options_.rates) Round(rate, &random);
    // What a slack limit's price is left at by the last send that took of it.
    for (size_t k = 0; k < prices_.size(); ++k) {
      if (prices_[k] < kSlackSteps * up_[k] * units_[k]) prices_[k] = 0;
    }
    return prices_;
  }

 private:
  // Units of a send and the worth of an answer, where nothing has a price.
  void MeasureSends() {
    std::vector<Arm> chosen;
    double worth = 0;
    const size_t count = std::min<size_t>(sample_.size(), 4'096);
    std::vector<std::vector<WorthArm>> shortlists;
    MakeShortlists(std::span(sample_).first(count), &shortlists);
    for (const std::vector<WorthArm>& one : shortlists) {
      if (one.front().arm.IsNothing()) continue;
      chosen.push_back(one.front().arm);
      worth += static_cast<double>(one.front().worth);
    }
    worth_ = chosen.empty() ? 0 : worth / static_cast<double>(chosen.size());
    units_ = limits_.MeanUnits(chosen);
  }

  // At prices_; what stands in them is worth after those prices.
  void MakeShortlists(std::span<const uint32_t> customers, std::vector<std::vector<WorthArm>>* out) {
    const PriceTables tables = limits_.Prices(prices_, {});
    out->resize(customers.size());
    ParallelFor(customers.size(), kGrain, options_.threads, [&](size_t begin, size_t end, size_t) {
      ArmSearch search(shape_, limits_);
      for (size_t j = begin; j < end; ++j) {
        source_(customers[j], search.writable_arms());
        search.Load();
        search.FindShortlist(tables, options_.shortlist, &(*out)[j]);
      }
    });
  }

  void Round(double rate, Random* random) {
    const size_t size = limits_.size(), customers = sample_.size();
    std::vector<double> sums(size, 0);
    up_.assign(size, 0);
    down_.assign(size, 0);
    for (size_t k = 0; k < size; ++k) {
      const double sends = share_ * static_cast<double>(limits_[k].most) / units_[k];
      const double step = rate * worth_ / std::sqrt(std::max(sends, 1.0)) / units_[k];
      up_[k] = step / units_[k];
      down_[k] = step * sends / static_cast<double>(customers);
    }
    for (size_t j = customers; j > 1; --j) std::swap(sample_[j - 1], sample_[random->Below(j)]);
    std::vector<std::vector<WorthArm>> shortlists;
    size_t summed = 0;
    for (size_t begin = 0; begin < customers; begin += options_.block_customers) {
      const size_t count = std::min<size_t>(options_.block_customers, customers - begin);
      MakeShortlists(std::span(sample_).subspan(begin, count), &shortlists);
      before_ = prices_;
      for (const std::vector<WorthArm>& shortlist : shortlists) Turn(shortlist);
      if (2 * (begin + count) < customers) continue;
      for (size_t k = 0; k < size; ++k) sums[k] += static_cast<double>(count) * prices_[k];
      summed += count;
    }
    for (size_t k = 0; k < size && summed > 0; ++k) prices_[k] = sums[k] / static_cast<double>(summed);
  }

  // Prices have moved since the shortlist was made.
  void Turn(const std::vector<WorthArm>& shortlist) {
    double best_worth = 0;
    Arm best = kNothingArm;
    for (const WorthArm& arm : shortlist) {
      if (arm.arm.IsNothing()) continue;
      const double worth =
          static_cast<double>(arm.worth) + limits_.PriceOf(arm.arm, before_) - limits_.PriceOf(arm.arm, prices_);
      if (worth <= best_worth) continue;
      best_worth = worth;
      best = arm.arm;
    }
    if (!best.IsNothing()) {
      for (std::span<const LimitSet::Part> parts : {limits_.OfContent(best), limits_.OfSlot(best)}) {
        for (const LimitSet::Part& part : parts)
          prices_[part.limit] += up_[part.limit] * static_cast<double>(part.units);
      }
    }
    for (size_t k = 0; k < prices_.size(); ++k) prices_[k] = std::max(0.0, prices_[k] - down_[k]);
  }

  const ArmShape& shape_;
  const LimitSet& limits_;
  const ArmSource& source_;
  const RehearsalOptions& options_;
  std::vector<uint32_t> sample_;
  double share_ = 1, worth_ = 0;
  std::vector<double> units_, prices_, before_;
  std::vector<double> up_, down_;  // of a round: per unit taken; per turn
};

}  // namespace

std::vector<double> RehearsePrices(const ArmShape& shape, const LimitSet& limits, const ArmSource& source,
                                   uint32_t customers, const RehearsalOptions& options) {
  return Rehearsal(shape, limits, source, customers, options).Run();
}

}  // namespace rapport

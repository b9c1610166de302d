#include "models/price_steering.h"

#include <Eigen/Dense>
#include <algorithm>

namespace rapport {

struct PriceSteering::Factor {
  Eigen::MatrixXd bends;
  Eigen::LLT<Eigen::MatrixXd> cholesky;
};

PriceSteering::PriceSteering(const LimitSet& limits, const DualPrices& dual)
    : limits_(limits), dual_(dual), prices_(dual.prices), factor_(std::make_unique<Factor>()) {
  for (uint32_t k = 0; k < limits.size(); ++k) {
    if (dual.prices[k] > 0) priced_.push_back(k);
  }
  std::vector<int64_t> all(limits.size(), 0);
  for (Arm arm : dual.best) {
    if (!arm.IsNothing()) limits.Take(arm, all);
  }
  to_come_.assign(all.begin(), all.end());
  foreseen_.assign(priced_.size(), 0);
  const auto size = static_cast<Eigen::Index>(priced_.size());
  factor_->bends.resize(size, size);
  for (Eigen::Index a = 0; a < size; ++a) {
    for (Eigen::Index b = 0; b < size; ++b) {
      factor_->bends(a, b) =
          dual.bends[priced_[static_cast<size_t>(a)] * limits.size() + priced_[static_cast<size_t>(b)]];
    }
  }
  if (size == 0) return;
  const std::vector<double> mean_units = limits.MeanUnits(dual.best);
  double bend = 0;  // mean, per send
  for (Eigen::Index a = 0; a < size; ++a) {
    const double units = mean_units[priced_[static_cast<size_t>(a)]];
    bend += factor_->bends(a, a) / (units * units) / static_cast<double>(size);
  }
  Eigen::MatrixXd damped = factor_->bends;
  for (Eigen::Index a = 0; a < size; ++a) {
    const double units = mean_units[priced_[static_cast<size_t>(a)]];
    damped(a, a) += kDamping * bend * units * units;
  }
  factor_->cholesky.compute(damped);
}

PriceSteering::~PriceSteering() = default;

void PriceSteering::Steer(std::span<const int64_t> used) {
  const double customers = static_cast<double>(dual_.best.size()), passed = static_cast<double>(passed_);
  const double part = (customers - passed) / customers;
  if (priced_.empty() || part < kPartToComeMin || factor_->cholesky.info() != Eigen::Success) return;
  // Of a surprise that few customers have shown, little is believed.
  const double believed = (customers - passed) / (passed + 0.02 * customers);
  Eigen::VectorXd excess(static_cast<Eigen::Index>(priced_.size()));
  for (size_t j = 0; j < priced_.size(); ++j) {
    const uint32_t k = priced_[j];
    const double surprise = static_cast<double>(used[k]) - foreseen_[j];
    excess(static_cast<Eigen::Index>(j)) =
        to_come_[k] + surprise * believed - static_cast<double>(limits_[k].most - used[k]);
  }
  const Eigen::VectorXd step = factor_->cholesky.solve(excess) / part;
  for (size_t j = 0; j < priced_.size(); ++j) {
    const double dual = dual_.prices[priced_[j]];
    prices_[priced_[j]] = std::clamp(dual + step(static_cast<Eigen::Index>(j)), dual / 4, dual * 4);
  }
}

void PriceSteering::Pass(std::span<const uint32_t> customers) {
  std::vector<int64_t> passing(limits_.size(), 0);
  for (uint32_t customer : customers) {
    if (!dual_.best[customer].IsNothing()) limits_.Take(dual_.best[customer], passing);
  }
  Eigen::VectorXd moved(static_cast<Eigen::Index>(priced_.size()));
  for (size_t j = 0; j < priced_.size(); ++j) {
    moved(static_cast<Eigen::Index>(j)) = prices_[priced_[j]] - dual_.prices[priced_[j]];
  }
  const double part = static_cast<double>(customers.size()) / static_cast<double>(dual_.best.size());
  const Eigen::VectorXd less = part * (factor_->bends * moved);
  for (size_t k = 0; k < limits_.size(); ++k) to_come_[k] -= static_cast<double>(passing[k]);
  for (size_t j = 0; j < priced_.size(); ++j) {
    foreseen_[j] += static_cast<double>(passing[priced_[j]]) - less(static_cast<Eigen::Index>(j));
  }
  passed_ += customers.size();
}

}  // namespace rapport

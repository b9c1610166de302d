#include "models/bandit_log.h"

#include <algorithm>
#include <cmath>

#include "models/logistic_regression.h"

namespace rapport {
namespace {

constexpr double kMoneyMean = 3;

}  // namespace

BanditWorld::BanditWorld(const BanditWorldOptions& options) : options_(options) {
  Random random(options.seed);
  for (size_t a = 0; a < kActions; ++a) {
    for (size_t f = 0; f < kFeatures; ++f) {
      truth_[a][f] = 0.7 * random.Normal();
      log_[a][f] = random.Normal();
      target_[a][f] = truth_[a][f] + 0.3 * random.Normal();
    }
  }
}

BanditWorld::Row BanditWorld::Policy(const Matrix& scores, const std::array<double, kFeatures>& x, double sharpness,
                                     double exploration) const {
  Row p;
  for (size_t a = 0; a < kActions; ++a) {
    p[a] = 0;
    for (size_t f = 0; f < kFeatures; ++f) p[a] += sharpness * scores[a][f] * x[f];
  }
  const double top = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& value : p) sum += value = std::exp(value - top);
  for (double& value : p) value = (1 - exploration) * value / sum + exploration / double{kActions};
  return p;
}

BanditWorld::Decision BanditWorld::Describe(const std::array<double, kFeatures>& x, double level) const {
  Decision d;
  const double scale = options_.money ? kMoneyMean : 1;
  Row without_level;
  for (size_t a = 0; a < kActions; ++a) {
    double odds = options_.base;
    for (size_t f = 0; f < kFeatures; ++f) odds += truth_[a][f] * x[f];
    d.reward[a] = Sigmoid(odds + level);
    without_level[a] = scale * Sigmoid(odds);
  }
  for (size_t a = 0; a < kActions; ++a) {
    switch (options_.model) {
      case BanditModel::kGood: d.model[a] = without_level[a]; break;
      case BanditModel::kFlat: d.model[a] = scale * Sigmoid(options_.base); break;
      case BanditModel::kSwapped: d.model[a] = without_level[(a + 3) % kActions]; break;
    }
  }
  d.log = Policy(log_, x, options_.log_sharpness, options_.log_exploration);
  d.target = Policy(target_, x, options_.target_sharpness, options_.target_exploration);
  return d;
}

template <typename Each>
void BanditWorld::Visit(size_t customers, uint64_t seed, Each each) const {
  const Random root(seed);
  for (size_t c = 0; c < customers; ++c) {
    Random random = root.Fork(c);
    std::array<double, kFeatures> taste, x;
    for (double& value : taste) value = random.Normal();
    const double level = options_.customer_spread * random.Normal();
    do {
      for (size_t f = 0; f < kFeatures; ++f) x[f] = 0.8 * taste[f] + 0.6 * random.Normal();
      each(c, Describe(x, level), random);
    } while (random.Uniform() >= 1 / options_.decisions_mean);
  }
}

BanditLog BanditWorld::Draw(size_t customers, uint64_t seed) const {
  BanditLog log;
  Visit(customers, seed, [&](size_t c, const Decision& d, Random& random) {
    double left = random.Uniform();
    size_t a = 0;
    while (a + 1 < kActions && left >= d.log[a]) left -= d.log[a++];
    double reward = random.Uniform() < d.reward[a] ? 1 : 0;
    if (options_.money) reward *= kMoneyMean * std::exp(random.Normal() - 0.5);
    double expected = 0, unsupported = 0;
    for (size_t b = 0; b < kActions; ++b) {
      expected += d.target[b] * d.model[b];
      unsupported += d.log[b] > 0 ? 0 : d.target[b];
    }
    log.reward.push_back(reward);
    log.propensity.push_back(d.log[a]);
    log.target.push_back(d.target[a]);
    log.model_chosen.push_back(d.model[a]);
    log.model_expected.push_back(expected);
    log.unsupported.push_back(unsupported);
    log.customer.push_back(static_cast<uint32_t>(c));
  });
  return log;
}

double BanditWorld::TrueValue(size_t customers, uint64_t seed) const {
  double sum = 0;
  size_t decisions = 0;
  Visit(customers, seed, [&](size_t, const Decision& d, Random&) {
    ++decisions;
    for (size_t a = 0; a < kActions; ++a) sum += d.target[a] * d.reward[a];
  });
  return sum / static_cast<double>(decisions) * (options_.money ? kMoneyMean : 1);
}

}  // namespace rapport

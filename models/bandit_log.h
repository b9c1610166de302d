// Logs of a small contextual bandit with known truth: the ruler for models/off_policy.h.
//   customer c: taste z_c ~ N(0, I_4), level u_c ~ N(0, spread^2), decisions ~ Geometric with the given mean
//   decision  : x = .8 z_c + .6 e,  e ~ N(0, I_4)
//   reward    : P(1 | x, a) = sigmoid(base + T_a . x + u_c); `money`: times 3 exp(N(0,1) - 1/2), mean 3
//   log policy: (1 - e_log) softmax(sharpness_log B x) + e_log / 8      target: the same with G = T + .3 noise
// T, B, G: (8 actions, 4), drawn from the world's seed. Decisions of a customer share taste and level, so rewards are
// correlated within customers: an interval that forgets it is too short.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "models/off_policy.h"

namespace rapport {

enum class BanditModel : uint8_t {
  kGood,    // the truth without the customer's level
  kFlat,    // one value for everything
  kSwapped  // the truth of other actions
};

struct BanditWorldOptions {
  uint64_t seed = 3;
  double log_sharpness = 0.5, log_exploration = 0.1;  // smoothing of the logging policy
  double target_sharpness = 0.8, target_exploration = 0;
  double base = -2;  // log odds of a reward at x = 0
  double customer_spread = 0.7;
  double decisions_mean = 4;  // per customer
  bool money = false;
  BanditModel model = BanditModel::kGood;
};

// Owned arrays of one log.
struct BanditLog {
  std::vector<double> reward, propensity, target, model_chosen, model_expected, unsupported;
  std::vector<uint32_t> customer;
  LoggedDecisions view() const {
    return {reward, propensity, target, model_chosen, model_expected, customer, unsupported};
  }
};

// Immutable; usable from any thread.
class BanditWorld {
 public:
  static constexpr size_t kActions = 8, kFeatures = 4;

  explicit BanditWorld(const BanditWorldOptions& options);
  BanditLog Draw(size_t customers, uint64_t seed) const;
  // Reward per decision under the target, by exact expectation over actions and the mean over `customers` drawn ones.
  double TrueValue(size_t customers, uint64_t seed) const;

 private:
  using Matrix = std::array<std::array<double, kFeatures>, kActions>;
  using Row = std::array<double, kActions>;
  struct Decision {
    Row reward, model, log, target;  // by action: P or value
  };
  Row Policy(const Matrix& scores, const std::array<double, kFeatures>& x, double sharpness, double exploration) const;
  Decision Describe(const std::array<double, kFeatures>& x, double level) const;
  // Calls each(customer, decision, random) for every decision of `customers` customers.
  template <typename Each>
  void Visit(size_t customers, uint64_t seed, Each each) const;

  BanditWorldOptions options_;
  Matrix truth_{}, log_{}, target_{};
};

}  // namespace rapport

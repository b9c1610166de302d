// EASE: item-to-item weights B, diagonal 0, that minimise |X - X B|^2_D + l |B|^2 (Steck 2019, "Embarrassingly shallow
// autoencoders for sparse data"), X the binary customer x item matrix, D = diag((n_u / mean n)^-p) over customers:
//   P = (X^T D X + l I)^-1,   B_ij = -P_ij / P_jj for i != j        score of a customer: x B
// Two ways to the same scores: over items (EaseModel, for serving), and over customers when they are fewer
// (EaseByCustomer, for judging): P = (I - Z^T K Z) / l with Z = D^1/2 X, K = (Z Z^T + l I)^-1, hence
//   (x_u P) = d_u^-1/2 K_u Z   for a customer u of the training set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/interactions.h"
#include "models/neighbours.h"
#include "models/symmetric_inverse.h"

namespace rapport {

struct EaseOptions {
  double regularization = 100;  // l
  double customer_power = 0;    // p; 0: every customer weighs the same
  uint32_t size_max = 20000;    // items (customers, for EaseByCustomer): 4 n^2 bytes while fitting
  int threads = 0;
};

// Immutable after Fit or load.
struct EaseModel {
  uint32_t items = 0;
  std::vector<float> weights;  // (items, items) row major: row i is what having i adds to each score; diagonal 0
};

// kInvalidArgument for options out of range or an empty matrix; kResourceExhausted beyond size_max.
Result<EaseModel> FitEase(const Interactions& by_customer, const EaseOptions& options);

// Each row's largest `per_item` weights above zero, as lists that AddNeighbourScores takes.
NeighbourLists LargestWeights(const EaseModel& model, size_t per_item, int threads);

// scores[j] += sum over the history of weight_i B_ij. (scores: items)
void AddEaseScores(const EaseModel& model, std::span<const uint32_t> items, std::span<const float> weights,
                   std::span<float> scores);

// Scores of the customers it was fitted on only. Immutable after Fit.
class EaseByCustomer {
 public:
  static Result<EaseByCustomer> Fit(const Interactions& by_customer, const EaseOptions& options);
  // scores of a training customer's own binary history, as FitEase would give them. (scores: items; scratch: resized)
  void Score(uint32_t customer, std::span<float> scores, std::vector<float>& scratch) const;

 private:
  EaseByCustomer(const Interactions& by_customer, std::vector<float> customer_root_weights)
      : by_customer_(by_customer), root_weights_(std::move(customer_root_weights)), kernel_(by_customer.rows) {}

  Interactions by_customer_;
  std::vector<float> root_weights_;  // d_u^1/2
  SymmetricTiles kernel_;            // K
  std::vector<float> diagonal_;      // P_jj
};

}  // namespace rapport

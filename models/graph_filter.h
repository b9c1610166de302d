// A linear graph filter over the item graph (Shen, Wu, Zhang et al., "How Powerful is Graph Convolution for
// Recommendation?", CIKM 2021: GF-CF). With the binary matrix R (customers x items), its degrees d_u and d_i, and
//   R~ = D_u^-1/2 R D_i^-1/2,     P = R~^T R~ = V diag(s^2) V^T
// the scores of a customer's items r are
//   r P  +  share x  r D_i^-1/2 V_k V_k^T D_i^1/2
// the neighbours of neighbours, and what of the history lies in the k smoothest directions of the graph.
// V_k by subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4) in double, then Rayleigh-Ritz.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "models/interactions.h"

namespace rapport {

struct GraphFilterOptions {
  int rank = 256;               // k; 0: neighbours of neighbours only
  double low_pass_share = 0.3;  // of the second part
  int oversampling = 32;        // directions carried beside the k
  int iterations = 8;
  uint64_t seed = 1;
  int threads = 0;
};

// Scratch of one thread.
struct GraphFilterScratch {
  std::vector<double> customers, items;
  std::vector<float> projected;
};

// Immutable after Fit.
class GraphFilter {
 public:
  // kInvalidArgument for options out of range or an empty matrix. Weights are not looked at. The same bits on every
  // thread count.
  static Result<GraphFilter> Fit(const Interactions& by_customer, const GraphFilterOptions& options);

  // scores of every item for a history (item rows, unique), as above. (scores: items)
  void Score(std::span<const uint32_t> history, GraphFilterScratch& scratch, std::span<float> scores) const;
  // s_1^2 >= s_2^2 >= ...: how smooth each direction is; the first is 1 where the graph is connected.
  std::span<const double> eigenvalues() const { return eigenvalues_; }

 private:
  GraphFilter() = default;

  Interactions by_customer_, by_item_;
  std::vector<double> customer_scale_, item_scale_;  // d^-1/2; 0 where there is nothing
  std::vector<float> directions_;                    // V_k, (items, rank) row major
  std::vector<double> eigenvalues_;
  size_t rank_ = 0;
  double low_pass_share_ = 0;
};

}  // namespace rapport

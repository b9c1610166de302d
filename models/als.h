// iALS: factors x_u, y_i (d each) that minimise (docs/MODELS.md section 1; Hu, Koren, Volinsky 2008; Rendle et al.
// 2021)
//   L = sum_S w_ui (1 - x_u.y_i)^2 + a sum_all (x_u.y_i)^2
//     + l sum_u (n_u + a|I|)^nu |x_u|^2 + l sum_i (n_i + a|U|)^nu |y_i|^2
// by row solves in alternation, exact or (AlsSolver) improving the last solution: (sum_S w y y^T + a G + l_u I) x =
// sum_S w y, G = Y^T Y. The row solve that trains is the one that folds in. Deterministic for a seed, on every thread
// count.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "models/interactions.h"
#include "models/quantized_scan.h"

namespace rapport {

// How a row is solved for (docs/MODELS.md section 2 has the measurements).
//   kExact              anew, by Cholesky or Woodbury (als_row.h)
//   kConjugateGradient  from its last solution by a few steps of preconditioned conjugate gradients (als_steps.h)
//   kBlocks             iALS++: from its last solution by one Newton step per block of factors (als_steps.h)
//   kAuto               by the number of factors: ResolveAlsSolver
// The last two solve rows with few entries exactly. All have the same fixed points and fold in exactly, so a finished
// model does not say which one made it.
enum class AlsSolver : uint8_t { kAuto, kExact, kConjugateGradient, kBlocks };

// What the items' factors start from (als_start.h): random numbers, or the leading singular vectors of the normalized
// matrix, from which an epoch leads as far as three to six do from random ones. Like the solver it is the way to a
// solution, and a finished model does not say it.
enum class AlsStart : uint8_t { kRandom, kSpectral };

struct AlsOptions {
  int factors = 64;
  double unobserved_weight = 4;       // a, beside an order's weight of 5; both tuned in docs/JUDGING.md
  double regularization = 0.0003;     // l
  double regularization_power = 1.0;  // nu
  double init_scale = 0.1;            // a random start is N(0, init_scale / sqrt(d))
  AlsStart start = AlsStart::kRandom;
  int epochs = 16;  // one epoch: all customers, then all items
  uint64_t seed = 1;
  int threads = 0;  // 0: all cores; the result does not depend on it
  AlsSolver solver = AlsSolver::kAuto;
  int conjugate_gradient_steps = 3;  // per row and half-epoch
  int block_size = 64;               // factors per Newton step of kBlocks
};

// "auto", "exact", "conjugate-gradient" or "blocks". kInvalidArgument names them.
Result<AlsSolver> ParseAlsSolver(std::string_view name);
std::string_view AlsSolverName(AlsSolver solver);
// "random" or "spectral". kInvalidArgument names them.
Result<AlsStart> ParseAlsStart(std::string_view name);
std::string_view AlsStartName(AlsStart start);
// What kAuto stands for; another solver stands for itself.
AlsSolver ResolveAlsSolver(const AlsOptions& options);

// What serving needs, immutable after Fit or load. Customer factors are not kept: they are folded in.
struct AlsModel {
  AlsOptions options;
  uint32_t items = 0;
  uint32_t customers = 0;  // |U| at fit, for the record
  // (items, factors), row major, in principal axes: the columns are orthogonal, so that Y^T Y is diagonal up to
  // rounding. (A rotation of all factors changes no score; it makes every row solve cheaper.)
  std::vector<float> item_factors;
  std::vector<double> gram;  // (factors, factors): G = Y^T Y of item_factors, in double
  QuantizedItems quantized;  // of item_factors, for exact searches; CheckAndPrepare makes it, no file holds it
};

struct AlsFit {
  AlsModel model;
  std::vector<float> customer_factors;  // (customers, factors), row major, of the last epoch
  std::vector<double> epoch_losses;     // when asked for
};

enum class LossTracking { kOff, kEveryEpoch };

// Called after each epoch with its number from 1; return false to cancel (Fit then fails with kUnavailable).
using FitProgress = std::function<bool(int epoch)>;

// kInvalidArgument for options out of range or an empty matrix; kInternal when factors stop being finite.
Result<AlsFit> FitAls(const Interactions& by_customer, const AlsOptions& options,
                      LossTracking tracking = LossTracking::kOff, const FitProgress& progress = {});

// L in double precision, for the given factors.
double AlsLoss(const Interactions& by_customer, const AlsOptions& options, std::span<const float> customer_factors,
               std::span<const float> item_factors);

// Scratch of one thread; reused between calls.
struct FoldInScratch {
  std::vector<float> matrix;  // (factors, factors) or (n, n), padded
  std::vector<float> rows;    // gathered factors
  std::vector<float> vector;
  std::vector<double> wide;      // sums of very long rows
  std::vector<double> diagonal;  // a G
};
// The factor of a customer with these items (row indices of item_factors, unique) and weights (> 0); dual (Woodbury)
// where items.size() < 0.75 factors, both exact. Writes options.factors floats to `out`; zeros for no items, or where
// the numbers overflow. REQUIRES a model from FitAls or one that CheckAndPrepare has accepted.
void FoldIn(const AlsModel& model, std::span<const uint32_t> items, std::span<const float> weights,
            FoldInScratch& scratch, std::span<float> out);

// Recomputes gram and quantized from item_factors, after turning them into principal axes when they are not in them yet
// (a fitted model is, and keeps its bits). kInvalidArgument when sizes or options disagree, kDataLoss when a factor is
// not finite.
Status CheckAndPrepare(AlsModel& model);

}  // namespace rapport

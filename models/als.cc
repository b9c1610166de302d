// Training: alternation of half-epochs. Each half-epoch computes the Gram matrix of the fixed side, turns that
// side into principal axes (a G = V L V^T, F <- F V: scores do not change, the Gram term becomes diagonal), and solves
// every row of the other side, anew (als_row.h) or from its last solution, turned likewise (als_steps.h).
#include "models/als.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/huge_pages.h"
#include "base/parallel.h"
#include "models/als_axes.h"
#include "models/als_loss.h"
#include "models/als_row.h"
#include "models/als_start.h"
#include "models/als_steps.h"
#include "models/als_tiles.h"

namespace rapport {
namespace {

constexpr size_t kRowGrain = 64;  // rows solved per block
// Where rounding of the fixed side would weigh more than this many times its own share of D, it is turned in double.
constexpr double kRoundingGainMax = 4;
constexpr int kExactFactorsMax = 64;  // more: kAuto takes steps instead, docs/MODELS.md section 2

constexpr std::pair<AlsSolver, std::string_view> kSolverNames[] = {
    {AlsSolver::kAuto, "auto"},
    {AlsSolver::kExact, "exact"},
    {AlsSolver::kConjugateGradient, "conjugate-gradient"},
    {AlsSolver::kBlocks, "blocks"}};

constexpr std::pair<AlsStart, std::string_view> kStartNames[] = {{AlsStart::kRandom, "random"},
                                                                 {AlsStart::kSpectral, "spectral"}};

Status CheckOptions(const AlsOptions& o) {
  const auto positive = [](double v) { return std::isfinite(v) && v > 0; };
  if (o.factors < 1 || o.factors > static_cast<int>(kernels::kSizeMax)) {
    return Status::InvalidArgument("als: factors must be 1 to " + std::to_string(kernels::kSizeMax));
  }
  if (!std::isfinite(o.unobserved_weight) || o.unobserved_weight < 0) {
    return Status::InvalidArgument("als: unobserved_weight must be 0 or more");
  }
  if (!positive(o.regularization)) return Status::InvalidArgument("als: regularization must be above 0");
  if (!std::isfinite(o.regularization_power) || o.regularization_power < 0 || o.regularization_power > 2) {
    return Status::InvalidArgument("als: regularization_power must be 0 to 2");
  }
  if (!positive(o.init_scale)) return Status::InvalidArgument("als: init_scale must be above 0");
  if (o.epochs < 1 || o.epochs > 10000) return Status::InvalidArgument("als: epochs must be 1 to 10000");
  if (o.threads < 0) return Status::InvalidArgument("als: threads must be 0 (all) or more");
  if (o.conjugate_gradient_steps < 1 || o.conjugate_gradient_steps > 1000) {
    return Status::InvalidArgument("als: conjugate_gradient_steps must be 1 to 1000");
  }
  if (o.block_size < 1 || o.block_size > static_cast<int>(kernels::kSizeMax)) {
    return Status::InvalidArgument("als: block_size must be 1 to " + std::to_string(kernels::kSizeMax));
  }
  return {};
}

// One row: `x` holds its last solution and takes the next.
bool SolveRow(const AlsSide& side, const AlsOptions& options, AlsSolver solver, std::span<const uint32_t> columns,
              std::span<const float> weights, double shift, FoldInScratch& scratch, std::span<float> x) {
  const bool steps = solver == AlsSolver::kConjugateGradient && CanTakeSteps(side.factors_count, columns.size());
  const bool blocks = solver == AlsSolver::kBlocks && columns.size() > static_cast<size_t>(options.block_size);
  if (steps && ConjugateGradientSteps(side, shift, columns, weights, options.conjugate_gradient_steps, scratch, x)) {
    return true;
  }
  if (blocks && BlockSteps(side, shift, columns, weights, static_cast<size_t>(options.block_size), scratch, x)) {
    return true;
  }
  return SolveAlsRow(side, shift, columns, weights, RowMethod::kAuto, scratch, x);
}

// Asks for the first factors of a row that is solved next: the others are asked for on the way.
void PrefetchHead(const AlsSide& side, std::span<const uint32_t> columns) {
  for (uint32_t column : columns.subspan(0, std::min<size_t>(columns.size(), 16))) {
    const float* factor = side.factors + size_t{column} * side.factors_count;
    for (size_t k = 0; k < side.factors_count; k += 16) __builtin_prefetch(factor + k);
  }
}

// Turns `fixed` into principal axes, in float where its rounding does not matter, and returns them.
Result<PrincipalAxes> TurnFixedSide(const AlsOptions& options, std::span<float> fixed) {
  const auto d = static_cast<size_t>(options.factors);
  std::vector<double> gram = Gram(fixed, d, Precision::kFloat, options.threads);
  Result<PrincipalAxes> axes = FindPrincipalAxes(gram, d);
  if (!axes.ok()) return axes;
  const double shift_min = AlsShift(options, 1, fixed.size() / d);
  const bool safe = RoundingGain(gram, *axes, options.unobserved_weight, shift_min) <= kRoundingGainMax;
  if (!safe) {
    axes = FindPrincipalAxes(Gram(fixed, d, Precision::kDouble, options.threads), d);
    if (!axes.ok()) return axes;
  }
  Turn(fixed, *axes, safe ? Precision::kFloat : Precision::kDouble, options.threads);
  return axes;
}

// Turns `fixed` into principal axes and solves every row of `rows` for `solved`.
Status HalfEpoch(const Interactions& rows, const AlsOptions& options, std::span<float> fixed, std::span<float> solved) {
  const auto d = static_cast<size_t>(options.factors);
  const Result<PrincipalAxes> axes = TurnFixedSide(options, fixed);
  if (!axes.ok()) return axes.status();
  const AlsSolver solver = ResolveAlsSolver(options);
  // Only where the steps start from: float does.
  if (solver != AlsSolver::kExact) Turn(solved, *axes, Precision::kFloat, options.threads);
  std::vector<double> diagonal(d);
  for (size_t k = 0; k < d; ++k) diagonal[k] = options.unobserved_weight * axes->masses[k];
  const AlsSide side{fixed.data(), d, diagonal.data()};
  const size_t tile_rows = solver == AlsSolver::kConjugateGradient ? TileRows(rows.columns_count, d) : 0;
  if (tile_rows > 0) TiledConjugateGradients(rows, options, side, tile_rows, solved);
  std::vector<char> finite((rows.rows + kRowGrain - 1) / kRowGrain, 1);
  ParallelFor(rows.rows, kRowGrain, options.threads, [&](size_t begin, size_t end, size_t block) {
    FoldInScratch scratch;
    for (size_t r = begin; r < end; ++r) {
      const auto row = static_cast<uint32_t>(r);
      const std::span<const uint32_t> columns = rows.RowColumns(row);
      const double shift = AlsShift(options, columns.size(), rows.columns_count);
      const std::span<float> x = solved.subspan(r * d, d);
      if (tile_rows > 0 && AllFinite(x)) continue;
      if (r + 1 < end) PrefetchHead(side, rows.RowColumns(row + 1));
      if (!SolveRow(side, options, solver, columns, rows.RowWeights(row), shift, scratch, x)) {
        finite[block] = 0;
      }
    }
  });
  if (std::find(finite.begin(), finite.end(), 0) != finite.end()) {
    return Status::Internal("als: a row has no finite solution; look for extreme weights or too little regularization");
  }
  return {};
}

Status CheckInput(const Interactions& by_customer, const AlsOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(options));
  if (by_customer.nnz() == 0) return Status::InvalidArgument("als: there are no interactions to learn from");
  return {};
}

// The two sides and their alternation.
Status Alternate(const Interactions& by_customer, LossTracking tracking, const FitProgress& progress, AlsFit& fit) {
  const AlsOptions& options = fit.model.options;
  const Interactions by_item = by_customer.Transposed(options.threads);
  std::vector<float>& customers = fit.customer_factors;
  std::vector<float>& items = fit.model.item_factors;
  RAPPORT_RETURN_IF_ERROR(StartItems(by_customer, by_item, options, customers, items));
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    RAPPORT_RETURN_IF_ERROR(HalfEpoch(by_customer, options, items, customers));
    if (epoch == 1 && options.start == AlsStart::kSpectral) {
      BalanceSides(by_customer, options, customers, items);
    }
    RAPPORT_RETURN_IF_ERROR(HalfEpoch(by_item, options, customers, items));
    if (tracking == LossTracking::kEveryEpoch) {
      fit.epoch_losses.push_back(AlsLoss(by_customer, options, customers, items));
    }
    if (progress && !progress(epoch)) return Status::Unavailable("als: training was cancelled");
  }
  return {};
}

}  // namespace

Result<AlsSolver> ParseAlsSolver(std::string_view name) {
  for (const auto& [solver, its_name] : kSolverNames) {
    if (name == its_name) return solver;
  }
  return Status::InvalidArgument("solver '" + std::string(name) +
                                 "' is not known; use auto, exact, conjugate-gradient or blocks");
}

std::string_view AlsSolverName(AlsSolver solver) {
  for (const auto& [one, name] : kSolverNames) {
    if (one == solver) return name;
  }
  return "auto";
}

Result<AlsStart> ParseAlsStart(std::string_view name) {
  for (const auto& [start, its_name] : kStartNames) {
    if (name == its_name) return start;
  }
  return Status::InvalidArgument("start '" + std::string(name) + "' is not known; use random or spectral");
}

std::string_view AlsStartName(AlsStart start) {
  for (const auto& [one, name] : kStartNames) {
    if (one == start) return name;
  }
  return "random";
}

AlsSolver ResolveAlsSolver(const AlsOptions& options) {
  if (options.solver != AlsSolver::kAuto) return options.solver;
  return options.factors <= kExactFactorsMax ? AlsSolver::kExact : AlsSolver::kConjugateGradient;
}

Result<AlsFit> FitAls(const Interactions& by_customer, const AlsOptions& options, LossTracking tracking,
                      const FitProgress& progress) {
  RAPPORT_RETURN_IF_ERROR(CheckInput(by_customer, options));
  const auto d = static_cast<size_t>(options.factors);
  AlsFit fit;
  fit.model.options = options;
  fit.model.items = by_customer.columns_count;
  fit.model.customers = by_customer.rows;
  ResizeInHugePages(fit.model.item_factors, size_t{by_customer.columns_count} * d);
  ResizeInHugePages(fit.customer_factors, size_t{by_customer.rows} * d);
  RAPPORT_RETURN_IF_ERROR(Alternate(by_customer, tracking, progress, fit));
  Result<PrincipalAxes> axes =
      FindPrincipalAxes(Gram(fit.model.item_factors, d, Precision::kDouble, options.threads), d);
  if (!axes.ok()) return axes.status();
  Turn(fit.model.item_factors, *axes, Precision::kDouble, options.threads);
  Turn(fit.customer_factors, *axes, Precision::kDouble, options.threads);
  RAPPORT_RETURN_IF_ERROR(CheckAndPrepare(fit.model));
  return fit;
}

void FoldIn(const AlsModel& model, std::span<const uint32_t> items, std::span<const float> weights,
            FoldInScratch& scratch, std::span<float> out) {
  const auto d = static_cast<size_t>(model.options.factors);
  scratch.diagonal.resize(d);
  for (size_t k = 0; k < d; ++k) scratch.diagonal[k] = model.options.unobserved_weight * model.gram[k * (d + 1)];
  const AlsSide side{model.item_factors.data(), d, scratch.diagonal.data()};
  const double shift = AlsShift(model.options, items.size(), model.items);
  if (!SolveAlsRow(side, shift, items, weights, RowMethod::kAuto, scratch, out))
    std::fill(out.begin(), out.end(), 0.0f);
}

Status CheckAndPrepare(AlsModel& model) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(model.options));
  const auto d = static_cast<size_t>(model.options.factors);
  if (model.items == 0) return Status::InvalidArgument("als: a model without items");
  if (model.item_factors.size() != size_t{model.items} * d) {
    return Status::InvalidArgument("als: " + std::to_string(model.item_factors.size()) + " numbers for " +
                                   std::to_string(model.items) + " items of " + std::to_string(d) + " factors");
  }
  if (!AllFinite(model.item_factors)) return Status::DataLoss("als: a factor is not a finite number");
  model.gram = Gram(model.item_factors, d, Precision::kDouble, model.options.threads);
  if (!IsDiagonal(model.gram, d)) {
    Result<PrincipalAxes> axes = FindPrincipalAxes(model.gram, d);
    if (!axes.ok()) return axes.status();
    Turn(model.item_factors, *axes, Precision::kDouble, model.options.threads);
    model.gram = Gram(model.item_factors, d, Precision::kDouble, model.options.threads);
  }
  model.quantized = Quantize(model.item_factors, d);
  return {};
}

}  // namespace rapport

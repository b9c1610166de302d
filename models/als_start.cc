#include "models/als_start.h"

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"
#include "models/als_axes.h"
#include "models/kernels.h"

namespace rapport {
namespace {

constexpr size_t kRowGrain = 64;      // rows summed per block
constexpr size_t kDenseGrain = 1024;  // rows scaled or filled per block
constexpr double kPasses = 4;         // Z ~ (singular value)^4
// Axes whose mass is below this share of the largest one's are what rounding left.
constexpr double kMassShareMin = 1e-10;

// Calls body(r) for every row; what it writes is its row's own.
template <typename Body>
void ForEachRow(size_t rows, int threads, const Body& body) {
  ParallelFor(rows, kDenseGrain, threads, [&body](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) body(r);
  });
}

using FloatRow = Eigen::Map<Eigen::VectorXf>;
FloatRow Row(std::span<float> factors, size_t d, size_t r) {
  return {factors.data() + r * d, static_cast<Eigen::Index>(d)};
}

// Of each row; 1 for an empty one, whose factors are zero whatever they are multiplied with.
std::vector<double> WeightSums(const Interactions& rows, int threads) {
  std::vector<double> sums(rows.rows);
  ForEachRow(rows.rows, threads, [&](size_t r) {
    const auto weights = rows.RowWeights(static_cast<uint32_t>(r));
    sums[r] = weights.empty() ? 1.0 : std::accumulate(weights.begin(), weights.end(), 0.0);
  });
  return sums;
}

// out_r = scale(r) sum_e w_re table[column_re]
template <typename Scale>
void SumRows(const Interactions& rows, std::span<const float> table, size_t d, int threads, const Scale& scale,
             std::span<float> out) {
  const kernels::Kernels& kernel = kernels::BestKernels();
  ParallelFor(rows.rows, kRowGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const auto columns = rows.RowColumns(static_cast<uint32_t>(r));
      const auto weights = rows.RowWeights(static_cast<uint32_t>(r));
      kernel.sum_named(table.data(), columns.data(), weights.data(), columns.size(), d, out.data() + r * d);
      Row(out, d, r) *= static_cast<float>(scale(r));
    }
  });
}

// Rows of +scale(r) and -scale(r): each has a stream of its own.
template <typename Scale>
void FillWithSigns(uint64_t seed, size_t d, int threads, const Scale& scale, std::span<float> out) {
  const Random random(seed);
  ForEachRow(out.size() / d, threads, [&](size_t r) {
    Random signs = random.Fork(r);
    const auto bits_of_scale = std::bit_cast<uint32_t>(static_cast<float>(scale(r)));
    for (size_t first = 0; first < d; first += 64) {
      const uint64_t bits = signs.NextU64();
      float* row = out.data() + r * d + first;
      for (size_t k = 0; k < std::min<size_t>(64, d - first); ++k) {
        row[k] = std::bit_cast<float>(bits_of_scale ^ (static_cast<uint32_t>(bits >> k) << 31));
      }
    }
  });
}

// Z <- Z V diag(L_k^-1/2 s_k^1/2)
Status Whiten(size_t d, int threads, std::span<float> z) {
  Result<PrincipalAxes> axes = FindPrincipalAxes(Gram(z, d, Precision::kDouble, threads), d);
  if (!axes.ok()) return axes.status();
  const double largest = axes->masses[0];
  if (!(largest > 0)) return Status::Internal("als: the weights are too uneven for a spectral start; use a random one");
  const size_t stride = axes->basis.size() / d;
  for (size_t k = 0; k < d; ++k) {
    const double mass = std::max(axes->masses[k], kMassShareMin * largest);
    const double singular_value = std::pow(mass / largest, 0.5 / kPasses);
    const double scale = std::sqrt(singular_value / mass);
    for (size_t j = 0; j < d; ++j) axes->basis[j * stride + k] *= scale;
  }
  Turn(z, *axes, Precision::kFloat, threads);
  return {};
}

// Where two products meet, R^-1/2 of one and of the other make R^-1, and likewise C.
Status StartSpectral(const Interactions& by_customer, const Interactions& by_item, const AlsOptions& options,
                     std::span<float> x, std::span<float> y) {
  const auto d = static_cast<size_t>(options.factors);
  const int threads = options.threads;
  const std::vector<double> r = WeightSums(by_customer, threads), c = WeightSums(by_item, threads);
  FillWithSigns(
      options.seed, d, threads, [&c](size_t i) { return 1 / std::sqrt(c[i]); }, y);
  SumRows(
      by_customer, y, d, threads, [&r](size_t u) { return 1 / r[u]; }, x);
  SumRows(
      by_item, x, d, threads, [&c](size_t i) { return 1 / c[i]; }, y);
  SumRows(
      by_customer, y, d, threads, [&r](size_t u) { return 1 / r[u]; }, x);
  SumRows(
      by_item, x, d, threads, [&c](size_t i) { return 1 / std::sqrt(c[i]); }, y);
  RAPPORT_RETURN_IF_ERROR(Whiten(d, threads, y));
  ForEachRow(by_item.rows, threads, [&](size_t i) { Row(y, d, i) *= static_cast<float>(std::sqrt(c[i])); });
  ForEachRow(by_customer.rows, threads, [&](size_t u) { Row(x, d, u).setZero(); });
  return {};
}

}  // namespace

Status StartItems(const Interactions& by_customer, const Interactions& by_item, const AlsOptions& options,
                  std::span<float> customers, std::span<float> items) {
  if (options.start == AlsStart::kSpectral) return StartSpectral(by_customer, by_item, options, customers, items);
  Random random(options.seed);
  const double scale = options.init_scale / std::sqrt(static_cast<double>(options.factors));
  for (float& factor : items) factor = static_cast<float>(scale * random.Normal());
  return {};
}

}  // namespace rapport

// What traits say of a customer: W (levels, channels, kinds, hours), and with it how kind, channel and hour act
// together for some traits and not for others:
//   eta = everybody's + sum over traits t of (W_t . x(c, kind, h) + T_t . y(c, kind, h))
//   y = channel x D(h), kind x D(h), kind x channel, kind x channel x D(h); D: MakeDayBasis(1, 1), five functions
// one penalised regression, a variance for each group. T (traits, y) over all arms is a table (traits, channels, kinds,
// 168), of which the first kTogetherFactors principal directions are kept: T = V J. A customer then costs a few
// numbers, whatever the number of traits.
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <array>

#include "models/block_logistic.h"
#include "models/response_parts.h"

namespace rapport {
namespace {

constexpr uint32_t kTraitsMax = 64;          // with T: so many columns a regression holds
constexpr double kFactorVarianceMin = 1e-3;  // of the first direction's: what is less says nothing

const HourBasis& Parts() {
  static const HourBasis basis = MakeDayBasis(1, 1);
  return basis;
}

// y(c, kind, h): group, column within the group, value. Four groups.
struct Products {
  explicit Products(const ResponseShape& shape)
      : channels(shape.channels),
        kinds(shape.kinds),
        functions(static_cast<uint32_t>(Parts().functions)),
        sizes{channels * functions, kinds * functions, kinds * channels, kinds * channels * functions} {}
  uint32_t channels, kinds, functions;
  std::array<uint32_t, 4> sizes;

  template <typename Add>
  void Each(uint32_t channel, uint32_t kind, size_t hour, const Add& add) const {
    const auto curve = Parts().At(hour);
    const uint32_t pair = channel * kinds + kind;
    add(size_t{2}, pair, 1.0);
    for (uint32_t f = 0; f < functions; ++f) {
      add(size_t{0}, channel * functions + f, curve[f]);
      add(size_t{1}, kind * functions + f, curve[f]);
      add(size_t{3}, pair * functions + f, curve[f]);
    }
  }
};

// Where the columns lie: W's four groups, then the products' four, each (traits, size).
struct TraitColumns {
  TraitColumns(const ResponseShape& shape, bool together)
      : sizes{1, shape.channels, shape.kinds, static_cast<uint32_t>(kOwnHourFunctions)} {
    variances = {0.2, 0.05, 0.05, 0.02};
    if (together) {
      for (const uint32_t size : Products(shape).sizes) sizes.push_back(size), variances.push_back(0.02);
    }
    for (const uint32_t size : sizes) {
      starts.push_back(total);
      total += shape.traits * size;
    }
  }
  uint32_t At(size_t group, uint32_t trait, uint32_t column) const {
    return starts[group] + trait * sizes[group] + column;
  }
  std::vector<uint32_t> sizes, starts;
  std::vector<double> variances;
  uint32_t total = 0;
};

// T as a table over all arms (traits, channels, kinds, 168), then its principal directions.
void Factorise(const TraitColumns& at, std::span<const double> t, ResponseModel& model) {
  const ResponseShape& shape = model.shape;
  const Products products(shape);
  const auto arms = static_cast<Eigen::Index>(size_t{shape.channels} * shape.kinds * kHoursOfWeek);
  Eigen::MatrixXd table = Eigen::MatrixXd::Zero(shape.traits, arms);
  for (uint32_t trait = 0; trait < shape.traits; ++trait) {
    for (uint32_t c = 0; c < shape.channels; ++c) {
      for (uint32_t k = 0; k < shape.kinds; ++k) {
        for (size_t h = 0; h < kHoursOfWeek; ++h) {
          double& cell = table(trait, static_cast<Eigen::Index>((c * shape.kinds + k) * kHoursOfWeek + h));
          products.Each(c, k, h, [&](size_t group, uint32_t column, double value) {
            cell += value * t[at.At(4 + group, trait, column)];
          });
        }
      }
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(table * table.transpose() / static_cast<double>(arms));
  const auto most = static_cast<Eigen::Index>(std::min<size_t>(kTogetherFactors, shape.traits));
  const double first = solver.eigenvalues()(shape.traits - 1);
  Eigen::Index kept = 0;
  while (kept < most && solver.eigenvalues()(shape.traits - 1 - kept) > kFactorVarianceMin * first && first > 1e-9)
    ++kept;
  model.trait_factors.assign(shape.traits * static_cast<size_t>(kept), 0.0);
  model.factors.clear();
  for (Eigen::Index f = 0; f < kept; ++f) {
    const auto column = static_cast<Eigen::Index>(shape.traits) - 1 - f;
    Eigen::VectorXd direction = solver.eigenvectors().col(column);
    Eigen::Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction(largest) < 0) direction = -direction;  // a sign of its own
    const double scale = std::sqrt(solver.eigenvalues()(column));
    for (uint32_t trait = 0; trait < shape.traits; ++trait) {
      model.trait_factors[trait * static_cast<size_t>(kept) + static_cast<size_t>(f)] = scale * direction(trait);
    }
    const Eigen::VectorXd loading = table.transpose() * direction / scale;
    for (Eigen::Index j = 0; j < arms; ++j) model.factors.push_back(static_cast<float>(loading(j)));
  }
}

}  // namespace

bool MayFitTogether(const ResponseShape& shape) {
  return shape.traits > 0 && shape.traits <= kTraitsMax && MayFitThreeWay(shape);
}

void FitTraits(std::span<const CustomerEvidence> evidence, std::span<const FittedCustomer> customers, bool together,
               const ResponseOptions& options, ResponseModel& model) {
  const VectorShape shape{model.shape.channels, model.shape.kinds};
  const TraitColumns at(model.shape, together);
  const Products products(model.shape);
  BlockLogisticRows rows;
  std::vector<float> offsets;
  const auto add = [&rows](uint32_t column, double value) {
    rows.columns.push_back(column);
    rows.values.push_back(static_cast<float>(value));
  };
  for (const FittedCustomer& customer : customers) {
    for (const ResponseTrial& trial : customer.trials) {
      const auto psi = OwnHour(trial.hour);
      for (const uint32_t trait : evidence[customer.index].traits) {
        add(at.At(0, trait, 0), 1);
        add(at.At(1, trait, trial.channel), 1);
        add(at.At(2, trait, trial.kind), 1);
        for (uint32_t f = 0; f < kOwnHourFunctions; ++f) add(at.At(3, trait, f), psi[f]);
        if (!together) continue;
        products.Each(trial.channel, trial.kind, trial.hour, [&](size_t group, uint32_t column, double value) {
          add(at.At(4 + group, trait, column), value);
        });
      }
      rows.starts.push_back(rows.columns.size());
      rows.weights.push_back(static_cast<float>(TrialWeight(trial, options.trial_half_life_days)));
      rows.responded.push_back(trial.responded ? 1 : 0);
      offsets.push_back(static_cast<float>(model.GlobalLogit(ArmOf(trial))));
    }
  }
  std::vector<LogisticBlock> blocks;
  for (size_t group = 0; group < at.sizes.size(); ++group) {
    blocks.push_back({model.shape.traits * at.sizes[group], nullptr, at.variances[group]});
  }
  BlockLogisticOptions logistic;
  logistic.threads = options.threads;
  const std::vector<double> t = FitBlockLogistic(rows, offsets, blocks, {}, logistic).columns;
  const size_t d = shape.size();
  model.traits.assign(model.shape.traits * d, 0.0);
  for (uint32_t trait = 0; trait < model.shape.traits; ++trait) {
    double* const w = model.traits.data() + trait * d;
    w[0] = t[at.At(0, trait, 0)];
    std::copy_n(t.data() + at.At(1, trait, 0), shape.channels, w + shape.channel(0));
    std::copy_n(t.data() + at.At(2, trait, 0), shape.kinds, w + shape.kind(0));
    std::copy_n(t.data() + at.At(3, trait, 0), kOwnHourFunctions, w + shape.hour());
  }
  if (together) Factorise(at, t, model);
}

}  // namespace rapport

#include "engine/learning/predict_then_update.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "base/random.h"
#include "models/block_logistic.h"

namespace rapport {
namespace {

constexpr double kLevelVariance = 100;  // nearly free
constexpr double kPairRidges = 4;       // ridge of pairs over that of single columns
constexpr double kLogitMax = 13;        // a forecast is never surer than 1 in 400,000

// Columns of one kind of design: which blocks there are, and every row's entries.
struct Design {
  std::vector<LogisticBlock> blocks;
  BlockLogisticRows rows;          // all of them; a refit sees the first so many
  size_t first_pair = ~size_t{0};  // the first block of pairs
};

struct DesignParts {
  bool bins = false, pairs = false;
};

// Adds blocks and remembers where they start.
class DesignBuilder {
 public:
  DesignBuilder(const AnswerLog& log, const DesignParts& parts) : log_(log), parts_(parts) {
    Add(1);  // the level, nearly free
    for (const AnswerColumn& column : log.columns) {
      if (column.numeric) numbers_.push_back(Add(1));
      if (!column.numeric || parts.bins) categories_.push_back(Add(column.category_count));
    }
    if (!parts.pairs) return;
    design_.first_pair = design_.blocks.size();
    for (size_t a = 0; a < log.columns.size(); ++a) {
      for (size_t b = 0; b < a; ++b) {
        if (!log.columns[a].paired || !log.columns[b].paired) continue;
        pairs_.push_back({a, b, Add(log.columns[a].category_count * log.columns[b].category_count)});
      }
    }
  }

  Design Build() {
    for (size_t i = 0; i < log_.responded.size(); ++i) AddRow(i);
    return std::move(design_);
  }

 private:
  struct Pair {
    size_t a, b;
    uint32_t first;
  };
  uint32_t Add(uint32_t columns) {
    const uint32_t first = total_;
    design_.blocks.push_back({columns, nullptr, kLevelVariance});
    total_ += columns;
    return first;
  }
  void Entry(uint32_t column, double value) {
    design_.rows.columns.push_back(column);
    design_.rows.values.push_back(static_cast<float>(value));
  }
  void AddRow(size_t i) {
    Entry(0, 1);
    size_t number = 0, category = 0;
    for (const AnswerColumn& column : log_.columns) {
      if (column.numeric) Entry(numbers_[number++], column.numbers[i]);
      if (!column.numeric || parts_.bins) Entry(categories_[category++] + column.categories[i], 1);
    }
    for (const Pair& pair : pairs_) {
      const AnswerColumn &a = log_.columns[pair.a], &b = log_.columns[pair.b];
      Entry(pair.first + a.categories[i] * b.category_count + b.categories[i], 1);
    }
    design_.rows.starts.push_back(design_.rows.columns.size());
    design_.rows.weights.push_back(1);
    design_.rows.responded.push_back(log_.responded[i]);
  }

  const AnswerLog& log_;
  const DesignParts parts_;
  Design design_;
  std::vector<uint32_t> numbers_, categories_;
  std::vector<Pair> pairs_;
  uint32_t total_ = 0;
};

BlockLogisticRows FirstRows(const BlockLogisticRows& rows, size_t count, double half_life_rows) {
  BlockLogisticRows first;
  first.starts.assign(rows.starts.begin(), rows.starts.begin() + static_cast<ptrdiff_t>(count) + 1);
  const auto entries = static_cast<ptrdiff_t>(first.starts.back());
  first.columns.assign(rows.columns.begin(), rows.columns.begin() + entries);
  first.values.assign(rows.values.begin(), rows.values.begin() + entries);
  first.responded.assign(rows.responded.begin(), rows.responded.begin() + static_cast<ptrdiff_t>(count));
  for (size_t i = 0; i < count; ++i) {
    const double age = static_cast<double>(count - 1 - i);
    first.weights.push_back(half_life_rows > 0 ? static_cast<float>(std::exp2(-age / half_life_rows)) : 1.0f);
  }
  return first;
}

// Logits of all rows from the second block on, each block by a fit on the rows before it.
struct Member {
  double half_life_rows = 0;
  double ridge = 1;   // of every column but the level
  bool exact = true;  // a member of a committee may stop a little earlier
};

std::vector<double> Forecast(Design design, const Member& member, const StreamOptions& options) {
  const size_t count = design.rows.size();
  std::vector<double> logits(count, 0.0), start;
  BlockLogisticOptions fit;
  fit.threads = options.threads;
  fit.newton_steps = 8;
  fit.tolerance = member.exact ? 1e-6 : 1e-5;
  fit.conjugate_tolerance = member.exact ? 1e-2 : 5e-2;
  fit.variance_rounds = 0;
  for (size_t b = 1; b < design.blocks.size(); ++b) {
    design.blocks[b].variance = 1 / (member.ridge * (b >= design.first_pair ? kPairRidges : 1.0));
  }
  for (size_t begin = options.block; begin < count; begin += options.block) {
    const BlockLogisticRows rows = FirstRows(design.rows, begin, member.half_life_rows);
    const BlockLogisticFit fitted = FitBlockLogistic(rows, {}, design.blocks, start, fit);
    start = fitted.weights;
    for (size_t i = begin; i < std::min(count, begin + options.block); ++i) {
      logits[i] = std::clamp(BlockLogisticScore(design.rows, i, fitted.columns), -kLogitMax, kLogitMax);
    }
  }
  return logits;
}

double LossOf(double logit, uint8_t responded) { return SoftPlus(responded != 0 ? -logit : logit); }

// For each block the member with the lowest loss on the blocks before it; the first block: the last (most careful) one.
std::vector<double> FollowBest(const std::vector<std::vector<double>>& members, const AnswerLog& log, size_t block) {
  std::vector<double> losses(members.size(), 0.0), followed(log.responded.size(), 0.0);
  for (size_t begin = block; begin < followed.size(); begin += block) {
    size_t best = members.size() - 1;
    for (size_t m = members.size(); m-- > 0;) {
      if (losses[m] < losses[best]) best = m;
    }
    for (size_t i = begin; i < std::min(followed.size(), begin + block); ++i) {
      followed[i] = members[best][i];
      for (size_t m = 0; m < members.size(); ++m) losses[m] += LossOf(members[m][i], log.responded[i]);
    }
  }
  return followed;
}

// AUC with every row `copies` times (empty: once), rows in ascending order of score in `order`.
double WeightedArea(const std::vector<size_t>& order, const std::vector<double>& scores,
                    const std::vector<uint8_t>& responded, const std::vector<uint32_t>& copies) {
  double below = 0, yes = 0, area = 0;  // `no` rows below so far
  for (size_t i = 0; i < order.size();) {
    double tied_yes = 0, tied_no = 0;
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      const double n = copies.empty() ? 1 : copies[order[i]];
      (responded[order[i]] != 0 ? tied_yes : tied_no) += n;
    }
    area += tied_yes * (below + tied_no / 2);
    below += tied_no;
    yes += tied_yes;
  }
  return yes > 0 && below > 0 ? area / (yes * below) : 0.5;
}

std::vector<size_t> Ascending(const std::vector<double>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return scores[a] < scores[b] || (scores[a] == scores[b] && a < b); });
  return order;
}

struct Judged {
  std::string name, settings;
  std::vector<double> logits;  // of the predicted rows
};

Interval Percentiles(double mean, std::vector<double> draws) {
  std::sort(draws.begin(), draws.end());
  const auto at = [&](double q) { return draws[static_cast<size_t>(q * static_cast<double>(draws.size() - 1))]; };
  return {mean, at(0.025), at(0.975)};
}

// Gains of `model` over `other`, rows drawn with replacement.
std::pair<Interval, Interval> Gains(const Judged& model, const Judged& other, const std::vector<uint8_t>& responded,
                                    const StreamOptions& options) {
  const std::vector<size_t> order_model = Ascending(model.logits), order_other = Ascending(other.logits);
  const size_t n = responded.size();
  std::vector<double> gains(n), loss_draws, area_draws;
  for (size_t i = 0; i < n; ++i)
    gains[i] = LossOf(other.logits[i], responded[i]) - LossOf(model.logits[i], responded[i]);
  Random random(options.seed);
  std::vector<uint32_t> copies;
  for (int draw = 0; draw < options.resamples; ++draw) {
    copies.assign(n, 0);
    for (size_t i = 0; i < n; ++i) ++copies[random.Below(n)];
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += copies[i] * gains[i];
    loss_draws.push_back(sum / static_cast<double>(n));
    area_draws.push_back(WeightedArea(order_model, model.logits, responded, copies) -
                         WeightedArea(order_other, other.logits, responded, copies));
  }
  const double loss = std::accumulate(gains.begin(), gains.end(), 0.0) / static_cast<double>(n);
  const double area =
      WeightedArea(order_model, model.logits, responded, {}) - WeightedArea(order_other, other.logits, responded, {});
  return {Percentiles(loss, loss_draws), Percentiles(area, area_draws)};
}

double MeanLoss(const std::vector<double>& logits, const std::vector<uint8_t>& responded, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += LossOf(logits[i], responded[i]);
  return sum / static_cast<double>(end - begin);
}

StreamRow RowOf(const Judged& one, const Judged& model, const std::vector<uint8_t>& responded,
                const StreamOptions& options) {
  StreamRow row{one.name, one.settings};
  const size_t n = responded.size();
  row.log_loss = MeanLoss(one.logits, responded, 0, n);
  row.auc = AreaUnderCurve(one.logits, responded);
  size_t blocks = 0;
  for (size_t begin = 0; begin < n; begin += options.block, ++blocks) {
    const auto from = static_cast<ptrdiff_t>(begin), to = static_cast<ptrdiff_t>(std::min(n, begin + options.block));
    row.block_auc += AreaUnderCurve({one.logits.begin() + from, one.logits.begin() + to},
                                    {responded.begin() + from, responded.begin() + to});
  }
  row.block_auc /= static_cast<double>(blocks);
  std::tie(row.loss_gain, row.auc_gain) = Gains(model, one, responded, options);
  return row;
}

std::vector<CalibrationBin> Calibrate(const Judged& model, const std::vector<uint8_t>& responded) {
  const std::vector<size_t> order = Ascending(model.logits);
  std::vector<CalibrationBin> bins(10);
  for (size_t i = 0; i < order.size(); ++i) {
    CalibrationBin& bin = bins[i * bins.size() / order.size()];
    bin.predicted += Sigmoid(model.logits[order[i]]);
    bin.observed += responded[order[i]];
    ++bin.rows;
  }
  for (CalibrationBin& bin : bins) {
    bin.predicted /= static_cast<double>(std::max<uint64_t>(1, bin.rows));
    bin.observed /= static_cast<double>(std::max<uint64_t>(1, bin.rows));
  }
  return bins;
}

Status CheckLog(const AnswerLog& log, const StreamOptions& options) {
  const size_t n = log.responded.size();
  for (const AnswerColumn& column : log.columns) {
    bool fits = column.categories.size() == n && (!column.numeric || column.numbers.size() == n);
    for (const uint32_t category : column.categories) fits = fits && category < column.category_count;
    for (const double number : column.numbers) fits = fits && std::isfinite(number);
    if (!fits) return Status::InvalidArgument("answers: column '" + column.name + "' does not fit the rows");
  }
  if (options.block == 0 || n < 2 * options.block) {
    return Status::FailedPrecondition("answers: fewer than two blocks; take smaller blocks or a longer log");
  }
  return {};
}

Judged Rivals(const AnswerLog& log, const Design& design, const std::string& name, const StreamOptions& options,
              std::vector<Judged>& each) {
  std::vector<std::vector<double>> members;
  char settings[32];
  for (const double ridge : options.ridges) {
    members.push_back(Forecast(design, {0, ridge, true}, options));
    std::snprintf(settings, sizeof(settings), "ridge %g", ridge);
    each.push_back({name, settings, members.back()});
  }
  return {name, "ridge by the loss so far", FollowBest(members, log, options.block)};
}

Judged Committee(const AnswerLog& log, const StreamOptions& options) {
  Judged model{"response head", "", std::vector<double>(log.responded.size(), 0.0)};
  size_t members = 0;
  for (const DesignParts& parts : {DesignParts{false, false}, DesignParts{true, false}, DesignParts{true, true}}) {
    const Design design = DesignBuilder(log, parts).Build();
    for (const double half_life_rows : options.half_lives_rows) {
      for (const double ridge : options.member_ridges) {
        const std::vector<double> logits = Forecast(design, {half_life_rows, ridge, false}, options);
        for (size_t i = 0; i < logits.size(); ++i) model.logits[i] += logits[i];
        ++members;
      }
    }
  }
  for (double& logit : model.logits) logit /= static_cast<double>(members);
  model.settings = "mean of " + std::to_string(members) + " memories, designs and ridges";
  return model;
}

}  // namespace

double AreaUnderCurve(const std::vector<double>& scores, const std::vector<uint8_t>& responded) {
  return WeightedArea(Ascending(scores), scores, responded, {});
}

Result<StreamReport> EvaluateStream(const AnswerLog& log, const StreamOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckLog(log, options));
  std::vector<Judged> all;
  const Judged linear = Rivals(log, DesignBuilder(log, {false, false}).Build(), "logistic regression", options, all);
  const Judged binned =
      Rivals(log, DesignBuilder(log, {true, false}).Build(), "logistic regression, numbers in bins too", options, all);
  all.push_back(linear);
  all.push_back(binned);
  all.push_back(Committee(log, options));
  const auto first = static_cast<ptrdiff_t>(options.block);
  for (Judged& one : all) one.logits.erase(one.logits.begin(), one.logits.begin() + first);
  const std::vector<uint8_t> responded(log.responded.begin() + first, log.responded.end());
  StreamReport report;
  report.rows = log.responded.size();
  report.predicted = responded.size();
  for (const Judged& one : all) report.models.push_back(RowOf(one, all.back(), responded, options));
  report.calibration = Calibrate(all.back(), responded);
  for (size_t begin = 0; begin < responded.size(); begin += options.block) {
    const size_t end = std::min(responded.size(), begin + options.block);
    const double yes = std::accumulate(responded.begin() + static_cast<ptrdiff_t>(begin),
                                       responded.begin() + static_cast<ptrdiff_t>(end), 0.0);
    report.blocks.push_back({yes / static_cast<double>(end - begin), MeanLoss(all.back().logits, responded, begin, end),
                             MeanLoss(all[all.size() - 3].logits, responded, begin, end)});
  }
  return report;
}

std::string FormatStream(const StreamReport& report) {
  char line[240];
  std::snprintf(line, sizeof(line), "answers in date order: %llu rows, %llu predicted\n",
                static_cast<unsigned long long>(report.rows), static_cast<unsigned long long>(report.predicted));
  std::string text = line;
  for (const StreamRow& row : report.models) {
    std::snprintf(
        line, sizeof(line),
        "  %-42s %-26s loss %.5f  AUC %.4f  in blocks %.4f  gain %+.5f [%+.5f %+.5f]  AUC %+.4f [%+.4f %+.4f]\n",
        row.model.c_str(), row.settings.c_str(), row.log_loss, row.auc, row.block_auc, row.loss_gain.mean,
        row.loss_gain.lower, row.loss_gain.upper, row.auc_gain.mean, row.auc_gain.lower, row.auc_gain.upper);
    text += line;
  }
  for (const CalibrationBin& bin : report.calibration) {
    std::snprintf(line, sizeof(line), "  predicted %.4f  observed %.4f  rows %llu\n", bin.predicted, bin.observed,
                  static_cast<unsigned long long>(bin.rows));
    text += line;
  }
  return text;
}

}  // namespace rapport

#include "engine/learning/strong_generalisation.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/random.h"
#include "engine/learning/blend_fit.h"
#include "engine/learning/cold_evaluation.h"
#include "engine/learning/trainer.h"

namespace rapport {
namespace {

// `table` with the item rows of `item_ids`; lines of other items are dropped.
TrainingSet WithItems(const TrainingSet& table, const std::vector<uint64_t>& item_ids) {
  TrainingSet out = table;
  out.item_ids = item_ids;
  out.lines.clear();
  out.offsets.assign(1, 0);
  for (uint32_t customer = 0; customer < table.customers(); ++customer) {
    for (TrainingLine line : table.LinesOf(customer)) {
      const auto found = std::lower_bound(item_ids.begin(), item_ids.end(), table.item_ids[line.item]);
      if (found == item_ids.end() || *found != table.item_ids[line.item]) continue;
      line.item = static_cast<uint32_t>(found - item_ids.begin());
      out.lines.push_back(line);
    }
    out.offsets.push_back(out.lines.size());
  }
  return out;
}

Status CheckOptions(const TrainingSet& set, const GeneralisationOptions& options) {
  if (set.lines.empty()) return Status::FailedPrecondition("nothing to judge: no event lines");
  for (const double share : {options.held_out_share, options.given_share}) {
    if (!(share > 0 && share < 1)) return Status::InvalidArgument("shares must be above 0 and below 1");
  }
  return Status::Ok();
}

TrainOptions TrainOptionsOf(const EvaluationOptions& options) {
  TrainOptions train;
  train.als = options.rivals.als;
  train.neighbours = options.rivals.neighbours;
  train.holdout_days = options.holdout_days;
  return train;
}

// The blend's weights for this very task: the customers trained on are split once more as all were, and what is hidden
// of those held out then is what the weights have to find. Nothing of the customers who are judged is looked at.
Result<std::vector<double>> FitOwnWeights(const TrainingSet& trained, Timestamp cut,
                                          const GeneralisationOptions& options) {
  GeneralisationOptions again = options;
  again.evaluation.seed = Random(options.evaluation.seed).Fork(1).NextU64();
  const GeneralisationSplit inner = SplitCustomers(trained, again);
  if (inner.trained.lines.empty() || inner.hidden.cases.empty()) return std::vector<double>();
  const TrainOptions train = TrainOptionsOf(options.evaluation);
  const Result<ContentModel> model =
      FitContentModel(inner.trained, cut, options.evaluation.rivals.history_half_life_days, train);
  if (!model.ok()) return model.status();
  const BlendCases cases = CollectJudged(inner.given, *model, inner.hidden, cut, train.als.threads);
  const BlendCases* const parts[] = {&cases};
  return FitTaskWeights(parts, train.als.threads);
}

Result<std::vector<Ranker>> FitRankers(const GeneralisationSplit& split, Timestamp cut,
                                       const GeneralisationOptions& options) {
  const EvaluationOptions& fits = options.evaluation;
  std::vector<Ranker> rankers;
  for (const Rival rival : kRivals) {
    if (rival == Rival::kFrequency) continue;  // it knows nothing new
    if (rival == Rival::kShallow && split.trained.items() > fits.ease_items_max) continue;
    Result<Ranker> ranker = FitRival(rival, split.trained, split.given, cut, fits.rivals);
    if (!ranker.ok()) return ranker.status();
    rankers.push_back(ranker.Take());
  }
  const TrainOptions train = TrainOptionsOf(fits);
  const double half_life_days = fits.rivals.history_half_life_days;
  Result<ContentModel> model = FitContentModel(split.trained, cut, half_life_days, train);
  if (!model.ok()) return model.status();
  const auto windows = CollectWindows(split.trained, cut, half_life_days, train);
  if (!windows.ok()) return windows.status();
  RAPPORT_RETURN_IF_ERROR(FitBlendWeights(*windows, train.als.threads, model->stack));
  Result<std::vector<double>> own = FitOwnWeights(split.trained, cut, options);
  if (!own.ok()) return own.status();
  const auto as_served = std::make_shared<const ContentModel>(model.Take());
  rankers.push_back(BlendRanker("blend, as served", as_served, split.given, cut, RepeatTask::kNewItemsOnly));
  if (!own->empty()) {
    auto for_this = std::make_shared<ContentModel>(*as_served);
    for_this->stack.new_theta = own.Take();
    rankers.push_back(
        BlendRanker("blend, fitted for this task", std::move(for_this), split.given, cut, RepeatTask::kNewItemsOnly));
  }
  return rankers;
}

}  // namespace

GeneralisationSplit SplitCustomers(const TrainingSet& set, const GeneralisationOptions& options) {
  const uint64_t seed = options.evaluation.seed;
  std::vector<uint8_t> held_out(set.customers());
  for (uint32_t customer = 0; customer < set.customers(); ++customer) {
    std::set<uint32_t> items;
    for (const TrainingLine& line : set.LinesOf(customer)) {
      if (line.weight > 0) items.insert(line.item);
    }
    held_out[customer] =
        items.size() >= options.items_min && IsMasked(set.customer_ids[customer], options.held_out_share, seed);
  }
  const auto is_given = [&](const TrainingLine& line) {
    return Random(seed).Fork(set.customer_ids[line.customer]).Fork(set.item_ids[line.item]).Uniform() <
           options.given_share;
  };
  GeneralisationSplit split;
  split.trained = LinesWhere(set, [&](const TrainingLine& line) { return held_out[line.customer] == 0; });
  const std::vector<uint64_t>& known = split.trained.item_ids;
  split.given = WithItems(
      LinesWhere(set, [&](const TrainingLine& line) { return held_out[line.customer] != 0 && is_given(line); }), known);
  const TrainingSet hidden = WithItems(
      LinesWhere(set, [&](const TrainingLine& line) { return held_out[line.customer] != 0 && !is_given(line); }),
      known);

  split.hidden.repeats = RepeatTask::kNewItemsOnly;
  split.hidden.recall = RecallKind::kOfPossible;
  for (uint32_t row = 0; row < hidden.customers(); ++row) {
    const auto given =
        std::lower_bound(split.given.customer_ids.begin(), split.given.customer_ids.end(), hidden.customer_ids[row]);
    if (given == split.given.customer_ids.end() || *given != hidden.customer_ids[row]) continue;
    JudgedCase one{static_cast<uint32_t>(given - split.given.customer_ids.begin()), {}};
    for (const TrainingLine& line : hidden.LinesOf(row)) {
      if (line.weight > 0) one.relevant.push_back(line.item);
    }
    std::sort(one.relevant.begin(), one.relevant.end());
    one.relevant.erase(std::unique(one.relevant.begin(), one.relevant.end()), one.relevant.end());
    if (one.relevant.empty() || split.given.LinesOf(one.customer).empty()) continue;
    split.hidden.relevant_mean += static_cast<double>(one.relevant.size());
    split.hidden.cases.push_back(std::move(one));
  }
  if (!split.hidden.cases.empty()) split.hidden.relevant_mean /= static_cast<double>(split.hidden.cases.size());
  return split;
}

Result<EvaluationReport> EvaluateGeneralisation(const TrainingSet& set, const GeneralisationOptions& options,
                                                const EvaluationProgress& progress) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(set, options));
  const GeneralisationSplit split = SplitCustomers(set, options);
  if (split.trained.lines.empty() || split.hidden.cases.empty()) {
    return Status::FailedPrecondition("nobody to judge: no customer held out has " + std::to_string(options.items_min) +
                                      " items that others have too");
  }
  if (progress && !progress("fitting", 0)) return Status::Unavailable("evaluation cancelled while fitting");
  EvaluationReport report;
  report.split = report.until = Timestamp{set.last.ms + 1};
  const Result<std::vector<Ranker>> rankers = FitRankers(split, report.split, options);
  if (!rankers.ok()) return rankers.status();
  report.customers_before = split.trained.customers();
  report.items_before = split.trained.items();
  report.orders_before = split.trained.groups;
  report.lines_before = split.trained.lines.size();
  report.lines_after = set.lines.size() - split.trained.lines.size();

  EvaluationTable table;
  table.task = "strong generalisation";
  table.note = "Customers never trained on; of their items " +
               std::to_string(static_cast<int>(options.given_share * 100 + 0.5)) +
               " % are given, the rest is to be found; recall over min(k, relevant).";
  table.customers = table.cases = split.hidden.cases.size();
  table.relevant_mean = split.hidden.relevant_mean;
  std::vector<Measured> measured;
  for (const Ranker& ranker : *rankers) {
    if (progress && !progress("judging", 0)) return Status::Unavailable("evaluation cancelled while judging");
    measured.push_back(Measure(ranker, split.given, split.hidden, options.evaluation.rivals.als.threads));
  }
  table.rows = RowsBesideTheLast(measured, options.evaluation.seed);
  report.tables.push_back(std::move(table));
  return report;
}

}  // namespace rapport

#include "engine/learning/cold_evaluation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include "base/parallel.h"
#include "base/random.h"
#include "engine/learning/attribute_table.h"
#include "engine/learning/blend_fit.h"
#include "engine/learning/trainer.h"

namespace rapport {
namespace {

constexpr size_t kListItems = 20;
constexpr const char* kServed = "blend, as served";

// What the rivals of one table share. `ranked` items: rows of the model, or the newcomers alone.
struct ColdSetting {
  ColdTask task = ColdTask::kItems;
  const TrainingSet& past;
  const ContentModel& model;
  const Newcomers& newcomers;  // masked items; none for the other tasks
  Timestamp split;
  const EvaluationOptions& options;
  size_t ranked() const { return task == ColdTask::kItems ? newcomers.size() : model.rows(); }
};

struct ColdScratch {
  StackScratch stack;
  std::vector<float> rows;  // scores of the model's rows
};
struct ColdRanker {
  std::string name;
  std::function<void(const StackCase&, ColdScratch&, std::span<float>)> score;
};

// Rows and decayed weights of the case's lines, what stays positive, ascending.
void SumHistory(const StackCase& one, const ColdSetting& setting, double half_life_days,
                StackScratch::WeightedRows& out) {
  std::vector<Triplet> triplets;
  for (const SignalLine& line : one.lines) {
    if (line.row >= setting.model.rows()) continue;
    const double weight = line.weight * DecayFactor(line.time, setting.split, half_life_days);
    triplets.push_back({0, line.row, static_cast<float>(weight)});
  }
  const Result<Interactions> sums = Interactions::FromTriplets(1, setting.model.rows(), std::move(triplets));
  out = {};
  if (!sums.ok()) return;
  out.rows.assign(sums->columns.begin(), sums->columns.end());
  out.weights.assign(sums->weights.begin(), sums->weights.end());
}

ColdRanker Board(std::string name, std::vector<float> board) {
  return {std::move(name), [board = std::move(board)](const StackCase&, ColdScratch&, std::span<float> scores) {
            std::copy_n(board.begin(), std::min(board.size(), scores.size()), scores.begin());
          }};
}

// sum over the history of w_i cos(i, j), over every pair.
ColdRanker AttributeNeighbours(const ColdSetting& setting) {
  return {"attribute kNN", [&setting](const StackCase& one, ColdScratch& scratch, std::span<float> scores) {
            const AttributeModel& attributes = setting.model.attributes;
            if (attributes.rows() == 0) return;
            SumHistory(one, setting, setting.options.rivals.neighbour_half_life_days, scratch.stack.taste);
            AttributeProfile(attributes, scratch.stack.taste.rows, scratch.stack.taste.weights, scratch.stack.profile);
            for (size_t i = 0; i < scores.size(); ++i) {
              if (setting.task == ColdTask::kItems) {
                scores[i] = Dot(setting.newcomers.vectors[i], scratch.stack.profile);
                continue;
              }
              for (uint64_t k = attributes.offsets[i]; k < attributes.offsets[i + 1]; ++k) {
                scores[i] += attributes.values[k] * scratch.stack.profile[attributes.columns[k]];
              }
            }
          }};
}

// Customers by shared traits (each trait weighing its idf): what they chose, decayed.
ColdRanker TraitNeighbours(const ColdSetting& setting) {
  const auto history = std::make_shared<const Interactions>(
      BuildInteractions(setting.past, setting.split, setting.options.rivals.popular_half_life_days).Take());
  return {"attribute kNN", [&setting, history](const StackCase& one, ColdScratch&, std::span<float> scores) {
            if (setting.past.attributes == nullptr) return;
            std::vector<double> idf;
            for (const uint64_t token : one.traits) {
              double customers = 0;
              for (const auto& traits : setting.past.attributes->traits) {
                customers += std::binary_search(traits.begin(), traits.end(), token);
              }
              idf.push_back(std::log(1 + static_cast<double>(setting.past.customers()) / std::max(1.0, customers)));
            }
            for (uint32_t customer = 0; customer < setting.past.customers(); ++customer) {
              const auto theirs = setting.past.attributes->TraitsOf(setting.past.customer_ids[customer]);
              double alike = 0;
              for (size_t t = 0; t < idf.size(); ++t) {
                if (std::binary_search(theirs.begin(), theirs.end(), one.traits[t])) alike += idf[t];
              }
              if (alike == 0) continue;
              const auto items = history->RowColumns(customer);
              const auto weights = history->RowWeights(customer);
              for (size_t i = 0; i < items.size(); ++i) scores[items[i]] += static_cast<float>(alike * weights[i]);
            }
          }};
}

ColdRanker Neighbours(std::string name, const ColdSetting& setting, const NeighbourLists& lists) {
  return {std::move(name), [&setting, &lists](const StackCase& one, ColdScratch& scratch, std::span<float> scores) {
            SumHistory(one, setting, setting.options.rivals.neighbour_half_life_days, scratch.stack.taste);
            AddNeighbourScores(lists, scratch.stack.taste.rows, scratch.stack.taste.weights, scores);
          }};
}

ColdRanker Sessions(const ColdSetting& setting) {
  return {"session kNN", [&setting](const StackCase& one, ColdScratch& scratch, std::span<float> scores) {
            std::vector<uint32_t> newest;
            for (auto line = one.lines.rbegin(); line != one.lines.rend(); ++line) {
              if (line->row >= setting.model.rows()) continue;
              if (std::find(newest.begin(), newest.end(), line->row) == newest.end()) newest.push_back(line->row);
            }
            AddSessionScores(setting.model.sessions, newest, {}, scratch.stack.session, scores);
          }};
}

// The history folded in, against the items' own factors or those from their attributes.
ColdRanker FoldedIn(std::string name, const ColdSetting& setting) {
  return {std::move(name), [&setting](const StackCase& one, ColdScratch& scratch, std::span<float> scores) {
            SumHistory(one, setting, setting.model.history_half_life_days, scratch.stack.taste);
            scratch.stack.factor.resize(static_cast<size_t>(setting.model.als.options.factors));
            FoldIn(setting.model.als, scratch.stack.taste.rows, scratch.stack.taste.weights, scratch.stack.fold_in,
                   scratch.stack.factor);
            const bool items = setting.task == ColdTask::kItems;
            ScoreAll(items ? setting.newcomers.factors : setting.model.als.item_factors, scratch.stack.factor, scores);
          }};
}

// The page: the theta that such a customer is answered with.
ColdRanker Served(const ColdSetting& setting) {
  return {kServed, [&setting](const StackCase& one, ColdScratch& scratch, std::span<float> scores) {
            const StackModel& stack = setting.model.stack;
            const std::vector<double>& theta = setting.task == ColdTask::kItems       ? stack.repeats_theta
                                               : setting.task == ColdTask::kCustomers ? stack.cold_theta
                                                                                      : stack.session_theta;
            std::fill(scores.begin(), scores.end(), -std::numeric_limits<float>::infinity());
            if (theta.empty()) return;
            CollectCase(setting.model, setting.newcomers, setting.split, one, scratch.stack);
            const uint32_t first = setting.task == ColdTask::kItems ? setting.model.rows() : 0;
            for (const Scored& ranked : RankCandidates(theta, scratch.stack)) {
              if (ranked.index >= first && ranked.index - first < scores.size()) {
                scores[ranked.index - first] = ranked.score;
              }
            }
          }};
}

// The last one is what is served.
std::vector<ColdRanker> Rivals(const ColdSetting& setting) {
  std::vector<ColdRanker> rivals;
  const ContentModel& model = setting.model;
  const std::vector<PopularityEvent> events = BuildPopularityEvents(setting.past);
  const auto decayed = [&](double half_life_days) {
    return DecayedCounts(setting.past.items(), events, setting.split, half_life_days);
  };
  if (setting.task == ColdTask::kItems) {
    rivals.push_back(Board("popularity", std::vector<float>(setting.newcomers.size(), 0.0f)));
    rivals.push_back(Board("recent popularity of kin", setting.newcomers.recent));
  } else {
    rivals.push_back(Board("popularity", decayed(setting.options.rivals.popular_half_life_days)));
    rivals.push_back(Board("recent popularity", decayed(setting.options.rivals.recent_half_life_days)));
  }
  if (setting.task == ColdTask::kCustomers) {
    if (!model.stack.season.empty()) rivals.push_back(Board("last year's season", model.stack.season));
    rivals.push_back(TraitNeighbours(setting));
    rivals.push_back({"trait popularity", [&model](const StackCase& one, ColdScratch&, std::span<float> scores) {
                        AddTraitScores(model.traits, one.traits, scores);
                      }});
  } else {
    rivals.push_back(AttributeNeighbours(setting));
    if (setting.task == ColdTask::kSessions) {
      rivals.push_back(Neighbours("item kNN by baskets", setting, model.bought_together));
      rivals.push_back(Neighbours("item kNN by customers", setting, model.similar));
      rivals.push_back(Sessions(setting));
      if (!model.stack.shallow.neighbours.empty()) rivals.push_back(Neighbours("EASE", setting, model.stack.shallow));
    }
    rivals.push_back(
        FoldedIn(setting.task == ColdTask::kItems ? "factor from attributes" : "iALS, folded in", setting));
  }
  rivals.push_back(Served(setting));
  return rivals;
}

Measured MeasureCold(const ColdRanker& ranker, const ColdSetting& setting, const std::vector<StackCase>& cases) {
  Measured out;
  out.name = ranker.name;
  for (std::vector<double>* values : {&out.recall10, &out.recall20, &out.ndcg10}) values->resize(cases.size());
  std::vector<uint32_t> shown(cases.size() * kListItems, kNoRow);
  const uint32_t first = setting.task == ColdTask::kItems ? setting.model.rows() : 0;
  ParallelFor(cases.size(), 32, setting.options.rivals.als.threads, [&](size_t begin, size_t end, size_t) {
    ColdScratch scratch;
    std::vector<float> scores(setting.ranked());
    for (size_t i = begin; i < end; ++i) {
      std::fill(scores.begin(), scores.end(), 0.0f);
      ranker.score(cases[i], scratch, scores);
      std::vector<uint64_t> allowed((scores.size() + 63) / 64, ~uint64_t{0});
      if (setting.task != ColdTask::kItems) allowed = AllowedRows(cases[i].lines, scores.size(), cases[i].task);
      std::vector<uint32_t> ranked;
      for (const Scored& one : TopK(scores, kListItems, allowed)) ranked.push_back(first + one.index);
      std::copy(ranked.begin(), ranked.end(), shown.begin() + static_cast<ptrdiff_t>(i * kListItems));
      out.recall10[i] = RecallAt(ranked, cases[i].relevant, 10, RecallKind::kOfRelevant);
      out.recall20[i] = RecallAt(ranked, cases[i].relevant, 20, RecallKind::kOfRelevant);
      out.ndcg10[i] = NdcgAt(ranked, cases[i].relevant, 10);
    }
  });
  std::sort(shown.begin(), shown.end());
  const auto last = std::unique(shown.begin(), shown.end());
  const ptrdiff_t covered = std::count_if(shown.begin(), last, [](uint32_t row) { return row != kNoRow; });
  if (setting.ranked() > 0) out.coverage20 = static_cast<double>(covered) / static_cast<double>(setting.ranked());
  return out;
}

// Customers with a history in `past` who chose masked items in the window; relevant: rows after the model's.
std::vector<StackCase> CasesOfItems(const TrainingSet& set, const ColdSetting& setting, WindowSpan window) {
  CaseOptions options;
  options.split = window.begin;
  options.until = window.until;
  options.newcomers = setting.newcomers.item_ids;
  std::vector<StackCase> cases;
  for (const JudgedCase& one : MakeCases(set, setting.past, options).cases) {
    StackCase out;
    for (const uint32_t row : one.relevant) {
      if (row >= setting.model.rows()) out.relevant.push_back(row);
    }
    if (out.relevant.empty()) continue;
    LinesToSignals(setting.past.LinesOf(one.customer), out.lines);
    if (setting.past.attributes != nullptr) {
      const auto traits = setting.past.attributes->TraitsOf(setting.past.customer_ids[one.customer]);
      out.traits.assign(traits.begin(), traits.end());
    }
    cases.push_back(std::move(out));
  }
  return cases;
}

std::vector<StackCase> CasesOf(const TrainingSet& set, const ColdSetting& setting, WindowSpan window,
                               const ColdOptions& options) {
  if (setting.task == ColdTask::kItems) return CasesOfItems(set, setting, window);
  if (setting.task == ColdTask::kSessions) {
    std::vector<StackCase> cases;
    for (const StackCase& basket : FirstBaskets(set, setting.past, setting.newcomers, window)) {
      if (auto one = GiveLines(basket, options.given_lines)) cases.push_back(std::move(*one));
    }
    return cases;
  }
  // Masked customers alone: those who are new anyway may come for another reason.
  const TrainingSet masked = LinesWhere(set, [&](const TrainingLine& line) {
    return IsMasked(set.customer_ids[line.customer], options.mask_share, options.evaluation.seed);
  });
  const TrainingSet before = LinesBefore(masked, window.begin);
  std::vector<StackCase> cases;
  // As if they were all there is: their first basket in the window, if they had a line before it.
  const TrainingSet returning = LinesWhere(masked, [&](const TrainingLine& line) {
    const uint64_t id = masked.customer_ids[line.customer];
    return std::binary_search(before.customer_ids.begin(), before.customer_ids.end(), id);
  });
  for (StackCase& one : FirstBaskets(returning, setting.past, setting.newcomers, window)) {
    one.lines.clear();
    cases.push_back(std::move(one));
  }
  return cases;
}

std::string NoteOf(const ColdSetting& setting, const ColdOptions& options) {
  const std::string share = std::to_string(static_cast<int>(options.mask_share * 100 + 0.5)) + " %";
  switch (setting.task) {
    case ColdTask::kItems:
      return "Ranked: only the " + std::to_string(setting.newcomers.size()) + " items (" + share +
             ") that lost every event before the cut; popularity knows nothing of them.";
    case ColdTask::kCustomers:
      return share + " of the customers lost every event before the cut; traits stay. Relevant: their first basket.";
    case ColdTask::kSessions: break;
  }
  return "First baskets of customers unknown before the cut: the first " + std::to_string(options.given_lines) +
         " lines are given, the rest is relevant; what is given is not ranked.";
}

Result<ContentModel> FitMasked(const TrainingSet& past, Timestamp split, const EvaluationOptions& options,
                               const EvaluationProgress& progress) {
  TrainOptions train;
  train.als = options.rivals.als;
  train.neighbours.threads = options.rivals.neighbours.threads;
  train.holdout_days = options.holdout_days;
  FitProgress epochs;
  if (progress) {
    epochs = [&](int epoch) {
      return progress("fitting", static_cast<double>(epoch) / std::max(1, options.rivals.als.epochs));
    };
  }
  Result<ContentModel> model = FitContentModel(past, split, options.rivals.history_half_life_days, train, epochs);
  if (!model.ok()) return model;
  auto windows = CollectWindows(past, split, options.rivals.history_half_life_days, train);
  if (!windows.ok()) return windows.status();
  RAPPORT_RETURN_IF_ERROR(FitBlendWeights(*windows, options.rivals.als.threads, model->stack));
  return model;
}

const char* TaskName(ColdTask task) {
  return task == ColdTask::kItems ? "cold items" : task == ColdTask::kCustomers ? "cold customers" : "sessions";
}

}  // namespace

bool IsMasked(uint64_t id, double share, uint64_t seed) { return Random(seed).Fork(id).Uniform() < share; }

TrainingSet MaskedPast(const TrainingSet& set, Timestamp split, ColdTask task, const ColdOptions& options) {
  const double share = options.mask_share;
  const uint64_t seed = options.evaluation.seed;
  TrainingSet past = LinesWhere(set, [&](const TrainingLine& line) {
    if (line.time >= split) return false;
    if (task == ColdTask::kItems) return !IsMasked(set.item_ids[line.item], share, seed);
    return task != ColdTask::kCustomers || !IsMasked(set.customer_ids[line.customer], share, seed);
  });
  if (task != ColdTask::kItems || set.attributes == nullptr) return past;
  auto known = std::make_shared<AttributeTable>(*set.attributes);
  known->item_ids.clear();
  known->items.clear();
  known->published.clear();
  for (size_t i = 0; i < set.attributes->item_ids.size(); ++i) {
    if (IsMasked(set.attributes->item_ids[i], share, seed)) continue;
    known->item_ids.push_back(set.attributes->item_ids[i]);
    known->items.push_back(set.attributes->items[i]);
    known->published.push_back(set.attributes->published[i]);
  }
  past.attributes = std::move(known);
  return past;
}

namespace {

// The masked items that had an event before the cut.
Newcomers MaskedItems(const TrainingSet& set, Timestamp split, const ContentModel& model, const ColdOptions& options) {
  if (set.attributes == nullptr) return {};
  AttributeTable masked;
  for (const uint64_t id : LinesBefore(set, split).item_ids) {
    const AttributeItem* item = set.attributes->FindItem(id);
    if (item == nullptr || !IsMasked(id, options.mask_share, options.evaluation.seed)) continue;
    masked.item_ids.push_back(id);
    masked.items.push_back(*item);
    masked.published.push_back({});
  }
  return NewcomersOf(&masked, model, split, options.evaluation.rivals.als.threads);
}

Status CheckOptions(const TrainingSet& set, ColdTask task, const ColdOptions& options) {
  if (set.lines.empty()) return Status::FailedPrecondition("nothing to judge: no event lines");
  if (!(options.mask_share > 0 && options.mask_share < 1)) {
    return Status::InvalidArgument("the share that is masked must be above 0 and below 1");
  }
  if (options.given_lines == 0) return Status::InvalidArgument("a session needs at least one given line");
  if (task == ColdTask::kItems && set.attributes == nullptr) {
    return Status::FailedPrecondition("cold items are found by their attributes, and there are none");
  }
  return {};
}

}  // namespace

Result<EvaluationReport> EvaluateCold(const TrainingSet& set, ColdTask task, const ColdOptions& options,
                                      const EvaluationProgress& progress) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(set, task, options));
  EvaluationReport report;
  RAPPORT_RETURN_IF_ERROR(ChooseWindow(set, options.evaluation, report.split, report.until));
  const TrainingSet past = MaskedPast(set, report.split, task, options);
  if (past.lines.empty()) {
    return Status::FailedPrecondition("nothing is left before the cut at " + FormatRfc3339(report.split));
  }
  Result<ContentModel> model = FitMasked(past, report.split, options.evaluation, progress);
  if (!model.ok()) return model.status();
  Newcomers newcomers;
  if (task == ColdTask::kItems) newcomers = MaskedItems(set, report.split, *model, options);
  const ColdSetting setting{task, past, *model, newcomers, report.split, options.evaluation};
  const std::vector<StackCase> cases = CasesOf(set, setting, {report.split, report.until}, options);
  if (cases.empty()) {
    return Status::FailedPrecondition(std::string(TaskName(task)) + ": nobody to judge between " +
                                      FormatRfc3339(report.split) + " and " + FormatRfc3339(report.until));
  }

  report.customers_before = past.customers();
  report.items_before = past.items();
  report.orders_before = past.groups;
  report.lines_before = past.lines.size();
  for (const TrainingLine& line : set.lines)
    report.lines_after += line.time >= report.split && line.time < report.until;
  EvaluationTable table;
  table.task = TaskName(task);
  table.note = NoteOf(setting, options);
  table.customers = table.cases = cases.size();
  for (const StackCase& one : cases) table.relevant_mean += static_cast<double>(one.relevant.size());
  table.relevant_mean /= static_cast<double>(cases.size());
  std::vector<Measured> measured;
  for (const ColdRanker& ranker : Rivals(setting)) {
    if (progress && !progress("judging", 0)) return Status::Unavailable("evaluation cancelled while judging");
    measured.push_back(MeasureCold(ranker, setting, cases));
  }
  table.rows = RowsBesideTheLast(measured, options.evaluation.seed);
  report.tables.push_back(std::move(table));
  return report;
}

}  // namespace rapport

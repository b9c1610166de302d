// Cases, rankers and their measurement: see judging.h.
#include "engine/learning/judging.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/parallel.h"
#include "base/random.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr size_t kCasesPerBlock = 32;
constexpr size_t kListItems = 20;

// Item rows of `from` -> rows of `to`; kNoRow where `to` has no such item. Both ascending by id.
std::vector<uint32_t> MapItemRows(const std::vector<uint64_t>& from, const std::vector<uint64_t>& to) {
  std::vector<uint32_t> rows(from.size(), kNoRow);
  size_t place = 0;
  for (size_t row = 0; row < from.size(); ++row) {
    while (place < to.size() && to[place] < from[row]) ++place;
    if (place < to.size() && to[place] == from[row]) rows[row] = static_cast<uint32_t>(place);
  }
  return rows;
}

uint32_t RowIn(const std::vector<uint64_t>& ids, uint64_t id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  return at != ids.end() && *at == id ? static_cast<uint32_t>(at - ids.begin()) : kNoRow;
}

bool InWindow(const TrainingLine& line, const CaseOptions& options) {
  return line.time >= options.split && line.time < options.until;
}

// Which lines count as chosen: orders, or anything positive where nobody ordered.
enum class Chosen { kOrders, kAnyPositive };

Chosen ChooseSignal(const TrainingSet& all, const CaseOptions& options) {
  for (const TrainingLine& line : all.lines) {
    if (InWindow(line, options) && line.type == EventType::kOrdered) return Chosen::kOrders;
  }
  return Chosen::kAnyPositive;
}

bool Counts(const TrainingLine& line, Chosen chosen) {
  return chosen == Chosen::kOrders ? line.type == EventType::kOrdered : line.weight > 0;
}

// Lines are in time order, so the first that counts opens the first basket.
std::vector<uint32_t> RelevantRows(std::span<const TrainingLine> lines, Chosen chosen, const CaseOptions& options,
                                   const std::vector<uint32_t>& past_rows) {
  std::vector<uint32_t> rows;
  const TrainingLine* opening = nullptr;
  for (const TrainingLine& line : lines) {
    if (!InWindow(line, options) || !Counts(line, chosen)) continue;
    if (opening == nullptr) opening = &line;
    const bool same_basket = chosen == Chosen::kOrders ? line.group == opening->group : line.event == opening->event;
    if (options.relevant == RelevantSet::kNextBasket && !same_basket) continue;
    if (past_rows[line.item] != kNoRow) rows.push_back(past_rows[line.item]);
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

// Ascending, unique: everything the customer ever did something with before the cut.
std::vector<uint32_t> HadRows(const TrainingSet& past, uint32_t customer) {
  std::vector<uint32_t> rows;
  for (const TrainingLine& line : past.LinesOf(customer)) rows.push_back(line.item);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

// A seeded draw without replacement that keeps the order of the rest.
void Sample(std::vector<JudgedCase>& cases, size_t count, uint64_t seed) {
  if (count == 0 || cases.size() <= count) return;
  Random random(seed);
  std::vector<size_t> order(cases.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (size_t i = 0; i < count; ++i) std::swap(order[i], order[i + random.Below(order.size() - i)]);
  order.resize(count);
  std::sort(order.begin(), order.end());
  std::vector<JudgedCase> drawn;
  drawn.reserve(count);
  for (const size_t i : order) drawn.push_back(std::move(cases[i]));
  cases = std::move(drawn);
}

// Scales to 0..1; all equal gives 0. A score that is not finite stays out of the range.
void ScaleToUnit(std::span<float> scores) {
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  for (const float score : scores) {
    if (!std::isfinite(score)) continue;
    low = std::min(low, score);
    high = std::max(high, score);
  }
  const float range = high > low ? high - low : 1.0f;
  for (float& score : scores) score = (score - low) / range;
}

}  // namespace

JudgedCases MakeCases(const TrainingSet& all, const TrainingSet& past, const CaseOptions& options) {
  JudgedCases judged;
  judged.repeats = options.repeats;
  const Chosen chosen = ChooseSignal(all, options);
  std::vector<uint32_t> past_rows = MapItemRows(all.item_ids, past.item_ids);
  for (size_t k = 0; k < options.newcomers.size(); ++k) {
    const uint32_t row = RowIn(all.item_ids, options.newcomers[k]);
    if (row != kNoRow && past_rows[row] == kNoRow) past_rows[row] = past.items() + static_cast<uint32_t>(k);
  }
  uint32_t place = 0;
  for (uint32_t customer = 0; customer < past.customers(); ++customer) {
    while (all.customer_ids[place] != past.customer_ids[customer]) ++place;
    std::vector<uint32_t> relevant = RelevantRows(all.LinesOf(place), chosen, options, past_rows);
    if (options.repeats == RepeatTask::kNewItemsOnly) {
      const std::vector<uint32_t> had = HadRows(past, customer);
      std::erase_if(relevant, [&had](uint32_t row) { return std::binary_search(had.begin(), had.end(), row); });
    }
    if (!relevant.empty()) judged.cases.push_back({customer, std::move(relevant)});
  }
  Sample(judged.cases, options.cases_max, options.seed);
  for (const JudgedCase& one : judged.cases) judged.relevant_mean += static_cast<double>(one.relevant.size());
  if (!judged.cases.empty()) judged.relevant_mean /= static_cast<double>(judged.cases.size());
  return judged;
}

Ranker PopularityRanker(std::string name, std::vector<float> popularity) {
  return {std::move(name), [popularity = std::move(popularity)](uint32_t, JudgingScratch&, std::span<float> scores) {
            std::copy(popularity.begin(), popularity.end(), scores.begin());
          }};
}

Ranker PersonalFrequencyRanker(std::string name, std::shared_ptr<const Interactions> history, std::vector<float> fill) {
  // What the customer had scores above 1, the rest below; the fill parts only what is practically equal.
  constexpr float kTieShare = 1e-3f;
  ScaleToUnit(fill);
  return {std::move(name),
          [history, fill = std::move(fill)](uint32_t customer, JudgingScratch&, std::span<float> scores) {
            for (size_t item = 0; item < fill.size(); ++item) scores[item] = 0.5f * fill[item];
            const auto items = history->RowColumns(customer);
            const auto weights = history->RowWeights(customer);
            for (size_t i = 0; i < items.size(); ++i) {
              scores[items[i]] = 1.0f + weights[i] + kTieShare * fill[items[i]];
            }
          }};
}

Ranker FactorRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                    std::shared_ptr<const Interactions> history) {
  std::vector<uint32_t> model_rows = MapItemRows(past.item_ids, model->item_ids);
  const auto score = [model, history, rows = std::move(model_rows)](uint32_t customer, JudgingScratch& scratch,
                                                                    std::span<float> scores) {
    scratch.items.clear();
    scratch.weights.clear();
    const auto items = history->RowColumns(customer);
    const auto weights = history->RowWeights(customer);
    for (size_t i = 0; i < items.size(); ++i) {
      if (rows[items[i]] == kNoRow) continue;
      scratch.items.push_back(rows[items[i]]);
      scratch.weights.push_back(weights[i]);
    }
    scratch.user.resize(static_cast<size_t>(model->als.options.factors));
    FoldIn(model->als, scratch.items, scratch.weights, scratch.fold_in, scratch.user);
    scratch.scores.resize(model->rows());
    ScoreAll(model->als.item_factors, scratch.user, scratch.scores);
    for (size_t item = 0; item < rows.size(); ++item) {
      scores[item] = rows[item] == kNoRow ? -std::numeric_limits<float>::infinity() : scratch.scores[rows[item]];
    }
  };
  return {std::move(name), score};
}

Ranker NeighbourRanker(std::string name, std::shared_ptr<const NeighbourLists> lists,
                       std::shared_ptr<const Interactions> history) {
  return {std::move(name), [lists, history](uint32_t customer, JudgingScratch&, std::span<float> scores) {
            std::fill(scores.begin(), scores.end(), 0.0f);
            AddNeighbourScores(*lists, history->RowColumns(customer), history->RowWeights(customer), scores);
          }};
}

Ranker EaseRanker(std::string name, std::shared_ptr<const EaseModel> model,
                  std::shared_ptr<const Interactions> history) {
  return {std::move(name), [model, history](uint32_t customer, JudgingScratch&, std::span<float> scores) {
            std::fill(scores.begin(), scores.end(), 0.0f);
            AddEaseScores(*model, history->RowColumns(customer), history->RowWeights(customer), scores);
          }};
}

Ranker ServedRanker(std::string name, Ranker base, std::shared_ptr<const Interactions> repeats, double repeat_weight) {
  const auto score = [base = std::move(base), repeats, repeat_weight](uint32_t customer, JudgingScratch& scratch,
                                                                      std::span<float> scores) {
    base.score(customer, scratch, scores);
    const float highest = std::max(0.0f, *std::max_element(scores.begin(), scores.end()));
    for (float& one : scores) one = highest > 0 ? std::max(0.0f, one) / highest : 0.0f;
    const auto items = repeats->RowColumns(customer);
    const auto weights = repeats->RowWeights(customer);
    if (items.empty()) return;
    const double most = *std::max_element(weights.begin(), weights.end());
    for (size_t i = 0; i < items.size(); ++i) {
      scores[items[i]] += static_cast<float>(repeat_weight * weights[i] / most);
    }
  };
  return {std::move(name), score};
}

Ranker MixRanker(std::string name, Ranker first, Ranker second, double share_of_first) {
  const auto score = [first = std::move(first), second = std::move(second), share = static_cast<float>(share_of_first)](
                         uint32_t customer, JudgingScratch& scratch, std::span<float> scores) {
    first.score(customer, scratch, scores);
    ScaleToUnit(scores);
    std::vector<float> other(scores.size());
    second.score(customer, scratch, other);
    ScaleToUnit(other);
    for (size_t item = 0; item < scores.size(); ++item) {
      scores[item] = share * scores[item] + (1 - share) * other[item];
    }
  };
  return {std::move(name), score};
}

Measured Measure(const Ranker& ranker, const TrainingSet& past, const JudgedCases& judged, int threads) {
  const size_t count = judged.cases.size();
  Measured measured;
  measured.name = ranker.name;
  measured.recall10.resize(count);
  measured.recall20.resize(count);
  measured.ndcg10.resize(count);
  std::vector<uint32_t> shown(count * kListItems, kNoRow);

  const auto judge_block = [&](size_t begin, size_t end, size_t) {
    JudgingScratch scratch;
    std::vector<float> scores(past.items());
    std::vector<uint64_t> allowed;
    std::vector<uint32_t> ranked;
    for (size_t i = begin; i < end; ++i) {
      const JudgedCase& one = judged.cases[i];
      ranker.score(one.customer, scratch, scores);
      if (judged.repeats == RepeatTask::kNewItemsOnly) {
        allowed.assign((past.items() + 63) / 64, ~uint64_t{0});
        for (const TrainingLine& line : past.LinesOf(one.customer)) {
          allowed[line.item / 64] &= ~(uint64_t{1} << (line.item % 64));
        }
      }
      ranked.clear();
      for (const Scored& scored : TopK(scores, kListItems, allowed)) ranked.push_back(scored.index);
      std::copy(ranked.begin(), ranked.end(), shown.begin() + static_cast<ptrdiff_t>(i * kListItems));
      measured.recall10[i] = RecallAt(ranked, one.relevant, 10, judged.recall);
      measured.recall20[i] = RecallAt(ranked, one.relevant, 20, judged.recall);
      measured.ndcg10[i] = NdcgAt(ranked, one.relevant, 10);
    }
  };
  ParallelFor(count, kCasesPerBlock, threads, judge_block);

  std::sort(shown.begin(), shown.end());
  const auto last = std::unique(shown.begin(), shown.end());
  const ptrdiff_t covered = std::count_if(shown.begin(), last, [](uint32_t row) { return row != kNoRow; });
  if (past.items() > 0) measured.coverage20 = static_cast<double>(covered) / past.items();
  return measured;
}

}  // namespace rapport

// Judging rankers on what customers did after a cut: cases from the table, rankers fitted on the past, and the metrics
// of each over the full catalogue, never a sample of it (docs/JUDGING.md).
//
//   case     = a customer with a line before the cut and a relevant item after it
//   relevant = items ordered in [split, until), of those seen before the cut; of the first order, or of all of them;
//   with
//              repeats, or only what the customer never had. A log without any order after the cut is judged by items
//              with a positive weight instead.
// Deterministic on every thread count: each case writes its own slot.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/learning/training_set.h"
#include "models/content_model.h"
#include "models/ease.h"
#include "models/metrics.h"

namespace rapport {

enum class RelevantSet : uint8_t {
  kNextBasket,  // the first order after the cut
  kWindow,      // everything ordered in the window
};
enum class RepeatTask : uint8_t { kWithRepeats, kNewItemsOnly };

struct CaseOptions {
  Timestamp split, until;  // [split, until)
  RelevantSet relevant = RelevantSet::kWindow;
  RepeatTask repeats = RepeatTask::kWithRepeats;
  size_t cases_max = 0;  // 0: all; otherwise that many customers drawn by `seed`
  uint64_t seed = 1;
  // Items without a row that may be relevant too, ascending: number k counts as row past.items() + k.
  std::span<const uint64_t> newcomers;
};

struct JudgedCase {
  uint32_t customer = 0;           // row of the past table
  std::vector<uint32_t> relevant;  // item rows of the past table, ascending, unique, not empty
};

struct JudgedCases {
  RepeatTask repeats = RepeatTask::kWithRepeats;
  RecallKind recall = RecallKind::kOfRelevant;
  std::vector<JudgedCase> cases;  // by customer row
  double relevant_mean = 0;
};

// `past` is LinesBefore(all, options.split).
JudgedCases MakeCases(const TrainingSet& all, const TrainingSet& past, const CaseOptions& options);

// Scratch of one thread.
struct JudgingScratch {
  FoldInScratch fold_in;
  std::vector<float> user, scores;
  std::vector<uint32_t> items;
  std::vector<float> weights;
};

// Scores every item of the past table for a customer of it, higher is better. Called from several threads at once.
struct Ranker {
  std::string name;
  std::function<void(uint32_t customer, JudgingScratch& scratch, std::span<float> scores)> score;
};

// The same list for everybody. (scores: items of the past table)
Ranker PopularityRanker(std::string name, std::vector<float> scores);
// What the customer had, by summed recency weights; ties and the rest of the list by `fill` (recent popularity).
Ranker PersonalFrequencyRanker(std::string name, std::shared_ptr<const Interactions> history, std::vector<float> fill);
// Fold-in of the customer's weighted history, then the dot product, as it is served. The model may have been fitted
// on other rows: items it does not know are not ranked. `history` has the rows of `past`.
Ranker FactorRanker(std::string name, std::shared_ptr<const ContentModel> model, const TrainingSet& past,
                    std::shared_ptr<const Interactions> history);
// Sum over the history of weight x neighbour score. `lists` has the rows of the past table.
Ranker NeighbourRanker(std::string name, std::shared_ptr<const NeighbourLists> lists,
                       std::shared_ptr<const Interactions> history);
// Sum over the history of weight x EASE's item weight.
Ranker EaseRanker(std::string name, std::shared_ptr<const EaseModel> model,
                  std::shared_ptr<const Interactions> history);
// As a page is answered where repeats are allowed: max(0, base) over its highest, plus repeat_weight x the customer's
// repeats over theirs (engine/content/ranker.h). `repeats` has the rows of the past table.
Ranker ServedRanker(std::string name, Ranker base, std::shared_ptr<const Interactions> repeats, double repeat_weight);
// share x first + (1 - share) x second, each scaled to 0..1 between its lowest and highest score for this customer.
Ranker MixRanker(std::string name, Ranker first, Ranker second, double share_of_first);

// One number per case, in the order of the cases.
struct Measured {
  std::string name;
  std::vector<double> recall10, recall20;  // as JudgedCases::recall says
  std::vector<double> ndcg10;              // binary
  double coverage20 = 0;                   // items in anybody's top 20 / items of the past table
};

Measured Measure(const Ranker& ranker, const TrainingSet& past, const JudgedCases& cases, int threads);

}  // namespace rapport

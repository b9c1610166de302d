// Judging on a published split without times, as papers do (docs/MODELS.md section 7): every customer is in training,
// the test items are the rest, what was trained on is not ranked, the full catalogue is.
//   Recall@20 = hits / |test|        NDCG@20 binary, ideal over min(20, |test|)
// File format of both halves: one customer per line, "customer item item ...", numbers from 0.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "models/als.h"
#include "models/ease.h"
#include "models/graph_filter.h"
#include "models/interactions.h"

namespace rapport {

struct PublishedSplit {
  Interactions train;                       // (customers, items), weights 1
  std::vector<std::vector<uint32_t>> test;  // by customer; ascending, unique, may be empty
};
// kInvalidArgument names the half and the line.
Result<PublishedSplit> ParsePublishedSplit(std::string_view train_text, std::string_view test_text);
// A split of the training half, to choose by: of each customer with 5 items or more, every item goes to the test half
// with probability `share`, by seed.
PublishedSplit SplitForValidation(const PublishedSplit& split, double share, uint64_t seed);

// The same with a customer's items weighing (n_u / mean n)^-power each, n_u how many there are: who has many says less
// with each. 0 changes nothing.
Interactions WeighCustomers(const Interactions& train, double power);

// Scores of every item for the training customers first .. first + count: (count, items) row major. Called from several
// threads at once. The larger the better.
struct BlockScorer {
  std::string name;
  std::function<void(uint32_t first, uint32_t count, std::span<float> scores)> score;
};

BlockScorer PopularityBlocks(const PublishedSplit& split);
// Training customers (the rows that the model was fitted on) folded in against the final item factors.
BlockScorer FactorBlocks(std::string name, const Interactions& train, std::shared_ptr<const AlsModel> model,
                         int threads);
BlockScorer EaseBlocks(std::string name, std::shared_ptr<const EaseByCustomer> model, uint32_t items);
// Each training customer's own items through the graph filter.
BlockScorer GraphBlocks(std::string name, const PublishedSplit& split, std::shared_ptr<const GraphFilter> model);
// Each one's best `depth` unseen items scaled to 0..1 between its best and its depth-th, the rest 0; then
// share x first + (1 - share) x second.
BlockScorer MixBlocks(std::string name, const PublishedSplit& split, BlockScorer first, BlockScorer second,
                      double share, size_t depth = 300);

struct SplitMeasured {
  std::string name;
  std::vector<double> recall20, ndcg20;  // customers with test items, in their order
};
SplitMeasured MeasureSplit(const PublishedSplit& split, const BlockScorer& scorer, int threads);

}  // namespace rapport

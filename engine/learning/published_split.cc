#include "engine/learning/published_split.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "models/kernels.h"
#include "models/metrics.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr uint32_t kCustomersPerBlock = 16;
constexpr uint32_t kNumberMax = 100'000'000;

// Calls visit(customer, item) for every pair of the text.
Status VisitPairs(std::string_view text, const char* half, const std::function<void(uint32_t, uint32_t)>& visit) {
  size_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    uint32_t customer = 0;
    for (size_t field = 0; !line.empty(); ++field) {
      const size_t space = std::min(line.find_first_of(" \r"), line.size());
      const std::string_view word = line.substr(0, space);
      line.remove_prefix(std::min(space + 1, line.size()));
      if (word.empty()) continue;
      uint32_t number = 0;
      const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), number);
      if (error != std::errc() || stop != word.data() + word.size() || number > kNumberMax) {
        return Status::InvalidArgument(std::string(half) + " line " + std::to_string(line_number) +
                                       ": not a number: '" + std::string(word.substr(0, 32)) + "'");
      }
      if (field == 0) {
        customer = number;
      } else {
        visit(customer, number);
      }
    }
  }
  return Status::Ok();
}

// The `count` highest of one customer's scores, without what was trained on.
std::vector<Scored> BestUnseen(std::span<float> scores, std::span<const uint32_t> seen, size_t count) {
  for (const uint32_t item : seen) scores[item] = -std::numeric_limits<float>::infinity();
  return TopK(scores, count);
}

}  // namespace

Result<PublishedSplit> ParsePublishedSplit(std::string_view train_text, std::string_view test_text) {
  std::vector<Triplet> train, test;
  uint32_t rows = 0, columns = 0;
  const auto into = [&](std::vector<Triplet>& pairs) {
    return [&](uint32_t customer, uint32_t item) {
      rows = std::max(rows, customer + 1);
      columns = std::max(columns, item + 1);
      pairs.push_back({customer, item, 1.0f});
    };
  };
  RAPPORT_RETURN_IF_ERROR(VisitPairs(train_text, "train", into(train)));
  RAPPORT_RETURN_IF_ERROR(VisitPairs(test_text, "test", into(test)));
  if (train.empty() || test.empty()) return Status::InvalidArgument("one half of the split is empty");
  Result<Interactions> matrix = Interactions::FromTriplets(rows, columns, std::move(train));
  if (!matrix.ok()) return matrix.status();
  PublishedSplit split;
  split.train = matrix.Take();
  std::fill(split.train.weights.begin(), split.train.weights.end(), 1.0f);
  split.test.resize(rows);
  for (const Triplet& pair : test) split.test[pair.row].push_back(pair.column);
  for (std::vector<uint32_t>& items : split.test) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
  }
  return split;
}

PublishedSplit SplitForValidation(const PublishedSplit& split, double share, uint64_t seed) {
  PublishedSplit out;
  out.test.resize(split.train.rows);
  std::vector<Triplet> kept;
  for (uint32_t u = 0; u < split.train.rows; ++u) {
    Random random = Random(seed).Fork(u);
    const auto items = split.train.RowColumns(u);
    for (const uint32_t item : items) {
      if (items.size() >= 5 && random.Uniform() < share) {
        out.test[u].push_back(item);
      } else {
        kept.push_back({u, item, 1.0f});
      }
    }
  }
  out.train = Interactions::FromTriplets(split.train.rows, split.train.columns_count, std::move(kept)).Take();
  return out;
}

BlockScorer PopularityBlocks(const PublishedSplit& split) {
  auto counts = std::make_shared<std::vector<float>>(split.train.columns_count);
  for (const uint32_t item : split.train.columns) (*counts)[item] += 1;
  return {"popularity", [counts](uint32_t, uint32_t count, std::span<float> scores) {
            for (uint32_t c = 0; c < count; ++c) {
              std::copy(counts->begin(), counts->end(), scores.begin() + static_cast<ptrdiff_t>(c * counts->size()));
            }
          }};
}

Interactions WeighCustomers(const Interactions& train, double power) {
  Interactions weighed = train;
  if (power == 0 || train.nnz() == 0) return weighed;
  const double mean = static_cast<double>(train.nnz()) / train.rows;
  for (uint32_t u = 0; u < train.rows; ++u) {
    const auto count = static_cast<double>(train.offsets[u + 1] - train.offsets[u]);
    const auto share = static_cast<float>(std::pow(count / mean, -power));
    for (uint64_t i = train.offsets[u]; i < train.offsets[u + 1]; ++i) weighed.weights[i] *= share;
  }
  return weighed;
}

BlockScorer FactorBlocks(std::string name, const Interactions& train, std::shared_ptr<const AlsModel> model,
                         int threads) {
  const auto d = static_cast<size_t>(model->options.factors);
  auto users = std::make_shared<std::vector<float>>(train.rows * d);
  ParallelFor(train.rows, 64, threads, [&](size_t begin, size_t end, size_t) {
    FoldInScratch scratch;
    for (size_t u = begin; u < end; ++u) {
      const auto row = static_cast<uint32_t>(u);
      FoldIn(*model, train.RowColumns(row), train.RowWeights(row), scratch, std::span(*users).subspan(u * d, d));
    }
  });
  return {std::move(name), [model, users, d](uint32_t first, uint32_t count, std::span<float> scores) {
            // Item factors are walked in blocks that stay in the cache for all customers of this block.
            const kernels::Kernels& kernel = kernels::BestKernels();
            const size_t items = model->items, block = std::max<size_t>(16, (size_t{1} << 17) / d);
            for (size_t begin = 0; begin < items; begin += block) {
              const size_t rows = std::min(block, items - begin);
              for (uint32_t c = 0; c < count; ++c) {
                kernel.dot_rows(model->item_factors.data() + begin * d, rows, d, users->data() + (first + c) * d,
                                scores.data() + c * items + begin);
              }
            }
          }};
}

BlockScorer EaseBlocks(std::string name, std::shared_ptr<const EaseByCustomer> model, uint32_t items) {
  return {std::move(name), [model, items](uint32_t first, uint32_t count, std::span<float> scores) {
            std::vector<float> scratch;
            for (uint32_t c = 0; c < count; ++c)
              model->Score(first + c, scores.subspan(size_t{c} * items, items), scratch);
          }};
}

BlockScorer GraphBlocks(std::string name, const PublishedSplit& split, std::shared_ptr<const GraphFilter> model) {
  return {std::move(name), [&split, model](uint32_t first, uint32_t count, std::span<float> scores) {
            const size_t items = split.train.columns_count;
            GraphFilterScratch scratch;
            for (uint32_t c = 0; c < count; ++c) {
              model->Score(split.train.RowColumns(first + c), scratch, scores.subspan(c * items, items));
            }
          }};
}

BlockScorer MixBlocks(std::string name, const PublishedSplit& split, BlockScorer first, BlockScorer second,
                      double share, size_t depth) {
  return {std::move(name), [&split, first = std::move(first), second = std::move(second), share, depth](
                               uint32_t begin, uint32_t count, std::span<float> scores) {
            const size_t items = split.train.columns_count;
            std::vector<float> one(size_t{count} * items);
            std::fill(scores.begin(), scores.end(), 0.0f);
            for (const auto& [scorer, weight] : {std::pair{&first, share}, std::pair{&second, 1 - share}}) {
              scorer->score(begin, count, one);
              for (uint32_t c = 0; c < count; ++c) {
                const std::vector<Scored> best =
                    BestUnseen(std::span(one).subspan(c * items, items), split.train.RowColumns(begin + c), depth);
                if (best.empty()) continue;
                const float low = best.back().score, range = std::max(best.front().score - low, 1e-12f);
                for (const Scored& s : best) {
                  scores[c * items + s.index] += static_cast<float>(weight) * (s.score - low) / range;
                }
              }
            }
          }};
}

SplitMeasured MeasureSplit(const PublishedSplit& split, const BlockScorer& scorer, int threads) {
  const size_t items = split.train.columns_count;
  std::vector<double> recall(split.train.rows), ndcg(split.train.rows);
  ParallelFor(split.train.rows, kCustomersPerBlock, threads, [&](size_t begin, size_t end, size_t) {
    std::vector<float> scores((end - begin) * items);
    scorer.score(static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin), scores);
    for (size_t u = begin; u < end; ++u) {
      if (split.test[u].empty()) continue;
      std::vector<uint32_t> ranked;
      const auto own = std::span(scores).subspan((u - begin) * items, items);
      for (const Scored& s : BestUnseen(own, split.train.RowColumns(static_cast<uint32_t>(u)), 20))
        ranked.push_back(s.index);
      recall[u] = RecallAt(ranked, split.test[u], 20, RecallKind::kOfRelevant);
      ndcg[u] = NdcgAt(ranked, split.test[u], 20);
    }
  });
  SplitMeasured out{scorer.name, {}, {}};
  for (size_t u = 0; u < split.train.rows; ++u) {
    if (split.test[u].empty()) continue;
    out.recall20.push_back(recall[u]);
    out.ndcg20.push_back(ndcg[u]);
  }
  return out;
}

}  // namespace rapport

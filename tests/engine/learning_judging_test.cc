// Judged tables, recomputed by brute force from the raw lines with the formulas written out again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "engine/learning/evaluation.h"
#include "engine/learning/judging.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

const Timestamp kCut = FixtureDay(150);
const Timestamp kUntil = FixtureDay(190);

// The baseline and its measures with nothing of ours: maps over raw lines.
struct BruteForce {
  std::map<uint64_t, std::set<uint64_t>> had;  // customer -> items before the cut
  std::map<uint64_t, std::pair<Timestamp, std::string>> first_order;
  std::map<uint64_t, std::set<uint64_t>> first_basket, window;
  std::map<uint64_t, double> popularity;  // item -> decayed sum of positive weights

  explicit BruteForce(const std::vector<FixtureLine>& lines, double half_life_days) {
    std::set<std::tuple<uint64_t, std::string, uint64_t, EventType>> seen;
    for (const FixtureLine& line : lines) {
      if (!line.order_id.empty() && !seen.insert({line.customer, line.order_id, line.item, line.type}).second) continue;
      if (line.time < kCut) {
        had[line.customer].insert(line.item);
        const double age_days = static_cast<double>(kCut.ms - line.time.ms) / kDayMs;
        if (line.weight > 0) popularity[line.item] += line.weight * std::pow(2.0, -age_days / half_life_days);
      } else if (line.time < kUntil && line.type == EventType::kOrdered) {
        window[line.customer].insert(line.item);
        const auto place = first_order.find(line.customer);
        if (place == first_order.end() || line.time < place->second.first)
          first_order[line.customer] = {line.time, line.order_id};
      }
    }
    for (const FixtureLine& line : lines) {
      const auto place = first_order.find(line.customer);
      if (place != first_order.end() && line.type == EventType::kOrdered && line.order_id == place->second.second) {
        first_basket[line.customer].insert(line.item);
      }
    }
  }

  std::set<uint64_t> Known(std::set<uint64_t> items) const {
    std::erase_if(items, [this](uint64_t item) { return !popularity.contains(item); });
    return items;
  }
  std::vector<uint64_t> Ranked(const std::set<uint64_t>& without) const {
    std::vector<std::pair<double, uint64_t>> order;
    for (const auto& [item, score] : popularity) {
      if (!without.contains(item)) order.push_back({-static_cast<double>(static_cast<float>(score)), item});
    }
    std::sort(order.begin(), order.end());
    std::vector<uint64_t> ranked;
    for (const auto& [score, item] : order) ranked.push_back(item);
    return ranked;
  }
};

struct Means {
  size_t customers = 0;
  double ndcg10 = 0, recall20 = 0;
};

Means MeasureByHand(const BruteForce& brute, const std::map<uint64_t, std::set<uint64_t>>& relevant_of, bool new_only) {
  Means means;
  for (const auto& [customer, chosen] : relevant_of) {
    const auto had = brute.had.find(customer);
    if (had == brute.had.end()) continue;
    std::set<uint64_t> relevant = brute.Known(chosen);
    if (new_only) std::erase_if(relevant, [&](uint64_t item) { return had->second.contains(item); });
    if (relevant.empty()) continue;
    const std::vector<uint64_t> ranked = brute.Ranked(new_only ? had->second : std::set<uint64_t>{});
    double gain = 0, ideal = 0, hits = 0;
    for (size_t rank = 0; rank < std::min<size_t>(20, ranked.size()); ++rank) {
      const bool hit = relevant.contains(ranked[rank]);
      hits += hit;
      if (rank < 10 && hit) gain += 1 / std::log2(static_cast<double>(rank) + 2);
      if (rank < 10 && rank < relevant.size()) ideal += 1 / std::log2(static_cast<double>(rank) + 2);
    }
    means.ndcg10 += gain / ideal;
    means.recall20 += hits / static_cast<double>(relevant.size());
    ++means.customers;
  }
  means.ndcg10 /= static_cast<double>(means.customers);
  means.recall20 /= static_cast<double>(means.customers);
  return means;
}

EvaluationOptions SmallEvaluation() {
  EvaluationOptions options;
  options.split = kCut;
  options.until = kUntil;
  options.rivals.als.factors = 8;
  options.rivals.als.epochs = 4;
  return options;
}

const EvaluationRow& RowOf(const EvaluationTable& table, const std::string& model) {
  for (const EvaluationRow& row : table.rows) {
    if (row.model == model) return row;
  }
  ADD_FAILURE() << "no row " << model;
  return table.rows.front();
}

TEST(JudgingTest, TablesAgreeWithBruteForce) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    FixtureShop shop;
    shop.seed = seed;
    const std::vector<FixtureLine> lines = FixtureLines(shop);
    const EvaluationOptions options = SmallEvaluation();
    const Result<EvaluationReport> report = Evaluate(FixtureTable(lines), options);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    const BruteForce brute(lines, options.rivals.popular_half_life_days);

    const Means next = MeasureByHand(brute, brute.first_basket, false);
    const EvaluationRow& next_row = RowOf(report->tables[0], "popularity");
    EXPECT_EQ(report->tables[0].customers, next.customers);
    EXPECT_NEAR(next_row.ndcg10.mean, next.ndcg10, 1e-9);
    EXPECT_NEAR(next_row.recall20.mean, next.recall20, 1e-9);

    const Means fresh = MeasureByHand(brute, brute.window, true);
    const EvaluationRow& fresh_row = RowOf(report->tables[1], "popularity");
    EXPECT_EQ(report->tables[1].customers, fresh.customers);
    EXPECT_NEAR(fresh_row.ndcg10.mean, fresh.ndcg10, 1e-9);
    EXPECT_NEAR(fresh_row.recall20.mean, fresh.recall20, 1e-9);
  }
}

TEST(JudgingTest, PlantedTastesAreFound) {
  const Result<EvaluationReport> report = Evaluate(FixtureTable(FixtureLines({})), SmallEvaluation());
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const EvaluationTable& table = report->tables[0];
  EXPECT_GT(RowOf(table, "iALS").ndcg10.lower, RowOf(table, "popularity").ndcg10.upper);
  EXPECT_GT(RowOf(table, "personal frequency").ndcg10.mean, RowOf(table, "recent popularity").ndcg10.mean);
}

TEST(JudgingTest, EveryNumberIsTheSameOnEveryThreadCount) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  EvaluationOptions options = SmallEvaluation();
  options.rivals.als.threads = options.rivals.neighbours.threads = options.rivals.ease.threads = 1;
  const Result<EvaluationReport> one = Evaluate(set, options);
  options.rivals.als.threads = options.rivals.neighbours.threads = options.rivals.ease.threads = 2;
  const Result<EvaluationReport> two = Evaluate(set, options);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(FormatEvaluation(*one), FormatEvaluation(*two));
  for (size_t t = 0; t < one->tables.size(); ++t) {
    for (size_t r = 0; r < one->tables[t].rows.size(); ++r) {
      EXPECT_EQ(one->tables[t].rows[r].ndcg10.mean, two->tables[t].rows[r].ndcg10.mean);
      EXPECT_EQ(one->tables[t].rows[r].recall20.upper, two->tables[t].rows[r].recall20.upper);
    }
  }
}

TEST(JudgingTest, APersonalListIsWhatTheCustomerHadThenTheFill) {
  Result<Interactions> history = Interactions::FromTriplets(1, 4, {{0, 2, 0.5f}, {0, 1, 0.2f}});
  ASSERT_TRUE(history.ok());
  const Ranker ranker =
      PersonalFrequencyRanker("f", std::make_shared<const Interactions>(history.Take()), {100, 0, 0, 50});
  std::vector<float> scores(4);
  JudgingScratch scratch;
  ranker.score(0, scratch, scores);
  EXPECT_GT(scores[2], scores[1]);
  EXPECT_GT(scores[1], scores[0]);
  EXPECT_GT(scores[0], scores[3]);
}

TEST(JudgingTest, AWindowWithoutOrdersIsJudgedByWhatWasLookedAt) {
  std::vector<FixtureLine> lines = FixtureLines({});
  for (FixtureLine& line : lines) {
    line.type = EventType::kViewed;
    line.weight = 1;
    line.order_id.clear();
  }
  const Result<EvaluationReport> report = Evaluate(FixtureTable(lines), SmallEvaluation());
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_GT(report->tables[0].customers, 50u);
}

TEST(JudgingTest, CustomersAreDrawnBySeed) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  CaseOptions options;
  options.split = kCut;
  options.until = kUntil;
  const TrainingSet past = LinesBefore(set, kCut);
  const size_t all = MakeCases(set, past, options).cases.size();
  options.cases_max = all / 2;
  const JudgedCases half = MakeCases(set, past, options), again = MakeCases(set, past, options);
  options.seed = 2;
  const JudgedCases other = MakeCases(set, past, options);
  const auto customers = [](const JudgedCases& cases) {
    std::vector<uint32_t> rows;
    for (const JudgedCase& one : cases.cases) rows.push_back(one.customer);
    return rows;
  };
  EXPECT_EQ(half.cases.size(), all / 2);
  EXPECT_EQ(customers(half), customers(again));
  EXPECT_NE(customers(half), customers(other));
}

TEST(JudgingTest, APartOfTheWindowIsJudgedAsIfItWereAlone) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  EvaluationOptions options = SmallEvaluation();
  options.parts = 2;
  const Result<EvaluationReport> both = Evaluate(set, options);
  ASSERT_TRUE(both.ok()) << both.status().ToString();
  // Customers judged in one part only count with that part's value: the sum over cases is the parts' sum.
  const Timestamp middle{(kCut.ms + kUntil.ms) / 2};
  double sum = 0;
  size_t cases = 0;
  for (const auto& [begin, until] : {std::pair{kCut, middle}, std::pair{middle, kUntil}}) {
    EvaluationOptions part = SmallEvaluation();
    part.split = begin;
    part.until = until;
    part.holdout_days = static_cast<double>(until.ms - begin.ms) / kDayMs;
    const Result<EvaluationReport> one = Evaluate(set, part);
    ASSERT_TRUE(one.ok()) << one.status().ToString();
    const EvaluationTable& table = one->tables[0];
    for (size_t s = 0; s < table.strata.size(); ++s) {
      sum += RowOf(table, "iALS").ndcg10_strata[s] * static_cast<double>(table.strata[s].customers);
    }
    cases += table.cases;
  }
  const EvaluationTable& pooled = both->tables[0];
  EXPECT_EQ(pooled.cases, cases);
  EXPECT_LT(pooled.customers, cases) << "somebody came in both parts, and counts once";
  double pooled_sum = 0;
  for (size_t s = 0; s < pooled.strata.size(); ++s) {
    pooled_sum += RowOf(pooled, "iALS").ndcg10_strata[s] * static_cast<double>(pooled.strata[s].customers);
  }
  EXPECT_NEAR(pooled_sum, sum, 1e-9);
  options.parts = 0;
  EXPECT_EQ(Evaluate(set, options).status().code(), StatusCode::kInvalidArgument);
}

TEST(JudgingTest, TuningLooksAtTheValidationDaysOnlyAndLogsEveryRun) {
  std::vector<FixtureLine> lines = FixtureLines({});
  EvaluationOptions options = SmallEvaluation();
  options.tuning = {.runs = 3, .customers_max = 100, .seed = 5};
  options.tuning_days = 20;
  const Result<EvaluationReport> report = Evaluate(FixtureTable(lines), options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->tuning.size(), 3 * kRivals.size()) << "equal budgets";
  // Another future, the same choices; a past that differs in the validation days may choose otherwise.
  std::vector<FixtureLine> rewritten = lines;
  for (FixtureLine& line : rewritten) {
    if (line.time >= kCut) line.item = 1 + (line.item * 7) % 20;
  }
  const Result<EvaluationReport> other = Evaluate(FixtureTable(rewritten), options);
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  for (size_t i = 0; i < report->tuning.size(); ++i) {
    EXPECT_EQ(report->tuning[i].settings, other->tuning[i].settings);
    EXPECT_EQ(report->tuning[i].ndcg10, other->tuning[i].ndcg10);
  }
  for (FixtureLine& line : rewritten) line.time = Timestamp{line.time.ms + 15 * kDayMs};
  const Result<EvaluationReport> shifted = Evaluate(FixtureTable(rewritten), options);
  ASSERT_TRUE(shifted.ok()) << shifted.status().ToString();
  bool differs = false;
  for (size_t i = 0; i < report->tuning.size(); ++i) {
    differs = differs || report->tuning[i].ndcg10 != shifted->tuning[i].ndcg10;
  }
  EXPECT_TRUE(differs) << "a twin that looks at other days is told apart";
  // The best run is the one that is kept.
  for (const EvaluationRow& row : report->tables[0].rows) {
    const TuningRun* best = nullptr;
    for (const TuningRun& run : report->tuning) {
      if (RivalName(run.rival) != row.model) continue;
      if (best == nullptr || run.ndcg10[0] > best->ndcg10[0]) best = &run;
    }
    if (best == nullptr) continue;
    EXPECT_EQ(row.settings, best->settings) << row.model;
  }
}

TEST(JudgingTest, WrongWindowsAreClearErrors) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  EvaluationOptions options = SmallEvaluation();
  std::swap(options.split, options.until);
  EXPECT_EQ(Evaluate(set, options).status().code(), StatusCode::kInvalidArgument);
  options.split = FixtureDay(-10);
  options.until = FixtureDay(100);
  EXPECT_EQ(Evaluate(set, options).status().code(), StatusCode::kFailedPrecondition);
  options.split = FixtureDay(1000);
  options.until = FixtureDay(1001);
  EXPECT_EQ(Evaluate(set, options).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Evaluate(TrainingSet{}, options).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

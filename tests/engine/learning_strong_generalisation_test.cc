// Strong generalisation: nothing of a customer held out reaches the fit, given and hidden items do not overlap.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/learning/strong_generalisation.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

GeneralisationOptions SmallOptions() {
  GeneralisationOptions options;
  options.evaluation.rivals.als.factors = 8;
  options.evaluation.rivals.als.epochs = 4;
  return options;
}

std::set<uint64_t> Ids(const std::vector<uint64_t>& ids) { return {ids.begin(), ids.end()}; }

TEST(GeneralisationTest, CustomersHeldOutAreUnknownToTheFitAndHiddenItemsToTheQuestion) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const GeneralisationSplit split = SplitCustomers(set, SmallOptions());
  const std::set<uint64_t> trained = Ids(split.trained.customer_ids);
  EXPECT_GT(split.hidden.cases.size(), 20u);
  EXPECT_EQ(split.given.item_ids, split.trained.item_ids);
  for (const uint64_t id : split.given.customer_ids) EXPECT_FALSE(trained.contains(id));
  double given = 0, hidden = 0;
  for (const JudgedCase& one : split.hidden.cases) {
    std::set<uint32_t> had;
    for (const TrainingLine& line : split.given.LinesOf(one.customer)) had.insert(line.item);
    for (const uint32_t row : one.relevant) EXPECT_FALSE(had.contains(row));
    given += static_cast<double>(had.size());
    hidden += static_cast<double>(one.relevant.size());
  }
  EXPECT_NEAR(given / (given + hidden), 0.8, 0.05);
}

TEST(GeneralisationTest, WhatIsHeldOutChangesNothingOfTheFit) {
  std::vector<FixtureLine> lines = FixtureLines({});
  const GeneralisationOptions options = SmallOptions();
  const GeneralisationSplit before = SplitCustomers(FixtureTable(lines), options);
  const std::set<uint64_t> held_out = Ids(before.given.customer_ids);
  // Every order of a customer held out becomes another one, of as many items.
  for (FixtureLine& line : lines) {
    if (held_out.contains(line.customer)) line.item = 1 + (line.item + 17) % 120;
  }
  const GeneralisationSplit after = SplitCustomers(FixtureTable(lines), options);
  const auto same_lines = [](const TrainingSet& a, const TrainingSet& b) {
    return a.item_ids == b.item_ids && a.customer_ids == b.customer_ids && a.offsets == b.offsets &&
           std::equal(a.lines.begin(), a.lines.end(), b.lines.begin(), b.lines.end(),
                      [](const TrainingLine& x, const TrainingLine& y) {
                        return x.item == y.item && x.customer == y.customer && x.time == y.time;
                      });
  };
  EXPECT_TRUE(same_lines(before.trained, after.trained));
  // The check can fail: with the customers held out in it, the table is another one.
  EXPECT_FALSE(same_lines(before.given, after.given));
}

TEST(GeneralisationTest, PlantedTastesAreFoundForStrangersAndOddOptionsRefused) {
  FixtureShop shop;
  shop.customers = 900;
  const TrainingSet set = FixtureTable(FixtureLines(shop));
  GeneralisationOptions options = SmallOptions();
  const Result<EvaluationReport> report = EvaluateGeneralisation(set, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_EQ(report->tables.size(), 1u);
  const auto row = [&](const std::string& model) {
    for (const EvaluationRow& one : report->tables[0].rows) {
      if (one.model == model) return one;
    }
    return EvaluationRow{};
  };
  EXPECT_GT(row("iALS").ndcg10.lower, row("popularity").ndcg10.upper);
  EXPECT_GT(row("blend, as served").ndcg10.mean, row("popularity").ndcg10.mean);
  EXPECT_EQ(report->tables[0].rows.back().model, "blend, fitted for this task");
  EXPECT_GT(report->tables[0].rows.back().ndcg10.lower, row("popularity").ndcg10.upper);
  options.held_out_share = 1;
  EXPECT_EQ(EvaluateGeneralisation(set, options).status().code(), StatusCode::kInvalidArgument);
  options = SmallOptions();
  options.items_min = 10'000;
  EXPECT_EQ(EvaluateGeneralisation(set, options).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(EvaluateGeneralisation(TrainingSet{}, SmallOptions()).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

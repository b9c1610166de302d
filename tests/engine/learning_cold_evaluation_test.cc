// Cold start, judged by masking: what is masked has no say in the fit, whatever it was; what is judged is what was
// masked; and on a shop where attributes tell tastes, the page finds masked items better than popularity does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/content/attributes.h"
#include "engine/learning/attribute_table.h"
#include "engine/learning/cold_evaluation.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

// The fixture's shop, where every item's words name its taste, and customers' traits theirs.
TrainingSet ShopWithAttributes() {
  FixtureShop shop;
  shop.customers = 500;
  TrainingSet set = FixtureTable(FixtureLines(shop));
  auto table = std::make_shared<AttributeTable>();
  const uint64_t per_taste = shop.items / shop.tastes;
  for (uint64_t id = 1; id <= shop.items + 3; ++id) {
    table->item_ids.push_back(id);
    const uint64_t taste = (id - 1) / per_taste;
    table->items.push_back(
        {{1000 + taste, 2000 + taste, 3000 + id % 7}, {}, static_cast<float>(1 + id % 4), taste + 1});
    table->published.push_back({});
  }
  for (uint64_t customer = 1; customer <= shop.customers; ++customer) {
    table->customer_ids.push_back(customer);
    table->traits.push_back({customer % 3});
  }
  set.attributes = table;
  return set;
}

ColdOptions QuickOptions() {
  ColdOptions options;
  options.evaluation.rivals.als.factors = 8;
  options.evaluation.rivals.als.epochs = 4;
  options.evaluation.holdout_days = 28;
  options.given_lines = 1;
  return options;
}

std::string FitBytes(const TrainingSet& past, Timestamp split) {
  TrainOptions options;
  options.als.factors = 4;
  options.als.epochs = 2;
  auto model = FitContentModel(past, split, 90, options);
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  auto windows = CollectWindows(past, split, 90, options);
  EXPECT_TRUE(windows.ok() && !windows->empty());
  EXPECT_TRUE(FitBlendWeights(*windows, 0, model->stack).ok());
  EXPECT_FALSE(model->stack.repeats_theta.empty());
  return SerializeContentModel(*model);
}

TEST(ColdEvaluationTest, WhatIsMaskedHasNoSayInTheFit) {
  const TrainingSet set = ShopWithAttributes();
  const ColdOptions options = QuickOptions();
  const Timestamp split = ChooseSplit(set, 28);
  for (const ColdTask task : {ColdTask::kItems, ColdTask::kCustomers}) {
    const auto masked = [&](const TrainingSet& of, const TrainingLine& line) {
      return task == ColdTask::kItems ? IsMasked(of.item_ids[line.item], 0.2, 1)
                                      : IsMasked(of.customer_ids[line.customer], 0.2, 1);
    };
    // Everything about masked lines, and everything after the cut, is something else.
    TrainingSet changed = set;
    size_t touched = 0;
    for (TrainingLine& line : changed.lines) {
      if (!masked(changed, line) && line.time < split) continue;
      line.weight = 77;
      line.type = EventType::kViewed;
      line.group = kNoGroup;
      ++touched;
    }
    if (task == ColdTask::kItems) {
      auto table = std::make_shared<AttributeTable>(*set.attributes);
      for (size_t i = 0; i < table->items.size(); ++i) {
        if (IsMasked(table->item_ids[i], 0.2, 1)) table->items[i] = {{1, 2, 3}, {}, 99, 5};
      }
      changed.attributes = table;
    }
    ASSERT_GT(touched, 100u);
    const TrainingSet a = MaskedPast(set, split, task, options), b = MaskedPast(changed, split, task, options);
    for (const TrainingLine& line : a.lines) ASSERT_FALSE(masked(a, line));
    const std::string fitted = FitBytes(a, split);
    EXPECT_EQ(fitted, FitBytes(b, split));
    // Broken twin: a fit that only cuts by time sees it.
    EXPECT_NE(FitBytes(LinesBefore(set, split), split), FitBytes(LinesBefore(changed, split), split));
  }
}

TEST(ColdEvaluationTest, MasksTheShareThatWasAskedFor) {
  size_t masked = 0;
  for (uint64_t id = 1; id <= 10000; ++id) masked += IsMasked(id, 0.2, 1);
  EXPECT_NEAR(static_cast<double>(masked), 2000, 150);
  EXPECT_NE(IsMasked(1, 0.5, 1) + 2 * IsMasked(2, 0.5, 1) + 4 * IsMasked(3, 0.5, 1) + 8 * IsMasked(4, 0.5, 1),
            IsMasked(1, 0.5, 9) + 2 * IsMasked(2, 0.5, 9) + 4 * IsMasked(3, 0.5, 9) + 8 * IsMasked(4, 0.5, 9));
}

const EvaluationRow& RowOf(const EvaluationTable& table, const std::string& name) {
  for (const EvaluationRow& row : table.rows) {
    if (row.model == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  return table.rows.front();
}

TEST(ColdEvaluationTest, FindsWhatAttributesTell) {
  const TrainingSet set = ShopWithAttributes();
  const Result<EvaluationReport> items = EvaluateCold(set, ColdTask::kItems, QuickOptions());
  ASSERT_TRUE(items.ok()) << items.status().ToString();
  const EvaluationTable& table = items->tables.front();
  EXPECT_EQ(table.rows.back().model, "blend, as served");
  EXPECT_GT(table.customers, 20u);
  EXPECT_GT(RowOf(table, "attribute kNN").ndcg10.mean, RowOf(table, "popularity").ndcg10.mean);
  EXPECT_GT(RowOf(table, "blend, as served").ndcg10.mean, RowOf(table, "popularity").ndcg10.mean);
  EXPECT_NE(FormatEvaluation(*items).find("lost every event"), std::string::npos);

  ColdOptions options = QuickOptions();
  const Result<EvaluationReport> sessions = EvaluateCold(set, ColdTask::kCustomers, options);
  ASSERT_TRUE(sessions.ok()) << sessions.status().ToString();
  EXPECT_EQ(sessions->tables.front().task, "cold customers");
}

TEST(ColdEvaluationTest, SessionsAreOfUnknownCustomersAndGiveTheirFirstLines) {
  TrainingSet set = ShopWithAttributes();
  const Timestamp split = ChooseSplit(set, 28);
  // A third of the customers begin only after the cut.
  set = LinesWhere(
      set, [&](const TrainingLine& line) { return line.time >= split || set.customer_ids[line.customer] % 3 != 0; });
  const TrainingSet past = LinesBefore(set, split);
  const std::vector<StackCase> baskets = FirstBaskets(set, past, {}, {split, {set.last.ms + 1}});
  ASSERT_GT(baskets.size(), 10u);
  for (const StackCase& basket : baskets) {
    const auto one = GiveLines(basket, 1);
    if (!one) continue;
    ASSERT_EQ(one->lines.size(), 1u);
    EXPECT_EQ(one->lines[0].row, basket.lines[0].row);
    EXPECT_FALSE(std::binary_search(one->relevant.begin(), one->relevant.end(), basket.lines[0].row));
    EXPECT_FALSE(one->relevant.empty());
  }
  ColdOptions options = QuickOptions();
  options.evaluation.split = split;
  const Result<EvaluationReport> report = EvaluateCold(set, ColdTask::kSessions, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const EvaluationTable& table = report->tables.front();
  EXPECT_GT(RowOf(table, "session kNN").recall20.mean, RowOf(table, "popularity").recall20.mean);
  const Result<EvaluationReport> again = EvaluateCold(set, ColdTask::kSessions, options);
  EXPECT_EQ(FormatEvaluation(*report), FormatEvaluation(*again));
}

TEST(ColdEvaluationTest, SaysWhatIsWrong) {
  ColdOptions options = QuickOptions();
  options.mask_share = 1;
  EXPECT_EQ(EvaluateCold(ShopWithAttributes(), ColdTask::kItems, options).status().code(),
            StatusCode::kInvalidArgument);
  options.mask_share = 0.2;
  options.given_lines = 0;
  EXPECT_EQ(EvaluateCold(ShopWithAttributes(), ColdTask::kSessions, options).status().code(),
            StatusCode::kInvalidArgument);
  options.given_lines = 1;
  EXPECT_EQ(EvaluateCold(FixtureTable(FixtureLines({})), ColdTask::kItems, options).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(EvaluateCold({}, ColdTask::kCustomers, options).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

// Factors from elsewhere: bad ones are refused by name, good ones pass the same gate on days that they have not seen.
#include <gtest/gtest.h>

#include <limits>

#include "engine/learning/foreign_factors.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

std::string NameOf(uint64_t item) { return "item-" + std::to_string(item); }

std::shared_ptr<const Catalog> CatalogOf(uint64_t items) {
  CatalogBuilder builder;
  for (uint64_t id = 1; id <= items; ++id) {
    Item item;
    item.id = ItemId{id};
    item.external_id = NameOf(id);
    item.catalogued = true;
    builder.Put(std::move(item));
  }
  return builder.Build();
}

TrainOptions SmallOptions() {
  TrainOptions options;
  options.als.factors = 8;
  options.als.epochs = 5;
  return options;
}

class ForeignFactorsTest : public ::testing::Test {
 protected:
  ForeignFactorsTest() : set_(FixtureTable(FixtureLines({}))), catalog_(CatalogOf(200)) {
    cut_ = ChooseSplit(set_, SmallOptions().holdout_days);
    const TrainingSet past = LinesBefore(set_, cut_);
    model_ = FitContentModel(past, Timestamp{cut_.ms - 1}, 90, SmallOptions()).Take();
    table_ = ExportFactors(model_, *catalog_);
  }

  std::string ErrorOf(const FactorTable& table, ForeignFactors::Coverage coverage = ForeignFactors::Coverage::kWhole) {
    const auto made = ForeignFactors::Make(table, *catalog_, set_, coverage);
    EXPECT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
    return made.status().message();
  }
  enum class Others { kFitted, kNone };
  Result<TrainedModel> Train(const FactorTable& table, GateMode gate = GateMode::kEnforce,
                             Others others = Others::kFitted) {
    auto made = ForeignFactors::Make(table, *catalog_, set_, ForeignFactors::Coverage::kWhole);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    TrainOptions options = SmallOptions();
    options.gate = gate;
    options.foreign = made.Take();
    if (others == Others::kNone) {
      options.neighbours.support_min = 1000000;
      options.shallow.ease.size_max = 0;
      options.parts.sessions.sessions_max = 0;
    }
    return TrainOnSet(set_, table.history_half_life_days, options, &model_, clock_);
  }

  const TrainingSet set_;
  const std::shared_ptr<const Catalog> catalog_;
  Timestamp cut_;
  ContentModel model_;
  FactorTable table_;
  ManualClock clock_{FixtureDay(300)};
};

TEST_F(ForeignFactorsTest, ComeBackAsTheyWentOut) {
  const auto made = ForeignFactors::Make(table_, *catalog_, set_, ForeignFactors::Coverage::kWhole);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const auto als = (*made)->For(model_.item_ids);
  ASSERT_TRUE(als.ok());
  EXPECT_EQ(als->item_factors, model_.als.item_factors) << "already in principal axes: the same bits";
  EXPECT_EQ(als->gram, model_.als.gram);
}

TEST_F(ForeignFactorsTest, WhatIsWrongIsNamed) {
  FactorTable bad = table_;
  bad.factors[11] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(ErrorOf(bad).find("factor 3 of item '" + table_.item_ids[1] + "'"), std::string::npos) << ErrorOf(bad);
  bad.factors[11] = std::numeric_limits<float>::infinity();
  EXPECT_NE(ErrorOf(bad).find("not a finite number"), std::string::npos);
  bad = table_;
  bad.factors.pop_back();
  EXPECT_NE(ErrorOf(bad).find("numbers for"), std::string::npos);
  bad = table_;
  bad.options.factors = 7;
  EXPECT_NE(ErrorOf(bad).find("numbers for"), std::string::npos);
  bad = table_;
  bad.item_ids[2] = bad.item_ids[1];
  EXPECT_NE(ErrorOf(bad).find("twice in the file: '" + table_.item_ids[1] + "'"), std::string::npos) << ErrorOf(bad);
  bad = table_;
  bad.item_ids[0] = "of another shop";
  EXPECT_NE(ErrorOf(bad).find("not known here: 'of another shop'"), std::string::npos);
  bad = table_;
  bad.item_ids.pop_back();
  bad.factors.resize(bad.factors.size() - 8);
  EXPECT_NE(ErrorOf(bad).find("have no factor in the file: '" + table_.item_ids.back() + "'"), std::string::npos)
      << ErrorOf(bad);
  for (double AlsOptions::*option : {&AlsOptions::regularization, &AlsOptions::unobserved_weight}) {
    bad = table_;
    bad.options.*option = -1;
    EXPECT_NE(ErrorOf(bad).find("als:"), std::string::npos) << ErrorOf(bad);
  }
  bad = table_;
  bad.history_half_life_days = 0;
  EXPECT_NE(ErrorOf(bad).find("halfLifeDays"), std::string::npos);
  EXPECT_NE(ErrorOf(FactorTable{}).find("no item"), std::string::npos);
}

TEST_F(ForeignFactorsTest, PartOfACatalogueNeedsAWord) {
  FactorTable part = table_;
  part.item_ids[0] = "of another shop";
  const auto made = ForeignFactors::Make(part, *catalog_, set_, ForeignFactors::Coverage::kPartial);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ((*made)->items_left_out(), 1u);
  const AlsModel als = (*made)->For(model_.item_ids).Take();
  for (size_t k = 0; k < 8; ++k) EXPECT_EQ(als.item_factors[k], 0);
  for (std::string& id : part.item_ids) id += " of another shop";
  EXPECT_NE(ErrorOf(part, ForeignFactors::Coverage::kPartial).find("another shop"), std::string::npos);
}

TEST_F(ForeignFactorsTest, PassTheSameGateAsOnesTrainedHere) {
  const auto good = Train(table_);
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_TRUE(good->report.accepted) << good->report.verdict;
  EXPECT_TRUE(good->report.foreign);
  EXPECT_EQ(good->report.split_at, cut_);
  EXPECT_EQ(good->report.judged.size(), 4u) << "candidate, popular, recent, in service";
  EXPECT_TRUE(CheckContentModel(good->model).ok());
  EXPECT_EQ(good->model.rows(), set_.items());

  FactorTable noise = table_;
  Random random(5);
  for (float& factor : noise.factors) factor = static_cast<float>(random.Normal());
  // Beside neighbours and sessions the blend would learn to do without such factors.
  const auto refused = Train(noise, GateMode::kEnforce, Others::kNone);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE(refused->report.accepted) << "noise instead of factors: " << refused->report.verdict;
  const auto forced = Train(noise, GateMode::kReportOnly);
  EXPECT_TRUE(forced->report.accepted);
}

TEST_F(ForeignFactorsTest, AreJudgedOnlyOnDaysTheyHaveNotSeen) {
  FactorTable seen = table_;
  seen.trained_until = set_.last;
  for (uint32_t row = 0; row < set_.items(); ++row) {  // nothing is missing
    const std::string name = NameOf(set_.item_ids[row]);
    if (std::find(seen.item_ids.begin(), seen.item_ids.end(), name) != seen.item_ids.end()) continue;
    seen.item_ids.push_back(name);
    seen.factors.resize(seen.factors.size() + 8, 0.01f);
  }
  const auto refused = Train(seen);
  ASSERT_TRUE(refused.ok()) << refused.status().ToString();
  EXPECT_FALSE(refused->report.accepted);
  EXPECT_NE(refused->report.verdict.find("train them on events before"), std::string::npos) << refused->report.verdict;
}

}  // namespace
}  // namespace rapport

// A training run from a table: what it accepts, what it refuses, and that it repeats itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

const ManualClock kClock{kFixtureStart};

TrainOptions SmallTraining(int threads = 0) {
  TrainOptions options;
  options.als.factors = 8;
  options.als.epochs = 6;
  options.als.threads = options.neighbours.threads = threads;
  return options;
}

FixtureLine Line(uint64_t customer, uint64_t item, double day, EventType type, uint64_t event) {
  return {customer, item, event, type, FixtureDay(day), "", FixtureWeight(type)};
}

TEST(TrainerTest, AcceptsAGoodCandidateAndReportsIt) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const Result<TrainedModel> trained = TrainOnSet(set, 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  const TrainReport& report = trained->report;
  EXPECT_TRUE(report.accepted) << report.verdict;
  ASSERT_EQ(report.judged.size(), 3u);
  EXPECT_EQ(report.judged[0].name, "candidate");
  EXPECT_GT(report.judged[0].ndcg10.mean, report.judged[1].ndcg10.mean);
  EXPECT_GT(report.judged_customers, 100u);
  EXPECT_EQ(report.split_at, ChooseSplit(set, 28));
  EXPECT_EQ(report.trained_until, set.last);
  EXPECT_EQ(trained->model.trained_until, set.last);
  EXPECT_EQ(trained->model.item_ids, set.item_ids) << "the refit sees everything";
}

TEST(TrainerTest, TheSameOnEveryThreadCount) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const Result<TrainedModel> one = TrainOnSet(set, 90, SmallTraining(1), nullptr, kClock);
  const Result<TrainedModel> two = TrainOnSet(set, 90, SmallTraining(2), nullptr, kClock);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->model.als.item_factors, two->model.als.item_factors);
  EXPECT_EQ(one->model.popularity.popular, two->model.popularity.popular);
  EXPECT_EQ(one->report.verdict, two->report.verdict);
}

// Broken twins of a fit whose shape is sound, so that only judging can tell.
void ForgetEverything(ContentModel& model) {
  std::fill(model.als.item_factors.begin(), model.als.item_factors.end(), 0.0f);
}
void RandomFactors(ContentModel& model) {
  Random random(5);
  for (float& factor : model.als.item_factors) factor = static_cast<float>(0.1 * random.Normal());
}
void ShuffleItems(ContentModel& model) {
  Random random(5);
  const size_t width = static_cast<size_t>(model.als.options.factors);
  for (size_t row = model.rows(); row > 1; --row) {
    const size_t other = random.Below(row);
    std::swap_ranges(model.als.item_factors.begin() + static_cast<ptrdiff_t>((row - 1) * width),
                     model.als.item_factors.begin() + static_cast<ptrdiff_t>(row * width),
                     model.als.item_factors.begin() + static_cast<ptrdiff_t>(other * width));
  }
}

TEST(TrainerTest, SabotagedModelsAreRefused) {
  FixtureShop shop;
  shop.customers = 1500;  // enough to tell it from noise
  const TrainingSet set = FixtureTable(FixtureLines(shop));
  const Timestamp split = ChooseSplit(set, 28);
  const TrainingSet past = LinesBefore(set, split);
  const TrainOptions options = SmallTraining();
  const Result<ContentModel> fit = FitContentModel(past, split, 90, options);
  ASSERT_TRUE(fit.ok()) << fit.status().ToString();
  const auto verdict_of = [&](const ContentModel& model) {
    const Result<Judgement> judged =
        JudgeCandidate(set, past, split, std::make_shared<const ContentModel>(model), nullptr, options);
    EXPECT_TRUE(judged.ok());
    return judged->verdict;
  };
  EXPECT_TRUE(verdict_of(*fit).accepted) << verdict_of(*fit).words;
  for (const auto& sabotage : {ForgetEverything, RandomFactors, ShuffleItems}) {
    ContentModel broken = *fit;
    sabotage(broken);
    ASSERT_TRUE(CheckAndPrepare(broken.als).ok());
    EXPECT_FALSE(verdict_of(broken).accepted) << verdict_of(broken).words;
  }
}

TEST(TrainerTest, AWorseCandidateThanTheOneInServiceIsRefused) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const Result<TrainedModel> good = TrainOnSet(set, 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(good.ok());
  TrainOptions poor = SmallTraining();
  poor.als.factors = 1;
  poor.als.epochs = 1;
  poor.als.regularization = 10;
  poor.parts.sessions.sessions_max = 0;
  poor.neighbours.support_min = 1000000;
  poor.shallow.ease.size_max = 0;
  const Result<TrainedModel> trained = TrainOnSet(set, 90, poor, &good->model, kClock);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  EXPECT_FALSE(trained->report.accepted) << trained->report.verdict;
  EXPECT_NE(trained->report.verdict.find("in service, refitted"), std::string::npos) << trained->report.verdict;
  EXPECT_NE(trained->model.trained_until, set.last) << "a refused candidate is not refitted";

  poor.gate = GateMode::kReportOnly;
  const Result<TrainedModel> insisted = TrainOnSet(set, 90, poor, &good->model, kClock);
  ASSERT_TRUE(insisted.ok());
  EXPECT_TRUE(insisted->report.accepted);
}

TEST(TrainerTest, AModelThatRemembersTheHeldOutDaysDoesNotBlockTheNextOne) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const Result<TrainedModel> first = TrainOnSet(set, 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(first.ok());
  const Result<TrainedModel> second = TrainOnSet(set, 90, SmallTraining(), &first->model, kClock);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->report.accepted) << second->report.verdict;
}

TEST(TrainerTest, WithoutABlendTheFactorsAreTheSameAndRankAlone) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  TrainOptions options = SmallTraining();
  const Result<TrainedModel> with = TrainOnSet(set, 90, options, nullptr, kClock);
  options.blend_customers_max = 0;
  const Result<TrainedModel> without = TrainOnSet(set, 90, options, nullptr, kClock);
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_TRUE(without->report.accepted) << without->report.verdict;
  EXPECT_EQ(without->model.als.item_factors, with->model.als.item_factors);
  const StackModel& none = without->model.stack;
  EXPECT_TRUE(none.repeats_theta.empty() && none.new_theta.empty() && none.cold_theta.empty());
  EXPECT_TRUE(none.session_theta.empty());
  EXPECT_FALSE(with->model.stack.repeats_theta.empty()) << "the twin: this log is long enough for a blend";
}

TEST(TrainerTest, NothingToLearnFromIsAClearError) {
  const auto message = [](const std::vector<FixtureLine>& lines) {
    const Result<TrainedModel> trained = TrainOnSet(FixtureTable(lines), 90, SmallTraining(), nullptr, kClock);
    EXPECT_EQ(trained.status().code(), StatusCode::kFailedPrecondition);
    return trained.status().message();
  };
  EXPECT_NE(message({}).find("nothing to learn from"), std::string::npos);
  std::vector<FixtureLine> refunds = FixtureLines({});
  for (FixtureLine& line : refunds) {
    line.type = EventType::kRefunded;
    line.weight = -5;
  }
  EXPECT_NE(message(refunds).find("above zero"), std::string::npos);
}

TEST(TrainerTest, SmallestShopsTrainWithoutAComparison) {
  const std::vector<std::vector<FixtureLine>> shops = {
      {Line(1, 1, 0, EventType::kOrdered, 1)},
      {Line(1, 1, 0, EventType::kViewed, 1), Line(1, 2, 9, EventType::kOrdered, 2)},      // one customer
      {Line(1, 1, 0, EventType::kOrdered, 1), Line(2, 1, 5, EventType::kOrdered, 2)},     // one item
      {Line(1, 1, 3, EventType::kOrdered, 1), Line(2, 2, 3, EventType::kOrdered, 2)},     // one instant
      {Line(1, 1, 0, EventType::kRefunded, 1), Line(1, 2, 100, EventType::kOrdered, 2)},  // refunds first
  };
  for (size_t i = 0; i < shops.size(); ++i) {
    const Result<TrainedModel> trained = TrainOnSet(FixtureTable(shops[i]), 90, SmallTraining(), nullptr, kClock);
    ASSERT_TRUE(trained.ok()) << i << ": " << trained.status().ToString();
    EXPECT_TRUE(trained->report.accepted);
    EXPECT_NE(trained->report.verdict.find("without a comparison"), std::string::npos) << trained->report.verdict;
    EXPECT_TRUE(CheckContentModel(trained->model).ok());
  }
}

// Regularization that grows with the unobserved weight of a large catalogue, here simply large: with the weight as
// given the best fit is zero. Broken twin: a fit that keeps the weight (epochs of FitAls itself) ends there.
TEST(TrainerTest, AThinLogIsFittedWithLessUnobservedWeight) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  TrainOptions options = SmallTraining();
  options.als.epochs = 40;
  options.als.regularization = 1;
  const Result<Interactions> matrix = BuildInteractions(set, set.last, 90);
  ASSERT_TRUE(matrix.ok());
  const Result<AlsFit> twin = FitAls(*matrix, options.als);
  ASSERT_TRUE(twin.ok());
  EXPECT_TRUE(std::all_of(twin->model.item_factors.begin(), twin->model.item_factors.end(),
                          [](float x) { return std::abs(x) < 1e-12f; }));
  const Result<TrainedModel> trained = TrainOnSet(set, 90, options, nullptr, kClock);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  const AlsModel& als = trained->model.als;
  EXPECT_TRUE(
      std::any_of(als.item_factors.begin(), als.item_factors.end(), [](float x) { return std::abs(x) > 1e-3f; }));
  EXPECT_LT(als.options.unobserved_weight, options.als.unobserved_weight);
  EXPECT_NE(trained->report.verdict.find("the log is thin"), std::string::npos) << trained->report.verdict;
  options.als.regularization = 1e4;
  const Result<TrainedModel> nothing = TrainOnSet(set, 90, options, nullptr, kClock);
  ASSERT_TRUE(nothing.ok());
  EXPECT_NE(nothing->report.verdict.find("came to nothing"), std::string::npos) << nothing->report.verdict;
}

TEST(TrainerTest, EqualTimesOfManyCustomersTrainToo) {
  std::vector<FixtureLine> lines = FixtureLines({});
  for (FixtureLine& line : lines) line.time = FixtureDay(1);
  const Result<TrainedModel> trained = TrainOnSet(FixtureTable(lines), 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  EXPECT_TRUE(trained->report.accepted);
  EXPECT_EQ(trained->report.judged_customers, 0u);
}

TEST(TrainerTest, OneCustomerWithAHundredThousandEventsDoesNotDrownTheRest) {
  std::vector<FixtureLine> lines = FixtureLines({});
  Random random(11);
  for (uint64_t event = 0; event < 100'000; ++event) {
    lines.push_back(
        Line(1'000'000, 1 + random.Below(120), 200 * random.Uniform(), EventType::kViewed, 9'000'000 + event));
  }
  const Result<TrainedModel> with = TrainOnSet(FixtureTable(lines), 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(with.ok()) << with.status().ToString();
  EXPECT_TRUE(with->report.accepted) << with->report.verdict;
  EXPECT_GT(with->report.judged[0].ndcg10.lower, with->report.judged[1].ndcg10.upper) << "still above popularity";
  EXPECT_TRUE(CheckContentModel(with->model).ok());
}

TEST(TrainerTest, AnItemThatEverybodyBoughtAndOneThatNobodyKept) {
  std::vector<FixtureLine> lines = FixtureLines({});
  uint64_t event = 8'000'000;
  for (uint64_t customer = 1; customer <= 300; ++customer) {
    lines.push_back(Line(customer, 500, 50, EventType::kOrdered, ++event));
    lines.push_back(Line(customer, 501, 50, EventType::kOrdered, ++event));
    lines.push_back(Line(customer, 501, 51, EventType::kRefunded, ++event));
  }
  const Result<TrainedModel> with = TrainOnSet(FixtureTable(lines), 90, SmallTraining(), nullptr, kClock);
  ASSERT_TRUE(with.ok()) << with.status().ToString();
  EXPECT_TRUE(with->report.accepted) << with->report.verdict;
  EXPECT_GT(with->report.judged[0].ndcg10.lower, with->report.judged[1].ndcg10.upper) << "still above popularity";
  EXPECT_TRUE(CheckContentModel(with->model).ok());
}

TEST(TrainerTest, AShortLogHoldsOutAFifth) {
  const TrainingSet week =
      FixtureTable({Line(1, 1, 0, EventType::kOrdered, 1), Line(2, 1, 10, EventType::kOrdered, 2)});
  EXPECT_EQ(ChooseSplit(week, 28), FixtureDay(8));
  const TrainingSet year =
      FixtureTable({Line(1, 1, 0, EventType::kOrdered, 1), Line(2, 1, 365, EventType::kOrdered, 2)});
  EXPECT_EQ(ChooseSplit(year, 28), FixtureDay(337));
}

TEST(TrainerTest, CancellingStopsAtEveryStage) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  for (const std::string stage : {"fitting", "judging", "refitting"}) {
    const Result<TrainedModel> trained =
        TrainOnSet(set, 90, SmallTraining(), nullptr, kClock, [&](const char* now, double) { return stage != now; });
    EXPECT_EQ(trained.status().code(), StatusCode::kUnavailable) << stage;
  }
}

TEST(TrainerTest, WrongOptionsAreRefused) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  TrainOptions options = SmallTraining();
  options.holdout_days = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(TrainOnSet(set, 90, options, nullptr, kClock).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(TrainOnSet(set, 0, SmallTraining(), nullptr, kClock).status().code(), StatusCode::kInvalidArgument);
  options = SmallTraining();
  options.als.factors = 0;
  EXPECT_EQ(TrainOnSet(set, 90, options, nullptr, kClock).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport

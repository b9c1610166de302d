// Stated reasons held against real leave-one-out on a generated shop; the permuted control is the broken twin.
#include <gtest/gtest.h>

#include "engine/learning/blend_fit.h"
#include "engine/learning/explanations.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

struct Fitted {
  TrainingSet past;
  Timestamp cut;
  ContentModel model;
};

const Fitted& Shop() {
  static const Fitted fitted = [] {
    Fitted out;
    const TrainingSet set = FixtureTable(FixtureLines({}));
    TrainOptions options;
    options.als.factors = 16;
    options.als.epochs = 6;
    options.holdout_days = (set.last.ms - set.first.ms) / static_cast<double>(kDayMs) / 8;
    out.cut = ChooseSplit(set, options.holdout_days);
    out.past = LinesBefore(set, out.cut);
    out.model = FitContentModel(out.past, out.cut, 90, options).Take();
    const auto windows = CollectWindows(out.past, out.cut, 90, options);
    EXPECT_TRUE(windows.ok());
    EXPECT_TRUE(FitBlendWeights(*windows, 0, out.model.stack).ok());
    return out;
  }();
  return fitted;
}

TEST(ExplanationsTest, ReasonsPredictWhatTakingAnItemAwayCosts) {
  ExplanationOptions options;
  options.cases = 300;
  const auto report = JudgeExplanations(Shop().past, Shop().model, Shop().cut, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->cases, 300u);
  EXPECT_GE(report->history_mean, 5);
  ASSERT_EQ(report->rows.size(), 5u);
  SCOPED_TRACE(FormatExplanations(*report));
  EXPECT_GE(report->rows[1].rank_correlation.lower, 0.95) << "factors";
  EXPECT_GE(report->rows[3].rank_correlation.lower, 0.99) << "blend";
  EXPECT_LT(report->rows[4].rank_correlation.upper, 0.3) << "broken twin: reasons given to the wrong items";
}

TEST(ExplanationsTest, TheSameOnEveryThreadCount) {
  ExplanationOptions options;
  options.cases = 40;
  options.threads = 1;
  const auto one = JudgeExplanations(Shop().past, Shop().model, Shop().cut, options);
  options.threads = 2;
  const auto two = JudgeExplanations(Shop().past, Shop().model, Shop().cut, options);
  EXPECT_EQ(FormatExplanations(*one), FormatExplanations(*two));
  for (size_t i = 0; i < one->rows.size(); ++i) {
    EXPECT_EQ(one->rows[i].rank_correlation.mean, two->rows[i].rank_correlation.mean);
  }
}

TEST(ExplanationsTest, SaysWhyThereIsNothingToJudge) {
  ExplanationOptions options;
  options.history_min = 100000;
  const auto nobody = JudgeExplanations(Shop().past, Shop().model, Shop().cut, options);
  EXPECT_EQ(nobody.status().code(), StatusCode::kFailedPrecondition);
  ContentModel plain = Shop().model;
  plain.stack.repeats_theta.clear();
  const auto no_blend = JudgeExplanations(Shop().past, plain, Shop().cut, {});
  EXPECT_NE(no_blend.status().message().find("blend"), std::string::npos);
}

}  // namespace
}  // namespace rapport

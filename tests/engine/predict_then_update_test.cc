#include "engine/learning/predict_then_update.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace rapport {
namespace {

TEST(PredictThenUpdateTest, AreaUnderCurveCountsTiesHalf) {
  EXPECT_DOUBLE_EQ(AreaUnderCurve({0.1, 0.2, 0.3, 0.4}, {0, 0, 1, 1}), 1);
  EXPECT_DOUBLE_EQ(AreaUnderCurve({0.5, 0.5, 0.5, 0.5}, {0, 1, 0, 1}), 0.5);
  EXPECT_DOUBLE_EQ(AreaUnderCurve({0.1, 0.4, 0.3, 0.2}, {0, 0, 1, 1}), 0.5);
  EXPECT_DOUBLE_EQ(AreaUnderCurve({0.1, 0.2}, {1, 1}), 0.5);
}

// Who answers what: only the pair says it.
AnswerLog Log(size_t rows) {
  AnswerLog log;
  AnswerColumn who{"who", false, {}, {}, 2, true}, what{"what", false, {}, {}, 2, true};
  Random random(3);
  for (size_t i = 0; i < rows; ++i) {
    const auto a = static_cast<uint32_t>(random.Below(2)), b = static_cast<uint32_t>(random.Below(2));
    who.categories.push_back(a);
    what.categories.push_back(b);
    log.responded.push_back(random.Uniform() < (a == b ? 0.7 : 0.2));
  }
  log.columns = {who, what};
  return log;
}

TEST(PredictThenUpdateTest, PairsBeatARegressionWithoutThem) {
  StreamOptions options;
  options.block = 200;
  options.resamples = 100;
  options.ridges = {1, 10};
  options.half_lives_rows = {300, 0};
  const Result<StreamReport> report = EvaluateStream(Log(3000), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->predicted, 2800u);
  EXPECT_EQ(report->models.back().model, "response head");
  for (size_t i = 0; i + 1 < report->models.size(); ++i) {
    EXPECT_GT(report->models[i].loss_gain.lower, 0) << report->models[i].model;
    EXPECT_GT(report->models[i].auc_gain.lower, 0) << report->models[i].model;
  }
}

TEST(PredictThenUpdateTest, ABlockIsPredictedWithoutItsAnswers) {
  // The answers after row 400 change; what is said of the block that begins there must not.
  StreamOptions options;
  options.block = 200;
  options.resamples = 10;
  options.ridges = {10};
  options.half_lives_rows = {0};
  AnswerLog log = Log(600), turned = log;
  for (size_t i = 400; i < 600; ++i) turned.responded[i] = 1 - turned.responded[i];
  const Result<StreamReport> a = EvaluateStream(log, options), b = EvaluateStream(turned, options);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->blocks[0].model_loss, b->blocks[0].model_loss);
  double mean_a = 0, mean_b = 0;
  for (size_t i = 0; i < 10; ++i) {
    mean_a += a->calibration[i].predicted;
    mean_b += b->calibration[i].predicted;
  }
  EXPECT_EQ(mean_a, mean_b);
}

TEST(PredictThenUpdateTest, RefusesWhatDoesNotFit) {
  AnswerLog log = Log(600);
  log.columns[0].categories[5] = 2;
  EXPECT_EQ(EvaluateStream(log, {.block = 100}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(EvaluateStream(Log(100), {.block = 100}).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

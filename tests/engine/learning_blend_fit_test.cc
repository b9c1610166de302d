// The blend: windows lie before the cut and apart; nothing after a window's start reaches its features; features equal
// a plain computation; the fitted blend is not worse than its best voice on a planted shop.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/learning/blend_fit.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

TEST(PlanWindowsTest, WindowsLieBeforeTheCutAndDoNotOverlap) {
  for (int days = 0; days < 900; days += 13) {
    const Timestamp first{0}, cut{days * kDayMs};
    std::vector<WindowSpan> windows = PlanWindows(first, cut, 28);
    std::sort(windows.begin(), windows.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
    Timestamp last{28 * kDayMs};
    for (const WindowSpan& window : windows) {
      EXPECT_GE(window.begin, last) << days;
      EXPECT_GT(window.until, window.begin);
      last = window.until;
    }
    EXPECT_LE(last, std::max(cut, Timestamp{28 * kDayMs}));
  }
  EXPECT_EQ(PlanWindows({0}, {112 * kDayMs}, 28).size(), 3u);
  EXPECT_EQ(PlanWindows({0}, {600 * kDayMs}, 28).size(), 4u) << "last year's season too";
  EXPECT_TRUE(PlanWindows({0}, {40 * kDayMs}, 28).empty());
  const std::vector<WindowSpan> planned = PlanWindows({0}, {600 * kDayMs}, 28);
  for (const WindowSpan& older : PlanOlderWindows({0}, {600 * kDayMs}, 28, planned)) {
    EXPECT_GE(older.begin.ms, 28 * kDayMs);
    for (const WindowSpan& one : planned) EXPECT_TRUE(older.until <= one.begin || one.until <= older.begin);
  }
}

// Rows 0..3; a model whose every part is written by hand.
ContentModel HandMade() {
  ContentModel model;
  model.item_ids = {1, 2, 3, 4};
  model.history_half_life_days = 90;
  model.als.options.factors = 2;
  model.als.items = 4;
  model.als.item_factors = {1, 0, 0, 1, 0.5f, 0.5f, -1, 0};
  EXPECT_TRUE(CheckAndPrepare(model.als).ok());
  model.popularity.popular = {4, 3, 2, 1};
  model.popularity.trending = {0, 0, 0, 0};
  model.stack.recent14 = {0, 0, 8, 0};
  model.stack.recent7 = {0, 0, 0, 0};
  for (NeighbourLists* lists : {&model.similar, &model.bought_together}) {
    lists->items = 4;
    lists->offsets = {0, 1, 1, 1, 1};
    lists->neighbours = {{1, 0.5f}};
  }
  return model;
}

float FeatureOf(const StackScratch& scratch, uint32_t row, StackSource source) {
  const auto at = std::find(scratch.candidates.begin(), scratch.candidates.end(), row);
  EXPECT_NE(at, scratch.candidates.end());
  return scratch.features[static_cast<size_t>(at - scratch.candidates.begin()) * kStackFeatures +
                          2 * static_cast<size_t>(source)];
}

TEST(StackTest, FeaturesAreSharesOfTheBestAllowedScore) {
  const ContentModel model = HandMade();
  const Timestamp now{1000 * kDayMs};
  const std::vector<SignalLine> lines = {
      {0, 5, 1, {now.ms - 365 * kDayMs}}, {0, 5, 1, now}, {2, -5, -1, now}, {2, 5, 1, {now.ms - 90 * kDayMs}}};
  StackScratch scratch;
  const std::vector<uint64_t> two{0b0110}, all{0b1111};
  CollectCandidates(model, {lines, {}, now, two, nullptr, {}}, scratch);
  EXPECT_EQ(scratch.candidates, (std::vector<uint32_t>{1, 2})) << "rows 0 and 3 are not allowed";
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 1, StackSource::kPopular), 1.0f);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 2, StackSource::kPopular), 2.0f / 3);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 2, StackSource::kRecent14), 1.0f);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 1, StackSource::kBaskets60), 1.0f);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 2, StackSource::kOwn365), 0.0f) << "came back since";
  EXPECT_FLOAT_EQ(scratch.features[MarkAt(StackMark::kHad)], 0.0f) << "row 1 was never had";
  EXPECT_FLOAT_EQ(scratch.features[kStackFeatures + MarkAt(StackMark::kHad)], 1.0f);
  CollectCandidates(model, {lines, {}, now, all, nullptr, {}}, scratch);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 0, StackSource::kOwn365), 1.0f);
  EXPECT_FLOAT_EQ(FeatureOf(scratch, 1, StackSource::kPopular), 0.75f);
  std::vector<double> theta(kStackFeatures, 0.0);
  theta[2 * static_cast<size_t>(StackSource::kRecent14)] = 1;
  EXPECT_EQ(RankCandidates(theta, scratch).front().index, 2u);
}

TEST(StackTest, NewcomersHaveSlotsOfTheirOwn) {
  ContentModel model = HandMade();
  std::vector<AttributeItem> items(4);
  items[0] = items[1] = {{10, 11}, {}, 2, 7};
  items[2] = items[3] = {{12, 13}, {}, 8, 9};
  model.attributes = FitAttributes(items, {});
  model.attributes.map.assign((model.attributes.width() + 1) * 2, 0.25f);
  const AttributeIndex index(model.attributes);
  const std::vector<uint64_t> ids{100, 101};
  const std::vector<AttributeItem> fresh{items[2], items[0]};
  const Newcomers newcomers = MakeNewcomers(model, index, ids, fresh, 1);
  const Timestamp now{1000 * kDayMs};
  const std::vector<SignalLine> lines = {{0, 5, 1, now}};
  const std::vector<uint64_t> all{0b1111}, both{0b11}, second{0b10};
  StackScratch without, with, some;
  CollectCandidates(model, {lines, {}, now, all, nullptr, {}}, without);
  CollectCandidates(model, {lines, {}, now, all, &newcomers, both}, with);
  CollectCandidates(model, {lines, {}, now, all, &newcomers, second}, some);
  ASSERT_EQ(with.candidates.size(), without.candidates.size() + 2);
  EXPECT_EQ(some.candidates.back(), 5u) << "row 4 + newcomer 1; the other may not be shown";
  EXPECT_EQ(some.candidates.size(), without.candidates.size() + 1);
  for (size_t i = 0; i < without.features.size(); ++i) EXPECT_EQ(with.features[i], without.features[i]);
  const float* first = with.features.data() + without.features.size();
  for (size_t k = 0; k < SlotAt(NewcomerSlot::kIsNew); ++k) EXPECT_EQ(first[k], 0) << k;
  EXPECT_EQ(first[SlotAt(NewcomerSlot::kIsNew)], 1);
  EXPECT_EQ(first[SlotAt(NewcomerSlot::kAttributes)], 0) << "of another kind than the history";
  EXPECT_NEAR(first[kStackFeatures + SlotAt(NewcomerSlot::kAttributes)], 1, 1e-5) << "a copy of what was ordered";
  EXPECT_NEAR(first[kStackFeatures + SlotAt(NewcomerSlot::kPrice)], 1, 1e-5);
  EXPECT_EQ(first[kStackFeatures + SlotAt(NewcomerSlot::kCategory)], 1);
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<size_t>(1, values.size()));
}

TEST(BlendFitTest, LearnsWeightsThatAreNotWorseThanTheFactorsAlone) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  TrainOptions options;
  options.als.factors = 8;
  options.als.epochs = 6;
  options.holdout_days = (set.last.ms - set.first.ms) / static_cast<double>(kDayMs) / 8;
  const Timestamp cut = ChooseSplit(set, options.holdout_days);
  const TrainingSet past = LinesBefore(set, cut);
  auto windows = CollectWindows(past, cut, 90, options);
  ASSERT_TRUE(windows.ok()) << windows.status().ToString();
  ASSERT_FALSE(windows->empty()) << "the planted shop is too short for a window";
  auto model = std::make_shared<ContentModel>(FitContentModel(past, cut, 90, options).Take());
  const auto plain = std::make_shared<const ContentModel>(*model);
  ASSERT_TRUE(FitBlendWeights(*windows, 0, model->stack).ok());
  ASSERT_EQ(model->stack.repeats_theta.size(), kStackFeatures);
  CaseOptions cases;
  cases.split = cut;
  cases.until = {set.last.ms + 1};
  const JudgedCases judged = MakeCases(set, past, cases);
  const double blended =
      Mean(Measure(BlendRanker("blend", model, past, cut, RepeatTask::kWithRepeats), past, judged, 0).ndcg10);
  const double factors =
      Mean(Measure(BlendRanker("factors", plain, past, cut, RepeatTask::kWithRepeats), past, judged, 0).ndcg10);
  EXPECT_GE(blended, factors - 0.005);
}

TEST(BlendFitTest, NothingAfterAWindowReachesItsCases) {
  const TrainingSet set = FixtureTable(FixtureLines({}));
  const Timestamp cut{(set.first.ms + set.last.ms) / 2};
  const TrainingSet past = LinesBefore(set, cut);
  TrainOptions options;
  options.als.factors = 4;
  options.als.epochs = 2;
  const ContentModel model = FitContentModel(past, cut, 90, options).Take();
  const WindowSpan window{cut, {cut.ms + 14 * kDayMs}};
  TrainingSet changed = set;
  for (TrainingLine& line : changed.lines) {
    if (line.time >= window.until) line.item = 0;
  }
  const WindowCases a = CollectWindow(set, past, model, window, 0, 1, 0).Take();
  const WindowCases b = CollectWindow(changed, past, model, window, 0, 1, 1).Take();
  EXPECT_EQ(a.with_repeats.values, b.with_repeats.values);
  EXPECT_EQ(a.with_repeats.chosen, b.with_repeats.chosen);
  EXPECT_EQ(a.new_items.chosen, b.new_items.chosen);
  ASSERT_FALSE(a.with_repeats.chosen.empty());
  // Broken twin: lines changed inside the window are seen.
  for (TrainingLine& line : changed.lines) {
    if (line.time >= window.begin) line.item = 0;
  }
  EXPECT_NE(CollectWindow(changed, past, model, window, 0, 1, 0)->with_repeats.chosen, a.with_repeats.chosen);
}

}  // namespace
}  // namespace rapport

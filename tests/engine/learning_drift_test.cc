// A shop that does not change shows no drift, whatever the seed; planted changes are each found and named.
#include <gtest/gtest.h>

#include "engine/learning/drift.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

constexpr double kCutDay = 150;

TrainOptions SmallOptions() {
  TrainOptions options;
  options.als.factors = 8;
  options.als.epochs = 4;
  return options;
}

ContentModel ModelUntil(const TrainingSet& set, Timestamp cut) {
  return FitContentModel(LinesBefore(set, Timestamp{cut.ms + 1}), cut, 90, SmallOptions()).Take();
}

std::vector<FixtureLine> Lines(uint64_t seed) {
  FixtureShop shop;
  shop.customers = 600;
  shop.seed = seed;
  return FixtureLines(shop);
}

TEST(DriftTest, AShopThatStaysTheSameShowsNone) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const TrainingSet set = FixtureTable(Lines(seed));
    const ContentModel model = ModelUntil(set, FixtureDay(kCutDay));
    const DriftReport report = MeasureDrift(set, model, nullptr, {});
    EXPECT_TRUE(report.judged);
    EXPECT_FALSE(report.drifted) << "seed " << seed << ": " << FormatDrift(report);
    EXPECT_GT(report.lines_since, 500u);
    EXPECT_GT(report.judged_customers, 100u);
    EXPECT_GT(report.ndcg10.mean, 0.05);
    EXPECT_FALSE(report.overlap20.has_value());
  }
}

TEST(DriftTest, OtherItemsOtherKindsAndOtherCustomersAreFound) {
  const Timestamp cut = FixtureDay(kCutDay);
  const auto drift_after = [&](auto change) {
    std::vector<FixtureLine> lines = Lines(1);
    for (FixtureLine& line : lines) {
      if (line.time > cut) change(line);
    }
    const TrainingSet set = FixtureTable(lines);
    return MeasureDrift(set, ModelUntil(set, cut), nullptr, {});
  };
  const DriftReport items = drift_after([](FixtureLine& line) { line.item = 1 + (line.item + 30) % 120; });
  EXPECT_TRUE(items.drifted);
  EXPECT_TRUE(items.items.drifted()) << FormatDrift(items);
  EXPECT_NE(items.words.find("items differ"), std::string::npos) << items.words;

  const DriftReport kinds = drift_after([](FixtureLine& line) {
    if (line.event % 3 == 0) line.type = EventType::kAdded;
  });
  EXPECT_TRUE(kinds.types.drifted()) << FormatDrift(kinds);
  EXPECT_FALSE(kinds.items.drifted()) << FormatDrift(kinds);

  const DriftReport fresh = drift_after([](FixtureLine& line) {
    if (line.event % 2 == 0) line.item += 1000;
  });
  EXPECT_GT(fresh.factorless_share, 0.3);
  EXPECT_NE(fresh.words.find("without a factor"), std::string::npos) << fresh.words;

  const DriftReport strangers = drift_after([](FixtureLine& line) { line.customer += 5000; });
  EXPECT_EQ(strangers.new_customers_share, 1);
  EXPECT_NE(strangers.words.find("new customers"), std::string::npos) << strangers.words;
}

TEST(DriftTest, OverlapIsOneWithItselfAndLessWithAnother) {
  const TrainingSet set = FixtureTable(Lines(1));
  const ContentModel model = ModelUntil(set, FixtureDay(kCutDay));
  EXPECT_EQ(MeasureDrift(set, model, &model, {}).overlap20->mean, 1);
  TrainOptions other = SmallOptions();
  other.als.factors = 2;
  const ContentModel next = FitContentModel(set, set.last, 90, other).Take();
  const Interval overlap = *MeasureDrift(set, model, &next, {}).overlap20;
  EXPECT_GT(overlap.mean, 0);
  EXPECT_LT(overlap.mean, 0.99);
}

TEST(DriftTest, TooLittleIsSaidAndThreadsDoNotMatter) {
  const TrainingSet set = FixtureTable(Lines(1));
  const ContentModel newest = ModelUntil(set, set.last);
  const DriftReport nothing = MeasureDrift(set, newest, nullptr, {});
  EXPECT_FALSE(nothing.judged);
  EXPECT_FALSE(nothing.drifted);
  EXPECT_NE(nothing.words.find("too little"), std::string::npos);
  const ContentModel model = ModelUntil(set, FixtureDay(kCutDay));
  DriftOptions one, two;
  one.threads = 1;
  two.threads = 2;
  EXPECT_EQ(FormatDrift(MeasureDrift(set, model, nullptr, one)), FormatDrift(MeasureDrift(set, model, nullptr, two)));
}

}  // namespace
}  // namespace rapport

// The training table: what a line is, and that the future cannot reach the past.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/learning/trainer.h"
#include "engine/learning/training_set.h"
#include "learning_fixture.h"

namespace rapport {
namespace {

FixtureLine Order(uint64_t customer, uint64_t item, double day, const std::string& order, uint64_t event) {
  return {customer, item, event, EventType::kOrdered, FixtureDay(day), order, 5};
}
FixtureLine Refund(uint64_t customer, uint64_t item, double day, const std::string& order, uint64_t event) {
  return {customer, item, event, EventType::kRefunded, FixtureDay(day), order, -5};
}

TrainOptions SmallTraining() {
  TrainOptions options;
  options.als.factors = 8;
  options.als.epochs = 4;
  return options;
}

bool SameModel(const ContentModel& a, const ContentModel& b) {
  const auto same_lists = [](const NeighbourLists& x, const NeighbourLists& y) {
    return x.offsets == y.offsets &&
           std::equal(x.neighbours.begin(), x.neighbours.end(), y.neighbours.begin(), y.neighbours.end(),
                      [](const Neighbour& p, const Neighbour& q) { return p.item == q.item && p.score == q.score; });
  };
  return a.item_ids == b.item_ids && a.als.item_factors == b.als.item_factors && a.als.gram == b.als.gram &&
         same_lists(a.similar, b.similar) && same_lists(a.bought_together, b.bought_together) &&
         a.popularity.popular == b.popularity.popular && a.popularity.trending == b.popularity.trending;
}

TEST(TrainingSetTest, RowsAreAscendingAndDense) {
  const TrainingSet set = FixtureTable({Order(9, 40, 3, "a", 3), Order(2, 7, 1, "b", 1), Order(9, 7, 2, "c", 2)});
  EXPECT_EQ(set.customer_ids, (std::vector<uint64_t>{2, 9}));
  EXPECT_EQ(set.item_ids, (std::vector<uint64_t>{7, 40}));
  ASSERT_EQ(set.lines.size(), 3u);
  EXPECT_EQ(set.lines[1].time, FixtureDay(2)) << "a customer's lines are in time order";
  EXPECT_EQ(set.groups, 3u);
  EXPECT_EQ(set.first, FixtureDay(1));
  EXPECT_EQ(set.last, FixtureDay(3));
}

TEST(TrainingSetTest, AnItemTwiceInOneOrderIsOneLine) {
  const TrainingSet set = FixtureTable({Order(1, 5, 1, "a", 1), Order(1, 5, 1, "a", 2), Order(1, 6, 1, "a", 3),
                                        Order(1, 5, 2, "b", 4), Order(2, 5, 1, "a", 5)});
  EXPECT_EQ(set.lines.size(), 4u);
  EXPECT_EQ(set.groups, 3u) << "the same order id of two customers is two orders";
}

TEST(TrainingSetTest, AnOrderWithoutAnIdIsCustomerAndTime) {
  const TrainingSet set =
      FixtureTable({Order(1, 5, 1, "", 1), Order(1, 6, 1, "", 2), Order(1, 7, 2, "", 3), Order(2, 5, 1, "", 4)});
  ASSERT_EQ(set.lines.size(), 4u);
  EXPECT_EQ(set.groups, 3u);
  EXPECT_EQ(set.lines[0].group, set.lines[1].group);
  EXPECT_NE(set.lines[0].group, set.lines[2].group);
}

TEST(TrainingSetTest, RefundsSubtractAndAnOutweighedItemIsDropped) {
  const TrainingSet set = FixtureTable({Order(1, 5, 1, "a", 1), Order(1, 5, 2, "b", 2), Order(1, 6, 2, "b", 3),
                                        Refund(1, 5, 2, "c", 4), Refund(1, 6, 3, "d", 5)});
  const Result<Interactions> built = BuildInteractions(set, FixtureDay(3), 0);
  ASSERT_TRUE(built.ok()) << built.status().ToString();
  ASSERT_EQ(built->nnz(), 1u);
  EXPECT_EQ(built->columns[0], 0u);
  EXPECT_FLOAT_EQ(built->weights[0], 5);

  TrainingSetOptions ignoring;
  ignoring.refunds = RefundsRead::kIgnore;
  const TrainingSet kept = FixtureTable({Order(1, 6, 2, "b", 3), Refund(1, 6, 3, "d", 5)}, ignoring);
  EXPECT_EQ(kept.lines.size(), 1u);
}

TEST(TrainingSetTest, WeightsDecayByHalfLife) {
  const TrainingSet set = FixtureTable({Order(1, 5, 0, "a", 1), Order(1, 6, 90, "b", 2)});
  const Result<Interactions> built = BuildInteractions(set, FixtureDay(90), 90);
  ASSERT_TRUE(built.ok());
  EXPECT_FLOAT_EQ(built->weights[0], 2.5f);
  EXPECT_FLOAT_EQ(built->weights[1], 5.0f);
}

TEST(TrainingSetTest, MemoryIsBounded) {
  TrainingSetOptions options;
  options.lines_max = 2;
  TrainingSetBuilder builder(options);
  const auto add = [&](uint64_t item) {
    return builder.Add(CustomerId{1}, ItemId{item}, EventId{item}, EventType::kViewed, FixtureDay(1), 1, "");
  };
  EXPECT_TRUE(add(1).ok());
  EXPECT_TRUE(add(2).ok());
  EXPECT_EQ(add(3).code(), StatusCode::kResourceExhausted);
}

TEST(TrainingSetTest, TheOrderOfReadingDoesNotMatter) {
  std::vector<FixtureLine> lines = FixtureLines({});
  const TrainingSet forward = FixtureTable(lines);
  // Lines of one event keep their order; events come in any.
  std::stable_sort(lines.begin(), lines.end(), [](const FixtureLine& a, const FixtureLine& b) {
    return (a.event * 0x9e3779b97f4a7c15ull) < (b.event * 0x9e3779b97f4a7c15ull);
  });
  const TrainingSet shuffled = FixtureTable(lines);
  ASSERT_EQ(forward.lines.size(), shuffled.lines.size());
  for (size_t i = 0; i < forward.lines.size(); ++i) {
    const TrainingLine &a = forward.lines[i], &b = shuffled.lines[i];
    ASSERT_TRUE(a.event == b.event && a.item == b.item && a.group == b.group && a.customer == b.customer) << i;
  }
}

// Everything from the cut on replaced: other items, other customers, other weights, more of it, or nothing.
std::vector<FixtureLine> WithAnotherFuture(const std::vector<FixtureLine>& lines, Timestamp cut, uint64_t seed) {
  Random random(seed);
  std::vector<FixtureLine> changed;
  for (FixtureLine line : lines) {
    if (line.time >= cut) {
      const uint64_t choice = random.Below(4);
      if (choice == 0) continue;
      line.item = 1 + random.Below(400);
      line.customer = 1 + random.Below(900);
      line.weight = choice == 1 ? -3.0f : 4.0f;
      line.type = choice == 2 ? EventType::kRefunded : EventType::kAdded;
      line.time.ms += static_cast<int64_t>(random.Below(90)) * kDayMs;
    }
    changed.push_back(line);
  }
  return changed;
}

TEST(TrainingSetTest, TheFutureCannotInfluenceTheFit) {
  const std::vector<FixtureLine> lines = FixtureLines({});
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Timestamp cut = FixtureDay(60.0 + 15.0 * static_cast<double>(seed));
    const TrainingSet past = LinesBefore(FixtureTable(lines), cut);
    const TrainingSet other = LinesBefore(FixtureTable(WithAnotherFuture(lines, cut, seed)), cut);
    EXPECT_EQ(past.customer_ids, other.customer_ids);
    EXPECT_EQ(past.groups, other.groups);
    const Result<ContentModel> a = FitContentModel(past, cut, 90, SmallTraining());
    const Result<ContentModel> b = FitContentModel(other, cut, 90, SmallTraining());
    ASSERT_TRUE(a.ok() && b.ok()) << a.status().ToString();
    EXPECT_TRUE(SameModel(*a, *b)) << "seed " << seed;
  }
}

// The broken twin: lines are cut, but rows keep counting customers and items of the future.
TrainingSet LeakyLinesBefore(TrainingSet set, Timestamp cut) {
  std::erase_if(set.lines, [cut](const TrainingLine& line) { return line.time >= cut; });
  std::fill(set.offsets.begin(), set.offsets.end(), 0);
  for (const TrainingLine& line : set.lines) ++set.offsets[line.customer + 1];
  for (size_t row = 0; row < set.customer_ids.size(); ++row) set.offsets[row + 1] += set.offsets[row];
  return set;
}

TEST(TrainingSetTest, ATwinThatKeepsTheFuturesRowsIsCaught) {
  const std::vector<FixtureLine> lines = FixtureLines({});
  const Timestamp cut = FixtureDay(100);
  const TrainingSet a = LeakyLinesBefore(FixtureTable(lines), cut);
  const TrainingSet b = LeakyLinesBefore(FixtureTable(WithAnotherFuture(lines, cut, 1)), cut);
  const Result<ContentModel> fit_a = FitContentModel(a, cut, 90, SmallTraining());
  const Result<ContentModel> fit_b = FitContentModel(b, cut, 90, SmallTraining());
  ASSERT_TRUE(fit_a.ok() && fit_b.ok());
  EXPECT_FALSE(SameModel(*fit_a, *fit_b));
}

}  // namespace
}  // namespace rapport

#include "engine/learning/timing_evaluation.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace rapport {
namespace {

// Customers who come around an hour of their own (personal), or around one hour of everybody's.
std::vector<TimingCustomer> Planted(bool personal, uint64_t seed) {
  std::vector<TimingCustomer> customers;
  for (uint64_t u = 0; u < 300; ++u) {
    Random random = Random(seed).Fork(u);
    const double favourite = personal ? 24 * random.Uniform() : 12;
    TimingCustomer customer;
    const int visits = 3 + static_cast<int>(random.Below(40));
    for (int v = 0; v < visits; ++v) {
      const auto day = static_cast<int64_t>(random.Below(200));
      const auto hour = static_cast<int64_t>(favourite + 2 * random.Normal() + 48) % 24;
      const Timestamp time{(day * 24 + hour) * kHourMs};
      customer.visits.push_back({time, static_cast<uint16_t>(HourOfWeek(time))});
    }
    std::sort(customer.visits.begin(), customer.visits.end(),
              [](const TimingVisit& a, const TimingVisit& b) { return a.time < b.time; });
    customers.push_back(std::move(customer));
  }
  return customers;
}

TimingOptions Quick() {
  TimingOptions options;
  options.resamples = 200;
  options.activity.epochs = 10;
  return options;
}

TEST(TimingEvaluationTest, PersonalHoursGainOnEveryRival) {
  const Result<TimingReport> report = EvaluateTiming(Planted(true, 1), Quick());
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->rows.size(), 6u);
  for (size_t i = 0; i + 1 < report->rows.size(); ++i)
    EXPECT_GT(report->rows[i].gain.lower, 0) << report->rows[i].model;
  // Shuffled, nothing is left of it: the broken twin of the row above.
  EXPECT_LE(report->shuffled_gain.lower, 0);
  EXPECT_GE(report->shuffled_gain.upper, 0);
}

TEST(TimingEvaluationTest, WithoutPersonalHoursNothingIsLost) {
  const Result<TimingReport> report = EvaluateTiming(Planted(false, 2), Quick());
  ASSERT_TRUE(report.ok());
  EXPECT_GT(report->rows[0].gain.lower, -0.01);
  EXPECT_LT(report->rows[0].gain.upper, 0.02);
}

TEST(TimingEvaluationTest, VisitsWithinAnHourOfTheLastOneCountOnce) {
  TrainingSetBuilder builder;
  for (const int64_t minutes : {0, 59, 118, 178, 300}) {  // 178 is 60 after 118
    ASSERT_TRUE(builder
                    .Add(CustomerId{5}, ItemId{1}, EventId{static_cast<uint64_t>(minutes + 1)}, EventType::kViewed,
                         Timestamp{minutes * kMinuteMs}, 1, "")
                    .ok());
  }
  const Result<TimeZone> zone = TimeZone::Open("Asia/Tokyo");
  ASSERT_TRUE(zone.ok());
  const std::vector<TimingCustomer> customers = BuildVisits(builder.Build(), *zone);
  ASSERT_EQ(customers.size(), 1u);
  ASSERT_EQ(customers[0].visits.size(), 3u);
  EXPECT_EQ(customers[0].visits[0].hour, 3 * 24 + 9);  // Thursday 1970-01-01 00:00 UTC is 9:00 in Tokyo
}

TEST(TimingEvaluationTest, SaysThatThereIsNothingToJudge) {
  EXPECT_EQ(EvaluateTiming({}, Quick()).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rapport

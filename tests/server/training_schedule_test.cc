// Scheduled training by a clock that the test turns: due times by hours and by the wall clock of the shop, too few
// events, a training that runs, one by hand. Nothing waits.
#include "server/training_schedule.h"

#include <gtest/gtest.h>

#include <thread>

#include "endpoints_fixture.h"
#include "server/config.h"
#include "server/training_clockwork.h"

namespace rapport {
namespace {

Timestamp At(const std::string& text) { return *ParseRfc3339(text); }

TrainingPlan Daily(const std::string& zone, const std::string& at) {
  TrainingPlan plan;
  plan.time_zone = zone;
  plan.at_minute = *ParseMinuteOfDay(at);
  plan.events_min = 10;
  return plan;
}

TEST(TrainingScheduleTest, MinutesOfTheDay) {
  EXPECT_EQ(*ParseMinuteOfDay("00:00"), 0);
  EXPECT_EQ(*ParseMinuteOfDay("03:30"), 210);
  EXPECT_EQ(*ParseMinuteOfDay("23:59"), 1439);
  for (const char* bad : {"", "3:30", "24:00", "03:60", "0330", "03:3O", "03:30:00", "-1:00"}) {
    EXPECT_FALSE(ParseMinuteOfDay(bad).ok()) << bad;
  }
}

TEST(TrainingScheduleTest, ByHours) {
  TrainingPlan plan;
  plan.every_hours = 6;
  plan.events_min = 100;
  TrainingSchedule schedule = TrainingSchedule::Make(plan, At("2026-03-01T12:00:00Z"), std::nullopt).Take();
  EXPECT_EQ(schedule.Ask(At("2026-03-01T17:59:59Z"), 1000, false), TrainingAdvice::kNotDue);
  EXPECT_EQ(schedule.Ask(At("2026-03-01T18:00:00Z"), 1000, true), TrainingAdvice::kBusy);
  EXPECT_EQ(schedule.Ask(At("2026-03-01T18:05:00Z"), 1000, false), TrainingAdvice::kStart);
  EXPECT_EQ(schedule.next(), At("2026-03-02T00:05:00Z"));
  EXPECT_EQ(schedule.Ask(At("2026-03-02T00:05:00Z"), 1099, false), TrainingAdvice::kTooFewEvents);
  EXPECT_EQ(schedule.Ask(At("2026-03-02T01:00:00Z"), 1100, false), TrainingAdvice::kStart) << "due until enough came";
  schedule.Started(At("2026-03-02T02:00:00Z"), 1100);  // by hand
  EXPECT_EQ(schedule.next(), At("2026-03-02T08:00:00Z"));
  // After a restart the registry's last training counts.
  const TrainingSchedule::Training last{At("2026-03-01T00:00:00Z"), 500};
  schedule = TrainingSchedule::Make(plan, At("2026-03-01T12:00:00Z"), last).Take();
  EXPECT_EQ(schedule.Ask(At("2026-03-01T12:00:00Z"), 599, false), TrainingAdvice::kTooFewEvents);
  EXPECT_EQ(schedule.Ask(At("2026-03-01T12:00:00Z"), 600, false), TrainingAdvice::kStart);
}

TEST(TrainingScheduleTest, AtATimeInTheShopsZoneThroughSummerTime) {
  TrainingSchedule schedule =
      TrainingSchedule::Make(Daily("Europe/Zurich", "03:30"), At("2026-03-27T12:00:00Z"), std::nullopt).Take();
  EXPECT_EQ(schedule.next(), At("2026-03-28T02:30:00Z"));  // winter: UTC + 1
  EXPECT_EQ(schedule.Ask(At("2026-03-28T02:30:00Z"), 50, false), TrainingAdvice::kStart);
  EXPECT_EQ(schedule.next(), At("2026-03-29T01:30:00Z"));  // summer time began at 01:00 UTC
  EXPECT_EQ(schedule.Ask(At("2026-03-29T01:30:00Z"), 55, false), TrainingAdvice::kTooFewEvents);
  EXPECT_EQ(schedule.next(), At("2026-03-30T01:30:00Z")) << "that day is left out";
  EXPECT_EQ(schedule.Ask(At("2026-03-29T02:00:00Z"), 1000, false), TrainingAdvice::kNotDue);
  // A time that the clocks skip, and one that they show twice.
  EXPECT_EQ(TrainingSchedule::Make(Daily("Europe/Zurich", "02:30"), At("2026-03-28T12:00:00Z"), std::nullopt)->next(),
            At("2026-03-29T01:30:00Z"));
  TrainingSchedule autumn =
      TrainingSchedule::Make(Daily("Europe/Zurich", "02:30"), At("2026-10-24T12:00:00Z"), std::nullopt).Take();
  EXPECT_EQ(autumn.next(), At("2026-10-25T00:30:00Z"));
  EXPECT_EQ(autumn.Ask(At("2026-10-25T00:30:00Z"), 50, false), TrainingAdvice::kStart);
  EXPECT_EQ(autumn.next(), At("2026-10-26T01:30:00Z")) << "once a day, not at both 02:30";
  // A day missed while nobody was there is not made up for.
  const TrainingSchedule::Training long_ago{At("2026-01-01T00:00:00Z"), 0};
  EXPECT_EQ(TrainingSchedule::Make(Daily("UTC", "03:30"), At("2026-03-01T12:00:00Z"), long_ago)->next(),
            At("2026-03-02T03:30:00Z"));
  EXPECT_FALSE(TrainingSchedule::Make(Daily("Mars/Base", "03:30"), At("2026-03-01T12:00:00Z"), std::nullopt).ok());
}

TEST(TrainingScheduleTest, TheConfiguration) {
  const auto config =
      ParseConfig(R"({"training":{"at":"03:30","timeZone":"Europe/Zurich","eventsMin":5,"activate":false,
      "threads":2,"keepModels":4,"responses":false}})");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->training.at_minute, 210);
  EXPECT_TRUE(config->training.scheduled());
  EXPECT_EQ(config->training.threads, 2);
  EXPECT_FALSE(config->training.activate);
  EXPECT_FALSE(config->training.responses);
  EXPECT_TRUE(ParseConfig(R"({"training":{"everyHours":24}})")->training.responses);
  EXPECT_EQ(config->engine.models_kept, 4u);
  EXPECT_FALSE(ParseConfig("{}")->training.scheduled());
  EXPECT_EQ(ParseConfig(R"({"training":{"everyHours":24}})")->training.every_hours, 24);
  for (const char* bad : {R"({"training":{"at":"25:00"}})", R"({"training":{"at":"03:30","everyHours":2}})",
                          R"({"training":{"timeZone":"Mars/Base"}})", R"({"training":{"everyHours":0}})",
                          R"({"training":{"every":1}})", R"({"training":{"threads":-1}})"}) {
    const auto parsed = ParseConfig(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_NE(parsed.status().message().find("training."), std::string::npos) << parsed.status().message();
  }
}

class ClockworkTest : public EndpointsTest {
 protected:
  ClockworkTest() {
    TrainingPlan plan;
    plan.every_hours = 1;
    plan.events_min = 2;
    auto made = TrainingClockwork::Make(plan, *engine_, *training_, clock_, log_, metrics_);
    if (!made.ok()) throw std::runtime_error(made.status().ToString());
    clockwork_ = made.Take();
  }
  uint64_t Counted(const std::string& result) {
    return metrics_.counter("rapport_training_scheduled_total", {{"result", result}}).value();
  }
  std::unique_ptr<TrainingClockwork> clockwork_;
};

TEST_F(ClockworkTest, StartsWhenDueAndEnoughCameAndSaysSo) {
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 0u);
  clock_.Advance(kHourMs);
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 0u);
  EXPECT_EQ(Counted("too-few-events"), 1u);
  EXPECT_EQ(Put("/v1/items", R"([{"itemId":"a"},{"itemId":"b"}])").status, 200);
  for (const char* item : {"a", "b"}) {
    EXPECT_EQ(Post("/v1/track", R"({"userId":"u","event":"Product Viewed","properties":{"product_id":")" +
                                    std::string(item) + R"("}})")
                  .status,
              200);
  }
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 1u);
  EXPECT_EQ(Counted("started"), 1u);
  training_->Stop();  // waits for its end; a training that ended, well or badly, is not started again before the hour
  clockwork_->Tick();
  EXPECT_EQ(Counted("started"), 1u);
  EXPECT_NE(metrics_.Render().find("rapport_training_next_seconds"), std::string::npos);
}

// The response model goes after the content model, once per due time, and only where there are contacts.
TEST_F(ClockworkTest, TheResponseModelIsTrainedAfterTheContentModel) {
  const auto wait = [&] {
    while (training_->last().state == JobState::kRunning) std::this_thread::yield();
  };
  const auto view = [&](int n) {
    Post("/v1/track", nlohmann::json{{"userId", "u"},
                                     {"event", "Product Viewed"},
                                     {"messageId", "m" + std::to_string(n)},
                                     {"properties", {{"product_id", "a"}}}}
                          .dump());
  };
  view(1), view(2);
  clock_.Advance(kHourMs);
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 1u);
  wait();
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 1u);  // nobody was ever written to
  Post("/v1/track", R"({"userId":"u","event":"Email Sent","properties":{"contact_id":"c"}})");
  view(3);
  clock_.Advance(kHourMs);
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 2u);
  wait();
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 3u);
  wait();
  clockwork_->Tick();
  EXPECT_EQ(training_->last().number, 3u);
}

}  // namespace
}  // namespace rapport

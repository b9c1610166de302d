// Limits as people say them, and the plan as it is written.
#include "engine/contact/allocator.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

// Two channels, two contents, customers who differ in their level only.
class AllocatorTest : public ::testing::Test {
 protected:
  AllocatorTest() {
    settings_.channels.clear();
    settings_.channels.push_back({.name = "email", .cost = 0.3, .consent_required = false});
    settings_.channels.push_back({.name = "call", .cost = 2, .consent_required = false});
    settings_.limits.caps.clear();
    model_.shape.channels = 2;
    model_.shape.content_kind = {0, 0};
    model_.level = -1;
    model_.channel_hour.assign(2 * kHoursOfWeek, 0);
    model_.kind_hour.assign(kHoursOfWeek, 0);
    model_.content_channel.assign(4, 0);
    model_.kind_channel.assign(2, 0);
    model_.fatigue.assign(4, 0);
    model_.unsubscribe.assign(2, -9);
    frame_ =
        std::make_unique<PlanFrame>(PlanFrame{settings_,
                                              model_,
                                              {1'730'419'200'000},
                                              "marketing",
                                              {{0, 0}, {1, 1}},
                                              {{ItemId{1}, "a", 0, 0, 8, ""}, {ItemId{2}, "b,\"2\"", 1, 0, 12, ""}},
                                              false});
    customers_ = std::make_unique<PlanCustomers>(*frame_, 50);
    const uint32_t zone = customers_->Zone("Europe/Zurich").Take();
    for (uint32_t u = 0; u < 50; ++u) {
      CustomerResponse response;
      response.level = 0.01f * static_cast<float>(u);
      customers_->Set(u, {"c" + std::to_string(u), zone, &customer_, &response, 0, u == 49, {}});
    }
  }

  ContactSettings settings_;
  ResponseModel model_;
  ContactCustomer customer_;
  std::unique_ptr<PlanFrame> frame_;
  std::unique_ptr<PlanCustomers> customers_;
};

TEST_F(AllocatorTest, AmountsAreNeverMoreThanSaid) {
  const std::vector<BatchLimit> limits = {
      {.name = "money", .amount = 3.1, .unit = BatchLimit::Unit::kMoney},
      {.name = "agents", .amount = 13, .unit = BatchLimit::Unit::kMinutes, .minutes = {{"call", 6}}},
      {.name = "hours", .amount = 1.9, .channels = {"email"}, .per_hour = true}};
  const Result<std::vector<SharedLimit>> counted = CountLimits(*frame_, customers_->shape(), limits);
  ASSERT_TRUE(counted.ok()) << counted.status().ToString();
  ASSERT_EQ(counted->size(), 2 + kSlots);
  EXPECT_EQ((*counted)[0].per_send, (std::vector<int64_t>{300'000, 2'000'000}));
  EXPECT_EQ((*counted)[1].per_send, (std::vector<int64_t>{0, 6'000'000}));
  EXPECT_EQ((*counted)[5].most, 1);
  const Result<BatchPlan> batch = PlanBatch(*customers_, limits, {});
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  EXPECT_LE(batch->report[0].used, 3.1);
  EXPECT_LE(batch->report[1].used, 13);
  EXPECT_GE(batch->gap(), 0);
  EXPECT_NE(batch->report[0].ToString().find("money: "), std::string::npos);
  EXPECT_NE(batch->report[2].ToString().find("of 168 hours are scarce"), std::string::npos);
}

TEST_F(AllocatorTest, ThePlanIsWrittenOncePerCustomer) {
  const Result<BatchPlan> batch = PlanBatch(*customers_, {{.name = "sends", .amount = 7}}, {});
  ASSERT_TRUE(batch.ok());
  std::string csv;
  AppendPlanCsv(*customers_, batch->plan, 0, 50, &csv);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 50);
  EXPECT_NE(csv.find(",\"b,\"\"2\"\"\",2024-11-"), std::string::npos);
  EXPECT_NE(csv.find("c49,,,,1,holdout,\n"), std::string::npos);
  size_t sends = 0;
  for (size_t at = csv.find(",best,\n"); at != std::string::npos; at = csv.find(",best,\n", at + 1)) ++sends;
  EXPECT_EQ(sends, 7u);
  EXPECT_EQ(batch->plan.sends, 7u);
}

TEST_F(AllocatorTest, BadLimitsAreSaid) {
  const auto message = [&](BatchLimit limit) {
    return PlanBatch(*customers_, {std::move(limit)}, {}).status().message();
  };
  EXPECT_NE(message({.name = "x", .amount = -1}).find("limit x: its amount"), std::string::npos);
  EXPECT_NE(message({.name = "x", .amount = std::nan("")}).find("limit x: its amount"), std::string::npos);
  EXPECT_NE(message({.name = "x", .channels = {"fax"}}).find("no channel fax"), std::string::npos);
  EXPECT_NE(message({.name = "x", .contents = {"z"}}).find("content z"), std::string::npos);
  EXPECT_NE(message({.name = "x", .contents = {"a"}, .per_hour = true}).find("two limits"), std::string::npos);
  EXPECT_FALSE(PlanBatch(*customers_, {}, {.exploration = 2}).ok());
  EXPECT_FALSE(PlanBatch(*customers_, {}, {.shortlist = 65}).ok());
}

// A server that stops waits for the customer that is looked at, not for the plan. Broken twin: without the question
// (a source that never asks) the plan is made to its end, with all that goes to the sink.
TEST_F(AllocatorTest, APlanThatIsStoppedEndsAtOnce) {
  BatchOptions dice{.temperature = 1, .exploration = 0.1};
  dice.threads = 1;
  size_t asked = 0, drawn = 0;
  const DrawSink sink = [&](const DrawRecord&) { ++drawn; };
  ASSERT_TRUE(PlanBatch(*customers_, {}, dice, sink, [&] { return ++asked == 0; }).ok());
  EXPECT_EQ(drawn, 50u);
  const size_t whole = asked;
  EXPECT_GT(whole, 50u);
  for (const size_t stop_at : {size_t{1}, whole / 2, whole - 1}) {
    asked = drawn = 0;
    const Result<BatchPlan> plan = PlanBatch(*customers_, {}, dice, sink, [&] { return ++asked >= stop_at; });
    EXPECT_EQ(plan.status().code(), StatusCode::kUnavailable);
    EXPECT_LT(drawn, 50u);
  }
}

}  // namespace
}  // namespace rapport

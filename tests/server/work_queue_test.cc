// Who works, who waits, who is refused: by the times that are given, without a thread.
#include "server/work_queue.h"

#include <gtest/gtest.h>

namespace rapport {
namespace {

constexpr int64_t kFar = 1'000'000'000;

WorkQueue::Job JobOf(int64_t expected_us, int64_t deadline_us = kFar) {
  WorkQueue::Job job;
  job.expected_us = expected_us;
  job.deadline_us = deadline_us;
  return job;
}

WorkQueue::Verdict Offer(WorkQueue& queue, WorkQueue::Job job, int64_t now_us = 0) { return queue.Offer(job, now_us); }

TEST(WorkQueueTest, WaitsOnlyWhenItWillBeReachedInTime) {
  WorkQueue queue({2, 100, 10'000});
  EXPECT_EQ(Offer(queue, JobOf(2000)), WorkQueue::Verdict::kRun);
  EXPECT_EQ(Offer(queue, JobOf(2000)), WorkQueue::Verdict::kRun);
  int waiting = 0;
  while (Offer(queue, JobOf(2000)) == WorkQueue::Verdict::kWaits) ++waiting;
  EXPECT_TRUE(queue.IsFull()) << "for who takes as long as those that wait";
  EXPECT_EQ(waiting, 10);  // half of 2 at work and 9 before it, 2 ms each, on 2 places: 10 ms
  EXPECT_EQ(Offer(queue, JobOf(0)), WorkQueue::Verdict::kWaits)
      << "what costs nothing is let in while 10 ms are not over";
}

TEST(WorkQueueTest, HasAnEnd) {
  WorkQueue queue({1, 3, kFar});
  for (int i = 0; i < 4; ++i) EXPECT_NE(Offer(queue, JobOf(1)), WorkQueue::Verdict::kRefused);
  EXPECT_TRUE(queue.IsFull());
  EXPECT_EQ(Offer(queue, JobOf(1)), WorkQueue::Verdict::kRefused);
  std::vector<WorkQueue::Job> expired;
  EXPECT_TRUE(queue.Finish(1, &expired));
  EXPECT_FALSE(queue.IsFull());
}

TEST(WorkQueueTest, PassesThePlaceOnInOrder) {
  WorkQueue queue({1, 10, kFar});
  EXPECT_EQ(Offer(queue, JobOf(1)), WorkQueue::Verdict::kRun);
  EXPECT_EQ(Offer(queue, JobOf(5)), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(Offer(queue, JobOf(6)), WorkQueue::Verdict::kWaits);
  std::vector<WorkQueue::Job> expired;
  EXPECT_EQ(queue.Finish(1, &expired)->expected_us, 5);
  EXPECT_EQ(queue.Finish(2, &expired)->expected_us, 6);
  EXPECT_FALSE(queue.Finish(3, &expired));
  EXPECT_TRUE(expired.empty());
  EXPECT_EQ(Offer(queue, JobOf(1)), WorkQueue::Verdict::kRun) << "the place is free again";
}

// What waited for the disk goes on before what has not begun, in its own order, also where nobody new is let in.
TEST(WorkQueueTest, ResumedJobsGoFirstAndFindRoom) {
  WorkQueue queue({1, 1, kFar});
  const auto resume = [&](int64_t expected_us, int64_t deadline_us = kFar) {
    WorkQueue::Job job = JobOf(expected_us, deadline_us);
    return queue.Resume(job, 0);
  };
  EXPECT_EQ(resume(1), WorkQueue::Verdict::kRun) << "a free place is taken at once";
  EXPECT_EQ(Offer(queue, JobOf(5)), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(Offer(queue, JobOf(5)), WorkQueue::Verdict::kRefused);
  EXPECT_EQ(resume(7), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(resume(8), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(resume(6, 10), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(resume(9, 0), WorkQueue::Verdict::kRefused) << "its deadline is over";
  EXPECT_EQ(queue.waiting(), 4u);
  std::vector<WorkQueue::Job> expired;
  EXPECT_EQ(queue.Finish(1, &expired)->expected_us, 7);
  EXPECT_EQ(queue.Finish(2, &expired)->expected_us, 8);
  EXPECT_EQ(queue.Finish(20, &expired)->expected_us, 5);
  EXPECT_EQ(expired.size(), 1u) << "the one whose deadline passed while it waited";
  EXPECT_FALSE(queue.Finish(21, &expired));
  EXPECT_EQ(resume(2), WorkQueue::Verdict::kRun);
  EXPECT_EQ(resume(3), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(queue.TakeAll().size(), 1u);
}

TEST(WorkQueueTest, ExpiredDeadlinesCostNoWork) {
  WorkQueue queue({1, 10, kFar});
  EXPECT_EQ(Offer(queue, JobOf(1, 100), 100), WorkQueue::Verdict::kRefused) << "over before it began";
  EXPECT_EQ(Offer(queue, JobOf(1000)), WorkQueue::Verdict::kRun);
  EXPECT_EQ(Offer(queue, JobOf(1000, 1400)), WorkQueue::Verdict::kRefused) << "will not be done by then";
  EXPECT_EQ(Offer(queue, JobOf(1000, 2000)), WorkQueue::Verdict::kWaits);
  EXPECT_EQ(Offer(queue, JobOf(7)), WorkQueue::Verdict::kWaits);
  std::vector<WorkQueue::Job> expired;
  const auto next = queue.Finish(2500, &expired);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->expected_us, 7);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].deadline_us, 2000);
}

TEST(WorkQueueTest, LearnsWhatAKindOfWorkTakes) {
  ExpectedTime time;
  EXPECT_EQ(time.us(), 0);
  time.Observe(800);
  EXPECT_EQ(time.us(), 800);
  for (int i = 0; i < 200; ++i) time.Observe(3200);
  EXPECT_NEAR(static_cast<double>(time.us()), 3200, 20);
}

// The broken twin is the plain mean: the first request of a cold server took 200 ms, and everybody after it who had to
// wait was refused.
TEST(WorkQueueTest, AStallIsNotTakenForTheRule) {
  ExpectedTime cold;
  cold.Observe(200'000);
  EXPECT_LE(cold.us(), 1000);
  ExpectedTime time;
  for (int i = 0; i < 100; ++i) time.Observe(500);
  time.Observe(250'000);
  EXPECT_LE(time.us(), 700);
  for (int i = 0; i < 60; ++i) time.Observe(50'000);
  EXPECT_GE(time.us(), 40'000) << "what has really become slow is found out";
}

}  // namespace
}  // namespace rapport

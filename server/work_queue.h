// Who may work now, who waits, and who is refused at once. As many handlers run as there are cores; one thread more
// than that reads and refuses, so that a refusal never waits for work. A request waits only when it will be reached in
// time:
//   expected wait = sum of the expected times of those before it / handlers at once
//
// The expected time of a kind of request is the running mean of what it took (weight 1/16 to the last), where one that
// took unusually long counts as four times the mean and a millisecond: a machine that stalled once, or a first request
// that found everything cold, must not refuse those that follow; work that has really become slow is known after some
// dozen requests.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace rapport {

// Running mean of one kind of work. Thread-safe; two at the same moment may lose one of both, which is nothing.
class ExpectedTime {
 public:
  int64_t us() const { return us_.load(std::memory_order_relaxed); }
  void Observe(int64_t took_us) {
    const int64_t before = us();
    const int64_t counted = std::min(took_us, 4 * before + 1000);
    us_.store(before == 0 ? counted : before + (counted - before) / 16, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> us_{0};
};

struct WorkQueueOptions {
  size_t at_once = 1;
  size_t waiting_max = 512;
  int64_t wait_us_max = 100'000;  // who would wait longer is refused
};

// Knows no clock and runs nothing by itself. Thread-safe.
class WorkQueue {
 public:
  struct Job {
    std::function<void()> run;     // called by who took it, exactly one of the two
    std::function<void()> refuse;  // its deadline passed while it waited: no work was done
    int64_t expected_us = 0;
    int64_t deadline_us = 0;  // by the caller's clock
  };
  enum class Verdict { kRun, kWaits, kRefused };

  explicit WorkQueue(const WorkQueueOptions& options) : options_(options) {}

  // The place, when one is free and the deadline is not past: for who needs no job then, as long as nothing waits.
  bool TryRun(int64_t deadline_us, int64_t now_us);
  // kRun: the place is the caller's, who runs the job and then calls Finish. kWaits: taken over. Otherwise `job` is
  // untouched.
  Verdict Offer(Job& job, int64_t now_us);
  // For a job that was let in before and then waited for the disk: it goes before all that have not begun, and is
  // refused for its deadline only. Otherwise as Offer.
  Verdict Resume(Job& job, int64_t now_us);
  // Gives the place on: the next job, to be run by the caller who then calls Finish again; nothing: the place is free.
  // Jobs whose deadline passed are appended to `expired`.
  std::optional<Job> Finish(int64_t now_us, std::vector<Job>* expired);
  // All that wait, not run and not refused: the server ends.
  std::deque<Job> TakeAll();
  size_t waiting() const;
  // What is offered now would be refused, if it takes what those that wait take on average. A glance without the mutex:
  // right a moment ago.
  bool IsFull() const { return is_full_.load(std::memory_order_relaxed); }

 private:
  void LookWhetherFull();
  std::optional<Job> TakeFirst();

  const WorkQueueOptions options_;
  std::atomic<bool> is_full_{false};
  mutable std::mutex mutex_;  // guards what follows
  size_t running_ = 0;
  int64_t expected_us_ = 0;  // of all that wait
  std::deque<Job> waiting_;
  std::deque<Job> resumed_;  // those that wait to go on: as many at most as requests are in flight
};

}  // namespace rapport

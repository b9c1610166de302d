// Data retention by itself: once after the start and then once a day, on a thread of its own. What it did is in the log
// and in /metrics: rapport_retention_removed_total{kind="events" | "decisions"}.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "data/prune.h"
#include "server/log.h"
#include "server/metrics.h"

namespace rapport {

// Thread-safe. Everything given must outlive it. REQUIRES plan.any().
class RetentionClockwork {
 public:
  RetentionClockwork(const RetentionPlan& plan, Store& store, const Clock& clock, Log& log, Metrics& metrics);
  ~RetentionClockwork() { Stop(); }

  // One look at the clock: prunes when a day has passed since the last time. The thread calls it; a test does, too.
  void Tick();
  void Start();
  void Stop();  // in the middle of a run, too

 private:
  void Run();

  const RetentionPlan plan_;
  Store& store_;
  const Clock& clock_;
  Log& log_;
  Counter& events_;
  Counter& decisions_;
  Timestamp next_;  // of the thread, or the test
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace rapport

// Starts trainings by their schedule: a thread that looks at the clock now and then, asks TrainingSchedule, and says
// what came of it in the log and in /metrics. The response model is trained after the content model, whatever became of
// that, where the store has contacts at all:
//   rapport_training_scheduled_total{result="started" | "too-few-events" | "busy"}
//   rapport_training_next_seconds      when the next one is due, seconds since 1970
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/engine.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/training_jobs.h"
#include "server/training_schedule.h"

namespace rapport {

// Thread-safe. Everything given must outlive it.
class TrainingClockwork {
 public:
  // kInvalidArgument for a zone that is not known. REQUIRES plan.scheduled().
  static Result<std::unique_ptr<TrainingClockwork>> Make(const TrainingPlan& plan, Engine& engine, TrainingJobs& jobs,
                                                         const Clock& clock, Log& log, Metrics& metrics);
  ~TrainingClockwork();  // Stop

  // One look at the clock. The thread calls it; a test does, too.
  void Tick();
  void Start();
  void Stop();

 private:
  TrainingClockwork(const TrainingPlan& plan, TrainingSchedule schedule, Engine& engine, TrainingJobs& jobs,
                    const Clock& clock, Log& log, Metrics& metrics);
  void Run();
  bool HasContacts() const;
  void StartResponses();

  const TrainingPlan plan_;
  Engine& engine_;
  TrainingJobs& jobs_;
  const Clock& clock_;
  Log& log_;
  Counter& started_;
  Counter& too_few_;
  Counter& busy_;
  Gauge& next_seconds_;
  std::mutex mutex_;  // guards what follows
  TrainingSchedule schedule_;
  uint64_t job_seen_ = 0;
  bool responses_due_ = false;  // the content model's training was started, the response model's not yet
  bool stopping_ = false;
  std::condition_variable stop_;
  std::thread thread_;  // of Start and Stop
};

}  // namespace rapport

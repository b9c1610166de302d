// Training inside the server: one job at a time, on a thread of its own with low priority, with what it is doing for
// GET /v1/models.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/time.h"
#include "engine/engine.h"
#include "server/log.h"

namespace rapport {

enum class JobState : uint8_t { kNone, kRunning, kDone, kFailed };

struct TrainingJob {
  uint64_t number = 0;  // from 1 since start
  JobState state = JobState::kNone;
  std::string stage;
  double share_done = 0;
  Timestamp started_at, ended_at;
  Status status;            // of a failed one
  std::string report_json;  // of a done one
};

// Thread-safe. `engine`, `clock` and `log` must outlive it.
class TrainingJobs {
 public:
  // `threads` of a training; 0: one core is left to page views.
  TrainingJobs(Engine& engine, const Clock& clock, Log& log, int threads = 0)
      : engine_(engine), clock_(clock), log_(log), threads_(threads) {}
  ~TrainingJobs();  // cancels and waits

  // The job's number; kUnavailable while one runs or after Stop.
  Result<uint64_t> Start(const TrainOptions& options);
  Result<uint64_t> StartResponses(const ResponseTrainOptions& options);
  TrainingJob last() const;
  // Asks the running job to end at its next step, and waits for it.
  void Stop();

 private:
  Result<uint64_t> Begin(std::function<void()> run);
  void RunJob(TrainOptions options);
  void RunResponses(ResponseTrainOptions options);
  void End(const Status& status, std::string report_json);
  int Threads() const;

  Engine& engine_;
  const Clock& clock_;
  Log& log_;
  const int threads_;
  std::atomic<bool> cancelled_{false};
  mutable std::mutex mutex_;  // guards what follows
  TrainingJob job_;
  std::thread thread_;
};

}  // namespace rapport

// Batches of decisions inside the server: one at a time, on a thread of its own.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/engine.h"
#include "server/log.h"

namespace rapport {

// Thread-safe. `engine` and `log` must outlive it.
class BatchJobs {
 public:
  BatchJobs(Engine& engine, Log& log) : engine_(engine), log_(log) {}
  ~BatchJobs();  // asks the running one to end at its next step, and waits

  // kFailedPrecondition while one runs. kAlreadyExists: the name stands for another request. A batch that is done stays
  // as it is. `settings`: instead of those in force; may be null.
  Status Start(std::string name, BatchRequest request, std::shared_ptr<const ContactSettings> settings);
  // nullopt: no batch of that name has begun since the server started, nor is one in the store.
  struct Seen {
    BatchRecord record;
    bool runs_here = false;
  };
  Result<std::optional<Seen>> Find(const std::string& name) const;

 private:
  void Run(const BatchRequest& request, BatchKeeping keeping);

  Engine& engine_;
  Log& log_;
  std::atomic<bool> cancelled_{false};
  mutable std::mutex mutex_;  // guards what follows
  bool running_ = false;
  BatchRecord last_;  // of the newest job since the start
  std::thread thread_;
};

}  // namespace rapport

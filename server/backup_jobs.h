// Backups that a running server makes of its own store, into the one folder that its configuration allows: one at a
// time, on a thread of its own, since copying takes as long as the disks need.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "data/store.h"
#include "server/backup.h"
#include "server/log.h"

namespace rapport {

// Thread-safe. Everything given must outlive it.
class BackupJobs {
 public:
  // `defaults.folder` empty: every Start is refused.
  BackupJobs(const Store& store, BackupOptions defaults, const Clock& clock, Log& log)
      : store_(store), defaults_(std::move(defaults)), clock_(clock), log_(log) {}
  ~BackupJobs() { Stop(); }

  using Done = std::function<void(const Result<BackupReport>&)>;
  // What a request may say otherwise than the configuration.
  struct Wishes {
    std::optional<size_t> keep;
    bool full = false;
  };
  // `done` is called once: on the job's thread, or on this one with kFailedPrecondition (no folder is configured) or
  // kUnavailable (one runs, or the server stops).
  void Start(const Wishes& wishes, Done done);
  // Gives up the one that runs, between two files, and waits for it.
  void Stop();

 private:
  Result<BackupReport> Run(const BackupOptions& options);

  const Store& store_;
  const BackupOptions defaults_;
  const Clock& clock_;
  Log& log_;
  std::atomic<bool> stopping_{false}, running_{false};
  std::mutex mutex_;  // guards thread_
  std::thread thread_;
};

}  // namespace rapport

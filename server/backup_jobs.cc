#include "server/backup_jobs.h"

#include <filesystem>

namespace rapport {

void BackupJobs::Start(const Wishes& wishes, Done done) {
  Status refused;
  {
    std::lock_guard lock(mutex_);
    if (defaults_.folder.empty()) {
      refused = Status::FailedPrecondition(
          "no folder for backups is configured: set server.backupFolder, or run 'rapport backup' on the machine");
    } else if (stopping_ || running_.exchange(true)) {
      refused =
          Status::Unavailable(stopping_ ? "the server is stopping" : "a backup is running; ask again when it is done");
    } else {
      BackupOptions options = defaults_;
      options.keep = wishes.keep.value_or(defaults_.keep);
      options.full = wishes.full;
      options.cancelled = &stopping_;
      if (thread_.joinable()) thread_.join();  // of the one before, which has ended
      thread_ = std::thread([this, options, done] {
        const Result<BackupReport> report = Run(options);
        running_ = false;
        done(report);
      });
    }
  }
  if (!refused.ok()) done(refused);
}

Result<BackupReport> BackupJobs::Run(const BackupOptions& options) {
  const Timestamp now = clock_.Now();
  const std::string parent = (std::filesystem::absolute(store_.folder()) / "checkpoints").string();
  const std::string checkpoint = parent + "/backup";
  std::error_code ignored;  // what stays goes when the server stops or starts
  std::filesystem::create_directories(parent, ignored);
  const Status written = store_.WriteCheckpoint(checkpoint);
  Result<BackupReport> report = written.ok() ? WriteBackup(checkpoint, options, now) : Result<BackupReport>(written);
  std::filesystem::remove_all(checkpoint, ignored);
  if (report.ok()) {
    log_.Info("backup.done", {{"folder", report->folder},
                              {"files", report->files},
                              {"bytes", report->bytes},
                              {"bytesShared", report->bytes_shared},
                              {"removed", static_cast<uint64_t>(report->removed.size())},
                              {"milliseconds", clock_.Now().ms - now.ms}});
  } else {
    log_.Error("backup.failed", {{"why", report.status().message()}});
  }
  return report;
}

void BackupJobs::Stop() {
  stopping_ = true;
  std::thread ended;
  {
    std::lock_guard lock(mutex_);
    ended = std::move(thread_);
  }
  if (ended.joinable()) ended.join();
}

}  // namespace rapport

#include "server/checkpoints.h"

#include <filesystem>

#include "base/text.h"

namespace rapport {

namespace fs = std::filesystem;

// Absolute, because the command that gets the path may have another working folder.
Checkpoints::Checkpoints(const Store& store)
    : store_(store), parent_((fs::absolute(store.folder()) / "checkpoints").string()) {
  RemoveAll();
}

Checkpoints::~Checkpoints() { RemoveAll(); }

void Checkpoints::RemoveAll() {
  std::error_code ignored;  // nothing there, most of the time; what stays is removed at the next start
  fs::remove_all(parent_, ignored);
}

Result<std::string> Checkpoints::Lend() {
  std::string folder;
  {
    std::lock_guard lock(mutex_);
    if (lent_.size() >= kLentMax) {
      return Status::ResourceExhausted("all " + std::to_string(kLentMax) +
                                       " checkpoints are lent: wait for commands that read the store to end, or give "
                                       "forgotten ones back with DELETE /v1/admin/checkpoint?folder=...");
    }
    folder = parent_ + "/" + std::to_string(next_++);
    lent_.insert(folder);
  }
  const Status written = store_.WriteCheckpoint(folder);
  if (written.ok()) return folder;
  std::error_code ignored;  // half a checkpoint; the first error is the one to tell
  fs::remove_all(folder, ignored);
  std::lock_guard lock(mutex_);
  lent_.erase(folder);
  return written;
}

Status Checkpoints::GiveBack(const std::string& folder) {
  {
    std::lock_guard lock(mutex_);
    if (lent_.erase(folder) == 0) return Status::NotFound("no checkpoint is lent at " + QuoteForMessage(folder, 256));
  }
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) return Status::Internal("cannot remove the checkpoint: " + error.message());
  return Status::Ok();
}

}  // namespace rapport

// Backups: a folder TARGET that holds one folder per backup, each a whole data folder with the checksums of its files.
//
//   TARGET/lock                     held by the one process that writes here
//   TARGET/20260401T093000.123Z/    UTC; RAPPORT, secret, db/, models/, and
//     SHA256SUMS                    "<64 hex>  <path>\n" per file, sorted by path: `sha256sum -c SHA256SUMS` reads it
//   TARGET/20260401T....partial/    one that was not finished: removed by the next
//
// A backup begins with a checkpoint (RocksDB's hard links), is copied under the name .partial, fsynced, opened once and
// all its blocks checked, and only then renamed: what has its name is whole. A table or a model that the newest backup
// has with the same checksum, read anew, is linked to it instead of copied: the same bytes are kept once.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/time.h"

namespace rapport {

struct BackupOptions {
  std::string folder;                            // TARGET, made when it is not there
  size_t keep = 0;                               // newest backups that stay, this one included; 0: all
  bool full = false;                             // copy everything, link nothing
  const std::atomic<bool>* cancelled = nullptr;  // looked at between two files
};

struct BackupReport {
  std::string folder;  // of the new backup
  uint64_t files = 0, bytes = 0;
  uint64_t bytes_shared = 0;         // of them in files that the backup before has, too
  std::vector<std::string> removed;  // names of older backups that `keep` left no room for
};

// Copies a checkpoint (any closed or read-only data folder). `now` names the backup. kUnavailable while another process
// writes to the same TARGET, kResourceExhausted when its disk is full: then nothing is left of the new one and the
// older ones are whole. kDataLoss when the source is damaged.
Result<BackupReport> WriteBackup(const std::string& checkpoint, const BackupOptions& options, Timestamp now);

// Whether the folder is a backup: it has a file of checksums.
bool IsBackup(const std::string& folder);
// Names of the finished backups in TARGET, oldest first.
std::vector<std::string> ListBackups(const std::string& target);

struct VerifiedBackup {
  std::map<std::string, FileSummary> files;  // by path inside the backup
  uint64_t bytes = 0;
};
// Reads every file: kDataLoss names the first one whose bytes changed, that is missing, or that nobody wrote down.
Result<VerifiedBackup> VerifyBackup(const std::string& folder);

// Verifies, then copies into a new or empty folder; the marker comes last, so that half a restored folder is no store.
// Run by root, the files belong to the folder's owner. kFailedPrecondition when `data` holds anything.
Result<VerifiedBackup> RestoreBackup(const std::string& backup, const std::string& data);

}  // namespace rapport

// Whole files, written so that a crash leaves the old one or the new one, never half of either.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/status.h"

namespace rapport {

// Everything in the file. kNotFound, kResourceExhausted when larger than max_bytes.
Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes);

enum class FileMode { kPublic /* 0644 */, kSecret /* 0600 */ };
// Temporary name in the same folder, write, fsync, rename, fsync of the folder.
Status WriteFileAtomically(const std::string& path, std::string_view bytes, FileMode mode);

// What a file holds, in short.
struct FileSummary {
  Digest256 sha256{};
  uint64_t bytes = 0;
};
// Reads the whole file in pieces. kNotFound when there is none.
Result<FileSummary> DigestFile(const std::string& path);
// A new file with the same bytes and mode, fsynced (its folder is not: see SyncFolder); the digest of what was written.
// `to` must not exist.
Result<FileSummary> CopyFileDurably(const std::string& from, const std::string& to);
// Makes names that were added to a folder, or removed from it, survive a power cut.
Status SyncFolder(const std::string& folder);

// An advisory lock on a file that lives as long as the object. One owner.
class FileLock {
 public:
  // kUnavailable when another process holds it; the message repeats what that process wrote into the file.
  static Result<FileLock> Acquire(const std::string& path, std::string_view note);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();
  // Replaces the text that a refused process is shown.
  Status SetNote(std::string_view note);

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace rapport

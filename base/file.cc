#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace rapport {
namespace {

Status ErrnoStatus(const std::string& what, int error) {
  const std::string message = what + ": " + std::strerror(error);
  if (error == ENOENT) return Status::NotFound(message);
  if (error == ENOSPC || error == EDQUOT) return Status::ResourceExhausted(message + "; free some space and try again");
  if (error == EACCES || error == EPERM || error == EROFS) {
    return {StatusCode::kPermissionDenied, message + "; check the owner and mode"};
  }
  return Status::Unavailable(message);
}

// Closes on every path.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("cannot write " + path, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Status::Ok();
}

Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return SyncFolder(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

constexpr size_t kPieceBytes = 1u << 20;

// Calls use(piece) for all of the file.
template <typename Use>
Status ForEachPiece(int fd, const std::string& path, const Use& use) {
  std::string buffer(kPieceBytes, '\0');
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("cannot read " + path, errno);
    if (n == 0) return Status::Ok();
    RAPPORT_RETURN_IF_ERROR(use(std::string_view(buffer.data(), static_cast<size_t>(n))));
  }
}

}  // namespace

Status SyncFolder(const std::string& folder) {
  Descriptor folder_fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder_fd.fd < 0) return ErrnoStatus("cannot open folder " + folder, errno);
  if (::fsync(folder_fd.fd) != 0) return ErrnoStatus("cannot sync folder " + folder, errno);
  return Status::Ok();
}

Result<FileSummary> DigestFile(const std::string& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return ErrnoStatus("cannot open " + path, errno);
  Sha256Stream hash;
  FileSummary out;
  RAPPORT_RETURN_IF_ERROR(ForEachPiece(file.fd, path, [&](std::string_view piece) {
    hash.Update(piece);
    out.bytes += piece.size();
    return Status::Ok();
  }));
  out.sha256 = hash.Finish();
  return out;
}

Result<FileSummary> CopyFileDurably(const std::string& from, const std::string& to) {
  Descriptor source{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
  if (source.fd < 0) return ErrnoStatus("cannot open " + from, errno);
  struct stat about {};
  if (::fstat(source.fd, &about) != 0) return ErrnoStatus("cannot look at " + from, errno);
  Descriptor target{::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (target.fd < 0) return ErrnoStatus("cannot create " + to, errno);
  Sha256Stream hash;
  FileSummary out;
  RAPPORT_RETURN_IF_ERROR(ForEachPiece(source.fd, from, [&](std::string_view piece) {
    hash.Update(piece);
    out.bytes += piece.size();
    return WriteAll(target.fd, piece, to);
  }));
  if (::fchmod(target.fd, about.st_mode & 0777) != 0) return ErrnoStatus("cannot set the mode of " + to, errno);
  if (::fsync(target.fd) != 0) return ErrnoStatus("cannot sync " + to, errno);
  out.sha256 = hash.Finish();
  return out;
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return ErrnoStatus("cannot open " + path, errno);
  std::string bytes;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("cannot read " + path, errno);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
    if (bytes.size() > max_bytes) {
      return Status::ResourceExhausted(path + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes, FileMode mode) {
  const std::string temporary = path + ".new";
  {
    const mode_t bits = mode == FileMode::kSecret ? 0600 : 0644;
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, bits)};
    if (file.fd < 0) return ErrnoStatus("cannot create " + temporary, errno);
    if (::fchmod(file.fd, bits) != 0) return ErrnoStatus("cannot set the mode of " + temporary, errno);
    RAPPORT_RETURN_IF_ERROR(WriteAll(file.fd, bytes, temporary));
    if (::fsync(file.fd) != 0) return ErrnoStatus("cannot sync " + temporary, errno);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus("cannot rename " + temporary, errno);
  return SyncFolderOf(path);
}

Result<FileLock> FileLock::Acquire(const std::string& path, std::string_view note) {
  Descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (file.fd < 0) return ErrnoStatus("cannot open " + path, errno);
  if (::flock(file.fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus("cannot lock " + path, errno);
    char holder[256];
    const ssize_t n = ::pread(file.fd, holder, sizeof holder, 0);
    return Status::Unavailable("held by " + QuoteForMessage({holder, static_cast<size_t>(n > 0 ? n : 0)}, 200));
  }
  FileLock lock(std::exchange(file.fd, -1));
  RAPPORT_RETURN_IF_ERROR(lock.SetNote(note));
  return lock;
}

Status FileLock::SetNote(std::string_view note) {
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) < 0) {
    return ErrnoStatus("cannot write the lock file", errno);
  }
  return WriteAll(descriptor_, note, "the lock file");
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace rapport

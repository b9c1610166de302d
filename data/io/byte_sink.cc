#include "data/io/byte_sink.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace rapport {
namespace {

constexpr size_t kBufferBytes = 1 << 16;

// Adds the filter that the ending asks for, if any.
int AddFilterFor(archive* archive, const std::string& path) {
  if (path.ends_with(".xz")) return archive_write_add_filter_xz(archive);
  if (path.ends_with(".gz")) return archive_write_add_filter_gzip(archive);
  if (path.ends_with(".zst")) return archive_write_add_filter_zstd(archive);
  if (path.ends_with(".bz2")) return archive_write_add_filter_bzip2(archive);
  return archive_write_add_filter_none(archive);
}

class ArchiveSink final : public ByteSink {
 public:
  // An empty `temporary` means that `descriptor` is standard output.
  ArchiveSink(std::string path, std::string temporary, int descriptor)
      : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

  ~ArchiveSink() override {
    // Closes it as well: the packers of libarchive give their memory back only when they are closed. The trailer goes
    // to a file that is thrown away; standard output is never packed and has none.
    if (archive_ != nullptr) archive_write_free(archive_);
    if (temporary_.empty()) return;
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!committed_) ::unlink(temporary_.c_str());
  }

  Status Start() {
    archive_ = archive_write_new();
    archive_entry* entry = archive_entry_new();
    if (archive_ == nullptr || entry == nullptr) return Status::ResourceExhausted("no memory to write " + path_);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_pathname(entry, "data");
    archive_write_set_format_raw(archive_);
    archive_write_set_bytes_in_last_block(archive_, 1);  // no padding at the end
    bool started = AddFilterFor(archive_, path_) == ARCHIVE_OK;
    started = started && archive_write_open_fd(archive_, descriptor_) == ARCHIVE_OK;
    started = started && archive_write_header(archive_, entry) == ARCHIVE_OK;
    archive_entry_free(entry);
    return started ? Status::Ok() : Broken();
  }

  Status Append(std::string_view bytes) override {
    buffer_.append(bytes);
    return buffer_.size() >= kBufferBytes ? Flush() : Status::Ok();
  }

  Status Commit() override {
    RAPPORT_RETURN_IF_ERROR(Flush());
    if (archive_write_close(archive_) != ARCHIVE_OK) return Broken();
    if (!temporary_.empty()) {
      if (::fsync(descriptor_) != 0) return SystemError("cannot be made durable");
      if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return SystemError("cannot get its name");
      SyncFolder();
    }
    committed_ = true;
    return Status::Ok();
  }

 private:
  Status Flush() {
    size_t done = 0;
    while (done < buffer_.size()) {
      const la_ssize_t count = archive_write_data(archive_, buffer_.data() + done, buffer_.size() - done);
      if (count <= 0) return Broken();
      done += static_cast<size_t>(count);
    }
    buffer_.clear();
    return Status::Ok();
  }

  // The file itself is durable and whole either way; a folder that cannot be synced only delays its name.
  void SyncFolder() const {
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
  }

  Status Broken() const {
    // What libarchive says of a failed write is "Write error": the system's word says which.
    const char* why = archive_error_string(archive_);
    const int code = archive_errno(archive_);
    const std::string reason = code > 0 ? std::strerror(code) : why != nullptr ? why : "no reason given";
    return Status(code == ENOSPC ? StatusCode::kResourceExhausted : StatusCode::kUnavailable,
                  path_ + " cannot be written: " + reason);
  }
  Status SystemError(const char* what) const {
    return Status::Unavailable(path_ + " " + what + ": " + std::strerror(errno));
  }

  const std::string path_;
  const std::string temporary_;
  const int descriptor_;
  archive* archive_ = nullptr;
  std::string buffer_;
  bool committed_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> OpenByteSink(const std::string& path) {
  const bool standard_output = path == "-";
  const std::string temporary = standard_output ? "" : path + ".tmp-" + std::to_string(::getpid());
  const int descriptor =
      standard_output ? STDOUT_FILENO : ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return Status::InvalidArgument(path + " cannot be made: " + std::strerror(errno));
  auto sink = std::make_unique<ArchiveSink>(standard_output ? "stdout" : path, temporary, descriptor);
  RAPPORT_RETURN_IF_ERROR(sink->Start());
  return std::unique_ptr<ByteSink>(std::move(sink));
}

}  // namespace rapport

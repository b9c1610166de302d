#include "data/io/byte_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/text.h"

namespace rapport {
namespace {

constexpr size_t kBlockBytes = 1 << 16;

struct Packing {
  std::string_view ending;
  int filter;
};
constexpr Packing kPackings[] = {{".xz", ARCHIVE_FILTER_XZ},
                                 {".gz", ARCHIVE_FILTER_GZIP},
                                 {".zst", ARCHIVE_FILTER_ZSTD},
                                 {".bz2", ARCHIVE_FILTER_BZIP2}};

class ArchiveSource final : public ByteSource {
 public:
  ArchiveSource(std::string name, int descriptor, bool owns_descriptor)
      : name_(std::move(name)), descriptor_(descriptor), owns_descriptor_(owns_descriptor) {}
  ~ArchiveSource() override {
    if (archive_ != nullptr) archive_read_free(archive_);
    if (owns_descriptor_) ::close(descriptor_);
  }

  Status Start() {
    struct stat info {};
    if (::fstat(descriptor_, &info) == 0) {
      if (S_ISDIR(info.st_mode)) return Status::InvalidArgument(name_ + " is a folder; name the files in it");
      if (S_ISREG(info.st_mode)) bytes_total_ = static_cast<uint64_t>(info.st_size);
    }
    archive_ = archive_read_new();
    if (archive_ == nullptr) return Status::ResourceExhausted("no memory to read " + name_);
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_zstd(archive_);
    archive_read_support_filter_bzip2(archive_);
    archive_read_support_format_raw(archive_);
    archive_read_support_format_empty(archive_);
    if (archive_read_open_fd(archive_, descriptor_, kBlockBytes) != ARCHIVE_OK) return Broken();
    archive_entry* entry = nullptr;
    const int header = archive_read_next_header(archive_, &entry);
    if (header == ARCHIVE_EOF) {
      at_end_ = true;  // no bytes at all
    } else if (header != ARCHIVE_OK) {
      return Broken();
    }
    return CheckPromise();
  }

  Result<std::string_view> Read() override {
    if (at_end_) return std::string_view();
    const la_ssize_t count = archive_read_data(archive_, block_.data(), block_.size());
    if (count < 0) return Broken();
    if (count == 0) at_end_ = true;
    bytes_out_ += static_cast<uint64_t>(count);
    return std::string_view(block_.data(), static_cast<size_t>(count));
  }

  const std::string& name() const override { return name_; }
  uint64_t bytes_done() const override {
    return static_cast<uint64_t>(std::max<la_int64_t>(0, archive_filter_bytes(archive_, -1)));
  }
  std::optional<uint64_t> bytes_total() const override { return bytes_total_; }

 private:
  // A file called .xz whose bytes are not xz is damaged at its start; read as plain text it would only give odd
  // rejects.
  Status CheckPromise() const {
    for (const Packing& packing : kPackings) {
      if (!name_.ends_with(packing.ending)) continue;
      if (!at_end_ && archive_filter_code(archive_, 0) == packing.filter) return Status::Ok();
      return Status::DataLoss(name_ + " is named " + std::string(packing.ending) + " but does not hold such data: " +
                              "it is damaged, cut, or wrongly named; fetch it again or rename it");
    }
    return Status::Ok();
  }

  Status Broken() const {
    const char* why = archive_error_string(archive_);
    return Status::DataLoss(name_ + " is truncated or damaged after " + std::to_string(bytes_out_) +
                            " bytes of content (" + (why != nullptr ? why : "no reason given") +
                            "); fetch the whole file and run again");
  }

  const std::string name_;
  const int descriptor_;
  const bool owns_descriptor_;
  archive* archive_ = nullptr;
  std::optional<uint64_t> bytes_total_;
  uint64_t bytes_out_ = 0;
  bool at_end_ = false;
  std::vector<char> block_ = std::vector<char>(kBlockBytes);
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path) {
  const bool standard_input = path == "-";
  const int descriptor = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const std::string why = path + ": " + std::strerror(errno);
    return errno == ENOENT ? Status::NotFound(why) : Status::InvalidArgument(why);
  }
  auto source = std::make_unique<ArchiveSource>(standard_input ? "stdin" : path, descriptor, !standard_input);
  RAPPORT_RETURN_IF_ERROR(source->Start());
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace rapport

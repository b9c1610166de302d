// Bytes in: files and standard input, decompressed on the way. Wall: libarchive is included only in data/io/.
//
//   file.csv, file.csv.xz|.gz|.zst|.bz2, "-" -> blocks of at most 64 KiB, never the whole file in memory
//
// What a file is packed with is found from its first bytes, not from its name; but a name that promises a packing
// which the bytes do not have is an error, because the file is then damaged or mislabelled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

// One owner, one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next block, empty at the end. The view lives until the next call. An error names the file: kDataLoss when it is
  // truncated or damaged.
  virtual Result<std::string_view> Read() = 0;
  // As the user wrote it, for messages; "stdin" for "-".
  virtual const std::string& name() const = 0;
  // Bytes of the file as stored (packed) that were consumed so far, and in all when that is known.
  virtual uint64_t bytes_done() const = 0;
  virtual std::optional<uint64_t> bytes_total() const = 0;
};

// kNotFound, kInvalidArgument (a folder), kDataLoss (the name ends in .xz but it is not xz data).
Result<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path);

// Text that is already in memory, handed out in blocks of `block_bytes`: for tests and small inputs.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string text, size_t block_bytes = 1 << 16, std::string name = "memory")
      : text_(std::move(text)), block_bytes_(block_bytes), name_(std::move(name)) {}
  Result<std::string_view> Read() override {
    const std::string_view block = std::string_view(text_).substr(position_, block_bytes_);
    position_ += block.size();
    return block;
  }
  const std::string& name() const override { return name_; }
  uint64_t bytes_done() const override { return position_; }
  std::optional<uint64_t> bytes_total() const override { return text_.size(); }

 private:
  const std::string text_;
  const size_t block_bytes_;
  const std::string name_;
  size_t position_ = 0;
};

}  // namespace rapport

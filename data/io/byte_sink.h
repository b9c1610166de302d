// Bytes out: files, packed by their name's ending (.xz .gz .zst .bz2), and standard output ("-").
// A file is written under a temporary name beside its own and renamed by Commit, so that a reader
// never sees half of one. Wall: libarchive is included only in data/io/.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

// One owner, one thread.
class ByteSink {
 public:
  virtual ~ByteSink() = default;  // without Commit: what was written is thrown away
  virtual Status Append(std::string_view bytes) = 0;
  // Finishes packing, fsyncs, renames. Call once, last.
  virtual Status Commit() = 0;
};

// kInvalidArgument when the file cannot be made there. Buffers 64 KiB.
Result<std::unique_ptr<ByteSink>> OpenByteSink(const std::string& path);

// For tests.
class MemorySink final : public ByteSink {
 public:
  Status Append(std::string_view bytes) override {
    text.append(bytes);
    return Status::Ok();
  }
  Status Commit() override {
    committed = true;
    return Status::Ok();
  }
  std::string text;
  bool committed = false;
};

}  // namespace rapport

#include "data/log_check.h"

#include <boost/crc.hpp>
#include <filesystem>

#include "base/file.h"

namespace rapport {
namespace {

constexpr size_t kBlockBytes = 32768, kHeaderBytes = 7;
constexpr uint64_t kLogBytesMax = uint64_t{4} << 30;
constexpr uint32_t kMaskDelta = 0xa282ead8u;

uint32_t ReadLittleEndian(std::string_view bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

// Of type and payload, as RocksDB writes it: rotated and shifted, so that a checksum of checksums is none of its own.
uint32_t MaskedCrc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const uint32_t plain = crc.checksum();
  return ((plain >> 15) | (plain << 17)) + kMaskDelta;
}

// Whether the record at the start of `rest` (cut at its block's and the file's end) has the right checksum with
// `length`.
bool FitsWith(std::string_view rest, size_t length) {
  if (kHeaderBytes + length > rest.size()) return false;
  return MaskedCrc32c(rest.substr(kHeaderBytes - 1, 1 + length)) == ReadLittleEndian(rest, 4);
}

bool IsZero(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

Status Damaged(const std::string& name, size_t at) {
  return Status::DataLoss(name + ": the record at byte " + std::to_string(at) +
                          " is not what was written; restore the last backup (docs/OPERATIONS.md, 'Corrupt file')");
}

}  // namespace

Status CheckLogBytes(std::string_view bytes, const std::string& name) {
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t block_left = kBlockBytes - at % kBlockBytes;
    const std::string_view rest = bytes.substr(at, block_left);
    if (block_left < kHeaderBytes) {
      at += block_left;
      continue;
    }
    if (rest.size() < kHeaderBytes) return Status::Ok();  // torn inside a header
    const size_t length = ReadLittleEndian(rest.substr(4), 2);
    const uint8_t type = static_cast<uint8_t>(rest[6]);
    // Kinds above 4 belong to logs that are written over again, which this store has none of; RocksDB takes one for the
    // rest of an older log and stops there.
    if (type > 4) return Damaged(name, at);
    // Room that was set aside and never written. RocksDB skips the block from here.
    if (length == 0 && type == 0) return IsZero(bytes.substr(at)) ? Status::Ok() : Damaged(name, at);
    if (kHeaderBytes + length <= rest.size()) {
      at += kHeaderBytes + length;  // whole: RocksDB checks it
      continue;
    }
    // More than is there. No writer crosses a block; torn is only what ends with the file.
    if (kHeaderBytes + length > block_left) return Damaged(name, at);
    for (size_t bit = 0; bit < 16; ++bit) {
      if (FitsWith(rest, length ^ (size_t{1} << bit))) return Damaged(name, at);
    }
    return Status::Ok();
  }
  return Status::Ok();
}

Status CheckLogs(const std::string& database_folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(database_folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".log") && !name.starts_with("MANIFEST-")) continue;
    const Result<std::string> bytes = ReadFile(entry.path().string(), kLogBytesMax);
    if (!bytes.ok()) return bytes.status();
    RAPPORT_RETURN_IF_ERROR(CheckLogBytes(*bytes, entry.path().string()));
  }
  return Status::Ok();  // no folder yet: a new store
}

}  // namespace rapport

// What a large group writes, kept in memory and handed to RocksDB as sorted files instead of through its log and its
// memory tables. Private to the store.
//
//   entries of a family -> sorted by key, the newest of equal keys -> files of about kFileBytes -> taken in
//
// All files of all families are taken in by one IngestExternalFiles, which RocksDB makes atomic through its manifest,
// also across a crash: all entries are there, or none. Each file is on the disk before it is named. Files stand in
// DATA/bulk until then; what a crash leaves there is removed at the next open.
//
// A group that stays small goes through the log like any other (docs/DATA.md, "Bulk writes").
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/bulk_writer.h"
#include "data/store_impl.h"

namespace rapport {

// One owner, one thread; Write uses helpers.
class SortedRuns {
 public:
  void Put(Family family, std::string_view key, std::string_view value) { Add(family, key, value, Kind::kPut); }
  void Delete(Family family, std::string_view key) { Add(family, key, {}, Kind::kDelete); }
  // One operand per customer goes out, whatever was added: the sets' union is what the merge would make of them.
  void AddToSet(CustomerId customer, const ItemSet& added);

  size_t memory_bytes() const { return memory_bytes_; }
  bool empty() const { return memory_bytes_ == 0; }
  // Once; durable when it is ok. Not ok: none of it is known to be there, and none of it half.
  rocksdb::Status Write(Store::Impl& store, const BulkOptions& options);
  // Whether Write went around the log: its failure leaves a database that can be closed.
  bool wrote_files() const { return wrote_files_; }

 private:
  enum class Kind : uint8_t { kPut, kDelete, kMerge };
  // The first 16 bytes of the key as numbers settle nearly every comparison without a look at the bytes.
  struct Entry {
    uint64_t head = 0, next = 0;
    const char* bytes = nullptr;  // key, then value
    uint32_t value_bytes = 0;
    uint32_t order : 30, kind : 2;
    uint16_t key_bytes = 0;

    std::string_view key() const { return {bytes, key_bytes}; }
    std::string_view value() const { return {bytes + key_bytes, value_bytes}; }
    bool operator<(const Entry& other) const;
  };
  struct Run {
    std::vector<Entry> entries;
    std::vector<std::unique_ptr<char[]>> blocks;
    size_t block_left = 0;
    char* block_at = nullptr;
  };
  struct SetEntry {
    CustomerId customer;
    ItemSetEntry entry;
  };
  // Entries [begin, end) of a family, one file.
  struct File {
    Family family;
    size_t begin, end;
    std::string path;
  };

  void Add(Family family, std::string_view key, std::string_view value, Kind kind);
  void FoldSets();
  void Sort();
  rocksdb::Status WriteThroughLog(Store::Impl& store) const;
  std::vector<File> PlanFiles(const std::string& folder) const;
  rocksdb::Status WriteFiles(Store::Impl& store, const BulkOptions& options, const std::string& folder) const;
  rocksdb::Status WriteFile(const Store::Impl& store, const File& file) const;

  std::array<Run, kFamilyCount> runs_;
  std::vector<SetEntry> sets_;
  size_t memory_bytes_ = 0, data_bytes_ = 0;
  bool wrote_files_ = false;
};

}  // namespace rapport

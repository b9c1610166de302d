#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/parallel.h"
#include "data/codec.h"
#include "data/sorted_runs_impl.h"

namespace rapport {
namespace {

constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kFileBytes = 16 << 20;  // before compression: enough files for every core, few enough to sync

uint64_t Number(std::string_view bytes) {
  char padded[8] = {};
  std::memcpy(padded, bytes.data(), std::min(bytes.size(), sizeof padded));
  return keys::ReadBigEndian({padded, sizeof padded});
}

}  // namespace

bool SortedRuns::Entry::operator<(const Entry& other) const {
  if (head != other.head) return head < other.head;
  if (next != other.next) return next < other.next;
  if (key_bytes > 16 || other.key_bytes > 16 || key_bytes != other.key_bytes) {
    if (const int order_of_bytes = key().compare(other.key()); order_of_bytes != 0) return order_of_bytes < 0;
  }
  return order < other.order;
}

void SortedRuns::Add(Family family, std::string_view key, std::string_view value, Kind kind) {
  Run& run = runs_[family];
  const size_t bytes = key.size() + value.size();
  if (bytes > run.block_left) {
    const size_t block_bytes = std::max(bytes, kBlockBytes);
    run.blocks.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
    run.block_at = run.blocks.back().get();
    run.block_left = block_bytes;
  }
  std::memcpy(run.block_at, key.data(), key.size());
  if (!value.empty()) std::memcpy(run.block_at + key.size(), value.data(), value.size());
  Entry entry;
  entry.head = Number(key);
  entry.next = key.size() > 8 ? Number(key.substr(8)) : 0;
  entry.bytes = run.block_at;
  entry.value_bytes = static_cast<uint32_t>(value.size());
  entry.order = static_cast<uint32_t>(run.entries.size()) & 0x3fffffffu;
  entry.kind = static_cast<uint32_t>(kind) & 3u;
  entry.key_bytes = static_cast<uint16_t>(key.size());
  run.entries.push_back(entry);
  run.block_at += bytes;
  run.block_left -= bytes;
  data_bytes_ += bytes;
  memory_bytes_ += bytes + sizeof(Entry);
}

void SortedRuns::AddToSet(CustomerId customer, const ItemSet& added) {
  for (const ItemSetEntry& entry : added) sets_.push_back({customer, entry});
  memory_bytes_ += added.size() * sizeof(SetEntry);
}

void SortedRuns::FoldSets() {
  std::sort(sets_.begin(), sets_.end(), [](const SetEntry& a, const SetEntry& b) {
    return a.customer != b.customer ? a.customer < b.customer : a.entry.item < b.entry.item;
  });
  ItemSet set;
  for (size_t i = 0; i < sets_.size(); ++i) {
    const ItemSetEntry& entry = sets_[i].entry;
    if (!set.empty() && set.back().item == entry.item) {
      set.back().viewed |= entry.viewed;
      set.back().ordered |= entry.ordered;
      set.back().owned += entry.owned;
    } else {
      set.push_back(entry);
    }
    if (i + 1 < sets_.size() && sets_[i + 1].customer == sets_[i].customer) continue;
    Add(kItemSet, keys::BigEndian(sets_[i].customer.value), Seal(EncodeItemSet(set)), Kind::kMerge);
    set.clear();
  }
  sets_.clear();
}

// A merge is no newer word but one more: it stays beside what was put before it. No group both merges and puts.
void SortedRuns::Sort() {
  ParallelFor(runs_.size(), 1, 0, [this](size_t family, size_t, size_t) {
    std::vector<Entry>& entries = runs_[family].entries;
    std::sort(entries.begin(), entries.end());
    size_t kept = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i + 1 < entries.size() && entries[i].key() == entries[i + 1].key()) continue;
      entries[kept++] = entries[i];
    }
    entries.resize(kept);
  });
}

rocksdb::Status SortedRuns::WriteThroughLog(Store::Impl& store) const {
  rocksdb::WriteBatch batch;
  for (size_t family = 0; family < runs_.size(); ++family) {
    rocksdb::ColumnFamilyHandle* handle = store.families[family];
    for (const Entry& entry : runs_[family].entries) {
      switch (static_cast<Kind>(entry.kind)) {
        case Kind::kPut: (void)batch.Put(handle, entry.key(), entry.value()); break;
        case Kind::kDelete: (void)batch.Delete(handle, entry.key()); break;
        case Kind::kMerge: (void)batch.Merge(handle, entry.key(), entry.value()); break;
      }
    }
  }
  return store.db->Write(store.Write(), &batch);
}

std::vector<SortedRuns::File> SortedRuns::PlanFiles(const std::string& folder) const {
  std::vector<File> files;
  for (size_t family = 0; family < runs_.size(); ++family) {
    const std::vector<Entry>& entries = runs_[family].entries;
    size_t begin = 0, bytes = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      bytes += entries[i].key_bytes + entries[i].value_bytes;
      if (bytes < kFileBytes && i + 1 < entries.size()) continue;
      const std::string name = std::string(kFamilyNames[family]) + "-" + std::to_string(files.size()) + ".sst";
      files.push_back({static_cast<Family>(family), begin, i + 1, folder + "/" + name});
      begin = i + 1;
      bytes = 0;
    }
  }
  return files;
}

rocksdb::Status SortedRuns::WriteFile(const Store::Impl& store, const File& file) const {
  rocksdb::ColumnFamilyHandle* handle = store.families[file.family];
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), store.db->GetOptions(handle), handle);
  rocksdb::Status status = writer.Open(file.path);
  for (size_t i = file.begin; i < file.end && status.ok(); ++i) {
    const Entry& entry = runs_[file.family].entries[i];
    switch (static_cast<Kind>(entry.kind)) {
      case Kind::kPut: status = writer.Put(entry.key(), entry.value()); break;
      case Kind::kDelete: status = writer.Delete(entry.key()); break;
      case Kind::kMerge: status = writer.Merge(entry.key(), entry.value()); break;
    }
  }
  return status.ok() ? writer.Finish() : status;
}

rocksdb::Status SortedRuns::Write(Store::Impl& store, const BulkOptions& options) {
  FoldSets();
  Sort();
  if (data_bytes_ < options.sorted_files_from_bytes) return WriteThroughLog(store);
  wrote_files_ = true;
  const std::string folder = BulkFolder(store.folder);
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return rocksdb::Status::IOError("cannot create " + folder, error.message());
  const rocksdb::Status status = WriteFiles(store, options, folder);
  std::filesystem::remove_all(folder, error);
  return status;
}

rocksdb::Status SortedRuns::WriteFiles(Store::Impl& store, const BulkOptions& options,
                                       const std::string& folder) const {
  const std::vector<File> files = PlanFiles(folder);
  std::vector<rocksdb::Status> statuses(files.size());
  ParallelFor(files.size(), 1, 0, [&](size_t n, size_t, size_t) { statuses[n] = WriteFile(store, files[n]); });
  for (const rocksdb::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  if (options.before_taking_in) options.before_taking_in();
  rocksdb::IngestExternalFileOptions take;
  take.move_files = true;  // hard links
  take.write_global_seqno = false;
  std::vector<rocksdb::IngestExternalFileArg> arguments;
  for (const File& file : files) {  // those of one family stand together
    if (arguments.empty() || arguments.back().column_family != store.families[file.family]) {
      arguments.emplace_back();
      arguments.back().column_family = store.families[file.family];
      arguments.back().options = take;
    }
    arguments.back().external_files.push_back(file.path);
  }
  return store.db->IngestExternalFiles(arguments);
}

std::string BulkFolder(const std::string& store_folder) { return store_folder + "/bulk"; }

}  // namespace rapport

// Every key and value of a closed store as RocksDB holds them, for comparing stores key by key.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/merge_operator.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/codec.h"

namespace rapport::testing {

// What the store's own operator for item sets does, written again.
class UnionOfSets final : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    ItemSet all;
    if (in.existing_value != nullptr) all = Set(*in.existing_value);
    for (const rocksdb::Slice& operand : in.operand_list) all = MergeItemSets(all, Set(operand));
    out->new_value = Seal(EncodeItemSet(all));
    return true;
  }
  const char* Name() const override { return "rapport.ItemSetMerge.1"; }

 private:
  static ItemSet Set(const rocksdb::Slice& sealed) { return *DecodeItemSet(*Unseal(sealed.ToStringView())); }
};

// family, key -> value. Looks only: what is in the log stays there.
using RawStore = std::map<std::pair<std::string, std::string>, std::string>;

inline RawStore ReadRaw(const std::string& folder) {
  std::vector<std::string> names;
  EXPECT_TRUE(rocksdb::DB::ListColumnFamilies({}, folder + "/db", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) {
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    if (name == "item_set") families.back().options.merge_operator = std::make_shared<UnionOfSets>();
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  rocksdb::DBOptions options;
  options.track_and_verify_wals_in_manifest = true;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(options, folder + "/db", families, &handles, &raw);
  EXPECT_TRUE(opened.ok()) << opened.ToString();
  const std::unique_ptr<rocksdb::DB> db(raw);
  RawStore all;
  for (size_t i = 0; i < handles.size(); ++i) {
    std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, handles[i]));
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      all[{names[i], at->key().ToString()}] = at->value().ToString();
    }
    EXPECT_TRUE(at->status().ok()) << at->status().ToString();
    at.reset();
    EXPECT_TRUE(db->DestroyColumnFamilyHandle(handles[i]).ok());
  }
  return all;
}

// "" when they are equal; otherwise the first difference.
inline std::string Difference(const RawStore& a, const RawStore& b) {
  for (const auto& [key, value] : a) {
    const auto other = b.find(key);
    if (other == b.end()) return key.first + ": a key is missing in the second";
    if (other->second != value) return key.first + ": another value";
  }
  for (const auto& [key, value] : b) {
    if (a.count(key) == 0) return key.first + ": a key is missing in the first";
  }
  return "";
}

}  // namespace rapport::testing

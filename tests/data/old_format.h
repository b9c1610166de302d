// Makes a closed store look as another version, or damage, would have left it.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/merge_operator.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rapport {

// Lets RocksDB replay the log of a family whose real operator stands inside the store; what it makes is dropped.
class KeepLast final : public rocksdb::AssociativeMergeOperator {
 public:
  bool Merge(const rocksdb::Slice&, const rocksdb::Slice*, const rocksdb::Slice& value, std::string* out,
             rocksdb::Logger*) const override {
    *out = value.ToString();
    return true;
  }
  const char* Name() const override { return "KeepLast"; }
};

// `change` is called for every column family.
inline void ChangeRaw(
    const std::string& folder,
    const std::function<void(rocksdb::DB*, const std::string&, rocksdb::ColumnFamilyHandle*)>& change) {
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, folder + "/db", &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) {
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    families.back().options.merge_operator = std::make_shared<KeepLast>();
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, folder + "/db", families, &handles, &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  for (size_t i = 0; i < names.size(); ++i) {
    change(db.get(), names[i], handles[i]);
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(handles[i]).ok());
  }
}

// Overwrites the format number.
inline void SetFormat(const std::string& folder, uint8_t format, bool drop_derived) {
  ChangeRaw(folder, [&](rocksdb::DB* db, const std::string& name, rocksdb::ColumnFamilyHandle* family) {
    if (name == "default") {
      ASSERT_TRUE(db->Put({}, family, "format", std::string(1, static_cast<char>(format))).ok());
    }
    if (name == "default" && format < 4) {  // planned contacts were not counted by hour
      ASSERT_TRUE(db->DeleteRange({}, family, "planned/", "planned0").ok());
    }
    if (drop_derived && (name == "item_set" || name == "message")) {
      ASSERT_TRUE(db->DropColumnFamily(family).ok());
    }
  });
}

// Overwrites one value of a family: the first, or the last one.
inline void Damage(const std::string& folder, const std::string& damaged, bool last = false) {
  ChangeRaw(folder, [&](rocksdb::DB* db, const std::string& name, rocksdb::ColumnFamilyHandle* family) {
    if (name != damaged) return;
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}, family));
    last ? it->SeekToLast() : it->SeekToFirst();
    ASSERT_TRUE(it->Valid());
    ASSERT_TRUE(db->Put({}, family, it->key(), "not a record").ok());
  });
}

}  // namespace rapport

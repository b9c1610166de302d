// The models in service, as one immutable value with a generation number, and the place where it is published.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "models/attributes.h"
#include "models/content_model.h"

namespace rapport {

// Immutable; shared by every request that started with it; freed when the last of them ends.
struct ModelSet {
  uint64_t generation = 0;                                // 0: none trained yet
  std::shared_ptr<const ContentModel> content;            // null: none
  std::shared_ptr<const AttributeIndex> attribute_index;  // null: the model knows no attributes
  std::vector<uint64_t> has_row;      // bit i of word i / 64: ItemId i has a row; what the bits pick is in row order
  std::vector<uint32_t> row_of_item;  // ItemId.value -> model row, kNoRow; as long as the largest known id + 1

  static std::shared_ptr<const ModelSet> Make(uint64_t generation, std::shared_ptr<const ContentModel> content);
  uint32_t RowOf(ItemId item) const { return item.value < row_of_item.size() ? row_of_item[item.value] : kNoRow; }
};

// Thread-safe. A mutex around one pointer copy: std::atomic<shared_ptr> is one too, but hides it from sanitizers.
class ModelPublisher {
 public:
  std::shared_ptr<const ModelSet> Get() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void Publish(std::shared_ptr<const ModelSet> next) {
    std::lock_guard lock(mutex_);
    current_.swap(next);  // the old one is freed outside the lock, by `next`
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ModelSet> current_ = std::make_shared<const ModelSet>();
};

}  // namespace rapport

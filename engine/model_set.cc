#include "engine/model_set.h"

namespace rapport {

std::shared_ptr<const ModelSet> ModelSet::Make(uint64_t generation, std::shared_ptr<const ContentModel> content) {
  auto set = std::make_shared<ModelSet>();
  set->generation = generation;
  if (content && !content->item_ids.empty()) {
    set->row_of_item.assign(content->item_ids.back() + 1, kNoRow);
    set->has_row.assign(content->item_ids.back() / 64 + 1, 0);
    for (uint32_t row = 0; row < content->rows(); ++row) {
      const uint64_t item = content->item_ids[row];
      set->row_of_item[item] = row;
      set->has_row[item / 64] |= uint64_t{1} << (item % 64);
    }
  }
  if (content && content->attributes.rows() != 0) {
    set->attribute_index = std::make_shared<const AttributeIndex>(content->attributes);
  }
  set->content = std::move(content);
  return set;
}

}  // namespace rapport

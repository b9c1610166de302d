#include "engine/model_set.h"

namespace rapport {

std::shared_ptr<const ModelSet> ModelSet::Make(uint64_t generation, std::shared_ptr<const ContentModel> content) {
  auto set = std::make_shared<ModelSet>();
  set->generation = generation;
  if (content && !content->item_ids.empty()) {
    set->row_of_item.assign(content->item_ids.back() + 1, kNoRow);
    for (uint32_t row = 0; row < content->rows(); ++row) set->row_of_item[content->item_ids[row]] = row;
  }
  if (content && content->attributes.rows() != 0) {
    set->attribute_index = std::make_shared<const AttributeIndex>(content->attributes);
  }
  set->content = std::move(content);
  return set;
}

}  // namespace rapport

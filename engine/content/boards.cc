#include "engine/content/boards.h"

#include <algorithm>
#include <cmath>

namespace rapport {

namespace {

std::vector<Scored> Sorted(const std::vector<uint64_t>& item_ids, const std::vector<float>& scores) {
  std::vector<Scored> board;
  for (size_t row = 0; row < std::min(item_ids.size(), scores.size()); ++row) {
    if (scores[row] > 0 && std::isfinite(scores[row])) {
      board.push_back({static_cast<uint32_t>(item_ids[row]), scores[row]});
    }
  }
  std::sort(board.begin(), board.end(), Better);
  return board;
}

}  // namespace

ModelBoards ModelBoards::Make(const ContentModel& model) {
  return {Sorted(model.item_ids, model.popularity.popular), Sorted(model.item_ids, model.popularity.trending)};
}

std::shared_ptr<const ModelBoards> ModelBoardsCache::Get(const std::shared_ptr<const ContentModel>& model) {
  std::lock_guard lock(mutex_);
  if (model_ != model) {
    boards_ = std::make_shared<const ModelBoards>(model ? ModelBoards::Make(*model) : ModelBoards());
    model_ = model;
  }
  return boards_;
}

}  // namespace rapport

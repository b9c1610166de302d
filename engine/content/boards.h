// The boards that a model brings: item ids by popularity and by trend, sorted once per generation.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "models/content_model.h"
#include "models/top_k.h"

namespace rapport {

// Immutable. index = item id; only items with a score above 0; best first.
struct ModelBoards {
  std::vector<Scored> popular, trending;
  static ModelBoards Make(const ContentModel& model);
};

// The boards of the newest model asked for. Thread-safe.
class ModelBoardsCache {
 public:
  // `model` null: empty boards. Never null.
  std::shared_ptr<const ModelBoards> Get(const std::shared_ptr<const ContentModel>& model);

 private:
  std::mutex mutex_;
  std::shared_ptr<const ContentModel> model_;  // guarded by mutex_; held, so that its address stays its own
  std::shared_ptr<const ModelBoards> boards_ = std::make_shared<const ModelBoards>();  // guarded by mutex_
};

}  // namespace rapport

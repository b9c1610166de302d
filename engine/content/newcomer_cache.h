// Newcomers (models/newcomers.h) of one catalogue and one generation: made on the first request that needs them, kept
// up with the catalogue by looking only at the items that changed.
#pragma once

#include <memory>
#include <mutex>

#include "engine/content/catalog_index.h"
#include "engine/model_set.h"
#include "models/newcomers.h"

namespace rapport {

// Thread-safe. Requests that come while newcomers are being made wait for them: equal requests get equal answers.
class NewcomerCache {
 public:
  // Items that are catalogued, not hidden and without a row in the model, at most limits::kNewcomersMax, the latest ids
  // first. Null when there are none, or the model knows no attributes.
  std::shared_ptr<const Newcomers> Get(const CatalogIndex& index, const std::shared_ptr<const ModelSet>& models);

 private:
  std::mutex mutex_;  // guards the rest
  std::shared_ptr<const ModelSet> models_;
  uint64_t serial_ = 0;
  std::shared_ptr<const Newcomers> newcomers_;
};

}  // namespace rapport

// Newcomers (models/newcomers.h) of one catalogue and one generation: made before a generation goes into service
// (seconds, where many items are new), kept up with the catalogue by looking only at the items that changed.
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
  // Makes what Get will give for models that are to go into service, while it goes on giving those of the models that
  // are; so that no request waits for it. Returns it.
  std::shared_ptr<const Newcomers> Prepare(const CatalogIndex& index, const std::shared_ptr<const ModelSet>& models);

 private:
  struct Made {
    std::shared_ptr<const ModelSet> models;
    uint64_t serial = 0;  // of the catalogue's index
    std::shared_ptr<const Newcomers> newcomers;
  };
  std::mutex mutex_;  // guards the rest
  Made current_, prepared_;
  // Of the models that were in service before: requests that began with them end with them.
  std::weak_ptr<const ModelSet> former_models_;
  std::shared_ptr<const Newcomers> former_;
};

}  // namespace rapport

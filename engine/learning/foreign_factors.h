// Item factors trained elsewhere, as they come and go: by external id, with what fold-in must know of how they were
// made. docs/MODELS.md "Factors from elsewhere" has the file; server/factors_file reads and writes it.
//
// The factors take the place of iALS in a content model; everything beside them (neighbours, popularity, EASE, the
// blend) is fitted here, from the store's own events. The blend's weights are learned on windows of the past with iALS
// of the same settings standing in for the foreign factors, which have seen those days; then the whole is judged on
// days that nobody has seen: those after `trained_until`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "data/catalog.h"
#include "engine/learning/training_set.h"
#include "models/als.h"
#include "models/content_model.h"

namespace rapport {

// As in the file. Plain value.
struct FactorTable {
  AlsOptions options;  // factors, unobserved_weight, regularization, regularization_power
  double history_half_life_days = 90;
  Timestamp trained_until;  // the last event that they have seen
  uint32_t customers = 0;   // for the record
  std::vector<std::string> item_ids;
  std::vector<float> factors;  // (items, factors) row major
};

// What is in `model`; items are named by `catalog`.
FactorTable ExportFactors(const ContentModel& model, const Catalog& catalog);

// The same on the store's items. Immutable; shared by the fits of one training.
class ForeignFactors {
 public:
  enum class Coverage : uint8_t {
    kWhole,    // items that the store does not know, or lacks in the file, are an error
    kPartial,  // they are left out; they get no factor
  };
  // kInvalidArgument, with the first items by name: options out of range, shapes that disagree, a number that is not
  // finite, an id twice, an id that the store does not know, an item of `set` seen until trained_until that the file
  // lacks, a file without a single item of the set.
  static Result<std::shared_ptr<const ForeignFactors>> Make(const FactorTable& table, const Catalog& catalog,
                                                            const TrainingSet& set, Coverage coverage);

  // The model over these rows; zeros for items without a factor. kDataLoss when it is not sound.
  Result<AlsModel> For(const std::vector<uint64_t>& item_ids) const;

  const AlsOptions& options() const { return options_; }
  double history_half_life_days() const { return history_half_life_days_; }
  Timestamp trained_until() const { return trained_until_; }
  size_t items_left_out() const { return items_left_out_; }  // of the file

 private:
  ForeignFactors() = default;
  AlsOptions options_;
  double history_half_life_days_ = 90;
  Timestamp trained_until_;
  uint32_t customers_ = 0;
  std::unordered_map<uint64_t, size_t> place_of_item_;  // ItemId -> row of factors_
  std::vector<float> factors_;
  size_t items_left_out_ = 0;
};

}  // namespace rapport

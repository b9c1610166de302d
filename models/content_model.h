// One published content model: everything learned in one training run, with the ids it speaks of.
// Immutable after Fit or load; shared by all threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "models/als.h"
#include "models/attributes.h"
#include "models/neighbours.h"
#include "models/popularity.h"
#include "models/repurchase.h"
#include "models/session_knn.h"
#include "models/trait_popularity.h"

namespace rapport {

inline constexpr uint32_t kNoRow = 0xffffffffu;

// What the blend needs beside the other models (models/stack.h). Without weights there is no blend, and the factors
// rank.
struct StackModel {
  std::vector<float> recent14, recent7;  // decayed counts, (rows) or empty
  // Rows with a score above 0 on each board, best first; made at fit and load (SortBoards), never stored.
  std::vector<uint32_t> popular_order, recent14_order, recent7_order, season_order;
  std::vector<float> season;  // counts of the same weeks a year before, (rows) or empty
  NeighbourLists shallow;     // EASE, each item's largest weights
  // kStackFeatures numbers each, or none.
  std::vector<double> repeats_theta;  // where repeats may be shown
  std::vector<double> new_theta;      // where only new items may
  std::vector<double> cold_theta;     // for a customer without history
  std::vector<double> session_theta;  // for a visitor of whom only this session is known
};

struct ContentModel {
  Timestamp trained_until;             // events up to here were seen
  double history_half_life_days = 90;  // decay of event weights at fit, hence at fold-in
  std::vector<uint64_t> item_ids;      // row -> ItemId, ascending
  AlsModel als;                        // rows as item_ids
  NeighbourLists similar;              // by customers: "people who chose this also chose"
  NeighbourLists bought_together;      // by orders
  PopularityModel popularity;
  StackModel stack;
  // Empty where the model was fitted without them.
  AttributeModel attributes;   // rows as item_ids
  SessionModel sessions;       // what was chosen together, newest last
  RepurchaseModel repurchase;  // when it is time again
  TraitModel traits;           // what customers with a trait choose

  uint32_t rows() const { return static_cast<uint32_t>(item_ids.size()); }
  // kNoRow when the model does not know the item. O(log rows).
  uint32_t RowOf(ItemId item) const;
};

// Shapes agree, ids ascend, everything is finite. kDataLoss says what is wrong.
Status CheckContentModel(const ContentModel& model);

// The file: docs/DATA.md "Model file". Little endian; header "RAPPORTM", version, section table; last 32 bytes are the
// SHA-256 of all before. Written to a temporary name, fsynced, renamed.
Status WriteContentModel(const ContentModel& model, const std::string& path);
// kDataLoss for a bad checksum, a truncated file, wrong shapes or non-finite numbers; kFailedPrecondition for a newer
// version.
Result<ContentModel> ReadContentModel(const std::string& path);

// The same without a disk: the bytes of the file, and the model in them (`name` is for messages).
std::string SerializeContentModel(const ContentModel& model);
Result<ContentModel> ParseContentModel(std::string_view file, const std::string& name);

}  // namespace rapport

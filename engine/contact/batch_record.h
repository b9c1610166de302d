// What the store keeps of a batch of decisions as a whole, renewed with every chunk of customers in the same write: how
// far it is, what it has spent, why the others get nothing. The text that it is kept as is the edge's business (JSON).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/contact/allocator.h"

namespace rapport {

enum class BatchState : uint8_t {
  kRunning,  // or cut off: the same request again finishes it
  kDone,
  kFailed,  // likewise
};

struct BatchRecord {
  std::string name;
  std::string request;  // SHA-256 of what was asked, hex: a name stands for one request
  BatchState state = BatchState::kRunning;
  std::string problem;  // of a failed one
  Timestamp started_at, changed_at;
  Timestamp from, until;  // of the last run's plan
  uint64_t customers = 0, unknown = 0;
  uint64_t decided = 0, sends = 0, pages = 0;        // kept so far
  double value = 0;                                  // of the sends kept, money
  double planned_value = 0, bound = 0;               // of the last run's plan: what it is worth, what none can exceed
  std::map<std::string, uint64_t> sends_by_channel;  // kept
  std::map<std::string, uint64_t> sends_by_item;     // kept
  std::map<std::string, uint64_t> nothing;           // customers who get nothing, by reason
  std::vector<LimitReport> limits;                   // of the last run's plan

  double gap() const { return bound > 0 ? 1 - planned_value / bound : 0; }
};

using WriteBatchRecord = std::function<std::string(const BatchRecord&)>;
using ReadBatchRecord = std::function<Result<BatchRecord>(const std::string&)>;

// Names of the store's settings: the record; the ids of the decisions of page 0, 1, ..., one a line.
inline std::string BatchSetting(const std::string& name) { return "batch/" + name; }
inline std::string BatchPageSetting(const std::string& name, uint64_t page) {
  return "batch/" + name + "/page/" + std::to_string(page);
}
// Letters, digits, '.', '_' and '-', 1 to 64 of them.
Status CheckBatchName(const std::string& name);

}  // namespace rapport

// A batch of decisions as JSON: its record, which is kept in the store as this text and told by
// GET /v1/decisions/batch/{id} (docs/API.md "Batches"), and the lines of its plan, read from the kept decisions.
#pragma once

#include <string>
#include <vector>

#include "engine/contact/batch_keeper.h"

namespace rapport {

std::string BatchRecordToJson(const BatchRecord& record);
// kDataLoss: not what BatchRecordToJson writes.
Result<BatchRecord> ReadBatchRecordJson(const std::string& text);
const char* BatchStateName(BatchState state);  // "running"

// The callbacks of a keeping, for decisions and records as JSON.
void UseJson(BatchKeeping* keeping);

struct PlanLine {
  std::string customer, decision;
  std::string item, channel, time;  // empty: nothing
  double value = 0, propensity = 0;
  std::string reason;
};
// One page of a kept plan, in the order of deciding; empty beyond the last one. A decision that is no longer kept is
// left out.
Result<std::vector<PlanLine>> ReadPlanPage(const Store& store, const std::string& batch, uint64_t page);
// The lines of a file (engine/contact/allocator.h has the head).
std::string PlanPageToCsv(const std::vector<PlanLine>& lines);
// One JSON object a line.
std::string PlanPageToJsonLines(const std::vector<PlanLine>& lines);

}  // namespace rapport

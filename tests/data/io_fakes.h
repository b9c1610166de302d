// A sink in memory that follows the store's contract (data/operations.h) as far as imports need it, and records what
// came.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "data/io/importer.h"
#include "data/operations.h"

namespace rapport::testing {

class MemoryOperationSink final : public OperationSink {
 public:
  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override {
    ++batches;
    largest_batch = std::max(largest_batch, operations.size());
    if (fail_at_batch != 0 && batches >= fail_at_batch) return Status::Unavailable("the disk is gone");
    std::vector<OperationResult> results;
    for (Operation& operation : operations) {
      const Status valid = ValidateOperation(operation);
      results.push_back(valid.ok() ? std::visit([this](auto& op) { return Do(op); }, operation)
                                   : OperationResult{valid, Outcome::kUnchanged, 0});
    }
    return results;
  }

  size_t batches = 0, largest_batch = 0, fail_at_batch = 0;
  size_t changes = 0;  // outcomes created and updated
  std::vector<AppendEvent> events;
  std::map<std::string, Item> items;
  std::map<std::pair<CustomerNamespace, std::string>, UpdateProfile> profiles;
  std::vector<Operation> others;

 private:
  OperationResult Changed(Outcome outcome) {
    ++changes;
    return {Status::Ok(), outcome, 0};
  }
  static OperationResult Unchanged(Outcome outcome = Outcome::kUnchanged) { return {Status::Ok(), outcome, 0}; }

  OperationResult Do(AppendEvent& op) {
    std::string identity(op.customer.name_space == CustomerNamespace::kUser ? "U" : "A");
    for (const std::string* part : {&op.customer.external_id, &op.event.source, &op.event.message_id}) {
      identity += std::to_string(part->size()) + ":" + *part;
    }
    if (!known_.insert(std::move(identity)).second) return Unchanged(Outcome::kDuplicate);
    events.push_back(std::move(op));
    return Changed(Outcome::kCreated);
  }
  OperationResult Do(PutItem& op) {
    const auto found = items.find(op.item.external_id);
    if (found == items.end()) {
      items.emplace(op.item.external_id, op.item);
      return Changed(Outcome::kCreated);
    }
    Item& old = found->second;
    if (old.title == op.item.title && old.price == op.item.price && old.hidden == op.item.hidden &&
        old.kind == op.item.kind && old.attributes == op.item.attributes && old.stock == op.item.stock) {
      return Unchanged();
    }
    old = op.item;
    return Changed(Outcome::kUpdated);
  }
  OperationResult Do(PatchItem& op) {
    if (items.contains(op.external_id)) return Unchanged();
    return {Status::NotFound("no such item"), Outcome::kUnchanged, 0};
  }
  OperationResult Do(UpdateProfile& op) {
    auto [at, is_new] = profiles.try_emplace({op.customer.name_space, op.customer.external_id}, op);
    if (is_new) return Changed(Outcome::kCreated);
    if (at->second.country == op.country && at->second.traits == op.traits) return Unchanged();
    at->second = op;
    return Changed(Outcome::kUpdated);
  }
  template <typename T>
  OperationResult Do(T& op) {
    others.push_back(op);
    return Changed(Outcome::kUpdated);
  }

  std::unordered_set<std::string> known_;
};

// What the rejects callback was given, kept.
struct KeptReject {
  uint64_t line;
  std::string reason, raw, part;
};

class RejectList {
 public:
  RejectCallback Callback() {
    return [this](const Reject& reject) {
      list.push_back({reject.line, std::string(reject.reason), std::string(reject.raw), std::string(reject.part)});
      return Status::Ok();
    };
  }
  std::vector<KeptReject> list;
};

inline ImportOptions TestImportOptions() {
  ImportOptions options;
  options.now = {1700000000000};
  return options;
}

inline bool CountsAddUp(const ImportCounts& c) {
  return c.rows_in == c.accepted + c.duplicates + c.rejected + c.unknown;
}

// A folder of its own that goes away with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rapport-io-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace rapport::testing

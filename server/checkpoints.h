// Checkpoints that a server lends to commands: DATA/checkpoints/NUMBER, given back by name, all removed at start and
// stop.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "base/status.h"
#include "data/store.h"

namespace rapport {

// Thread-safe. `store` must outlive it.
class Checkpoints {
 public:
  static constexpr size_t kLentMax = 16;  // each pins the files it shares

  explicit Checkpoints(const Store& store);  // removes what an earlier process left behind
  ~Checkpoints();

  // The new folder's path. kResourceExhausted when too many are lent.
  Result<std::string> Lend();
  // kNotFound for a folder that is not lent.
  Status GiveBack(const std::string& folder);

 private:
  void RemoveAll();

  const Store& store_;
  const std::string parent_;
  std::mutex mutex_;  // guards what follows
  std::set<std::string> lent_;
  uint64_t next_ = 1;
};

}  // namespace rapport

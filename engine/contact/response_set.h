// The response model in service with the names behind its indices, as one immutable value, and its file.
//   file   "RAPPRESP", u32 version (1), u64 bytes of the names, the names, the model (models/response_model.h),
//          SHA-256 of all before. Little endian. Names: lists of (u32 count, then u32 length and bytes, or u64 each).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/contact/response_evidence.h"
#include "models/response_model.h"

namespace rapport {

struct ResponseSet {
  uint64_t generation = 0;                     // 0: none trained yet
  std::shared_ptr<const ResponseModel> model;  // never null
  ResponseVocabulary vocabulary;

  // What is believed before anything was learned: one contact in thirty answered and one in a thousand the last, at
  // every hour alike.
  static std::shared_ptr<const ResponseSet> Untrained();
};

Status WriteResponseSet(const ResponseSet& set, const std::string& path);
// `name` is for messages. kDataLoss: cut, changed, or names that do not fit the model; kFailedPrecondition: a newer
// version.
Result<ResponseSet> ParseResponseSet(std::string_view file, const std::string& name);
Result<ResponseSet> ReadResponseSet(const std::string& path);

// Thread-safe.
class ResponsePublisher {
 public:
  std::shared_ptr<const ResponseSet> Get() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void Publish(std::shared_ptr<const ResponseSet> next) {
    std::lock_guard lock(mutex_);
    current_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ResponseSet> current_ = ResponseSet::Untrained();
};

}  // namespace rapport

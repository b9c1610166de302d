// The rejects file: one JSON object per row that was refused, so that nothing is ever lost.
//   {"file":"orders.csv","line":17,"reason":"Quantity is 'x'; write a whole number like 12","raw":"536365,..."}
// `raw` is the row as it stood in the file; when its bytes are not UTF-8 it is "rawBase64Url" instead. A row that was
// accepted although the item or profile beside it was refused appears with "part": it is not counted as rejected.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "data/io/byte_sink.h"

namespace rapport {

struct Reject {
  std::string_view file;
  uint64_t line = 0;
  std::string_view reason;
  std::string_view raw;
  std::string_view part = {};  // "item", "profile", ...; empty: the row itself
};

// The line for one reject, with its LF.
std::string RejectToJsonLine(const Reject& reject);

// Makes its file at the first reject only. One owner, one thread.
class RejectsFile {
 public:
  explicit RejectsFile(std::string path) : path_(std::move(path)) {}
  Status Add(const Reject& reject);
  // Gives the file its name; nothing happens when there was no reject.
  Status Commit();
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  std::unique_ptr<ByteSink> sink_;
};

}  // namespace rapport

#include "data/io/rejects.h"

#include "base/crypto.h"
#include "base/text.h"
#include "data/io/json_text.h"

namespace rapport {

std::string RejectToJsonLine(const Reject& reject) {
  std::string line = "{\"file\":";
  const auto add = [&](const char* key, std::string_view text) {
    line.append(key);
    if (IsValidUtf8(text)) return AppendJsonString(text, &line);
    AppendJsonString(QuoteForMessage(text, text.size()), &line);
  };
  add("", reject.file);
  line += ",\"line\":" + std::to_string(reject.line);
  if (!reject.part.empty()) add(",\"part\":", reject.part);
  add(",\"reason\":", reject.reason);
  if (IsValidUtf8(reject.raw)) {
    add(",\"raw\":", reject.raw);
  } else {
    add(",\"rawBase64Url\":", ToBase64Url(reject.raw));
  }
  return line + "}\n";
}

Status RejectsFile::Add(const Reject& reject) {
  if (!sink_) {
    Result<std::unique_ptr<ByteSink>> opened = OpenByteSink(path_);
    if (!opened.ok()) return opened.status();
    sink_ = opened.Take();
  }
  return sink_->Append(RejectToJsonLine(reject));
}

Status RejectsFile::Commit() { return sink_ ? sink_->Commit() : Status::Ok(); }

}  // namespace rapport

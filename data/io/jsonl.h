// JSON lines: one object per line, LF or CRLF, empty lines are nothing. Shapes: data/io/json_records.h and
// data/io/segment_json.h. A last line without a line end is taken when it is whole JSON; a cut one is not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "data/io/byte_source.h"
#include "data/io/event_table.h"
#include "data/io/json_records.h"
#include "data/io/json_text.h"
#include "data/io/segment_json.h"

namespace rapport {

// The view lives until the next call of LineReader::Next.
struct Line {
  uint64_t number = 0;    // 1-based
  std::string_view text;  // without its end; cut when longer than the limit
  Status status;          // too long
};

// One owner, one thread. Memory: a few times line_bytes_max. `source` must outlive it.
class LineReader {
 public:
  LineReader(ByteSource& source, size_t line_bytes_max) : source_(source), line_bytes_max_(line_bytes_max) {}
  // False at the end. A failed Result is the source's.
  Result<bool> Next(Line* line);

 private:
  Status Refill();
  ByteSource& source_;
  const size_t line_bytes_max_;
  std::string buffer_;
  std::string head_;  // of a line beyond the limit
  size_t begin_ = 0;
  bool at_end_ = false, started_ = false;
  uint64_t number_ = 0;
};

// kInvalidArgument: the reason for the rejects file.
Result<RowOperations> EventFromLine(JsonParser& parser, std::string_view line, const EventTable& table,
                                    const SegmentDefaults& defaults);
Result<RowOperations> ItemFromLine(JsonParser& parser, std::string_view line, const SegmentDefaults& defaults);
Result<RowOperations> ProfileFromLine(JsonParser& parser, std::string_view line, const SegmentDefaults& defaults);

}  // namespace rapport

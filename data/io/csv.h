// CSV as RFC 4180 has it: fields separated by commas, records by LF or CRLF, a field in double quotes may hold commas,
// line ends and doubled quotes. A byte order mark at the start is skipped, empty lines are no records.
//
// Damage stays small. A record that is broken (text after a closing quote; a quote that is not closed within
// record_bytes_max or before the end; several lines that do not make the expected number of fields) loses its first
// line only: that line is reported with a reason, and reading resumes on the very next line. So one stray quote
// costs one row and not the rest of the file. A quote inside a field that does not start with one is text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/io/byte_source.h"

namespace rapport {

struct CsvReaderOptions {
  char separator = ',';
  size_t record_bytes_max = 64 * 1024;  // more than any event may keep (limits::kPropertiesBytesMax)
};

// Views live until the next call of CsvReader::Next.
struct CsvRecord {
  uint64_t line = 0;                     // 1-based, the first of its lines
  std::string_view raw;                  // as in the file, without its last line end; cut when longer than the limit
  std::vector<std::string_view> fields;  // empty unless status is ok
  Status status;                         // why this is not a record: its reason for the rejects file
  bool has_line_end = true;              // false: the file ends without one, so this record may be cut
};

// One owner, one thread. Memory: a few times record_bytes_max. `source` must outlive it.
class CsvReader {
 public:
  explicit CsvReader(ByteSource& source, CsvReaderOptions options = {}) : source_(source), options_(options) {}

  // False at the end. A failed Result is the source's: everything before it was handed out, a last line
  // that was not read to its end was not.
  Result<bool> Next(CsvRecord* record);
  // From now on a record that spans lines must have so many fields to be believed.
  void ExpectFields(size_t count) { expected_fields_ = count; }

 private:
  enum class State { kFieldStart, kUnquoted, kQuoted, kQuoteInQuoted };

  Status Refill();
  Result<size_t> FindLineEnd(size_t offset);
  Result<bool> SkipLongLine(CsvRecord* record);
  void SplitPlain(std::string_view line, CsvRecord* record) const;
  Status ReadQuoted(size_t first_line_bytes, CsvRecord* record);
  bool ScanSegment(std::string_view segment);
  void EndField();
  void RejectFirstLine(size_t first_line_bytes, std::string why, CsvRecord* record);

  ByteSource& source_;
  const CsvReaderOptions options_;
  size_t expected_fields_ = 0;  // 0: any
  std::string buffer_;
  size_t begin_ = 0;  // of the record at hand, in buffer_
  bool at_end_ = false;
  bool started_ = false;
  uint64_t line_ = 1;
  // Scratch of quoted records: their fields without quotes, and where each ends.
  State state_ = State::kFieldStart;
  std::string text_;
  std::vector<size_t> field_ends_;
};

// Appends one record, quoting only the fields that need it. Line end: LF.
void AppendCsvRow(const std::vector<std::string_view>& fields, char separator, std::string* out);

}  // namespace rapport

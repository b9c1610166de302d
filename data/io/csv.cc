#include "data/io/csv.h"

#include <cstring>

#include "base/text.h"

namespace rapport {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view WithoutCarriageReturn(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

Status NotUtf8(std::string_view raw, size_t offset) {
  return Status::InvalidArgument("is not UTF-8 at byte " + std::to_string(offset + 1) + " of the record (" +
                                 QuoteForMessage(raw.substr(offset, 4)) +
                                 "); convert the file first, for example: iconv -f GBK -t UTF-8");
}

}  // namespace

// Appends the next block; drops what is before the record at hand.
Status CsvReader::Refill() {
  Result<std::string_view> block = source_.Read();
  if (!block.ok()) return block.status();
  if (block->empty()) at_end_ = true;
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(*block);
  return Status::Ok();
}

// Distance from begin_ of the first LF at or after begin_ + offset; npos when the file ends first or the limit is
// passed.
Result<size_t> CsvReader::FindLineEnd(size_t offset) {
  while (true) {
    const char* from = buffer_.data() + begin_ + offset;
    const size_t left = buffer_.size() - begin_ - offset;
    if (const void* found = left > 0 ? std::memchr(from, '\n', left) : nullptr) {
      return static_cast<size_t>(static_cast<const char*>(found) - buffer_.data()) - begin_;
    }
    offset += left;
    if (at_end_ || offset > options_.record_bytes_max) return std::string::npos;
    RAPPORT_RETURN_IF_ERROR(Refill());
  }
}

Result<bool> CsvReader::Next(CsvRecord* record) {
  while (!started_) {
    if (buffer_.size() < kByteOrderMark.size() && !at_end_) {
      RAPPORT_RETURN_IF_ERROR(Refill());
      continue;
    }
    if (buffer_.starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
    started_ = true;
  }
  while (true) {
    Result<size_t> end = FindLineEnd(0);
    if (!end.ok()) return end.status();
    const size_t available = buffer_.size() - begin_;
    if (*end == std::string::npos && available == 0) return false;
    const size_t bytes = *end == std::string::npos ? available : *end;
    if (bytes > options_.record_bytes_max) return SkipLongLine(record);
    const std::string_view line = WithoutCarriageReturn(std::string_view(buffer_).substr(begin_, bytes));
    if (line.empty()) {
      begin_ += *end == std::string::npos ? available : bytes + 1;
      ++line_;
      continue;
    }
    record->status = Status::Ok();
    record->has_line_end = *end != std::string::npos;
    record->line = line_;
    if (std::memchr(line.data(), '"', line.size()) != nullptr) {
      RAPPORT_RETURN_IF_ERROR(ReadQuoted(bytes, record));
    } else {
      SplitPlain(line, record);
      begin_ += bytes + (record->has_line_end ? 1 : 0);
      ++line_;
    }
    const size_t invalid = FindInvalidUtf8(record->raw);
    if (invalid != std::string_view::npos) {
      record->status = NotUtf8(record->raw, invalid);
      record->fields.clear();
    }
    return true;
  }
}

void CsvReader::SplitPlain(std::string_view line, CsvRecord* record) const {
  record->raw = line;
  record->fields.clear();
  size_t from = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != options_.separator) continue;
    record->fields.push_back(line.substr(from, i - from));
    from = i + 1;
  }
  record->fields.push_back(line.substr(from));
}

// Reports the head of a line beyond the limit and passes over the rest of it in bounded memory.
Result<bool> CsvReader::SkipLongLine(CsvRecord* record) {
  text_.assign(buffer_, begin_, options_.record_bytes_max);
  record->line = line_++;
  record->raw = text_;
  record->fields.clear();
  record->has_line_end = false;
  record->status = Status::InvalidArgument("is longer than " + std::to_string(options_.record_bytes_max) +
                                           " bytes; only its start is kept here");
  while (true) {
    const size_t found = buffer_.find('\n', begin_);
    if (found != std::string::npos) {
      begin_ = found + 1;
      record->has_line_end = true;
      return true;
    }
    begin_ = buffer_.size();
    if (at_end_) return true;
    RAPPORT_RETURN_IF_ERROR(Refill());
  }
}

// A record with quotes, which may go on over lines. Leaves begin_ behind it, or behind its first line.
Status CsvReader::ReadQuoted(size_t first_line_bytes, CsvRecord* record) {
  text_.clear();
  field_ends_.clear();
  state_ = State::kFieldStart;
  size_t from = 0, end = first_line_bytes;
  uint64_t lines = 1;
  while (true) {
    if (!ScanSegment(std::string_view(buffer_).substr(begin_ + from, end - from))) {
      RejectFirstLine(first_line_bytes,
                      "has text after the closing quote of field " + std::to_string(field_ends_.size() + 1) +
                          "; inside quotes, write a quote twice",
                      record);
      return Status::Ok();
    }
    if (state_ != State::kQuoted) break;
    const bool ended = begin_ + end >= buffer_.size() && at_end_;
    from = end + 1;
    text_.push_back('\n');
    Result<size_t> next =
        ended || from > options_.record_bytes_max ? Result<size_t>(std::string::npos) : FindLineEnd(from);
    if (!next.ok()) return next.status();
    const size_t available = buffer_.size() - begin_;
    const bool last_line = !ended && *next == std::string::npos && at_end_ && available > from;
    end = last_line ? available : *next;
    if (end == std::string::npos || end > options_.record_bytes_max) {
      RejectFirstLine(first_line_bytes,
                      "opens a quote in field " + std::to_string(field_ends_.size() + 1) +
                          " that is not closed before the end of the file or within " +
                          std::to_string(options_.record_bytes_max) + " bytes",
                      record);
      return Status::Ok();
    }
    record->has_line_end = !last_line;
    ++lines;
  }
  EndField();
  if (lines > 1 && expected_fields_ != 0 && field_ends_.size() != expected_fields_) {
    RejectFirstLine(first_line_bytes,
                    "goes on over " + std::to_string(lines) + " lines and then has " +
                        std::to_string(field_ends_.size()) + " fields where the header has " +
                        std::to_string(expected_fields_) + ": a quote is missing or too many",
                    record);
    return Status::Ok();
  }
  record->raw = WithoutCarriageReturn(std::string_view(buffer_).substr(begin_, end));
  record->fields.clear();
  size_t field_begin = 0;
  for (const size_t field_end : field_ends_) {
    record->fields.push_back(std::string_view(text_).substr(field_begin, field_end - field_begin));
    field_begin = field_end;
  }
  begin_ += end + (record->has_line_end ? 1 : 0);
  line_ += lines;
  return Status::Ok();
}

void CsvReader::EndField() {
  field_ends_.push_back(text_.size());
  state_ = State::kFieldStart;
}

// One line of a record with quotes, without its LF. False: text after a closing quote.
bool CsvReader::ScanSegment(std::string_view segment) {
  for (size_t i = 0; i < segment.size(); ++i) {
    const char c = segment[i];
    const bool is_line_end = c == '\r' && i + 1 == segment.size();
    switch (state_) {
      case State::kFieldStart:
        if (c == '"') {
          state_ = State::kQuoted;
          break;
        }
        state_ = State::kUnquoted;
        [[fallthrough]];
      case State::kUnquoted:
        if (c == options_.separator) {
          EndField();
        } else if (!is_line_end) {
          text_.push_back(c);
        }
        break;
      case State::kQuoted:
        if (c == '"') {
          state_ = State::kQuoteInQuoted;
        } else {
          text_.push_back(c);
        }
        break;
      case State::kQuoteInQuoted:
        if (c == '"') {
          text_.push_back('"');
          state_ = State::kQuoted;
        } else if (c == options_.separator) {
          EndField();
        } else if (!is_line_end) {
          return false;
        }
        break;
    }
  }
  return true;
}

void CsvReader::RejectFirstLine(size_t first_line_bytes, std::string why, CsvRecord* record) {
  record->status = Status::InvalidArgument(std::move(why));
  record->fields.clear();
  record->raw = WithoutCarriageReturn(std::string_view(buffer_).substr(begin_, first_line_bytes));
  record->has_line_end = begin_ + first_line_bytes < buffer_.size();
  begin_ += first_line_bytes + (record->has_line_end ? 1 : 0);
  ++line_;
}

void AppendCsvRow(const std::vector<std::string_view>& fields, char separator, std::string* out) {
  const char special[] = {separator, '"', '\r', '\n', '\0'};
  const bool one_empty = fields.size() == 1 && fields[0].empty();  // else it would be an empty line: no record
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out->push_back(separator);
    const std::string_view field = fields[i];
    // A mark at the very start of a file would be read as the byte order mark.
    const bool quote =
        one_empty || field.find_first_of(special) != std::string_view::npos || field.starts_with(kByteOrderMark);
    if (!quote) {
      out->append(field);
      continue;
    }
    out->push_back('"');
    for (const char c : field) {
      if (c == '"') out->push_back('"');
      out->push_back(c);
    }
    out->push_back('"');
  }
  out->push_back('\n');
}

}  // namespace rapport

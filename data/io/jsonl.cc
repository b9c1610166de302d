#include "data/io/jsonl.h"

namespace rapport {

using nlohmann::json;

Status LineReader::Refill() {
  Result<std::string_view> block = source_.Read();
  if (!block.ok()) return block.status();
  if (block->empty()) at_end_ = true;
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(*block);
  return Status::Ok();
}

Result<bool> LineReader::Next(Line* line) {
  while (!started_) {
    if (buffer_.size() < 3 && !at_end_) {
      RAPPORT_RETURN_IF_ERROR(Refill());
      continue;
    }
    if (buffer_.starts_with("\xEF\xBB\xBF")) begin_ = 3;
    started_ = true;
  }
  bool too_long = false;
  while (true) {
    const size_t end = buffer_.find('\n', begin_);
    const bool found = end != std::string::npos;
    const size_t bytes = (found ? end : buffer_.size()) - begin_;
    if (bytes > line_bytes_max_ && !too_long) {
      too_long = true;
      head_.assign(buffer_, begin_, line_bytes_max_);
    }
    if (!found && !at_end_) {
      if (too_long) begin_ = buffer_.size();  // pass over the rest in bounded memory
      RAPPORT_RETURN_IF_ERROR(Refill());
      continue;
    }
    if (!found && bytes == 0 && !too_long) return false;
    std::string_view text = std::string_view(buffer_).substr(begin_, bytes);
    begin_ += bytes + (found ? 1 : 0);
    ++number_;
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (!too_long && text.find_first_not_of(" \t") == std::string_view::npos) continue;
    line->number = number_;
    line->text = too_long ? std::string_view(head_) : text;
    line->status = too_long ? Status::InvalidArgument("is longer than " + std::to_string(line_bytes_max_) +
                                                      " bytes; only its start is kept here")
                            : Status::Ok();
    return true;
  }
}

Result<RowOperations> EventFromLine(JsonParser& parser, std::string_view line, const EventTable& table,
                                    const SegmentDefaults& defaults) {
  const Result<json> object = parser.Parse(line);
  if (!object.ok()) return object.status();
  return SegmentFromJson(*object, table, defaults);
}

Result<RowOperations> ItemFromLine(JsonParser& parser, std::string_view line, const SegmentDefaults& defaults) {
  const Result<json> object = parser.Parse(line);
  if (!object.ok()) return object.status();
  Result<Item> item = ItemFromJson(*object);
  if (!item.ok()) return item.status();
  if (item->updated_at == Timestamp{}) item->updated_at = defaults.now;
  return RowOperations{PutItem{item.Take()}, {}, {}};
}

Result<RowOperations> ProfileFromLine(JsonParser& parser, std::string_view line, const SegmentDefaults& defaults) {
  const Result<json> object = parser.Parse(line);
  if (!object.ok()) return object.status();
  return ProfileFromJson(*object, defaults.now);
}

}  // namespace rapport

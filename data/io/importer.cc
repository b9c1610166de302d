#include "data/io/importer.h"

#include <unordered_map>
#include <vector>

#include "base/crypto.h"
#include "base/parallel.h"
#include "data/io/csv.h"
#include "data/io/import_batch.h"
#include "data/io/jsonl.h"
#include "data/io/occurrences.h"
#include "data/io/row_mapper.h"

namespace rapport {

const char* ImportKindName(ImportKind kind) {
  switch (kind) {
    case ImportKind::kEvents: return "events";
    case ImportKind::kItems: return "items";
    case ImportKind::kProfiles: return "profiles";
  }
  return "unknown";
}

class Importer::Run {
 public:
  Run(OperationSink& sink, const EventTable& table, ImportOptions options, RejectCallback rejects,
      ProgressCallback progress)
      : table_(table),
        options_(std::move(options)),
        batch_(sink, options_.batch_operations, std::move(rejects), std::move(progress)) {}

  Status Csv(ByteSource& source, Mapping& mapping) {
    StartFile(source);
    CsvReader reader(source, {mapping.separator, options_.row_bytes_max});
    CsvRecord record;
    Result<bool> more = reader.Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) return Status::Ok();  // nothing in it
    if (!record.status.ok()) return Status::InvalidArgument(source.name() + ": the header " + record.status.message());
    Result<RowMapper> mapper = RowMapper::Create(mapping, record.fields);
    if (!mapper.ok()) return Status::InvalidArgument(source.name() + ": " + mapper.status().message());
    reader.ExpectFields(record.fields.size());
    while (true) {
      more = reader.Next(&record);
      if (!more.ok()) return FinishFile(more.status());
      if (!*more) return FinishFile(Status::Ok());
      RAPPORT_RETURN_IF_ERROR(CsvRow(record, *mapper));
    }
  }

  Status JsonLines(ByteSource& source, ImportKind kind) {
    StartFile(source);
    LineReader reader(source, options_.row_bytes_max);
    std::vector<JsonLine> lines;
    while (true) {
      const Result<bool> more = ReadLines(reader, lines);
      ParallelFor(lines.size(), kLinesPerTask, 0, [&](size_t begin, size_t end, size_t) {
        JsonParser parser;
        for (size_t i = begin; i < end; ++i) Understand(parser, lines[i], kind);
      });
      for (JsonLine& line : lines) RAPPORT_RETURN_IF_ERROR(JsonRow(line));
      if (!more.ok()) return FinishFile(more.status());
      if (!*more) return FinishFile(Status::Ok());
    }
  }

  const ImportCounts& counts() const { return batch_.counts(); }

 private:
  void StartFile(ByteSource& source) {
    rows_seen_.Clear();  // the n-th occurrence is counted inside one file
    batch_.StartFile(source);
  }

  Status FinishFile(const Status& read) {
    RAPPORT_RETURN_IF_ERROR(batch_.Drain());
    return read;
  }

  // The same row again, in this file or in another run, gives the same names in the same order.
  std::string MessageId(const Hash128& row) {
    const std::string_view bytes(reinterpret_cast<const char*>(row.data()), row.size());
    return ToBase64Url(bytes) + "." + std::to_string(rows_seen_.Count(row));
  }

  // ---- CSV ----

  Status CsvRow(const CsvRecord& record, RowMapper& mapper) {
    const RowPlace place{record.line, record.raw};
    batch_.CountRow();
    if (!record.status.ok()) return batch_.RejectRow(place, record.status);
    if (const Status loaded = mapper.Load(record); !loaded.ok()) return batch_.RejectRow(place, loaded);
    if (!record.has_line_end && !mapper.mapping().accept_unterminated_last_line) {
      return batch_.RejectRow(
          place,
          Status::InvalidArgument("is the last line and has no line end, so the file may have been cut inside it; if "
                                  "it is whole, add a line "
                                  "end and run again, or set \"unterminated_last_line\": \"accept\" in the mapping"));
    }
    if (mapper.mapping().event) return EventRow(place, mapper);
    if (mapper.mapping().item) return ItemRow(place, mapper);
    return ProfileRow(place, mapper);
  }

  Status EventRow(const RowPlace& place, RowMapper& mapper) {
    Result<AppendEvent> event = mapper.Event();
    if (!event.ok()) return batch_.RejectRow(place, event.status());
    event->event.received_at = options_.now;
    if (event->event.message_id.empty()) event->event.message_id = MessageId(mapper.Identity());
    // Before anything is sent beside it: a row that is refused teaches nothing about its customer and its item.
    const Timestamp time = event->event.time;
    Operation row = event.Take();
    if (const Status valid = ValidateOperation(row); !valid.ok()) return batch_.RejectRow(place, valid);
    RAPPORT_RETURN_IF_ERROR(ProfileBeside(place, mapper, time));
    RAPPORT_RETURN_IF_ERROR(ItemBeside(place, mapper, time));
    return batch_.AddRow(place, std::move(row));
  }

  // The first row of each customer in this run tells the profile.
  Status ProfileBeside(const RowPlace& place, RowMapper& mapper, Timestamp time) {
    if (!mapper.DescribesCustomer()) return Status::Ok();
    Result<UpdateProfile> profile = mapper.Profile();
    if (!profile.ok()) return Status::Ok();  // the row itself will say so
    const char space = profile->customer.name_space == CustomerNamespace::kUser ? 'U' : 'A';
    if (customers_seen_.Count(IdentityHash(space + profile->customer.external_id)) > 1) return Status::Ok();
    profile->time = time;
    return batch_.AddPart(place, profile.Take());
  }

  // The first row of each item in this run that describes it tells the item.
  Status ItemBeside(const RowPlace& place, RowMapper& mapper, Timestamp time) {
    if (!mapper.mapping().item || !mapper.DescribesItem()) return Status::Ok();
    if (items_seen_.Count(IdentityHash(mapper.ItemName())) > 1) return Status::Ok();
    Result<Item> item = mapper.ReadItem();
    if (!item.ok()) return batch_.RefusePart(place, "item", item.status());
    item->updated_at = time;
    if (mapper.mapping().item->existing == ExistingItems::kReplace) return batch_.AddPart(place, PutItem{item.Take()});
    return batch_.AddItemIfMissing(place, item.Take());
  }

  Status ItemRow(const RowPlace& place, RowMapper& mapper) {
    Result<Item> item = mapper.ReadItem();
    if (!item.ok()) return batch_.RejectRow(place, item.status());
    item->updated_at = options_.now;
    return batch_.AddRow(place, PutItem{item.Take()});
  }

  Status ProfileRow(const RowPlace& place, RowMapper& mapper) {
    Result<UpdateProfile> profile = mapper.Profile();
    if (!profile.ok()) return batch_.RejectRow(place, profile.status());
    profile->time = options_.now;
    return batch_.AddRow(place, profile.Take());
  }

  // ---- JSON lines ----

  // A line on its way: read, then understood on any thread, then sent in the file's order.
  struct JsonLine {
    uint64_t number = 0;
    std::string text;
    Status status;  // why it is rejected
    RowOperations operations;
    bool has_message_id = true;
  };
  static constexpr size_t kLinesMax = 2048, kLinesBytesMax = 1 << 20, kLinesPerTask = 64;

  // Up to so many; false when these are the last.
  static Result<bool> ReadLines(LineReader& reader, std::vector<JsonLine>& lines) {
    lines.clear();
    size_t bytes = 0;
    Line line;
    while (lines.size() < kLinesMax && bytes < kLinesBytesMax) {
      const Result<bool> more = reader.Next(&line);
      if (!more.ok() || !*more) return more;
      lines.push_back({line.number, std::string(line.text), line.status, {}, true});
      bytes += line.text.size();
    }
    return true;
  }

  void Understand(JsonParser& parser, JsonLine& line, ImportKind kind) const {
    if (!line.status.ok()) return;
    const SegmentDefaults defaults{options_.now, options_.source, RecordKey::kTrusted};
    Result<RowOperations> operations = Status::Internal("no such kind");
    switch (kind) {
      case ImportKind::kEvents: operations = EventFromLine(parser, line.text, table_, defaults); break;
      case ImportKind::kItems: operations = ItemFromLine(parser, line.text, defaults); break;
      case ImportKind::kProfiles: operations = ProfileFromLine(parser, line.text, defaults); break;
    }
    line.status = operations.status();
    if (!operations.ok()) return;
    line.operations = operations.Take();
    const auto* event = std::get_if<AppendEvent>(&line.operations.row);
    line.has_message_id = event == nullptr || !event->event.message_id.empty();
    if (line.has_message_id) line.status = ValidateOperation(line.operations.row);
  }

  Status JsonRow(JsonLine& line) {
    const RowPlace place{line.number, line.text};
    batch_.CountRow();
    if (line.status.ok() && !line.has_message_id) {
      std::get<AppendEvent>(line.operations.row).event.message_id = MessageId(IdentityHash(line.text));
      line.status = ValidateOperation(line.operations.row);
    }
    if (!line.status.ok()) return batch_.RejectRow(place, line.status);
    for (Operation& part : line.operations.before) RAPPORT_RETURN_IF_ERROR(batch_.AddPart(place, std::move(part)));
    std::string* const raw = line.operations.after.empty() ? &line.text : nullptr;
    RAPPORT_RETURN_IF_ERROR(batch_.AddRow(place, std::move(line.operations.row), raw));
    for (Operation& part : line.operations.after) RAPPORT_RETURN_IF_ERROR(batch_.AddPart(place, std::move(part)));
    return Status::Ok();
  }

  const EventTable& table_;
  const ImportOptions options_;
  ImportBatch batch_;
  Occurrences rows_seen_;
  Occurrences customers_seen_;
  Occurrences items_seen_;
};

Importer::Importer(OperationSink& sink, const EventTable& table, ImportOptions options, RejectCallback rejects,
                   ProgressCallback progress)
    : run_(std::make_unique<Run>(sink, table, std::move(options), std::move(rejects), std::move(progress))) {}
Importer::~Importer() = default;

Status Importer::ImportCsv(ByteSource& source, Mapping& mapping) { return run_->Csv(source, mapping); }
Status Importer::ImportJsonLines(ByteSource& source, ImportKind kind) { return run_->JsonLines(source, kind); }
const ImportCounts& Importer::counts() const { return run_->counts(); }

}  // namespace rapport

// `rapport import`: see import.h.
#include "server/commands/import.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/io/importer.h"
#include "data/io/json_text.h"
#include "server/commands/progress.h"
#include "server/endpoints/consent_ledger.h"

namespace rapport {
namespace {

using nlohmann::json;

struct Plan {
  ImportKind kind = ImportKind::kEvents;
  std::optional<Mapping> mapping;
  std::vector<FileFormat> formats;  // per file, no kByName
  std::string rejects;
};

std::optional<ImportKind> KindFromName(const std::string& name) {
  for (const ImportKind kind : {ImportKind::kEvents, ImportKind::kItems, ImportKind::kProfiles}) {
    if (name == ImportKindName(kind)) return kind;
  }
  return std::nullopt;
}

FileFormat FormatOf(const ImportArguments& arguments, const std::string& file) {
  if (arguments.format != FileFormat::kByName) return arguments.format;
  if (file.find(".csv") != std::string::npos) return FileFormat::kCsv;
  for (const char* ending : {".jsonl", ".ndjson", ".json"}) {
    if (file.find(ending) != std::string::npos) return FileFormat::kJsonLines;
  }
  return arguments.mapping.empty() ? FileFormat::kJsonLines : FileFormat::kCsv;
}

std::string DefaultRejects(const std::string& file) {
  const std::string name = file == "-" ? "stdin" : std::filesystem::path(file).filename().string();
  return name + ".rejects.jsonl";
}

ImportKind KindOf(const Mapping& mapping) {
  if (mapping.event) return ImportKind::kEvents;
  return mapping.item ? ImportKind::kItems : ImportKind::kProfiles;
}

// Everything that can be wrong with the command itself is found before the first row is read.
Result<Plan> MakePlan(const ImportArguments& arguments, const EventTable& table) {
  Plan plan;
  const std::optional<ImportKind> kind = KindFromName(arguments.kind);
  if (!kind)
    return Status::InvalidArgument(QuoteForMessage(arguments.kind) +
                                   " cannot be imported; name events, items or profiles");
  plan.kind = *kind;
  if (arguments.files.empty())
    return Status::InvalidArgument("no file is named; name one or more, or - for standard input");
  for (const std::string& file : arguments.files) plan.formats.push_back(FormatOf(arguments, file));
  const bool csv = std::find(plan.formats.begin(), plan.formats.end(), FileFormat::kCsv) != plan.formats.end();
  if (csv && arguments.mapping.empty())
    return Status::InvalidArgument("CSV needs --map FILE: how its columns are read (docs/IMPORT.md)");
  if (!csv && !arguments.mapping.empty())
    return Status::InvalidArgument("--map is for CSV, and no file is one; leave it out or say --csv");
  if (csv) {
    Result<Mapping> mapping = LoadMapping(arguments.mapping, table);
    if (!mapping.ok()) return Status::InvalidArgument("--map " + mapping.status().message());
    if (KindOf(*mapping) != plan.kind) {
      return Status::InvalidArgument(arguments.mapping + " makes " + ImportKindName(KindOf(*mapping)) +
                                     "; run: rapport import " + ImportKindName(KindOf(*mapping)) + " ...");
    }
    plan.mapping.emplace(mapping.Take());
  }
  plan.rejects = arguments.rejects.empty() ? DefaultRejects(arguments.files[0]) : arguments.rejects;
  return plan;
}

// Passes on, and counts the consents by channel: what the shop does not have may be a slip, or be to come.
class ConsentCounter final : public OperationSink {
 public:
  ConsentCounter(OperationSink& next, const ContactSettings& settings) : next_(next), settings_(settings) {}
  Result<std::vector<OperationResult>> ApplyAndWait(std::vector<Operation> operations) override {
    for (const Operation& operation : operations) {
      const auto* record = std::get_if<RecordConsent>(&operation);
      if (record != nullptr && !CheckConsentChannel(record->consent, settings_).ok()) {
        const bool is_told = unknown_.size() < kChannelsTold || unknown_.contains(record->consent.channel);
        ++unknown_[is_told ? record->consent.channel : kOthers];
      }
    }
    return next_.ApplyAndWait(std::move(operations));
  }
  Status MakeDurable() override { return next_.MakeDurable(); }
  bool IsDurable() const override { return next_.IsDurable(); }
  // By a channel that the shop does not have: so many by name, the rest as kOthers, which is no name of a channel.
  const std::map<std::string, uint64_t>& unknown() const { return unknown_; }
  void Tell(std::ostream& err) const {
    for (const auto& [channel, count] : unknown_) {
      err << "rapport import: " << GroupDigits(count) << " consents were kept, but "
          << (channel == kOthers ? "for still other channels that are not there; is the right column mapped?"
                                 : settings_.CheckChannel(channel).message())
          << "\n";
    }
  }

 private:
  static constexpr size_t kChannelsTold = 20;
  static constexpr char kOthers[] = "(others)";
  OperationSink& next_;
  const ContactSettings& settings_;
  std::map<std::string, uint64_t> unknown_;
};

Status ImportFiles(const ImportArguments& arguments, Plan& plan, Importer& importer) {
  for (size_t i = 0; i < arguments.files.size(); ++i) {
    Result<std::unique_ptr<ByteSource>> source = OpenByteSource(arguments.files[i]);
    if (!source.ok()) return source.status();
    RAPPORT_RETURN_IF_ERROR(plan.formats[i] == FileFormat::kCsv ? importer.ImportCsv(**source, *plan.mapping)
                                                                : importer.ImportJsonLines(**source, plan.kind));
  }
  return Status::Ok();
}

// Bytes of all files as stored, for the time that is left; nullopt as soon as one does not tell (standard input).
std::optional<uint64_t> BytesInAll(const std::vector<std::string>& files) {
  uint64_t bytes = 0;
  for (const std::string& file : files) {
    std::error_code error;
    const uint64_t size = file == "-" ? 0 : std::filesystem::file_size(file, error);
    if (file == "-" || error) return std::nullopt;
    bytes += size;
  }
  return bytes;
}

void TellPeople(const ImportArguments& arguments, const ImportCounts& c, const ProgressLine& line, std::ostream& out) {
  out << arguments.kind << ": " << GroupDigits(c.rows_in) << " rows in = " << GroupDigits(c.accepted) << " accepted + "
      << GroupDigits(c.duplicates) << " duplicates + " << GroupDigits(c.rejected) << " rejected";
  if (c.unknown > 0) out << " + " << GroupDigits(c.unknown) << " unknown (sent, not acknowledged)";
  if (c.items_put + c.profiles_updated + c.consents_kept > 0) {
    out << "; " << GroupDigits(c.items_put) << " items, " << GroupDigits(c.profiles_updated) << " profiles and "
        << GroupDigits(c.consents_kept) << " consents beside them";
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f", line.seconds());
  out << "; " << seconds << " s, " << GroupDigits(static_cast<uint64_t>(line.RowsPerSecond(c.rows_in))) << " rows/s\n";
}

void TellMachines(const ImportArguments& arguments, const Plan& plan, const ImportCounts& c, const ProgressLine& line,
                  const ConsentCounter& consents, const Status& status, std::ostream& out) {
  json summary{{"kind", arguments.kind},
               {"files", arguments.files},
               {"rowsIn", c.rows_in},
               {"accepted", c.accepted},
               {"duplicates", c.duplicates},
               {"rejected", c.rejected},
               {"unknown", c.unknown},
               {"itemsPut", c.items_put},
               {"profilesUpdated", c.profiles_updated},
               {"consentsKept", c.consents_kept},
               {"partsRefused", c.parts_refused},
               {"seconds", line.seconds()},
               {"rowsPerSecond", line.RowsPerSecond(c.rows_in)}};
  summary["rejects"] = c.rejected + c.parts_refused > 0 ? json(plan.rejects) : json();
  summary["consentsOfUnknownChannels"] = consents.unknown();
  summary["error"] = status.ok() ? json() : json(status.message());
  out << DumpJson(summary) << "\n";
}

void TellProblems(const Plan& plan, const ImportCounts& c, const Status& status, std::ostream& err) {
  if (c.rejected > 0) {
    err << "rapport import: " << GroupDigits(c.rejected)
        << " rows were rejected; each stands with its line and reason in " << plan.rejects << "\n";
  }
  if (c.parts_refused > 0) {
    err << "rapport import: " << GroupDigits(c.parts_refused)
        << " items or profiles beside accepted rows were refused; see " << plan.rejects << "\n";
  }
  if (!status.ok()) err << "rapport import: " << status.message() << "\n";
}

}  // namespace

int RunImport(const ImportArguments& arguments, const ContactSettings& settings, OperationSink& sink,
              const Clock& clock, std::ostream& out, std::ostream& err) {
  const EventTable table = DefaultEventTable();
  Result<Plan> planned = MakePlan(arguments, table);
  if (!planned.ok()) {
    err << "rapport import: " << planned.status().message() << "\n";
    return 2;
  }
  Plan plan = planned.Take();
  ProgressLine line(arguments.kind, arguments.show_progress, clock, err);
  RejectsFile rejects(plan.rejects);
  ImportOptions options;
  options.source = arguments.source;
  options.now = clock.Now();
  const std::optional<uint64_t> bytes_in_all = BytesInAll(arguments.files);
  uint64_t bytes_of_earlier_files = 0, bytes_of_this_file = 0;
  std::string file;
  const auto progress = [&](const ImportProgress& p) {
    if (p.file != file) {
      bytes_of_earlier_files += bytes_of_this_file;
      file = p.file;
    }
    bytes_of_this_file = p.bytes_done;
    line.Show(p.counts.rows_in, bytes_of_earlier_files + p.bytes_done, bytes_in_all);
  };
  ConsentCounter consents(sink, settings);
  Importer importer(
      consents, table, options, [&](const Reject& reject) { return rejects.Add(reject); }, progress);
  Status status = ImportFiles(arguments, plan, importer);
  if (const Status kept = rejects.Commit(); status.ok()) status = kept;
  line.Clear();
  const ImportCounts& counts = importer.counts();
  if (arguments.json) {
    TellMachines(arguments, plan, counts, line, consents, status, out);
  } else {
    TellPeople(arguments, counts, line, out);
  }
  consents.Tell(err);
  TellProblems(plan, counts, status, err);
  const bool nothing_but_rejects = counts.rows_in > 0 && counts.rejected == counts.rows_in;
  return status.ok() && !nothing_but_rejects ? 0 : 1;
}

}  // namespace rapport

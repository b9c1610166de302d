// `rapport export`: see export.h.
#include "server/commands/export.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/io/exporter.h"
#include "data/io/json_text.h"
#include "server/commands/progress.h"

namespace rapport {
namespace {

using nlohmann::json;

bool IsCsv(const ExportArguments& arguments) {
  if (arguments.format == FileFormat::kByName) return !arguments.mapping.empty();
  return arguments.format == FileFormat::kCsv;
}

// What is wrong with the command itself; the mapping when it needs one.
Result<std::optional<Mapping>> MakePlan(const ExportArguments& arguments) {
  bool known = false;
  for (const char* kind : {"events", "items", "profiles", "decisions", "customer"})
    known = known || arguments.kind == kind;
  if (!known)
    return Status::InvalidArgument(QuoteForMessage(arguments.kind) +
                                   " cannot be exported; name events, items, profiles, decisions or customer ID");
  if (arguments.out.empty())
    return Status::InvalidArgument("--out FILE is missing; name the file to write, or - for standard output");
  if (arguments.json && arguments.out == "-")
    return Status::InvalidArgument("--json and --out - would mix on standard output; name a file");
  if ((arguments.kind == "customer") == arguments.customer.empty()) {
    return Status::InvalidArgument("a customer's id belongs to 'export customer ID', and only there");
  }
  if (!IsCsv(arguments)) {
    if (!arguments.mapping.empty())
      return Status::InvalidArgument("--map is for CSV; leave out --jsonl, or leave out --map");
    return std::optional<Mapping>();
  }
  if (arguments.kind != "events")
    return Status::InvalidArgument("only events have CSV; leave out --csv for JSON lines");
  if (arguments.mapping.empty())
    return Status::InvalidArgument("CSV needs --map FILE: how its columns are written (docs/IMPORT.md)");
  Result<Mapping> mapping = LoadMapping(arguments.mapping, DefaultEventTable());
  if (!mapping.ok()) return Status::InvalidArgument("--map " + mapping.status().message());
  if (!mapping->event)
    return Status::InvalidArgument(arguments.mapping + " has no \"event\", so it cannot write events");
  return std::optional<Mapping>(mapping.Take());
}

Result<ExportCounts> Write(const ExportArguments& arguments, std::optional<Mapping>& mapping, const Store& store,
                           ByteSink& sink, const ExportProgressCallback& progress) {
  if (mapping) return ExportEventsCsv(store, *mapping, sink, progress);
  if (arguments.kind == "events") return ExportEventsJson(store, sink, progress);
  if (arguments.kind == "items") return ExportItems(store, sink, progress);
  if (arguments.kind == "profiles") return ExportProfiles(store, sink, progress);
  if (arguments.kind == "decisions") return ExportDecisions(store, sink, progress);
  const CustomerNamespace space = arguments.anonymous ? CustomerNamespace::kAnonymous : CustomerNamespace::kUser;
  return ExportCustomer(store, {space, arguments.customer}, sink);
}

Result<ExportCounts> WriteFile(const ExportArguments& arguments, std::optional<Mapping>& mapping, const Store& store,
                               const ExportProgressCallback& progress) {
  Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(arguments.out);
  if (!sink.ok()) return sink.status();
  Result<ExportCounts> counts = Write(arguments, mapping, store, **sink, progress);
  if (!counts.ok()) return counts;
  RAPPORT_RETURN_IF_ERROR((*sink)->Commit());
  return counts;
}

void Tell(const ExportArguments& arguments, const ExportCounts& counts, const ProgressLine& line, std::ostream& out) {
  if (arguments.json) {
    const json summary{{"kind", arguments.kind},    {"out", arguments.out},
                       {"rows", counts.rows},       {"skipped", counts.skipped},
                       {"seconds", line.seconds()}, {"rowsPerSecond", line.RowsPerSecond(counts.rows)}};
    out << DumpJson(summary) << "\n";
    return;
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f", line.seconds());
  out << arguments.kind << ": " << GroupDigits(counts.rows) << " rows to " << arguments.out << "; " << seconds << " s, "
      << GroupDigits(static_cast<uint64_t>(line.RowsPerSecond(counts.rows))) << " rows/s\n";
}

}  // namespace

int RunExport(const ExportArguments& arguments, const Store& store, const Clock& clock, std::ostream& out,
              std::ostream& err) {
  Result<std::optional<Mapping>> mapping = MakePlan(arguments);
  if (!mapping.ok()) {
    err << "rapport export: " << mapping.status().message() << "\n";
    return 2;
  }
  ProgressLine line(arguments.kind, arguments.show_progress, clock, err);
  const auto progress = [&](const ExportProgress& p) { line.Show(p.rows, p.rows, p.rows_total); };
  const Result<ExportCounts> counts = WriteFile(arguments, *mapping, store, progress);
  line.Clear();
  if (!counts.ok()) {
    err << "rapport export: " << counts.status().message() << "\n";
    return 1;
  }
  // On standard output the rows themselves stand, so the summary goes where it does not mix with them.
  Tell(arguments, *counts, line, arguments.out == "-" ? err : out);
  if (counts->skipped > 0) {
    err << "rapport export: " << GroupDigits(counts->skipped)
        << " events were left out, because no row of this mapping makes them; --jsonl writes all\n";
  }
  return 0;
}

}  // namespace rapport

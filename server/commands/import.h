// `rapport import`: files or standard input into a store (docs/IMPORT.md).
//
//   rapport import events --data shop --csv --map mappings/online_retail_ii.json year1.csv.xz year2.csv.xz
//   rapport import items --data shop items.jsonl
//   zcat events.jsonl.gz | rapport import events --data shop -
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "base/time.h"
#include "data/operations.h"
#include "engine/contact/contact_settings.h"

namespace rapport {

enum class FileFormat {
  kByName,  // by the first ending that tells: .csv, .jsonl, .ndjson, .json; with a mapping else CSV, without one JSON
            // lines
  kCsv,
  kJsonLines,
};

struct ImportArguments {
  std::string kind = "events";  // events, items, profiles
  FileFormat format = FileFormat::kByName;
  std::string mapping{};             // --map: a JSON file; CSV needs one
  std::vector<std::string> files{};  // "-": standard input
  std::string rejects{};          // --rejects; empty: the first file's name + ".rejects.jsonl", in the working folder
  std::string source = "import";  // --source: name space of message ids of JSON lines that do not say theirs
  bool json = false;              // --json: the summary for machines, on `out`
  bool show_progress = false;     // when `err` is a terminal
};

// `settings`: the shop's, for consents whose channel it does not have: they are kept, and told.
// 0 done (also with rejected rows, unless every row was), 1 failed, 2 wrong use. The summary goes to `out`; `err` says
// what happened, to what, and what to do.
int RunImport(const ImportArguments& arguments, const ContactSettings& settings, OperationSink& sink,
              const Clock& clock, std::ostream& out, std::ostream& err);

}  // namespace rapport

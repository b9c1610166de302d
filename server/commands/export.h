// `rapport export`: what is kept, as files that import reads (docs/IMPORT.md).
//
//   rapport export events --data shop --out events.jsonl.zst
//   rapport export events --data shop --csv --map mappings/online_retail_ii.json --out orders.csv
//   rapport export customer 17850 --data shop --out -
#pragma once

#include <ostream>
#include <string>

#include "base/time.h"
#include "data/store.h"
#include "server/commands/import.h"

namespace rapport {

struct ExportArguments {
  std::string kind = "events";  // events, items, profiles, decisions, customer
  std::string customer{};       // of kind "customer": the id
  bool anonymous = false;       // --anonymous: that id is an anonymous one
  FileFormat format = FileFormat::kByName;
  std::string mapping{};       // --map: CSV needs one, and only events have CSV
  std::string out{};           // --out: a file, packed by its ending (.xz .gz .zst .bz2), or "-"
  bool json = false;           // --json: the summary for machines; not with --out -
  bool show_progress = false;  // when `err` is a terminal
};

// 0 done, 1 failed, 2 wrong use. The file appears under its name only when it is whole.
int RunExport(const ExportArguments& arguments, const Store& store, const Clock& clock, std::ostream& out,
              std::ostream& err);

}  // namespace rapport

// See targets.h.
#include <algorithm>
#include <optional>
#include <string>

#include "data/io/csv.h"
#include "data/io/mapping.h"
#include "data/io/row_mapper.h"
#include "tests/fuzz/targets.h"

namespace rapport::fuzz {

void CsvAndMapping(std::string_view bytes) {
  const size_t zero = std::min(bytes.find('\0'), bytes.size());
  static const EventTable table = DefaultEventTable();
  Result<Mapping> mapping = ParseMapping(bytes.substr(0, zero), table);
  MemorySource source(std::string(bytes.substr(std::min(zero + 1, bytes.size()))), 7);
  CsvReader reader(source);
  CsvRecord record;
  std::optional<RowMapper> rows;
  for (Result<bool> more = reader.Next(&record); more.ok() && *more; more = reader.Next(&record)) {
    if (!record.status.ok() || !mapping.ok()) continue;
    if (!rows) {
      Result<RowMapper> made = RowMapper::Create(*mapping, record.fields);
      if (!made.ok()) return;
      rows.emplace(made.Take());
      continue;
    }
    if (!rows->Load(record).ok()) continue;
    (void)rows->Identity();
    (void)rows->Event();
    if (rows->DescribesItem()) (void)rows->ReadItem();
    if (rows->DescribesCustomer()) (void)rows->Profile();
  }
}

}  // namespace rapport::fuzz

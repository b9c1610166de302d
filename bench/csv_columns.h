// Named columns of a CSV file, packed or not, as text: for programs that judge on public data.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "data/io/byte_source.h"
#include "data/io/csv.h"

namespace rapport {

// One vector per row, in the order of `columns`. kNotFound, kInvalidArgument (a column that is not there, a short row).
inline Result<std::vector<std::vector<std::string>>> ReadCsvColumns(const std::string& path,
                                                                    const std::vector<std::string>& columns) {
  Result<std::unique_ptr<ByteSource>> source = OpenByteSource(path);
  if (!source.ok()) return source.status();
  CsvReader reader(**source);
  CsvRecord record;
  std::vector<size_t> places;
  std::vector<std::vector<std::string>> rows;
  for (;;) {
    const Result<bool> more = reader.Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) return rows;
    if (!record.status.ok()) return record.status;
    if (places.empty()) {
      for (const std::string& column : columns) {
        const auto found = std::find(record.fields.begin(), record.fields.end(), column);
        if (found == record.fields.end()) return Status::InvalidArgument(path + ": there is no column " + column);
        places.push_back(static_cast<size_t>(found - record.fields.begin()));
      }
      continue;
    }
    rows.emplace_back();
    for (size_t place : places) {
      if (place >= record.fields.size()) return Status::InvalidArgument(path + ": a row is too short");
      rows.back().emplace_back(record.fields[place]);
    }
  }
}

}  // namespace rapport

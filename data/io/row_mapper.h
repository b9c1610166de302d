// One CSV row at a time through a Mapping: Load a record, then ask what it says. No JSON tree per row.
//
// Identity of a row: SHA-256 (16 bytes) of its columns in the mapping's order, each as length and bytes, after
// read_as_empty. So neither the order of columns in the file nor another file's word for "nothing" changes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/status.h"
#include "data/io/csv.h"
#include "data/io/mapping.h"
#include "data/operations.h"

namespace rapport {

// One owner, one thread. Views of the loaded record must live as long as it is asked about.
class RowMapper {
 public:
  // kInvalidArgument names the columns that are missing in the header, or that the mapping does not know.
  static Result<RowMapper> Create(Mapping& mapping, const std::vector<std::string_view>& header);

  // kInvalidArgument: not as many fields as the header, or a required one is empty.
  Status Load(const CsvRecord& record);

  // ---- what the loaded row says ----
  Hash128 Identity();
  // Without message id unless the mapping has one. Received_at is the caller's to set.
  Result<AppendEvent> Event();
  // Whether this row describes an item well enough to put it: its conditions hold, and id and title are there.
  bool DescribesItem() const;
  std::string ItemName() const { return mapping_->item->id.Render(values_); }
  Result<Item> ReadItem() const;
  bool DescribesCustomer() const;
  Result<CustomerRef> Customer() const;
  // Time is the caller's to set.
  Result<UpdateProfile> Profile() const;

  const Mapping& mapping() const { return *mapping_; }

 private:
  explicit RowMapper(Mapping& mapping) : mapping_(&mapping) {}
  Result<Decimal> Money(size_t column) const;
  Status ReadLine(AppendEvent* event) const;
  bool ComesBack(size_t column, const AppendEvent& event) const;
  std::string Properties(const AppendEvent& event) const;

  Mapping* mapping_;
  std::vector<size_t> field_of_column_;
  size_t header_fields_ = 0;
  struct Key {
    size_t column;
    std::string text;  // "name":  as JSON
  };
  std::vector<Key> keys_;                 // by name: the order in which DumpJson writes
  std::vector<std::string_view> raw_;     // as in the file
  std::vector<std::string_view> values_;  // empty where read_as_empty says so
  std::string identity_text_;
};

// The inverse, for export: the columns of the row that this event came from. `properties` is the event's own JSON text.
// kFailedPrecondition when no row of this mapping makes this event. Slow path: it maps the row forward again to know.
Result<std::vector<std::string>> RowFromEvent(RowMapper& mapper, const AppendEvent& event);

}  // namespace rapport

// What a page view needs to know of one catalogue version beyond single items, so that nothing walks 20,000 items per
// request: bitmaps of what may stand in a list at all, of what is on show at an instant, of who is addressed, the order
// "latest first", and what changed since the versions before, so that compiled filters follow without a full pass.
//
// Made from the index before it: items are compared by pointer (the catalogue shares what did not change), only changed
// ones are looked at, and parts they do not touch are shared.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "data/catalog.h"
#include "engine/content/bitmap.h"
#include "engine/content/filter_columns.h"

namespace rapport {

// When items are on show: published <= now < expires. Immutable but for its own caches, which are locked.
class ShowTimes {
 public:
  explicit ShowTimes(const Catalog& catalog);

  // Bits of the items on show at `now`; null when no item names a time, that is: all. Kept as long as no item comes or
  // goes, which is nearly always, so that a page view pays a lock.
  std::shared_ptr<const Bitmap> OnShow(Timestamp now) const;
  // Item ids by time of publication, latest first; then those that name none; equal ones by id, largest first.
  const std::vector<uint32_t>& LatestFirst() const;

 private:
  struct Window {
    int64_t from_ms, until_ms;  // bits hold for from <= now < until
    std::shared_ptr<const Bitmap> bits;
  };
  Window Compute(int64_t now_ms) const;

  std::vector<int64_t> published_ms_, expires_ms_;  // by item id
  bool any_time_ = false;
  mutable std::mutex mutex_;
  mutable Window window_{0, 0, nullptr};  // guarded by mutex_; the last one computed
  mutable std::once_flag latest_once_;
  mutable std::vector<uint32_t> latest_;  // written once
};

// Who is addressed: items that name audiences. Immutable.
class AudienceIndex {
 public:
  explicit AudienceIndex(const Catalog& catalog);
  bool empty() const { return by_audience_.empty(); }
  // Takes out of `words` the items that address other audiences only.
  void Restrict(std::span<const std::string> audiences, std::span<uint64_t> words, Bitmap& scratch) const;

 private:
  Bitmap addressed_;  // items with an audience
  std::map<std::string, std::vector<uint32_t>> by_audience_;
};

// Immutable; shared by requests on the same catalogue version.
class CatalogIndex {
 public:
  static constexpr size_t kChangesKept = 32;

  // The line of versions that later ones follow, or a straggler's own: nothing is cached for that.
  enum class Line : uint8_t { kMain, kAside };

  // `before` may be null, or of any other catalogue. `serial` is unique per index. `columns`: of the line; null aside.
  static std::shared_ptr<const CatalogIndex> Make(std::shared_ptr<const Catalog> catalog, const CatalogIndex* before,
                                                  uint64_t serial, Line line, std::shared_ptr<FilterColumns> columns);

  const Catalog& catalog() const { return *catalog_; }
  const std::shared_ptr<const Catalog>& shared_catalog() const { return catalog_; }
  uint64_t serial() const { return serial_; }
  Line line() const { return line_; }
  size_t bits() const { return catalog_->size() + 1; }
  // Catalogued, not hidden, available, in stock: what does not depend on the time or the customer.
  const Bitmap& standing() const { return standing_; }
  // Items there are: neither beyond the end nor nobody's.
  const Bitmap& known() const { return known_; }
  // Of all versions of this line; a straggler has none of its own.
  FilterColumns* columns() const { return columns_.get(); }
  const ShowTimes& times() const { return *times_; }
  const AudienceIndex& audiences() const { return *audiences_; }

  // Items that differ from the index with that serial into `changed` (may repeat); false when that is not known.
  bool ChangedSince(uint64_t serial, std::vector<uint32_t>& changed) const;

 private:
  struct Change {
    uint64_t from_serial, to_serial;
    std::vector<uint32_t> items;
  };
  std::shared_ptr<const Catalog> catalog_;
  uint64_t serial_ = 0;
  Line line_ = Line::kMain;
  Bitmap standing_, known_;
  std::shared_ptr<FilterColumns> columns_;  // locks itself; null aside the main line
  std::shared_ptr<const ShowTimes> times_;
  std::shared_ptr<const AudienceIndex> audiences_;
  std::vector<std::shared_ptr<const Change>> changes_;  // oldest first, at most kChangesKept
};

// The newest index, made on demand. Thread-safe.
class CatalogIndexCache {
 public:
  // `column_bytes_max`: of all columns that filters ask for.
  explicit CatalogIndexCache(size_t column_bytes_max = 16u << 20)
      : columns_(std::make_shared<FilterColumns>(column_bytes_max)) {}
  // For exactly this catalogue. One that is older than the kept one gets an index of its own, which is not kept.
  std::shared_ptr<const CatalogIndex> Get(const std::shared_ptr<const Catalog>& catalog);

 private:
  const std::shared_ptr<FilterColumns> columns_;
  std::mutex build_mutex_;  // one builder at a time; the others wait for what they need anyway
  std::mutex mutex_;
  std::shared_ptr<const CatalogIndex> newest_;  // guarded by mutex_
  uint64_t next_serial_ = 1;                    // guarded by build_mutex_
};

}  // namespace rapport

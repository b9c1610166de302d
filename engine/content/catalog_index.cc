#include "engine/content/catalog_index.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace rapport {

namespace {

constexpr int64_t kAlways = std::numeric_limits<int64_t>::min();
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

bool Standing(const Item* item) {
  return item != nullptr && item->catalogued && !item->hidden && item->available && (!item->stock || *item->stock > 0);
}

bool SameTimes(const Item* a, const Item* b) {
  return a != nullptr && b != nullptr && a->published_at == b->published_at && a->expires_at == b->expires_at;
}

bool SameAudience(const Item* a, const Item* b) {
  static const std::vector<std::string> kNobody;
  return (a == nullptr ? kNobody : a->audience) == (b == nullptr ? kNobody : b->audience);
}

}  // namespace

ShowTimes::ShowTimes(const Catalog& catalog)
    : published_ms_(catalog.size() + 1, kAlways), expires_ms_(catalog.size() + 1, kNever) {
  for (uint64_t id = 1; id <= catalog.size(); ++id) {
    const Item* item = catalog.Get(ItemId{id});
    if (item == nullptr) continue;
    if (item->published_at) published_ms_[id] = item->published_at->ms;
    if (item->expires_at) expires_ms_[id] = item->expires_at->ms;
    any_time_ |= item->published_at.has_value() || item->expires_at.has_value();
  }
}

ShowTimes::Window ShowTimes::Compute(int64_t now_ms) const {
  Window window{kAlways, kNever, nullptr};
  Bitmap bits(WordsFor(published_ms_.size()));
  const auto narrow = [&](int64_t at_ms) {
    if (at_ms <= now_ms) window.from_ms = std::max(window.from_ms, at_ms);
    if (at_ms > now_ms) window.until_ms = std::min(window.until_ms, at_ms);
  };
  for (size_t i = 0; i < published_ms_.size(); ++i) {
    narrow(published_ms_[i]);
    narrow(expires_ms_[i]);
    if (published_ms_[i] <= now_ms && now_ms < expires_ms_[i]) SetBit(bits, i);
  }
  window.bits = std::make_shared<const Bitmap>(std::move(bits));
  return window;
}

std::shared_ptr<const Bitmap> ShowTimes::OnShow(Timestamp now) const {
  if (!any_time_) return nullptr;
  std::lock_guard lock(mutex_);
  if (window_.bits == nullptr || now.ms < window_.from_ms || now.ms >= window_.until_ms) window_ = Compute(now.ms);
  return window_.bits;
}

const std::vector<uint32_t>& ShowTimes::LatestFirst() const {
  std::call_once(latest_once_, [this] {
    latest_.resize(published_ms_.size() - 1);
    std::iota(latest_.begin(), latest_.end(), uint32_t{1});
    std::sort(latest_.begin(), latest_.end(), [this](uint32_t a, uint32_t b) {
      return published_ms_[a] != published_ms_[b] ? published_ms_[a] > published_ms_[b] : a > b;
    });
  });
  return latest_;
}

AudienceIndex::AudienceIndex(const Catalog& catalog) : addressed_(WordsFor(catalog.size() + 1)) {
  for (uint64_t id = 1; id <= catalog.size(); ++id) {
    const Item* item = catalog.Get(ItemId{id});
    if (item == nullptr || item->audience.empty()) continue;
    SetBit(addressed_, id);
    for (const std::string& audience : item->audience) by_audience_[audience].push_back(static_cast<uint32_t>(id));
  }
}

void AudienceIndex::Restrict(std::span<const std::string> audiences, std::span<uint64_t> words, Bitmap& scratch) const {
  if (empty()) return;
  scratch = addressed_;
  for (const std::string& audience : audiences) {
    const auto found = by_audience_.find(audience);
    if (found == by_audience_.end()) continue;
    for (const uint32_t id : found->second) ClearBit(scratch, id);
  }
  // An item beyond addressed_ was put later than these lists were shared from, and has no audience.
  for (size_t w = 0; w < std::min(words.size(), scratch.size()); ++w) words[w] &= ~scratch[w];
}

std::shared_ptr<const CatalogIndex> CatalogIndex::Make(std::shared_ptr<const Catalog> catalog,
                                                       const CatalogIndex* before, uint64_t serial, Line line,
                                                       std::shared_ptr<FilterColumns> columns) {
  auto index = std::make_shared<CatalogIndex>();
  index->catalog_ = std::move(catalog);
  index->serial_ = serial;
  index->line_ = line;
  index->columns_ = std::move(columns);
  const Catalog& now = index->catalog();
  const bool follows = before != nullptr && before->catalog().size() <= now.size();
  if (follows) index->standing_ = before->standing_;
  if (follows) index->known_ = before->known_;
  index->standing_.resize(WordsFor(index->bits()));
  index->known_.resize(index->standing_.size());
  auto change = std::make_shared<Change>();
  bool same_times = follows && before->catalog().size() == now.size(), same_audiences = follows;
  for (uint64_t id = 1; id <= now.size(); ++id) {
    const Item* item = now.Get(ItemId{id});
    const Item* old = follows ? before->catalog().Get(ItemId{id}) : nullptr;
    if (item == old && (item != nullptr || follows)) continue;
    change->items.push_back(static_cast<uint32_t>(id));
    same_times = same_times && SameTimes(item, old);
    same_audiences = same_audiences && SameAudience(item, old);
    if (item != nullptr) {
      SetBit(index->known_, id);
    } else {
      ClearBit(index->known_, id);
    }
    if (Standing(item)) {
      SetBit(index->standing_, id);
    } else {
      ClearBit(index->standing_, id);
    }
  }
  index->times_ = same_times ? before->times_ : std::make_shared<const ShowTimes>(now);
  index->audiences_ = same_audiences ? before->audiences_ : std::make_shared<const AudienceIndex>(now);
  // When much changed, starting over is cheaper than following.
  if (follows && change->items.size() * 4 <= now.size()) {
    const size_t drop = before->changes_.size() >= kChangesKept ? 1 : 0;
    index->changes_.assign(before->changes_.begin() + static_cast<std::ptrdiff_t>(drop), before->changes_.end());
    change->from_serial = before->serial_;
    change->to_serial = serial;
    index->changes_.push_back(std::move(change));
  }
  return index;
}

bool CatalogIndex::ChangedSince(uint64_t serial, std::vector<uint32_t>& changed) const {
  if (serial == serial_) return true;
  const auto first = std::find_if(changes_.begin(), changes_.end(),
                                  [serial](const auto& change) { return change->from_serial == serial; });
  if (first == changes_.end()) return false;
  for (auto change = first; change != changes_.end(); ++change) {
    changed.insert(changed.end(), (*change)->items.begin(), (*change)->items.end());
  }
  return true;
}

std::shared_ptr<const CatalogIndex> CatalogIndexCache::Get(const std::shared_ptr<const Catalog>& catalog) {
  const auto newest = [this] {
    std::lock_guard lock(mutex_);
    return newest_;
  };
  std::shared_ptr<const CatalogIndex> before = newest();
  if (before != nullptr && before->shared_catalog() == catalog) return before;
  std::lock_guard build_lock(build_mutex_);
  before = newest();
  if (before != nullptr && before->shared_catalog() == catalog) return before;
  const bool newer = before == nullptr || catalog->version() >= before->catalog().version();
  const auto line = newer ? CatalogIndex::Line::kMain : CatalogIndex::Line::kAside;
  auto index = CatalogIndex::Make(catalog, before.get(), next_serial_++, line, newer ? columns_ : nullptr);
  if (newer) {
    std::lock_guard lock(mutex_);
    newest_ = index;
  }
  return index;
}

}  // namespace rapport

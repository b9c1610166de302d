#include "engine/customer_view.h"

#include <algorithm>

#include "data/codec.h"
#include "engine/content/attributes.h"

namespace rapport {
namespace {

// Adds the events that were committed since the view was made. False when it has to be read anew, because a whole
// history would no longer be one or a record is not what was written.
bool Add(const std::vector<AppendedEvent>& later, CustomerView& view) {
  for (const AppendedEvent& event : later) {
    if (!view.history.empty() && view.history.back().event >= event.event) continue;  // read after its commit
    const Result<Event> whole = DecodeRecord<Event>(event.record);
    if (!whole.ok() || !DecodeHistory(event.record, event.event, view.history).ok()) return false;
    if (const ItemSet added = ItemSetOf(*whole); !added.empty()) view.items = MergeItemSets(view.items, added);
    ++view.events;
  }
  return view.events <= limits::kHistoryEventsMax && view.history.size() <= limits::kHistoryEventsMax;
}

using View = std::shared_ptr<const CustomerView>;

constexpr size_t kLinesOfAnEvent = 4;  // mostly fewer

// A view of its own with `later` added; null: read it anew.
std::shared_ptr<CustomerView> CopyWith(const std::vector<AppendedEvent>& later, const CustomerView& before) {
  auto view = std::make_shared<CustomerView>();
  view->history.reserve(before.history.size() + kLinesOfAnEvent * later.size());  // copied once
  *view = before;
  return Add(later, *view) ? view : nullptr;
}

// The same, but what is in `before`, which nobody else holds, is taken and not copied: a history of 200 lines is 24 KB.
// A new object all the same: who remembers the old one (RecommendGround) must not take this for it.
std::shared_ptr<CustomerView> MoveWith(const std::vector<AppendedEvent>& later, CustomerView& before) {
  auto view = std::make_shared<CustomerView>(std::move(before));
  std::vector<HistoryEntry>& lines = view->history;
  if (lines.capacity() - lines.size() < later.size()) {
    lines.reserve(lines.size() + lines.size() / 8 + kLinesOfAnEvent * later.size());
  }
  return Add(later, *view) ? view : nullptr;
}

// Whether no request has the view any more. Nobody comes to have it meanwhile: it is handed out under the shard's lock.
// The copy that comes and goes orders what readers did before they let go of it before what is done after this call;
// reading the count does not.
bool IsNobodyElses(const std::shared_ptr<CustomerView>& view) {
  if (view.use_count() != 1) return false;
  (void)std::shared_ptr<CustomerView>(view);
  return true;
}

}  // namespace

CustomerSummary SummaryOf(const CustomerView& view) {
  CustomerSummary summary;
  summary.known = view.root.value != 0;
  summary.identified = summary.known && !view.anonymous;
  summary.personalization = view.personalization;
  summary.time_zone = view.time_zone;
  summary.locale = view.locale;
  summary.country = view.country;
  summary.audiences = view.audiences;
  return summary;
}

CustomerViews::CustomerViews(const Store& store, size_t capacity) : store_(store) {
  for (Shard& shard : shards_) shard.recent = RecentlyUsed<uint64_t, Entry>(std::max<size_t>(1, capacity / kShards));
}

Result<std::shared_ptr<const CustomerView>> CustomerViews::Get(const CustomerRef& ref) {
  const uint64_t failures = store_.read_failures();
  const std::optional<CustomerId> customer = store_.FindCustomer(ref);
  if (!customer && store_.read_failures() != failures) return store_.Health();
  if (!customer) return std::make_shared<const CustomerView>();
  return Get(*customer);
}

Result<std::shared_ptr<const CustomerView>> CustomerViews::Get(CustomerId customer) {
  const uint64_t failures = store_.read_failures();
  const CustomerId root = store_.Root(customer);
  Shard& shard = shards_[root.value % kShards];
  uint64_t applied = 0;
  std::shared_ptr<CustomerView> before;
  std::vector<AppendedEvent> later;
  {
    std::lock_guard lock(shard.mutex);
    if (Entry* found = shard.recent.Find(root.value)) {
      ++shard.hits;
      if (!found->later.empty() && IsNobodyElses(found->view)) {
        found->view = MoveWith(found->later, *found->view);
        found->later.clear();
      }
      if (!found->view) {
        shard.recent.Erase(root.value);
      } else if (found->later.empty()) {
        return View(found->view);
      } else {
        before = found->view;
        later = found->later;
      }
    } else {
      ++shard.misses;
    }
    applied = shard.applied;
  }
  std::shared_ptr<CustomerView> view = before ? CopyWith(later, *before) : nullptr;
  if (!view) {
    Result<std::shared_ptr<CustomerView>> loaded = Read(root);
    if (!loaded.ok()) return loaded.status();
    view = loaded.Take();
  }
  // Links that could not be read look like none: such a view is neither kept nor used.
  if (store_.read_failures() != failures) return store_.Health();
  std::lock_guard lock(shard.mutex);
  if (shard.applied != applied) return View(view);
  if (Entry* entry = shard.recent.Peek(root.value)) {
    if (entry->view == before) {
      entry->view = std::move(view);
      entry->later.clear();
    }
    return View(entry->view);  // another thread's is as new, and one view for all is better than two
  }
  shard.recent.Put(root.value, {view, {}});
  return View(view);
}

Result<std::shared_ptr<const CustomerView>> CustomerViews::Load(CustomerId root) const {
  Result<std::shared_ptr<CustomerView>> view = Read(root);
  if (!view.ok()) return view.status();
  return std::shared_ptr<const CustomerView>(view.Take());
}

Result<std::shared_ptr<CustomerView>> CustomerViews::Read(CustomerId root) const {
  // One snapshot: profile, history and set belong together.
  const std::unique_ptr<Snapshot> snapshot = store_.GetSnapshot();
  auto view = std::make_shared<CustomerView>();
  view->root = root;
  for (const CustomerId member : store_.Members(root, snapshot.get())) {
    const Result<Profile> profile = store_.GetProfile(member, snapshot.get());
    if (!profile.ok()) return profile.status();
    if (profile->personalization == Personalization::kOff) view->personalization = Personalization::kOff;
    // A user's own word before a visitor's, then the first one.
    const bool user = profile->ref.name_space == CustomerNamespace::kUser;
    const bool first_user = user && view->anonymous;
    if (user) view->anonymous = false;
    const auto keep = [&](std::string& mine, const std::string& told) {
      if (!told.empty() && (first_user || mine.empty())) mine = told;
    };
    keep(view->time_zone, profile->time_zone);
    keep(view->locale, profile->locale);
    keep(view->country, profile->country);
    view->audiences.insert(view->audiences.end(), profile->audiences.begin(), profile->audiences.end());
    const std::vector<uint64_t> traits = DescribeCustomer(*profile);
    view->traits.insert(view->traits.end(), traits.begin(), traits.end());
  }
  std::sort(view->traits.begin(), view->traits.end());
  view->traits.erase(std::unique(view->traits.begin(), view->traits.end()), view->traits.end());
  std::sort(view->audiences.begin(), view->audiences.end());
  view->audiences.erase(std::unique(view->audiences.begin(), view->audiences.end()), view->audiences.end());
  Result<std::vector<HistoryEntry>> history =
      store_.ReadHistory(root, limits::kHistoryEventsMax, snapshot.get(), &view->events);
  if (!history.ok()) return history.status();
  view->history = history.Take();
  Result<ItemSet> items = store_.ReadItemSet(root, snapshot.get());
  if (!items.ok()) return items.status();
  view->items = items.Take();
  return view;
}

void CustomerViews::Apply(const StoreChanges& changes) {
  for (const AppendedEvent& event : changes.appended) {
    Shard& shard = shards_[event.root.value % kShards];
    std::lock_guard lock(shard.mutex);
    ++shard.applied;
    Entry* found = shard.recent.Peek(event.root.value);
    if (found == nullptr) continue;
    if (found->later.size() == kLaterMax) {
      shard.recent.Erase(event.root.value);
    } else {
      found->later.push_back(event);
    }
  }
  for (const CustomerId customer : changes.customers) {
    Shard& shard = shards_[customer.value % kShards];
    std::lock_guard lock(shard.mutex);
    ++shard.applied;
    shard.recent.Erase(customer.value);
  }
}

CustomerViews::Counters CustomerViews::counters() const {
  Counters sum;
  for (Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    sum.hits += shard.hits;
    sum.misses += shard.misses;
  }
  return sum;
}

}  // namespace rapport

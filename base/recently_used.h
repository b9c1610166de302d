// What caches have in common: values by key, bounded by how many there are and by what they weigh, of which the one
// that was used least recently goes first. "Recently" is the order of calls: there is no clock here.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <list>
#include <unordered_set>
#include <utility>

namespace rapport {

// Neither locks nor allocates beyond its entries: its owner does what locking there is to do. Every call takes constant
// time, on average. REQUIRES a Key that can be hashed and compared.
template <typename Key, typename Value>
class RecentlyUsed {
 public:
  static constexpr size_t kUnbounded = std::numeric_limits<size_t>::max();

  RecentlyUsed() : RecentlyUsed(0) {}  // keeps nothing
  // `bytes_max` is of what Put is told.
  explicit RecentlyUsed(size_t entries_max, size_t bytes_max = kUnbounded)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}
  RecentlyUsed(RecentlyUsed&&) noexcept = default;
  RecentlyUsed& operator=(RecentlyUsed&&) noexcept = default;

  // Null: there is none; else the newest use from now on. What is pointed to stands until the next Put or Erase.
  Value* Find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, *found);
    return &(*found)->value;
  }
  // The same, without using it.
  Value* Peek(const Key& key) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &(*found)->value;
  }
  // In place of what was there, and as the newest use; others go until both bounds hold. What is over a bound by itself
  // is not kept, and nothing goes for it but what was there: false.
  bool Put(Key key, Value value, size_t bytes = 0) {
    Erase(key);
    if (entries_max_ == 0 || bytes > bytes_max_) return false;
    while (recent_.size() >= entries_max_ || bytes_ > bytes_max_ - bytes) Erase(std::prev(recent_.end()));
    recent_.push_front({std::move(key), std::move(value), bytes});
    by_key_.insert(recent_.begin());
    bytes_ += bytes;
    return true;
  }
  void Erase(const Key& key) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) Erase(*found);
  }
  size_t entries() const { return recent_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Key key;
    Value value;
    size_t bytes;
  };
  using Place = typename std::list<Entry>::iterator;
  // Entries are looked up by their own keys: no key is kept twice.
  static const Key& KeyOf(const Key& key) { return key; }
  static const Key& KeyOf(const Place& place) { return place->key; }
  struct HashOfKey {
    using is_transparent = void;
    template <typename Named>
    size_t operator()(const Named& named) const {
      return std::hash<Key>()(KeyOf(named));
    }
  };
  struct SameKey {
    using is_transparent = void;
    template <typename Left, typename Right>
    bool operator()(const Left& left, const Right& right) const {
      return KeyOf(left) == KeyOf(right);
    }
  };
  void Erase(Place place) {
    bytes_ -= place->bytes;
    by_key_.erase(place);
    recent_.erase(place);
  }

  size_t entries_max_, bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> recent_;  // newest use first
  std::unordered_set<Place, HashOfKey, SameKey> by_key_;
};

}  // namespace rapport

// One answer while it is being made: candidates are offered best first, stage by stage, and only what passes the
// eligibility check on the live item row, is not there yet, and is the first variant of its product, is taken.
//
// Scores stay comparable within the answer: a later stage is scaled so that its best stands no higher than the last
// item taken before it. Pinned items carry score 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/content/eligibility.h"
#include "engine/content/impression.h"
#include "engine/requests.h"

namespace rapport {

enum class LiveCheck : uint8_t { kOn, kOff /* tests only: engine/content/recommender_seam.h */ };
enum class OnePer : uint8_t { kProduct, kItem /* also several variants of one product */ };

// Numbers above 0 that were taken: open addressing, at most half full. One owner, one thread.
class TakenSet {
 public:
  // False: it is there already.
  bool Insert(uint64_t number) {
    if (2 * (size_ + 1) > slots_.size()) Grow();
    uint64_t& slot = SlotOf(number);
    if (slot == number) return false;
    slot = number;
    ++size_;
    return true;
  }

 private:
  uint64_t& SlotOf(uint64_t number) {
    const size_t mask = slots_.size() - 1;
    size_t at = (number * 0x9e3779b97f4a7c15u) >> 32 & mask;
    while (slots_[at] != 0 && slots_[at] != number) at = (at + 1) & mask;
    return slots_[at];
  }
  void Grow() {
    std::vector<uint64_t> before(std::max<size_t>(64, 2 * slots_.size()));
    before.swap(slots_);
    for (const uint64_t number : before) {
      if (number != 0) SlotOf(number) = number;
    }
  }
  std::vector<uint64_t> slots_;  // a power of two; 0: free
  size_t size_ = 0;
};

// One owner, one thread, one request.
class Answer {
 public:
  struct Size {
    size_t want = 0;    // items on the page, at most
    size_t gather = 0;  // candidates taken at most, pins among them; more than `want` where a choice among them follows
  };
  struct Pick {
    const Item* item = nullptr;
    float score = 0;
    Level level = Level::kStatic;
    Origin origin = Origin::kLatest;
    float propensity = 1;
    bool explored = false;
  };

  // `rules` and `catalog` must outlive it. REQUIRES size.gather >= size.want.
  Answer(const Catalog& catalog, const ShowRules& rules, Size size, LiveCheck live_check,
         OnePer one_per = OnePer::kProduct);

  // Products shown on earlier pages: neither they nor variants of them come again.
  void Reserve(std::span<const ItemId> shown);
  // Takes the pinned items that may be shown, the first of those that contend.
  void Pin(const std::vector<rapport::Pin>& pins);

  bool full() const { return picks_.size() + pinned_.size() >= size_.gather; }
  size_t missing() const { return full() ? 0 : size_.gather - picks_.size() - pinned_.size(); }
  void BeginStage(Level level, Origin origin);
  // Says which of `count` items may be offered next, best first, so that their memory is asked for before it is read.
  template <typename IdAt>
  void Expect(size_t count, IdAt id_at) const {
    for (size_t i = 0; i < std::min(count, missing()); ++i) AskFor(catalog_.Get(id_at(i)));
  }
  // Nothing when full. REQUIRES offers of a stage in descending order of score.
  void Offer(ItemId item, float score);
  // The same checks for an item that no stage ranks, also when full; nullopt: it may not be shown, or is there already.
  std::optional<Pick> Extra(ItemId item);

  // What was taken beside the pins, best first.
  std::span<const Pick> picks() const { return picks_; }
  // One entry per slot of the page: whether a pin stands there. Depends on how many items there are, not on which.
  std::vector<bool> PinnedSlots() const;
  // The page: pins in their slots, `chosen` in the others, in order. Tokens are still to be signed.
  // REQUIRES as many as PinnedSlots has entries without a pin.
  RecommendResponse Finish(std::span<const Pick> chosen) const;
  // The same with the best picks.
  RecommendResponse Finish() const;

 private:
  struct PinnedPick {
    const Item* item;
    size_t position;
  };
  static void AskFor(const Item* item) {
    const auto* const bytes = reinterpret_cast<const char*>(item);
    for (size_t at = 0; item != nullptr && at < sizeof(Item); at += 64) __builtin_prefetch(bytes + at);
  }
  bool Admit(const Item* item);

  const Catalog& catalog_;
  const ShowRules& rules_;
  const Size size_;
  const LiveCheck live_check_;
  const OnePer one_per_;
  TakenSet taken_;  // variant groups, or item ids
  std::vector<Pick> picks_;
  std::vector<PinnedPick> pinned_;  // ascending by position
  Level level_ = Level::kStatic;
  Origin origin_ = Origin::kLatest;
  float scale_ = 1;
  bool stage_started_ = false;
};

// Recommendation id and impressions. `cursor.shown` holds what earlier pages showed.
void SignAnswer(const SecretKey& key, Cursor cursor, RecommendResponse& response);

}  // namespace rapport

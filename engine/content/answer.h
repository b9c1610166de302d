// One answer while it is being made: candidates are offered best first, stage by stage, and only what passes the
// eligibility check on the live item row, is not there yet, and is the first variant of its product, is taken.
//
// Scores stay comparable within the answer: a later stage is scaled so that its best stands no higher than the last
// item taken before it. Pinned items carry score 0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/content/eligibility.h"
#include "engine/content/impression.h"
#include "engine/requests.h"

namespace rapport {

enum class LiveCheck : uint8_t { kOn, kOff /* tests only: engine/content/recommender_seam.h */ };

// One owner, one thread, one request.
class Answer {
 public:
  // `rules` and `catalog` must outlive it. At most `want` items.
  Answer(const Catalog& catalog, const ShowRules& rules, size_t want, LiveCheck live_check);

  // Products shown on earlier pages: neither they nor variants of them come again.
  void Reserve(std::span<const ItemId> shown);
  // Takes the pinned items that may be shown, the first of those that contend.
  void Pin(const std::vector<rapport::Pin>& pins);

  bool full() const { return picks_.size() + pinned_.size() >= want_; }
  size_t missing() const { return full() ? 0 : want_ - picks_.size() - pinned_.size(); }
  void BeginStage(Level level, Origin origin);
  // Nothing when full. REQUIRES offers of a stage in descending order of score.
  void Offer(ItemId item, float score);

  // Items in their slots, with level; recommendation id and impressions signed. `cursor.shown` holds what earlier
  // pages showed.
  RecommendResponse Finish(const SecretKey& key, Cursor cursor) const;

 private:
  struct Pick {
    const Item* item;
    float score;
    Level level;
    Origin origin;
  };
  struct PinnedPick {
    const Item* item;
    size_t position;
  };
  bool Admit(const Item* item);

  const Catalog& catalog_;
  const ShowRules& rules_;
  const size_t want_;
  const LiveCheck live_check_;
  std::unordered_set<uint64_t> taken_groups_;
  std::vector<Pick> picks_;
  std::vector<PinnedPick> pinned_;  // ascending by position
  Level level_ = Level::kStatic;
  Origin origin_ = Origin::kLatest;
  float scale_ = 1;
  bool stage_started_ = false;
};

}  // namespace rapport

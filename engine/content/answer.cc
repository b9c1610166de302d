#include "engine/content/answer.h"

#include <algorithm>

namespace rapport {

Answer::Answer(const Catalog& catalog, const ShowRules& rules, size_t want, LiveCheck live_check)
    : catalog_(catalog), rules_(rules), want_(want), live_check_(live_check) {
  picks_.reserve(want);
}

void Answer::Reserve(std::span<const ItemId> shown) {
  for (const ItemId item : shown) {
    const uint64_t group = catalog_.VariantGroup(item);
    if (group != 0) taken_groups_.insert(group);
  }
}

bool Answer::Admit(const Item* item) {
  if (item == nullptr) return false;
  if (live_check_ == LiveCheck::kOn && CheckEligibility(catalog_, item, rules_) != Refusal::kNone) return false;
  return taken_groups_.insert(catalog_.VariantGroup(item->id)).second;
}

void Answer::Pin(const std::vector<rapport::Pin>& pins) {
  std::vector<const rapport::Pin*> by_position;
  for (const rapport::Pin& pin : pins) by_position.push_back(&pin);
  std::stable_sort(by_position.begin(), by_position.end(),
                   [](const rapport::Pin* a, const rapport::Pin* b) { return a->position < b->position; });
  for (const rapport::Pin* pin : by_position) {
    if (full() || pin->position > want_) break;
    const Item* item = catalog_.Find(pin->item);
    if (Admit(item)) pinned_.push_back({item, pin->position});
  }
}

void Answer::BeginStage(Level level, Origin origin) {
  level_ = level;
  origin_ = origin;
  stage_started_ = false;
}

void Answer::Offer(ItemId id, float score) {
  if (full()) return;
  const Item* item = catalog_.Get(id);
  if (!Admit(item)) return;
  if (!stage_started_) {
    stage_started_ = true;
    const float ceiling = picks_.empty() ? score : picks_.back().score;
    scale_ = score > 0 ? std::min(1.0f, ceiling / score) : (picks_.empty() ? 1.0f : 0.0f);
  }
  const float scaled = score * scale_;
  picks_.push_back(
      {item, picks_.empty() ? scaled : std::min(scaled, picks_.back().score), level_, origin_});  // rounding
}

RecommendResponse Answer::Finish(const SecretKey& key, Cursor cursor) const {
  RecommendResponse response;
  response.generation = cursor.generation;
  auto pin = pinned_.begin();
  auto pick = picks_.begin();
  while (pin != pinned_.end() || pick != picks_.end()) {
    const size_t slot = response.items.size() + 1;
    RecommendedItem& shown = response.items.emplace_back();
    const bool pinned = pin != pinned_.end() && (pin->position <= slot || pick == picks_.end());
    const Item& item = pinned ? *pin->item : *pick->item;
    shown.item = item.id;
    shown.external_id = item.external_id;
    shown.pinned = pinned;
    shown.origin = pinned ? Origin::kPinned : pick->origin;
    if (!pinned) {
      shown.score = pick->score;
      shown.level = pick->level;
      response.level = std::min(response.level, pick->level);  // the enum is ordered best first
    }
    pinned ? static_cast<void>(++pin) : static_cast<void>(++pick);
    cursor.shown.push_back(item.id);
  }
  std::sort(cursor.shown.begin(), cursor.shown.end());
  cursor.shown.erase(std::unique(cursor.shown.begin(), cursor.shown.end()), cursor.shown.end());
  const SignedCursor signed_cursor = SignCursor(key, cursor);
  response.recommendation_id = signed_cursor.token;
  uint32_t slot = 0;
  for (RecommendedItem& shown : response.items) {
    shown.impression = SignImpression(key, {signed_cursor.short_id, shown.item, ++slot, 1.0f, cursor.time});
  }
  return response;
}

}  // namespace rapport

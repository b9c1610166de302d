#include "engine/content/answer.h"

#include <algorithm>

namespace rapport {

Answer::Answer(const Catalog& catalog, const ShowRules& rules, Size size, LiveCheck live_check, OnePer one_per)
    : catalog_(catalog), rules_(rules), size_(size), live_check_(live_check), one_per_(one_per) {
  picks_.reserve(size.gather);
}

void Answer::Reserve(std::span<const ItemId> shown) {
  for (const ItemId item : shown) {
    const uint64_t group = catalog_.VariantGroup(item);
    if (group != 0) taken_.Insert(group);
  }
}

bool Answer::Admit(const Item* item) {
  if (item == nullptr) return false;
  if (live_check_ == LiveCheck::kOn && CheckEligibility(catalog_, item, rules_) != Refusal::kNone) return false;
  return taken_.Insert(one_per_ == OnePer::kItem ? item->id.value : catalog_.VariantGroup(item->id));
}

void Answer::Pin(const std::vector<rapport::Pin>& pins) {
  std::vector<const rapport::Pin*> by_position;
  for (const rapport::Pin& pin : pins) by_position.push_back(&pin);
  std::stable_sort(by_position.begin(), by_position.end(),
                   [](const rapport::Pin* a, const rapport::Pin* b) { return a->position < b->position; });
  for (const rapport::Pin* pin : by_position) {
    if (pinned_.size() >= size_.want || pin->position > size_.want) break;
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

std::optional<Answer::Pick> Answer::Extra(ItemId id) {
  const Item* item = catalog_.Get(id);
  if (!Admit(item)) return std::nullopt;
  return Pick{item, 0, Level::kStatic};
}

std::vector<bool> Answer::PinnedSlots() const {
  const size_t length = std::min(size_.want, picks_.size() + pinned_.size());
  size_t picks_left = length - pinned_.size();
  std::vector<bool> slots;
  auto pin = pinned_.begin();
  while (slots.size() < length) {
    const bool pinned = pin != pinned_.end() && (pin->position <= slots.size() + 1 || picks_left == 0);
    pinned ? static_cast<void>(++pin) : static_cast<void>(--picks_left);
    slots.push_back(pinned);
  }
  return slots;
}

RecommendResponse Answer::Finish(std::span<const Pick> chosen) const {
  RecommendResponse response;
  auto pin = pinned_.begin();
  auto pick = chosen.begin();
  for (const bool pinned : PinnedSlots()) {
    RecommendedItem& shown = response.items.emplace_back();
    const Item& item = pinned ? *pin->item : *pick->item;
    shown.item = item.id;
    shown.external_id = item.external_id;
    shown.pinned = pinned;
    shown.origin = pinned ? Origin::kPinned : pick->origin;
    if (pinned) {
      ++pin;
      continue;
    }
    shown.score = pick->score;
    shown.level = pick->level;
    shown.propensity = pick->propensity;
    shown.explored = pick->explored;
    response.level = std::min(response.level, pick->level);  // the enum is ordered best first
    ++pick;
  }
  return response;
}

RecommendResponse Answer::Finish() const {
  return Finish(std::span(picks_).first(std::min(picks_.size(), size_.want - pinned_.size())));
}

void SignAnswer(const SecretKey& key, Cursor cursor, RecommendResponse& response) {
  response.generation = cursor.generation;
  for (const RecommendedItem& shown : response.items) cursor.shown.push_back(shown.item);
  std::sort(cursor.shown.begin(), cursor.shown.end());
  cursor.shown.erase(std::unique(cursor.shown.begin(), cursor.shown.end()), cursor.shown.end());
  const SignedCursor signed_cursor = SignCursor(key, cursor);
  response.recommendation_id = signed_cursor.token;
  uint32_t slot = 0;
  for (RecommendedItem& shown : response.items) {
    shown.impression = SignImpression(key, {signed_cursor.short_id, shown.item, ++slot, shown.propensity, cursor.time});
  }
}

}  // namespace rapport

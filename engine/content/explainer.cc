#include "engine/content/explainer.h"

#include <algorithm>
#include <cmath>

#include "models/fold_in_shares.h"
#include "models/stack_shares.h"

namespace rapport {
namespace {

// One thing that speaks for an item.
struct Part {
  Because because;
  ItemId item;  // 0: none
  double amount;
  bool deed = false;  // `because` is what the customer did with the item: looked up for the few that are told
};

bool MayName(const Item* item, std::span<const std::string> audiences) {
  if (item == nullptr || !item->catalogued || item->hidden) return false;
  if (item->audience.empty()) return true;
  return std::any_of(item->audience.begin(), item->audience.end(), [&](const std::string& audience) {
    return std::find(audiences.begin(), audiences.end(), audience) != audiences.end();
  });
}

// What the customer did with the item that says most; of equals the newest.
Because StrongestDeed(std::span<const HistoryEntry> history, const EventWeights& weights, ItemId item) {
  double most = 0;
  Because because = Because::kOther;
  for (const HistoryEntry& line : history) {
    if (line.item != item) continue;
    const double weight = weights.LineWeight(line.type, line.quantity, line.value, line.name);
    if (weight < most || weight <= 0) continue;
    most = weight;
    switch (line.type) {
      case EventType::kOrdered: because = Because::kOrdered; break;
      case EventType::kAdded: because = Because::kAdded; break;
      case EventType::kViewed: because = Because::kViewed; break;
      case EventType::kClicked: because = Because::kClicked; break;
      case EventType::kRated: because = Because::kRated; break;
      default: because = Because::kOther; break;
    }
  }
  return because;
}

// One answer's reasons in the making.
class Explainer {
 public:
  Explainer(const Question& question, const EventWeights& weights, RankScratch& scratch, RecommendResponse& response)
      : question_(question), weights_(weights), scratch_(scratch), response_(response) {
    parts_.resize(response.items.size());
  }

  // What the history and the boards add, for items of one origin.
  void Blend(Origin origin, const StackPlan& plan);
  void Newcomers();
  void Factors(const RepeatBlend& repeats);
  void HistoryNeighbours();
  void Seeds(Origin origin);
  void Rest();
  void Write();

 private:
  // Slots of items with this origin, and their rows in the model.
  bool Select(Origin origin) {
    slots_.clear();
    rows_.clear();
    for (size_t slot = 0; slot < response_.items.size(); ++slot) {
      const RecommendedItem& shown = response_.items[slot];
      const uint32_t row = question_.models->RowOf(shown.item);
      if (shown.origin != origin || row == kNoRow) continue;
      slots_.push_back(slot);
      rows_.push_back(row);
    }
    return !slots_.empty() && question_.model() != nullptr;
  }
  void Add(size_t slot, Because because, ItemId item, double amount) {
    if (amount > 0 && std::isfinite(amount)) parts_[slot].push_back({because, item, amount});
  }
  void AddDeed(size_t slot, ItemId item, double amount) {
    if (amount > 0 && std::isfinite(amount)) parts_[slot].push_back({Because::kOther, item, amount, true});
  }
  ItemId ItemOf(uint32_t row) const { return ItemId{question_.model()->item_ids[row]}; }

  const Question& question_;
  const EventWeights& weights_;
  RankScratch& scratch_;
  RecommendResponse& response_;
  std::vector<std::vector<Part>> parts_;  // by slot
  std::vector<size_t> slots_;
  std::vector<uint32_t> rows_;
};

void Explainer::Blend(Origin origin, const StackPlan& plan) {
  if (!Select(origin) || plan.theta == nullptr) return;
  const std::vector<SignalLine> lines(plan.asked.lines.begin(), plan.asked.lines.end());
  StackQuestion asked = plan.asked;
  asked.lines = lines;
  const StackShares shares = ShareStack(*question_.model(), *plan.theta, asked, rows_, scratch_.stack);
  for (size_t t = 0; t < slots_.size(); ++t) {
    for (size_t i = 0; i < shares.history.size(); ++i) {
      AddDeed(slots_[t], ItemOf(shares.history[i]), shares.DropsOf(t)[i]);
    }
    double popular = 0, recent = 0;
    for (size_t s = 0; s < kStackSources; ++s) {
      const auto source = static_cast<StackSource>(s);
      const bool long_term = source == StackSource::kPopular || source == StackSource::kTraits;
      (long_term ? popular : recent) += shares.boards[t * kStackSources + s];
    }
    Add(slots_[t], Because::kPopular, {}, popular);
    Add(slots_[t], Because::kRecent, {}, recent);
  }
}

// What the model has no row for speaks through its attributes: the history's items that are its kin, by weight and
// likeness.
void Explainer::Newcomers() {
  if (question_.newcomers == nullptr || question_.model() == nullptr) return;
  const std::vector<uint64_t>& ids = question_.newcomers->item_ids;
  SumTaste(question_.history, weights_, question_.model()->history_half_life_days, question_.as_of(), scratch_.items);
  if (!MapToRows(*question_.models, scratch_.items, scratch_)) return;
  for (size_t slot = 0; slot < response_.items.size(); ++slot) {
    const RecommendedItem& shown = response_.items[slot];
    const auto at = std::lower_bound(ids.begin(), ids.end(), shown.item.value);
    if (shown.origin != Origin::kBlend || at == ids.end() || *at != shown.item.value) continue;
    for (const Neighbour& kin : question_.newcomers->kin[static_cast<size_t>(at - ids.begin())]) {
      const auto row = std::find(scratch_.rows.begin(), scratch_.rows.end(), kin.item);
      if (row == scratch_.rows.end()) continue;
      AddDeed(slot, ItemOf(kin.item),
              double{scratch_.weights[static_cast<size_t>(row - scratch_.rows.begin())]} * kin.score);
    }
  }
}

void Explainer::Factors(const RepeatBlend& repeats) {
  if (!Select(Origin::kFactors)) return;
  const ContentModel& model = *question_.model();
  const Timestamp now = question_.as_of();
  SumTaste(question_.history, weights_, model.history_half_life_days, now, scratch_.items);
  if (!MapToRows(*question_.models, scratch_.items, scratch_) || !FoldInRows(model, scratch_)) return;
  PickBitsOf(question_.allowed, question_.models->has_row, model.rows(), scratch_.allowed_rows);
  const float highest = HighestByFactors(model, question_.part.get(), scratch_);
  const double spread = highest > 0 ? highest : 1.0;
  const FoldInShares shares = ShareFoldIn(model.als, scratch_.rows, scratch_.weights, rows_);
  const size_t n = scratch_.rows.size();
  std::vector<WeightedItem> again;
  if (repeats.weight > 0) SumRepeats(question_.history, repeats.half_life_days, now, again);
  double most = 0;
  for (const WeightedItem& repeat : again) most = std::max(most, repeat.weight);
  for (size_t t = 0; t < slots_.size(); ++t) {
    std::vector<double> amounts(n);
    for (size_t i = 0; i < n; ++i) amounts[i] = shares.removal[t * n + i] / spread;
    for (const WeightedItem& repeat : again) {
      if (repeat.item != response_.items[slots_[t]].item) continue;
      const double amount = repeats.weight * repeat.weight / most;
      const auto at = std::find(scratch_.rows.begin(), scratch_.rows.end(), rows_[t]);
      if (at == scratch_.rows.end()) {
        AddDeed(slots_[t], repeat.item, amount);
      } else {
        amounts[static_cast<size_t>(at - scratch_.rows.begin())] += amount;
      }
    }
    for (size_t i = 0; i < n; ++i) AddDeed(slots_[t], ItemOf(scratch_.rows[i]), amounts[i]);
  }
}

void Explainer::HistoryNeighbours() {
  if (!Select(Origin::kHistorySimilar)) return;
  const ContentModel& model = *question_.model();
  SumTaste(question_.history, weights_, model.history_half_life_days, question_.as_of(), scratch_.items);
  if (!MapToRows(*question_.models, scratch_.items, scratch_)) return;
  for (size_t i = 0; i < scratch_.rows.size(); ++i) {
    for (const Neighbour& neighbour : model.similar.Of(scratch_.rows[i])) {
      for (size_t t = 0; t < slots_.size(); ++t) {
        if (rows_[t] != neighbour.item) continue;
        AddDeed(slots_[t], ItemOf(scratch_.rows[i]), double{scratch_.weights[i]} * neighbour.score);
      }
    }
  }
}

void Explainer::Seeds(Origin origin) {
  if (!Select(origin)) return;
  const bool bought = origin == Origin::kSeedsBought;
  const NeighbourLists& lists = bought ? question_.model()->bought_together : question_.model()->similar;
  for (const Item* seed : question_.seeds) {
    const uint32_t row = question_.models->RowOf(seed->id);
    if (row == kNoRow) continue;
    for (const Neighbour& neighbour : lists.Of(row)) {
      for (size_t t = 0; t < slots_.size(); ++t) {
        if (rows_[t] != neighbour.item) continue;
        Add(slots_[t], bought ? Because::kBoughtWith : Because::kSimilarTo, seed->id, neighbour.score);
      }
    }
  }
}

// Stages that need no numbers.
void Explainer::Rest() {
  for (size_t slot = 0; slot < response_.items.size(); ++slot) {
    if (response_.items[slot].explored) {
      parts_[slot] = {{Because::kExplored, {}, 1}};
      continue;
    }
    switch (response_.items[slot].origin) {
      case Origin::kPinned: Add(slot, Because::kPinned, {}, 1); break;
      case Origin::kRepeats: AddDeed(slot, response_.items[slot].item, 1); break;
      case Origin::kCategory: Add(slot, Because::kCategory, {}, 1); break;
      case Origin::kPopular: Add(slot, Because::kPopular, {}, 1); break;
      case Origin::kTrending: Add(slot, Because::kTrending, {}, 1); break;
      case Origin::kConfigured: Add(slot, Because::kConfigured, {}, 1); break;
      case Origin::kLatest: Add(slot, Because::kNew, {}, 1); break;
      case Origin::kSeedsKin:
        for (const Item* seed : question_.seeds) Add(slot, Because::kSimilarTo, seed->id, 1);
        break;
      case Origin::kBlend:
      case Origin::kCold:
      case Origin::kFactors:
      case Origin::kSeedsBought:
      case Origin::kSeedsSimilar:
      case Origin::kHistorySimilar: break;
    }
  }
}

void Explainer::Write() {
  const Catalog& catalog = question_.index->catalog();
  for (size_t slot = 0; slot < parts_.size(); ++slot) {
    std::vector<Part>& parts = parts_[slot];
    std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.amount > b.amount; });
    double sum = 0;
    for (const Part& part : parts) sum += part.amount;
    std::vector<Reason>& reasons = response_.items[slot].reasons;
    for (size_t i = 0; i < std::min(kReasonsMax, parts.size()); ++i) {
      Reason& reason = reasons.emplace_back();
      reason.because = parts[i].deed ? StrongestDeed(question_.history, weights_, parts[i].item) : parts[i].because;
      reason.share = static_cast<float>(parts[i].amount / sum);
      const Item* item = parts[i].item.value == 0 ? nullptr : catalog.Get(parts[i].item);
      if (!MayName(item, question_.rules.audiences)) continue;
      reason.item = item->external_id;
      reason.title = item->title;
    }
    if (reasons.empty()) reasons.push_back({Because::kModel, "", "", 1.0f});
  }
}

}  // namespace

void ExplainAnswer(const Question& question, const EventWeights& weights, const RepeatBlend& repeats,
                   RankScratch& scratch, RecommendResponse& response) {
  Explainer explainer(question, weights, scratch, response);
  explainer.Blend(Origin::kBlend, PlanBlend(question, weights, scratch));
  explainer.Blend(Origin::kCold, PlanCold(question, scratch));
  explainer.Newcomers();
  explainer.Factors(repeats);
  explainer.HistoryNeighbours();
  explainer.Seeds(Origin::kSeedsBought);
  explainer.Seeds(Origin::kSeedsSimilar);
  explainer.Rest();
  explainer.Write();
}

}  // namespace rapport

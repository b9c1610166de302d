#include "engine/content/page.h"

#include <algorithm>

#include "engine/content/diversity.h"
#include "engine/content/exploration.h"

namespace rapport {

namespace {

using Picks = std::vector<Answer::Pick>;

// Whether the model in service has learned from the item.
bool HasHistory(const Question& question, ItemId item) {
  return question.model() != nullptr && question.models->RowOf(item) != kNoRow;
}

// The first `fixed` of the page come first, the others keep their ranking.
Picks Diversify(const Question& question, std::span<const Answer::Pick> picks, double diversity, size_t fixed) {
  std::vector<const Item*> items;
  std::vector<float> scores;
  for (const Answer::Pick& pick : picks) {
    items.push_back(pick.item);
    scores.push_back(pick.score);
  }
  const ItemSimilarity similarity(*question.models, items);
  Picks ordered;
  std::vector<bool> taken(picks.size());
  for (const uint32_t place : ChooseDiverse(scores, similarity, diversity, fixed)) {
    taken[place] = true;
    ordered.push_back(picks[place]);
  }
  for (size_t i = 0; i < picks.size(); ++i) {
    if (!taken[i]) ordered.push_back(picks[i]);
  }
  return ordered;
}

// One slot's candidates: those with a score first.
struct Shortlist {
  Picks candidates;
  std::vector<float> scores;
  std::vector<double> Probabilities(double epsilon) const {
    return SlotProbabilities(scores, candidates.size() - scores.size(), epsilon);
  }
};

// Deals `rest`, what follows the page, and items without history out to `slots` shortlists.
std::vector<Shortlist> DealShortlists(const Question& question, std::span<const Answer::Pick> rest,
                                      const Exploration& exploration, size_t slots, Answer& answer) {
  Picks known, fresh;
  for (const Answer::Pick& pick : rest) (HasHistory(question, pick.item->id) ? known : fresh).push_back(pick);
  const size_t kept = slots * exploration.new_items;
  for (const uint32_t id : question.index->times().LatestFirst()) {
    if (fresh.size() >= kept) break;
    if (!TestBit(question.allowed, id) || HasHistory(question, ItemId{id})) continue;
    if (const auto extra = answer.Extra(ItemId{id})) fresh.push_back(*extra);
  }
  const ShortlistSizes sizes =
      SizeShortlists(slots, exploration.candidates, exploration.new_items, {known.size(), fresh.size()});
  std::vector<Shortlist> shortlists(slots);
  for (size_t i = 0; i < sizes.with_history; ++i) {
    shortlists[i % slots].candidates.push_back(known[i]);
    shortlists[i % slots].scores.push_back(known[i].score);
  }
  for (size_t i = 0; i < sizes.without_history; ++i) {
    shortlists[(sizes.with_history + i) % slots].candidates.push_back(fresh[i]);
  }
  return shortlists;
}

// Positions from 0 of the page that are drawn for: designated, and without a pin.
std::vector<size_t> ExploredSlots(const Exploration& exploration, const std::vector<bool>& pinned) {
  std::vector<size_t> slots;
  for (const size_t slot : exploration.slots) {
    if (slot >= 1 && slot <= pinned.size() && !pinned[slot - 1]) slots.push_back(slot - 1);
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

}  // namespace

size_t CandidatesFor(const PageOptions& options, size_t want) {
  const size_t page = options.diversity > 0 ? DiversityPool(want) : want;
  size_t slots = 0;
  for (const size_t slot : options.exploration.slots) slots += slot <= want;
  return page + slots * options.exploration.candidates;
}

RecommendResponse ArrangePage(const Question& question, const PageOptions& options,
                              const std::function<double(size_t slot)>& uniform_of, Answer& answer) {
  const std::vector<bool> pinned = answer.PinnedSlots();
  const std::vector<size_t> explored = ExploredSlots(options.exploration, pinned);
  const auto open = static_cast<size_t>(std::count(pinned.begin(), pinned.end(), false));
  const size_t fixed = open - explored.size();
  Picks ranked(answer.picks().begin(), answer.picks().end());
  if (options.diversity > 0) ranked = Diversify(question, ranked, options.diversity, fixed);
  if (explored.empty()) return answer.Finish(std::span(ranked).first(fixed));

  const std::vector<Shortlist> shortlists =
      DealShortlists(question, std::span(ranked).subspan(fixed), options.exploration, explored.size(), answer);
  Picks chosen;
  auto next_fixed = ranked.begin();
  size_t draw = 0;
  for (size_t slot = 0; slot < pinned.size(); ++slot) {
    if (pinned[slot]) continue;
    if (draw == explored.size() || explored[draw] != slot) {
      chosen.push_back(*next_fixed++);
      continue;
    }
    const Shortlist& shortlist = shortlists[draw];
    const std::vector<double> probabilities = shortlist.Probabilities(options.exploration.epsilon);
    const size_t drawn = DrawCandidate(probabilities, uniform_of(slot + 1));
    Answer::Pick& pick = chosen.emplace_back(shortlist.candidates[drawn]);
    pick.explored = true;
    pick.propensity = static_cast<float>(probabilities[drawn]);
    if (options.propensities == Propensities::kOfAnotherSlot) {
      const auto wrong = shortlists[(draw + 1) % explored.size()].Probabilities(options.exploration.epsilon);
      pick.propensity = static_cast<float>(wrong[drawn % wrong.size()]);
    }
    ++draw;
  }
  return answer.Finish(chosen);
}

}  // namespace rapport

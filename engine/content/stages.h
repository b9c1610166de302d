// Where candidates come from, one function per source. Each offers its own, best first, until the answer is full or the
// source is dry; the recommender decides which run in which order.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "engine/content/answer.h"
#include "engine/content/boards.h"
#include "engine/content/ranker.h"
#include "engine/customer_view.h"

namespace rapport {

// A resolved request: what the stages read. Holds what `rules` points to; not copyable, stays where it was made.
struct Question {
  Question() = default;
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  std::shared_ptr<const CatalogIndex> index;
  std::shared_ptr<const ModelSet> models;        // never null
  std::shared_ptr<const ModelBoards> boards;     // never null
  std::shared_ptr<const Newcomers> newcomers;    // items the model has no row for; may be null
  std::shared_ptr<const CustomerView> customer;  // never null
  std::span<const HistoryEntry> history;         // empty when personalization is off; a session's events if anonymous
  std::span<const uint64_t> traits;              // empty when personalization is off
  std::vector<const Item*> seeds;
  std::vector<ItemId> excluded;
  std::vector<uint64_t> seed_groups;
  ShowRules rules;
  Gains gains;
  Bitmap allowed;                          // prefilter, by item id
  std::shared_ptr<const FilterPart> part;  // of a filter that `allowed` has passed; null: none

  const ContentModel* model() const { return models->content.get(); }
  // The instant that ages are counted to: now, but not later than anything the model or the history knows of, so that a
  // log that ended years ago is read as on its last day.
  Timestamp as_of() const {
    Timestamp known = model() != nullptr ? model()->trained_until : rules.now;
    for (const HistoryEntry& line : history) known = std::max(known, line.time);
    return std::min(known, rules.now);
  }
  Level personal_level() const { return customer->anonymous ? Level::kSession : Level::kPersonal; }
};

// Whether orders of the past lift a personal ranking.
struct RepeatBlend {
  double weight = 0;  // 0: not at all
  double half_life_days = 365;
};

// What the blend is asked, and the weights for the policy and customer at hand; null where it does not rank. The views
// of `asked` are into the question and into scratch (stack.lines, allowed_rows, allowed_newcomers).
struct StackPlan {
  const std::vector<double>* theta = nullptr;
  StackQuestion asked;
};
// By the history: a customer's, or a session's. By traits and boards alone, for whoever has no history.
StackPlan PlanBlend(const Question& question, const EventWeights& weights, RankScratch& scratch);
StackPlan PlanCold(const Question& question, RankScratch& scratch);
// The blend of all models (models/stack.h), where the model has weights for the policy at hand: best candidates first.
void OfferBlended(const Question& question, const EventWeights& weights, RankScratch& scratch, Answer& answer);
// The same for a customer without history: what is liked by those with the same traits (level "segment"), and what is
// popular, rising and in season (level "popular").
void OfferCold(const Question& question, RankScratch& scratch, Answer& answer);
// The customer's factor, folded in from the history, against every item of the model.
void OfferPersonal(const Question& question, const EventWeights& weights, const RepeatBlend& blend,
                   RankScratch& scratch, Answer& answer);
// What the customer orders again and again ("buy again").
void OfferRepeats(const Question& question, double half_life_days, RankScratch& scratch, Answer& answer);
// Neighbours in the model of the seeds, or of what the history speaks of.
void OfferNeighboursOfSeeds(const Question& question, const NeighbourLists& lists, Origin origin, RankScratch& scratch,
                            Answer& answer);
void OfferNeighboursOfHistory(const Question& question, const EventWeights& weights, RankScratch& scratch,
                              Answer& answer);
// Kin by attributes of the seeds that the model has no row for.
void OfferKinOfNewcomers(const Question& question, Answer& answer);
// Items that share a category with a seed, the popular ones first: for seeds that the model does not know.
void OfferKin(const Question& question, FilterCache& filters, Answer& answer);
void OfferBoard(const Question& question, std::span<const Scored> board, Origin origin, Answer& answer);
// The configured list, by external ids, in its order.
void OfferStatic(const Question& question, std::span<const std::string> items, Answer& answer);
// Everything in the catalogue, latest first: whatever may be shown is found here at last.
void OfferLatest(const Question& question, Level level, Answer& answer);

}  // namespace rapport

#include "engine/content/stages.h"

#include <algorithm>
#include <map>

namespace rapport {

namespace {

// Candidates with scores >= 0 and index = item id, the best first by boosted score. Sorted piece by piece: the answer
// is full long before the end.
void OfferRanked(const Question& question, std::vector<Scored>& candidates, Answer& answer) {
  ScalePositive(question.gains, candidates);
  auto next = candidates.begin();
  for (ptrdiff_t piece = 64; next != candidates.end() && !answer.full(); piece *= 4) {
    const auto stop = next + std::min(piece, candidates.end() - next);
    if (stop != candidates.end()) std::nth_element(next, stop, candidates.end(), Better);
    std::sort(next, stop, Better);
    answer.Expect(static_cast<size_t>(stop - next),
                  [next](size_t i) { return ItemId{(next + static_cast<ptrdiff_t>(i))->index}; });
    for (; next != stop && !answer.full(); ++next) answer.Offer(ItemId{next->index}, next->score);
  }
}

// A sorted source of `count` candidates, best first, none of them negative: walked as it is, or, when boosts change its
// order, gathered and sorted anew.
template <typename IdAt, typename ScoreAt>
void OfferSorted(const Question& question, size_t count, IdAt id_at, ScoreAt score_at,
                 std::span<const uint64_t> allowed, Answer& answer) {
  if (question.gains.empty()) {
    for (size_t i = 0; i < count && !answer.full(); ++i) {
      if (TestBit(allowed, id_at(i))) answer.Offer(ItemId{id_at(i)}, score_at(i));
    }
    return;
  }
  std::vector<Scored> candidates;
  for (size_t i = 0; i < count; ++i) {
    if (TestBit(allowed, id_at(i))) candidates.push_back({static_cast<uint32_t>(id_at(i)), score_at(i)});
  }
  OfferRanked(question, candidates, answer);
}

float RankScore(size_t rank, size_t count) {
  return static_cast<float>(1.0 - static_cast<double>(rank) / static_cast<double>(count));
}

void OfferBoardAmong(const Question& question, std::span<const Scored> board, std::span<const uint64_t> allowed,
                     Answer& answer) {
  const float highest = board.empty() ? 1.0f : board.front().score;
  OfferSorted(
      question, board.size(), [&](size_t i) { return uint64_t{board[i].index}; },
      [&](size_t i) { return board[i].score / highest; }, allowed, answer);
}

void OfferLatestAmong(const Question& question, std::span<const uint64_t> allowed, Answer& answer) {
  const std::vector<uint32_t>& latest = question.index->times().LatestFirst();
  OfferSorted(
      question, latest.size(), [&](size_t i) { return uint64_t{latest[i]}; },
      [&](size_t i) { return RankScore(i, latest.size()); }, allowed, answer);
}

// Neighbours of scratch.rows by scratch.weights. Only what is a neighbour of one of them is a candidate.
void OfferNeighbours(const Question& question, const NeighbourLists& lists, Origin origin, RankScratch& scratch,
                     Answer& answer) {
  const ContentModel& model = *question.model();
  if (lists.items != model.rows()) return;
  scratch.scores.assign(model.rows(), 0.0f);
  AddNeighbourScores(lists, scratch.rows, scratch.weights, scratch.scores);
  std::vector<Scored> candidates;
  for (const uint32_t row : scratch.rows) {
    for (const Neighbour& neighbour : lists.Of(row)) {
      float& score = scratch.scores[neighbour.item];
      const uint64_t item = model.item_ids[neighbour.item];
      if (score > 0 && TestBit(question.allowed, item)) candidates.push_back({static_cast<uint32_t>(item), score});
      score = 0;  // once only
    }
  }
  answer.BeginStage(Level::kSimilar, origin);
  OfferRanked(question, candidates, answer);
}

}  // namespace

namespace {

// The history on the model's rows, as training saw it (engine/learning/blend_fit.cc).
void MapSignals(const ModelSet& models, std::span<const HistoryEntry> history, const EventWeights& weights,
                std::vector<SignalLine>& out) {
  out.clear();
  for (const HistoryEntry& line : history) {
    const uint32_t row = models.RowOf(line.item);
    if (row == kNoRow) continue;
    const bool back = line.type == EventType::kRefunded || line.type == EventType::kCancelled ||
                      (line.type == EventType::kOrdered && line.quantity < 0);
    const int8_t order = back ? -1 : line.type == EventType::kOrdered ? 1 : 0;
    const double weight = weights.LineWeight(line.type, line.quantity, line.value, line.name);
    if (weight != 0 || order != 0) out.push_back({row, static_cast<float>(weight), order, line.time});
  }
}

const std::vector<double>& ThetaFor(const StackModel& stack, RepeatPolicy policy) {
  static const std::vector<double> kNone;
  switch (policy) {
    case RepeatPolicy::kAllow: return stack.repeats_theta;
    case RepeatPolicy::kExcludeOwned:
    case RepeatPolicy::kExcludeOrdered: return stack.new_theta;
    case RepeatPolicy::kOnlyOrdered: break;  // ranked by frequency: OfferRepeats
  }
  return kNone;
}

}  // namespace

namespace {

// The theta that a visitor of whom only a session is known is answered with, where it was fitted.
const std::vector<double>& ThetaForHistory(const Question& question, const StackModel& stack) {
  const bool session = question.customer->anonymous && !stack.session_theta.empty() &&
                       question.rules.repeat != RepeatPolicy::kOnlyOrdered;
  return session ? stack.session_theta : ThetaFor(stack, question.rules.repeat);
}

StackPlan PlanStack(const Question& question, const std::vector<double>& theta, std::span<const SignalLine> lines,
                    RankScratch& scratch) {
  const ContentModel& model = *question.model();
  PickBitsOf(question.allowed, question.models->has_row, model.rows(), scratch.allowed_rows);
  // A session's weights were fitted on what was not in it yet.
  if (&theta == &model.stack.session_theta) {
    for (const SignalLine& line : lines) ClearBit(scratch.allowed_rows, line.row);
  }
  const Newcomers* newcomers = question.newcomers.get();
  scratch.allowed_newcomers.clear();
  if (newcomers != nullptr) PickBits(question.allowed, newcomers->item_ids, scratch.allowed_newcomers);
  return {&theta,
          {lines, question.traits, question.as_of(), FilterPart::Allow(scratch.allowed_rows, question.part.get()),
           newcomers, scratch.allowed_newcomers}};
}

void OfferPlanned(const Question& question, const StackPlan& plan, Level level, Origin origin, StackScratch& scratch,
                  Answer& answer) {
  const ContentModel& model = *question.model();
  CollectCandidates(model, plan.asked, scratch);
  std::vector<Scored> ranked = ScoreCandidates(*plan.theta, scratch);
  if (ranked.empty()) return;
  float lowest = ranked.front().score;
  for (const Scored& one : ranked) lowest = std::min(lowest, one.score);
  for (Scored& one : ranked) {
    const uint64_t id =
        one.index < model.rows() ? model.item_ids[one.index] : question.newcomers->item_ids[one.index - model.rows()];
    one = {static_cast<uint32_t>(id), one.score - lowest};
  }
  answer.BeginStage(level, origin);
  OfferRanked(question, ranked, answer);
}

}  // namespace

StackPlan PlanBlend(const Question& question, const EventWeights& weights, RankScratch& scratch) {
  const ContentModel* model = question.model();
  if (model == nullptr || question.history.empty()) return {};
  const std::vector<double>& theta = ThetaForHistory(question, model->stack);
  if (theta.empty()) return {};
  std::vector<SignalLine>& lines = scratch.stack.lines;
  MapSignals(*question.models, question.history, weights, lines);
  return lines.empty() ? StackPlan() : PlanStack(question, theta, lines, scratch);
}

StackPlan PlanCold(const Question& question, RankScratch& scratch) {
  const ContentModel* model = question.model();
  if (model == nullptr || model->stack.cold_theta.empty() || !question.history.empty()) return {};
  if (question.rules.repeat == RepeatPolicy::kOnlyOrdered) return {};
  return PlanStack(question, model->stack.cold_theta, {}, scratch);
}

void OfferBlended(const Question& question, const EventWeights& weights, RankScratch& scratch, Answer& answer) {
  const StackPlan plan = PlanBlend(question, weights, scratch);
  if (plan.theta == nullptr) return;
  OfferPlanned(question, plan, question.personal_level(), Origin::kBlend, scratch.stack, answer);
}

void OfferCold(const Question& question, RankScratch& scratch, Answer& answer) {
  const StackPlan plan = PlanCold(question, scratch);
  if (plan.theta == nullptr) return;
  const std::vector<uint64_t>& known = question.model()->traits.tokens;
  const bool segment = std::any_of(question.traits.begin(), question.traits.end(), [&](uint64_t token) {
    return std::binary_search(known.begin(), known.end(), token);
  });
  const Level level = segment ? Level::kSegment : Level::kPopular;
  OfferPlanned(question, plan, level, Origin::kCold, scratch.stack, answer);
}

void OfferPersonal(const Question& question, const EventWeights& weights, const RepeatBlend& blend,
                   RankScratch& scratch, Answer& answer) {
  const ContentModel* model = question.model();
  if (model == nullptr || question.history.empty()) return;
  const Timestamp now = question.as_of();
  SumTaste(question.history, weights, model->history_half_life_days, now, scratch.items);
  if (!MapToRows(*question.models, scratch.items, scratch) || !FoldInRows(*model, scratch)) return;
  PickBitsOf(question.allowed, question.models->has_row, model->rows(), scratch.allowed_rows);
  scratch.items.clear();
  if (blend.weight > 0) SumRepeats(question.history, blend.half_life_days, now, scratch.items);
  const Lift lift{scratch.items, blend.weight};

  answer.BeginStage(question.personal_level(), Origin::kFactors);
  size_t offered = 0;
  // Widened until enough pass the live check and are of different products, or all were offered.
  for (size_t k = 2 * answer.missing() + 16; !answer.full(); k *= 4) {
    const std::vector<Scored> best =
        BestByFactors(*question.models, lift, question.gains, k, question.part.get(), scratch);
    answer.Expect(best.size() - offered, [&](size_t i) { return ItemId{model->item_ids[best[offered + i].index]}; });
    for (; offered < best.size() && !answer.full(); ++offered) {
      answer.Offer(ItemId{model->item_ids[best[offered].index]}, best[offered].score);
    }
    if (best.size() < k) break;
  }
}

void OfferRepeats(const Question& question, double half_life_days, RankScratch& scratch, Answer& answer) {
  SumRepeats(question.history, half_life_days, question.as_of(), scratch.items);
  std::vector<Scored> candidates;
  for (const WeightedItem& repeat : scratch.items) {
    if (!TestBit(question.allowed, repeat.item.value)) continue;
    candidates.push_back({static_cast<uint32_t>(repeat.item.value), static_cast<float>(repeat.weight)});
  }
  answer.BeginStage(question.personal_level(), Origin::kRepeats);
  OfferRanked(question, candidates, answer);
}

void OfferNeighboursOfSeeds(const Question& question, const NeighbourLists& lists, Origin origin, RankScratch& scratch,
                            Answer& answer) {
  if (question.model() == nullptr) return;
  scratch.items.clear();
  for (const Item* seed : question.seeds) scratch.items.push_back({seed->id, 1.0});
  if (MapToRows(*question.models, scratch.items, scratch)) OfferNeighbours(question, lists, origin, scratch, answer);
}

void OfferNeighboursOfHistory(const Question& question, const EventWeights& weights, RankScratch& scratch,
                              Answer& answer) {
  const ContentModel* model = question.model();
  if (model == nullptr) return;
  SumTaste(question.history, weights, model->history_half_life_days, question.as_of(), scratch.items);
  if (!MapToRows(*question.models, scratch.items, scratch)) return;
  OfferNeighbours(question, model->similar, Origin::kHistorySimilar, scratch, answer);
}

void OfferKinOfNewcomers(const Question& question, Answer& answer) {
  if (question.newcomers == nullptr) return;
  const std::vector<uint64_t>& ids = question.newcomers->item_ids;
  std::map<uint64_t, float> sums;  // by item id
  for (const Item* seed : question.seeds) {
    const auto at = std::lower_bound(ids.begin(), ids.end(), seed->id.value);
    if (at == ids.end() || *at != seed->id.value) continue;
    for (const Neighbour& kin : question.newcomers->kin[static_cast<size_t>(at - ids.begin())]) {
      sums[question.model()->item_ids[kin.item]] += kin.score;
    }
  }
  std::vector<Scored> candidates;
  for (const auto& [id, score] : sums) {
    if (TestBit(question.allowed, id)) candidates.push_back({static_cast<uint32_t>(id), score});
  }
  answer.BeginStage(Level::kSimilar, Origin::kSeedsKin);
  OfferRanked(question, candidates, answer);
}

void OfferKin(const Question& question, FilterCache& filters, Answer& answer) {
  std::vector<std::string> categories;
  for (const Item* seed : question.seeds) {
    categories.insert(categories.end(), seed->categories.begin(), seed->categories.end());
  }
  if (categories.empty()) return;
  std::sort(categories.begin(), categories.end());
  categories.erase(std::unique(categories.begin(), categories.end()), categories.end());
  Bitmap kin = question.allowed;
  filters.CategoryIn(categories, *question.index)->Restrict({}, kin);
  answer.BeginStage(Level::kSimilar, Origin::kCategory);
  OfferBoardAmong(question, question.boards->popular, kin, answer);
  if (answer.full()) return;
  answer.BeginStage(Level::kSimilar, Origin::kCategory);
  OfferLatestAmong(question, kin, answer);
}

void OfferBoard(const Question& question, std::span<const Scored> board, Origin origin, Answer& answer) {
  answer.BeginStage(Level::kPopular, origin);
  OfferBoardAmong(question, board, question.allowed, answer);
}

void OfferStatic(const Question& question, std::span<const std::string> items, Answer& answer) {
  answer.BeginStage(Level::kStatic, Origin::kConfigured);
  std::vector<uint64_t> ids;
  for (const std::string& external_id : items) {
    const Item* item = question.index->catalog().Find(external_id);
    if (item != nullptr) ids.push_back(item->id.value);
  }
  OfferSorted(
      question, ids.size(), [&](size_t i) { return ids[i]; }, [&](size_t i) { return RankScore(i, ids.size()); },
      question.allowed, answer);
}

void OfferLatest(const Question& question, Level level, Answer& answer) {
  answer.BeginStage(level, Origin::kLatest);
  OfferLatestAmong(question, question.allowed, answer);
}

}  // namespace rapport

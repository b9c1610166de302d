#include "models/stack.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/kernels.h"
#include "models/likeness.h"

namespace rapport {
namespace {

double Decay(Timestamp time, Timestamp now, double half_life_days) {
  const double age_days = static_cast<double>(std::max<int64_t>(0, now.ms - time.ms)) / kDayMs;
  return std::exp2(-age_days / half_life_days);
}

enum class Signal { kTaste, kOrders };

// Lines summed by row with decay, what stays positive. REQUIRES lines sorted by row.
void Sum(std::span<const SignalLine> lines, Signal signal, Timestamp now, double half_life_days,
         StackScratch::WeightedRows& out) {
  out.rows.clear();
  out.weights.clear();
  for (size_t i = 0; i < lines.size();) {
    const uint32_t row = lines[i].row;
    double sum = 0;
    for (; i < lines.size() && lines[i].row == row; ++i) {
      const double weight = signal == Signal::kOrders ? lines[i].order : lines[i].weight;
      sum += weight * Decay(lines[i].time, now, half_life_days);
    }
    if (sum <= 0 || !std::isfinite(sum)) continue;
    out.rows.push_back(row);
    out.weights.push_back(static_cast<float>(sum));
  }
}

// A long history costs as much as its largest part: what weighs least moves a sum of neighbours least.
constexpr size_t kNeighbourHistoryMax = 200;

void KeepLargest(size_t count, StackScratch::WeightedRows& history) {
  if (history.rows.size() <= count) return;
  std::vector<Scored> all;
  for (size_t i = 0; i < history.rows.size(); ++i) all.push_back({history.rows[i], history.weights[i]});
  std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(), Better);
  all.resize(count);
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.index < b.index; });
  history.rows.clear();
  history.weights.clear();
  for (const Scored& one : all) {
    history.rows.push_back(one.index);
    history.weights.push_back(one.score);
  }
}

bool IsAllowed(std::span<const uint64_t> allowed, uint32_t row) {
  return allowed.empty() || (row / 64 < allowed.size() && (allowed[row / 64] >> (row % 64) & 1) != 0);
}

// A board in its own order gives its best allowed rows at once, unless few are allowed.
constexpr size_t kBoardWalkMax = 8192;

std::vector<Scored> BestOfBoard(std::span<const float> board, std::span<const uint32_t> order,
                                std::span<const uint64_t> allowed) {
  std::vector<Scored> best;
  best.reserve(kStackDepth);
  for (size_t i = 0; i < order.size() && best.size() < kStackDepth; ++i) {
    if (i == kBoardWalkMax) return TopKPositive(board, kStackDepth, allowed);
    const uint32_t row = order[i];
    if (IsAllowed(allowed, row)) best.push_back({row, board[row]});
  }
  return order.empty() ? TopKPositive(board, kStackDepth, allowed) : best;
}

std::vector<Scored> BestOfOwn(const StackScratch::WeightedRows& own, std::span<const uint64_t> allowed) {
  std::vector<Scored> best;
  for (size_t i = 0; i < own.rows.size(); ++i) {
    const Scored one{own.rows[i], own.weights[i]};
    if (one.score > 0 && std::isfinite(one.score) && IsAllowed(allowed, one.index)) best.push_back(one);
  }
  KeepBestSet(kStackDepth, kStackLeaders, best);
  return best;
}

// Lists of different rows lie far apart: ask for the next one while this one is added.
void Prefetch(std::span<const Neighbour> list) {
  constexpr size_t kLine = 64 / sizeof(Neighbour);
  for (size_t i = 0; i < list.size(); i += kLine) __builtin_prefetch(list.data() + i);
}

// Where so many are added that hardly a block will be left out, all are said to be touched at once.
constexpr size_t kDenseShare = 4;

// AddNeighbourScores, leaving a trace.
void Add(const NeighbourLists& lists, const StackScratch::WeightedRows& history, TouchedSums& sums) {
  float* const to = sums.sums.data();
  uint8_t* const touched = sums.touched.data();  // in locals: a store through a byte pointer may alias everything else
  size_t added = 0;
  for (const uint32_t row : history.rows) added += lists.Of(row).size();
  const bool dense = added >= kDenseShare * sums.touched.size();
  if (dense) std::fill(sums.touched.begin(), sums.touched.end(), uint8_t{1});
  for (size_t i = 0; i < history.rows.size(); ++i) {
    const float weight = history.weights[i];
    if (i + 1 < history.rows.size()) Prefetch(lists.Of(history.rows[i + 1]));
    if (dense) {
      for (const Neighbour& neighbour : lists.Of(history.rows[i])) to[neighbour.item] += weight * neighbour.score;
      continue;
    }
    for (const Neighbour& neighbour : lists.Of(history.rows[i])) {
      const uint32_t item = neighbour.item;
      to[item] += weight * neighbour.score;
      touched[item / 64] = 1;
    }
  }
}

// The sources of one customer, one after the other: candidates first, then their features.
class Sources {
 public:
  Sources(const ContentModel& model, const StackQuestion& question, StackScratch& scratch)
      : model_(model), question_(question), now_(question.now), allowed_(question.allowed.bits), scratch_(scratch) {
    scratch_.bits.assign((model.rows() + 63) / 64, 0);
    for (const uint32_t row : scratch_.also) scratch_.bits[row / 64] |= uint64_t{1} << (row % 64);
    scratch_.leaders = {};
  }

  void Gather() {
    Board(StackSource::kPopular, model_.popularity.popular, model_.stack.popular_order);
    Board(StackSource::kRecent14, model_.stack.recent14, model_.stack.recent14_order);
    Board(StackSource::kRecent7, model_.stack.recent7, model_.stack.recent7_order);
    Board(StackSource::kSeason, model_.stack.season, model_.stack.season_order);
    Own(StackSource::kOwn365, 365, scratch_.own365);
    Own(StackSource::kOwn90, 90, scratch_.own90);
    Repurchase();
    Factors();
    Sum(scratch_.sorted, Signal::kTaste, now_, 60, scratch_.taste60);
    KeepLargest(kNeighbourHistoryMax, scratch_.taste60);
    Neighbours(StackSource::kBaskets60, model_.bought_together, scratch_.taste60, scratch_.sums[kSumBaskets60]);
    Neighbours(StackSource::kCustomers60, model_.similar, scratch_.taste60, scratch_.sums[kSumCustomers60]);
    Neighbours(StackSource::kAttributes, model_.attributes.kin, scratch_.taste60, scratch_.sums[kSumAttributes]);
    Sum(scratch_.sorted, Signal::kTaste, now_, 365, scratch_.taste365);
    KeepLargest(kNeighbourHistoryMax, scratch_.taste365);
    Neighbours(StackSource::kBaskets365, model_.bought_together, scratch_.taste365, scratch_.sums[kSumBaskets365]);
    Neighbours(StackSource::kShallow, model_.stack.shallow, scratch_.taste365, scratch_.sums[kSumShallow]);
    NewestSession();
    TouchedSums& traits = scratch_.sums[kSumTraits];
    traits.Clear(model_.rows());
    AddTraitScores(model_.traits, question_.traits, traits.sums, traits.touched);
    OfferSums(StackSource::kTraits, traits);
    scratch_.candidates.clear();
    for (size_t word = 0; word < scratch_.bits.size(); ++word) {
      for (uint64_t bits = scratch_.bits[word]; bits != 0; bits &= bits - 1) {
        scratch_.candidates.push_back(static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(__builtin_ctzll(bits)));
      }
    }
  }

  // One candidate after the other, all its sources side by side: the two columns of each are one division and one root
  // of a whole vector.
  void WriteFeatures() {
    static_assert(kStackSources < kLanes && 2 * kLanes <= kStackFeatures);
    const auto board = [&](StackSource source, std::span<const float> scores) {
      boards_[static_cast<size_t>(source)] = HighestOf(source) > 0 ? scores.data() : nullptr;
    };
    board(StackSource::kPopular, model_.popularity.popular);
    board(StackSource::kRecent14, model_.stack.recent14);
    board(StackSource::kRecent7, model_.stack.recent7);
    board(StackSource::kBaskets60, scratch_.sums[kSumBaskets60].sums);
    board(StackSource::kCustomers60, scratch_.sums[kSumCustomers60].sums);
    board(StackSource::kBaskets365, scratch_.sums[kSumBaskets365].sums);
    board(StackSource::kShallow, scratch_.sums[kSumShallow].sums);
    board(StackSource::kSeason, model_.stack.season);
    board(StackSource::kAttributes, scratch_.sums[kSumAttributes].sums);
    board(StackSource::kSession, scratch_.sums[kSumSession].sums);
    board(StackSource::kTraits, scratch_.sums[kSumTraits].sums);
    const size_t count = scratch_.candidates.size();
    const kernels::Kernels& kernel = kernels::BestKernels();
    scratch_.dots.assign(count, 0.0f);
    if (HighestOf(StackSource::kFactors) > 0) {
      kernel.dot_named(model_.als.item_factors.data(), scratch_.candidates.data(), count, scratch_.factor.size(),
                       scratch_.factor.data(), scratch_.dots.data());
    }
    Walk own365{scratch_.own365}, own90{scratch_.own90}, repurchase{scratch_.repurchase};
    std::array<float, kLanes> highest, scores{};
    highest.fill(1.0f);  // nothing has a score there
    for (size_t s = 0; s < kStackSources; ++s) {
      if (scratch_.leaders[s].highest > 0) highest[s] = scratch_.leaders[s].highest;
    }
    scratch_.features.resize(count * kStackFeatures);
    float* out = scratch_.features.data();
    for (size_t i = 0; i < count; ++i, out += kStackFeatures) {
      const uint32_t row = scratch_.candidates[i];
      for (size_t s = 0; s < kStackSources; ++s) scores[s] = boards_[s] != nullptr ? boards_[s][row] : 0.0f;
      const auto set = [&](StackSource source, float score) {
        scores[static_cast<size_t>(source)] = HighestOf(source) > 0 ? score : 0.0f;
      };
      set(StackSource::kOwn365, own365.At(row));
      set(StackSource::kOwn90, own90.At(row));
      set(StackSource::kRepurchase, repurchase.At(row));
      set(StackSource::kFactors, scratch_.dots[i]);
      kernel.scaled_roots(scores.data(), highest.data(), out);
      std::fill(out + 2 * kStackSources, out + kStackFeatures, 0.0f);
    }
  }
  float HighestOf(StackSource source) const { return scratch_.leaders[static_cast<size_t>(source)].highest; }

 private:
  static constexpr size_t kLanes = 16;  // of the kernel that scales

  void Offer(StackSource source, std::span<const Scored> best) {
    SourceLeaders& leaders = scratch_.leaders[static_cast<size_t>(source)];
    leaders.count = std::min(best.size(), kStackLeaders);
    for (size_t i = 0; i < leaders.count; ++i) leaders.rows[i] = best[i].index;
    if (!best.empty()) leaders.highest = best.front().score;
    for (const Scored& one : best) scratch_.bits[one.index / 64] |= uint64_t{1} << (one.index % 64);
  }

  void Board(StackSource source, std::span<const float> board, std::span<const uint32_t> order) {
    if (board.size() == model_.rows()) Offer(source, BestOfBoard(board, order, allowed_));
  }
  void Own(StackSource source, double half_life_days, StackScratch::WeightedRows& own) {
    Sum(scratch_.sorted, Signal::kOrders, now_, half_life_days, own);
    Offer(source, BestOfOwn(own, allowed_));
  }
  void Factors() {
    Sum(scratch_.sorted, Signal::kTaste, now_, model_.history_half_life_days, scratch_.taste);
    scratch_.factor.clear();
    if (scratch_.taste.rows.empty()) return;
    scratch_.factor.resize(static_cast<size_t>(model_.als.options.factors));
    FoldIn(model_.als, scratch_.taste.rows, scratch_.taste.weights, scratch_.fold_in, scratch_.factor);
    Offer(StackSource::kFactors, BestItems(model_.als.quantized, model_.als.item_factors, scratch_.factor, kStackDepth,
                                           question_.allowed, ScoreFloor::kAboveZero, scratch_.scan));
  }
  void Neighbours(StackSource source, const NeighbourLists& lists, const StackScratch::WeightedRows& history,
                  TouchedSums& sums) {
    sums.Clear(model_.rows());
    if (lists.items != model_.rows()) return;
    Add(lists, history, sums);
    OfferSums(source, sums);
  }
  void OfferSums(StackSource source, const TouchedSums& sums) {
    scratch_.had.resize(sums.touched.size());  // spare until the features are written
    for (size_t block = 0; block < sums.touched.size(); ++block) {
      const uint64_t word = allowed_.empty() ? ~uint64_t{0} : block < allowed_.size() ? allowed_[block] : 0;
      scratch_.had[block] = sums.touched[block] != 0 ? word : 0;
    }
    Offer(source, BestSetPositive(sums.sums, kStackDepth, kStackLeaders, scratch_.had, scratch_.best_set));
  }

  // Items ordered more often than they came back.
  void Repurchase() {
    StackScratch::WeightedRows& due = scratch_.repurchase;
    due = {};
    if (model_.repurchase.terms.size() != model_.rows()) return;
    const std::vector<SignalLine>& lines = scratch_.sorted;
    std::vector<Timestamp> times;
    for (size_t i = 0; i < lines.size();) {
      const uint32_t row = lines[i].row;
      int kept = 0;
      times.clear();
      for (; i < lines.size() && lines[i].row == row; ++i) {
        kept += lines[i].order;
        if (lines[i].order > 0) times.push_back(lines[i].time);
      }
      if (kept <= 0) continue;
      std::sort(times.begin(), times.end());
      const double chance = RepurchaseChance(model_.repurchase.terms[row], times, now_);
      if (!(chance > 0)) continue;
      due.rows.push_back(row);
      due.weights.push_back(static_cast<float>(chance));
    }
    Offer(StackSource::kRepurchase, BestOfOwn(due, allowed_));
  }
  void NewestSession() {
    TouchedSums& sums = scratch_.sums[kSumSession];
    sums.Clear(model_.rows());
    std::vector<uint32_t>& rows = scratch_.asked;
    rows.clear();
    if (model_.sessions.items != model_.rows()) return;
    const SessionOptions options;
    std::vector<const SignalLine*> newest;
    for (const SignalLine& line : question_.lines) {
      if (line.weight > 0) newest.push_back(&line);
    }
    std::stable_sort(newest.begin(), newest.end(),
                     [](const SignalLine* a, const SignalLine* b) { return a->time < b->time; });
    for (auto line = newest.rbegin(); line != newest.rend() && rows.size() <= options.items_asked_max; ++line) {
      if (std::find(rows.begin(), rows.end(), (*line)->row) == rows.end()) rows.push_back((*line)->row);
    }
    AddSessionScores(model_.sessions, rows, options, scratch_.session, sums.sums, sums.touched);
    OfferSums(StackSource::kSession, sums);
  }

  // The weights of ascending rows, asked for in ascending order.
  struct Walk {
    const StackScratch::WeightedRows& own;
    size_t at = 0;
    float At(uint32_t row) {
      while (at < own.rows.size() && own.rows[at] < row) ++at;
      return at < own.rows.size() && own.rows[at] == row ? own.weights[at] : 0.0f;
    }
  };

  const ContentModel& model_;
  const StackQuestion& question_;
  const Timestamp now_;
  const std::span<const uint64_t> allowed_;
  StackScratch& scratch_;
  std::array<const float*, kStackSources> boards_{};  // by source, for the features; null: another kind, or no score
};

// The newcomers nearest to the customer, appended to the candidates with their features.
void CollectNewcomers(const ContentModel& model, const StackQuestion& question, const Likeness& likeness,
                      float highest_factor, StackScratch& scratch) {
  const Newcomers& all = *question.newcomers;
  const size_t d = scratch.factor.size();
  std::vector<float> factor(all.size()), attributes(all.size()), boards(all.size());
  if (d > 0 && highest_factor > 0) {
    ScoreAll(all.factors, scratch.factor, factor);
    for (float& score : factor) score = std::isfinite(score) ? std::clamp(score / highest_factor, 0.0f, 2.0f) : 0.0f;
  }
  if (!scratch.profile.empty()) {
    for (size_t i = 0; i < all.size(); ++i) attributes[i] = std::max(0.0f, Dot(all.vectors[i], scratch.profile));
  }
  for (size_t i = 0; i < all.size(); ++i) boards[i] = all.recent[i] + all.season[i];
  std::vector<uint32_t> chosen;
  for (const std::vector<float>* scores : {&factor, &attributes, &boards}) {
    for (const Scored& one : TopKPositive(*scores, kNewcomerDepth, question.newcomers_allowed)) {
      chosen.push_back(one.index);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  for (const uint32_t i : chosen) {
    scratch.candidates.push_back(model.rows() + i);
    scratch.features.resize(scratch.candidates.size() * kStackFeatures, 0.0f);
    float* features = scratch.features.data() + (scratch.candidates.size() - 1) * kStackFeatures;
    features[SlotAt(NewcomerSlot::kIsNew)] = 1;
    features[SlotAt(NewcomerSlot::kFactor)] = factor[i];
    features[SlotAt(NewcomerSlot::kAttributes)] = attributes[i];
    features[SlotAt(NewcomerSlot::kRecent)] = all.recent[i];
    features[SlotAt(NewcomerSlot::kSeason)] = all.season[i];
    features[SlotAt(NewcomerSlot::kPrice)] = likeness.Price(all.prices[i]);
    features[SlotAt(NewcomerSlot::kCategory)] = likeness.Category(all.categories[i]);
  }
}

// The attributes of the history, where a newcomer will be held against them.
void DescribeHistory(const ContentModel& model, const Newcomers* newcomers, StackScratch& scratch) {
  scratch.profile.clear();
  const bool wanted = newcomers != nullptr && newcomers->size() > 0;
  if (wanted && model.attributes.rows() != 0 && !scratch.taste.rows.empty()) {
    AttributeProfile(model.attributes, scratch.taste.rows, scratch.taste.weights, scratch.profile);
  }
}

std::vector<uint32_t> OrderOf(std::span<const float> board) {
  std::vector<uint32_t> order;
  for (uint32_t row = 0; row < board.size(); ++row) {
    if (board[row] > 0 && std::isfinite(board[row])) order.push_back(row);
  }
  std::sort(order.begin(), order.end(), [board](uint32_t a, uint32_t b) {
    return Better({a, board[a]}, {b, board[b]});
  });
  return order;
}

}  // namespace

void TouchedSums::Clear(size_t rows) {
  if (sums.size() != rows) {
    sums.assign(rows, 0.0f);
    touched.assign((rows + 63) / 64, 0);
    return;
  }
  for (size_t block = 0; block < touched.size(); ++block) {
    if (touched[block] == 0) continue;
    std::fill_n(sums.begin() + static_cast<ptrdiff_t>(block * 64), std::min<size_t>(64, rows - block * 64), 0.0f);
    touched[block] = 0;
  }
}

void CollectCandidates(const ContentModel& model, const StackQuestion& question, StackScratch& scratch) {
  scratch.sorted.assign(question.lines.begin(), question.lines.end());
  std::stable_sort(scratch.sorted.begin(), scratch.sorted.end(),
                   [](const SignalLine& a, const SignalLine& b) { return a.row < b.row; });
  Sources sources(model, question, scratch);
  sources.Gather();
  sources.WriteFeatures();

  scratch.had.assign((model.rows() + 63) / 64, 0);
  for (const SignalLine& line : scratch.sorted) scratch.had[line.row / 64] |= uint64_t{1} << (line.row % 64);
  DescribeHistory(model, question.newcomers, scratch);
  const Likeness likeness(model.attributes, scratch.taste.rows, scratch.taste.weights);
  float* features = scratch.features.data();
  for (const uint32_t row : scratch.candidates) {
    features[MarkAt(StackMark::kHad)] = (scratch.had[row / 64] >> (row % 64) & 1) != 0 ? 1.0f : 0.0f;
    if (model.attributes.rows() != 0) {
      features[MarkAt(StackMark::kPrice)] = likeness.Price(model.attributes.prices[row]);
      features[MarkAt(StackMark::kCategory)] = likeness.Category(model.attributes.categories[row]);
    }
    features += kStackFeatures;
  }
  if (question.newcomers != nullptr && question.newcomers->size() > 0) {
    CollectNewcomers(model, question, likeness, sources.HighestOf(StackSource::kFactors), scratch);
  }
}

void ScoreFactors(const ContentModel& model, const StackScratch& scratch, std::span<float> scores) {
  if (scratch.factor.empty()) {
    std::fill(scores.begin(), scores.end(), 0.0f);
  } else {
    ScoreAll(model.als.item_factors, scratch.factor, scores);
  }
}

void SortBoards(ContentModel& model) {
  model.stack.popular_order = OrderOf(model.popularity.popular);
  model.stack.recent14_order = OrderOf(model.stack.recent14);
  model.stack.recent7_order = OrderOf(model.stack.recent7);
  model.stack.season_order = OrderOf(model.stack.season);
}

bool IsBoardOrder(std::span<const uint32_t> order, std::span<const float> board) {
  if (order.empty()) return true;
  const auto positive = std::count_if(board.begin(), board.end(), [](float v) { return v > 0 && std::isfinite(v); });
  if (static_cast<size_t>(positive) != order.size()) return false;
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= board.size() || !(board[order[i]] > 0) || !std::isfinite(board[order[i]])) return false;
    if (i > 0 && !Better({order[i - 1], board[order[i - 1]]}, {order[i], board[order[i]]})) return false;
  }
  return true;
}

double ScoreCandidate(std::span<const double> theta, const StackScratch& scratch, size_t candidate) {
  double sum = 0;
  for (size_t k = 0; k < kStackFeatures; ++k) sum += theta[k] * scratch.features[candidate * kStackFeatures + k];
  return sum;
}

// Eight candidates side by side: each sum is made in the order of ScoreCandidate, and no addition waits for the one
// before it.
std::vector<Scored> ScoreCandidates(std::span<const double> theta, const StackScratch& scratch) {
  constexpr size_t kAtOnce = 8;
  const size_t count = scratch.candidates.size();
  std::vector<Scored> scored(count);
  size_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) {
    const float* features = scratch.features.data() + i * kStackFeatures;
    std::array<double, kAtOnce> sums{};
    for (size_t k = 0; k < kStackFeatures; ++k) {
      for (size_t j = 0; j < kAtOnce; ++j) sums[j] += theta[k] * features[j * kStackFeatures + k];
    }
    for (size_t j = 0; j < kAtOnce; ++j) scored[i + j] = {scratch.candidates[i + j], static_cast<float>(sums[j])};
  }
  for (; i < count; ++i) scored[i] = {scratch.candidates[i], static_cast<float>(ScoreCandidate(theta, scratch, i))};
  return scored;
}

std::vector<Scored> RankCandidates(std::span<const double> theta, const StackScratch& scratch) {
  std::vector<Scored> ranked = ScoreCandidates(theta, scratch);
  std::sort(ranked.begin(), ranked.end(), Better);
  return ranked;
}

}  // namespace rapport
